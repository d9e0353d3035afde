"""From everything that was measured to the one summary that page, JSON and CSV draw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from n2b_ct.evaluation.cases import INPUT, fault_lines
from n2b_ct.evaluation.insert_results import (
    detectability_results,
    hallucination_results,
    potential_results,
    resolution_results,
)
from n2b_ct.evaluation.inserts import Insert
from n2b_ct.evaluation.lesions import lesion_results
from n2b_ct.evaluation.measuring import Measured, Measuring
from n2b_ct.evaluation.report.summary import DoseLevel, Summary, summarise
from n2b_ct.evaluation.report.uncertainty import uncertainty_rows
from n2b_ct.evaluation.results import Physics
from n2b_ct.evaluation.slice_noise import AGAINST_TRUTH, FLAT_REGIONS, residual_results, texture_results
from n2b_ct.evaluation.table import Table
from n2b_ct.io.refusals import Inputs


def assemble(
    measured: Measured,
    how: Measuring,
    baselines: Collection[str],
    *,
    anchor: str = INPUT,
    reference_dose: float | None = None,
    problems: Sequence[str] = (),
    inputs: Inputs | None = None,
) -> Summary:
    """Make the summary of a report.

    Args:
        measured: What was found out about every slice.
        how: How it was measured.
        baselines: Which methods are baselines.
        anchor: What stands in the input's place.
        reference_dose: Dose fraction of the references, if known.
        problems: Lines about inputs that were refused before.
        inputs: What was read.

    Raises:
        DataError: There are no rows.
    """
    summary = replace(
        summarise(measured.rows, how.windows, baselines, measured.measures), anchor=anchor, inputs=inputs or Inputs()
    )
    physics = _physics(measured, how, summary, reference_dose)
    lines = (*problems, *measured.problems, *fault_lines(measured.faults))
    physics = replace(physics, problems=lines, dropped=_dropped(summary, physics, measured, how))
    table = Table((*summary.table.rows, *uncertainty_rows(summary)))
    return replace(summary, physics=physics, table=table)


def _physics(measured: Measured, how: Measuring, summary: Summary, reference_dose: float | None) -> Physics:
    labels = {level.dose: level.label for level in summary.levels}
    source = AGAINST_TRUTH if how.noise_free_reference and summary.has_reference else FLAT_REGIONS
    physics = Physics(
        texture=texture_results(measured.noises, labels, source),
        residual=residual_results(measured.noises, labels),
        lesions=lesion_results(measured.lesions, labels),
    )
    if measured.plan is None or not measured.inserts:
        return physics
    inserts = _by_level(measured.inserts, summary.levels)
    detectability = detectability_results(inserts, measured.plan)
    return replace(
        physics,
        resolution=resolution_results(inserts, measured.plan),
        detectability=detectability,
        potential=potential_results(detectability, None if how.noise_free_reference else reference_dose),
        hallucination=hallucination_results(inserts, measured.plan),
        tasks=measured.plan.tasks,
    )


def _by_level(
    inserts: Iterable[Insert], levels: Sequence[DoseLevel]
) -> Mapping[tuple[str, float | None], Sequence[Insert]]:
    groups: dict[float | None, list[Insert]] = defaultdict(list)
    for insert in inserts:
        groups[insert.dose].append(insert)
    return {(level.label, level.dose): groups[level.dose] for level in levels if groups[level.dose]}


def _dropped(summary: Summary, physics: Physics, measured: Measured, how: Measuring) -> tuple[str, ...]:
    """Say in sentences what is not in the report, and why."""
    found = [
        _no_reference(summary),
        _no_input(summary),
        _no_texture(summary, physics),
        _no_disks(physics, measured),
        _no_potential(physics),
        _noisy_truth(summary, how),
        _other_pixels(measured),
    ]
    return tuple(sentence for sentence in found if sentence)


def _no_reference(summary: Summary) -> str:
    if summary.has_reference:
        return ""
    return "PSNR, SSIM and RMSE need a reference, and there is none: they are left out."


def _no_input(summary: Summary) -> str:
    if summary.anchor == INPUT:
        return ""
    return (
        f"The noisy input is not known, so noise reduction, the residual and tests against the input are left out; "
        f"regions are found in {summary.anchor}, and HU shifts are measured against it."
    )


def _no_texture(summary: Summary, physics: Physics) -> str:
    missing = [level.label for level in summary.levels if not any(key[0] == level.label for key in physics.texture)]
    if not missing:
        return ""
    return f"No noise texture at {', '.join(missing)}: it needs flat soft tissue and a known pixel spacing."


def _no_disks(physics: Physics, measured: Measured) -> str:
    if physics.detectability:
        return ""
    if measured.plan is None:
        return (
            "Resolution and detectability are measured by denoising slices into which disks were put, so they need "
            "methods that can be run and a known pixel spacing: they are left out."
        )
    return "No slice has room for a disk in flat soft tissue: resolution and detectability are left out."


def _no_potential(physics: Physics) -> str:
    if physics.potential or not physics.detectability:
        return ""
    return "The dose-reduction potential needs d′ at two or more known doses: it is left out."


def _noisy_truth(summary: Summary, how: Measuring) -> str:
    if not summary.has_reference or how.noise_free_reference:
        return ""
    return (
        "The reference counts as noisy, as any real scan is: how much fine structure was removed, and whether "
        "structure was invented, need a noise-free truth and are left out."
    )


def _other_pixels(measured: Measured) -> str:
    if not measured.n_other_pixels or not measured.inserts:
        return ""
    return (
        f"Disks were put into slices of one pixel size per dose, the most frequent; {measured.n_other_pixels} slices "
        "of another took no part."
    )
