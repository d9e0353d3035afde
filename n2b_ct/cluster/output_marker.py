"""A shared output marker: shows workers that they see the output, and counts the attempts at each task."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from n2b_ct.io.atomic import new_partial, remove_partials, unwritable


@contextmanager
def shared_output_marker(output_paths: Sequence[Path]) -> Iterator[Path]:
    """Make the parent folders of all outputs, and a hidden folder above them, the marker; yields its path.

    A worker that does not see the marker has another disk under the same path. The parents are made here because two
    workers that make and remove one folder would get into each other's way; empty ones are removed at the end.

    Raises:
        OutputError: A folder cannot be made.
    """
    parents = sorted({path.parent for path in output_paths})
    root = Path(os.path.commonpath(parents))
    digest = hashlib.sha256("\n".join(map(str, sorted(output_paths))).encode(errors="surrogateescape")).hexdigest()
    marker, made = new_partial(root / digest), _absent(parents)
    try:
        try:
            for folder in made:
                folder.mkdir(exist_ok=True)
            remove_partials(root / digest)
            marker.mkdir()
        except OSError as error:
            raise unwritable(root, error) from error
        yield marker
    finally:
        shutil.rmtree(marker, ignore_errors=True)
        for folder in reversed(made):
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def note_attempt(marker: Path, index: int) -> None:
    """Record that a worker starts a task.

    Raises:
        FileNotFoundError: There is no marker.
    """
    with (marker / str(index)).open("ab") as attempts:
        attempts.write(b".")


def count_attempts(marker: Path, index: int) -> int:
    """Return how often workers started a task."""
    attempts = marker / str(index)
    return attempts.stat().st_size if attempts.exists() else 0


def _absent(folders: Sequence[Path]) -> list[Path]:
    """Return the folders that do not exist, with those above them, from the top."""
    wanted = {folder for one in folders for folder in (one, *one.parents)}
    return sorted(folder for folder in wanted if not folder.exists())
