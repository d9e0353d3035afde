"""What must hold for every file, however broken: one record, one clean line, no patient, whole output or none."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.fuzz.seeds import PATIENT
from n2b_ct.io.dicom.ct_reader import read_slice
from n2b_ct.io.dicom.reasons import ERRORS, SKIPS
from n2b_ct.io.series import CTSlice, FileRecord

_SECRETS = tuple(part.lower() for value in PATIENT.values() for part in (value, value.split("^")[0]))
_N_QUOTED_CHARACTERS = 300

Broken = dict[str, str]
"""What was broken: a problem code and the words that show it."""


def broken_by_scan(records: Sequence[FileRecord], paths: Iterable[Path]) -> Broken:
    """Name what a scan's records break; empty if all is well."""
    broken: Broken = {}
    if Counter(record.path for record in records) != Counter(paths):
        broken["records"] = f"{len(records)} records"
    for record in records:
        if not _is_known(record):
            broken["unknown_reason"] = f"{record.action}: {record.reason}"
    return broken | broken_by_words(*(record.detail for record in records), *(record.reason for record in records))


def broken_by_failure(target: Path, message: str) -> Broken:
    """Name what a derived series breaks that failed with this message."""
    return broken_by_words(message) | _leftovers(target) | ({"half_written": message} if target.exists() else {})


def broken_by_series(target: Path, read: Sequence[str]) -> Broken:
    """Name what a derived series breaks that should hold slices with these fingerprints."""
    broken = _leftovers(target)
    written = [fingerprint(read_slice(path)) for path in target.rglob("*") if path.is_file()]
    if len(written) != len(read):
        broken["half_written"] = f"{len(written)} of {len(read)}"
    elif sorted(written) != sorted(read):
        broken["changed_words"] = f"{len(set(written) - set(read))} of {len(read)}"
    return broken


def broken_by_words(*messages: str) -> Broken:
    """Name what is wrong with messages: several lines, control characters, a patient."""
    broken: Broken = {}
    for message in messages:
        if not message.isprintable():
            broken["unprintable"] = message[:_N_QUOTED_CHARACTERS]
        if names_patient(message):
            broken["leak"] = message[:_N_QUOTED_CHARACTERS]
    return broken


def names_patient(text: str) -> bool:
    """Say whether a text holds anything of the synthetic patient."""
    lowered = text.lower()
    return any(secret in lowered for secret in _SECRETS)


def fingerprint(ct_slice: CTSlice) -> str:
    """Digest a slice's HU and padding: equal if the words and the rescale are equal."""
    return hashlib.sha256(ct_slice.hu.tobytes() + ct_slice.is_padding.tobytes()).hexdigest()


def _is_known(record: FileRecord) -> bool:
    if record.action == "used":
        return record.reason == ""
    return record.reason in (SKIPS if record.action == "skipped" else ERRORS)


def _leftovers(target: Path) -> Broken:
    hidden = [path.name for path in target.parent.glob(".*")]
    return {"leftover": ", ".join(hidden)} if hidden else {}
