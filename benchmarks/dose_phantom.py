"""Simulated quarter dose against a scanned one of which all is known: phantoms, photons and read-out noise.

    python -m benchmarks.dose_phantom

The scan is made apart from the simulation: on a grid twice as fine, with 1160 views of half a pixel's samples, three
detector rows a slice, and by its own arithmetic::

    counts   Poisson(I(θ)·e^−(p + w·(r/100 mm)²)) + N(0, Ne)      of each sample, at least the floor
    I(θ)     I0·exp(m·(max_r p − mean))                           tube current modulated by angle
    image    FBP(log(air / counts), mean of the rows)             with kernels of the benchmark's own

Full and quarter dose are scanned independently; ``n2b-ct simulate``'s calibration and noise see the full dose only.
Noise is image less noise-free image, so anatomy never counts. Writes ``benchmarks/results/dose_phantom.json`` and
``.md``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.arrival.phantoms import FIRST_SEED, KERNELS
from benchmarks.dose_places import HEADER, compared, places, row_of
from benchmarks.results_files import write_results
from n2b_ct.phantom.patients import draw_patient
from n2b_ct.simulation.dose import WATER_PER_MM, attenuation_per_mm
from n2b_ct.simulation.low_dose import lower_doses
from n2b_ct.simulation.projection import ParallelBeam, filtered_back_project, forward_project
from n2b_ct.simulation.ray_calibration import calibrate_rays, measure_slice

COMMAND = "python -m benchmarks.dose_phantom"
DOSE = 0.25
PIXEL_MM, SLICE_MM = 0.8, 3.0
N_ROWS = 3
FLOOR_COUNTS = 0.5
STARVED_PHOTONS = 20.0
BODY_INTEGRAL = 0.5
STORED_HU = (-1024.0, 3071.0)
KERNEL_NAMES = ("smooth", "sharp", "edge-enhancing")
LEVELS_HU = (8.0, 16.0)
"""Noise of the full dose in soft tissue under the smooth kernel: ordinary, and strong."""
SUBJECTS = ("disk", "abdomen")


@dataclass(frozen=True)
class Scanner:
    """What the scan has and the simulation does not know.

    Attributes:
        name: In the table.
        electronic_variance: Of one detector sample, photons².
        bowtie: Added to the line integral 100 mm off the middle.
        modulation: 0: constant current; 0.5: it follows the square root of the attenuation.
    """

    name: str
    electronic_variance: float
    bowtie: float
    modulation: float


SCANNERS = (Scanner("plain", 5.0, 0.0, 0.0), Scanner("clinical", 10.0, 0.6, 0.4))


@dataclass(frozen=True)
class Setup:
    """Size of the check; a test takes a smaller one."""

    size_px: int = 512
    n_views: int = 1160
    pixel_mm: float = PIXEL_MM

    @property
    def fine(self) -> ParallelBeam:
        """The scan's own sampling: bins of half a pixel."""
        return ParallelBeam(2 * self.size_px, self.n_views, self.pixel_mm / 2)


def main() -> None:
    """Scan, simulate, compare, write."""
    arguments = _arguments()
    setup, rows = Setup(), list[dict[str, Any]]()
    for subject in arguments.subjects:
        integrals = [forward_project(attenuation_per_mm(hu), setup.fine) for hu in drawn(subject, setup)]
        for scanner in SCANNERS:
            for level_hu in LEVELS_HU:
                about = {"subject": subject, "scanner": scanner.name, "level_hu": level_hu}
                rows += [{**about, **row} for row in checked(integrals, scanner, level_hu, setup)]
                for row in rows[-len(KERNEL_NAMES) :]:
                    print(_line(row), flush=True)
    write_results("dose_phantom", {"command": COMMAND, "dose": DOSE, "rows": rows}, _markdown(rows))


def drawn(subject: str, setup: Setup) -> list[np.ndarray]:
    """Draw the slices of a subject on the fine grid, HU."""
    if subject == "disk":
        return [_disk(2 * setup.size_px)]
    patient = draw_patient(FIRST_SEED + 7, subject, "adult")
    first, last = patient.z_range_mm
    size = {"size_px": 2 * setup.size_px, "pixel_mm": setup.pixel_mm / 2, "thickness_mm": SLICE_MM}
    return [patient.slice_hu(first + share * (last - first), **size) for share in (0.25, 0.5, 0.75)]


def checked(
    integrals: Sequence[np.ndarray],
    scanner: Scanner,
    level_hu: float,
    setup: Setup,
    kernels: Sequence[str] = KERNEL_NAMES,
) -> list[dict[str, Any]]:
    """Scan slices at both doses, simulate the lower from the full one, and compare; one row a kernel."""
    rng = np.random.default_rng(3)
    truth = [reconstructed(p, setup, kernels) for p in integrals]
    where = [
        places(one[KERNEL_NAMES[0]] if KERNEL_NAMES[0] in one else one[kernels[0]], setup.pixel_mm) for one in truth
    ]
    photons = photons_for(level_hu, integrals[0], where[0]["soft"], scanner, setup, rng)
    full, low = (
        [reconstructed(measured(p, scanner, dose * photons, setup, rng), setup, kernels) for p in integrals]
        for dose in (1.0, DOSE)
    )
    starved = starved_share(integrals, scanner, DOSE * photons, setup)
    rows = []
    for kernel in kernels:
        clean, real = ([one[kernel] for one in images] for images in (truth, low))
        simulated = lowered([one[kernel] for one in full], setup)
        noises = [[a - b for a, b in zip(images, clean, strict=True)] for images in (real, simulated)]
        rows.append({"kernel": kernel, "starved_share": starved, **compared(*noises, where)})
    return rows


