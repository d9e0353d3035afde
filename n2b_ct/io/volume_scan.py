"""The volumes among the files of a scan: which of them are CT, and a record for every file of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from n2b_ct.errors import SeriesError
from n2b_ct.io.dicom.reasons import action_of
from n2b_ct.io.progress import Progress
from n2b_ct.io.series import FileRecord
from n2b_ct.io.volumes import VolumeInfo, data_paths, examine_volume, is_volume

_NO_CANDIDATES = ("duplicate", "not_regular", "linked_folder")


@dataclass(frozen=True, slots=True)
class FoundVolumes:
    """The volumes of a scan.

    Attributes:
        of_ct: Those that can be used.
        skipped: Those that are of something else, such as label maps.
        refused: Those that might be CT and cannot be trusted.
        records: One for every file of the scan, in its order: those of volumes are new.
        paths: All of them, whatever they are.
    """

    of_ct: tuple[VolumeInfo, ...]
    skipped: tuple[FileRecord, ...]
    refused: tuple[FileRecord, ...]
    records: tuple[FileRecord, ...]
    paths: tuple[Path, ...]


def find_volumes(
    records: Sequence[FileRecord],
    progress: Progress | None = None,
    *,
    hu_offset: float = 0.0,
    assume_hu: bool = False,
) -> FoundVolumes:
    """Find the volumes among the files that a scan had no use for, and look at their values.

    Args:
        records: One for every file, as a scan gives them.
        progress: Called with (done, total, what) after each volume.
        hu_offset: What must be added to the values of volumes to get HU.
        assume_hu: Take values for HU that may be none.
    """
    paths = volumes_among(records)
    of_ct: list[VolumeInfo] = []
    unused: dict[Path, FileRecord] = {}
    for n_done, path in enumerate(paths, start=1):
        try:
            of_ct.append(examine_volume(path, hu_offset=hu_offset, assume_hu=assume_hu))
        except SeriesError as error:
            unused[path] = FileRecord(path, action_of(error.reason), error.reason, str(error))
        if progress is not None:
            progress(n_done, len(paths), "looking at volumes")
    return FoundVolumes(
        of_ct=tuple(of_ct),
        skipped=tuple(record for record in unused.values() if record.action == "skipped"),
        refused=tuple(record for record in unused.values() if record.action == "error"),
        records=_with_volumes(records, paths, unused),
        paths=tuple(paths),
    )


def volumes_among(records: Iterable[FileRecord]) -> list[Path]:
    """List the files that a scan had no use for and that have a volume's name; of a pair either file may be given."""
    every = list(records)
    unused = [one.path for one in every if one.action != "used" and one.reason not in _NO_CANDIDATES]
    seen = {one.path for one in every}
    headers = (path.with_suffix(".hdr") for path in unused if path.suffix == ".img")
    return [*filter(is_volume, unused), *(path for path in headers if path not in seen and is_volume(path))]


def _with_volumes(
    records: Sequence[FileRecord], volumes: Iterable[Path], unused: Mapping[Path, FileRecord]
) -> tuple[FileRecord, ...]:
    """Record the files of volumes; a data file shares the fate of the header that names it."""
    new: dict[Path, FileRecord] = {}
    for path in volumes:
        record = unused.get(path, FileRecord(path, "used"))
        detail = record.detail or f"voxels of {path.name}"
        new |= {part: FileRecord(part, record.action, record.reason, detail) for part in data_paths(path)}
        new[path] = record
    return tuple(new.get(record.path, record) for record in records)
