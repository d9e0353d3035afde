"""Files that were refused, by the series that they are held against; and the one rule for such a series.

Half a series misleads: whoever reads one of whose files some were refused fails it, unless bad slices may be left out.
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
    """Looks up which files of a series were refused.

    Args:
        records: Of all files, as a scan gives them.
    """

    def __init__(self, records: Iterable[FileRecord]) -> None:
        self._by_series: dict[str, list[FileRecord]] = defaultdict(list)
        self._homes: set[tuple[str, Path]] = set()
        for record in records:
            if record.action == "used":
                self._homes.add((record.series, record.path.parent))
            elif record.action == "error":
                for uid in record.held_against:
                    self._by_series[uid].append(record)

    def of(self, series: SeriesRef) -> tuple[FileRecord, ...]:
        """The files that a scan held against a series, in the order of their paths.

        Where patients share a UID, a file is of those that have slices in its folder. Parts of one patient's series
        are not kept in folders of their own: a file may be of any of them.
        """
        uid = series.public_uid
        if "Patient" not in series.part:
            return tuple(self._by_series.get(uid, ()))
        own = {one.path.parent for one in series.instances}
        return tuple(
            record
            for record in self._by_series[uid]
            if record.path.parent in own or (uid, record.path.parent) not in self._homes
        )


def about(path: Path, error: SeriesError) -> SeriesError:
    """The same error, with its file's name in front where it tells none."""
    name, message = printable(path.name), str(error)
    return error if name in message else SeriesError(error.reason, f"{name}: {message.removeprefix('file: ')}")


def require_whole(series: SeriesRef, refused: Sequence[FileRecord], *, skip_bad_slices: bool) -> None:
    """Refuse a series that lacks slices, unless they may be left out.

    Raises:
        SeriesError: With the reason and the words of the first file that was refused.
    """
    if refused and not skip_bad_slices:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise SeriesError(refused[0].reason, f"{_identified(series, refused[0])}{more}")


def _identified(series: SeriesRef, record: FileRecord) -> str:
    """A record's words; a file that lies elsewhere than its series is named with its folder."""
    is_beside = record.path.parent == series.directory
    return record.detail if is_beside else f"{printable(str(record.path.parent))}/{record.detail}"


def left_out(subject: str, n_refused: int) -> str:
    """Word that a series was used without some of its slices."""
    return explain(subject, "should hold every slice", f"{n_refused} left out", "replace the files that were refused")


@dataclass(frozen=True, slots=True)
class SeriesRead:
    """One series that a command read.

    Attributes:
        name: What the command calls it.
        series: Its UID, as it may be shown: joins with the files' ``series``; empty for a volume.
        n_slices: How many slices there were to read.
        n_skipped_slices: Slices that could not be used and were left out.
        problems: Codes of what is worth knowing.
        folder: What the command calls the folder that it was found in, where there are several.
    """

    name: str
    series: str
    n_slices: int
    n_skipped_slices: int = 0
    problems: tuple[str, ...] = ()
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a command read: its series, and the files among them that were refused."""

    series: tuple[SeriesRead, ...] = ()
    files: tuple[FileRecord, ...] = ()

    def joined(self, other: Inputs) -> Inputs:
        """All of both; a file that both hold counts once."""
        files = {record.path: record for record in (*self.files, *other.files)}
        return Inputs((*self.series, *other.series), tuple(files.values()))

    @property
    def plain(self) -> dict[str, Any]:
        """JSON values: ``series`` and ``files``."""
        return {"series": [asdict(one) for one in self.series], "files": [record.plain for record in self.files]}


def with_gaps(problems: Sequence[str], n_refused: int) -> tuple[str, ...]:
    """A series' problems, with ``missing_slices`` where some were left out."""
    return tuple(dict.fromkeys((*problems, *(("missing_slices",) if n_refused else ()))))
