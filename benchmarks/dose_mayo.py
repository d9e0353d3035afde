"""Simulated quarter dose against real quarter dose, on Mayo slices of two kernels.

    python -m benchmarks.dose_mayo --data-root DATA

Simulates 25 % of the full-dose series in ``DATA/ct_lowdose_pairs`` as ``n2b-ct simulate`` does, and compares with the
real quarter-dose slices. The simulation sees the full dose only. Writes ``benchmarks/results/dose_mayo.json`` and
``.md`` and the figure ``docs/images/dose_mayo.png``.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.dose_places import HEADER, places, row_of
from benchmarks.dose_places import compared as by_place
from benchmarks.results_files import write_results
from n2b_ct.batch.low_dose_series import simulate_tree
from n2b_ct.batch.run_options import LowDoseOptions
from n2b_ct.errors import SeriesError
from n2b_ct.evaluation.flat_regions import find_flat_blocks
from n2b_ct.evaluation.rois import tile_rois
from n2b_ct.evaluation.texture import NoisePower, noise_power
from n2b_ct.io.dicom.ct_reader import read_slices
from n2b_ct.io.dicom.scan import scan
from n2b_ct.simulation.calibration_regions import soft_tissue, transmission_means
from n2b_ct.simulation.dose import WATER_PER_MM

SETS = ("mayo_L143_3mm_B30", "mayo_L192_3mm_B30", "mayo_L143_3mm_D45", "mayo_L192_3mm_D45")
DOSE = 0.25
BOWTIES = (None, 0.0)
"""Measured, as by default, and none."""
REGION_PX, MAP_REGION_PX = 24, 12
TARGETS = {"noise_percent": 10.0, "mean_frequency_percent": 10.0, "lag1": 0.1}
COMMAND = "python -m benchmarks.dose_mayo --data-root DATA"
FIGURE = Path(__file__).parent.parent / "docs" / "images" / "dose_mayo.png"


@dataclass(frozen=True)
class Triple:
    """One slice: full dose, real quarter dose, simulated quarter dose, HU ``[rows, cols]``; pixel size, mm."""

    full: np.ndarray
    real: np.ndarray
    simulated: np.ndarray
    pixel_mm: tuple[float, float]


def main() -> None:
    """Simulate, compare, write."""
    arguments = _arguments()
    rows: list[dict[str, Any]] = []
    maps: dict[str, list[list[np.ndarray]]] = {}
    for name in SETS:
        maps[name] = []
        for bowtie in BOWTIES:
            triples, facts = _simulated(arguments.data_root / "ct_lowdose_pairs" / name, arguments.seed, bowtie)
            about = {"set": name, "bowtie": bowtie, "n_slices": len(triples)}
            places_found = _by_place_compared(triples)
            rows.append({**about, **compared(triples), "places": places_found, "calibration": facts["calibration"]})
            maps[name].append([np.concatenate(parts) for parts in zip(*map(_noise_map, triples), strict=True)])
    table = {"command": COMMAND, "dose": DOSE, "seed": arguments.seed, "targets": TARGETS, "rows": rows}
    write_results("dose_mayo", table, _markdown(rows))
    _draw(maps)


def compared(triples: Sequence[Triple]) -> dict[str, Any]:
    """Compare the noise that was added, and the whole noise that is then there, real against simulated."""
    added = [_texture(_tiles(triples, lambda one, which=which: getattr(one, which) - one.full)) for which in _KINDS]
    total = [_texture(_flat(triples, which)) for which in _KINDS]
    pixel_mm = triples[0].pixel_mm
    return {
        "n_regions": len(_tiles(triples, lambda one: one.full)),
        "n_flat_blocks": len(_flat(triples, "full")),
        "added": _pair(*[noise_power(regions, pixel_mm) for regions in added]),
        "total": _pair(*[noise_power(regions, pixel_mm) for regions in total]),
    }


def missed(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Name the limits of :data:`TARGETS` that a default row does not keep."""
    return [
        f"{row['set'].removeprefix('mayo_')} {kind}: {name} {row[kind][name]:+g}"
        for row in rows
        if row["bowtie"] is None
        for kind in ("added", "total")
        for name, limit in TARGETS.items()
        if abs(row[kind][name]) > limit
    ]


