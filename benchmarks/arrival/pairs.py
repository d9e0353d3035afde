"""Rows of real pairs: quarter dose against full dose, and against the truth by a reference of independent noise.

PSNR and SSIM at strength 0.85, as full dose is noisy and rewards noise that stays; the error against the truth at
strength 1. It is given twice: with the factor that was measured (:mod:`n2b_ct.evaluation.truth_error`), and with the
nominal one of ideal noise insertion, R = (4 FD - QD) / 3, with which the asked numbers were had.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median

import numpy as np

from benchmarks.arrival.store import Scores, Store
from benchmarks.arrival.truth_scores import GRIDS, Denoise, Grid, installed
from n2b_ct.evaluation.fidelity import psnr, ssim
from n2b_ct.evaluation.flat_regions import estimate_noise_std_hu, mean_shift_hu, tissue_class_masks
from n2b_ct.evaluation.intervals import mean_interval
from n2b_ct.evaluation.truth_error import InsertedNoise, inserted_noise, signed_root, truth_region
from n2b_ct.hu import WINDOWS
from n2b_ct.inference.denoiser import Denoiser
from n2b_ct.io.dicom.ct_reader import read_slice

ROWS = {
    "L192 B30": "mayo_L192_3mm_B30",
    "L143 B30": "mayo_L143_3mm_B30",
    "L143 D45": "mayo_L143_3mm_D45",
    "L192 D45": "mayo_L192_3mm_D45",
}
DOSE = 0.25
NOMINAL = InsertedNoise(DOSE / (1.0 - DOSE))
STRENGTH_FIDELITY, STRENGTH_TRUTH = 0.85, 1.0
WINDOW = WINDOWS["abdomen"]


@dataclass(frozen=True)
class Pair:
    """One slice at both doses, HU ``[rows, cols]``."""

    quarter_hu: np.ndarray
    full_hu: np.ndarray


def read_pairs(data_root: Path, row: str) -> list[Pair]:
    """Read a row's slices, paired by position."""
    folder = data_root / "ct_lowdose_pairs" / ROWS[row]
    quarter, full = (_by_place(folder / name) for name in ("QD", "FD"))
    return [Pair(quarter[z], full[z]) for z in sorted(quarter)]


def run_row(data_root: Path, row: str, models: dict[str, Denoiser], store: Store) -> None:
    """Measure input, baselines and models on a row."""
    pairs = read_pairs(data_root, row)
    noise = inserted_noise([(one.quarter_hu, one.full_hu) for one in pairs], DOSE)
    store.put(row, "input", {**_scores(pairs, noise, [one.quarter_hu for one in pairs]), "factor": noise.factor})
    sigma_hu = median(estimate_noise_std_hu(one.quarter_hu) for one in pairs)
    for grid in installed(GRIDS):
        found = [
            {**_kept(store, row, grid, strength, sigma_hu, pairs, noise), "strength": strength}
            for strength in grid.strengths
        ]
        store.put(row, grid.name, max(found, key=lambda scores: scores["psnr_db"]))
    for name, model in models.items():
        store.put(row, name, _of_model(pairs, noise, model))


def _kept(
    store: Store,
    row: str,
    grid: Grid,
    strength: float,
    sigma_hu: float,
    pairs: Sequence[Pair],
    noise: InsertedNoise,
) -> Scores:
    def measure() -> Scores:
        denoised, seconds = _timed(pairs, partial(grid.denoise, strength, sigma_hu))
        return {**_scores(pairs, noise, denoised), "seconds": seconds}

    return store.once(f"{row}, {grid.name} {strength:g}", measure)


def _of_model(pairs: Sequence[Pair], noise: InsertedNoise, model: Denoiser) -> Scores:
    found, seconds = _timed(pairs, model.noise)
    inputs = [one.quarter_hu for one in pairs]
    fidelity, truth = (
        _scores(pairs, noise, [hu - strength * own for hu, own in zip(inputs, found, strict=True)])
        for strength in (STRENGTH_FIDELITY, STRENGTH_TRUTH)
    )
    return {**truth, "psnr_db": fidelity["psnr_db"], "ssim": fidelity["ssim"], "seconds": seconds}


def _scores(pairs: Sequence[Pair], noise: InsertedNoise, denoised: Sequence[np.ndarray]) -> Scores:
    both = list(zip(pairs, denoised, strict=True))
    return {
        "psnr_db": round(fmean(psnr(one.full_hu, hu, WINDOW) or math.inf for one, hu in both), 3),
        "ssim": round(fmean(ssim(one.full_hu, hu, WINDOW) for one, hu in both), 4),
        "truth_nominal_hu": _truth_error(both, NOMINAL)[0],
        "truth_hu": _truth_error(both, noise)[0],
        "truth_interval_hu": _truth_error(both, noise)[1:],
        "shift_hu": _shift(both),
    }


def _truth_error(both: Iterable[tuple[Pair, np.ndarray]], noise: InsertedNoise) -> list[float | None]:
    """Root of the mean of the slices' squared errors, and its 95 % interval."""
    squares = []
    for one, hu in both:
        region = truth_region(one.full_hu, WINDOW)
        inserted = (one.quarter_hu - one.full_hu)[region]
        squares.append(noise.squared_error_hu2(hu[region], one.full_hu[region], inserted))
    found = mean_interval(squares)
    return [None if v is None else round(signed_root(v), 2) for v in (found.mean, found.low, found.high)]


def _shift(both: Iterable[tuple[Pair, np.ndarray]]) -> float | None:
    """Mean change of soft tissue."""
    shifts = [mean_shift_hu(one.quarter_hu, hu, tissue_class_masks(one.full_hu)["soft"], 200) for one, hu in both]
    known = [shift for shift in shifts if shift is not None]
    return round(fmean(known), 2) if known else None


def _timed(pairs: Sequence[Pair], denoise: Denoise) -> tuple[list[np.ndarray], float]:
    """Denoise all, and the median time of one."""
    found, seconds = [], []
    for one in pairs:
        start = time.perf_counter()
        found.append(denoise(one.quarter_hu))
        seconds.append(time.perf_counter() - start)
    return found, round(median(seconds), 3)


def _by_place(folder: Path) -> dict[float, np.ndarray]:
    slices = [read_slice(path) for path in sorted(folder.iterdir())]
    return {round(float(one.dataset.ImagePositionPatient[2]), 1): one.hu for one in slices}
