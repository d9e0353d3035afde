"""A folder that appears whole or not at all, and replaces nothing but its own kind."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from n2b_ct.errors import OutputError, explain
from n2b_ct.io.atomic import PARTIAL_PREFIX, sync_folder


@contextmanager
def new_folder(target_dir: Path, mark: str, *, overwrite: bool) -> Iterator[Path]:
    """Give a hidden folder to fill; leaving the block renames it to the target, an exception removes it.

    Args:
        target_dir: The final folder; an empty one may be there.
        mark: Name of the file by which an older folder of the same kind is known.
        overwrite: Replace an older folder of the same kind.

    Raises:
        OutputError: Something else is there, or the place cannot be written.
    """
    _require_free(target_dir, mark, overwrite)
    partial_dir = target_dir.parent / f"{PARTIAL_PREFIX}{secrets.token_hex(8)}"
    try:
        partial_dir.mkdir(parents=True)
        yield partial_dir
        _replace(partial_dir, target_dir)
    except OSError as error:
        message = explain(str(target_dir), "must be writable", error.strerror, "choose another place")
        raise OutputError(message) from error
    finally:
        shutil.rmtree(partial_dir, ignore_errors=True)


def require_space(folder: Path, n_bytes: int) -> None:
    """Refuse early what the disk cannot hold.

    Raises:
        OutputError: Less than ``n_bytes`` are free.
    """
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        got = f"{free / 1e9:.1f} GB free"
        raise OutputError(explain("output", f"needs {n_bytes / 1e9:.1f} GB", got, "make fewer or smaller slices"))


def _require_free(target_dir: Path, mark: str, overwrite: bool) -> None:
    """Let pass what is absent, empty, or of the same kind and to be replaced."""
    if not target_dir.exists():
        return
    is_folder = target_dir.is_dir() and not target_dir.is_symlink()
    if is_folder and not any(target_dir.iterdir()):
        return
    if not (is_folder and (target_dir / mark).is_file()):
        got = "something else"
        raise OutputError(explain(str(target_dir), f"must be new or hold {mark}", got, "choose another folder"))
    if not overwrite:
        raise OutputError(explain(str(target_dir), "must not exist yet", "a folder", "choose another or overwrite"))


def _replace(partial_dir: Path, target_dir: Path) -> None:
    """Rename into place; what was there goes only after that, and returns if that fails."""
    replaced_dir = target_dir.parent / f".replaced-{secrets.token_hex(8)}"
    was_there = target_dir.exists()
    if was_there:
        target_dir.rename(replaced_dir)
    try:
        partial_dir.rename(target_dir)
    except OSError:
        if was_there:
            replaced_dir.rename(target_dir)
        raise
    sync_folder(target_dir.parent)
    shutil.rmtree(replaced_dir, ignore_errors=True)
