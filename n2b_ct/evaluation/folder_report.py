"""A report on existing folders from any software, with whichever of input, reference and candidates exist."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from n2b_ct.config.arguments import checked_arguments
from n2b_ct.config.sections import ReportSection
from n2b_ct.errors import ConfigError, DataError, explain
from n2b_ct.evaluation.assemble import assemble
from n2b_ct.evaluation.cases import INPUT, REFERENCE, CaseSource, Fault, Reading, SliceCase
from n2b_ct.evaluation.ct_baselines import chosen_baselines, denoise_slice
from n2b_ct.evaluation.folders import FolderSeries, VolumeCache, find_folder
from n2b_ct.evaluation.measuring import MeasurementOptions, measure_sources
from n2b_ct.evaluation.pairing import Match, match
from n2b_ct.evaluation.report.document import Provenance
from n2b_ct.evaluation.report.writer import require_free_place, write_report
from n2b_ct.evaluation.summary import Summary
from n2b_ct.filters.baselines import Baseline
from n2b_ct.hu import WINDOWS, Window
from n2b_ct.io.progress import Progress
from n2b_ct.io.series import Inputs


@dataclass(frozen=True, slots=True)
class Compared:
    """What can be measured.

    Attributes:
        sources: Every slice of the anchor.
        anchor: What the others are compared with: the input, else the reference, else the first candidate.
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
    patient_folders: bool = False,
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
        patient_folders: Each folder or file just below a given folder is of a patient of its own.

    Raises:
        DataError: There is no candidate, or the anchor's folder holds nothing that can be used, or no candidate has
            a series to compare.
    """
    given = {INPUT: noisy_input, REFERENCE: reference, **candidates}
    named = {name: path for name, path in given.items() if path is not None}
    if not candidates:
        raise DataError(explain("candidates", "at least one is needed", "none", "pass candidates={NAME: DIR}"))
    cache = VolumeCache(len(named), hu_offset, assume_hu)
    anchor = next(iter(named))
    own = find_folder(anchor, named[anchor], cache, skip_bad_slices=skip_bad_slices)
    if not own.series:
        raise DataError("\n".join(own.problems))
    series, problems, inputs = own.series, list(own.problems), own.inputs
    others: dict[str, list[FolderSeries]] = {}
    for name in list(named)[1:]:
        try:
            content = find_folder(name, named[name], cache, skip_bad_slices=skip_bad_slices)
        except DataError as error:
            problems += str(error).splitlines()
            continue
        problems += content.problems
        inputs = inputs.merged(content.inputs)
        others |= {name: content.series} if content.series else {}
    sources: list[CaseSource] = []
    for one in series:
        matches, lines = _matches(one, others, len(series))
        problems += lines
        if anchor in candidates or set(matches) & set(candidates):
            sources += _sources(one, matches, anchor, dose, _patient(one, matches, by_folder=patient_folders))
    if not sources:
        raise DataError("\n".join(problems))
    return Compared(sources, anchor, problems, inputs)


def _matches(
    anchor: FolderSeries, others: Mapping[str, Sequence[FolderSeries]], n_anchors: int
) -> tuple[dict[str, Match], list[str]]:
    found: dict[str, Match] = {}
    problems: list[str] = []
    for name, others_of_name in others.items():
        matched, lines = match(name, anchor, others_of_name, n_anchors)
        problems += lines
        if matched:
            found[name] = matched
    return found, problems


def _patient(anchor: FolderSeries, matches: Mapping[str, Match], *, by_folder: bool) -> str:
    """What series of one patient share: their folder, else a digest that the anchor or a counterpart has."""
    if by_folder:
        return f"folder:{anchor.folder.split('/')[0]}"
    every = (anchor, *(found.series for found in matches.values()))
    return next((one.patient_key for one in every if one.patient_key), "")


def _sources(
    series: FolderSeries, matches: Mapping[str, Match], anchor: str, dose: float | None, patient_key: str
) -> list[CaseSource]:
    return [
        CaseSource(
            series.name,
            index,
            dose,
            series.pixel_mm,
            partial(_read, series, index, matches, anchor, dose),
            patient_key,
        )
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
        name: attempt(name, partial(m.series.read, m.indices[index]))
        for name, m in matches.items()
        if index in m.indices
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


@checked_arguments()
def evaluate(
    candidates: Mapping[str, str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    reference: str | os.PathLike[str] | None = None,
    noisy_input: str | os.PathLike[str] | None = None,
    windows: Sequence[str] | None = None,
    baselines: Sequence[str] | None = None,
    dose: float | None = None,
    volume_offset_hu: float = 0.0,
    assume_hu: bool = False,
    skip_bad_slices: bool = False,
    noise_free_reference: bool = False,
    patient_folders: bool = False,
    panels_per_series: int = 3,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> Summary:
    """Compare existing folders from any software; write HTML, JSON, CSV and figures.

    Slices are matched by their position in the patient. What cannot be compared is left out and listed in
    ``Summary.physics.problems``; what cannot be measured without a reference or an input in ``dropped``.

    Args:
        candidates: Name to a folder or file: DICOM series, NIfTI, NRRD or MetaImage volumes.
        out: The report's folder.
        reference: The normal-dose folder or file.
        noisy_input: The low-dose folder or file that the candidates were made from: for noise reduction, residual and
            paired tests, and for the baselines.
        windows: Names of the windows, the leading one first; all of them where None.
        baselines: Denoisers without training, made of the input; the quick ones where None and there is an input.
        dose: Dose fraction of the input, if known.
        volume_offset_hu: What must be added to volumes' values to get HU.
        assume_hu: Take values for HU where a file does not say so.
        skip_bad_slices: Leave out slices that cannot be used; by default one of them fails its series.
        noise_free_reference: The reference is simulated truth without noise.
        patient_folders: Each folder or file just below a given folder is of a patient of its own; by default series
            with one PatientID are of one patient, and those without it count as one.
        panels_per_series: Slices of each series that are shown.
        overwrite: Replace a report that is there.
        command: The command line, to be printed in the report.
        progress: Called with (slices done, all slices, series).

    Returns:
        The numbers of the report: by method and window.

    Raises:
        ConfigError: A name is reserved, or a window or a baseline is unknown.
        DataError: Nothing can be compared; one line for each reason.
        OutputError: The report's folder is in use.

    Examples:
        >>> import n2b_ct as n2b
        >>> _ = n2b.denoise("data/noisy", "denoised", model="runs/abdomen")
        >>> summary = n2b.evaluate({"n2b": "denoised"}, "comparison", reference="data/full", windows=["abdomen"])
        >>> summary.roles
        {'n2b': 'model', 'reference': 'reference'}
    """
    folders, out = {name: Path(path) for name, path in candidates.items()}, Path(out)
    reference = None if reference is None else Path(reference)
    noisy_input = None if noisy_input is None else Path(noisy_input)
    shown = _windows(windows)
    _require_names(folders)
    require_free_place(out, overwrite)
    chosen = _baselines(baselines, folders, noisy_input)
    compared = compare_folders(
        folders,
        reference=reference,
        noisy_input=noisy_input,
        dose=dose,
        hu_offset=volume_offset_hu,
        assume_hu=assume_hu,
        skip_bad_slices=skip_bad_slices,
        patient_folders=patient_folders,
    )
    denoisers = {name: partial(denoise_slice, baseline) for name, baseline in chosen.items()}
    how = MeasurementOptions(shown, panels_per_series, noise_free_reference, reference_dose=1.0)
    measured = measure_sources(compared.sources, denoisers, how, progress, inserting=False)
    summary = assemble(
        measured, how, chosen, anchor=compared.anchor, problems=compared.problems, inputs=compared.inputs
    )
    write_report(out, summary, measured.panels, _provenance(folders, command), overwrite)
    return summary


def _baselines(
    names: Sequence[str] | None, candidates: Mapping[str, Path], noisy_input: Path | None
) -> dict[str, Baseline]:
    wanted = ReportSection().baselines if names is None else names
    chosen = chosen_baselines(wanted, candidates) if noisy_input or names else {}
    if chosen and noisy_input is None:
        raise ConfigError(explain("baselines", "needs the noisy input", "none", "pass noisy_input=DIR"))
    return chosen


def _provenance(candidates: Mapping[str, Path], command: str) -> Provenance:
    return Provenance(
        title="Comparison of folders",
        methods=dict.fromkeys(candidates, "A folder that was given; how it was made is not known here"),
        commands=(command,) if command else (),
    )


def _windows(names: Sequence[str] | None) -> dict[str, Window]:
    if unknown := [name for name in names or () if name not in WINDOWS]:
        got = ", ".join(unknown)
        raise ConfigError(explain("windows", f"must be among {', '.join(WINDOWS)}", got, "choose one of them"))
    return {name: WINDOWS[name] for name in names or WINDOWS}


def _require_names(candidates: Mapping[str, Path]) -> None:
    if reserved := {INPUT, REFERENCE} & set(candidates):
        got = ", ".join(sorted(reserved))
        raise ConfigError(explain("candidates", "must not be called input or reference", got, "name it otherwise"))
