"""A CT series: its files, geometry and HU; and the one rule for a series that lacks some of its files.

Axis order is ``[slices, rows, cols]``; slices are sorted by position along the slice normal.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from n2b_ct.errors import SeriesError, explain, printable

SKIP_BAD_SLICES = "skip_bad_slices=True"

Action = Literal["used", "skipped", "error"]

_UID = re.compile(r"[0-2](\.\d+)+")
_N_UID_CHARACTERS = 64


def public_uid(uid: str) -> str:
    """Return a UID as it may be shown: a damaged header can hold a patient's name in its place.

    What does not have the form of a UID (PS3.5 9.1) is replaced by its digest; an empty text stays empty.
    """
    if not uid or (len(uid) <= _N_UID_CHARACTERS and _UID.fullmatch(uid)):
        return uid
    return f"invalid-{hashlib.sha256(uid.encode(errors='surrogateescape')).hexdigest()[:12]}"


def parent_folders(paths: Iterable[Path]) -> set[Path]:
    """Return every folder above one of the paths; each is visited once, however many paths share it."""
    found: set[Path] = set()
    for path in paths:
        for folder in path.parents:
            if folder in found:
                break
            found.add(folder)
    return found


@dataclass(frozen=True, slots=True)
class FileRecord:
    """Outcome of one input file.

    Attributes:
        path: The file.
        action: ``used``, ``skipped`` or ``error``.
        reason: A stable code.
        detail: One line for people; it names no patient.
        series: UID of its series, as it may be shown; empty where it names none and may belong to several.
        inferred_series: UIDs of the series that it is attributed to because it names none: those of its neighbours.
    """

    path: Path
    action: Action
    reason: str = ""
    detail: str = ""
    series: str = ""
    inferred_series: tuple[str, ...] = ()

    @classmethod
    def refusal(cls, path: Path, error: SeriesError, series: SeriesRef) -> FileRecord:
        """Record that a file of a series cannot be used."""
        return cls(path, "error", error.reason, str(error), series.public_uid)

    @property
    def attributed_to(self) -> tuple[str, ...]:
        """UIDs of the series that it is attributed to."""
        return self.inferred_series or ((self.series,) if self.series else ())

    @property
    def plain(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "path": str(self.path)}


@dataclass(frozen=True, slots=True)
class InstanceRef:
    """One DICOM CT slice on disk.

    Attributes:
        path: The file.
        sop_instance_uid: Its identity, an opaque string.
        position_mm: ImagePositionPatient along the series' slice normal.
        instance_number: InstanceNumber, if the file has one.
        slice_location_mm: SliceLocation, if the file has one.
        frame_number: Number of the frame, from 1, where the file holds many (enhanced CT); None for one slice a file.
        assumes_hu: The file does not say that its values are HU; ``assume_hu`` was given.
        is_compressed: The pixels need a decoder.
    """

    path: Path
    sop_instance_uid: str
    position_mm: float
    instance_number: int | None = None
    slice_location_mm: float | None = None
    frame_number: int | None = None
    assumes_hu: bool = False
    is_compressed: bool = False


@dataclass(frozen=True, slots=True)
class SeriesRef:
    """One DICOM CT series found on disk: identity, geometry and its sorted slices; no pixels.

    Attributes:
        series_instance_uid: SeriesInstanceUID, an opaque string.
        study_instance_uid: StudyInstanceUID.
        patient_key: A digest of PatientID (never the ID itself); slices that share it share a patient. Not to be
            shown: short IDs can be found by trying.
        description: SeriesDescription.
        rows, cols: Size of every slice.
        pixel_spacing_mm: PixelSpacing as (between rows, between columns), if known.
        orientation: ImageOrientationPatient, six direction cosines.
        instances: The slices, sorted by position.
        problems: Codes such as ``missing_slices``, ``varying_spacing``, ``gantry_tilt``: used, but worth knowing.
        facts: More header facts for people: Modality, Manufacturer, ConvolutionKernel, KVP, SliceThickness…
        marks: What may tell it from another series of the same UID, by keyword; ``Patient`` and ``SOPInstanceUID`` (of
            its first slice) among them. Not to be shown, for the patient's is a digest.
        part: The marks that do so, where a scan found several series of its UID; empty where it found one.
    """

    series_instance_uid: str
    study_instance_uid: str
    patient_key: str
    description: str
    rows: int
    cols: int
    pixel_spacing_mm: tuple[float, float] | None
    orientation: tuple[float, ...]
    instances: tuple[InstanceRef, ...]
    problems: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    part: tuple[str, ...] = ()

    @property
    def public_uid(self) -> str:
        """The series UID as it may be shown."""
        return public_uid(self.series_instance_uid)

    @property
    def short_uid(self) -> str:
        """The series UID as a person can read it, ``1.2.840…31``."""
        uid = self.public_uid
        return uid if len(uid) <= 16 else f"{uid[:8]}…{uid[-4:]}"

    @property
    def directory(self) -> Path:
        """The folder of the first slice."""
        return self.instances[0].path.parent

    @property
    def shared_directory(self) -> Path:
        """The lowest folder that holds all slices."""
        folders = self.directories
        return self.directory if len(folders) == 1 else Path(os.path.commonpath(folders))

    @property
    def directories(self) -> set[Path]:
        """The folders of all slices."""
        return {one.path.parent for one in self.instances}

    def __len__(self) -> int:
        return len(self.instances)


@dataclass(frozen=True, slots=True)
class CTSlice:
    """One slice with its pixels.

    Attributes:
        hu: HU, float32 ``[rows, cols]``; padded pixels hold whatever HU their stored word gives.
        is_padding: True where the scanner padded, bool ``[rows, cols]``.
        stored: The words that the HU come from, integer ``[rows, cols]``, read-only.
        dataset: The pydicom Dataset, for writing back.
        frame_number: Number of the frame within its file, from 1; None for one slice a file.
    """

    hu: np.ndarray
    is_padding: np.ndarray
    stored: np.ndarray
    dataset: Any
    frame_number: int | None = None


@dataclass(frozen=True, slots=True)
class CTSeries:
    """A volume of HU.

    Attributes:
        hu: HU, float32 ``[slices, rows, cols]``.
        is_padding: True where the scanner padded, bool, same shape.
        affine_lps_mm: ``[4, 4]``; voxel index (slice, row, col) to patient millimetres in DICOM's LPS.
        source: Where it came from, a SeriesRef or a volume's path.
        problems: Codes of what is worth knowing, such as ``missing_slices``.
    """

    hu: np.ndarray
    is_padding: np.ndarray
    affine_lps_mm: np.ndarray
    source: SeriesRef | Path
    problems: tuple[str, ...] = ()

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distances along slices, rows and columns, mm."""
        slices_mm, rows_mm, cols_mm = np.linalg.norm(self.affine_lps_mm[:3, :3], axis=0).tolist()
        return slices_mm, rows_mm, cols_mm

    @property
    def facts(self) -> dict[str, str]:
        """Header facts by DICOM keyword, such as Manufacturer, ConvolutionKernel, KVP; of a volume none."""
        return dict(self.source.facts) if isinstance(self.source, SeriesRef) else {}


