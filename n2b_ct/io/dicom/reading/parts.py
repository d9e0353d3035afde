"""Series that share one SeriesInstanceUID: what tells them apart.

By the Standard there are none. In fact an anonymiser may write one UID for everybody, or a workstation store other
fields of view or kernels under the UID of the first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from n2b_ct.io.dicom.reading.header import PASS_MARKS, SETTINGS, SliceHeader, digest_key
from n2b_ct.io.series import SeriesRef

PATIENT = ("PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
"""Two values of one of these are two patients, whatever the UIDs say."""
SHARED_BY_PATIENTS, PART = "uid_shared_by_patients", "part_of_series"
_EVIDENCE = ("PatientBirthDate", "PatientSex", "StudyDate")  # kept for those who look at a whole folder
_OF_PASSES = frozenset(PASS_MARKS) - {"SeriesDescription"}  # a series has one description
_FIRST_SLICE = "SOPInstanceUID"


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


def tell_apart(series: Sequence[SeriesRef]) -> list[SeriesRef]:
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
