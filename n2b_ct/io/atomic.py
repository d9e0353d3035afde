"""Files that are there whole or not at all.

What is being made lies beside its place under a hidden name that follows from it, so that the next run of the same
work finds what a killed one left.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from n2b_ct.errors import OutputError, explain

PARTIAL_PREFIX = ".partial-"
REPLACED_PREFIX = ".replaced-"
_N_DIGEST_CHARACTERS = 16


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside its place, force it to disk, then rename it into place.

    Args:
        path: The final place; its folder must exist.
        write: Writes the content to an open binary file.

    Raises:
        OutputError: The place cannot be written; nothing is left behind.
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
        message = explain(str(path), "must be writable", error.strerror, "choose another place")
        raise OutputError(message) from error


def write_text_atomically(path: Path, text: str) -> None:
    """Write a text file, UTF-8, at once or not at all.

    Raises:
        OutputError: The place cannot be written; nothing is left behind.
    """
    write_atomically(path, lambda file: file.write(text.encode()))


def hidden_place(path: Path, prefix: str) -> Path:
    """Name a hidden sibling of a file or folder that belongs to it alone, whatever characters its name has."""
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:_N_DIGEST_CHARACTERS]
    return path.parent / f"{prefix}{digest}"


def new_partial(path: Path) -> Path:
    """Name a place where a file or folder can be made; no two calls name the same."""
    return path.parent / f"{hidden_place(path, PARTIAL_PREFIX).name}-{secrets.token_hex(4)}"


def remove_partials(path: Path) -> None:
    """Remove what killed runs left of a file or folder in the making."""
    for partial in path.parent.glob(f"{hidden_place(path, PARTIAL_PREFIX).name}-*"):
        if partial.is_dir() and not partial.is_symlink():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def sync(place: Path) -> None:
    """Force a file, or a folder's entries, to disk, so that a rename survives a power cut."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
