"""Find CT series below a file or a folder, from headers alone, which worker processes read: a file may be hostile.

Every file ends in exactly one :class:`FileRecord`: used, skipped or error, with a stable reason. An error that cannot
say its series is attributed to those around it (:mod:`n2b_ct.io.dicom.reading.attribution`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.dicom.elements import lenient_text, quiet_pydicom
from n2b_ct.io.dicom.instance_uids import repair_missing_uids, resolve_duplicates
from n2b_ct.io.dicom.reading.attribution import attribute
from n2b_ct.io.dicom.reading.dicom_file import DicomFile, load_character_sets, parse_file, with_assumed_hu
from n2b_ct.io.dicom.reading.enhanced_ct import Frames
from n2b_ct.io.dicom.reading.grouping import group_slices, mark_shared_uids, series_ref
from n2b_ct.io.dicom.reading.listing import list_files
from n2b_ct.io.dicom.reading.slice_checks import Check, checks_for, is_enhanced
from n2b_ct.io.dicom.reading.slice_header import SliceHeader, slice_header
from n2b_ct.io.dicom.reasons import action_of
from n2b_ct.io.progress import Progress
from n2b_ct.io.sandbox.messages import Answer
from n2b_ct.io.sandbox.pool import shared_sandbox
from n2b_ct.io.series import FileRecord, SeriesRef, public_uid, with_file_name

EXAMINE = f"{__name__}:examine"

_N_FILES_TOGETHER = 32


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan found.

    Attributes:
        series: The CT series, in the order of their first file.
        records: One per file, in the order of the paths.
    """

    series: tuple[SeriesRef, ...]
    records: tuple[FileRecord, ...]


def scan(
    root: Path, progress: Progress | None = None, *, repair_uids: bool = False, assume_hu: bool = False
) -> ScanResult:
    """Find the CT series in a file, a series folder or a tree.

    Args:
        root: A file or a folder; links to folders are not followed.
        progress: Called with (done, total, what) after each file.
        repair_uids: Derive missing UIDs from the content instead of refusing the slices.
        assume_hu: Take the values for HU where a file does not say so; its series then says ``assumed_hu``.

    Raises:
        DataError: The root does not exist.
    """
    listed = list_files(Path(root))
    records = listed.records
    found = list(_examined(listed.paths, progress, repair_uids=repair_uids, assume_hu=assume_hu))
    headers = [one for one in found if isinstance(one, SliceHeader)]
    records += [one for one in found if isinstance(one, FileRecord)]
    if repair_uids:
        headers = repair_missing_uids(headers)
    unique, clashes = resolve_duplicates(headers)
    groups, scouts = group_slices(unique)
    clashes += [(scout, "localizer", "its orientation crosses the series") for scout in scouts]
    records += [_refused(*clash) for clash in clashes]
    used = [one for group in groups for one in group]
    records += [FileRecord(one.path, "used", series=public_uid(one.series_instance_uid)) for one in used]
    attributed = attribute(_one_each(records), Path(root), listed.empty_folders)
    return ScanResult(tuple(mark_shared_uids([*map(series_ref, groups)])), attributed)


def _examined(paths: Sequence[Path], progress: Progress | None, **rules: bool) -> Iterator[SliceHeader | FileRecord]:
    """Examine all files in worker processes; a file that crashes its worker is an error like any other."""
    items = ({"path": str(path), **rules} for path in paths)
    outcomes = shared_sandbox().ask_each(EXAMINE, items, n_together=_N_FILES_TOGETHER)
    for n_done, (path, outcome) in enumerate(zip(paths, outcomes, strict=True), start=1):
        if isinstance(outcome, SeriesError):
            yield FileRecord(path, "error", outcome.reason, str(with_file_name(path, outcome)))
        else:
            yield from findings(outcome)
        if progress is not None:
            progress(n_done, len(paths), "reading headers")


def _one_each(records: Iterable[FileRecord]) -> tuple[FileRecord, ...]:
    """One record a file, in the order of the paths; a file of many frames is used if one of them is."""
    ordered = sorted(records, key=lambda record: (record.path, record.action == "used"))
    return tuple({record.path: record for record in ordered}.values())


def _refused(header: SliceHeader, reason: str, detail: str) -> FileRecord:
    return FileRecord(header.path, action_of(reason), reason, detail, public_uid(header.series_instance_uid))


def prepare() -> None:
    """Load what is loaded late otherwise: in a worker, before any file's time runs."""
    load_character_sets()


def examine_file(path: Path, *, repair_uids: bool = False, assume_hu: bool = False) -> list[SliceHeader | FileRecord]:
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
        return [FileRecord(path, action_of(error.reason), error.reason, str(with_file_name(path, error)), series_uid)]
    except OSError as error:
        detail = explain(path.name, "must be readable", error.strerror, "check the permissions")
        return [FileRecord(path, "error", "unreadable", detail)]


def examine(path: str, **rules: bool) -> Answer:
    """Do :func:`examine_file` as a task of the sandbox; :func:`findings` reads the answer."""
    found = examine_file(Path(path), **rules)
    return Answer({"found": [[isinstance(one, SliceHeader), _plain(one)] for one in found]})


def findings(answer: Answer) -> list[SliceHeader | FileRecord]:
    """Rebuild what a worker found."""
    return [_rebuilt(SliceHeader if is_header else FileRecord, values) for is_header, values in answer.note["found"]]


def _require_regular(path: Path) -> None:
    """Never open a pipe or a device: reading one may wait for ever."""
    if path.is_file():
        return
    reason = "not_regular" if path.exists() else "unreadable"
    raise SeriesError(reason, explain(path.name, "must be a regular file", "something else", "leave it out"))


def _header(parsed: DicomFile, checks: Sequence[Check], assume_hu: bool) -> SliceHeader:
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
