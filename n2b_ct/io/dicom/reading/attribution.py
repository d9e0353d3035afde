"""Files that do not name their series, attributed to the series around them.

A file that was cut, overwritten or cannot be read may be a slice of any series around it, and half a series misleads.
It is attributed to the one series of its folder; where there are several, to the one whose files are named like it
or lie around it in the order of the names; where that stays open, to all of them. A folder without a series
belongs to the one series of its sibling folders, if that is spread over several.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import groupby
from pathlib import Path

from n2b_ct.errors import explain
from n2b_ct.io.dicom.elements import is_valid_uid
from n2b_ct.io.series import FileRecord

UNRECOGNISABLE = "unrecognisable"
_GOT = {
    "empty": "0 bytes",
    "not_dicom": "other content",
    "archive": "an archive",
    "not_regular": "no regular file",
    "linked_folder": "a link to a folder",
}
"""Reasons of skips that a slice gets when its content is lost."""
_NUMBER, _HASH = "#", "~"
_HASHES = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(?<![0-9a-z])(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,}(?![0-9a-z])"
)
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_N_ENDING_CHARACTERS_MAX = 8
_OTHER_ENDINGS = frozenset(
    (
        *("txt", "md", "rtf", "pdf", "doc", "docx", "odt", "xls", "xlsx", "ods", "ppt", "pptx", "csv", "tsv", "log"),
        *("json", "xml", "html", "htm", "css", "js", "yaml", "yml", "toml", "ini", "cfg", "conf", "inf", "db", "sql"),
        *("png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp", "svg", "ico", "avi", "mov", "mp4", "mpg", "wav"),
        *("zip", "gz", "bz2", "xz", "zst", "tar", "tgz", "7z", "rar", "iso", "exe", "dll", "so", "bat", "sh", "py"),
        *("nii", "nrrd", "nhdr", "mha", "mhd", "raw", "npy", "npz", "h5", "mat", "stl", "vtk", "pt", "md5", "sha256"),
    )
)
"""Endings of other kinds of files: nothing that bears one was to be a slice, unless slices are named just so."""


def attribute(records: Sequence[FileRecord], root: Path, empty_folders: Sequence[Path] = ()) -> tuple[FileRecord, ...]:
    """Attribute every file that may be a slice and does not name its series to those that it may be of.

    Args:
        records: One for every file.
        root: What was scanned; nothing above it is looked at.
        empty_folders: Folders that stand where a file should, if they are named so.

    Returns:
        The records in the order of their paths: files that are named like slices and lost their content are
        ``unrecognisable``, and a file attributed to a series that it does not name says so.
    """
    lost = [one for one in records if _lost_content(one) or _is_orphan(one)]
    if not lost and not empty_folders:
        return tuple(records)
    found = _SeriesByFolder(records, root)
    changed = {one.path: _attributed(one, found) for one in lost}
    in_place_of_files = [_recognised(FileRecord(path, "skipped"), "an empty folder", found) for path in empty_folders]
    added = [_attributed(one, found) for one in in_place_of_files if one.action == "error"]
    kept = [changed.get(one.path, one) for one in records]
    return tuple(sorted([*kept, *added], key=lambda one: one.path) if added else kept)


def _lost_content(record: FileRecord) -> bool:
    return record.action == "skipped" and record.reason in _GOT and not record.series


def _is_orphan(record: FileRecord) -> bool:
    """An error without a series; a damaged UID names none."""
    return record.action == "error" and not is_valid_uid(record.series)


def _attributed(record: FileRecord, found: _SeriesByFolder) -> FileRecord:
    if record.action == "skipped":
        record = _recognised(record, _GOT[record.reason], found)
    if record.action == "skipped" or record.series in found.series or not found.may_be_slice(record.path):
        return record
    series, how = found.series_around(record.path)
    if not series:
        return record
    detail = f"{record.detail} (it does not say its series: taken for {how})"
    return replace(record, detail=detail, series=series[0] if len(series) == 1 else "", inferred_series=series)


def _recognised(record: FileRecord, got: str, found: _SeriesByFolder) -> FileRecord:
    """A skip that is named like slices was one of them."""
    if not found.is_named_like_slices(record.path):
        return record
    requirement, remedy = "must hold DICOM as the slices named like it do", "send the file again"
    detail = explain(record.path.name, requirement, got, remedy)
    return FileRecord(record.path, "error", UNRECOGNISABLE, detail)


class _Folder:
    """The files of one folder that say their series."""

    def __init__(self) -> None:
        self.files: list[tuple[Path, str]] = []

    @cached_property
    def series(self) -> tuple[str, ...]:
        """All series, in the order of their first file."""
        return tuple(dict.fromkeys(uid for _, uid in self.files))

    @cached_property
    def endings(self) -> set[str]:
        """How slices' names end here; where names follow no custom among several series, an ending tells nothing."""
        shapes: dict[str, set[str]] = defaultdict(set)
        for path, _ in self.files:
            shapes[_ending(path)].add(_shape(path))
        n_series = len(self.series)
        return {one for one, own in shapes.items() if one and (n_series == 1 or len(own) <= n_series)}

    @cached_property
    def by_shape(self) -> dict[str, list[tuple[tuple[int, ...], str]]]:
        """For each shape of a name, numbers and series of the files that have it, in order."""
        shapes: dict[str, list[tuple[tuple[int, ...], str]]] = defaultdict(list)
        for path, uid in self.files:
            shapes[_shape(path)].append((_numbers_of(path), uid))
        return {key: sorted(files) for key, files in shapes.items()}

    def series_around(self, path: Path) -> tuple[tuple[str, ...], str]:
        """The series that a file of this folder may be of, and how that is known."""
        if len(self.series) == 1:
            return self.series, "a slice of the series in its folder"
        named_alike = self.by_shape.get(_shape(path), [])
        own = tuple(dict.fromkeys(uid for _, uid in named_alike))
        if len(own) == 1:
            return own, "a slice of the series that is named like it"
        if uid := _block_around(path, named_alike):
            return (uid,), "a slice of the series around it"
        return self.series, "a slice of any series in its folder"


