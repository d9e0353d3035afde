"""UIDs for slices that came without: derived from content, so that every scan finds the same ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from n2b_ct.io.dicom.reading.header import SliceHeader
from n2b_ct.io.dicom.uids import content_digest, stable_uid

REPAIRED = "repaired_uids"


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
