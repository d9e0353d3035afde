"""The tables of texture, resolution, detectability and what was removed, as plain strings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from n2b_ct.evaluation.cases import INPUT
from n2b_ct.evaluation.disks import Task
from n2b_ct.evaluation.report.figures import JUDGED, MEASURED
from n2b_ct.evaluation.report.formatting import MISSING, bounded, counted, mean_interval, number
from n2b_ct.evaluation.report.physics_figures import task_name
from n2b_ct.evaluation.report.summary import DoseLevel, Role, Summary
from n2b_ct.evaluation.report.tables import Line, Row, Table
from n2b_ct.evaluation.report.uncertainty import is_better
from n2b_ct.evaluation.table import Row as ComparisonRow

Cell = tuple[Line, ...]
Record = Mapping[str, Any]


def texture_table(summary: Summary) -> Table:
    """Mean frequency of the noise over its shift against the input, methods by dose."""

    def cell(level: DoseLevel, method: str) -> Cell:
        own = summary.table.record("texture", level.label, method)
        if not own:
            return _missing()
        shift = own["mean_frequency_shift_percent"]
        text = "" if shift is None else f"{mean_interval(shift, 0, signed=True)} %"
        return Line(mean_interval(own["mean_frequency_per_mm"], 3)), Line(text)

    return _by_level(summary, summary.levels, MEASURED, cell)


def lag_table(summary: Summary) -> Table:
    """Correlation of neighbouring pixels' noise, methods by dose."""

    def cell(level: DoseLevel, method: str) -> Cell:
        return (Line(mean_interval(summary.table.get("texture", "lag1_autocorrelation", level.label, method), 2)),)

    return _by_level(summary, summary.levels, MEASURED, cell)


def resolution_table(summary: Summary, level: str) -> Table:
    """50 % over 10 % frequency, its change, and how much contrast came through, methods by task."""
    own = _by_task(summary.table.records("resolution", level=level))
    tasks = list(dict.fromkeys(task for _, task in own))
    rows = _rows(summary, MEASURED, lambda method: [_resolution_cell(own.get((method, task))) for task in tasks])
    return Table(tuple((task_name(task), "50 % / 10 %, 1/mm") for task in tasks), rows)


def d_prime_table(summary: Summary, task: Task, observer: str) -> Table:
    """d′ over CNR, methods by dose."""
    results = summary.table.records("detectability", task=task, observer=observer)
    found = {(one["level"], one["method"]): one for one in results}

    def cell(level: DoseLevel, method: str) -> Cell:
        own = found.get((level.label, method))
        if own is None:
            return _missing()
        if own["d_prime"] is None:
            return Line(MISSING), Line(own["remark"])
        return Line(bounded(own["d_prime"], own["low"], own["high"], 2)), Line(f"CNR {number(own['cnr'], 2)}")

    return _by_level(summary, summary.levels, JUDGED, cell)


def potential_table(summary: Summary, observer: str) -> Table:
    """Dose-reduction potential of one observer, methods by task."""
    found = _by_task(summary.table.records("potential", observer=observer))
    tasks = list(dict.fromkeys(task for _, task in found))
    rows = _rows(summary, ("baseline", "model"), lambda name: [_potential_cell(found.get((name, t))) for t in tasks])
    return Table(tuple((task_name(task), f"observer {observer.upper()}") for task in tasks), rows)


def residual_table(summary: Summary, level: str) -> Table:
    """Anatomy in what was removed, methods by measure."""
    heads = (
        ("anatomy found in", "slices"),
        ("edge correlation", "noise alone gives"),
        ("deviation", "standard deviations"),
        ("excess at edges", "%"),
        ("fine structure taken", "%, noise-free truth"),
    )
    own = {one["method"]: one for one in summary.table.records("residual", level=level)}
    n_shown = len(heads) if any(one["detail_removed_percent"] is not None for one in own.values()) else len(heads) - 1
    rows = _rows(summary, ("baseline", "model"), lambda method: _residual_cells(own.get(method))[:n_shown])
    return Table(heads[:n_shown], rows)


def hallucination_table(summary: Summary, level: str) -> Table:
    """Structure invented where the truth holds none, methods by task."""
    own = _by_task(summary.table.records("hallucination", level=level))
    tasks = list(dict.fromkeys(task for _, task in own))

    def cell(method: str, task: Task) -> Cell:
        result = own.get((method, task))
        if result is None:
            return _missing()
        seen, expected = (number(100 * result[rate], 1) for rate in ("false_positive_rate", "expected_rate"))
        structure = f"{number(result['structure_hu'], 2)} HU, p {p_text(result['p_value'])}"
        return Line(structure), Line(f"{seen} % seen, {expected} % expected")

    rows = _rows(summary, JUDGED, lambda method: [cell(method, task) for task in tasks])
    return Table(tuple((task_name(task), "invented structure") for task in tasks), rows)


