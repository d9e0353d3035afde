"""How digital patients look in numbers, beside real CT: tissues, gradients, power spectra of every region.

    python -m benchmarks.phantom_statistics --data-root DATA

Every number is taken within the body, table excluded. Phantom slices are 3 mm thick and blurred as the standard kernel
blurs. Real slices hold noise and phantoms do not, so *histograms and gradients* are compared with ramp-filtered noise
of a like strength laid on the phantom slices (:data:`NOISE_HU`; the row without it is given too), and *spectra* as
``benchmarks.piglet_texture`` does: the Mayo full dose's noise, known from its quarter dose, is taken off, the others
are fitted where anatomy is stronger than noise. Writes
``benchmarks/results/phantom_statistics.json``, ``.md`` and ``.png``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import binary_fill_holes, binary_opening, gaussian_filter, label

from benchmarks.piglet_texture import Source, measured
from benchmarks.results_files import RESULTS, write_results
from n2b_ct.io.dicom.ct_reader import read_slice
from n2b_ct.phantom.patients import REGIONS, draw_patient
from n2b_ct.simulation.dose import STANDARD, kernel_blur

COMMAND = "python -m benchmarks.phantom_statistics --data-root DATA"
FIGURE = RESULTS / "phantom_statistics.png"

TISSUES_HU = {
    "air": (-1100.0, -920.0),
    "lung": (-920.0, -500.0),
    "fat edge": (-500.0, -150.0),
    "fat": (-150.0, -50.0),
    "fluid": (-50.0, 20.0),
    "soft": (20.0, 80.0),
    "enhanced": (80.0, 200.0),
    "spongy": (200.0, 600.0),
    "compact": (600.0, 3000.0),
    "metal": (3000.0, 1e6),
}
HISTOGRAM_HU = np.arange(-1024.0, 1600.0, 16.0)
PERCENTILES = (25, 50, 75, 90, 99)
NOISE_HU = {"head": 4.0, "thorax": 11.0, "abdomen": 12.0, "neck": 12.0, "pelvis": 12.0, "extremities": 8.0}
FIELD_OF_VIEW_MM = {
    "head": 240.0,
    "neck": 420.0,
    "thorax": 400.0,
    "abdomen": 400.0,
    "pelvis": 420.0,
    "extremities": 260.0,
}
SEEDS, N_SLICES, SIZE_PX = range(4), 6, 512
SMOOTHING_MM = 0.8
"""Of the image whose gradient is taken: what is finer is mostly noise in real slices."""

REAL: dict[str, tuple[tuple[str, str, slice], ...]] = {
    "head": (("GE head", "ct_head/ge_hispeed_tilt_variable_spacing", slice(0, None)),),
    "thorax": (
        ("RIDER, 1.25 mm", "ct_noisy/rider_pilot_chest_1.25mm", slice(0, None, 3)),
        ("ACRIN, 5 mm B10f", "ct_clean/acrin_flt_013_5mm_B10f", slice(20, None, 2)),
    ),
    "abdomen": (
        ("TotalSegmentator, 3 mm", "ct_clean/totalseg_body_3mm_J2K", slice(0, None, 2)),
        ("ACRIN, 5 mm B10f", "ct_clean/acrin_flt_013_5mm_B10f", slice(0, 12, 2)),
        ("Mayo L143, 3 mm B30", "ct_lowdose_pairs/mayo_L143_3mm_B30/FD", slice(1, 4)),
    ),
}
"""Region to (name, folder, which of its slices from the feet upwards)."""


@dataclass(frozen=True)
class Sample:
    """Slices of one origin and region, their pixel size, and the noise that is to be taken off their spectra."""

    region: str
    name: str
    is_real: bool
    slices: Sequence[tuple[np.ndarray, np.ndarray | None, float]]


def main() -> None:
    """Measure, write, draw."""
    arguments = _arguments()
    samples = [*_real(arguments.data_root), *_phantoms()]
    rows = [_row(sample) for sample in samples]
    rows.sort(key=lambda row: (REGIONS.index(row["region"]), not row["is_real"], row["source"]))
    document = {
        "command": COMMAND,
        "tissues_hu": TISSUES_HU,
        "noise_hu": NOISE_HU,
        "percentiles": PERCENTILES,
        "rows": rows,
    }
    write_results("phantom_statistics", document, _markdown(rows))
    _draw(rows, samples)


def body_mask(hu: np.ndarray, pixel_mm: float) -> np.ndarray:
    """Mark the body or its parts, filled, without the table: whatever stays of the opened flesh."""
    n_steps = max(1, round(4.0 / pixel_mm))
    numbers, n_parts = label(binary_opening(hu > -300.0, iterations=n_steps))
    sizes = np.bincount(numbers.ravel(), minlength=n_parts + 1)
    keep = [k for k in range(1, n_parts + 1) if sizes[k] > 0.1 * sizes[1:].max()]
    return np.asarray(binary_fill_holes(np.isin(numbers, keep)))


def gradients_hu_per_mm(hu: np.ndarray, pixel_mm: float, inside: np.ndarray) -> np.ndarray:
    """Take the gradient's length within the body, of the image smoothed by :data:`SMOOTHING_MM`."""
    smooth = gaussian_filter(hu, SMOOTHING_MM / pixel_mm)
    return np.asarray(np.hypot(*np.gradient(smooth, pixel_mm))[inside])