# ── Refused files: half a series misleads, so it fails in every command, unless bad slices may be skipped ──


class Refusals:
    """The refused files of a scan, by series.

    Args:
        records: Of all files, as a scan gives them.
    """

    def __init__(self, records: Iterable[FileRecord]) -> None:
        self._by_series: dict[str, list[FileRecord]] = defaultdict(list)
        self._used_folders: set[tuple[str, Path]] = set()
        for record in records:
            if record.action == "used":
                self._used_folders.add((record.series, record.path.parent))
            elif record.action == "error":
                for uid in record.attributed_to:
                    self._by_series[uid].append(record)

    def of(self, series: SeriesRef) -> tuple[FileRecord, ...]:
        """Return the refused files that a scan attributed to a series, in the order of their paths.

        Where patients share a UID, a file belongs to those that have slices in its folder. Several series of one UID
        and patient do not have folders of their own: a file may belong to any of them.
        """
        uid = series.public_uid
        if "Patient" not in series.part:
            return tuple(self._by_series.get(uid, ()))
        own = {one.path.parent for one in series.instances}
        return tuple(
            record
            for record in self._by_series[uid]
            if record.path.parent in own or (uid, record.path.parent) not in self._used_folders
        )


def with_file_name(path: Path, error: SeriesError) -> SeriesError:
    """Return the error with its file's name in front, unless its message has it."""
    name, message = printable(path.name), str(error)
    return error if name in message else SeriesError(error.reason, f"{name}: {message.removeprefix('file: ')}")


def require_whole(series: SeriesRef, refused: Sequence[FileRecord], *, skip_bad_slices: bool) -> None:
    """Refuse a series that lacks slices, unless they may be skipped.

    Raises:
        SeriesError: With the reason and the message of the first refused file.
    """
    if refused and not skip_bad_slices:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise SeriesError(refused[0].reason, f"{_identified(series, refused[0])}{more}")


def _identified(series: SeriesRef, record: FileRecord) -> str:
    """Return a record's message; a file outside its series' folder is named with its own."""
    is_beside = record.path.parent == series.directory
    return record.detail if is_beside else f"{printable(str(record.path.parent))}/{record.detail}"


def skipped_slices_warning(subject: str, n_refused: int) -> str:
    """Return the warning that a series was used without some of its slices."""
    return explain(subject, "should hold every slice", f"{n_refused} left out", "replace the files that were refused")


@dataclass(frozen=True, slots=True)
class SeriesRead:
    """One series that a command read.

    Attributes:
        name: What the command calls it.
        series: Its UID, as it may be shown: joins with the files' ``series``; empty for a volume.
        n_slices: How many slices there were to read.
        n_skipped_slices: Slices that could not be used and were skipped.
        problems: Codes of what is worth knowing.
        folder: Name of its folder, where the command reads several.
    """

    name: str
    series: str
    n_slices: int
    n_skipped_slices: int = 0
    problems: tuple[str, ...] = ()
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a command read: its series and their refused files."""

    series: tuple[SeriesRead, ...] = ()
    files: tuple[FileRecord, ...] = ()

    def merged(self, other: Inputs) -> Inputs:
        """Return the series and files of both; a file in both counts once."""
        files = {record.path: record for record in (*self.files, *other.files)}
        return Inputs((*self.series, *other.series), tuple(files.values()))

    @property
    def plain(self) -> dict[str, Any]:
        """JSON values: ``series`` and ``files``."""
        return {"series": [asdict(one) for one in self.series], "files": [record.plain for record in self.files]}


def with_missing_slices(problems: Sequence[str], n_refused: int) -> tuple[str, ...]:
    """Return a series' problems, with ``missing_slices`` where some were skipped."""
    return tuple(dict.fromkeys((*problems, *(("missing_slices",) if n_refused else ()))))
