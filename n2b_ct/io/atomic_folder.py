"""Folders that are there whole or not at all.

A folder is filled under a hidden name beside its place and renamed at the end. Replacing an old one takes two renames;
a run that dies between them leaves the old one under a hidden name, and :func:`recover` puts it back. Two runs that
make the same folder at once do not mix: each fills a hidden folder of its own, and the later one removes the earlier's.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from n2b_ct.errors import OutputError, explain
from n2b_ct.io.atomic import REPLACED_PREFIX, hidden_place, new_partial, remove_partials, sync

_N_SYNCED_AT_ONCE = 8


class FolderInTheMaking:
    """A folder that nobody sees before it is whole.

    Args:
        target: Its final place.
        overwrite: Replace one that is there.

    Attributes:
        target: The final place.
        partial: The hidden folder to fill.
    """

    def __init__(self, target: Path, overwrite: bool) -> None:
        self.target = target
        self.partial = new_partial(target)
        self._replaced = hidden_place(target, REPLACED_PREFIX)
        self._overwrite = overwrite
        self._made_parents: list[Path] = []

    def begin(self) -> None:
        """Clean up behind a killed run and make the hidden folder.

        Raises:
            OutputError: The target exists and may not be replaced, or the place cannot be written.
        """
        recover(self.target)
        self._require_free()
        try:
            self._make_parents()
            self.partial.mkdir()
            sync(self.partial.parent)
        except BaseException as error:
            self.discard()
            if isinstance(error, OSError):
                raise unwritable(self.target, error) from error
            raise

    def finish(self) -> None:
        """Rename the hidden folder to the target; an interruption leaves the old one or the new one.

        Raises:
            OutputError: The target cannot be replaced, or is there meanwhile and may not be.
        """
        self._require_free()
        try:
            _sync_tree(self.partial)
            if self.target.exists():
                self.target.replace(self._replaced)
            self.partial.replace(self.target)
            sync(self.target.parent)
        except BaseException as error:
            if self._replaced.exists() and not self.target.exists():
                self._replaced.replace(self.target)
            if isinstance(error, OSError):
                raise unwritable(self.target, error) from error
            raise
        finally:
            if self.target.exists():
                _remove(self._replaced)

    def discard(self) -> None:
        """Remove the hidden folder, and the parents that were made for it and hold nothing else."""
        shutil.rmtree(self.partial, ignore_errors=True)
        for parent in self._made_parents:
            try:
                parent.rmdir()
            except OSError:  # somebody else put something there meanwhile
                return

    def _require_free(self) -> None:
        if self.target.exists() and not self._overwrite:
            raise OutputError(explain(str(self.target), "must not exist yet", "a folder", "skip it or pass overwrite"))

    def _make_parents(self) -> None:
        absent = [parent for parent in self.target.parents if not parent.exists()]
        for parent in reversed(absent):
            parent.mkdir(exist_ok=True)
            self._made_parents.insert(0, parent)


def recover(target: Path) -> None:
    """Clean up behind a killed run: put back an old folder that it had moved away, remove what it left half-made.

    Raises:
        OutputError: The place cannot be written.
    """
    replaced = hidden_place(target, REPLACED_PREFIX)
    try:
        if replaced.exists() and not target.exists():
            replaced.replace(target)
        remove_partials(target)
    except OSError as error:
        raise unwritable(target, error) from error
    _remove(replaced)


def _remove(replaced: Path) -> None:
    """Remove what was moved away: a folder, or a file or link that lay in a folder's place."""
    if replaced.is_symlink() or replaced.is_file():
        with suppress(OSError):
            replaced.unlink()
    shutil.rmtree(replaced, ignore_errors=True)


def write_into_hidden_folder(path: Path, content: bytes | memoryview) -> None:
    """Write a file that its folder's :meth:`FolderInTheMaking.finish` forces to disk.

    Raises:
        OutputError: The place cannot be written.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise unwritable(path, error) from error


def _sync_tree(root: Path) -> None:
    """Force files and folders below a folder, and the folder, to disk before the rename that shows them.

    Several at a time: a file system brings many files to disk in one go, and one by one in as many.
    """
    below = list(os.walk(root))
    with ThreadPoolExecutor(_N_SYNCED_AT_ONCE) as pool:
        list(pool.map(sync, [Path(folder, name) for folder, _, names in below for name in names]))
    for folder, _, _ in below:
        sync(Path(folder))


def unwritable(place: Path, error: OSError) -> OutputError:
    """Word that a place cannot be written."""
    return OutputError(explain(str(place), "must be writable", error.strerror, "choose another place"))
