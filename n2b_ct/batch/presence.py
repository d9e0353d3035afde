"""What lies in the place of an output: nothing, what this run would make, an older output of the same input, or more.

That something is there proves nothing. A derived series proves itself by its UIDs, which follow from source, weights
and options; a volume or image by the record beside it. Only what this run would make is kept, and only n2b-ct's own
output of the same input is ever replaced without being asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from n2b_ct.batch.outcomes import Outcome
from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.dicom.ct_reader import read_slices
from n2b_ct.io.dicom.derived_series import FoundFile, derived_uids, folder_contents, slice_names
from n2b_ct.io.dicom.writing.derivation import Derivation, SeriesContext
from n2b_ct.io.output_records import (
    OutputRecord,
    Provenance,
    file_digests,
    file_suffix,
    read_records,
    write_final_record,
)
from n2b_ct.io.series import FileRecord, SeriesRef

State = Literal["absent", "present", "outdated", "foreign"]

_CHANGED = {"input": "its input has changed since", "model": "it was of another model"}
_OTHERWISE = "it was of another strength, option or version"


@dataclass(frozen=True, slots=True)
class Presence:
    """What lies in the place of one output.

    Attributes:
        place: The place.
        state: ``absent``; ``present``, what this run would make; ``outdated``, n2b-ct's own of the same input, but
            another; ``foreign``, anything else among it.
        why: What makes it outdated, or the first foreign file and how many there are.
        n_slices: Slices of a series that are there and are right.
        lacks: Files of a series that are not there, where nothing else is wrong.
    """

    place: Path
    state: State
    why: str = ""
    n_slices: int = 0
    lacks: frozenset[Path] = frozenset()

    def require_ours(self, kind: str) -> None:
        """Refuse to touch what is not n2b-ct's own output of the same input.

        Raises:
            SeriesError: ``output_foreign``.
        """
        if self.state == "foreign":
            requirement = f"must hold nothing but what n2b-ct makes of this {kind}"
            remedy = "move it away, or pass --overwrite"
            raise SeriesError("output_foreign", explain(f"output {self.place}", requirement, self.why, remedy))

    def note(self, outcome: Outcome) -> Outcome:
        """Say with what was made that it was made again, and why."""
        if self.state != "outdated" or outcome.status != "done":
            return outcome
        problems = (*outcome.problems, "output_replaced")
        return replace(outcome, problems=problems, detail=f"made again: {self.why}")


def together(found: Sequence[Presence]) -> Presence:
    """Sum up the places of one input, the output's first: all are kept, or all are made again."""
    states = {one.state for one in found}
    for state in ("foreign", "outdated"):
        if state in states:
            first = next(one for one in found if one.state == state)
            is_alike = len({(one.state, one.lacks) for one in found}) == 1
            return first if is_alike else replace(first, lacks=frozenset())
    if len(states) == 1:
        return found[0]
    absent = next(one for one in found if one.state == "absent")
    return Presence(absent.place, "outdated", f"{absent.place.name} was missing")


def series_presence(place: Path, series: SeriesRef, derivation: Derivation) -> Presence:
    """Compare what lies in a folder with what a derivation makes of a series."""
    contents, wanted = folder_contents(place), derived_uids(series, derivation)
    own_uids, creator_uid = frozenset(wanted.values()), derivation.operation.creator_uid
    foreign = [one.name for one in contents if not _is_own(one, series, creator_uid, own_uids)]
    if foreign:
        return Presence(place, "foreign", _first_of(foreign))
    if not contents:
        return Presence(place, "absent")
    right = {one.name for one in contents if one.is_whole and wanted.get(one.name) == one.sop_instance_uid}
    series_uid = SeriesContext.of(series, derivation).derived_series_uid
    is_pure = len(right) == len(contents) and all(one.series_instance_uid == series_uid for one in contents)
    lacks = frozenset(wanted.keys() - right) if is_pure else frozenset()
    if is_pure and not lacks:
        return Presence(place, "present", n_slices=len(right))
    return Presence(place, "outdated", _what_differs(len(right), contents, wanted, derivation), len(right), lacks)


def unreadable_rest(found: Presence, series: SeriesRef) -> list[FileRecord]:
    """Record the slices that a place lacks, if reading refuses every one of them; none if one of them can be read."""
    names = slice_names(series)
    lacking = [one for one in series.instances if names[str(one.path), one.frame_number] in found.lacks]
    records: list[FileRecord] = []
    for instance, outcome in zip(lacking, read_slices(lacking), strict=True):
        if not isinstance(outcome, SeriesError):
            return []
        records.append(FileRecord.refusal(instance.path, outcome, series))
    return records


def recorded_presence(paths: Sequence[Path], made_of: Provenance) -> Presence:
    """Compare an output that cannot carry a UID with its record.

    Args:
        paths: All its files, the one that it is called by first.
        made_of: What decides the bytes of the output that is wanted.
    """
    place = paths[0]
    files, entries = file_digests(place, paths), read_records(place)
    if not files:
        return Presence(place, "absent")
    foreign = [path for path in paths if not _is_recorded(place, path, files, entries)]
    if foreign:
        return Presence(place, "foreign", _first_of([path.relative_to(place.parent) for path in foreign]))
    whole = [one for one in entries if one.files == files]
    if any(one.made_of == made_of for one in whole):
        write_final_record(place, OutputRecord(made_of, files))
        return Presence(place, "present")
    if not whole:
        return Presence(place, "outdated", "not all of its files were there")
    changed = [key for key in made_of if whole[-1].made_of.get(key) != made_of[key]]
    return Presence(place, "outdated", next((_CHANGED[key] for key in changed if key in _CHANGED), _OTHERWISE))


def _is_own(file: FoundFile, series: SeriesRef, creator_uid: str, own_uids: Set[str]) -> bool:
    """Whether n2b-ct made a file of this very series and patient, whatever the model and the options."""
    of_patient = file.patient_key in ("", series.patient_key)
    of_series = file.sop_instance_uid in own_uids or file.source_series_uid == series.series_instance_uid
    return file.creator_uid == creator_uid and of_patient and of_series


def _is_recorded(place: Path, path: Path, files: Mapping[str, str], entries: Sequence[OutputRecord]) -> bool:
    """Whether a file is absent, or as some run wrote it."""
    own = file_suffix(place, path.name)
    return own not in files or any(one.files.get(own) == files[own] for one in entries)


def _first_of(foreign: Sequence[Path]) -> str:
    others = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
    return f"{foreign[0]}{others}"


def _what_differs(
    n_right: int, contents: Sequence[FoundFile], wanted: Mapping[Path, str], derivation: Derivation
) -> str:
    """Tell another model from other slices: what of these the input holds no longer was made as this run would."""
    own_uids = frozenset(wanted.values())
    others = [one for one in contents if one.sop_instance_uid not in own_uids]
    n_gone = sum(one.sop_instance_uid == derivation.uid("instance", *one.source) for one in others)
    if len(others) == len(contents) and not n_gone:
        return "it was of another model, strength, option or version"
    gone = f", and {n_gone} that the input no longer holds" if n_gone else ""
    return f"{n_right} of {len(wanted)} slices were there as they should be{gone}"
