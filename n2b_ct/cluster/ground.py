"""The ground that workers write on: made before they begin, marked so that they know it, tidied when they are done."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from n2b_ct.io.atomic import new_partial, remove_partials, unwritable


@contextmanager
def shared_output_marker(places: Sequence[Path]) -> Iterator[Path]:
    """Make the folders that outputs will lie in, and a hidden mark above all of them; yields the mark.

    A worker that does not see the mark has another disk under the same path, and would write where nobody looks.
    Folders are made here because two workers that make and tidy away one folder would get into each other's way.
    What stayed empty goes at the end.

    Raises:
        OutputError: The place cannot be written.
    """
    parents = sorted({place.parent for place in places})
    root = Path(os.path.commonpath(parents))
    name = root / hashlib.sha256("\n".join(map(str, sorted(places))).encode(errors="surrogateescape")).hexdigest()
    mark, made = new_partial(name), _absent(parents)
    try:
        try:
            for folder in made:
                folder.mkdir(exist_ok=True)
            remove_partials(name)
            mark.mkdir()
        except OSError as error:
            raise unwritable(root, error) from error
        yield mark
    finally:
        shutil.rmtree(mark, ignore_errors=True)
        for folder in reversed(made):
            with suppress(OSError):  # it holds something
                folder.rmdir()


def note_attempt(mark: Path, index: int) -> None:
    """Note that a worker begins a task.

    Raises:
        FileNotFoundError: There is no mark.
    """
    with (mark / str(index)).open("ab") as attempts:
        attempts.write(b".")


def count_attempts(mark: Path, index: int) -> int:
    """How often workers began a task."""
    attempts = mark / str(index)
    return attempts.stat().st_size if attempts.exists() else 0


def _absent(folders: Sequence[Path]) -> list[Path]:
    """The folders that are not there yet, with those above them, from the top."""
    wanted = {folder for one in folders for folder in (one, *one.parents)}
    return sorted(folder for folder in wanted if not folder.exists())
