"""Assembles all measurements into the summary for page, JSON and CSV."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from n2b_ct.evaluation.cases import INPUT, fault_lines
from n2b_ct.evaluation.insert_results import (
    KNOWING,
    detectability_rows,
    hallucination_rows,
    potential_rows,
    resolution_rows,
)
from n2b_ct.evaluation.inserts import Insert
from n2b_ct.evaluation.lesion_contrast import lesion_rows
from n2b_ct.evaluation.low_contrast.finished_results import finished_rows
from n2b_ct.evaluation.low_contrast.results import inserted_lesion_rows
from n2b_ct.evaluation.measuring import MeasurementOptions, Measurements
from n2b_ct.evaluation.patients import few_patients_line, unknown_patients_line
from n2b_ct.evaluation.slice_noise import AGAINST_TRUTH, FLAT_REGIONS, residual_rows, texture_rows
from n2b_ct.evaluation.summary import DoseLevel, Summary, summarise
from n2b_ct.evaluation.table import Row, Table
from n2b_ct.evaluation.uncertainty import uncertainty_rows
from n2b_ct.evaluation.z_resolution import z_resolution_rows
from n2b_ct.io.series import Inputs


def assemble(
    measured: Measurements,
    how: MeasurementOptions,
    baselines: Collection[str],
    *,
    anchor: str = INPUT,
    reference_dose: float | None = None,
    problems: Sequence[str] = (),
    inputs: Inputs | None = None,
) -> Summary:
    """Make the summary of a report.

    Args:
        measured: The measurements of every slice.
        how: The settings of the measurement.
        baselines: Which methods are baselines.
        anchor: The method that replaces a missing input.
        reference_dose: Dose fraction of the references, if known.
        problems: Lines about inputs that were refused before.
        inputs: What was read.

    Raises:
        DataError: There are no rows.
    """
    summary = replace(
        summarise(measured.rows, how.windows, baselines, measured.measures, measured.patients),
        anchor=anchor,
        inputs=inputs or Inputs(),
    )
    rows = (*summary.table.rows, *_texture_and_disks(measured, how, summary, reference_dose))
    summary = replace(
        summary,
        table=Table((*rows, *uncertainty_rows(summary))),
        tasks=measured.plan.tasks if measured.plan and measured.inserts else (),
        problems=(*problems, *measured.problems, *fault_lines(measured.faults)),
    )
    return replace(summary, dropped=_dropped(summary, measured, how))


def _texture_and_disks(
    measured: Measurements, how: MeasurementOptions, summary: Summary, reference_dose: float | None
) -> list[Row]:
    labels = {level.dose: level.label for level in summary.levels}
    source = AGAINST_TRUTH if how.noise_free_reference and summary.has_reference else FLAT_REGIONS
    rows = [
        *texture_rows(measured.noises, labels, source, measured.patients),
        *residual_rows(measured.noises, labels, measured.patients),
        *lesion_rows(measured.lesions, labels),
        *z_resolution_rows(measured.planes, labels, measured.patients),
        *inserted_lesion_rows(measured.lesion_inserts, labels, measured.patients),
        *finished_rows(measured.finished, labels, measured.patients),
    ]
    if measured.plan is None or not measured.inserts:
        return rows
    inserts = _by_level(measured.inserts, summary.levels)
    detectability = detectability_rows(inserts, measured.plan)
    return [
        *rows,
        *resolution_rows(inserts, measured.plan),
        *detectability,
        *potential_rows(detectability, None if how.noise_free_reference else reference_dose),
        *hallucination_rows(inserts, measured.plan),
    ]


def _by_level(
    inserts: Iterable[Insert], levels: Sequence[DoseLevel]
) -> Mapping[tuple[str, float | None], Sequence[Insert]]:
    groups: dict[float | None, list[Insert]] = defaultdict(list)
    for insert in inserts:
        groups[insert.dose].append(insert)
    return {(level.label, level.dose): groups[level.dose] for level in levels if groups[level.dose]}


def _dropped(summary: Summary, measured: Measurements, how: MeasurementOptions) -> tuple[str, ...]:
    """Return sentences on what is not in the report, and why."""
    found = [
        _no_reference(summary),
        _no_input(summary),
        _no_texture(summary),
        _no_disks(summary, measured),
        _no_low_contrast(summary),
        _no_known_background(summary),
        _no_potential(summary),
        _noisy_truth(summary, how),
        _no_truth_error(summary, measured),
        _other_pixels(measured),
        _no_z_resolution(summary),
        few_patients_line(summary.overall.n_patients),
        unknown_patients_line((row.series for row in measured.rows), measured.patients),
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


def _no_texture(summary: Summary) -> str:
    missing = [level.label for level in summary.levels if not summary.table.records("texture", level=level.label)]
    if not missing:
        return ""
    return f"No noise texture at {', '.join(missing)}: it needs flat soft tissue and a known pixel spacing."


def _no_z_resolution(summary: Summary) -> str:
    if summary.table.of_part("z_resolution") or summary.anchor != INPUT:
        return ""
    return (
        "Resolution along z is left out: it needs the input's slices beside each other, with anatomy that changes from "
        "one to the next. A method that takes slices one by one leaves it as it is."
    )


def _no_disks(summary: Summary, measured: Measurements) -> str:
    if summary.table.of_part("detectability"):
        return ""
    if measured.plan is None:
        return (
            "Resolution and detectability are measured by denoising slices into which disks were put, so they need "
            "methods that can be run and a known pixel spacing: they are left out."
        )
    return "No slice has room for a disk in flat soft tissue: resolution and detectability are left out."


def _no_low_contrast(summary: Summary) -> str:
    if summary.table.of_part("low_contrast"):
        return ""
    return (
        "What is left of faint lesions is not measured: it needs lesions that are inserted before denoising, or a "
        "reference, or candidates that differ, and pixels of at most 1.5 mm."
    )


def _no_known_background(summary: Summary) -> str:
    observers = {one["observer"] for one in summary.table.records("detectability")}
    if not observers or observers & set(KNOWING):
        return ""
    return (
        "d′ with the background known needs a noise-free truth, or a reference into which the input's noise was "
        "inserted: it is left out, and to the d′ that is given anatomy counts as noise."
    )


def _no_potential(summary: Summary) -> str:
    if summary.table.of_part("potential") or not summary.table.of_part("detectability"):
        return ""
    return "The dose-reduction potential needs d′ at two or more known doses: it is left out."


def _noisy_truth(summary: Summary, how: MeasurementOptions) -> str:
    if not summary.has_reference or how.noise_free_reference:
        return ""
    return (
        "The reference counts as noisy, as any real scan is: how much fine structure was removed, and whether "
        "structure was invented, need a noise-free truth and are left out."
    )


def _no_truth_error(summary: Summary, measured: Measurements) -> str:
    """Say why the error against the truth is missing somewhere, or below 0 where noise hides it."""
    if not summary.has_reference:
        return ""
    known = [
        row for row in summary.table.of_part("slices") if row.measure == "truth_error_hu" and row.value is not None
    ]
    remarks = dict.fromkeys(one.remark for one in measured.inserted_noises.values() if one.remark)
    if not known:
        reason = next(iter(remarks), "it needs an input that was made from its reference, or a noise-free truth")
        return f"The error against the truth is not measurable: {reason}."
    if any(row.value < 0.0 for row in known):
        return (
            "In some slices the estimated error against the truth is smaller than its own noise; where that holds for "
            "a mean, the mean is not measurable."
        )
    return ""


def _other_pixels(measured: Measurements) -> str:
    if not measured.n_other_pixels or not measured.inserts:
        return ""
    return (
        f"Disks were put into slices of one pixel size per dose, the most frequent; {measured.n_other_pixels} slices "
        "of another took no part."
    )
