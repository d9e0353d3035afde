"""One file to the slices it holds, or to the reason why it holds none; run by a worker, for files may be hostile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.dicom.frames.enhanced import Frames, is_enhanced
from n2b_ct.io.dicom.reading.checks import Check, checks_for
from n2b_ct.io.dicom.reading.header import SliceHeader, slice_header
from n2b_ct.io.dicom.reading.parse import Parsed, load_character_sets, parse_file
from n2b_ct.io.dicom.reading.vouch import with_assumed_hu
from n2b_ct.io.dicom.reasons import action_of
from n2b_ct.io.dicom.values import lenient_text, quiet_pydicom
from n2b_ct.io.refusals import about
from n2b_ct.io.sandbox.frames import Answer
from n2b_ct.io.series import FileRecord, public_uid

EXAMINE = f"{__name__}:examine"

Findings = list[SliceHeader | FileRecord]


def prepare() -> None:
    """Load what is loaded late otherwise: in a worker, before any file's time runs."""
    load_character_sets()


def examine_file(path: Path, *, repair_uids: bool = False, assume_hu: bool = False) -> Findings:
    """Read a file's header and put it through the checks, kind before identity before pixels.

    Args:
        path: Any file at all.
        repair_uids: Accept blank UIDs.
        assume_hu: Take the values for HU where the file does not say so.

    Returns:
        The header of every slice that the file holds, or one record that says why it is not used.
    """
    series_uid = ""
    try:
        _require_regular(path)
        parsed = parse_file(path, with_pixels=False)
        with quiet_pydicom():
            series_uid = public_uid(lenient_text(parsed.dataset, "SeriesInstanceUID"))
            header_of = partial(_header, checks=checks_for(repair_uids=repair_uids), assume_hu=assume_hu)
            return [*Frames(parsed).each(header_of)] if is_enhanced(parsed) else [header_of(parsed)]
    except SeriesError as error:
        return [FileRecord(path, action_of(error.reason), error.reason, str(about(path, error)), series_uid)]
    except OSError as error:
        detail = explain(path.name, "must be readable", error.strerror, "check the permissions")
        return [FileRecord(path, "error", "unreadable", detail)]


def examine(path: str, **rules: bool) -> Answer:
    """Do :func:`examine_file` as a task of the sandbox; :func:`findings` reads the answer."""
    found = examine_file(Path(path), **rules)
    return Answer({"found": [[isinstance(one, SliceHeader), _plain(one)] for one in found]})


def findings(answer: Answer) -> Findings:
    """Rebuild what a worker found."""
    return [_rebuilt(SliceHeader if is_header else FileRecord, values) for is_header, values in answer.note["found"]]


def _require_regular(path: Path) -> None:
    """Never open a pipe or a device: reading one may wait for ever."""
    if path.is_file():
        return
    reason = "not_regular" if path.exists() else "unreadable"
    raise SeriesError(reason, explain(path.name, "must be a regular file", "something else", "leave it out"))


def _header(parsed: Parsed, checks: Sequence[Check], assume_hu: bool) -> SliceHeader:
    parsed = with_assumed_hu(parsed) if assume_hu else parsed
    for check in checks:
        check(parsed)
    return slice_header(parsed)


def _plain(found: SliceHeader | FileRecord) -> dict[str, Any]:
    return {**{one.name: getattr(found, one.name) for one in fields(found)}, "path": str(found.path)}


def _rebuilt(kind: Callable[..., SliceHeader | FileRecord], values: dict[str, Any]) -> SliceHeader | FileRecord:
    """JSON knows lists only, and strings for paths."""
    tuples = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return kind(**{**tuples, "path": Path(values["path"])})
