"""The page's tables of the physics of noise and signal: texture, resolution, detection, lesions, what was removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from n2b_ct.evaluation.cases import INPUT
from n2b_ct.evaluation.disks import Task
from n2b_ct.evaluation.report.figures import INSERTED_DISK, JUDGED, MEASURED, OBSERVER_TITLES, task_name
from n2b_ct.evaluation.report.formatting import MISSING, bounded, counted, mean_interval, number
from n2b_ct.evaluation.report.tables import Cell, Line, PageTable, by_level, method_rows, missing_cell, p_text
from n2b_ct.evaluation.summary import DoseLevel, Summary

_Record = Mapping[str, Any]


def texture_table(summary: Summary) -> PageTable:
    """Mean frequency of the noise over its shift against the input, methods by dose."""

    def cell(level: DoseLevel, method: str) -> Cell:
        own = summary.table.record("texture", level.label, method)
        if not own:
            return missing_cell()
        shift = own["mean_frequency_shift_percent"]
        text = "" if shift is None else f"{mean_interval(shift, 0, signed=True)} %"
        return Line(mean_interval(own["mean_frequency_per_mm"], 3)), Line(text)

    return by_level(summary, summary.levels, MEASURED, cell)


def lag_table(summary: Summary) -> PageTable:
    """Correlation of neighbouring pixels' noise, methods by dose."""

    def cell(level: DoseLevel, method: str) -> Cell:
        return (Line(mean_interval(summary.table.get("texture", "lag1_autocorrelation", level.label, method), 2)),)

    return by_level(summary, summary.levels, MEASURED, cell)


def resolution_table(summary: Summary, level: str) -> PageTable:
    """50 % over 10 % frequency, its change, and how much contrast came through, methods by task."""
    own = _by_task(summary.table.records("resolution", level=level))
    tasks = list(dict.fromkeys(task for _, task in own))
    rows = method_rows(summary, MEASURED, lambda method: [_resolution_cell(own.get((method, task))) for task in tasks])
    named = tuple(replace(row, label=INSERTED_DISK) if row.method == INPUT else row for row in rows)
    return PageTable(tuple((task_name(task), "50 % and 10 %, 1/mm") for task in tasks), named)


def z_table(summary: Summary) -> PageTable:
    """What is left along z, methods by dose."""

    def cell(level: DoseLevel, method: str) -> Cell:
        own = summary.table.record("z_resolution", level.label, method)
        if not own:
            return missing_cell()
        return (Line(f"{mean_interval(own['z_transfer_percent'], 0)} %"), Line(counted(own["n_slices"], "slice")))

    return by_level(summary, summary.levels, ("baseline", "model"), cell)


def d_prime_table(summary: Summary, task: Task, observer: str) -> PageTable:
    """d′ over CNR, methods by dose."""
    results = summary.table.records("detectability", task=task, observer=observer)
    found = {(one["level"], one["method"]): one for one in results}

    def cell(level: DoseLevel, method: str) -> Cell:
        own = found.get((level.label, method))
        if own is None:
            return missing_cell()
        if own["d_prime"] is None:
            return Line(MISSING), Line(own["remark"])
        return Line(bounded(own["d_prime"], own["low"], own["high"], 2)), Line(f"CNR {number(own['cnr'], 2)}")

    return by_level(summary, summary.levels, JUDGED, cell)


def potential_table(summary: Summary, observer: str) -> PageTable:
    """Dose-reduction potential of one observer, methods by task."""
    found = _by_task(summary.table.records("potential", observer=observer))
    tasks = list(dict.fromkeys(task for _, task in found))
    rows = method_rows(
        summary, ("baseline", "model"), lambda name: [_potential_cell(found.get((name, t))) for t in tasks]
    )
    return PageTable(tuple((task_name(task), OBSERVER_TITLES[observer]) for task in tasks), rows)