def _block_around(path: Path, named_alike: Sequence[tuple[tuple[int, ...], str]]) -> str:
    """The series whose numbers a file's number lies among; empty where series take turns, or names are hashes."""
    if _HASH in _shape(path) or not named_alike:
        return ""
    place = bisect(named_alike, (_numbers_of(path), ""))
    around = {uid for _, uid in named_alike[max(place - 1, 0) : place + 1]}
    blocks = [(uid, len(list(files))) for uid, files in groupby(named_alike, key=lambda one: one[1])]
    of_it = [n for uid, n in blocks if uid in around]
    return around.pop() if len(around) == len(of_it) == 1 and of_it[0] > 1 else ""


class _SeriesByFolder:
    """Where the files lie that say their series: those that are used, and those that are refused and well known."""

    def __init__(self, records: Iterable[FileRecord], root: Path) -> None:
        self._root = root if root.is_dir() else root.parent
        self._folders: dict[Path, _Folder] = defaultdict(_Folder)
        self.series: set[str] = set()
        for one in records:
            if one.action == "used" and one.series:
                self.series.add(one.series)
            if one.series and (one.action == "used" or (one.action == "error" and is_valid_uid(one.series))):
                self._folders[one.path.parent].files.append((one.path, one.series))

    def _above(self, folder: Path) -> Sequence[Path]:
        """The folders around one, up to the root, the nearest first."""
        return [one for one in folder.parents if one == self._root or self._root in one.parents]

    @cached_property
    def _shapes_below(self) -> dict[tuple[Path, int], set[str]]:
        """For each folder, and so many levels below it, the shapes of slices' names."""
        shapes: dict[tuple[Path, int], set[str]] = defaultdict(set)
        for folder, content in self._folders.items():
            for n_levels, above in enumerate(self._above(folder), start=1):
                shapes[above, n_levels].update(content.by_shape)
        return shapes

    @cached_property
    def _spread(self) -> dict[Path, dict[str, set[Path]]]:
        """For each folder, the series below it and the folders that each lies in."""
        below: dict[Path, dict[str, set[Path]]] = defaultdict(lambda: defaultdict(set))
        for folder, content in self._folders.items():
            for above in self._above(folder):
                for uid in content.series:
                    below[above][uid].add(folder)
        return below

    def is_named_like_slices(self, path: Path) -> bool:
        """Whether a file has a name as slices beside it have: its shape, with a number, or a telling ending."""
        own, here = _shape(path), self._folders.get(path.parent)
        if path.name.startswith(".") or path == self._root:
            return False
        if here is None:
            levels = enumerate(self._above(path.parent), start=1)
            beside = next((self._shapes_below[one, n] for n, one in levels if (one, n) in self._shapes_below), set())
            return _NUMBER in own and own in beside
        return ((_NUMBER in own or _HASH in own) and own in here.by_shape) or (
            _ending(path) in here.endings and not _is_of_another_kind(path)
        )

    def may_be_slice(self, path: Path) -> bool:
        """Whether nothing in its name says that a file which cannot be read is another kind of thing."""
        return self.is_named_like_slices(path) or not (_is_of_another_kind(path) or path.is_dir())

    def series_around(self, path: Path) -> tuple[tuple[str, ...], str]:
        """The series that a file may be of, and how that is known; none where nothing tells."""
        if path.parent in self._folders:
            return self._folders[path.parent].series_around(path)
        for above in self._above(path.parent):
            if spread := self._spread.get(above):
                uid, *others = spread
                is_one = not others and len(spread[uid]) > 1
                return ((uid,), "a slice of the series in the folders beside its own") if is_one else ((), "")
        return (), ""


def _shape(path: Path) -> str:
    """A name with every number as ``#`` and every hash as ``~``: the slices of a series mostly share one."""
    return _NUMBERS.sub(_NUMBER, _HASHES.sub(_HASH, path.name.casefold()))


def _numbers_of(path: Path) -> tuple[int, ...]:
    """The numbers in a name, which order names of one shape as people do: ``IM9`` before ``IM10``."""
    return tuple(map(int, re.findall(r"[0-9]+", path.name)))


def _ending(path: Path) -> str:
    """A name's ending without the dot, as far as it says a kind; empty for ``I10``, ``1.2.840.31`` and the like."""
    found = path.suffix[1:].casefold()
    is_kind = len(found) <= _N_ENDING_CHARACTERS_MAX and any(one.isalpha() for one in found)
    return found if is_kind else ""


def _is_of_another_kind(path: Path) -> bool:
    """Say whether a name is hidden, or ends as another kind of file does."""
    return path.name.startswith(".") or _ending(path) in _OTHER_ENDINGS