def _by_place_compared(triples: Sequence[Triple]) -> dict[str, Any]:
    where = [places(one.full, one.pixel_mm[0]) for one in triples]
    return by_place([one.real - one.full for one in triples], [one.simulated - one.full for one in triples], where)


_KINDS = ("real", "simulated")


def _texture(regions: list[np.ndarray]) -> np.ndarray:
    return np.stack(regions)


def _tiles(triples: Sequence[Triple], image: Any) -> list[np.ndarray]:
    """Cut a difference image wherever the slice is soft tissue; a difference holds no anatomy."""
    cut = []
    for one in triples:
        rois = tile_rois(soft_tissue(one.full), REGION_PX, REGION_PX // 2)
        cut += [image(one)[r : r + REGION_PX, c : c + REGION_PX] for r, c in rois.corners]
    return cut


def _flat(triples: Sequence[Triple], which: str) -> list[np.ndarray]:
    """Cut the flattest soft tissue of the full dose out of another dose."""
    cut = []
    for one in triples:
        blocks = find_flat_blocks(one.full)
        cut += list(blocks.values(getattr(one, which)).reshape(-1, 16, 16))
    return cut


def _pair(real: NoisePower, simulated: NoisePower) -> dict[str, float]:
    ratio = simulated.noise_std_hu / real.noise_std_hu
    frequencies = [float(one.radial().mean_frequency_per_mm or 0.0) for one in (real, simulated)]
    lags = [float(one.lag1_autocorrelation or 0.0) for one in (real, simulated)]
    return {
        "noise_real_hu": round(real.noise_std_hu, 2),
        "noise_simulated_hu": round(simulated.noise_std_hu, 2),
        "noise_percent": round(100.0 * (ratio - 1.0), 1),
        "mean_frequency_real_per_mm": round(frequencies[0], 4),
        "mean_frequency_simulated_per_mm": round(frequencies[1], 4),
        "mean_frequency_percent": round(100.0 * (frequencies[1] / frequencies[0] - 1.0), 1),
        "lag1_real": round(lags[0], 3),
        "lag1_simulated": round(lags[1], 3),
        "lag1": round(lags[1] - lags[0], 3),
    }


def _noise_map(one: Triple) -> tuple[np.ndarray, ...]:
    """Radius mm, water-equivalent path mm, and the added noise's variance, real and simulated, of small tiles."""
    rois = tile_rois(soft_tissue(one.full), MAP_REGION_PX)
    middle = (np.array(one.full.shape) - 1) / 2
    inverse = transmission_means(one.full, one.pixel_mm[0])[0]
    found = []
    for r, c in rois.corners:
        cut = np.s_[r : r + MAP_REGION_PX, c : c + MAP_REGION_PX]
        radius = np.hypot(*(np.array([r, c]) + MAP_REGION_PX / 2 - middle)) * one.pixel_mm[0]
        path = np.log(inverse[cut].mean()) / WATER_PER_MM
        found.append([radius, path, np.var((one.real - one.full)[cut]), np.var((one.simulated - one.full)[cut])])
    return tuple(np.array(found).reshape(-1, 4).T)


def _simulated(folder: Path, seed: int, bowtie: float | None) -> tuple[list[Triple], dict[str, Any]]:
    """Run the simulation on a full-dose folder and match the slices by their place."""
    with tempfile.TemporaryDirectory() as scratch:
        options = LowDoseOptions(
            (DOSE,), seed=seed, bowtie=bowtie, n_workers=os.cpu_count() or 1, created=datetime(2026, 1, 1, tzinfo=UTC)
        )
        result = simulate_tree(folder / "FD", Path(scratch) / "out", options)
        outcome = result.outcomes[0]
        if outcome.status != "done":
            raise SystemExit(outcome.detail)
        facts = json.loads(outcome.output.with_name(f"{outcome.output.name}.json").read_text(encoding="utf-8"))
        full, real, simulated = map(_by_place, (folder / "FD", folder / "QD", outcome.output))
    triples = [Triple(full[z][0], real[z][0], simulated[z][0], full[z][1]) for z in sorted(full)]
    return triples, facts


def _by_place(folder: Path) -> dict[float, tuple[np.ndarray, tuple[float, float]]]:
    found = {}
    for series in scan(folder).series:
        for instance, one in zip(series.instances, read_slices(series.instances), strict=True):
            if isinstance(one, SeriesError):
                raise one
            found[round(instance.position_mm, 1)] = (one.hu, series.pixel_spacing_mm or (1.0, 1.0))
    return found


def _markdown(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        "| set | bowtie | noise | regions | σ HU, real | simulated | | mean frequency 1/mm, real | simulated | "
        "| lag 1, real | simulated | |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        for kind, n in (("added", row["n_regions"]), ("total", row["n_flat_blocks"])):
            found = row[kind]
            lines.append(
                f"| {row['set'].removeprefix('mayo_')} | {_bowtie_name(row)} | {kind} | {n} "
                f"| {found['noise_real_hu']:.1f} | {found['noise_simulated_hu']:.1f} | {found['noise_percent']:+.1f} % "
                f"| {found['mean_frequency_real_per_mm']:.3f} | {found['mean_frequency_simulated_per_mm']:.3f} "
                f"| {found['mean_frequency_percent']:+.1f} % "
                f"| {found['lag1_real']:.2f} | {found['lag1_simulated']:.2f} | {found['lag1']:+.2f} |"
            )
    misses = missed(rows)
    lines += ["", f"Limits missed: {'; '.join(misses)}." if misses else "All limits are kept."]
    head, rule = HEADER.split("\n")
    lines += ["", "Added noise by place, simulated over real:", "", f"| set | bowtie {head}", f"|---|---{rule}"]
    lines += [f"| {row['set'].removeprefix('mayo_')} | {_bowtie_name(row)} {row_of(row['places'])}" for row in rows]
    return "\n".join(lines) + "\n"


def _bowtie_name(row: dict[str, Any]) -> str:
    return "measured" if row["bowtie"] is None else f"{row['bowtie']:g}"


def _draw(maps: dict[str, list[list[np.ndarray]]]) -> None:
    """Draw noise over radius and over path: real as dots, simulated as lines, without a bowtie dashed."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 5.2), layout="constrained")
    for number, (name, (plain, filtered)) in enumerate(maps.items()):
        radius, path, real, simulated = plain
        for axis, values, width in ((axes[0], radius, 20.0), (axes[1], path, 20.0)):
            places, means = _binned(values, width, real, simulated, filtered[3])
            label = name.removeprefix("mayo_").replace("_3mm_", " ")
            axis.plot(places, means[0], "o", color=f"C{number}", label=f"{label}, real")
            axis.plot(places, means[1], "-", color=f"C{number}", label=f"{label}, simulated")
            axis.plot(places, means[2], "--", color=f"C{number}", label=f"{label}, no bowtie")
    axes[0].set_xlabel("distance from the image's middle, mm")
    axes[1].set_xlabel("water-equivalent path (of the mean e$^p$), mm")
    for axis in axes:
        axis.set_ylabel("σ of the added noise in soft tissue, HU")
        axis.set_ylim(0)
        axis.grid(alpha=0.3)
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=4)
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=110, metadata={"Software": None})


def _binned(values: np.ndarray, width: float, *variances: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Root mean variance in bins that hold at least 15 tiles."""
    number = np.floor(values / width).astype(int)
    kept = [k for k in np.unique(number) if np.count_nonzero(number == k) >= 15]
    places = np.array([values[number == k].mean() for k in kept])
    return places, [np.sqrt([variance[number == k].mean() for k in kept]) for variance in variances]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