def _row(sample: Sample) -> dict[str, Any]:
    """Measure one sample."""
    values, gradients = [], []
    for hu, _, pixel_mm in sample.slices:
        inside = body_mask(hu, pixel_mm)
        values.append(hu[inside])
        gradients.append(gradients_hu_per_mm(np.clip(hu, -1024.0, 1600.0), pixel_mm, inside))
    hu, gradient = np.concatenate(values), np.concatenate(gradients)
    spectra = {}
    if "noise" not in sample.name:
        source = Source(sample.name, sample.is_real, sample.slices)
        spectra = {kind: found for kind in ("anatomy", "parenchyma") if (found := measured(source, kind))}
    soft = hu[(hu > 0.0) & (hu < 100.0)]
    return {
        "region": sample.region,
        "source": sample.name,
        "is_real": sample.is_real,
        "n_slices": len(sample.slices),
        "shares": {
            name: round(float(((hu >= low) & (hu < high)).mean()), 4) for name, (low, high) in TISSUES_HU.items()
        },
        "soft_median_hu": round(float(np.median(soft)), 1),
        "gradient_percentiles": [round(float(v), 1) for v in np.percentile(gradient, PERCENTILES)],
        "histogram": np.round(np.histogram(hu, HISTOGRAM_HU)[0] / hu.size, 6).tolist(),
        "spectra": spectra,
    }


def _real(data_root: Path) -> Iterator[Sample]:
    """Read what is there of the real series."""
    for region, series in REAL.items():
        for name, folder, which in series:
            root = data_root / folder
            if root.is_dir():
                slices = _read(root)[which]
                quarter = {_z_mm(s): s.hu for s in _read(root.parent / "QD")} if root.name == "FD" else {}
                images = [(s.hu, quarter[_z_mm(s)] - s.hu if quarter else None, _pixel_mm(s)) for s in slices]
                yield Sample(region, name, True, images)


def _read(folder: Path) -> list[Any]:
    """Read a folder's slices, from the feet upwards."""
    return sorted((read_slice(path) for path in sorted(folder.iterdir())), key=_z_mm)


def _z_mm(one: Any) -> float:
    return round(float(one.dataset.ImagePositionPatient[2]), 1)


def _pixel_mm(one: Any) -> float:
    return float(one.dataset.PixelSpacing[0])


def _phantoms() -> Iterator[Sample]:
    """Draw every region's phantoms, and the same with noise."""
    for region in REGIONS:
        pixel_mm, rng = FIELD_OF_VIEW_MM[region] / SIZE_PX, np.random.default_rng(0)
        images = []
        for seed in SEEDS:
            patient = draw_patient(seed, region)
            first, last = patient.z_range_mm
            for share in (np.arange(N_SLICES) + 0.5) / N_SLICES:
                z_mm = first + share * (last - first)
                hu = patient.slice_hu(z_mm, size_px=SIZE_PX, pixel_mm=pixel_mm, thickness_mm=3.0)
                images.append(kernel_blur(hu, STANDARD))
        yield Sample(region, "phantom", False, [(hu, None, pixel_mm) for hu in images])
        noisy = [(hu + _noise(rng, NOISE_HU[region]), None, pixel_mm) for hu in images]
        yield Sample(region, f"phantom + {NOISE_HU[region]:g} HU noise", False, noisy)


