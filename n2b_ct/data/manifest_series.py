"""The series of a manifest, found on disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from n2b_ct.config.patterns import checked_pattern, is_found
from n2b_ct.data.manifest import Manifest, SeriesEntry
from n2b_ct.data.manifest_draft import selectors
from n2b_ct.errors import DataError, SeriesError, explain
from n2b_ct.io.dicom.ct_reader import decodable, read_series
from n2b_ct.io.dicom.reading.slice_header import study_key
from n2b_ct.io.dicom.scan import ScanResult, scan
from n2b_ct.io.progress import Progress
from n2b_ct.io.series import (
    SKIP_BAD_SLICES,
    FileRecord,
    InstanceRef,
    Refusals,
    SeriesRead,
    SeriesRef,
    require_whole,
    with_missing_slices,
)
from n2b_ct.io.volumes import examine_volume, is_volume, read_volume

Scans = dict[tuple[str, bool, bool], "_Scanned"]
"""Of folders, with and without repaired UIDs and assumed HU."""


@dataclass(frozen=True, slots=True)
class DatasetSeries:
    """A CT series of a data set: from disk, sorted as its manifest says, or from an array.

    Attributes:
        name: Its name in the manifest.
        dose: Dose fraction, if known.
        source: The DICOM series, the volume's file, or HU ``[slices, rows, cols]``.
        positions_mm: Position of every slice along the normal (index for volumes and arrays).
        patient_key: Digest that slices of one patient share.
        size_px: (rows, cols).
        hu_offset: What must be added to a volume's values to get HU.
        assume_hu: A volume's values are assumed to be HU.
        study_key: Digest that series of one study share; a series without PatientID has it as ``patient_key`` too.
        refused: Files of the series that cannot be used and were left out with ``skip_bad_slices``.
        patient: The manifest's word for the patient; empty where it has none.
    """

    name: str
    dose: float | None
    source: SeriesRef | Path | np.ndarray = field(compare=False)
    positions_mm: tuple[float, ...]
    patient_key: str
    size_px: tuple[int, int]
    hu_offset: float = 0.0
    assume_hu: bool = False
    study_key: str = ""
    refused: tuple[FileRecord, ...] = ()
    patient: str = ""

    def __len__(self) -> int:
        return len(self.positions_mm)

    def read_hu(self, indices: Sequence[int], progress: Progress | None = None) -> np.ndarray:
        """Read some slices, HU float32 ``[len(indices), rows, cols]``; padding becomes air."""
        if isinstance(self.source, np.ndarray):
            return self.source[list(indices)].astype(np.float32)
        if isinstance(self.source, Path):
            return self._volume_hu(self.source)[list(indices)]
        try:
            series = read_series(self.source, list(indices), progress)
        except SeriesError as error:
            subject = f"series {self.name} in {self.source.directory}"
            remedy = f"replace the file, or pass {SKIP_BAD_SLICES}"
            message = explain(subject, "every slice must be readable", str(error), remedy)
            raise SeriesError(error.reason, message) from error
        lowest = series.hu[~series.is_padding].min(initial=0.0)
        return np.where(series.is_padding, lowest, series.hu)

    @property
    def known_patient(self) -> str:
        """What series of one patient share: the manifest's word, else the digest of PatientID; empty without both."""
        if self.patient:
            return f"manifest:{self.patient}"
        is_named = isinstance(self.source, SeriesRef) and "patient_id_missing" not in self.source.problems
        return self.patient_key if is_named else ""

    @property
    def facts(self) -> SeriesRead:
        """Its record."""
        if not isinstance(self.source, SeriesRef):
            return SeriesRead(self.name, "", len(self))
        problems = with_missing_slices(self.source.problems, len(self.refused))
        return SeriesRead(self.name, self.source.public_uid, len(self), len(self.refused), problems)

    def _volume_hu(self, path: Path) -> np.ndarray:
        hu = read_volume(path, hu_offset=self.hu_offset, assume_hu=self.assume_hu).hu
        if hu.shape != (len(self), *self.size_px):
            got, wanted = ("x".join(map(str, shape)) for shape in (hu.shape, (len(self), *self.size_px)))
            remedy = "do not change the data while they are in use"
            raise DataError(explain(f"series {self.name}", f"must still be {wanted}", got, remedy))
        return hu


class _Scanned:
    """A scan of one folder; its series are looked up by the selectors that ``index`` writes, without compiling
    patterns."""

    def __init__(self, result: ScanResult) -> None:
        self.result = result
        self.refusals = Refusals(result.records)
        self._by_selector: dict[frozenset[tuple[str, str]], list[SeriesRef]] = defaultdict(list)
        for one, where in zip(result.series, selectors(result.series), strict=True):
            self._by_selector[frozenset(where.items())].append(one)

    def matching(self, entry: SeriesEntry) -> Sequence[SeriesRef]:
        """Return the series whose selector equals an entry's, else those that its patterns match."""
        own = self._by_selector.get(frozenset(entry.where.items())) if entry.where else None
        return own or [one for one in self.result.series if _matches(one, entry)]


