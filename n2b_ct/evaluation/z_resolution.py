"""Resolution along z: does a method mix a slice with its neighbours?

A method that smooths along z with the kernel (a, 1 − 2a, a) adds to each slice a times the second difference of the
input along z. So what a method changed is regressed, where anatomy changes much from slice to slice, on that difference
and, for all that happens within the slice, on the slice's own Laplacians; of a the transfer at the Nyquist frequency of
z follows, 1 − 4a. It is 1 for a method that takes every slice by itself, whatever it does within the slice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from n2b_ct.evaluation.cases import INPUT, SliceCase
from n2b_ct.evaluation.intervals import mean_interval
from n2b_ct.evaluation.patients import Patients, patients_of
from n2b_ct.evaluation.table import Row, rows_of

POOL_PX = 8
MIN_CHANGE_HU = 60.0
MIN_PLACES = 40
UNEVEN = 0.1
"""Largest difference of two steps along z, as a share: beyond it a slice between is missing."""

DEFINITIONS: dict[str, str] = {
    "z_transfer_percent": (
        "Transfer along z at its Nyquist frequency, %: 100 − 400 a, where a is how much of the second difference of "
        f"the input along z a method mixes into a slice. Least squares over squares of {POOL_PX} px where that is at "
        f"least {MIN_CHANGE_HU:g} HU, beside the slice's own Laplacians at two scales, which take up what happens "
        "within the slice; of every slice between two neighbours at even steps. 100 is nothing lost, as with any "
        "method that takes slices one by one; (¼, ½, ¼) along z gives 0."
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class SlicePlanes:
    """A slice of every method as means of squares, ``[rows / POOL_PX, cols / POOL_PX]``."""

    dose: float | None
    series: str
    slice_index: int
    planes: Mapping[str, np.ndarray]
    position_mm: float | None = None


def pooled_planes(case: SliceCase) -> list[SlicePlanes]:
    """Return the means of squares of the input and every method; nothing where the input is not known."""
    if case.anchor != INPUT or min(case.input_hu.shape) < POOL_PX:
        return []
    planes = {name: _pooled(hu) for name, hu in case.methods.items()}
    return [SlicePlanes(case.dose, case.series, case.slice_index, planes, case.position_mm)]


def z_resolution_rows(
    slices: Iterable[SlicePlanes], labels: Mapping[float | None, str], patients: Patients
) -> list[Row]:
    """Measure by level and method what is left along z; nothing where no slice has both its neighbours."""
    by_place = {(one.dose, one.series, one.slice_index): one for one in slices}
    found: dict[tuple[float | None, str], list[tuple[str, float]]] = defaultdict(list)
    for (dose, series, index), middle in by_place.items():
        beside = [by_place.get((dose, series, index + step)) for step in (-1, 1)]
        for name, percent in _transfers(middle, [one for one in beside if one is not None]).items():
            found[dose, name].append((series, percent))
    return [
        row
        for (dose, name), own in found.items()
        for row in rows_of("z_resolution", name, _mean(own, patients), level=labels[dose])
    ]


def z_transfer_percent(middle: np.ndarray, beside: Sequence[np.ndarray], denoised: np.ndarray) -> float | None:
    """Regress what a method changed; see :data:`DEFINITIONS`.

    Args:
        middle: The input's slice, as means of squares.
        beside: The input's two neighbours.
        denoised: The method's slice.

    Returns:
        None where too few places change enough from slice to slice.
    """
    change = beside[0] - 2.0 * middle + beside[1]
    strong = np.abs(change) >= MIN_CHANGE_HU
    if np.count_nonzero(strong) < MIN_PLACES:
        return None
    within = (ndimage.laplace(middle), ndimage.gaussian_laplace(middle, 1.5))
    columns = np.stack([change[strong], *(one[strong] for one in within), np.ones(np.count_nonzero(strong))], axis=1)
    share = np.linalg.lstsq(columns, (denoised - middle)[strong], rcond=None)[0][0]
    return float(100.0 - 400.0 * share) if np.isfinite(share) else None


def _pooled(hu: np.ndarray) -> np.ndarray:
    rows, cols = (n // POOL_PX for n in hu.shape)
    squares = hu[: rows * POOL_PX, : cols * POOL_PX].reshape(rows, POOL_PX, cols, POOL_PX)
    return np.asarray(squares.mean(axis=(1, 3), dtype=np.float64), dtype=np.float32)


def _transfers(middle: SlicePlanes, beside: Sequence[SlicePlanes]) -> dict[str, float]:
    if len(beside) < 2 or not _is_even(beside[0].position_mm, middle.position_mm, beside[1].position_mm):
        return {}
    own, neighbours = middle.planes[INPUT], [one.planes[INPUT] for one in beside]
    if any(one.shape != own.shape for one in neighbours):
        return {}
    found = {name: z_transfer_percent(own, neighbours, hu) for name, hu in middle.planes.items() if name != INPUT}
    return {name: percent for name, percent in found.items() if percent is not None}


def _is_even(*positions_mm: float | None) -> bool:
    """Whether three slices lie one step apart, as far as their positions are known."""
    known = [position for position in positions_mm if position is not None]
    if len(known) < len(positions_mm):
        return True
    first, second = np.diff(known)
    return bool(abs(second - first) <= UNEVEN * abs(first))


def _mean(values: Sequence[tuple[str, float]], patients: Patients) -> dict[str, object]:
    own = patients_of((series for series, _ in values), patients)
    return {"z_transfer_percent": mean_interval([percent for _, percent in values], own), "n_slices": len(values)}