def _noise(rng: np.random.Generator, sigma_hu: float) -> np.ndarray:
    """Draw noise of a ramp through the standard kernel, ``[SIZE_PX, SIZE_PX]``."""
    frequency = np.hypot(np.fft.fftfreq(SIZE_PX)[:, None], np.fft.fftfreq(SIZE_PX)[None])
    response = np.sqrt(frequency) * np.exp(-2.0 * (np.pi * STANDARD.blur_px * frequency) ** 2)
    field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((SIZE_PX, SIZE_PX))) * response).real
    return np.asarray(sigma_hu * field / field.std(), np.float32)


def _markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Write the table."""
    tissues = list(TISSUES_HU)
    head = ["region", "source", "slices", *(f"{name} %" for name in tissues), "soft median HU"]
    head += [f"gradient p{p}" for p in PERCENTILES] + ["slope, anatomy", "slope, parenchyma"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [row["region"], row["source"], str(row["n_slices"])]
        cells += [f"{100 * row['shares'][name]:.1f}" for name in tissues]
        cells += [f"{row['soft_median_hu']:g}", *(f"{v:g}" for v in row["gradient_percentiles"])]
        for kind in ("anatomy", "parenchyma"):
            found = row["spectra"].get(kind)
            cells.append("" if found is None or found["slope"] is None else f"{found['slope']:.2f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\nGradients in HU/mm within the body, after smoothing by 0.8 mm.\n"


def _draw(rows: Sequence[dict[str, Any]], samples: Sequence[Sample]) -> None:
    """Draw one slice of each kind beside histogram and spectrum, a row for each region."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(REGIONS), 4, figsize=(13, 2.7 * len(REGIONS)), layout="constrained")
    for line, region in zip(axes, REGIONS, strict=True):
        own = [row for row in rows if row["region"] == region]
        phantom = next(one for one in samples if one.region == region and not one.is_real)
        for axis, picked in zip(line[:2], (1, N_SLICES + 3), strict=True):
            axis.imshow(np.clip(phantom.slices[picked][0], *_window(region)), cmap="gray")
            axis.set_axis_off()
        line[0].set_title(f"{region}: two phantom slices", fontsize=9)
        _plot(line[2], own, _histogram, "HU", "share of the body")
        _plot(
            line[3],
            [row for row in own if "noise" not in row["source"]],
            _spectrum,
            "frequency, 1/mm",
            "power, HU² mm²",
        )
        line[2].set(yscale="log", xlim=(-1024, 1200))
        line[3].set(xscale="log", yscale="log")
    figure.savefig(FIGURE, dpi=80)


def _window(region: str) -> tuple[float, float]:
    return (0.0, 80.0) if region == "head" else (-160.0, 240.0)


Curve = Callable[[dict[str, Any]], tuple[Sequence[float], Sequence[float]]]


def _plot(axis: Any, rows: Sequence[dict[str, Any]], curve: Curve, x_label: str, y_label: str) -> None:
    """Draw one curve a source, phantoms dashed."""
    for row in rows:
        axis.plot(*curve(row), "-" if row["is_real"] else "--", lw=1.2, label=row["source"])
    axis.set_xlabel(x_label, fontsize=8)
    axis.set_ylabel(y_label, fontsize=8)
    axis.tick_params(labelsize=7)
    axis.legend(fontsize=6)
    axis.grid(alpha=0.3)


def _histogram(row: dict[str, Any]) -> tuple[Sequence[float], Sequence[float]]:
    return (0.5 * (HISTOGRAM_HU[1:] + HISTOGRAM_HU[:-1])).tolist(), row["histogram"]


def _spectrum(row: dict[str, Any]) -> tuple[Sequence[float], Sequence[float]]:
    found = row["spectra"].get("anatomy")
    pairs = zip(found["frequency_per_mm"], found["power_hu2_mm2"], strict=True) if found else ()
    known = [(f, v) for f, v in pairs if v is not None and v > 0.0]
    return [f for f, _ in known], [v for _, v in known]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
