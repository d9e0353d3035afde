"""A report on folders that exist, whoever made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from n2b_ct.errors import ConfigError, explain
from n2b_ct.evaluation.assemble import assemble
from n2b_ct.evaluation.baselines import DEFAULT_BASELINES, Baseline, chosen_baselines
from n2b_ct.evaluation.comparing import compare_folders
from n2b_ct.evaluation.measuring import Measuring, measure_sources
from n2b_ct.evaluation.report.measures import INPUT, REFERENCE
from n2b_ct.evaluation.report.provenance import Provenance
from n2b_ct.evaluation.report.summary import Summary
from n2b_ct.evaluation.report.writer import require_free_place, write_report
from n2b_ct.hu import WINDOWS, Window
from n2b_ct.io.progress import Progress


def evaluate(
    candidates: Mapping[str, Path],
    out: Path,
    *,
    reference: Path | None = None,
    noisy_input: Path | None = None,
    windows: Sequence[str] | None = None,
    baselines: Sequence[str] | None = None,
    dose: float | None = None,
    hu_offset: float = 0.0,
    assume_hu: bool = False,
    skip_bad_slices: bool = False,
    noise_free_reference: bool = False,
    panels_per_series: int = 3,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> Summary:
    """Compare folders that exist, whoever made them; write HTML, JSON, CSV and figures.

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
        hu_offset: What must be added to volumes' values to get HU.
        assume_hu: Take values for HU where a file does not say so.
        skip_bad_slices: Leave out slices that cannot be used; by default one of them fails its series.
        noise_free_reference: The reference is simulated truth without noise.
        panels_per_series: Slices of each series that are shown.
        overwrite: Replace a report that is there.
        command: The command line, to be printed in the report.
        progress: Called with (slices done, all slices, series).

    Raises:
        ConfigError: A name is reserved, or a window or a baseline is unknown.
        DataError: Nothing can be compared; one line for each reason.
        OutputError: The report's folder is in use.
    """
    shown = _windows(windows)
    _require_names(candidates)
    require_free_place(out, overwrite)
    chosen = _baselines(baselines, candidates, noisy_input)
    compared = compare_folders(
        candidates,
        reference=reference,
        noisy_input=noisy_input,
        dose=dose,
        hu_offset=hu_offset,
        assume_hu=assume_hu,
        skip_bad_slices=skip_bad_slices,
    )
    denoisers = {name: baseline.apply for name, baseline in chosen.items()}
    how = Measuring(shown, panels_per_series, noise_free_reference)
    measured = measure_sources(compared.sources, denoisers, how, progress, probing=False)
    summary = assemble(
        measured, how, chosen, anchor=compared.anchor, problems=compared.problems, inputs=compared.inputs
    )
    write_report(out, summary, measured.rows, measured.panels, _provenance(candidates, command), overwrite)
    return summary


def _baselines(
    names: Sequence[str] | None, candidates: Mapping[str, Path], noisy_input: Path | None
) -> dict[str, Baseline]:
    wanted = DEFAULT_BASELINES if names is None else names
    chosen = chosen_baselines(wanted, candidates) if noisy_input or names else {}
    if chosen and noisy_input is None:
        raise ConfigError(explain("--baseline", "needs the noisy input", "none", "pass --input DIR"))
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
        raise ConfigError(explain("--window", f"must be among {', '.join(WINDOWS)}", got, "choose one of them"))
    return {name: WINDOWS[name] for name in names or WINDOWS}


def _require_names(candidates: Mapping[str, Path]) -> None:
    if reserved := {INPUT, REFERENCE} & set(candidates):
        got = ", ".join(sorted(reserved))
        raise ConfigError(explain("--candidate", "must not be called input or reference", got, "name it otherwise"))
