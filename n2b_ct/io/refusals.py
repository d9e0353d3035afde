"""Refused files by the series that they are attributed to, and the one rule for such a series.

Half a series misleads: a series with refused files fails in every command, unless bad slices may be skipped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from n2b_ct.errors import SeriesError, explain, printable
from n2b_ct.io.series import FileRecord, SeriesRef

SKIP_BAD_SLICES = "skip_bad_slices=True"


class Refusals:
    """The refused files of a scan, by series.

    Args:
        records: Of all files, as a scan gives them.
    """

    def __init__(self, records: Iterable[FileRecord]) -> None:
        self._by_series: dict[str, list[FileRecord]] = defaultdict(list)
        self._used_folders: set[tuple[str, Path]] = set()
        for record in records:
            if record.action == "used":
                self._used_folders.add((record.series, record.path.parent))
            elif record.action == "error":
                for uid in record.attributed_to:
                    self._by_series[uid].append(record)

    def of(self, series: SeriesRef) -> tuple[FileRecord, ...]:
        """Return the refused files that a scan attributed to a series, in the order of their paths.

        Where patients share a UID, a file belongs to those that have slices in its folder. Several series of one UID
        and patient do not have folders of their own: a file may belong to any of them.
        """
        uid = series.public_uid
        if "Patient" not in series.part:
            return tuple(self._by_series.get(uid, ()))
        own = {one.path.parent for one in series.instances}
        return tuple(
            record
            for record in self._by_series[uid]
            if record.path.parent in own or (uid, record.path.parent) not in self._used_folders
        )


def with_file_name(path: Path, error: SeriesError) -> SeriesError:
    """Return the error with its file's name in front, unless its message has it."""
    name, message = printable(path.name), str(error)
    return error if name in message else SeriesError(error.reason, f"{name}: {message.removeprefix('file: ')}")


def require_whole(series: SeriesRef, refused: Sequence[FileRecord], *, skip_bad_slices: bool) -> None:
    """Refuse a series that lacks slices, unless they may be skipped.

    Raises:
        SeriesError: With the reason and the message of the first refused file.
    """
    if refused and not skip_bad_slices:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise SeriesError(refused[0].reason, f"{_identified(series, refused[0])}{more}")


def _identified(series: SeriesRef, record: FileRecord) -> str:
    """Return a record's message; a file outside its series' folder is named with its own."""
    is_beside = record.path.parent == series.directory
    return record.detail if is_beside else f"{printable(str(record.path.parent))}/{record.detail}"


def skipped_slices_warning(subject: str, n_refused: int) -> str:
    """Return the warning that a series was used without some of its slices."""
    return explain(subject, "should hold every slice", f"{n_refused} left out", "replace the files that were refused")


@dataclass(frozen=True, slots=True)
class SeriesRead:
    """One series that a command read.

    Attributes:
        name: What the command calls it.
        series: Its UID, as it may be shown: joins with the files' ``series``; empty for a volume.
        n_slices: How many slices there were to read.
        n_skipped_slices: Slices that could not be used and were skipped.
        problems: Codes of what is worth knowing.
        folder: Name of its folder, where the command reads several.
    """

    name: str
    series: str
    n_slices: int
    n_skipped_slices: int = 0
    problems: tuple[str, ...] = ()
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a command read: its series and their refused files."""

    series: tuple[SeriesRead, ...] = ()
    files: tuple[FileRecord, ...] = ()

    def merged(self, other: Inputs) -> Inputs:
        """Return the series and files of both; a file in both counts once."""
        files = {record.path: record for record in (*self.files, *other.files)}
        return Inputs((*self.series, *other.series), tuple(files.values()))

    @property
    def plain(self) -> dict[str, Any]:
        """JSON values: ``series`` and ``files``."""
        return {"series": [asdict(one) for one in self.series], "files": [record.plain for record in self.files]}


def with_missing_slices(problems: Sequence[str], n_refused: int) -> tuple[str, ...]:
    """Return a series' problems, with ``missing_slices`` where some were skipped."""
    return tuple(dict.fromkeys((*problems, *(("missing_slices",) if n_refused else ()))))
