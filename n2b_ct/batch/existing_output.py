"""Outputs that exist before a run: up to date, outdated, foreign or stale.

That a file exists proves nothing. A derived series proves itself by its UIDs, which follow from source, weights and
options; a volume or image by the record beside it. Only what this run would write is kept, and only n2b-ct's own output
of the same input is replaced without ``--overwrite``.

The path of a series depends on its neighbours: it gets a folder of its own when another series or volume comes into its
folder or below it, and one of several series of a UID is named after its first slice. Output of an earlier run stays at
the old path, stale; it is reported, never removed. An archive would take both, with the same UIDs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal

from n2b_ct.batch.outcomes import Outcome
from n2b_ct.batch.output_paths import PART_FOLDERS, mirrored_dir
from n2b_ct.batch.run_options import IfPresent
from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.dicom.ct_reader import read_slices
from n2b_ct.io.dicom.derived_series import FileOrigin, derived_uids, folder_contents, slice_names
from n2b_ct.io.dicom.elements import INSTANCE_CREATOR_UID, SIMULATION_CREATOR_UID
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
_CREATORS = frozenset((INSTANCE_CREATOR_UID, SIMULATION_CREATOR_UID))
_Key = tuple[str, ...]
"""Series, patient and slice that a file was derived from."""


@dataclass(frozen=True, slots=True)
class ExistingOutput:
    """What exists at the path of one output.

    Attributes:
        path: Of the output.
        state: ``absent``; ``present``, what this run would write; ``outdated``, other output that n2b-ct made of the
            same input; ``foreign``, anything else among it.
        why: What makes it outdated, or the first foreign file and how many there are.
        n_slices: Slices of a series that are up to date.
        missing: Files of a series that do not exist, where all others are up to date.
    """

    path: Path
    state: State
    why: str = ""
    n_slices: int = 0
    missing: frozenset[Path] = frozenset()

    def require_own(self, kind: str) -> None:
        """Refuse to touch what is not n2b-ct's own output of the same input.

        Raises:
            SeriesError: ``output_foreign``.
        """
        if self.state == "foreign":
            requirement = f"must hold nothing but what n2b-ct makes of this {kind}"
            remedy = "move it away, or pass overwrite=True"
            raise SeriesError("output_foreign", explain(f"output {self.path}", requirement, self.why, remedy))

    def annotate(self, outcome: Outcome) -> Outcome:
        """Return the outcome with the problem ``output_replaced`` and the reason, where this was replaced."""
        if self.state != "outdated" or outcome.status != "done":
            return outcome
        problems = (*outcome.problems, "output_replaced")
        return replace(outcome, problems=problems, detail=f"made again: {self.why}")

    def may_be_replaced(self, if_present: IfPresent) -> bool:
        """Return whether a run may replace it: n2b-ct's own older output, or anything where that was asked for."""
        return if_present == "replace" or self.state == "outdated"


def existing_for_resume(if_present: IfPresent, find: Callable[[], ExistingOutput], path: Path) -> ExistingOutput:
    """Return what ``find`` does where the run resumes, else ``absent``: other runs have no use for it."""
    return find() if if_present == "skip" else ExistingOutput(path, "absent")


def combined(found: Sequence[ExistingOutput]) -> ExistingOutput:
    """Return one state for the outputs of one input, the main one first: all are kept, or all are written again."""
    states = {one.state for one in found}
    for state in ("foreign", "outdated"):
        if state in states:
            first = next(one for one in found if one.state == state)
            is_alike = len({(one.state, one.missing) for one in found}) == 1
            return first if is_alike else replace(first, missing=frozenset())
    if len(states) == 1:
        return found[0]
    absent = next(one for one in found if one.state == "absent")
    return ExistingOutput(absent.path, "outdated", f"{absent.path.name} was missing")


def existing_series(path: Path, series: SeriesRef, derivation: Derivation) -> ExistingOutput:
    """Compare the files of a folder with what a derivation makes of a series."""
    contents, wanted = folder_contents(path), derived_uids(series, derivation)
    own_uids, creator_uid = frozenset(wanted.values()), derivation.operation.creator_uid
    foreign = [one.name for one in contents if not _is_own(one, series, creator_uid, own_uids)]
    if foreign:
        return ExistingOutput(path, "foreign", _first_of(foreign))
    if not contents:
        return ExistingOutput(path, "absent")
    up_to_date = {one.name for one in contents if one.is_whole and wanted.get(one.name) == one.sop_instance_uid}
    series_uid = SeriesContext.of(series, derivation).derived_series_uid
    is_pure = len(up_to_date) == len(contents) and all(one.series_instance_uid == series_uid for one in contents)
    missing = frozenset(wanted.keys() - up_to_date) if is_pure else frozenset()
    if is_pure and not missing:
        return ExistingOutput(path, "present", n_slices=len(up_to_date))
    return ExistingOutput(
        path, "outdated", _what_differs(len(up_to_date), contents, wanted, derivation), len(up_to_date), missing
    )


def unreadable_missing(existing: ExistingOutput, series: SeriesRef) -> list[FileRecord]:
    """Return records of the slices that an output lacks if none of them can be read, else nothing."""
    if not existing.missing:
        return []
    names = slice_names(series)
    lacking = [one for one in series.instances if names[str(one.path), one.frame_number] in existing.missing]
    records: list[FileRecord] = []
    for instance, outcome in zip(lacking, read_slices(lacking), strict=True):
        if not isinstance(outcome, SeriesError):
            return []
        records.append(FileRecord.refusal(instance.path, outcome, series))
    return records


