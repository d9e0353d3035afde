"""A second observation of CT slices for Noise2Noise: their neighbours in the same series.

Two neighbours have independent noise only if no photon counts for both. Slices that overlap share noise: on real
series, in flat tissue, the noise of neighbours 0.8 mm apart with slices of 1.25 mm correlates by 0.46, 4 mm apart
with 5 mm by 0.37; at one thickness or more it is below 0.08 (1.6 mm of 1.25 mm: 0.02; 1 mm of 1 mm: −0.07; 8 mm of
5 mm: 0.07). So a neighbour lies at least one slice thickness away, and not much further, for anatomy changes with
distance. In the mean of the neighbours on both sides a steady change cancels: what is left grows with
the square of the distance.

How much anatomy differs, root mean square over the body of the difference of means over 9×9 px: chest, 1.6 mm apart,
37 HU one-sided and 17 HU to the mean of both sides; where this difference is at most 40 HU (0.04 of the usual window,
``max_difference``), 13 HU and 10 HU are left, for 11 % and 4 % of the pixels. Body, 4 mm: 42 and 18 HU; 14 and 10 HU,
for 16 % and 5 %.

Neighbours are taken from the noisy role only: test slices are never learned from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from n2b_ct.config.method import NeighboursSection
from n2b_ct.data.manifest_series import DatasetSeries
from n2b_ct.data.roles import RoleSlice
from n2b_ct.errors import DataError, explain
from n2b_ct.io.series import SeriesRef

_TOLERANCE_MM = 0.05
_FURTHEST_THICKNESSES = 2.0


def neighbour_indices(slices: Sequence[RoleSlice], section: NeighboursSection) -> list[tuple[int, ...]]:
    """Return every slice's neighbours among the given ones.

    Args:
        slices: The noisy role.
        section: Allowed distances, and whether on one side or on both.

    Returns:
        For every slice the indices of its neighbours in ``slices``: none, one or two.
    """
    by_series: dict[str, list[int]] = {}
    for index, one in enumerate(slices):
        by_series.setdefault(one.series.name, []).append(index)
    neighbours: list[tuple[int, ...]] = [()] * len(slices)
    for indices in by_series.values():
        lowest, highest = gap_range_mm(slices[indices[0]].series, section)
        positions_mm = np.array([slices[index].series.positions_mm[slices[index].index] for index in indices])
        for index, position_mm in zip(indices, positions_mm, strict=True):
            chosen = _nearest_of_each_side(positions_mm - position_mm, lowest, highest, section.sides)
            neighbours[index] = tuple(indices[k] for k in chosen)
    return neighbours


def with_neighbours(slices: Sequence[RoleSlice], section: NeighboursSection) -> tuple[RoleSlice, ...]:
    """Keep the slices that have a neighbour; a neighbour has one too, so it stays.

    Raises:
        DataError: No slice has one; one line for every series.
    """
    kept = tuple(one for one, found in zip(slices, neighbour_indices(slices, section), strict=True) if found)
    if slices and not kept:
        raise DataError("\n".join(neighbour_problems(slices, section)))
    return kept


def neighbour_problems(slices: Sequence[RoleSlice], section: NeighboursSection) -> list[str]:
    """Return one line per series why none of the slices has a neighbour; nothing where one has."""
    if not slices or any(neighbour_indices(slices, section)):
        return []
    series = {one.series.name: one.series for one in slices}
    return [_explained(one, slices, section) for one in series.values()]


def neighbour_images(slices: Sequence[RoleSlice], images: Sequence[Tensor], section: NeighboursSection) -> list[Tensor]:
    """Make the second observation of every slice: its neighbour, or the mean of the two.

    Args:
        slices: The noisy role; each has a neighbour, see :func:`with_neighbours`.
        images: The same slices as the network sees them, ``[1, rows, cols]``, in the same order.
        section: As above.

    Returns:
        One tensor a slice, of its size, in order.

    Raises:
        DataError: A slice has no neighbour.
    """
    again: list[Tensor] = []
    for one, found in zip(slices, neighbour_indices(slices, section), strict=True):
        if not found:
            raise DataError(_explained(one.series, slices, section))
        again.append(torch.stack([images[index] for index in found]).mean(dim=0))
    return again


def gap_range_mm(series: DatasetSeries, section: NeighboursSection) -> tuple[float, float]:
    """Return the least and largest distance of a neighbour: one to two slice thicknesses unless the section sets them.

    A series that does not tell its thickness, and a volume, whose positions count slices, are taken for slices that
    just touch: their thickness is the smallest distance between two of them.
    """
    thickness = _thickness_mm(series)
    lowest = thickness if section.min_gap_mm is None else section.min_gap_mm
    return lowest, _FURTHEST_THICKNESSES * thickness if section.max_gap_mm is None else section.max_gap_mm


def _thickness_mm(series: DatasetSeries) -> float:
    thickness_text = series.source.facts.get("SliceThickness", "") if isinstance(series.source, SeriesRef) else ""
    try:
        thickness = float(thickness_text)
    except ValueError:
        thickness = 0.0
    if 0.0 < thickness < float("inf"):
        return thickness
    return float(np.diff(np.unique(series.positions_mm)).min(initial=np.inf))


def _nearest_of_each_side(offsets_mm: np.ndarray, lowest: float, highest: float, sides: str) -> list[int]:
    distances = np.abs(offsets_mm)
    allowed = (distances >= lowest - _TOLERANCE_MM) & (distances <= highest + _TOLERANCE_MM) & (distances > 0.0)
    nearest = [
        int(np.flatnonzero(side)[distances[side].argmin()])
        for side in (allowed & (offsets_mm > 0), allowed & (offsets_mm < 0))
        if side.any()
    ]
    return nearest if sides == "both" else sorted(nearest, key=lambda k: distances[k])[:1]


def _explained(series: DatasetSeries, slices: Sequence[RoleSlice], section: NeighboursSection) -> str:
    lowest, highest = gap_range_mm(series, section)
    own_mm = np.unique([one.series.positions_mm[one.index] for one in slices if one.series.name == series.name])
    gaps_mm = np.diff(own_mm)
    got = f"gaps of {gaps_mm.min():.4g} to {gaps_mm.max():.4g} mm" if gaps_mm.size else "a single slice"
    return explain(
        f"series {series.name}",
        f"noise2noise needs noisy slices {lowest:.4g} to {highest:.4g} mm apart, whose noise is independent and whose "
        "anatomy is nearly the same",
        got,
        "set method.neighbours.min_gap_mm and max_gap_mm, use a denser series, or train noise2blur",
    )
