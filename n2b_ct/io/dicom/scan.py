"""Find CT series below a file or a folder, from headers alone.

Every file ends in exactly one :class:`FileRecord`: used, skipped or error, with a stable reason.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from n2b_ct.errors import DataError, SeriesError, explain
from n2b_ct.io.atomic import PARTIAL_PREFIX, REPLACED_PREFIX
from n2b_ct.io.dicom.examine import EXAMINE, findings
from n2b_ct.io.dicom.grouping import group_slices, series_ref
from n2b_ct.io.dicom.header import SliceHeader
from n2b_ct.io.dicom.read import read_slice
from n2b_ct.io.dicom.reasons import action_of
from n2b_ct.io.dicom.repair import repair_missing_uids
from n2b_ct.io.dicom.uids import content_digest
from n2b_ct.io.progress import Progress
from n2b_ct.io.sandbox.pool import shared_sandbox
from n2b_ct.io.series import FileRecord, SeriesRef

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


def scan(root: Path, progress: Progress | None = None, *, repair_uids: bool = False) -> ScanResult:
    """Find the CT series in a file, a series folder or a tree.

    Args:
        root: A file or a folder; links to folders are not followed.
        progress: Called with (done, total, what) after each file.
        repair_uids: Name slices without UIDs after their content instead of refusing them.

    Raises:
        DataError: The root does not exist.
    """
    paths, records = _list_files(Path(root))
    found = list(_examined(paths, progress, repair_uids=repair_uids))
    headers = [one for one in found if isinstance(one, SliceHeader)]
    records += [one for one in found if isinstance(one, FileRecord)]
    if repair_uids:
        headers = repair_missing_uids(headers)
    unique, clashes = _resolve_duplicates(headers)
    groups, scouts = group_slices(unique)
    records += clashes + [_refused(scout, "localizer", "its orientation crosses the series") for scout in scouts]
    records += [FileRecord(one.path, "used", series=one.series_instance_uid) for group in groups for one in group]
    return ScanResult(tuple(map(series_ref, groups)), tuple(sorted(records, key=lambda record: record.path)))


def _list_files(root: Path) -> tuple[list[Path], list[FileRecord]]:
    """List everything that is no folder, sorted, and a record of each folder that cannot be listed."""
    if not os.path.lexists(root):
        raise DataError(explain(str(root), "must exist", "nothing", "check the path"))
    if not root.is_dir():
        return [root], []
    closed: list[FileRecord] = []
    found: list[Path] = []

    def note(error: OSError) -> None:
        closed.append(FileRecord(Path(error.filename), "error", "unreadable", "the folder cannot be listed"))

    for folder, folders, names in os.walk(root, followlinks=False, onerror=note):
        folders[:] = [name for name in folders if not name.startswith((PARTIAL_PREFIX, REPLACED_PREFIX))]
        found += [Path(folder) / name for name in names]
    return sorted(found), closed


def _examined(paths: Sequence[Path], progress: Progress | None, **rules: bool) -> Iterator[SliceHeader | FileRecord]:
    """Examine all files in worker processes; a file that its worker dies of is an error like any other."""
    items = ({"path": str(path), **rules} for path in paths)
    outcomes = shared_sandbox().ask_each(EXAMINE, items, n_together=_N_FILES_TOGETHER)
    for n_done, (path, outcome) in enumerate(zip(paths, outcomes, strict=True), start=1):
        if isinstance(outcome, SeriesError):
            yield FileRecord(path, "error", outcome.reason, str(outcome))
        else:
            yield from findings(outcome)
        if progress is not None:
            progress(n_done, len(paths), "reading headers")


def _resolve_duplicates(headers: Iterable[SliceHeader]) -> tuple[list[SliceHeader], list[FileRecord]]:
    """Keep the first of equal images; refuse all files that claim one UID with different pixels."""
    claims: dict[str, list[SliceHeader]] = defaultdict(list)
    for header in headers:
        claims[header.sop_instance_uid].append(header)
    unique: list[SliceHeader] = []
    records: list[FileRecord] = []
    for claimants in claims.values():
        first, *others = claimants
        if all(_is_same_image(first.path, other.path) for other in others):
            unique.append(first)
            records += [_refused(other, "duplicate", f"the same image as {first.path.name}") for other in others]
        else:
            records += _conflict(claimants)
    return unique, records


def _is_same_image(one: Path, other: Path) -> bool:
    """Same bytes, or the same HU in another encoding; what cannot be decoded is not the same."""
    if content_digest(one) == content_digest(other):
        return True
    try:
        return np.array_equal(read_slice(one).hu, read_slice(other).hu)
    except SeriesError:
        return False


def _conflict(claimants: Sequence[SliceHeader]) -> list[FileRecord]:
    names = ", ".join(claimant.path.name for claimant in claimants[:3])
    detail = explain(
        "SOPInstanceUID", "must name one image", f"{len(claimants)} ({names})", "scan one folder at a time"
    )
    return [_refused(claimant, "duplicate_conflict", detail) for claimant in claimants]


def _refused(header: SliceHeader, reason: str, detail: str) -> FileRecord:
    return FileRecord(header.path, action_of(reason), reason, detail, header.series_instance_uid)
