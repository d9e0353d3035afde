"""What lies in a folder that should hold a derived series: who made each file and of what, by its header alone.

Nothing in the folder is trusted: worker processes read it, as they read any input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from n2b_ct.errors import SeriesError
from n2b_ct.io.atomic import is_system_file
from n2b_ct.io.dicom.reading.checks import Check, require_pixel_description, require_pixels, require_whole_header
from n2b_ct.io.dicom.reading.header import patient_key
from n2b_ct.io.dicom.reading.listing import Listing, list_files
from n2b_ct.io.dicom.reading.parse import Parsed, parse_file
from n2b_ct.io.dicom.values import lenient_integer, lenient_text, quiet_pydicom
from n2b_ct.io.dicom.writing.provenance import SourceImage
from n2b_ct.io.sandbox.frames import Answer
from n2b_ct.io.sandbox.pool import Outcome, shared_sandbox

IDENTIFY = f"{__name__}:identify"

_N_FILES_TOGETHER = 32
_WHOLENESS: tuple[Check, ...] = (require_whole_header, require_pixel_description, require_pixels)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file of a folder; all but its name is empty where it cannot be read.

    Attributes:
        name: Path relative to the folder.
        sop_instance_uid, series_instance_uid: What it is called.
        source_series_uid: The series that its pixels were last derived from, as it says itself.
        source: What of the slice that they were derived from decides the UID.
        patient_key: Digest of the patient's identifiers.
        creator_uid: InstanceCreatorUID.
        is_whole: Header and pixels are as long as they say.
    """

    name: Path
    sop_instance_uid: str = ""
    series_instance_uid: str = ""
    source_series_uid: str = ""
    source: tuple[str, ...] = ()
    patient_key: str = ""
    creator_uid: str = ""
    is_whole: bool = False


def folder_contents(folder: Path, *, with_folders: bool = True) -> list[FoundFile]:
    """List what lies in a folder, in the order of the paths; what an operating system leaves there is not counted.

    A file in the folder's place is all that it holds, under its own name. ``with_folders=False`` leaves out what
    lies in folders below.
    """
    if not folder.is_dir():
        return [FoundFile(Path(folder.name))] if folder.exists() or folder.is_symlink() else []
    listed = list_files(folder) if with_folders else Listing([one for one in folder.iterdir() if one.is_file()], [], [])
    paths = [path for path in listed.paths if not is_system_file(path.name)]
    answers = shared_sandbox().ask_each(IDENTIFY, ({"path": str(path)} for path in paths), n_together=_N_FILES_TOGETHER)
    found = [_found(path.relative_to(folder), answer) for path, answer in zip(paths, answers, strict=True)]
    others = [FoundFile(record.path.relative_to(folder)) for record in listed.records]
    return sorted([*found, *others], key=lambda one: one.name)


def identify(path: str) -> Answer:
    """Read who made a file and of what, as a task of the sandbox.

    Raises:
        SeriesError: It cannot be read.
    """
    parsed = parse_file(Path(path), with_pixels=False)
    with quiet_pydicom():
        return Answer(
            {
                "sop_instance_uid": lenient_text(parsed.dataset, "SOPInstanceUID"),
                "series_instance_uid": lenient_text(parsed.dataset, "SeriesInstanceUID"),
                "source_series_uid": _source_series_uid(parsed),
                "source": _source(parsed),
                "patient_key": patient_key(parsed),
                "creator_uid": lenient_text(parsed.dataset, "InstanceCreatorUID"),
                "is_whole": _is_whole(parsed),
            }
        )


def _found(name: Path, answer: Outcome) -> FoundFile:
    """Rebuild what a worker found; JSON knows lists only."""
    if isinstance(answer, SeriesError):
        return FoundFile(name)
    return FoundFile(name, **{**answer.note, "source": tuple(answer.note["source"])})


def _source(parsed: Parsed) -> tuple[str, ...]:
    """The first of the source images is the slice itself."""
    items: Sequence = parsed.dataset.get("SourceImageSequence") or []
    if not len(items):
        return ()
    frame = lenient_integer(items[0], "ReferencedFrameNumber")
    return SourceImage("", lenient_text(items[0], "ReferencedSOPInstanceUID"), frame).identity


def _source_series_uid(parsed: Parsed) -> str:
    """The last of the referenced series: each derivation appends its source (PS3.3 C.12.2, C.7.3.1)."""
    for keyword in ("ReferencedSeriesSequence", "RelatedSeriesSequence"):
        items: Sequence = parsed.dataset.get(keyword) or []
        if len(items):
            return lenient_text(items[-1], "SeriesInstanceUID")
    return ""


def _is_whole(parsed: Parsed) -> bool:
    try:
        for check in _WHOLENESS:
            check(parsed)
    except SeriesError:
        return False
    return True
