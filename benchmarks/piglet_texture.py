"""How close the digital piglet's anatomy comes to real CT's: power spectra of both, over the same frequencies.

    python -m benchmarks.piglet_texture --data-root DATA

Takes square regions of two kinds from real full-dose and clean slices and from the piglet's noise-free slices:
*anatomy* (organs, fat and some bone, with their edges) and *parenchyma* (the inside of soft organs alone). The real
slices' own noise is taken off where it is known: the Mayo quarter dose is the full dose plus three times its noise
variance, so a third of the difference's spectrum is the full dose's noise. Writes
``benchmarks/results/piglet_texture.json`` and ``.md`` and the figure ``docs/images/piglet_texture.png``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from benchmarks.results_files import write_results
from n2b_ct.evaluation.texture import frequency_grid_per_mm
from n2b_ct.io.dicom.ct_reader import read_slice
from n2b_ct.phantom.piglet import thick_slice_hu
from n2b_ct.phantom.piglet_plan import PigletPlan
from n2b_ct.simulation.dose import STANDARD, kernel_blur

COMMAND = "python -m benchmarks.piglet_texture --data-root DATA"
FIGURE = Path(__file__).parent.parent / "docs" / "images" / "piglet_texture.png"

PAIRS = {"Mayo L143, 3 mm B30": "mayo_L143_3mm_B30", "Mayo L192, 3 mm B30": "mayo_L192_3mm_B30"}
CLEAN = {"ACRIN, 5 mm B10f": "acrin_flt_013_5mm_B10f", "TotalSegmentator, 3 mm": "totalseg_body_3mm_J2K"}
SEEDS = (0, 1, 2)
PIGLET_RANGE_MM, N_PIGLET_SLICES = (265.0, 530.0), 24

CLIP_HU = (-300.0, 300.0)
EDGES_PER_MM = np.geomspace(0.025, 1.0, 25)
FITS_PER_MM = {"anatomy": (0.03, 0.2), "parenchyma": (0.05, 0.2)}
SIDE_MM = {"anatomy": 64.0, "parenchyma": 32.0}
N_RESAMPLES = 500


@dataclass(frozen=True)
class Source:
    """Slices of one origin: HU, the noise that is to be taken off (or None) and pixel size, mm."""

    name: str
    is_real: bool
    slices: Sequence[tuple[np.ndarray, np.ndarray | None, float]]


def main() -> None:
    """Measure, write, draw."""
    arguments = _arguments()
    sources = [*_real(arguments.data_root), *_piglets()]
    rows = [row for kind in SIDE_MM for source in sources if (row := measured(source, kind))]
    table = {"command": COMMAND, "clip_hu": CLIP_HU, "side_mm": SIDE_MM, "fits_per_mm": FITS_PER_MM, "rows": rows}
    write_results("piglet_texture", table, _markdown(rows))
    _draw(rows)


def measured(source: Source, kind: str) -> dict[str, Any] | None:
    """Average the spectra of a source's regions, and fit a power law; None where it has no such region.

    The interval holds 95 % of the slopes of resampled slices.
    """
    found = [spectra for one in source.slices if (spectra := _slice_spectrum(*one, kind)) is not None]
    if not found:
        return None
    counts, spectra = np.array([n for n, _ in found]), np.stack([power for _, power in found])
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(found), (N_RESAMPLES, len(found)))
    slopes = [slope(np.average(spectra[draw], axis=0, weights=counts[draw]), kind) for draw in draws]
    known = [one for one in slopes if one is not None]
    mean = np.average(spectra, axis=0, weights=counts)
    return {
        "kind": kind,
        "source": source.name,
        "is_real": source.is_real,
        "n_slices": len(found),
        "n_regions": int(counts.sum()),
        "slope": slope(mean, kind),
        "slope_interval": np.percentile(known, [2.5, 97.5]).round(2).tolist() if known else None,
        "std_hu": round(_band_std(mean, kind), 1),
        "frequency_per_mm": [round(float(v), 4) for v in _centres()],
        "power_hu2_mm2": [None if np.isnan(v) else round(float(v), 3) for v in mean],
    }


def slope(power: np.ndarray, kind: str) -> float | None:
    """Fit log power against log frequency; None where some ring of the range holds nothing beyond the noise."""
    low, high = FITS_PER_MM[kind]
    is_fitted = (_centres() >= low) & (_centres() <= high) & ~np.isnan(power)
    if (power[is_fitted] <= 0).any():
        return None
    return round(float(np.polyfit(np.log(_centres()[is_fitted]), np.log(power[is_fitted]), 1)[0]), 2)


def _band_std(power: np.ndarray, kind: str) -> float:
    """Root of the two-dimensional integral over the fitted range."""
    low, high = FITS_PER_MM[kind]
    is_fitted = (_centres() >= low) & (_centres() <= high) & ~np.isnan(power)
    areas = np.pi * np.diff(EDGES_PER_MM**2)
    return float(np.sqrt(max(0.0, (power * areas)[is_fitted].sum())))


def _centres() -> np.ndarray:
    return np.sqrt(EDGES_PER_MM[1:] * EDGES_PER_MM[:-1])


def _slice_spectrum(
    hu: np.ndarray, noise: np.ndarray | None, pixel_mm: float, kind: str
) -> tuple[int, np.ndarray] | None:
    """Average one slice's regions in rings of frequency, its noise taken off: regions, power ``[rings]``."""
    corners, size = list(_regions(hu, pixel_mm, kind)), round(SIDE_MM[kind] / pixel_mm)
    if not corners:
        return None
    power = _mean_power(np.clip(hu, *CLIP_HU), corners, size, pixel_mm)
    if noise is not None:
        power = power - _mean_power(noise, corners, size, pixel_mm) / 3.0
    ring = np.digitize(frequency_grid_per_mm(size, (pixel_mm, pixel_mm)).ravel(), EDGES_PER_MM)
    rings = [power.ravel()[ring == k] for k in range(1, len(EDGES_PER_MM))]
    return len(corners), np.array([values.mean() if len(values) else np.nan for values in rings])


