"""The contents of a folder: CT series, volumes, and one record for every file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from n2b_ct.data.anonymisation import Pattern, find_patterns
from n2b_ct.data.manifest_draft import dose_hint
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.progress import Progress
from n2b_ct.io.series import FileRecord, Refusals, SeriesRef, public_uid
from n2b_ct.io.volume_scan import find_volumes
from n2b_ct.io.volumes import VolumeInfo


@dataclass(frozen=True)
class Inventory:
    """The contents of a folder.

    Attributes:
        series: The DICOM CT series.
        volumes: The NIfTI, NRRD and MetaImage volumes.
        records: One per file, in the order of the paths.
        patterns: Patterns over all series, such as traces of an anonymiser.
    """

    series: tuple[SeriesRef, ...]
    volumes: tuple[VolumeInfo, ...]
    records: tuple[FileRecord, ...]
    patterns: tuple[Pattern, ...] = ()

    def refused(self, series: SeriesRef) -> tuple[FileRecord, ...]:
        """Files that cannot be used and are, or may be, of a series."""
        return self._refusals.of(series)

    @cached_property
    def _refusals(self) -> Refusals:
        return Refusals(self.records)

    @property
    def n_errors(self) -> int:
        """Number of files that look like CT and cannot be used."""
        return sum(record.action == "error" for record in self.records)


def take_inventory(
    root: Path,
    progress: Progress | None = None,
    *,
    repair_uids: bool = False,
    assume_hu: bool = False,
    hu_offset: float = 0.0,
) -> Inventory:
    """Examine every file at or below a path: headers, and the values of volumes.

    Args:
        root: A file or a folder.
        progress: Called with (done, total, what).
        repair_uids: Derive missing UIDs from the content instead of refusing the slices.
        assume_hu: Take the values for HU where a file does not say so.
        hu_offset: What must be added to the values of volumes to get HU.

    Raises:
        DataError: The root does not exist.
    """
    found = scan(root, progress, repair_uids=repair_uids, assume_hu=assume_hu)
    volumes = find_volumes(found.records, progress, hu_offset=hu_offset, assume_hu=assume_hu)
    return Inventory(found.series, volumes.of_ct, volumes.records, find_patterns(found.series))


def part_words(one: SeriesRef, patients: dict[str, int]) -> dict[str, str]:
    """Return the attributes that distinguish a series from others of its UID, by keyword.

    Args:
        one: The series.
        patients: As :func:`patient_numbers` numbers them: a patient is never named.
    """
    found = {}
    for keyword in one.part:
        value = one.marks[keyword]
        shown = public_uid(value) if "UID" in keyword else value
        found[keyword] = str(patients[value]) if keyword == "Patient" else shown
    return found


def patient_numbers(series: Iterable[SeriesRef]) -> dict[str, int]:
    """Number the patients who share a SeriesInstanceUID with others, in order of appearance."""
    met = dict.fromkeys(one.marks["Patient"] for one in series if "Patient" in one.part)
    return {mark: number for number, mark in enumerate(met, start=1)}


def dose_hints(series: SeriesRef) -> tuple[str, ...]:
    """Describe the dose hints in a series' header and name; never used in computations.

    Simulated low-dose series often carry the tube current of the full dose.
    """
    facts = series.facts
    found = (
        f"CTDIvol {short_number(facts['CTDIvol'])} mGy" if facts.get("CTDIvol") else "",
        _milliampere_seconds(facts),
        f"modulation {facts['ExposureModulationType']}" if facts.get("ExposureModulationType") else "",
        *(
            _fraction(what, text)
            for what, text in (("description", series.description), ("folder", series.directory.name))
        ),
    )
    return tuple(hint for hint in found if hint)


def _fraction(what: str, text: str) -> str:
    """Describe a dose found in a name, with the name, so that a misreading is visible."""
    fraction = dose_hint(text)
    return "" if fraction is None else f"{100 * fraction:g} % dose ({what} {text!r})"


def short_number(number: str) -> str:
    """Round a number to four digits; other text is returned unchanged."""
    try:
        return f"{float(number):.4g}"
    except ValueError:
        return number


def _milliampere_seconds(facts: dict[str, str]) -> str:
    """Exposure, or tube current times ExposureTime (ms)."""
    if facts.get("Exposure"):
        return f"{short_number(facts['Exposure'])} mAs"
    try:
        product_mas = float(facts["XRayTubeCurrent"]) * float(facts["ExposureTime"]) / 1000
    except (KeyError, ValueError):
        current = facts.get("XRayTubeCurrent")
        return f"{short_number(current)} mA" if current else ""
    return f"{product_mas:.4g} mAs"
