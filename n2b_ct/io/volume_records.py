"""Volumes among the files of a scan: which they are, and the records of their files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from n2b_ct.io.series import FileRecord
from n2b_ct.io.volumes import data_paths, is_volume

_NO_CANDIDATES = ("duplicate", "not_regular", "linked_folder")


def volumes_among(records: Iterable[FileRecord]) -> list[Path]:
    """List the files that a scan had no use for and that have a volume's name."""
    return [
        record.path
        for record in records
        if record.action != "used" and record.reason not in _NO_CANDIDATES and is_volume(record.path)
    ]


def with_volumes(records: Sequence[FileRecord], volumes: Iterable[Path]) -> tuple[FileRecord, ...]:
    """Record the files of volumes as used; a data file belongs to the header that names it."""
    used: dict[Path, FileRecord] = {}
    for path in volumes:
        used |= {part: FileRecord(part, "used", detail=f"voxels of {path.name}") for part in data_paths(path)}
        used[path] = FileRecord(path, "used")
    return tuple(used.get(record.path, record) for record in records)
