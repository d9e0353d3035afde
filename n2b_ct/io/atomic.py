"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from n2b_ct.errors import OutputError, explain

PARTIAL_PREFIX = ".partial-"
REPLACED_PREFIX = ".replaced-"


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside its place, force it to disk, then rename it into place.

    Args:
        path: The final place; its folder must exist.
        write: Writes the content to an open binary file.

    Raises:
        OutputError: The place cannot be written; nothing is left behind.
    """
    partial = path.with_name(f"{PARTIAL_PREFIX}{secrets.token_hex(8)}")
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


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to disk, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
