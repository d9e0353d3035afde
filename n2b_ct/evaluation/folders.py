"""Series in existing folders: DICOM or volumes, as slices at positions in the patient."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from n2b_ct.data.manifest_series import DatasetSeries
from n2b_ct.errors import DataError, SeriesError, explain
from n2b_ct.io.dicom.ct_reader import decodable, read_series
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.series import (
    SKIP_BAD_SLICES,
    CTSeries,
    FileRecord,
    Inputs,
    Refusals,
    SeriesRead,
    SeriesRef,
    require_whole,
    skipped_slices_warning,
)
from n2b_ct.io.volume_scan import find_volumes
from n2b_ct.io.volumes import read_volume

_NO_FACTS = SeriesRead("", "", 0)
_REMEDIES = {"not_hu": "pass assume_hu=True to take their values for HU"}


@dataclass(frozen=True, slots=True, eq=False)
class FolderSeries:
    """One series or volume of a folder.

    Attributes:
        name: A label that names no patient: a shortened UID, or ``volume 1``.
        folder: Its folder (or file without ending) below the folder that was given: trees that mirror each other share
            it.
        study_uid: StudyInstanceUID; empty for volumes.
        positions_mm: Of every slice along the normal.
        size_px: (rows, cols).
        pixel_mm: (row spacing, column spacing).
        normal: Unit vector across the slices, LPS.
        corner_mm: Where the first pixel lies within its slice, along rows and columns, mm.
        read: Slice index to HU, float32 ``[rows, cols]``.
        patient_key: Digest of PatientID; empty where nothing tells the patient.
        facts: Its record.
        refused: Its files that were left out.
    """

    name: str
    folder: str
    study_uid: str
    positions_mm: tuple[float, ...]
    size_px: tuple[int, int]
    pixel_mm: tuple[float, float]
    normal: np.ndarray
    corner_mm: np.ndarray
    read: Callable[[int], np.ndarray]
    patient_key: str = ""
    facts: SeriesRead = _NO_FACTS
    refused: tuple[FileRecord, ...] = ()


class VolumeCache:
    """Keeps the volumes that were read last: every slice of one is asked for on its own.

    Args:
        n_cached: Number of volumes; as many as are compared at once.
        hu_offset: What must be added to volumes' values to get HU.
        assume_hu: Take volumes' values for HU.
    """

    def __init__(self, n_cached: int, hu_offset: float = 0.0, assume_hu: bool = False) -> None:
        self.n_cached, self.hu_offset, self.assume_hu = n_cached, hu_offset, assume_hu
        self._volumes: OrderedDict[Path, CTSeries] = OrderedDict()

    def volume(self, path: Path) -> CTSeries:
        """The volume, read now or before."""
        if path not in self._volumes:
            self._volumes[path] = read_volume(path, hu_offset=self.hu_offset, assume_hu=self.assume_hu)
        self._volumes.move_to_end(path)
        while len(self._volumes) > self.n_cached:
            self._volumes.popitem(last=False)
        return self._volumes[path]

    def read(self, path: Path, index: int) -> np.ndarray:
        """One slice."""
        return np.asarray(self.volume(path).hu[index])


@dataclass(frozen=True, slots=True)
class FolderContent:
    """What was found in a folder.

    Attributes:
        series: What can be compared.
        problems: A line for each thing that cannot, or that lacks slices.
        inputs: All of it, and the files that were refused.
    """

    series: list[FolderSeries]
    problems: list[str]
    inputs: Inputs


def find_folder(label: str, folder: Path, cache: VolumeCache, *, skip_bad_slices: bool = False) -> FolderContent:
    """Find the series and volumes in a folder (or in one file).

    Args:
        label: How messages name the folder: ``reference``, or a candidate's name.
        folder: Where to look.
        cache: Keeps the volumes that were read last.
        skip_bad_slices: Leave out slices that cannot be used; by default one of them fails its series.

    Raises:
        DataError: There is nothing at that place.
    """
    if not folder.exists():
        raise DataError(explain(label, "must be a folder or a file", f"nothing at {folder}", "check the path"))
    result = scan(folder, assume_hu=cache.assume_hu)
    volumes = find_volumes(result.records, hu_offset=cache.hu_offset, assume_hu=cache.assume_hu)
    records = volumes.records
    found, failed, lines = _of_series(label, folder, result.series, Refusals(records), skip_bad_slices=skip_bad_slices)
    for number, one in enumerate(volumes.of_ct, start=1):
        try:
            found.append(_of_volume(one.path, folder, number, cache))
        except SeriesError as error:
            lines.append(f"{label}: {_placed_below(folder, one.path, str(error))}")
    found = _with_own_names(found)
    refused = [record for record in records if record.action == "error"]
    files = {record.path: record for record in (*refused, *(record for one in found for record in one.refused))}
    uids = {one.public_uid for one in result.series}
    of_none = [one for one in refused if one not in volumes.refused and not {*one.attributed_to} & uids]
    lines = (
        _refusals(label, of_none)
        + [f"{label}: {_placed_below(folder, record.path, record.detail)}" for record in volumes.refused]
        + lines
    )
    if not found:
        lines += [f"{label}: {_placed_below(folder, record.path, record.detail)}" for record in volumes.skipped]
    if not (found or lines):
        lines = [explain(label, "must hold a CT series or a volume", "none", "look at it with n2b-ct inspect")]
    read = [replace(one.facts, name=one.name, folder=label) for one in found]
    return FolderContent(found, lines, Inputs((*read, *failed), tuple(files.values())))


def _of_series(
    label: str, root: Path, every: Sequence[SeriesRef], refusals: Refusals, *, skip_bad_slices: bool
) -> tuple[list[FolderSeries], list[SeriesRead], list[str]]:
    """The DICOM series that can be compared, those that cannot, and a line for each that is not whole."""
    found: list[FolderSeries] = []
    failed: list[SeriesRead] = []
    lines: list[str] = []
    for series in every:
        subject, refused = f"{label}, series {series.short_uid}", refusals.of(series)
        try:
            usable, refused = decodable(series, refused)
            require_whole(usable, refused, skip_bad_slices=skip_bad_slices)
            found.append(_of_dicom(usable, root, refused))
            lines += [skipped_slices_warning(subject, len(refused))] if refused else []
        except SeriesError as error:
            remedy = f"left out; replace it, or pass {SKIP_BAD_SLICES}"
            lines.append(explain(subject, "must be whole, for half a series misleads", str(error), remedy))
            facts = SeriesRead(series.short_uid, series.public_uid, 0, len(refused), series.problems, label)
            failed.append(facts)
    return found, failed, lines


def _with_own_names(every: Sequence[FolderSeries]) -> list[FolderSeries]:
    """Number the series whose shortened UIDs are the same: rows of tables are told apart by their names."""
    names = Counter(one.name for one in every)
    n_by_name: Counter[str] = Counter()
    named = []
    for one in every:
        n_by_name[one.name] += 1
        named.append(replace(one, name=f"{one.name} ({n_by_name[one.name]})") if names[one.name] > 1 else one)
    return named


def _of_dicom(series: SeriesRef, root: Path, refused: tuple[FileRecord, ...]) -> FolderSeries:
    first = read_series(series, [0])
    found = DatasetSeries(
        series.short_uid,
        None,
        series,
        tuple(one.position_mm for one in series.instances),
        series.patient_key,
        (series.rows, series.cols),
        refused=refused,
    )
    placed = _placed(
        series.short_uid, _below(series.directory, root), series.study_instance_uid, first.affine_lps_mm, found
    )
    return replace(placed, patient_key="" if "patient_id_missing" in series.problems else series.patient_key)


def _placed(name: str, folder: str, study_uid: str, affine_lps_mm: np.ndarray, found: DatasetSeries) -> FolderSeries:
    pixel_mm, normal, corner_mm = _plane(affine_lps_mm)
    return FolderSeries(
        name=name,
        folder=folder,
        study_uid=study_uid,
        positions_mm=found.positions_mm,
        size_px=found.size_px,
        pixel_mm=pixel_mm,
        normal=normal,
        corner_mm=corner_mm,
        read=lambda index: np.asarray(found.read_hu([index])[0]),
        facts=found.facts,
        refused=found.refused,
    )


def _of_volume(path: Path, root: Path, number: int, cache: VolumeCache) -> FolderSeries:
    volume = cache.volume(path)
    pixel_mm, normal, corner_mm = _plane(volume.affine_lps_mm)
    n_slices, rows, cols = volume.hu.shape
    first_mm, step_mm = volume.affine_lps_mm[:3, 3] @ normal, volume.affine_lps_mm[:3, 0] @ normal
    stem = path.with_name(path.name.split(".", 1)[0])
    return FolderSeries(
        name=f"volume {number}",
        folder=_below(stem, root),
        study_uid="",
        positions_mm=tuple(float(first_mm + k * step_mm) for k in range(n_slices)),
        size_px=(rows, cols),
        pixel_mm=pixel_mm,
        normal=normal,
        corner_mm=corner_mm,
        read=partial(cache.read, path),
        facts=SeriesRead(f"volume {number}", "", n_slices),
    )


def _plane(affine_lps_mm: np.ndarray) -> tuple[tuple[float, float], np.ndarray, np.ndarray]:
    """Pixel size, normal and in-plane corner of slices from their affine (slice, row, col) to LPS mm."""
    down, across = affine_lps_mm[:3, 1], affine_lps_mm[:3, 2]
    row_mm, col_mm = float(np.linalg.norm(down)), float(np.linalg.norm(across))
    down, across = down / row_mm, across / col_mm
    corner = affine_lps_mm[:3, 3]
    return (row_mm, col_mm), np.cross(across, down), np.array([corner @ down, corner @ across])


def _placed_below(root: Path, path: Path, message: str) -> str:
    """A message about a file that tells where below the folder it lies: its name may be there twice."""
    return message.replace(path.name, _below(path, root), 1)


def _below(path: Path, root: Path) -> str:
    base = root if root.is_dir() else root.parent
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.name


def _refusals(label: str, records: Sequence[FileRecord]) -> list[str]:
    """One line for each reason why files were refused."""
    reasons = Counter(record.reason for record in records if record.action == "error")
    return [
        explain(
            label, "files must be readable", f"{n} refused as {reason}", _REMEDIES.get(reason, "see n2b-ct inspect")
        )
        for reason, n in reasons.items()
    ]
