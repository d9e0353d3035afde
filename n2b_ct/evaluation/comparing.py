"""Folders that exist, made ready to be measured: whichever of input, reference and candidates there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.cases import CaseSource, Reading
from n2b_ct.evaluation.faults import Fault
from n2b_ct.evaluation.folders import FolderSeries, VolumeCache, find_folder
from n2b_ct.evaluation.pairing import Match, match
from n2b_ct.evaluation.report.measures import INPUT, REFERENCE, SliceCase
from n2b_ct.io.refusals import Inputs


@dataclass(frozen=True, slots=True)
class Compared:
    """What can be measured.

    Attributes:
        sources: Every slice of the anchor.
        anchor: What the others are held against: the input, else the reference, else the first candidate.
        problems: A line for each thing that was left out.
        inputs: The series of all folders, and the files that were refused.
    """

    sources: list[CaseSource]
    anchor: str
    problems: list[str]
    inputs: Inputs


def compare_folders(
    candidates: Mapping[str, Path],
    *,
    reference: Path | None = None,
    noisy_input: Path | None = None,
    dose: float | None = None,
    hu_offset: float = 0.0,
    assume_hu: bool = False,
    skip_bad_slices: bool = False,
) -> Compared:
    """Find the series of all folders and match them, slice by slice, by position.

    Args:
        candidates: Name to folder or file.
        reference: The normal-dose folder or file.
        noisy_input: The low-dose folder or file that the candidates were made from.
        dose: Dose fraction of the input, if known.
        hu_offset: What must be added to volumes' values to get HU.
        assume_hu: Take values for HU where a file does not say so.
        skip_bad_slices: Leave out slices that cannot be used; by default one of them fails its series.

    Raises:
        DataError: There is no candidate, or the anchor's folder holds nothing that can be used, or no candidate has
            a series to compare.
    """
    given = {INPUT: noisy_input, REFERENCE: reference, **candidates}
    named = {name: path for name, path in given.items() if path is not None}
    if not candidates:
        raise DataError(explain("candidates", "at least one is needed", "none", "pass --candidate NAME=DIR"))
    shelf = VolumeCache(len(named), hu_offset, assume_hu)
    anchor = next(iter(named))
    own = find_folder(anchor, named[anchor], shelf, skip_bad_slices=skip_bad_slices)
    if not own.series:
        raise DataError("\n".join(own.problems))
    series, problems, inputs = own.series, list(own.problems), own.inputs
    others: dict[str, list[FolderSeries]] = {}
    for name in list(named)[1:]:
        try:
            content = find_folder(name, named[name], shelf, skip_bad_slices=skip_bad_slices)
        except DataError as error:
            problems += str(error).splitlines()
            continue
        problems += content.problems
        inputs = inputs.joined(content.inputs)
        others |= {name: content.series} if content.series else {}
    sources: list[CaseSource] = []
    for one in series:
        matches, lines = _matches(one, others, len(series))
        problems += lines
        if anchor in candidates or set(matches) & set(candidates):
            sources += _sources(one, matches, anchor, dose)
    if not sources:
        raise DataError("\n".join(problems))
    return Compared(sources, anchor, problems, inputs)


def _matches(
    anchor: FolderSeries, others: Mapping[str, Sequence[FolderSeries]], n_anchors: int
) -> tuple[dict[str, Match], list[str]]:
    found: dict[str, Match] = {}
    problems: list[str] = []
    for name, offered in others.items():
        matched, lines = match(name, anchor, offered, n_anchors)
        problems += lines
        if matched:
            found[name] = matched
    return found, problems


def _sources(series: FolderSeries, matches: Mapping[str, Match], anchor: str, dose: float | None) -> list[CaseSource]:
    return [
        CaseSource(series.name, index, dose, series.pixel_mm, partial(_read, series, index, matches, anchor, dose))
        for index in range(len(series.positions_mm))
    ]


def _read(series: FolderSeries, index: int, matches: Mapping[str, Match], anchor: str, dose: float | None) -> Reading:
    faults: list[Fault] = []

    def attempt(name: str, read: Callable[[], np.ndarray]) -> np.ndarray | None:
        try:
            return read()
        except DataError as error:
            faults.append(Fault(series.name, index, name, "must be readable", str(error), "left out"))
            return None

    own = series.read(index)
    read = {
        name: attempt(name, partial(m.series.read, m.places[index])) for name, m in matches.items() if index in m.places
    }
    slices = {anchor: own} | {name: hu for name, hu in read.items() if hu is not None}
    case = SliceCase(
        series=series.name,
        dose=dose,
        slice_index=index,
        position_mm=series.positions_mm[index],
        input_hu=own,
        reference_hu=slices.get(REFERENCE),
        candidates={name: hu for name, hu in slices.items() if name not in (INPUT, REFERENCE)},
        pixel_mm=series.pixel_mm,
        anchor=anchor,
    )
    return case, faults
