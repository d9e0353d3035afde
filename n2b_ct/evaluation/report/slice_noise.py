"""One slice, every method: noise texture in flat regions and what was removed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.evaluation.checks import ROUNDING_HU
from n2b_ct.evaluation.report.measures import INPUT, REFERENCE, SliceCase
from n2b_ct.evaluation.residual import (
    DetailRemoved,
    EdgeStructure,
    autocorrelation,
    detail_removed,
    edge_structure,
)
from n2b_ct.evaluation.rois import Rois, find_flat_rois
from n2b_ct.evaluation.texture import NoisePower, detrend, noise_power

FLAT_REGIONS = "flat regions"
AGAINST_TRUTH = "method − reference in flat regions"


@dataclass(frozen=True, slots=True, eq=False)
class SliceNoise:
    """Texture and residual of one method on one slice; None where something does not exist.

    Attributes:
        power: Noise power of the slice's flat regions.
        removed: Autocorrelation of input − method in the same regions, at lags 1, 2, … px.
        own: Autocorrelation of the method's noise there.
        edge: Whether the residual follows the anatomy's edges.
        detail: How much of a noise-free truth's fine structure it holds.
    """

    dose: float | None
    series: str
    slice_index: int
    method: str
    power: NoisePower | None
    removed: tuple[float, ...] | None
    own: tuple[float, ...] | None
    edge: EdgeStructure | None
    detail: DetailRemoved | None


def measure_noise(case: SliceCase, noise_free: bool = False) -> list[SliceNoise]:
    """Measure texture and residual of the input, every method and the reference.

    Args:
        case: The slice; flat regions are found in its input and shared by all methods.
        noise_free: The reference holds no noise: it is subtracted before texture is measured, and the residual is
            held against its fine structure.
    """
    rois = find_flat_rois(case.input_hu)
    truth = case.reference_hu if noise_free else None
    found = [_measure(case, name, hu, rois, truth) for name, hu in case.methods.items()]
    if case.reference_hu is not None and truth is None:
        found.append(_measure(case, REFERENCE, case.reference_hu, rois, None))
    return found


def _measure(case: SliceCase, name: str, hu: np.ndarray, rois: Rois, truth: np.ndarray | None) -> SliceNoise:
    regions = _without_rounding(rois.cut(hu if truth is None else hu - truth))
    has_regions = len(regions) > 0
    has_residual = case.anchor == INPUT and name not in (INPUT, REFERENCE)
    power = noise_power(regions, case.pixel_mm) if has_regions and case.pixel_mm else None
    residual = _without_rounding(rois.cut(case.input_hu - hu)) if has_regions and has_residual else None
    return SliceNoise(
        dose=case.dose,
        series=case.series,
        slice_index=case.slice_index,
        method=name,
        power=power,
        removed=None if residual is None else autocorrelation(detrend(residual, "quadratic")),
        own=autocorrelation(detrend(regions, "quadratic")) if has_regions else None,
        edge=edge_structure(case.input_hu, hu, case.reference_hu) if has_residual else None,
        detail=detail_removed(case.input_hu, hu, truth) if has_residual and truth is not None else None,
    )


def _without_rounding(regions: np.ndarray) -> np.ndarray:
    """Make constant regions exactly so: else a trend's rounding errors would be taken for noise with a texture."""
    centred = regions - regions.mean(axis=(1, 2), keepdims=True)
    return np.zeros_like(regions) if np.abs(centred).max(initial=0.0) < ROUNDING_HU else regions
