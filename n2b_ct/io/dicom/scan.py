"""Find CT series below a file or a folder, from headers alone.

Every file ends in exactly one :class:`FileRecord`: used, skipped or error, with a stable reason. An error that cannot
say its series is held against those that it lies among (:mod:`n2b_ct.io.dicom.reading.attribution`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from n2b_ct.errors import SeriesError
from n2b_ct.io.dicom.duplicates import resolve_duplicates
from n2b_ct.io.dicom.examine import EXAMINE, findings
from n2b_ct.io.dicom.reading.attribution import attribute
from n2b_ct.io.dicom.reading.grouping import group_slices, series_ref
from n2b_ct.io.dicom.reading.header import SliceHeader
from n2b_ct.io.dicom.reading.listing import list_files
from n2b_ct.io.dicom.reading.parts import tell_apart
from n2b_ct.io.dicom.reading.repair import repair_missing_uids
from n2b_ct.io.dicom.reasons import action_of
from n2b_ct.io.progress import Progress
from n2b_ct.io.refusals import about
from n2b_ct.io.sandbox.pool import shared_sandbox
from n2b_ct.io.series import FileRecord, SeriesRef, public_uid

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
        repair_uids: Name slices without UIDs after their content instead of refusing them.
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
    return ScanResult(tuple(tell_apart([*map(series_ref, groups)])), attributed)


def _examined(paths: Sequence[Path], progress: Progress | None, **rules: bool) -> Iterator[SliceHeader | FileRecord]:
    """Examine all files in worker processes; a file that its worker dies of is an error like any other."""
    items = ({"path": str(path), **rules} for path in paths)
    outcomes = shared_sandbox().ask_each(EXAMINE, items, n_together=_N_FILES_TOGETHER)
    for n_done, (path, outcome) in enumerate(zip(paths, outcomes, strict=True), start=1):
        if isinstance(outcome, SeriesError):
            yield FileRecord(path, "error", outcome.reason, str(about(path, outcome)))
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
