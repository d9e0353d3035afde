"""Rows of other scanners, without any reference: noise, HU of every tissue, and anatomy in what was removed.

Anatomy is looked for in two bands. At all edges slice by slice, as reports do. In the band of small low-contrast
structures one slice tells too little, so the deviations from chance of all are added: on 12 slices of phantoms a filter
that takes 60 % of that band away has 11 standard deviations, 30 % has 5, and one that takes noise alone less than 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
from scipy import ndimage

from benchmarks.arrival.store import Scores, Store
from benchmarks.arrival.truth_scores import Denoise, Grid
from n2b_ct.evaluation.flat_regions import (
    MIN_CLASS_PX,
    estimate_noise_std_hu,
    find_flat_blocks,
    noise_std_hu,
    tissue_class_masks,
)
from n2b_ct.evaluation.residual import edge_structure
from n2b_ct.hu import AIR_BELOW_HU, WINDOWS
from n2b_ct.inference.denoiser import Denoiser
from n2b_ct.io.dicom.ct_reader import read_slice

ROWS = {
    "RIDER": "ct_noisy/rider_pilot_chest_1.25mm",
    "TotalSegmentator": "ct_clean/totalseg_body_3mm_J2K",
    "GE head": "ct_head/ge_hispeed_tilt_variable_spacing",
    "Philips sharp": "ct_phantom/philips_head_1mm_YA_sharp_noisy",
    "Philips smooth": "ct_phantom/philips_head_5mm_UB_smooth",
    "ACRIN": "ct_clean/acrin_flt_013_5mm_B10f",
}
MOST_SLICES = 12
LOW_BAND_SIGMAS_PX = (1.5, 4.0)
LOW_CONTRAST_SIGMA_PX = 2.5
NLM = Grid("nlm", (0.8,))


def read_row(data_root: Path, row: str) -> list[np.ndarray]:
    """Read slices spread over a row's folder, HU; file by file, for one scanner's lack the UIDs of a series."""
    paths = sorted((data_root / ROWS[row]).iterdir())
    n = min(len(paths), MOST_SLICES)
    return [read_slice(paths[int((k + 0.5) * len(paths) / n)]).hu for k in range(n)]


def run_row(data_root: Path, row: str, models: dict[str, Denoiser], store: Store) -> None:
    """Measure NLM and models, at full strength, on a row."""
    slices = read_row(data_root, row)
    nlm = store.once(f"{row}, nlm 0.8", lambda: _scores(slices, _nlm))
    store.put(row, "nlm", nlm)
    for name, model in models.items():
        store.put(row, name, _scores(slices, partial(model.denoise, strength=1.0)))


def low_band(residual_hu: np.ndarray) -> np.ndarray:
    """What a residual holds of the scale of small low-contrast structures, HU ``[rows, cols]``."""
    fine, coarse = LOW_BAND_SIGMAS_PX
    return np.asarray(ndimage.gaussian_filter(residual_hu, fine) - ndimage.gaussian_filter(residual_hu, coarse))


def _nlm(hu: np.ndarray) -> np.ndarray:
    return NLM.denoise(NLM.strengths[0], estimate_noise_std_hu(hu), hu)


def _scores(slices: Sequence[np.ndarray], denoise: Denoise) -> Scores:
    denoised = [denoise(hu) for hu in slices]
    noises = [_noises(*both) for both in zip(slices, denoised, strict=True)]
    known = [one for one in noises if one is not None]
    before, after = (fmean(values) if values else None for values in (zip(*known, strict=True) if known else ((), ())))
    edges, low = (list(_edges(slices, denoised, is_low=is_low)) for is_low in (False, True))
    return {
        "n_slices": len(slices),
        "noise_before_hu": _rounded(before),
        "noise_after_hu": _rounded(after),
        "noise_ratio": None if not before or after is None else round(after / before, 3),
        "shift_hu": _shifts(slices, denoised),
        "edges_warn": sum(warns for warns, _ in edges),
        "edges_deviation_sds": _rounded(fmean(value for _, value in edges)) if edges else None,
        "low_contrast_deviation_sds": _rounded(fmean(value for _, value in low) * math.sqrt(len(low))) if low else None,
        "n_tested": len(edges),
    }


def _noises(hu: np.ndarray, denoised_hu: np.ndarray) -> tuple[float, float] | None:
    blocks = find_flat_blocks(hu)
    before, after = noise_std_hu(hu, blocks), noise_std_hu(denoised_hu, blocks)
    return None if before is None or after is None else (before, after)


def _shifts(slices: Sequence[np.ndarray], denoised: Sequence[np.ndarray]) -> dict[str, float]:
    """Mean change of HU by tissue class, over all slices' pixels of it; air only where a scanner did not clip it."""
    sums: dict[str, list[float]] = {}
    for hu, after in zip(slices, denoised, strict=True):
        masks = tissue_class_masks(hu)
        smooth = ndimage.gaussian_filter(hu, 2.0)
        masks["air"] = ndimage.binary_erosion((smooth < AIR_BELOW_HU) & (smooth > hu.min() + 1.0), iterations=3)
        for name, mask in masks.items():
            if np.count_nonzero(mask) >= MIN_CLASS_PX:
                total = sums.setdefault(name, [0.0, 0.0])
                total[0] += float((after.astype(np.float64) - hu)[mask].sum())
                total[1] += float(mask.sum())
    return {name: round(total / n, 2) for name, (total, n) in sorted(sums.items())}


def _edges(
    slices: Sequence[np.ndarray], denoised: Sequence[np.ndarray], *, is_low: bool
) -> Iterator[tuple[bool, float]]:
    """Test residuals for anatomy: at all edges, or in the band and at the edges of low contrast."""
    for hu, after in zip(slices, denoised, strict=True):
        if is_low:
            anatomy = WINDOWS["abdomen"].clip(ndimage.gaussian_filter(after, LOW_CONTRAST_SIGMA_PX))
            found = edge_structure(hu, hu - low_band(hu - after), anatomy)
        else:
            found = edge_structure(hu, after)
        if found is not None:
            yield found.warns, found.deviation_sds


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
