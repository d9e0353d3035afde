"""Derived slices of a series that lie where it went before, but does not go any more.

A series' place depends on its neighbours: it moves to a folder of its own when another series or volume comes into its
folder or below it, and a part of a UID is named after its first slice. What an earlier run wrote stays in the old
place and is told, never removed: archives would take both, with the same UIDs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from itertools import chain
from pathlib import Path

from n2b_ct.batch.outcomes import Outcome
from n2b_ct.batch.places import PART_FOLDERS, mirrored_dir
from n2b_ct.io.dicom.derived_series import folder_contents, slice_names
from n2b_ct.io.dicom.uids import INSTANCE_CREATOR_UID, SIMULATION_CREATOR_UID
from n2b_ct.io.series import SeriesRef

_CREATORS = frozenset((INSTANCE_CREATOR_UID, SIMULATION_CREATOR_UID))
_Key = tuple[str, ...]
"""Series, patient and slice that a file was derived from: parts share all but the last."""


def with_left_behind(
    outcomes: Sequence[Outcome], series_at: Mapping[Path, SeriesRef], source: Path, outputs: Sequence[Path]
) -> tuple[Outcome, ...]:
    """Say with the outcome of every series where older output of it lies.

    Args:
        outcomes: Of all that was done.
        series_at: The series by their places.
        source: What was scanned.
        outputs: Where its mirrors are.
    """
    former = _FormerPlaces(frozenset(series_at))
    told = []
    for one in outcomes:
        series = series_at.get(one.output)
        old = former.of(series, source, one.output, outputs) if series and one.status != "failed" else None
        told.append(one if old is None else _with_place(one, old))
    return tuple(told)


def _with_place(outcome: Outcome, old: Path) -> Outcome:
    words = f"older output of it lies in {old}: take it away"
    detail = f"{outcome.detail}; {words}" if outcome.detail else words
    return replace(outcome, problems=(*outcome.problems, "output_left_behind"), detail=detail)


class _FormerPlaces:
    """Looks for older output beside and above the places of series, once in every folder."""

    def __init__(self, places: Set[Path]) -> None:
        self._places = places
        self._found: dict[Path, dict[_Key, Path]] = {}

    def of(self, series: SeriesRef, source: Path, place: Path, outputs: Sequence[Path]) -> Path | None:
        """The nearest folder that holds older output of a series."""
        output = next(one for one in outputs if one == place or one in place.parents)
        home = mirrored_dir(series, source, output)
        around = [one for one in (home, *home.parents) if one == output or output in one.parents]
        keys = [(series.series_instance_uid, series.patient_key, one.sop_instance_uid) for one in series.instances]
        found = chain(map(self._around, around), map(_lying_in, self._below(series, home)))
        return next((old[key] for old in found for key in keys if key in old), None)

    def _below(self, series: SeriesRef, home: Path) -> list[Path]:
        """The folders that the slices of a series would have in a place that was its own: frames have one a file."""
        if home in self._places:
            return []
        below = {home / name.parent for name in slice_names(series).values()} - {home}
        return sorted(below - self._places)

    def _around(self, folder: Path) -> dict[_Key, Path]:
        """The old place of each slice that has one in a folder, or in one that no series goes to any more below it."""
        if folder not in self._found:
            old = {} if folder in self._places else _lying_in(folder, with_folders=False)
            for beside in sorted(folder.glob(PART_FOLDERS)):
                if beside not in self._places:
                    old = {**_lying_in(beside), **old}
            self._found[folder] = old
        return self._found[folder]


def _lying_in(folder: Path, *, with_folders: bool = True) -> dict[_Key, Path]:
    """The slices of which a folder holds derived ones."""
    if not folder.is_dir():
        return {}
    files = folder_contents(folder, with_folders=with_folders)
    ours = [one for one in files if one.creator_uid in _CREATORS]
    return {(one.source_series_uid, one.patient_key, *one.source[:1]): folder for one in ours}
