"""True lesions: recovered contrast and contrast-to-noise ratio by method.

A digital piglet's tree says voxel by voxel where its lesions are and what they add.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from n2b_ct.evaluation.cases import REFERENCE, SliceCase
from n2b_ct.evaluation.checks import ROUNDING_HU
from n2b_ct.evaluation.intervals import mean_interval
from n2b_ct.evaluation.table import Row, rows_of

RIM_PX = 1
RING_FROM_PX = 2
RING_TO_PX = 6
MIN_INSIDE_PX = 9
MIN_RING_PX = 30

DEFINITIONS: dict[str, str] = {
    "lesion_contrast_recovery_percent": (
        f"100 · (mean inside − mean of a ring around) / the true contrast, in each slice of a true lesion: inside "
        f"without a rim of {RIM_PX} px, the ring from {RING_FROM_PX} to {RING_TO_PX} px outside. The organ's own "
        "texture takes part, so the reference's row, not 100 %, is what a method can reach."
    ),
    "lesion_cnr": (
        "(Mean inside − mean of the ring) / standard deviation of the ring; negative where the lesion shows the "
        "other way round than it is."
    ),
}


@dataclass(frozen=True, slots=True)
class LesionMeasure:
    """One lesion in one slice as one method shows it."""

    dose: float | None
    method: str
    label: int
    recovery_percent: float
    cnr: float | None


def measure_lesions(case: SliceCase, contrast_hu: Mapping[int, float]) -> list[LesionMeasure]:
    """Measure every lesion of a slice in the input, every method and the reference."""
    if case.lesion_labels is None:
        return []
    slices = case.methods | ({} if case.reference_hu is None else {REFERENCE: case.reference_hu})
    found: list[LesionMeasure] = []
    for label in np.unique(case.lesion_labels[case.lesion_labels > 0]):
        inside, ring = _regions(case.lesion_labels, int(label))
        if np.count_nonzero(inside) < MIN_INSIDE_PX or np.count_nonzero(ring) < MIN_RING_PX:
            continue
        true_hu = contrast_hu[int(label)]
        found += [_measure(case.dose, name, int(label), hu[inside], hu[ring], true_hu) for name, hu in slices.items()]
    return found


def lesion_rows(measures: Sequence[LesionMeasure], labels: Mapping[float | None, str]) -> list[Row]:
    """Average over lesions and slices, by level and method; whole lesions are resampled where there are enough."""
    keys = dict.fromkeys((one.dose, one.method) for one in measures)
    found: list[Row] = []
    for dose, level in labels.items():
        for method in [name for known, name in keys if known == dose]:
            own = [one for one in measures if (one.dose, one.method) == (dose, method)]
            lesions = [one.label for one in own]
            values = {
                "cnr": mean_interval([one.cnr for one in own], lesions),
                "contrast_recovery_percent": mean_interval([one.recovery_percent for one in own], lesions),
                "n_lesions": len(set(lesions)),
            }
            found += rows_of("lesions", method, values, level=level)
    return found


def _regions(labels: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
    own = labels == label
    inside = ndimage.binary_erosion(own, iterations=RIM_PX)
    near, far = (ndimage.binary_dilation(own, iterations=n) for n in (RING_FROM_PX, RING_TO_PX))
    return inside, far & ~near & (labels == 0)


def _measure(
    dose: float | None, method: str, label: int, inside: np.ndarray, ring: np.ndarray, true_hu: float
) -> LesionMeasure:
    contrast = float(inside.mean(dtype=np.float64) - ring.mean(dtype=np.float64))
    noise = float(ring.std(ddof=1, dtype=np.float64))
    cnr = contrast * math.copysign(1.0, true_hu) / noise if noise > ROUNDING_HU else None
    return LesionMeasure(dose, method, label, 100.0 * contrast / true_hu, cnr)
