"""How far a denoised phantom is from its noise-free truth, for any denoiser, beside baselines at their best strength.

A baseline's strength is searched on the truth, slice by slice, in its favour; its scores are kept in a file, for they
never change.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from benchmarks.arrival.phantoms import PhantomCase
from n2b_ct.errors import ConfigError
from n2b_ct.evaluation.fidelity import psnr
from n2b_ct.evaluation.residual import detail_removed
from n2b_ct.filters.baselines import installed_baseline
from n2b_ct.hu import WINDOWS
from n2b_ct.inference.denoiser import Denoiser
from n2b_ct.inference.model import Model

Denoise = Callable[[np.ndarray], np.ndarray]
LUNG_REGIONS = ("thorax",)
"""Regions whose lung window is judged too, by the words of their names."""
SOFT_TISSUE_HU = (-20.0, 120.0)
"""HU of the truth where the mean shift is measured: muscle, organs, blood and brain."""


@dataclass(frozen=True)
class Grid:
    """A baseline with the strengths that are tried, in multiples of σ."""

    name: str
    strengths: tuple[float, ...]

    def denoise(self, strength: float, sigma_hu: float, hu: np.ndarray) -> np.ndarray:
        """Denoise HU ``[rows, cols]``, told the true σ."""
        baseline = installed_baseline(self.name)
        parameters = dict(baseline.ct_parameters)
        if "strength" in parameters:
            parameters["strength"] = strength
            strength = 1.0
        white_hu = baseline.ct_white_hu
        image = np.asarray(hu, np.float64) / white_hu
        return white_hu * baseline.applied(image, strength * sigma_hu / white_hu, **parameters)


QUICK_GRIDS = (Grid("nlm", (0.6, 0.8, 1.0, 1.25)),)
GRIDS = (
    Grid("nlm", (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.5)),
    Grid("tv", (0.25, 0.4, 0.55, 0.7, 0.85, 1.0, 1.2, 1.4)),
    Grid("bm3d", (1.0, 1.4, 2.0, 2.8, 4.0)),
)


def installed(grids: Iterable[Grid]) -> tuple[Grid, ...]:
    """Leave out baselines whose package is missing."""
    return tuple(grid for grid in grids if _is_installed(grid.name))


def as_function(denoiser: Denoise | Denoiser | Model, strength: float = 1.0) -> Denoise:
    """Make a function from HU ``[rows, cols]`` to HU of a loaded model, a denoiser, or a function."""
    if isinstance(denoiser, Model):
        denoiser = Denoiser(denoiser)
    return partial(denoiser.denoise, strength=strength) if isinstance(denoiser, Denoiser) else denoiser


def truth_score(case: PhantomCase, denoised_hu: np.ndarray) -> dict[str, float | None]:
    """Measure one denoised slice against its truth, inside the patient, and PSNR in reading windows."""
    error, noise = (one - case.truth_hu for one in (denoised_hu, case.noisy_hu))
    sigma_hu = _rms(noise[case.is_body])
    low, high = SOFT_TISSUE_HU
    is_soft = case.is_body & ndimage.binary_erosion((case.truth_hu > low) & (case.truth_hu < high), iterations=2)
    detail = detail_removed(case.noisy_hu, denoised_hu, case.truth_hu)
    has_lung = any(name in case.region for name in LUNG_REGIONS)
    return {
        "sigma_hu": round(sigma_hu, 3),
        "rmse_hu": round(_rms(error[case.is_body]), 3),
        "rmse_per_sigma": round(_rms(error[case.is_body]) / sigma_hu, 4),
        "psnr_db": _rounded(psnr(case.truth_hu, denoised_hu, WINDOWS["abdomen"])),
        "psnr_lung_db": _rounded(psnr(case.truth_hu, denoised_hu, WINDOWS["lung"])) if has_lung else None,
        "soft_tissue_shift_hu": _rounded(float(error[is_soft].mean())) if is_soft.sum() > 100 else None,
        "detail_removed_percent": None if detail is None else round(detail.percent, 2),
    }


def model_rows(cases: Iterable[PhantomCase], name: str, denoise: Denoise) -> Iterator[dict[str, Any]]:
    """Score a denoiser on every case."""
    for case in cases:
        start = time.perf_counter()
        denoised = denoise(case.noisy_hu)
        seconds = time.perf_counter() - start
        yield {**about(case), "method": name, **truth_score(case, denoised), "seconds": round(seconds, 3)}


def baseline_rows(cases: Iterable[PhantomCase], grids: Iterable[Grid], kept: Path) -> Iterator[dict[str, Any]]:
    """Score baselines on every case, each at its best strength there; what ``kept`` holds is not measured again."""
    known: dict[str, dict[str, Any]] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    grids, n_known = tuple(grids), len(known)
    try:
        for case in cases:
            for grid in grids:
                key = f"{case.digest} {grid.name} {' '.join(f'{one:g}' for one in grid.strengths)}"
                if key not in known:
                    known[key] = _best(case, grid)
                yield {**about(case), "method": grid.name, **known[key]}
    finally:
        if len(known) > n_known:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(known, indent=0) + "\n", encoding="utf-8")


def input_rows(cases: Iterable[PhantomCase]) -> Iterator[dict[str, Any]]:
    """Score the noisy slices themselves."""
    return model_rows(cases, "input", lambda hu: hu)


def about(case: PhantomCase) -> dict[str, Any]:
    """Say which slice a row is about."""
    return {"region": case.region, "seed": case.seed, "kernel": case.kernel, "dose": case.dose}


def _best(case: PhantomCase, grid: Grid) -> dict[str, Any]:
    """Try all strengths; the smallest error inside the patient wins."""
    noise = case.noisy_hu - case.truth_hu
    sigma_hu = _rms(noise[case.is_body])
    found = []
    for strength in grid.strengths:
        start = time.perf_counter()
        denoised = grid.denoise(strength, sigma_hu, case.noisy_hu)
        found.append((denoised, {"strength": strength, "seconds": round(time.perf_counter() - start, 3)}))
    errors = [_rms((denoised - case.truth_hu)[case.is_body]) for denoised, _ in found]
    denoised, facts = found[int(np.argmin(errors))]
    return {**truth_score(case, denoised), **facts}


def _is_installed(name: str) -> bool:
    try:
        installed_baseline(name)
    except ConfigError:
        return False
    return True


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def mean_of(rows: Iterable[Mapping[str, Any]], key: str) -> float | None:
    """Average a key over the rows that have it."""
    values = [row[key] for row in rows if row.get(key) is not None]
    return float(np.mean(values)) if values else None
