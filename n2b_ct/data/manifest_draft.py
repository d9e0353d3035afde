"""Draft a manifest for a DICOM tree: series are found and roles proposed, for review."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from n2b_ct.errors import DataError, explain
from n2b_ct.io.series import SeriesRef, parent_folders
from n2b_ct.io.volumes import VolumeInfo

_DOSE_WORDS = (
    (re.compile(r"(?<![\d.])(\d{1,2}(?:\.\d+)?)\s*(?:%|percent|pct)", re.IGNORECASE), None),
    (re.compile(r"\bquarter\b|\bQD\b", re.IGNORECASE), 0.25),
    (re.compile(r"\bhalf\b", re.IGNORECASE), 0.5),
    (re.compile(r"\bfull\b|\bFD\b|normal.?dose|routine.?dose", re.IGNORECASE), 1.0),
)

_N_DIGEST_MIN = 2


def draft_manifest(
    series: Sequence[SeriesRef],
    root: Path,
    name: str,
    volumes: Sequence[VolumeInfo] = (),
    *,
    hu_offset: float = 0.0,
) -> dict[str, Any]:
    """Return found series and volumes as a manifest, plain values for YAML.

    A series is identified by its folder, by its SeriesInstanceUID where it shares the folder, and by the distinguishing
    attributes where several series share the UID. Doses are read
    from SeriesDescription and folder names, never from tube current; series with a dose below 1 are proposed as noisy,
    the others as clean.

    Args:
        series: Found series.
        root: The folder; paths are relative to it.
        name: The manifest's.
        volumes: Found volumes of CT.
        hu_offset: What was added to the values of volumes.

    Raises:
        DataError: There is neither series nor volume.
    """
    if not series and not volumes:
        raise DataError(explain(f"folder {root}", "must hold at least one CT series", 0, "see n2b-ct inspect"))
    described = zip(series, selectors(series), strict=True)
    entries = {f"series_{number}": _entry(one, where, root) for number, (one, where) in enumerate(described, start=1)}
    entries |= {f"volume_{number}": _volume_entry(one, root, hu_offset) for number, one in enumerate(volumes, start=1)}
    noisy = [key for key, entry in entries.items() if (entry.get("dose") or 1.0) < 1.0]
    return {
        "format": 1,
        "name": name,
        "title": "",
        "licence": "",
        "source": "",
        "order": "position",
        "shared_patient": "",
        "series": entries,
        "splits": {
            "default": {
                "rule": "series",
                "clean": [key for key in entries if key not in noisy],
                "noisy": noisy,
                "validation": [],
                "test": [],
            }
        },
        "default_split": "default",
    }


def dose_hint(text: str) -> float | None:
    """Read a dose fraction from words such as "25 %", "quarter" or "FULL"; None where there is none.

    A bare 5, 10, 25 or 50 at the end counts too, as the piglet set writes it.
    """
    for pattern, dose in _DOSE_WORDS:
        if match := pattern.search(text):
            return dose if dose is not None else float(match[1]) / 100
    if match := re.search(r"(?:^|\s)(5|10|25|50)$", text.strip()):
        return int(match[1]) / 100
    return None


def selectors(series: Sequence[SeriesRef]) -> list[dict[str, str]]:
    """Return for every series the header patterns that identify it in its folder; none where it is alone there."""
    n_below = Counter(folder for one in series for folder in _folders_above(one))
    patients: dict[str, set[str]] = defaultdict(set)
    for one in series:
        if "Patient" in one.part:
            patients[one.series_instance_uid].add(one.marks["Patient"])
    n_characters = {uid: _n_telling_apart(keys) for uid, keys in patients.items()}
    return [
        _selector(one, n_characters.get(one.series_instance_uid, 0)) if n_below[one.shared_directory] > 1 else {}
        for one in series
    ]


def _folders_above(one: SeriesRef) -> set[Path]:
    """Return every folder with slices of a series."""
    return parent_folders(one.directories) | one.directories


def _selector(one: SeriesRef, n_characters: int) -> dict[str, str]:
    where = {"SeriesInstanceUID": f"^{re.escape(one.series_instance_uid)}$"}
    for keyword in one.part:
        value = one.marks[keyword]
        where[keyword] = f"^{value[:n_characters]}" if keyword == "Patient" else f"^{re.escape(value)}$"
    return where


def _n_telling_apart(keys: set[str]) -> int:
    """Return how many leading characters distinguish the digests: few, so that IDs cannot be found by brute force."""
    return next(n for n in range(_N_DIGEST_MIN, max(map(len, keys)) + 1) if len({key[:n] for key in keys}) == len(keys))


def _entry(one: SeriesRef, where: dict[str, str], root: Path) -> dict[str, Any]:
    folder = one.shared_directory
    entry: dict[str, Any] = {"path": folder.relative_to(root).as_posix()}
    if where:
        entry["where"] = where
    dose = dose_hint(one.description)
    if dose is None:
        dose = dose_hint(folder.name)
    if dose is not None:
        entry["dose"] = dose
    if "repaired_uids" in one.problems:
        entry["repair_uids"] = True
    if "assumed_hu" in one.problems:
        entry["assume_hu"] = True
    return entry


def _volume_entry(one: VolumeInfo, root: Path, hu_offset: float) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": one.path.relative_to(root).as_posix()}
    hints = (dose_hint(one.path.name.split(".")[0]), dose_hint(one.path.parent.name))
    dose = next((hint for hint in hints if hint is not None), None)
    if dose is not None:
        entry["dose"] = dose
    if hu_offset:
        entry["hu_offset"] = hu_offset
    if "maybe_not_hu" in one.problems:
        entry["assume_hu"] = True
    return entry
