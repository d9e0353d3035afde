"""Which series of two folders show the same slices, and whether they may be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.folders import FolderSeries

TOLERANCE_MM = 0.1
SPACING_TOLERANCE = 0.01
CORNER_TOLERANCE_PX = 0.5
MIN_COSINE = 0.999
TISSUE_HU = (-200.0, 300.0)
MIN_OFFSET_HU = 30.0
OFFSET_PER_NOISE = 0.5
MIN_SPAN_HU = 300.0
SPAN_FACTOR = 1.25
MIN_TISSUE_PX = 200
REVERSED_SHARE = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """A series beside the anchor's: ``indices`` maps the anchor's slice index to its own."""

    series: FolderSeries
    indices: dict[int, int]


def match(
    label: str, anchor: FolderSeries, others: Sequence[FolderSeries], n_anchors: int
) -> tuple[Match | None, list[str]]:
    """Find a series' counterpart in another folder and check that both show the same.

    Slices are matched by their position in the patient, never by their order.

    Args:
        label: How messages name the other folder.
        anchor: What the others are compared with.
        others: The other folder's series.
        n_anchors: How many series the anchor's folder has.

    Returns:
        The match, None where nothing may be compared; and lines that say what is wrong.
    """
    subject = f"{anchor.name}, {label}"
    other = _counterpart(anchor, others, n_anchors)
    if other is None:
        need = "must have one series of the same place or study"
        return None, [explain(subject, need, f"{len(others)} others", "give folders that mirror each other")]
    indices = _same_positions(anchor, other)
    line = _geometry(subject, anchor, other, indices) or _values(subject, anchor, other, indices)
    if line:
        return None, [line]
    return Match(other, indices), _missing(subject, anchor, indices)


def _counterpart(anchor: FolderSeries, others: Sequence[FolderSeries], n_anchors: int) -> FolderSeries | None:
    if n_anchors == 1 and len(others) == 1:
        return others[0]
    of_folder = [one for one in others if one.folder == anchor.folder]
    of_study = [one for one in others if anchor.study_uid and one.study_uid == anchor.study_uid]
    of_patient = [one for one in of_study if one.patient_key == anchor.patient_key]
    for found in (of_folder, of_patient, of_study):
        if len(found) == 1:
            return found[0]
    return None


def _same_positions(anchor: FolderSeries, other: FolderSeries) -> dict[int, int]:
    """Slices at the same position; a position that several slices share is left out."""
    other_values = np.asarray(other.positions_mm, dtype=np.float64)
    order = np.argsort(other_values, kind="stable")
    anchor_values = np.asarray(anchor.positions_mm, dtype=np.float64)
    starts, stops = (
        np.searchsorted(other_values[order], anchor_values + reach)
        for reach in (-2.0 * TOLERANCE_MM, 2.0 * TOLERANCE_MM)
    )
    found: dict[int, int] = {}
    for k, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        near = [index for index in order[start:stop] if abs(other_values[index] - anchor_values[k]) <= TOLERANCE_MM]
        if len(near) == 1:
            found[k] = int(near[0])
    return found


def _geometry(subject: str, anchor: FolderSeries, other: FolderSeries, indices: dict[int, int]) -> str:
    """Why the grids cannot be compared; empty where they can."""
    if other.size_px != anchor.size_px:
        got = f"{_size(other.size_px)} and {_size(anchor.size_px)}"
        return explain(subject, "compared slices must share one size", got, "left out; export both alike")
    if not np.allclose(other.pixel_mm, anchor.pixel_mm, rtol=SPACING_TOLERANCE):
        got = f"{other.pixel_mm[0]:.4g} mm and {anchor.pixel_mm[0]:.4g} mm"
        return explain(subject, "compared slices must share one pixel spacing", got, "left out; export both alike")
    if float(other.normal @ anchor.normal) < MIN_COSINE:
        remedy = "left out; export both in one orientation"
        return explain(subject, "compared slices must lie in one plane", "another orientation", remedy)
    shift_px = np.abs(other.corner_mm - anchor.corner_mm) / anchor.pixel_mm
    if shift_px.max() > CORNER_TOLERANCE_PX:
        need = "compared slices must show the same field"
        return explain(subject, need, f"a shift of {shift_px.max():.1f} px", "left out; export both alike")
    if not indices:
        need = f"slices must lie within {TOLERANCE_MM:g} mm of the others"
        return explain(subject, need, "none that does", "left out; check that both show one scan")
    return ""


def _missing(subject: str, anchor: FolderSeries, indices: dict[int, int]) -> list[str]:
    n_slices = len(anchor.positions_mm)
    if len(indices) == n_slices:
        return []
    need = f"must have a slice at each of {n_slices} positions"
    return [explain(subject, need, len(indices), "measured where both have one; its means cover fewer slices")]


def _values(subject: str, anchor: FolderSeries, other: FolderSeries, indices: dict[int, int]) -> str:
    """Why the HU cannot be compared, from one slice in the middle and one at a quarter; empty where they can."""
    shared = sorted(indices)
    middle = shared[len(shared) // 2]
    try:
        anchor_values, other_values = anchor.read(middle), other.read(indices[middle])
        return _scaling(subject, anchor_values, other_values) or _order(subject, anchor, other, indices)
    except DataError:
        return ""  # the slice will be named when it is measured


def _scaling(subject: str, anchor_values: np.ndarray, other_values: np.ndarray) -> str:
    """Another offset or another scale of HU shows in a tissue's median, or in the span from air to tissue."""
    if not (np.isfinite(anchor_values).all() and np.isfinite(other_values).all()):
        return ""
    remedy = "left out; look at its rescale slope and intercept"
    spans = [float(np.subtract(*np.percentile(hu, (95.0, 5.0)))) for hu in (anchor_values, other_values)]
    if max(spans) > MIN_SPAN_HU and max(spans) > SPAN_FACTOR * min(spans):
        got = f"values over {spans[1]:.4g} beside {spans[0]:.4g}"
        return explain(subject, "compared slices must share one HU scale", got, remedy)
    tissue = (anchor_values > TISSUE_HU[0]) & (anchor_values < TISSUE_HU[1])
    difference = (other_values - anchor_values)[tissue].astype(np.float64)
    if difference.size < MIN_TISSUE_PX:
        return ""
    offset = float(np.median(difference))
    spread = 1.4826 * float(np.median(np.abs(difference - offset)))
    if abs(offset) <= max(MIN_OFFSET_HU, OFFSET_PER_NOISE * spread):
        return ""
    got = f"a median difference of {offset:.0f} HU in tissue"
    return explain(subject, "compared slices must share one HU scale", got, remedy)


def _order(subject: str, anchor: FolderSeries, other: FolderSeries, indices: dict[int, int]) -> str:
    """Slices whose content runs against their positions fit far better the other way round."""
    shared = sorted(indices)
    first, last = shared[len(shared) // 4], shared[-1 - len(shared) // 4]
    if last - first < 2:
        return ""
    anchor_values = anchor.read(first)
    straight, turned = (float(np.mean(np.abs(anchor_values - other.read(indices[k])))) for k in (first, last))
    if not turned < REVERSED_SHARE * straight:
        return ""
    remedy = "left out; correct the positions"
    return explain(subject, "slices must lie where their position says", "slices in reverse", remedy)


def _size(size_px: tuple[int, int]) -> str:
    return f"{size_px[0]}x{size_px[1]}"
