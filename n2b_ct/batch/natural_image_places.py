"""Which images lie below a folder, and where their denoised counterparts go."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from n2b_ct.batch.places import mirrored_file
from n2b_ct.io.atomic import is_own_hidden_name
from n2b_ct.io.natural_images import in_natural_order, is_natural_image, written_name
from n2b_ct.io.series import FileRecord


def natural_image_records(source: Path) -> list[FileRecord]:
    """Record every file at or below ``source``, used or skipped by its name; links to folders are not followed."""
    if source.is_file():
        return [_record(source)]
    found: list[Path] = []
    for folder, folders, names in os.walk(source):
        folders[:] = [name for name in folders if not is_own_hidden_name(name)]
        found += [Path(folder, name) for name in names]
    return [_record(path) for path in in_natural_order(found)]


def natural_image_places(paths: Sequence[Path], source: Path, output: Path) -> list[Path]:
    """Give every image its mirrored place.

    Where a JPEG's PNG would have the place of another image, it keeps its old ending before the new one:
    ``a.jpg`` beside ``a.png`` becomes ``a.jpg.png``.
    """
    mirrored = [mirrored_file(path, source, output) for path in paths]
    plain = [place.with_name(written_name(place.name)) for place in mirrored]
    taken = Counter(plain)
    return [
        place if taken[place] == 1 or place == mirror else mirror.with_name(f"{mirror.name}{place.suffix}")
        for place, mirror in zip(plain, mirrored, strict=True)
    ]


def _record(path: Path) -> FileRecord:
    if is_natural_image(path):
        return FileRecord(path, "used")
    return FileRecord(path, "skipped", "not_natural_image", "its name is no image's, or hidden")