def _mean_power(image: np.ndarray, corners: list[tuple[int, int]], size: int, pixel_mm: float) -> np.ndarray:
    """Average |DFT|² of Hann-windowed regions, HU² mm², ``[size, size]``."""
    window = np.outer(np.hanning(size), np.hanning(size))
    window /= np.sqrt((window**2).mean())
    regions = np.stack([image[r : r + size, c : c + size] for r, c in corners]).astype(float)
    regions -= regions.mean(axis=(1, 2), keepdims=True)
    return np.asarray((np.abs(np.fft.fft2(regions * window)) ** 2).mean(axis=0) * (pixel_mm / size) ** 2)


def _regions(hu: np.ndarray, pixel_mm: float, kind: str) -> Iterator[tuple[int, int]]:
    """Walk the corners of half-overlapping regions of a kind."""
    size = round(SIDE_MM[kind] / pixel_mm)
    smooth = gaussian_filter(hu, 1.5 / pixel_mm)
    for r in range(0, hu.shape[0] - size + 1, size // 2):
        for c in range(0, hu.shape[1] - size + 1, size // 2):
            part = smooth[r : r + size, c : c + size]
            is_anatomy = (part < -300).mean() < 0.02 and (part > 240).mean() < 0.10
            is_parenchyma = (part > 0).all() and (part < 110).all()
            if is_anatomy if kind == "anatomy" else is_parenchyma:
                yield r, c


def _real(data_root: Path) -> Iterator[Source]:
    for name, folder in PAIRS.items():
        root = data_root / "ct_lowdose_pairs" / folder
        full, quarter = _by_place(root / "FD"), _by_place(root / "QD")
        both = [(full[place], quarter[place]) for place in sorted(full.keys() & quarter.keys())]
        yield Source(name, True, [(one.hu, other.hu - one.hu, _pixel_mm(one)) for one, other in both])
    for name, folder in CLEAN.items():
        slices = list(_by_place(data_root / "ct_clean" / folder).values())
        yield Source(name, True, [(one.hu, None, _pixel_mm(one)) for one in slices])


def _by_place(folder: Path) -> dict[float, Any]:
    """Read a folder's slices by their z, mm."""
    slices = [read_slice(path) for path in sorted(folder.iterdir())]
    return {round(float(one.dataset.ImagePositionPatient[2]), 1): one for one in slices}


def _pixel_mm(one: Any) -> float:
    return float(one.dataset.PixelSpacing[0])


def _piglets() -> Iterator[Source]:
    for seed in SEEDS:
        plan = PigletPlan(seed=seed)
        indices = np.linspace(*PIGLET_RANGE_MM, N_PIGLET_SLICES) / plan.spacing_mm
        slices = [kernel_blur(thick_slice_hu(plan, int(index)), STANDARD) for index in indices]
        yield Source(f"piglet, seed {seed}", False, [(hu, None, plan.pixel_mm) for hu in slices])


def _markdown(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        "| regions | source | slices | regions | slope | 95 % interval | σ in the range, HU |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        interval = "{} to {}".format(*row["slope_interval"]) if row["slope_interval"] else "only noise"
        keys = ("kind", "source", "n_slices", "n_regions", "slope")
        cells = ["" if row[key] is None else str(row[key]) for key in keys]
        lines.append("| " + " | ".join([*cells, interval, str(row["std_hu"] or "")]) + " |")
    return "\n".join(lines) + "\n"


def _draw(rows: Sequence[dict[str, Any]]) -> None:
    import matplotlib.pyplot as plt

    colours = {name: f"C{k}" for k, name in enumerate(dict.fromkeys(row["source"] for row in rows))}
    figure, axes = plt.subplots(1, len(SIDE_MM), figsize=(10, 4.2), layout="constrained")
    for axis, kind in zip(axes, SIDE_MM, strict=True):
        for row in (one for one in rows if one["kind"] == kind):
            label = f"{row['source']}: {row['slope'] or 'only noise'}"
            axis.loglog(*_known(row), "-" if row["is_real"] else "--", color=colours[row["source"]], label=label)
        axis.axvspan(*FITS_PER_MM[kind], color="0.92")
        axis.set(title=kind, xlabel="frequency, 1/mm", ylabel="power, HU² mm²", xlim=(0.025, 1.0))
        axis.legend(title="slope in the gray range", fontsize=7, title_fontsize=7)
        axis.grid(alpha=0.3)
    figure.savefig(FIGURE, dpi=110)


def _known(row: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Give frequencies and power up to where noise removal first leaves nothing: what comes after it is chance."""
    pairs = [(f, v) for f, v in zip(row["frequency_per_mm"], row["power_hu2_mm2"], strict=True) if v is not None]
    end = min((f for f, v in pairs if v <= 0), default=np.inf)
    return [f for f, _ in pairs if f < end], [v for f, v in pairs if f < end]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