def residual_table(summary: Summary, level: str) -> PageTable:
    """Anatomy in what was removed, methods by measure; columns without a number are left out."""
    heads = (
        ("anatomy found in", "slices"),
        ("edge correlation", "noise alone gives"),
        ("deviation", "standard deviations"),
        ("excess at edges", "%"),
        ("faint structure taken", "%, 1.5 to 6 px"),
        ("fine structure taken", "%, noise-free truth"),
    )
    own = {one["method"]: one for one in summary.table.records("residual", level=level)}
    optional = {4: "faint_removed_percent", 5: "detail_removed_percent"}
    shown = [
        k for k in range(len(heads)) if k not in optional or any(one[optional[k]] is not None for one in own.values())
    ]
    rows = method_rows(
        summary, ("baseline", "model"), lambda method: [_residual_cells(own.get(method))[k] for k in shown]
    )
    return PageTable(tuple(heads[k] for k in shown), rows)


def hallucination_table(summary: Summary, level: str) -> PageTable:
    """Structure invented where the truth holds none, methods by task."""
    own = _by_task(summary.table.records("hallucination", level=level))
    tasks = list(dict.fromkeys(task for _, task in own))

    def cell(method: str, task: Task) -> Cell:
        result = own.get((method, task))
        if result is None:
            return missing_cell()
        observed, expected = (number(100 * result[rate], 1) for rate in ("false_positive_rate", "expected_rate"))
        structure = f"{number(result['structure_hu'], 2)} HU, p {p_text(result['p_value'])}"
        return Line(structure), Line(f"{observed} % seen, {expected} % expected")

    rows = method_rows(summary, JUDGED, lambda method: [cell(method, task) for task in tasks])
    return PageTable(tuple((task_name(task), "invented structure") for task in tasks), rows)


def lesion_table(summary: Summary) -> PageTable:
    """CNR of true lesions over the contrast that came through, methods by dose."""

    def cell(level: DoseLevel, method: str) -> Cell:
        own = summary.table.record("lesions", level.label, method)
        if not own:
            return missing_cell()
        return Line(mean_interval(own["cnr"], 2)), Line(f"{mean_interval(own['contrast_recovery_percent'], 0)} %")

    return by_level(summary, summary.levels, MEASURED, cell)


def _resolution_cell(own: _Record | None) -> Cell:
    if own is None:
        return missing_cell()
    if own["f50_per_mm"] is None:
        return Line(MISSING), Line(own["remark"])
    change = "" if own["f50_change_percent"] is None else f"{number(own['f50_change_percent'], 0, signed=True)} %"
    recovery = number(own["contrast_recovery_percent"], 0)
    parts = [change, "" if recovery == MISSING or own["method"] == INPUT else f"contrast {recovery} %"]
    return (
        Line(bounded(own["f50_per_mm"], own["f50_low_per_mm"], own["f50_high_per_mm"], 3)),
        Line(bounded(own["f10_per_mm"], own["f10_low_per_mm"], own["f10_high_per_mm"], 3)),
        Line(" · ".join(part for part in parts if part)),
    )


def _potential_cell(own: _Record | None) -> Cell:
    if own is None:
        return missing_cell()
    if own["reduction_percent"] is None or own["dose"] is None:
        return (Line(own["remark"] or MISSING),)
    return (
        Line(f"{number(-own['reduction_percent'], 0, signed=True)} % dose"),
        Line(f"{100 * own['dose']:.3g} % does what {100 * own['target_dose']:.3g} % did"),
    )


def _residual_cells(own: _Record | None) -> list[Cell]:
    if own is None:
        return 6 * [missing_cell()]
    found = f"{own['n_warned']} of {own['n_slices']}"
    return [
        (Line(f"⚠ {found}" if own["warns"] else found),),
        (Line(mean_interval(own["edge_correlation"], 3)), Line(number(own["null_correlation"], 3))),
        (Line(mean_interval(own["deviation_sds"], 1, signed=True)),),
        (Line(mean_interval(own["edge_excess_percent"], 0, signed=True)),),
        _faint_cell(own),
        (Line(mean_interval(own["detail_removed_percent"], 1)),),
    ]


def _faint_cell(own: _Record) -> Cell:
    if own["faint_removed_percent"] is None:
        return missing_cell()
    n_warned = own["n_faint_warned"]
    warned = f"⚠ {n_warned} of {own['n_faint_slices']} slices" if n_warned else ""
    return Line(mean_interval(own["faint_removed_percent"], 0)), Line(warned)


def _by_task(records: Sequence[_Record]) -> dict[tuple[str, Task], _Record]:
    return {(one["method"], one["task"]): one for one in records}
