"""Atomic writing of files and folders.

What is being written lies beside its final path under a hidden name that follows from it, so that the next run of the
same work finds what a killed one left. Replacing an old folder takes two renames; a run that is killed between them
leaves the old one under a hidden name, and :func:`recover` puts it back. Two runs that write the same folder at once do
not mix: each fills a hidden folder of its own, and the later one removes the earlier's.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from n2b_ct.errors import OutputError, explain

PARTIAL_PREFIX = ".partial-"
REPLACED_PREFIX = ".replaced-"
RECORDS_DIR = ".n2b-ct"
"""Beside outputs that cannot carry a UID: their records (:mod:`n2b_ct.io.output_records`)."""

_N_BYTES_PER_MB = 1_000_000
_N_DIGEST_CHARACTERS = 16
_N_SYNCED_AT_ONCE = 8
_SYSTEM_FILES = frozenset([".ds_store", "thumbs.db", "desktop.ini", ".directory"])
_SYSTEM_FILE_PREFIXES = ("._", ".nfs")  # AppleDouble; a file that an NFS client still holds open


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file under a hidden name, force it to disk, then rename it.

    Args:
        path: The final path; its folder must exist.
        write: Writes the content to an open binary file.

    Raises:
        OutputError: The file cannot be written; no part of it stays.
    """
    partial = new_partial(path)
    try:
        try:
            with partial.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


def write_text_atomically(path: Path, text: str) -> None:
    """Write a text file, UTF-8, atomically.

    Raises:
        OutputError: The file cannot be written; no part of it stays.
    """
    write_atomically(path, lambda file: file.write(text.encode()))


class AtomicFolder:
    """A folder that appears only when it is complete.

    Args:
        target: Its final path.
        overwrite: Replace one that is there.

    Attributes:
        target: The final path.
        partial: The hidden folder to fill.
    """

    def __init__(self, target: Path, overwrite: bool) -> None:
        self.target = target
        self.partial = new_partial(target)
        self._replaced = hidden_sibling(target, REPLACED_PREFIX)
        self._overwrite = overwrite
        self._made_parents: list[Path] = []

    def begin(self) -> None:
        """Remove partial output of a killed run and make the hidden folder.

        Raises:
            OutputError: The target exists and may not be replaced, or cannot be written.
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

    def commit(self) -> None:
        """Rename the hidden folder to the target; an interruption leaves the old one or the new one.

        Raises:
            OutputError: The target cannot be replaced, or has come to exist and may not be.
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
        with suppress(OSError):  # another process has put something there
            for parent in self._made_parents:
                parent.rmdir()

    def _require_free(self) -> None:
        if self.target.exists() and not self._overwrite:
            raise OutputError(explain(str(self.target), "must not exist yet", "a folder", "skip it or pass overwrite"))

    def _make_parents(self) -> None:
        absent = [parent for parent in self.target.parents if not parent.exists()]
        for parent in reversed(absent):
            parent.mkdir(exist_ok=True)
            self._made_parents.insert(0, parent)


def recover(target: Path) -> None:
    """Clean up after a killed run: put back an old folder that it had moved away, remove what is half-written.

    Raises:
        OutputError: The target's folder cannot be written.
    """
    replaced = hidden_sibling(target, REPLACED_PREFIX)
    try:
        if replaced.exists() and not target.exists():
            replaced.replace(target)
        remove_partials(target)
    except OSError as error:
        raise unwritable(target, error) from error
    _remove(replaced)


def write_unsynced(path: Path, content: bytes | memoryview) -> None:
    """Write a file into a hidden folder; :meth:`AtomicFolder.commit` forces it to disk.

    Raises:
        OutputError: The file cannot be written.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise unwritable(path, error) from error


def require_free_space(path: Path, n_bytes: int) -> None:
    """Refuse work whose result does not fit on the disk.

    Args:
        path: Where it goes; need not exist yet.
        n_bytes: Estimated size.

    Raises:
        OutputError: Less is free, or the disk cannot be examined.
    """
    try:
        folder = next(one for one in (path.absolute(), *path.absolute().parents) if one.is_dir())
        n_free = shutil.disk_usage(folder).free
    except OSError as error:
        raise unwritable(path, error) from error
    if n_free < n_bytes:
        needed, free = (f"{n / _N_BYTES_PER_MB:,.1f} MB" for n in (n_bytes, n_free))
        raise OutputError(explain(str(path), f"needs {needed}", f"{free} free", "make room or choose another place"))


def unwritable(path: Path, error: OSError) -> OutputError:
    """Return the error of a path that cannot be written."""
    return OutputError(explain(str(path), "must be writable", error.strerror, "choose another place"))


def hidden_sibling(path: Path, prefix: str) -> Path:
    """Return the hidden path beside a file or folder that belongs to it alone, whatever characters its name has."""
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:_N_DIGEST_CHARACTERS]
    return path.parent / f"{prefix}{digest}"


def new_partial(path: Path) -> Path:
    """Return a new hidden path at which to write a file or folder before it is renamed."""
    return path.parent / f"{hidden_sibling(path, PARTIAL_PREFIX).name}-{secrets.token_hex(4)}"


def remove_partials(path: Path) -> None:
    """Remove the half-written files and folders that killed runs left of ``path``."""
    for partial in path.parent.glob(f"{hidden_sibling(path, PARTIAL_PREFIX).name}-*"):
        if partial.is_dir() and not partial.is_symlink():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def is_own_hidden_name(name: str) -> bool:
    """Return whether a file or folder is one that n2b-ct hides beside its outputs."""
    return name == RECORDS_DIR or name.startswith((PARTIAL_PREFIX, REPLACED_PREFIX))


def is_system_file(name: str) -> bool:
    """Return whether an operating system or file manager made a file; it counts neither as input nor as output."""
    return name.lower() in _SYSTEM_FILES or name.startswith(_SYSTEM_FILE_PREFIXES)


def sync(path: Path) -> None:
    """Force a file, or a folder's entries, to disk, so that a rename survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(replaced: Path) -> None:
    """Remove what was moved away: a folder, or a file or link that lay in a folder's place."""
    if replaced.is_symlink() or replaced.is_file():
        with suppress(OSError):
            replaced.unlink()
    shutil.rmtree(replaced, ignore_errors=True)


def _sync_tree(root: Path) -> None:
    """Force a folder and all below it to disk; several files at a time, which a file system writes in one go."""
    below = list(os.walk(root))
    with ThreadPoolExecutor(_N_SYNCED_AT_ONCE) as pool:
        list(pool.map(sync, [Path(folder, name) for folder, _, names in below for name in names]))
    for folder, _, _ in below:
        sync(Path(folder))
