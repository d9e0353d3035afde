"""A folder that appears whole or not at all, replaces nothing but its own kind, and goes on where a killed run stopped.

What is being made lies beside the target, under a hidden name that follows from the target's::

    .partial-<digest>/made_of.txt   what is being made; another text there means another folder, which starts afresh
    .partial-<digest>/progress/     one file for each finished part
    .partial-<digest>/tree/         what becomes the target, by one rename
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from n2b_ct.errors import OutputError, explain
from n2b_ct.io.atomic import PARTIAL_PREFIX, REPLACED_PREFIX, hidden_sibling, is_system_file, sync

_RESUME_REMEDY = "make room or choose another place; the same call again goes on where this one stopped"


@dataclass(frozen=True, slots=True)
class PartialFolder:
    """A folder in the making.

    Attributes:
        tree_dir: Fill this one; it becomes the target.
        progress_dir: For a file about each finished part; it goes when the target is there.
    """

    tree_dir: Path
    progress_dir: Path


@contextmanager
def resumable_folder(target_dir: Path, marker: str, made_of: str, *, overwrite: bool) -> Iterator[PartialFolder]:
    """Give a hidden folder to fill; leaving the block renames it to the target.

    After an exception or a kill it stays, if a part is finished, for the next call that makes the same.

    Args:
        target_dir: The final folder; an empty one may be there.
        marker: Name of the file by which an older folder of the same kind is known.
        made_of: Says what is being made, so that only equal calls go on with each other's work.
        overwrite: Replace an older folder of the same kind.

    Raises:
        OutputError: Something else is there, another run is making it, or the place cannot be written.
    """
    _require_free(target_dir, marker, overwrite)
    target_dir = target_dir.absolute()
    partial_dir = hidden_sibling(target_dir, PARTIAL_PREFIX)
    try:
        partial_dir.mkdir(parents=True, exist_ok=True)
        with _locked(partial_dir, target_dir):
            try:
                partial = _resumed(partial_dir, made_of)
                yield partial
                _replace(partial.tree_dir, target_dir)
                shutil.rmtree(partial_dir, ignore_errors=True)
            finally:
                _remove_unless_started(partial_dir)
    except OSError as error:
        message = explain(str(target_dir), "must be writable", error.strerror, _RESUME_REMEDY)
        raise OutputError(message) from error


def require_space(folder: Path, n_bytes: int) -> None:
    """Refuse early what the disk cannot hold beside what ``folder`` holds already.

    Raises:
        OutputError: Less than ``n_bytes`` are free.
    """
    n_bytes -= sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        got = f"{free / 1e9:.1f} GB free"
        raise OutputError(explain("output", f"needs {n_bytes / 1e9:.1f} GB", got, "make fewer or smaller slices"))


def _require_free(target_dir: Path, marker: str, overwrite: bool) -> None:
    """Let pass what is absent, empty, or of the same kind and to be replaced."""
    if not target_dir.exists():
        return
    is_folder = target_dir.is_dir() and not target_dir.is_symlink()
    found = sorted(one.name for one in target_dir.iterdir() if not is_system_file(one.name)) if is_folder else []
    if is_folder and not found:
        return
    if not (is_folder and (target_dir / marker).is_file()):
        others = f" and {len(found) - 1} more" if len(found) > 1 else ""
        got = f"{found[0]}{others}" if found else "something else"
        raise OutputError(explain(str(target_dir), f"must be new or hold {marker}", got, "choose another folder"))
    if not overwrite:
        raise OutputError(explain(str(target_dir), "must not exist yet", "a folder", "choose another or overwrite"))


@contextmanager
def _locked(partial_dir: Path, target_dir: Path) -> Iterator[None]:
    """Keep other runs out; the system takes the lock back from a killed one. Without ``fcntl`` nothing is locked."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (partial_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            remedy = "wait for it or choose another folder"
            raise OutputError(explain(str(target_dir), "must be made by one run", "two", remedy)) from error
        yield


def _resumed(partial_dir: Path, made_of: str) -> PartialFolder:
    """Return the partial folder, emptied unless an equal call has left it."""
    partial, note = PartialFolder(partial_dir / "tree", partial_dir / "progress"), partial_dir / "made_of.txt"
    if not note.is_file() or note.read_text(encoding="utf-8") != made_of or not partial.tree_dir.is_dir():
        for folder in (partial.progress_dir, partial.tree_dir):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        note.write_text(made_of, encoding="utf-8")
    return partial


def _remove_unless_started(partial_dir: Path) -> None:
    """Remove a partial folder without a finished part."""
    progress_dir = partial_dir / "progress"
    if not progress_dir.is_dir() or not any(progress_dir.iterdir()):
        shutil.rmtree(partial_dir, ignore_errors=True)


def _replace(tree_dir: Path, target_dir: Path) -> None:
    """Rename into place; what was there goes only after that, and returns if that fails."""
    replaced_dir = target_dir.parent / f"{REPLACED_PREFIX}{secrets.token_hex(8)}"
    was_there = target_dir.exists()
    if was_there:
        target_dir.rename(replaced_dir)
    try:
        tree_dir.rename(target_dir)
    except OSError:
        if was_there:
            replaced_dir.rename(target_dir)
        raise
    sync(target_dir.parent)
    shutil.rmtree(replaced_dir, ignore_errors=True)
