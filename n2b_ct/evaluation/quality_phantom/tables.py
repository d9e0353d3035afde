"""The tables of a phantom report: of scans, and of their inserts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from n2b_ct.config.quality_phantom import InsertSection
from n2b_ct.evaluation.quality_phantom.estimates import Estimate
from n2b_ct.evaluation.quality_phantom.insert_measures import InsertResult
from n2b_ct.evaluation.quality_phantom.measuring import PhantomSummary, ScanResult
from n2b_ct.evaluation.report.formatting import MISSING, number
from n2b_ct.evaluation.report.tables import Line, PageTable, TableRow
from n2b_ct.evaluation.summary import Role

Value = Callable[[InsertResult], Estimate | None]


def roles_of(summary: PhantomSummary) -> dict[str, Role]:
    """The first scan is what the others are compared with."""
    return {one.name: "model" if k else "input" for k, one in enumerate(summary.scans)}


def noise_table(summary: PhantomSummary) -> PageTable:
    """Noise by place and its mean frequency, scan by scan."""

    def cells(scan: ScanResult) -> list[tuple[Line, ...]]:
        if scan.noise is None:
            return [(Line(MISSING),)] * 4
        own = scan.noise
        places = [_cell(one, 1) for one in (own.noise_hu, own.centre_hu, own.rim_hu)]
        return [*places, _cell(own.mean_frequency_per_mm, 3)]

    heads = (("noise", "HU"), ("centre", "HU"), ("rim", "HU"), ("mean frequency", "1/mm"))
    return _by_scan(summary, heads, cells)


@dataclass(frozen=True, slots=True)
class Column:
    """One measure of an insert, and how it is written."""

    label: str
    value: Value
    decimals: int
    is_signed: bool = False


def insert_table(summary: PhantomSummary, columns: Sequence[Column]) -> PageTable:
    """Measures of every insert with their intervals, a column for each measure of each scan."""
    phantom = summary.phantom
    rows = []
    for insert in phantom.inserts:
        results = [scan.insert(insert.name) for scan in summary.scans]
        cells = [_measured(result, column) for column in columns for result in results]
        nominal = f"{number(phantom.contrast_hu(insert), 0, signed=True)} HU"
        rows.append(TableRow(insert.name, nominal, tuple(cells)))
    heads = tuple((scan.name, column.label) for column in columns for scan in summary.scans)
    return PageTable(heads, tuple(rows))


def _measured(result: InsertResult | None, column: Column) -> tuple[Line, ...]:
    estimate = None if result is None else column.value(result)
    return (Line(MISSING),) if estimate is None else _cell(estimate, column.decimals, column.is_signed)


def hu_table(summary: PhantomSummary) -> PageTable:
    """Measured HU over their interval and their deviation from the nominal ones."""

    def cell(result: InsertResult) -> tuple[Line, ...]:
        if result.hu.value is None:
            return (Line(MISSING),)
        off = number(result.hu.value - result.insert.hu, 1, signed=True)
        return *_cell(result.hu, 1), Line(f"{off} to nominal")

    return _by_insert(summary, cell, lambda insert: f"{number(insert.hu, 0)} HU")


def linearity_table(summary: PhantomSummary) -> PageTable | None:
    """Slope, intercept and the worst insert, scan by scan; None where no scan has a line."""
    if all(one.linearity is None for one in summary.scans):
        return None

    def cells(scan: ScanResult) -> list[tuple[Line, ...]]:
        line = scan.linearity
        if line is None:
            return [(Line(MISSING),)] * 4
        worst = Line(f"{number(line.largest_deviation_hu, 1, signed=True)} HU"), Line(line.insert)
        return [_cell(line.slope, 4), _cell(line.intercept_hu, 1, True), (Line(number(line.r_squared, 5)),), worst]

    heads = (("slope", "HU/HU"), ("intercept", "HU"), ("R²", ""), ("largest deviation", "from nominal"))
    return _by_scan(summary, heads, cells)


def ttf_table(summary: PhantomSummary) -> PageTable:
    """f50 over f10 of every insert."""

    def cell(result: InsertResult) -> tuple[Line, ...]:
        if result.ttf is None:
            return (Line(MISSING),)
        return Line(number(result.ttf.f50_per_mm, 3)), Line(number(result.ttf.f10_per_mm, 3))

    return _by_insert(summary, cell)


def _by_insert(
    summary: PhantomSummary,
    cell: Callable[[InsertResult], tuple[Line, ...]],
    nominal: Callable[[InsertSection], str] | None = None,
) -> PageTable:
    """A row for each insert, a column for each scan: phantoms have many inserts, reports few scans."""
    phantom = summary.phantom
    words = nominal or (lambda insert: f"{number(phantom.contrast_hu(insert), 0, signed=True)} HU")
    rows = []
    for insert in phantom.inserts:
        results = [scan.insert(insert.name) for scan in summary.scans]
        cells = tuple((Line(MISSING),) if result is None else cell(result) for result in results)
        rows.append(TableRow(insert.name, words(insert), cells))
    return PageTable(tuple((scan.name, "") for scan in summary.scans), tuple(rows))


def _by_scan(
    summary: PhantomSummary,
    heads: tuple[tuple[str, str], ...],
    cells: Callable[[ScanResult], Sequence[tuple[Line, ...]]],
) -> PageTable:
    roles = roles_of(summary)
    rows = tuple(TableRow(one.name, _role_word(roles[one.name]), tuple(cells(one))) for one in summary.scans)
    return PageTable(heads, rows)


def _role_word(role: Role) -> str:
    return "compared with" if role == "input" else ""


def _cell(estimate: Estimate, decimals: int, signed: bool = False) -> tuple[Line, ...]:
    """The value, and its interval below it."""
    value = Line(number(estimate.value, decimals, signed))
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return (value,)
    bounds = f"{number(estimate.low, decimals, signed)} to {number(estimate.high, decimals, signed)}"
    return value, Line(bounds)
