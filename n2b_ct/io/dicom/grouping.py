"""From slice headers to series: what belongs together, and in which order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np

from n2b_ct.io.dicom.geometry import (
    have_repeats,
    missing_after_mm,
    place_along,
    slice_normal,
    spacing_problems,
    tilt_problem,
)
from n2b_ct.io.dicom.header import SliceHeader, digest_key
from n2b_ct.io.series import InstanceRef, SeriesRef

Group = list[SliceHeader]
_N_SCOUT_SLICES_MAX = 3
_SCOUT_COSINE = np.cos(np.radians(45.0))


def group_slices(headers: Iterable[SliceHeader]) -> tuple[list[Group], Group]:
    """Split slices into series; also return the scouts that only their orientation betrays.

    One series shares study, series, size, orientation and frame of reference. (RescaleType is HU or
    absent, which means HU, in every slice that comes here.) Acquisition and temporal position split
    it further only where slices share a place.
    """
    groups = _split(headers, _series_key)
    scouts = [header for group in groups if _is_scout(group, groups) for header in group]
    kept = [group for group in groups if not _is_scout(group, groups)]
    parts = [part for group in kept for part in _split_repeats(group)]
    return sorted(parts, key=lambda part: min(header.path for header in part)), scouts


def series_ref(group: Sequence[SliceHeader]) -> SeriesRef:
    """Describe one group: its slices sorted by place along the normal, never by name or number."""
    normal = slice_normal(group[0].orientation)
    ordered = sorted(group, key=lambda header: (place_along(header.position_mm, normal), str(header.path)))
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
        instances=tuple(map(_instance_ref, ordered, places_mm)),
        problems=_problems(ordered, places_mm, normal),
        facts=_facts(first, places_mm),
    )


def _series_key(header: SliceHeader) -> Hashable:
    return (
        header.study_instance_uid,
        header.series_instance_uid,
        header.rows,
        header.cols,
        header.rounded_orientation,
        header.frame_of_reference_uid,
    )


def _split(headers: Iterable[SliceHeader], key: Callable[[SliceHeader], Hashable]) -> list[Group]:
    groups: dict[Hashable, Group] = defaultdict(list)
    for header in headers:
        groups[key(header)].append(header)
    return list(groups.values())


def _split_repeats(group: Group) -> list[Group]:
    normal = slice_normal(group[0].orientation)
    if not have_repeats([place_along(header.position_mm, normal) for header in group]):
        return [group]
    return _split(group, lambda header: header.acquisition)


def _is_scout(group: Group, groups: Sequence[Group]) -> bool:
    """A few slices of a series that look across its majority (PS3.3 C.8.2.1.1.1 without the word)."""
    own = group[0]
    siblings = [other for other in groups if other[0].series_instance_uid == own.series_instance_uid]
    majority = max(siblings, key=len)
    cosine = abs(slice_normal(own.orientation) @ slice_normal(majority[0].orientation))
    return len(group) <= _N_SCOUT_SLICES_MAX and len(group) < len(majority) and bool(cosine < _SCOUT_COSINE)


def _instance_ref(header: SliceHeader, place_mm: float) -> InstanceRef:
    return InstanceRef(
        path=header.path,
        sop_instance_uid=header.sop_instance_uid,
        position_mm=place_mm,
        instance_number=header.instance_number,
        slice_location_mm=header.slice_location_mm,
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