def find_series(
    manifest: Manifest, root: Path, names: Sequence[str], *, skip_bad_slices: bool = False
) -> dict[str, DatasetSeries]:
    """Find the named series below ``root``; every folder is scanned once.

    Args:
        manifest: Has their paths.
        root: The data's folder.
        names: Which of them.
        skip_bad_slices: Leave out slices that cannot be used, after decoding those that are compressed; by default
            one of them fails its series.

    Raises:
        DataError: The root is missing, or a series is missing, ambiguous or not whole; one line for each.
    """
    if not root.is_dir():
        raise DataError(explain(f"data root {root}", "must be a folder", "nothing there", "pass data_root=DIR"))
    scans: Scans = {}
    found: dict[str, DatasetSeries] = {}
    problems: list[str] = []
    for name in names:
        try:
            found[name] = _find_one(manifest, name, root, scans, skip_bad_slices=skip_bad_slices)
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    return found


def require_decodable(series: Iterable[DatasetSeries]) -> None:
    """Decode the compressed slices of series once, so that damaged ones are found before the work starts.

    Raises:
        DataError: One line for every series of which a slice is damaged.
    """
    problems = []
    for found in series:
        if isinstance(found.source, SeriesRef):
            try:
                usable, refused = decodable(found.source)
                require_whole(usable, refused, skip_bad_slices=False)
            except SeriesError as error:
                problems.append(_not_whole(found.name, found.source, error))
    if problems:
        raise DataError("\n".join(problems))


def _not_whole(name: str, series: SeriesRef, error: SeriesError) -> str:
    got, remedy = f"a file refused as {error.reason} ({error})", f"replace it, or pass {SKIP_BAD_SLICES}"
    requirement = "must be whole, for half a series misleads"
    return explain(f"series {name} in {series.directory}", requirement, got, remedy)


def _find_one(manifest: Manifest, name: str, root: Path, scans: Scans, *, skip_bad_slices: bool) -> DatasetSeries:
    entry = manifest.series[name]
    path = root / entry.path
    if not path.exists():
        raise DataError(
            explain(f"series {name}", f"must lie in {path}", "nothing there", "check data_root=… and the manifest")
        )
    if is_volume(path):
        return _found_volume(name, entry, path)
    key = (entry.path, entry.repair_uids, entry.assume_hu)
    if key not in scans:
        scans[key] = _Scanned(scan(path, repair_uids=entry.repair_uids, assume_hu=entry.assume_hu))
    candidates = scans[key].matching(entry)
    if len(candidates) != 1:
        wanted = ", ".join(f"{keyword}~{pattern}" for keyword, pattern in entry.where.items()) or "one CT series"
        raise DataError(
            explain(
                f"series {name} in {path}",
                f"must match exactly one series ({wanted})",
                len(candidates),
                _remedy(scans[key].result, candidates),
            )
        )
    whole = _without_bad_slices(name, candidates[0], scans[key].refusals, skip_bad_slices=skip_bad_slices)
    return _found_dicom(name, entry, _sorted_as(whole[0], manifest.order), whole[1])


def _without_bad_slices(
    name: str, series: SeriesRef, refusals: Refusals, *, skip_bad_slices: bool
) -> tuple[SeriesRef, tuple[FileRecord, ...]]:
    """Return the usable part of a series, and its refused files.

    Raises:
        DataError: Files were refused and may not be left out; or nothing remains.
    """
    refused = refusals.of(series)
    try:
        require_whole(series, refused, skip_bad_slices=skip_bad_slices)
        return decodable(series, refused) if skip_bad_slices else (series, refused)
    except SeriesError as error:
        raise DataError(_not_whole(name, series, error)) from error


def _remedy(result: ScanResult, candidates: Sequence[SeriesRef]) -> str:
    reasons = sorted({record.reason for record in result.records if record.action == "error"})
    if reasons and not candidates:
        return f"files there were refused: {', '.join(reasons)}"
    return "see n2b-ct inspect, and narrow path or where in the manifest"


def _matches(series: SeriesRef, entry: SeriesEntry) -> bool:
    """Whether all patterns match; a fact is searched both in the first slice's form and in the series' form."""
    own = {"SeriesDescription": series.description, "SeriesInstanceUID": series.series_instance_uid}
    sources = (own, series.facts, series.marks)
    return all(
        any(is_found(checked_pattern(where), text) for text in _texts(keyword, sources))
        for keyword, where in entry.where.items()
    )


def _texts(keyword: str, sources: Sequence[dict[str, str]]) -> list[str]:
    return [source[keyword] for source in sources if keyword in source] or [""]


def _sorted_as(series: SeriesRef, order: str) -> tuple[SeriesRef, list[InstanceRef]]:
    instances = list(series.instances)
    if order == "SliceLocation" and all(i.slice_location_mm is not None for i in instances):
        instances.sort(key=lambda instance: instance.slice_location_mm or 0.0)
    return series, instances


def _found_dicom(
    name: str, entry: SeriesEntry, found: tuple[SeriesRef, list[InstanceRef]], refused: tuple[FileRecord, ...]
) -> DatasetSeries:
    series, instances = found
    ordered = replace(series, instances=tuple(instances))
    return DatasetSeries(
        name,
        entry.dose,
        ordered,
        tuple(i.position_mm for i in instances),
        series.patient_key,
        (series.rows, series.cols),
        study_key=study_key(series.study_instance_uid),
        refused=refused,
        patient=entry.patient,
    )


def _found_volume(name: str, entry: SeriesEntry, path: Path) -> DatasetSeries:
    n_slices, rows, cols = examine_volume(path, hu_offset=entry.hu_offset, assume_hu=entry.assume_hu).shape
    positions = tuple(float(index) for index in range(n_slices))
    hu_options = (entry.hu_offset, entry.assume_hu)
    return DatasetSeries(
        name, entry.dose, path, positions, f"volume:{path.name}", (rows, cols), *hu_options, patient=entry.patient
    )