def lowered(full: Sequence[np.ndarray], setup: Setup) -> list[np.ndarray]:
    """Simulate the lower dose of a series as ``n2b-ct simulate`` does."""
    beam = ParallelBeam.for_image(setup.size_px, setup.pixel_mm)
    calibration = calibrate_rays([measure_slice(hu, setup.pixel_mm) for hu in full], beam, SLICE_MM)
    return [lower_doses(hu, [DOSE], calibration, seed=0, identity=str(k)).hu[0] for k, hu in enumerate(full)]


def measured(
    integrals: np.ndarray, scanner: Scanner, photons: float, setup: Setup, rng: np.random.Generator
) -> np.ndarray:
    """Scan: line integrals as the detector's counts give them; ``photons`` are those of one sample in air."""
    air, path = _exposure(integrals, scanner, photons, setup)
    total = np.zeros_like(integrals)
    for _ in range(N_ROWS):
        counts = rng.poisson(air * np.exp(-path)).astype(np.float32)
        counts += np.float32(scanner.electronic_variance**0.5) * rng.standard_normal(counts.shape, np.float32)
        total += np.log(air / np.maximum(counts, FLOOR_COUNTS)) - (path - integrals)
    return total / np.float32(N_ROWS)


def photons_for(
    level_hu: float,
    integrals: np.ndarray,
    soft: np.ndarray,
    scanner: Scanner,
    setup: Setup,
    rng: np.random.Generator,
) -> float:
    """Photons of a sample for which quantum noise alone has a level in soft tissue under the smooth kernel."""
    _, path = _exposure(integrals, scanner, 1.0, setup)
    air, _ = _exposure(integrals, scanner, 1.0, setup)
    noise = rng.standard_normal(path.shape, np.float32) * np.sqrt(np.exp(path) / air / N_ROWS)
    image = reconstructed(noise, setup, KERNEL_NAMES[:1])[KERNEL_NAMES[0]] + 1000.0
    return float(np.var(image[soft]) / level_hu**2)


def starved_share(integrals: Sequence[np.ndarray], scanner: Scanner, photons: float, setup: Setup) -> float:
    """Share of the rays through the object whose samples expect fewer photons than the log of counts bears."""
    parts = list[np.ndarray]()
    for p in integrals:
        air, path = _exposure(p, scanner, photons, setup)
        parts.append((air * np.exp(-path))[p > BODY_INTEGRAL] < STARVED_PHOTONS)
    return round(float(np.concatenate(parts).mean()), 3)


def reconstructed(integrals: np.ndarray, setup: Setup, kernels: Sequence[str]) -> dict[str, np.ndarray]:
    """Reconstruct ``[views, fine bins]`` with several kernels, HU ``[rows, cols]`` as they would be stored."""
    beam = ParallelBeam(setup.size_px, setup.n_views, setup.pixel_mm)
    missing = 2 * beam.n_bins - integrals.shape[-1]
    first = abs(missing) // 2
    fitted = np.pad(integrals, ((0, 0), (first, first))) if missing >= 0 else integrals[:, first:-first]
    return {name: _image(fitted, beam, name) for name in kernels}


def _image(integrals: np.ndarray, beam: ParallelBeam, kernel: str) -> np.ndarray:
    density = filtered_back_project(
        integrals[None], beam, apodisation=lambda f: KERNELS[kernel](f / beam.pixel_mm), bins_per_px=2
    )
    return np.clip(density[0] * np.float32(1000.0 / WATER_PER_MM) - 1000.0, *STORED_HU)


def _exposure(integrals: np.ndarray, scanner: Scanner, photons: float, setup: Setup) -> tuple[np.ndarray, np.ndarray]:
    """Photons of each view in air, ``[views, 1]``, and what attenuates them: object and bowtie filter."""
    beam = setup.fine
    offset = (np.arange(beam.n_bins) - (beam.n_bins - 1) / 2) * beam.pixel_mm / 100.0
    path = integrals + (scanner.bowtie * offset**2).astype(np.float32)
    darkest = path.max(axis=1, keepdims=True)
    return photons * np.exp(scanner.modulation * (darkest - darkest.mean())), path


def _disk(size_px: int) -> np.ndarray:
    """An ellipse of water with lungs, a spine and an organ of 60 HU, as large as the image lets it be."""
    y, x = (np.mgrid[:size_px, :size_px] - (size_px - 1) / 2) / size_px
    hu = np.where((x / 0.46) ** 2 + (y / 0.34) ** 2 < 1.0, 0.0, -1000.0).astype(np.float32)
    for side in (-0.23, 0.23):
        hu[((x - side) / 0.11) ** 2 + (y / 0.15) ** 2 < 1.0] = -800.0
    hu[np.hypot(x, y - 0.22) < 0.034] = 700.0
    hu[np.hypot(x, y + 0.1) < 0.05] = 60.0
    return hu


def _line(row: dict[str, Any]) -> str:
    about = (
        f"| {row['subject']} | {row['scanner']} | {row['kernel']} | {row['level_hu']:g} | {row['starved_share']:.0%} "
    )
    return about + row_of(row)


def _markdown(rows: Sequence[dict[str, Any]]) -> str:
    head, rule = HEADER.split("\n")
    lines = [
        f"| subject | scanner | kernel | level HU | starved {head}",
        f"|---|---|---|---|---{rule}",
        *map(_line, rows),
    ]
    return "\n".join(lines) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--subjects", nargs="+", choices=SUBJECTS, default=SUBJECTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