def existing_files(paths: Sequence[Path], made_of: Provenance) -> ExistingOutput:
    """Compare the files of an output that cannot carry a UID with its record.

    Args:
        paths: All its files, the output's own path first.
        made_of: Provenance of the output that this run would write.
    """
    path = paths[0]
    files, records = file_digests(path, paths), read_records(path)
    if not files:
        return ExistingOutput(path, "absent")
    foreign = [one for one in paths if not _is_recorded(path, one, files, records)]
    if foreign:
        return ExistingOutput(path, "foreign", _first_of([one.relative_to(path.parent) for one in foreign]))
    whole = [one for one in records if one.files == files]
    if any(one.made_of == made_of for one in whole):
        write_final_record(path, OutputRecord(made_of, files))
        return ExistingOutput(path, "present")
    if not whole:
        return ExistingOutput(path, "outdated", "not all of its files were there")
    changed = [key for key in made_of if whole[-1].made_of.get(key) != made_of[key]]
    return ExistingOutput(path, "outdated", next((_CHANGED[key] for key in changed if key in _CHANGED), _OTHERWISE))


def with_stale_outputs(
    outcomes: Sequence[Outcome], series_at: Mapping[Path, SeriesRef], source: Path, outputs: Sequence[Path]
) -> tuple[Outcome, ...]:
    """Return the outcomes, each with the path of stale output of its series.

    Args:
        outcomes: Of the run.
        series_at: Series by output path.
        source: Scanned folder or file.
        outputs: Folders that mirror it.
    """
    stale = _StaleOutputs(frozenset(series_at))
    annotated = []
    for one in outcomes:
        series = series_at.get(one.output)
        old = stale.find(series, source, one.output, outputs) if series and one.status != "failed" else None
        annotated.append(one if old is None else _with_stale_path(one, old))
    return tuple(annotated)


def _is_own(file: FileOrigin, series: SeriesRef, creator_uid: str, own_uids: Set[str]) -> bool:
    """Whether n2b-ct made a file of this very series and patient, whatever the model and the options."""
    of_patient = file.patient_key in ("", series.patient_key)
    of_series = file.sop_instance_uid in own_uids or file.source_series_uid == series.series_instance_uid
    return file.creator_uid == creator_uid and of_patient and of_series


def _is_recorded(output: Path, path: Path, files: Mapping[str, str], records: Sequence[OutputRecord]) -> bool:
    """Whether a file does not exist, or is as some run wrote it."""
    suffix = file_suffix(output, path.name)
    return suffix not in files or any(one.files.get(suffix) == files[suffix] for one in records)


def _first_of(foreign: Sequence[Path]) -> str:
    others = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
    return f"{foreign[0]}{others}"


def _what_differs(
    n_up_to_date: int, contents: Sequence[FileOrigin], wanted: Mapping[Path, str], derivation: Derivation
) -> str:
    """Return the reason: other options, or other slices, of which the input may no longer hold some."""
    own_uids = frozenset(wanted.values())
    others = [one for one in contents if one.sop_instance_uid not in own_uids]
    n_gone = sum(one.sop_instance_uid == derivation.uid("instance", *one.source) for one in others)
    if len(others) == len(contents) and not n_gone:
        return "it was of another model, strength, option or version"
    gone = f", and {n_gone} that the input no longer holds" if n_gone else ""
    return f"{n_up_to_date} of {len(wanted)} slices were there as they should be{gone}"


def _with_stale_path(outcome: Outcome, old: Path) -> Outcome:
    words = f"older output of it lies in {old}: take it away"
    detail = f"{outcome.detail}; {words}" if outcome.detail else words
    return replace(outcome, problems=(*outcome.problems, "stale_output"), detail=detail)


class _StaleOutputs:
    """Looks for stale output beside and above the output paths of series, once in every folder."""

    def __init__(self, paths: Set[Path]) -> None:
        self._paths = paths
        self._found: dict[Path, dict[_Key, Path]] = {}

    def find(self, series: SeriesRef, source: Path, path: Path, outputs: Sequence[Path]) -> Path | None:
        """Return the nearest folder that holds stale output of a series, if any."""
        output = next(one for one in outputs if one == path or one in path.parents)
        home = mirrored_dir(series, source, output)
        around = [one for one in (home, *home.parents) if one == output or output in one.parents]
        keys = [(series.series_instance_uid, series.patient_key, one.sop_instance_uid) for one in series.instances]
        found = chain(map(self._stale_around, around), map(_derived_slices, self._below(series, home)))
        return next((old[key] for old in found for key in keys if key in old), None)

    def _below(self, series: SeriesRef, home: Path) -> list[Path]:
        """The folders of the slices if the series had ``home`` to itself: frames have one per file."""
        if home in self._paths:
            return []
        below = {home / name.parent for name in slice_names(series).values()} - {home}
        return sorted(below - self._paths)

    def _stale_around(self, folder: Path) -> dict[_Key, Path]:
        """Folder by slice of the stale output in a folder, or in one below it that is no longer an output path."""
        if folder not in self._found:
            old = {} if folder in self._paths else _derived_slices(folder, with_folders=False)
            for beside in sorted(folder.glob(PART_FOLDERS)):
                if beside not in self._paths:
                    old = {**_derived_slices(beside), **old}
            self._found[folder] = old
        return self._found[folder]


def _derived_slices(folder: Path, *, with_folders: bool = True) -> dict[_Key, Path]:
    """The folder by each slice of which it holds a derived one."""
    if not folder.is_dir():
        return {}
    files = folder_contents(folder, with_folders=with_folders)
    ours = [one for one in files if one.creator_uid in _CREATORS]
    return {(one.source_series_uid, one.patient_key, *one.source[:1]): folder for one in ours}
