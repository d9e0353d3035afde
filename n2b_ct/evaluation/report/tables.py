"""The page's tables as plain strings, so that the template only lays them out: measures of slices, and their tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from n2b_ct.evaluation.cases import INPUT
from n2b_ct.evaluation.flat_regions import TISSUE_CLASSES_HU
from n2b_ct.evaluation.measures import CLASS_BIASES, IDEAL_BIASES, PLACE_NOISES
from n2b_ct.evaluation.regional_noise import PLACES
from n2b_ct.evaluation.report.figures import JUDGED, MEASURED
from n2b_ct.evaluation.report.formatting import (
    MISSING,
    counted,
    mean_interval,
    mean_sd,
    number,
)
from n2b_ct.evaluation.summary import REDUCTION, DoseLevel, Role, Summary
from n2b_ct.evaluation.table import Row
from n2b_ct.evaluation.uncertainty import is_better


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a cell; ``best`` where nothing in its column reads better."""

    text: str
    best: bool = False


Cell = tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class TableRow:
    """One method's cells, each of one or two lines; ``label`` stands in the place of the method's name."""

    method: str
    role: str
    cells: tuple[tuple[Line, ...], ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class PageTable:
    """Column heads as (name, note) and rows."""

    heads: tuple[tuple[str, str], ...]
    rows: tuple[TableRow, ...]


def without_empty_columns(table: PageTable) -> PageTable:
    """Leave out columns, then rows, in which nothing was measured."""
    full = [k for k in range(len(table.heads)) if any(_says_something(row.cells[k]) for row in table.rows)]
    rows = (replace(row, cells=tuple(row.cells[k] for k in full)) for row in table.rows)
    kept = tuple(row for row in rows if any(_says_something(cell) for cell in row.cells))
    return PageTable(tuple(table.heads[k] for k in full), kept)


def _says_something(cell: tuple[Line, ...]) -> bool:
    return any(line.text.strip(f"{MISSING} %") for line in cell)


def fidelity_table(summary: Summary, window: str) -> PageTable:
    """PSNR over SSIM, methods by dose, the best of each marked."""
    methods = summary.of_role("input", "baseline", "model")

    def line(level: DoseLevel, method: str, measure: str) -> Line:
        decimals = summary.measures[measure].decimals
        means = {name: summary.mean(level, name, measure, window).mean for name in methods}
        rounded = {name: round(mean, decimals) for name, mean in means.items() if mean is not None}
        is_best = method in rounded and rounded[method] == max(rounded.values())
        return Line(mean_text(summary, level, method, measure, window), is_best)

    rows = tuple(
        TableRow(
            method,
            summary.roles[method],
            tuple((line(level, method, "psnr_db"), line(level, method, "ssim")) for level in summary.columns),
        )
        for method in methods
    )
    return PageTable(_heads(summary), rows)


def glance_table(summary: Summary) -> PageTable:
    """What counts most at the one dose level, methods by measure."""
    level, window = summary.levels[0], summary.primary_window
    methods = summary.of_role("input", "baseline", "model", "reference")
    scores = ("psnr_db", "ssim", "truth_error_hu") if summary.has_reference else ()
    means = {one: {name: summary.mean(level, name, one, window).mean for name in methods} for one in scores}

    def score(method: str, measure: str) -> Cell:
        mean, *bounds = mean_text(summary, level, method, measure, window).split(" [")
        decimals = summary.measures[measure].decimals
        known = [round(value, decimals) for value in means[measure].values() if value is not None]
        best = max(known, default=None) if summary.measures[measure].higher_is_better else min(known, default=None)
        own = means[measure][method]
        return (Line(mean, own is not None and round(own, decimals) == best), *(Line(f"[{text}") for text in bounds))

    def noise(method: str) -> Cell:
        reduction = summary.mean(level, method, REDUCTION).mean
        change = "" if reduction is None or method == INPUT else f"{number(-reduction, 0, signed=True)} %"
        return Line(mean_text(summary, level, method, "noise_std_hu").split(" [")[0]), Line(change)

    heads = tuple((_head(summary, measure), "") for measure in scores)
    heads += (("noise, HU", "change"), ("noise texture", "NPS shift"), ("largest HU shift", "tissue"))
    rows = method_rows(
        summary,
        ("input", "baseline", "model", "reference"),
        lambda method: [
            *(score(method, measure) for measure in scores),
            noise(method),
            _nps_shift(summary, level, method),
            _largest_shift(summary, level, method),
        ],
    )
    return PageTable(heads, rows)


def _nps_shift(summary: Summary, level: DoseLevel, method: str) -> Cell:
    shift = summary.table.get("texture", "mean_frequency_shift_percent", level.label, method)
    return missing_cell() if shift is None else (Line(f"{number(shift.mean, 0, signed=True)} %"),)


def _largest_shift(summary: Summary, level: DoseLevel, method: str) -> Cell:
    shifts = {tissue: summary.mean(level, method, name).mean for tissue, name in CLASS_BIASES.items()}
    known = {tissue: shift for tissue, shift in shifts.items() if shift is not None}
    if not known or method == INPUT:
        return missing_cell()
    tissue = max(known, key=lambda name: abs(known[name]))
    return Line(f"{number(known[tissue], 1, signed=True)} HU"), Line(tissue)


def measure_table(summary: Summary, measure: str, window: str | None = None) -> PageTable:
    """One measure, methods by dose; the reference too where it does not need one."""

    def lines(level: DoseLevel, method: str) -> tuple[Line, ...]:
        return (Line(mean_text(summary, level, method, measure, window)),)

    return _by_dose(summary, lines, reference=not summary.measures[measure].needs_reference)


def noise_table(summary: Summary) -> PageTable:
    """Noise in flat soft tissue over its reduction, methods by dose, the reference too."""

    def lines(level: DoseLevel, method: str) -> tuple[Line, ...]:
        noise = Line(mean_text(summary, level, method, "noise_std_hu"))
        reduction = summary.mean(level, method, REDUCTION).mean
        change = MISSING if reduction is None else f"{number(-reduction, 0, signed=True)} %"
        return noise, Line("" if method == INPUT else change)

    return _by_dose(summary, lines, reference=True)


def bias_table(summary: Summary, level: DoseLevel) -> PageTable:
    """Mean HU shift against the input, methods by tissue class."""
    heads = [("flat soft tissue", "noise blocks")]
    heads += [(name, f"{low:g} to {high:g} HU".replace("-", "−")) for name, (low, high) in TISSUE_CLASSES_HU.items()]
    rows = []
    for method in summary.of_role("baseline", "model", "reference"):
        texts = (
            mean_text(summary, level, method, measure, signed=True)
            for measure in ("hu_bias_hu", *CLASS_BIASES.values())
        )
        cells = tuple(_mean_over_bounds(text) for text in texts)
        rows.append(TableRow(method, summary.roles[method], cells))
    return PageTable(tuple(heads), (*_ideal_row(summary, level), *rows))


def _ideal_row(summary: Summary, level: DoseLevel) -> tuple[TableRow, ...]:
    """What an ideal denoiser would show, beside which every row is to be read."""
    if INPUT not in summary.roles:
        return ()
    texts = (mean_text(summary, level, INPUT, measure, signed=True) for measure in IDEAL_BIASES.values())
    cells = ((Line(MISSING),), *(_mean_over_bounds(text) for text in texts))
    return (TableRow(INPUT, "would show", tuple(cells), "an ideal denoiser"),)


def place_table(summary: Summary, level: DoseLevel) -> PageTable:
    """Noise over its change against the input, methods by place."""

    def cell(method: str, measure: str) -> Cell:
        before, after = (summary.mean(level, name, measure).mean for name in (INPUT, method))
        change = "" if method == INPUT or after is None or not before else f"{100.0 * (after / before - 1.0):+.0f} %"
        return Line(mean_text(summary, level, method, measure)), Line(change.replace("-", "−"))

    measures = ("noise_std_hu", *PLACE_NOISES.values())
    heads = (("flattest", "soft tissue"), *((name, "") for name in PLACES.values()))
    rows = method_rows(summary, MEASURED, lambda method: [cell(method, measure) for measure in measures])
    return PageTable(heads, rows)


def mean_text(
    summary: Summary, level: DoseLevel, method: str, measure: str, window: str | None = None, signed: bool = False
) -> str:
    """Write a mean with its 95 % interval, or with ± s.d. where nobody made intervals."""
    decimals = summary.measures[measure].decimals
    if not summary.has_intervals:
        return mean_sd(summary.mean(level, method, measure, window), decimals, signed)
    return mean_interval(summary.interval(level, method, measure, window), decimals, signed)


def _by_dose(summary: Summary, lines: Callable[[DoseLevel, str], tuple[Line, ...]], reference: bool) -> PageTable:
    methods = summary.of_role("input", "baseline", "model", *(("reference",) if reference else ()))
    rows = tuple(
        TableRow(
            method,
            summary.roles[method],
            tuple(lines(level, method) for level in summary.columns),
        )
        for method in methods
    )
    return PageTable(_heads(summary), rows)


def _heads(summary: Summary) -> tuple[tuple[str, str], ...]:
    return tuple((level.label, counted(level.n_slices, "slice")) for level in summary.columns)


def _mean_over_bounds(text: str) -> tuple[Line, ...]:
    """The same on two lines, for tables of many columns."""
    mean, *bounds = text.split(" [")
    return (Line(mean), *(Line(f"[{part}") for part in bounds))


def comparison_table(summary: Summary, level: str, window: str) -> PageTable:
    """Paired differences, methods by measure and opponent; marked where the interval excludes 0 on the good side."""
    windows = (window, "") if window == summary.primary_window else (window,)
    own = [row for row in summary.table.of_part("comparisons") if row.level == level and row.window in windows]
    columns = list(dict.fromkeys((row.measure, row.against) for row in own))
    found = {(row.method, row.measure, row.against): row for row in own}
    methods = {row.method for row in own}
    heads = tuple((_head(summary, measure), f"against {against}") for measure, against in columns)
    rows = method_rows(
        summary, JUDGED, lambda method: [_comparison_cell(summary, found.get((method, *column))) for column in columns]
    )
    return PageTable(heads, tuple(row for row in rows if row.method in methods))


def p_text(p_value: float | None) -> str:
    """Write a p value: ``0.012``, ``< 0.001`` or a dash."""
    if p_value is None:
        return MISSING
    return "< 0.001" if p_value < 0.001 else number(p_value, 3)


def by_level(
    summary: Summary, levels: Sequence[DoseLevel], roles: tuple[Role, ...], cell: Callable[[DoseLevel, str], Cell]
) -> PageTable:
    """Return a table of methods by dose."""
    rows = method_rows(summary, roles, lambda method: [cell(level, method) for level in levels])
    return PageTable(tuple((level.label, counted(level.n_slices, "slice")) for level in levels), rows)


def method_rows(summary: Summary, roles: tuple[Role, ...], cells: Callable[[str], list[Cell]]) -> tuple[TableRow, ...]:
    """One row a method; methods with nothing at all are left out."""
    rows = (TableRow(name, summary.roles[name], tuple(cells(name))) for name in summary.of_role(*roles))
    return tuple(row for row in rows if any(line.text not in {"", MISSING} for cell in row.cells for line in cell))


def _head(summary: Summary, measure: str) -> str:
    one = summary.measures[measure]
    return f"{one.title}, {one.unit}" if one.unit else one.title


def _comparison_cell(summary: Summary, own: Row | None) -> Cell:
    if own is None:
        return missing_cell()
    text = mean_interval(own.value.difference, summary.measures[own.measure].decimals, signed=True)
    better = is_better(summary, own)
    word = {True: "better", False: "worse", None: "undecided"}[better]
    p_holm = own.value.p_holm
    return Line(text, best=better is True), Line(word if p_holm is None else f"{word}, p {p_text(p_holm)} (Holm)")


def missing_cell() -> Cell:
    """A dash: nothing was measured."""
    return (Line(MISSING),)