def lesion_table(summary: Summary) -> Table:
    """CNR of true lesions over the contrast that came through, methods by dose."""

    def cell(level: DoseLevel, method: str) -> Cell:
        own = summary.table.record("lesions", level.label, method)
        if not own:
            return _missing()
        return Line(mean_interval(own["cnr"], 2)), Line(f"{mean_interval(own['contrast_recovery_percent'], 0)} %")

    return _by_level(summary, summary.levels, MEASURED, cell)


def comparison_table(summary: Summary, level: str, window: str) -> Table:
    """Paired differences, methods by measure and opponent; marked where the interval excludes 0 on the good side."""
    windows = (window, "") if window == summary.primary_window else (window,)
    own = [row for row in summary.table.of_part("comparisons") if row.level == level and row.window in windows]
    columns = list(dict.fromkeys((row.measure, row.against) for row in own))
    found = {(row.method, row.measure, row.against): row for row in own}
    methods = {row.method for row in own}
    heads = tuple((_head(summary, measure), f"against {against}") for measure, against in columns)
    rows = _rows(
        summary, JUDGED, lambda method: [_comparison_cell(summary, found.get((method, *column))) for column in columns]
    )
    return Table(heads, tuple(row for row in rows if row.method in methods))


def p_text(p_value: float | None) -> str:
    """Write a p value: ``0.012``, ``< 0.001`` or a dash."""
    if p_value is None:
        return MISSING
    return "< 0.001" if p_value < 0.001 else number(p_value, 3)


def _by_level(
    summary: Summary, levels: Sequence[DoseLevel], roles: tuple[Role, ...], cell: Callable[[DoseLevel, str], Cell]
) -> Table:
    rows = _rows(summary, roles, lambda method: [cell(level, method) for level in levels])
    return Table(tuple((level.label, counted(level.n_slices, "slice")) for level in levels), rows)


def _rows(summary: Summary, roles: tuple[Role, ...], cells: Callable[[str], list[Cell]]) -> tuple[Row, ...]:
    """One row a method; methods with nothing at all are left out."""
    rows = (Row(name, summary.roles[name], tuple(cells(name))) for name in summary.of_role(*roles))
    return tuple(row for row in rows if any(line.text not in {"", MISSING} for cell in row.cells for line in cell))


def _resolution_cell(own: Record | None) -> Cell:
    if own is None:
        return _missing()
    if own["f50_per_mm"] is None:
        return Line(MISSING), Line(own["remark"])
    change = "" if own["f50_change_percent"] is None else f"{number(own['f50_change_percent'], 0, signed=True)} %"
    recovery = number(own["contrast_recovery_percent"], 0)
    parts = [change, "" if recovery == MISSING or own["method"] == INPUT else f"contrast {recovery} %"]
    return (
        Line(f"{number(own['f50_per_mm'], 3)} / {number(own['f10_per_mm'], 3)}"),
        Line(" · ".join(part for part in parts if part)),
    )


def _potential_cell(own: Record | None) -> Cell:
    if own is None:
        return _missing()
    if own["reduction_percent"] is None or own["dose"] is None:
        return (Line(own["remark"] or MISSING),)
    return (
        Line(f"{number(-own['reduction_percent'], 0, signed=True)} % dose"),
        Line(f"{100 * own['dose']:.3g} % does what {100 * own['target_dose']:.3g} % did"),
    )


def _residual_cells(own: Record | None) -> list[Cell]:
    if own is None:
        return 5 * [_missing()]
    found = f"{own['n_warned']} of {own['n_slices']}"
    return [
        (Line(f"⚠ {found}" if own["warns"] else found),),
        (Line(mean_interval(own["edge_correlation"], 3)), Line(number(own["null_correlation"], 3))),
        (Line(mean_interval(own["deviation_sds"], 1, signed=True)),),
        (Line(mean_interval(own["edge_excess_percent"], 0, signed=True)),),
        (Line(mean_interval(own["detail_removed_percent"], 1)),),
    ]


def _head(summary: Summary, measure: str) -> str:
    one = summary.measures[measure]
    return f"{one.title}, {one.unit}" if one.unit else one.title


def _comparison_cell(summary: Summary, own: ComparisonRow | None) -> Cell:
    if own is None:
        return _missing()
    text = mean_interval(own.value.difference, summary.measures[own.measure].decimals, signed=True)
    better = is_better(summary, own)
    word = {True: "better", False: "worse", None: "undecided"}[better]
    return Line(text, best=better is True), Line(f"{word}, p {p_text(own.value.p_value)}")


def _by_task(records: Sequence[Record]) -> dict[tuple[str, Task], Record]:
    return {(one["method"], one["task"]): one for one in records}


def _missing() -> Cell:
    return (Line(MISSING),)
