"""SOPInstanceUIDs that do not name one image: those that several files claim, and those that are missing.

Files that claim one UID hold one image twice, two images of which one lies, or images of other series. A slice without
UIDs gets them from its content, so that every scan finds the same ones.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.dicom.ct_reader import read_slice
from n2b_ct.io.dicom.elements import content_digest, stable_uid
from n2b_ct.io.dicom.reading.grouping import Group, instance_ref
from n2b_ct.io.dicom.reading.slice_geometry import SAME_LOCATION_MM, orientation_labels
from n2b_ct.io.dicom.reading.slice_header import SliceHeader

REPEATED = "sop_uid_repeated"
REPAIRED = "repaired_uids"

Refusal = tuple[SliceHeader, str, str]
"""A slice that is not used, the reason and the detail."""
_Series = tuple[str, str, str]


def resolve_duplicates(headers: Iterable[SliceHeader]) -> tuple[list[SliceHeader], list[Refusal]]:
    """Keep the first of equal images; refuse all files of a series that claim one UID with different pixels.

    Series that claim one UID for different images were numbered anew by an anonymiser, each from one: all are used, and
    say ``sop_uid_repeated``. Images of two patients are never the same one.
    """
    slices = list(headers)
    series_of = _series_of_files(slices)
    claims: dict[str, dict[_Series, dict[Path, Group]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for header in slices:
        claims[header.sop_instance_uid][series_of[header.path]][header.path].append(header)
    refusals: list[Refusal] = []
    files_by_uid: list[list[Group]] = []
    for by_series in claims.values():
        files_by_uid.append([])
        for files in by_series.values():
            kept, refused = _within_series(list(files.values()))
            files_by_uid[-1] += kept
            refusals += refused
    unique, refused = _between_series(files_by_uid, series_of)
    return unique, refusals + refused


def _series_of_files(headers: Iterable[SliceHeader]) -> dict[Path, _Series]:
    """Patient, study and series of every file: what one image has one of.

    A file without PatientID belongs to the patient of its series, where that is one.
    """
    found = {one.path: (one.constant("PatientID"), one.study_instance_uid, one.series_instance_uid) for one in headers}
    patients: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for one in found.values():
        patients[one[1:]] |= {one[0]} - {""}
    only = {series: known.pop() for series, known in patients.items() if len(known) == 1}
    return {path: (one[0] or only.get(one[1:], ""), *one[1:]) for path, one in found.items()}


def _within_series(files: Sequence[Group]) -> tuple[list[Group], list[Refusal]]:
    first, *others = files
    if all(_is_same_image(first, other) for other in others):
        return [first], [_duplicate(other, first) for other in others]
    return [], _conflict([frames[0] for frames in files])


def _between_series(
    files_by_uid: Sequence[Sequence[Group]], series_of: dict[Path, _Series]
) -> tuple[list[SliceHeader], list[Refusal]]:
    """Leave out images that another series of the patient holds too, unless the two series contradict each other.

    Args:
        files_by_uid: For every SOPInstanceUID the files that claim it, one for each series.
        series_of: The series of every file.
    """
    first_of: dict[Path, Group] = {}
    images: dict[_Series, dict[str, Path]] = defaultdict(dict)
    for files in files_by_uid:
        for file, first in zip(files, _first_equals(files, series_of), strict=True):
            first_of[file[0].path] = first
            images[series_of[file[0].path]][file[0].sop_instance_uid] = first[0].path

    def contradict(one: _Series, other: _Series) -> bool:
        return any(images[other].get(uid, path) != path for uid, path in images[one].items())

    contradict = cache(contradict)
    unique: list[SliceHeader] = []
    refusals: list[Refusal] = []
    for files in files_by_uid:
        kept = []
        for file in files:
            first = first_of[file[0].path]
            if first is file or contradict(series_of[file[0].path], series_of[first[0].path]):
                kept.append(file)
            else:
                refusals.append(_duplicate(file, first))
        unique += [_marked(header) if len(kept) > 1 else header for file in kept for header in file]
    return unique, refusals


def _first_equals(files: Sequence[Group], series_of: dict[Path, _Series]) -> list[Group]:
    """Find for each file of several series the first one that holds the same image of the same patient."""
    found: dict[Hashable, Group] = {}
    of_patient = Counter(series_of[file[0].path][0] for file in files)
    firsts = []
    for file in files:
        patient = series_of[file[0].path][0]
        key = (patient, _image_key(file)) if of_patient[patient] > 1 else patient
        first = found.setdefault(key, file)
        firsts.append(first if all(map(_at_same_location, first, file)) else file)
    return firsts


def _image_key(file: Group) -> Hashable:
    """Digest the HU of all frames; a file that cannot be decoded equals no other."""
    digest = hashlib.sha256()
    for frame in file:
        try:
            hu = read_slice(instance_ref(frame, 0.0)).hu + np.float32(0)  # one zero, not two
        except SeriesError:
            return file[0].path
        digest.update(f"{hu.shape}".encode() + hu.tobytes())
    return digest.digest()


def _is_same_image(one: Group, other: Group) -> bool:
    """Same bytes, or the same place and HU in another encoding, frame by frame; what cannot be decoded differs."""
    if content_digest(one[0].path) == content_digest(other[0].path):
        return True
    return len(one) == len(other) and all(map(_at_same_location, one, other)) and _image_key(one) == _image_key(other)


def _at_same_location(one: SliceHeader, other: SliceHeader) -> bool:
    """Whether two slices lie at one place; another program may have written their numbers with fewer digits."""
    distances_mm = np.abs(np.subtract(one.position_mm, other.position_mm))
    return (
        bool((distances_mm < SAME_LOCATION_MM).all())
        and max(orientation_labels([one.orientation, other.orientation])) == 0
    )


def _marked(header: SliceHeader) -> SliceHeader:
    return replace(header, problems=(*header.problems, REPEATED))


def _duplicate(file: Group, first: Group) -> Refusal:
    return file[0], "duplicate", f"the same image as {first[0].path.name}"


def _conflict(claimants: Sequence[SliceHeader]) -> list[Refusal]:
    names = ", ".join(claimant.path.name for claimant in claimants[:3])
    detail = explain(
        "SOPInstanceUID", "must name one image of a series", f"{len(claimants)} ({names})", "take the wrong one away"
    )
    return [(claimant, "duplicate_conflict", detail) for claimant in claimants]


def repair_missing_uids(headers: Sequence[SliceHeader]) -> list[SliceHeader]:
    """Give every slice the UIDs that it lacks; slices that lack none are returned as they are.

    An instance is named after its file's bytes. A series and a study are named after the bytes of
    all the slices of one folder that share series number, description and kernel.
    """
    digests = {path: content_digest(path) for path in {header.path for header in headers if _lacks_uid(header)}}
    folders = defaultdict(list)
    for header in headers:
        if header.path in digests:
            folders[_folder_key(header)].append(digests[header.path])
    return [
        _repaired(header, digests[header.path], sorted(folders[_folder_key(header)]))
        if header.path in digests
        else header
        for header in headers
    ]


def _lacks_uid(header: SliceHeader) -> bool:
    return not (header.sop_instance_uid and header.series_instance_uid and header.study_instance_uid)


def _folder_key(header: SliceHeader) -> tuple[str, ...]:
    marks = ("SeriesNumber", "SeriesDescription", "ConvolutionKernel")
    return (str(header.path.parent), *(header.facts.get(mark, "") for mark in marks))


def _repaired(header: SliceHeader, own_digest: str, folder_digests: list[str]) -> SliceHeader:
    return replace(
        header,
        sop_instance_uid=header.sop_instance_uid or stable_uid("repaired instance", own_digest),
        series_instance_uid=header.series_instance_uid or stable_uid("repaired series", *folder_digests),
        study_instance_uid=header.study_instance_uid or stable_uid("repaired study", *folder_digests),
        problems=(*header.problems, REPAIRED),
    )
