"""One denoiser keeps lesions, one halves, one erases them: what ``evaluate`` says of each on real pairs.

    python -m benchmarks.three_candidates --data-root DATA

Four disks of 5 mm a slice are added to both doses of a Mayo pair; the candidates are the low dose without them, blurred
(σ 1.5 px), and all, half or none of them added back. Also how much of the real slices' faint structure the residual's
test finds where all of it was removed (reference minus its own faint structure, so with real noise), in how many slices
it warns, and in how many the edge test does.

Writes ``benchmarks/results/three_candidates.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from scipy import ndimage

from benchmarks.results_files import write_results
from n2b_ct.evaluation.cases import SliceCase
from n2b_ct.evaluation.ct_baselines import chosen_baselines, denoise_slice
from n2b_ct.evaluation.disks import Disk, disk_hu
from n2b_ct.evaluation.low_contrast.finished import judge_hu, measure_finished
from n2b_ct.evaluation.low_contrast.finished_results import finished_rows
from n2b_ct.evaluation.low_contrast.results import STRUCTURE, low_contrast
from n2b_ct.evaluation.residual import FAINT_SIGMAS_PX, edge_structure, faint_removed
from n2b_ct.evaluation.rois import flat_squares
from n2b_ct.evaluation.table import Table
from n2b_ct.evaluation.truth_error import InsertedNoise, inserted_noise
from n2b_ct.hu import WINDOWS
from n2b_ct.io.dicom.ct_reader import read_slice

COMMAND = "python -m benchmarks.three_candidates --data-root DATA"
SETS = ("mayo_L192_3mm_B30", "mayo_L143_3mm_B30", "mayo_L192_3mm_D45", "mayo_L143_3mm_D45")
SHARES = {"keep": 1.0, "halve": 0.5, "erase": 0.0}
CONTRASTS_HU = (10.0, 20.0)
SIZE_MM, SQUARE_PX, N_A_SLICE, FLATNESS = 5.0, 16, 4, 3.0
BLUR_PX = 1.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True)
    root = parser.parse_args().data_root / "ct_lowdose_pairs"
    pairs = {name: (series_hu(root / name / "FD"), series_hu(root / name / "QD")) for name in SETS}
    told = [row for name, pair in pairs.items() for hu in CONTRASTS_HU for row in candidates(name, *pair, hu)]
    removed = [faint(name, *pair) for name, pair in pairs.items()]
    write_results(
        "three_candidates", {"command": COMMAND, "candidates": told, "removed": removed}, markdown(told, removed)
    )


def series_hu(folder: Path) -> np.ndarray:
    paths = sorted(folder.iterdir(), key=lambda path: float(dcmread(path).ImagePositionPatient[2]))
    return np.stack([read_slice(path).hu for path in paths])


def lesions_hu(low: np.ndarray, pixel_mm: float, contrast_hu: float) -> np.ndarray:
    hu = np.zeros(low.shape)
    for k, one in enumerate(low):
        corners = flat_squares(one, SQUARE_PX, FLATNESS)
        for row, col in (corners[int((j + 0.5) * len(corners) / N_A_SLICE)] for j in range(N_A_SLICE)):
            centre = (row + 0.5 * (SQUARE_PX - 1), col + 0.5 * (SQUARE_PX - 1))
            hu[k] += disk_hu(one.shape, Disk(centre, 0.5 * SIZE_MM, contrast_hu), (pixel_mm, pixel_mm))
    return hu


def candidates(name: str, full: np.ndarray, low: np.ndarray, contrast_hu: float) -> list[dict[str, Any]]:
    pixel_mm = 0.7
    lesions, denoised = lesions_hu(low, pixel_mm, contrast_hu), ndimage.gaussian_filter(low, (0, BLUR_PX, BLUR_PX))
    noise, start = inserted_noise(zip(low, full, strict=True), None), time.process_time()
    found = []
    for k, (own_full, own_low, own) in enumerate(zip(full, low, lesions, strict=True)):
        images = {method: denoised[k] + share * own for method, share in SHARES.items()}
        case = SliceCase(
            name, None, k, own_low + own, images, own_full + own, pixel_mm=(pixel_mm, pixel_mm), inserted_noise=noise
        )
        found.append(measure_finished(case, list(images)))
    seconds = (time.process_time() - start) / len(low)
    rows = low_contrast(Table(finished_rows(found, {None: ""}, {})))
    return [
        {
            "set": name,
            "contrast_hu": contrast_hu,
            "method": one.method,
            "told_contrast_hu": one.contrast_hu,
            "told_size_mm": one.size_mm,
            "recovery": one.recovery,
            "low": one.low,
            "high": one.high,
            "grade": one.grade,
            "n_places": one.n_lesions,
            "n_lesions": N_A_SLICE * len(low),
            "cpu_s_per_slice": seconds,
        }
        for one in rows
        if one.measured_on != STRUCTURE
    ]


def faint(name: str, full: np.ndarray, low: np.ndarray) -> dict[str, Any]:
    (nlm,) = chosen_baselines(["nlm"], []).values()
    noise = inserted_noise(zip(low, full, strict=True), None)
    answers = [
        _removed(own_full, own_low, noise, denoise_slice(nlm, own_full))
        for own_full, own_low in zip(full, low, strict=True)
    ]
    shares = [share for share, _, _ in answers]
    return {
        "set": name,
        "n_slices": len(answers),
        "n_warned": sum(warns for _, warns, _ in answers),
        "n_warned_by_edges": sum(edges for _, _, edges in answers),
        "lowest_percent": min(shares),
        "highest_percent": max(shares),
    }


def _removed(full: np.ndarray, low: np.ndarray, noise: InsertedNoise, smooth: np.ndarray) -> tuple[float, bool, bool]:
    """Take all faint structure of soft tissue away, with the noise that was inserted."""
    fine, coarse = (ndimage.gaussian_filter(smooth.astype(np.float64), sigma) for sigma in FAINT_SIGMAS_PX)
    window = WINDOWS["abdomen"]
    tissue = (ndimage.gaussian_filter(low, 3.0) > window.lower_hu) & (
        ndimage.gaussian_filter(low, 3.0) < window.upper_hu
    )
    tissue = ndimage.binary_erosion(tissue, iterations=3)
    candidate = full - (fine - coarse) * tissue
    judge = judge_hu(SliceCase("", None, 0, low, {}, full, inserted_noise=noise))
    found = None if judge is None else faint_removed(low, candidate, judge)
    edges = edge_structure(low, candidate, full)
    if found is None or edges is None:
        return 0.0, False, False
    return found.percent, found.warns, edges.warns


def markdown(told: Sequence[dict[str, Any]], removed: Sequence[dict[str, Any]]) -> str:
    lines = [
        "# Lesions kept, halved, erased",
        "",
        f"`{COMMAND}`",
        "",
        "| set | inserted | candidate | contrast left, % | grade | places of lesions | CPU s/slice |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in told:
        share = f"{100 * one['recovery']:.0f} [{100 * one['low']:.0f}, {100 * one['high']:.0f}]"
        found = f"{one['n_places']} of {one['n_lesions']}"
        inserted = f"{one['contrast_hu']:g} HU, {SIZE_MM:g} mm"
        cells = (one["set"], inserted, one["method"], share, one["grade"], found, f"{one['cpu_s_per_slice']:.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "All faint structure removed together with real noise:",
        "",
        "| set | slices | warned | warned by the edge test | share found in the residual, % |",
        "|---|---|---|---|---|",
    ]
    for one in removed:
        span = f"{round(one['lowest_percent'])} to {round(one['highest_percent'])}"
        lines.append(f"| {one['set']} | {one['n_slices']} | {one['n_warned']} | {one['n_warned_by_edges']} | {span} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
