"""From slice headers to series: what belongs together, in which order, and what tells series of one UID apart.

By the Standard no two series share a SeriesInstanceUID. In fact an anonymiser may write one UID for everybody, or a
workstation store other fields of view or kernels under the UID of the first.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from n2b_ct.io.dicom.reading.dicom_file import ASSUMED_HU
from n2b_ct.io.dicom.reading.slice_geometry import (
    SAME_LOCATION_MM,
    TILT_DEGREES,
    location_along_normal,
    missing_after_mm,
    most_at_one_location,
    n_locations,
    orientation_labels,
    slice_normal,
    spacing_labels,
    spacing_problems,
    tilt_problem,
)
from n2b_ct.io.dicom.reading.slice_header import PASS_MARKS, SETTINGS, TIMES, SliceHeader, digest_key, study_key
from n2b_ct.io.series import InstanceRef, SeriesRef

Group = list[SliceHeader]
_Labels = Callable[[Group], Sequence[Hashable]]

_N_SCOUT_SLICES_MAX = 3
_SCOUT_COSINE = np.cos(np.radians(45.0))
PATIENT = ("PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
"""Two values of one of these are two patients, whatever the UIDs say."""
SHARED_BY_PATIENTS, PART = "uid_shared_by_patients", "part_of_series"
_EVIDENCE = ("PatientBirthDate", "PatientSex", "StudyDate")  # kept for those who look at a whole folder
_OF_PASSES = frozenset(PASS_MARKS) - {"SeriesDescription"}  # a series has one description
_FIRST_SLICE = "SOPInstanceUID"

NUMBER_SHARE = 0.01
"""Numbers that differ by less than this share are the same setting, written or measured twice."""
SHIFT_PX = 1.0
"""A field of view that moves by more than a pixel is another one."""

_N_VALUES_TOLD = 3

_Value = str | float | None


def group_slices(headers: Iterable[SliceHeader]) -> tuple[list[Group], Group]:
    """Split slices into series; also return the scouts that only their orientation betrays.

    One series shares study, series, patient, size, orientation, frame of reference, stack, pixel spacing, equipment and
    kernel. (RescaleType is HU or absent, which means HU, in every slice that comes here, or was assumed.)
    Passes over the same locations split it further. What else varies is ordinary, and told as a problem.
    """
    slices = list(headers)
    images = _split(slices, [_image_key(header) for header in slices])
    planes = _split_all(images, [*map(_known, PATIENT), _frames_of_reference, _orientations])
    is_scout = _scouts(planes)
    scouts = [header for plane, found in zip(planes, is_scout, strict=True) if found for header in plane]
    kept = [plane for plane, found in zip(planes, is_scout, strict=True) if not found]
    same = _split_all(kept, [_spacings, *map(_unless_of_every_slice, SETTINGS)])
    parts = [part for group in same for part in _split_repeats(group, PASS_MARKS)]
    return sorted(parts, key=lambda part: min(header.path for header in part)), scouts


def series_ref(group: Sequence[SliceHeader]) -> SeriesRef:
    """Describe one group: its slices sorted by location along the normal, never by name or number."""
    normal = slice_normal(min(header.orientation for header in group))
    ordered = sorted(group, key=lambda header: _order(header, normal))
    first = ordered[0]
    locations_mm = [location_along_normal(header.position_mm, normal) for header in ordered]
    patient_id, issuer = (known(ordered, keyword) for keyword in PATIENT[:2])
    varying = _variations(ordered, locations_mm, normal)
    return SeriesRef(
        series_instance_uid=first.series_instance_uid,
        study_instance_uid=first.study_instance_uid,
        patient_key=digest_key(patient_id, issuer) if patient_id else study_key(first.study_instance_uid),
        description=first.facts.get("SeriesDescription", ""),
        rows=first.rows,
        cols=first.cols,
        pixel_spacing_mm=next((one.pixel_spacing_mm for one in ordered if one.pixel_spacing_mm), None),
        orientation=first.orientation,
        instances=tuple(map(instance_ref, ordered, locations_mm)),
        problems=tuple(dict.fromkeys([*_problems(ordered, locations_mm, normal), *varying])),
        facts={**first.facts, **_missing(locations_mm), **varying},
        marks=marks_of(ordered),
    )


def instance_ref(header: SliceHeader, location_mm: float) -> InstanceRef:
    """What it takes to read this slice again."""
    return InstanceRef(
        path=header.path,
        sop_instance_uid=header.sop_instance_uid,
        position_mm=location_mm,
        instance_number=header.instance_number,
        slice_location_mm=header.slice_location_mm,
        frame_number=header.frame_number,
        assumes_hu=ASSUMED_HU in header.problems,
        is_compressed=header.is_compressed,
    )


def _order(header: SliceHeader, normal: np.ndarray) -> tuple[float, str, int]:
    """By location; slices that share one by file and frame."""
    return location_along_normal(header.position_mm, normal), str(header.path), header.frame_number or 0


# ── What makes another series ──


def _image_key(header: SliceHeader) -> Hashable:
    return (
        header.study_instance_uid,
        header.series_instance_uid,
        header.rows,
        header.cols,
        header.stack_id,
    )


def _known(keyword: str) -> _Labels:
    """Label slices by an attribute; those that lack it belong to the others where these agree."""
    return lambda group: _where_known([header.constant(keyword) for header in group])


def _frames_of_reference(group: Group) -> Sequence[Hashable]:
    return _where_known([header.frame_of_reference_uid for header in group])


def _where_known(values: Sequence[str]) -> Sequence[str]:
    return [""] * len(values) if len(set(values) - {""}) <= 1 else values


def _unless_of_every_slice(keyword: str) -> _Labels:
    """Label slices by an attribute, unless it changes with every slice: then it says nothing about series."""

    def labels(group: Group) -> Sequence[Hashable]:
        found = _known(keyword)(group)
        changes_always = len(found) > 2 and len(set(found)) == len(found)
        return [""] * len(found) if changes_always else found

    return labels


def _orientations(group: Group) -> Sequence[Hashable]:
    return orientation_labels([header.orientation for header in group])


def _spacings(group: Group) -> Sequence[Hashable]:
    return spacing_labels([header.pixel_spacing_mm for header in group])


def _split_all(groups: Iterable[Group], labels: Iterable[_Labels]) -> list[Group]:
    """Split groups by one thing after the other, so that what a slice lacks is looked for among its own."""
    found = list(groups)
    for labels_of in labels:
        found = [part for group in found for part in _split(group, labels_of(group))]
    return found


def _split(headers: Group, labels: Sequence[Hashable]) -> list[Group]:
    groups: dict[Hashable, Group] = defaultdict(list)
    for header, label in zip(headers, labels, strict=True):
        groups[label].append(header)
    return list(groups.values())


# ── Passes over the same locations ──


def _split_repeats(group: Group, marks: Sequence[str]) -> list[Group]:
    """Split slices that share locations by the first mark that makes passes of them, then by the next ones.

    A group that no mark splits stays whole; its problem says so.
    """
    n_at_one_location = most_at_one_location(_locations_mm(group))
    if n_at_one_location == 1:
        return [group]
    for number, mark in enumerate(marks, start=1):
        parts = _split(group, [header.pass_mark(mark) for header in group])
        if len(parts) > 1 and _are_passes(parts, n_at_one_location, mark):
            return [piece for part in parts for piece in _split_repeats(part, marks[number:])]
    return [group]


def _are_passes(parts: Sequence[Group], n_at_one_location: int, mark: str) -> bool:
    """Whether every part goes over locations of its own.

    A time may be another one for every slice or every turn: it tells passes apart only where it has as many
    values as slices share a location. A tube voltage may change along the patient: it does where all its values have
    the same locations. A number for every slice tells nothing either, unless all share one location.
    """
    if mark in TIMES:
        return len(parts) == n_at_one_location
    if mark == "KVP":
        return _share_locations(parts)
    return len(parts) <= n_at_one_location or all(n_locations(_locations_mm(part)) > 1 for part in parts)


def _share_locations(parts: Sequence[Group]) -> bool:
    first, *others = [np.sort(_locations_mm(part)) for part in parts]
    return all(other.shape == first.shape and np.abs(other - first).max() < SAME_LOCATION_MM for other in others)


def _locations_mm(group: Group) -> list[float]:
    normal = slice_normal(group[0].orientation)
    return [location_along_normal(header.position_mm, normal) for header in group]


# ── Scouts ──


def _scouts(planes: Sequence[Group]) -> list[bool]:
    """Which groups are a few slices of a series that look across its majority (PS3.3 C.8.2.1.1.1 without the word)."""
    majorities: dict[Hashable, Group] = {}
    for plane in planes:
        majorities[_series_key(plane)] = max(majorities.get(_series_key(plane), plane), plane, key=len)
    return [_is_scout(plane, majorities[_series_key(plane)]) for plane in planes]


def _series_key(group: Group) -> Hashable:
    return (group[0].series_instance_uid, *(known(group, keyword) for keyword in PATIENT))


def _is_scout(group: Group, majority: Group) -> bool:
    if len(group) > _N_SCOUT_SLICES_MAX or len(group) >= len(majority):
        return False
    cosine = abs(slice_normal(group[0].orientation) @ slice_normal(majority[0].orientation))
    return bool(cosine < _SCOUT_COSINE)


# ── What to know ──


def _problems(ordered: Sequence[SliceHeader], locations_mm: Sequence[float], normal: np.ndarray) -> tuple[str, ...]:
    positions_mm = np.array([header.position_mm for header in ordered])
    of_slices = [code for header in ordered for code in header.problems]
    of_tilt = tilt_problem(positions_mm, normal, ordered[0].tilt_degrees or 0.0)
    return tuple(dict.fromkeys([*spacing_problems(locations_mm), *of_tilt, *of_slices]))


def _missing(locations_mm: Sequence[float]) -> dict[str, str]:
    if "missing_slices" not in spacing_problems(locations_mm):
        return {}
    return {"missing after (mm)": ", ".join(f"{location_mm:g}" for location_mm in missing_after_mm(locations_mm))}


def known(headers: Iterable[SliceHeader], keyword: str) -> str:
    """The first value that is there of an attribute that all slices share."""
    return next(filter(None, (header.constant(keyword) for header in headers)), "")


def marks_of(ordered: Sequence[SliceHeader]) -> dict[str, str]:
    """List all that may tell a series from another of the same UID, in the order in which people look at it."""
    first = ordered[0]
    spacing_mm = next((one.pixel_spacing_mm for one in ordered if one.pixel_spacing_mm), ())
    found = {
        "Patient": digest_key(*(known(ordered, keyword) for keyword in PATIENT)),
        "StudyInstanceUID": first.study_instance_uid,
        "Rows": str(first.rows),
        "Columns": str(first.cols),
        "PixelSpacing": _numbers(spacing_mm),
        "ImageOrientationPatient": _numbers(first.orientation),
        "FrameOfReferenceUID": next(filter(None, (one.frame_of_reference_uid for one in ordered)), ""),
        "StackID": first.stack_id,
        **{keyword: known(ordered, keyword) for keyword in (*SETTINGS, *_EVIDENCE)},
        **dict(zip(PASS_MARKS, first.pass_marks, strict=True)),
    }
    return {**found, _FIRST_SLICE: f"{first.sop_instance_uid}/{first.frame_number or 0}"}


def mark_shared_uids(series: Sequence[SeriesRef]) -> list[SeriesRef]:
    """Name the marks by which series of one UID differ, and say that there are several."""
    by_uid: dict[str, list[SeriesRef]] = defaultdict(list)
    for one in series:
        by_uid[one.series_instance_uid].append(one)
    differing = {uid: _differing(parts) for uid, parts in by_uid.items() if len(parts) > 1}
    return [_as_part(one, differing.get(one.series_instance_uid, ())) for one in series]


def identity(series: SeriesRef) -> tuple[str, ...]:
    """What, beside its UIDs, makes a part a series of its own: nothing for passes, which are one series."""
    return tuple(f"{keyword}={series.marks[keyword]}" for keyword in series.part if keyword not in _OF_PASSES)


def _differing(parts: Sequence[SeriesRef]) -> tuple[str, ...]:
    keywords = [keyword for keyword in parts[0].marks if keyword not in (_FIRST_SLICE, *_EVIDENCE)]
    found = tuple(keyword for keyword in keywords if len({one.marks[keyword] for one in parts}) > 1)
    told = {tuple(one.marks[keyword] for keyword in found) for one in parts}
    return found if len(told) == len(parts) else (*found, _FIRST_SLICE)


def _as_part(one: SeriesRef, part: tuple[str, ...]) -> SeriesRef:
    is_met = {SHARED_BY_PATIENTS: "Patient" in part, PART: bool(set(part) - {"Patient", *_OF_PASSES})}
    codes = [code for code, met in is_met.items() if met]
    return replace(one, part=part, problems=(*one.problems, *codes))


def _numbers(values: Sequence[float]) -> str:
    return "\\".join(f"{value + 0.0:.6g}" for value in values)


# ── What varies within a series although its attributes are given once: noted as a problem, for some scans vary ──


def _variations(ordered: Sequence[SliceHeader], locations_mm: Sequence[float], normal: np.ndarray) -> dict[str, str]:
    """Say what varies among the sorted slices of a series, as problem codes with the values.

    Args:
        ordered: The slices.
        locations_mm: Where they lie along the normal.
        normal: Slice normal, ``[3]``.
    """
    found = {
        "kvp_varies": _varying_numbers(ordered, locations_mm, lambda one: _number(one.pass_mark("KVP"))),
        "thickness_varies": _varying_numbers(
            ordered, locations_mm, lambda one: _number(one.facts.get("SliceThickness", ""))
        ),
        "tilt_varies": _varying_numbers(ordered, locations_mm, lambda one: one.tilt_degrees, TILT_DEGREES),
        "field_of_view_varies": _varying_numbers(ordered, locations_mm, lambda one: one.field_of_view_mm)
        or _shift(ordered, locations_mm, normal),
        "acquisition_varies": _n_values(ordered, lambda one: one.pass_mark("AcquisitionNumber")),
        "description_varies": _n_values(ordered, lambda one: one.facts.get("SeriesDescription", "")),
        "patient_varies": _n_values(ordered, _constant_of("PatientName")),
        "setting_varies": ", ".join(keyword for keyword in SETTINGS if _n_values(ordered, _constant_of(keyword))),
    }
    return {code: text for code, text in found.items() if text}


def _constant_of(keyword: str) -> Callable[[SliceHeader], str]:
    return lambda header: header.constant(keyword)


def _by_value(ordered: Sequence[SliceHeader], value: Callable[[SliceHeader], _Value]) -> dict[_Value, list[int]]:
    """Locations in the series by value; a slice that lacks it says nothing."""
    found: dict[_Value, list[int]] = defaultdict(list)
    for index, header in enumerate(ordered):
        if (here := value(header)) not in ("", None):
            found[here].append(index)
    return found


def _n_values(ordered: Sequence[SliceHeader], value: Callable[[SliceHeader], _Value]) -> str:
    """How many values there are, where they may not be shown or say nothing."""
    n_values = len(_by_value(ordered, value))
    return f"{n_values} values" if n_values > 1 else ""


def _varying_numbers(
    ordered: Sequence[SliceHeader],
    locations_mm: Sequence[float],
    value: Callable[[SliceHeader], float | None],
    tolerance: float = 0.0,
) -> str:
    """The most frequent values of a number that varies, and where a single odd slice lies."""
    found = _by_value(ordered, value)
    numbers = [float(number) for number in found if number is not None]
    limit = tolerance or NUMBER_SHARE * max(map(abs, numbers), default=0.0)
    if len(numbers) < 2 or max(numbers) - min(numbers) <= limit:
        return ""
    often = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    texts = [f"{number:g} {_where(indices, locations_mm)}" for number, indices in often[:_N_VALUES_TOLD]]
    return ", ".join([*texts, *(["…"] if len(often) > _N_VALUES_TOLD else [])])


def _where(indices: Sequence[int], locations_mm: Sequence[float]) -> str:
    return f"at {locations_mm[indices[0]]:g} mm" if len(indices) == 1 else f"in {len(indices)} slices"


def _shift(ordered: Sequence[SliceHeader], locations_mm: Sequence[float], normal: np.ndarray) -> str:
    """How far the first pixel leaves the line from the first slice to the last, which a tilted gantry keeps to."""
    positions_mm = np.array([header.position_mm for header in ordered])
    locations = np.asarray(locations_mm)
    within = positions_mm - locations[:, None] * normal
    length_mm = locations[-1] - locations[0]
    along = (locations - locations[0]) / length_mm if length_mm >= SAME_LOCATION_MM else np.zeros(len(locations))
    strayed = within - within[0] - along[:, None] * (within[-1] - within[0])
    spacing_mm = next((one.pixel_spacing_mm for one in ordered if one.pixel_spacing_mm), (1.0, 1.0))
    distance_mm = np.linalg.norm(strayed, axis=1)
    worst = int(distance_mm.argmax())
    if distance_mm[worst] <= SHIFT_PX * max(spacing_mm):
        return ""
    return f"shifted by {distance_mm[worst]:.3g} mm at {locations[worst]:g} mm"


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
