"""From slice headers to series: what belongs together, and in which order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import methodcaller

import numpy as np

from n2b_ct.io.dicom.reading.geometry import (
    missing_after_mm,
    most_at_one_place,
    place_along,
    slice_normal,
    spacing_problems,
    tilt_problem,
)
from n2b_ct.io.dicom.reading.header import PASS_MARKS, SliceHeader, digest_key
from n2b_ct.io.dicom.reading.vouch import ASSUMED_HU
from n2b_ct.io.series import InstanceRef, SeriesRef

Group = list[SliceHeader]
_N_SCOUT_SLICES_MAX = 3
_TIMES = frozenset(("TriggerTime", "AcquisitionTime", "AcquisitionDateTime"))
_SCOUT_COSINE = np.cos(np.radians(45.0))


def group_slices(headers: Iterable[SliceHeader]) -> tuple[list[Group], Group]:
    """Split slices into series; also return the scouts that only their orientation betrays.

    One series shares study, series, size, orientation, frame of reference and stack. (RescaleType is HU or
    absent, which means HU, in every slice that comes here.) Passes over the same places split it further.
    """
    groups = _split(headers, _series_key)
    scouts = [header for group in groups if _is_scout(group, groups) for header in group]
    kept = [group for group in groups if not _is_scout(group, groups)]
    parts = [part for group in kept for part in _split_repeats(group, PASS_MARKS)]
    return sorted(parts, key=lambda part: min(header.path for header in part)), scouts


def series_ref(group: Sequence[SliceHeader]) -> SeriesRef:
    """Describe one group: its slices sorted by place along the normal, never by name or number."""
    normal = slice_normal(group[0].orientation)
    ordered = sorted(group, key=lambda header: _order(header, normal))
    first = ordered[0]
    places_mm = [place_along(header.position_mm, normal) for header in ordered]
    return SeriesRef(
        series_instance_uid=first.series_instance_uid,
        study_instance_uid=first.study_instance_uid,
        patient_key=first.patient_key or digest_key("study", first.study_instance_uid),
        description=first.facts.get("SeriesDescription", ""),
        rows=first.rows,
        cols=first.cols,
        pixel_spacing_mm=first.pixel_spacing_mm,
        orientation=first.orientation,
        instances=tuple(map(instance_ref, ordered, places_mm)),
        problems=_problems(ordered, places_mm, normal),
        facts=_facts(first, places_mm),
    )


def _order(header: SliceHeader, normal: np.ndarray) -> tuple[float, str, int]:
    """By place; slices that share one by file and frame."""
    return place_along(header.position_mm, normal), str(header.path), header.frame_number or 0


def _series_key(header: SliceHeader) -> Hashable:
    return (
        header.study_instance_uid,
        header.series_instance_uid,
        header.rows,
        header.cols,
        header.rounded_orientation,
        header.frame_of_reference_uid,
        header.stack_id,
    )


def _split(headers: Iterable[SliceHeader], key: Callable[[SliceHeader], Hashable]) -> list[Group]:
    groups: dict[Hashable, Group] = defaultdict(list)
    for header in headers:
        groups[key(header)].append(header)
    return list(groups.values())


def _split_repeats(group: Group, marks: Sequence[str]) -> list[Group]:
    """Split slices that share places by the first mark that makes passes of them, then by the next ones.

    A group that no mark splits stays whole; its problem says so.
    """
    n_at_one_place = most_at_one_place(_places_mm(group))
    if n_at_one_place == 1:
        return [group]
    for number, mark in enumerate(marks, start=1):
        parts = _split(group, methodcaller("pass_mark", mark))
        if len(parts) > 1 and _are_passes(parts, n_at_one_place, mark):
            return [piece for part in parts for piece in _split_repeats(part, marks[number:])]
    return [group]


def _are_passes(parts: Sequence[Group], n_at_one_place: int, mark: str) -> bool:
    """Whether every part goes over places of its own.

    A time may be another one for every slice or every turn: it tells passes apart only where it has as many
    values as slices share a place. A number for every slice tells nothing either, unless all share one place.
    """
    if mark in _TIMES:
        return len(parts) == n_at_one_place
    return len(parts) <= n_at_one_place or all(len(set(_places_mm(part))) > 1 for part in parts)


def _places_mm(group: Group) -> list[float]:
    normal = slice_normal(group[0].orientation)
    return [place_along(header.position_mm, normal) for header in group]


def _is_scout(group: Group, groups: Sequence[Group]) -> bool:
    """A few slices of a series that look across its majority (PS3.3 C.8.2.1.1.1 without the word)."""
    own = group[0]
    siblings = [other for other in groups if other[0].series_instance_uid == own.series_instance_uid]
    majority = max(siblings, key=len)
    cosine = abs(slice_normal(own.orientation) @ slice_normal(majority[0].orientation))
    return len(group) <= _N_SCOUT_SLICES_MAX and len(group) < len(majority) and bool(cosine < _SCOUT_COSINE)


def instance_ref(header: SliceHeader, place_mm: float) -> InstanceRef:
    """What it takes to read this slice again."""
    return InstanceRef(
        path=header.path,
        sop_instance_uid=header.sop_instance_uid,
        position_mm=place_mm,
        instance_number=header.instance_number,
        slice_location_mm=header.slice_location_mm,
        frame_number=header.frame_number,
        assumes_hu=ASSUMED_HU in header.problems,
        is_compressed=header.is_compressed,
    )


def _problems(ordered: Sequence[SliceHeader], places_mm: Sequence[float], normal: np.ndarray) -> tuple[str, ...]:
    positions_mm = np.array([header.position_mm for header in ordered])
    of_slices = [code for header in ordered for code in header.problems]
    of_tilt = tilt_problem(positions_mm, normal, ordered[0].tilt_degrees)
    return tuple(dict.fromkeys([*spacing_problems(places_mm), *of_tilt, *of_slices]))


def _facts(first: SliceHeader, places_mm: Sequence[float]) -> dict[str, str]:
    if "missing_slices" not in spacing_problems(places_mm):
        return dict(first.facts)
    places = ", ".join(f"{place_mm:g}" for place_mm in missing_after_mm(places_mm))
    return {**first.facts, "missing after (mm)": places}
