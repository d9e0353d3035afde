"""Which files a scan looks at: everything below a folder, each file once, however many links lead to it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from n2b_ct.errors import DataError, explain
from n2b_ct.io.atomic import is_own_hidden_name
from n2b_ct.io.series import FileRecord


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies below a root.

    Attributes:
        paths: Everything that is no folder, sorted.
        records: Of each folder that cannot be listed, and of each link that was left out.
        empty_folders: Folders with nothing in them.
    """

    paths: list[Path]
    records: list[FileRecord]
    empty_folders: list[Path]


def list_files(root: Path) -> Listing:
    """List everything that is no folder.

    Links to folders are not followed, so that no loop can trap the scan. A file that links reach too is listed once:
    under its own path if that lies below ``root``, else under the first link.

    Raises:
        DataError: The root does not exist.
    """
    if not os.path.lexists(root):
        raise DataError(explain(str(root), "must exist", "nothing", "check the path"))
    if not root.is_dir():
        return Listing([root], [], [])
    records: list[FileRecord] = []
    found: list[Path] = []
    empty_folders: list[Path] = []

    def note(error: OSError) -> None:
        records.append(FileRecord(Path(error.filename), "error", "unreadable", "the folder cannot be listed"))

    for folder, folders, names in os.walk(root, followlinks=False, onerror=note):
        folders[:] = [name for name in folders if not is_own_hidden_name(name)]
        records += [_linked_folder(Path(folder, name)) for name in folders if Path(folder, name).is_symlink()]
        found += [Path(folder, name) for name in names]
        empty_folders += [Path(folder)] if not folders and not names else []
    paths, repeated = _each_once(sorted(found))
    return Listing(paths, records + repeated, empty_folders)


def _each_once(paths: Sequence[Path]) -> tuple[list[Path], list[FileRecord]]:
    """Leave out links to files that are listed already."""
    links = [path for path in paths if path.is_symlink()]
    if not links:
        return list(paths), []
    chosen: dict[str, Path] = {}
    for path in sorted(paths, key=Path.is_symlink):
        chosen.setdefault(os.path.realpath(path), path)
    kept = set(chosen.values())
    repeated = [
        FileRecord(link, "skipped", "duplicate", f"a link to {chosen[os.path.realpath(link)].name}")
        for link in links
        if link not in kept
    ]
    return [path for path in paths if path in kept], repeated


def _linked_folder(path: Path) -> FileRecord:
    detail = explain(path.name, "must be a folder itself", "a link to one", "name the folder that it leads to")
    return FileRecord(path, "skipped", "linked_folder", detail)
