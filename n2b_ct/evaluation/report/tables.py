"""The tables of the page as plain strings, so that the template only lays them out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from n2b_ct.evaluation.cases import INPUT
from n2b_ct.evaluation.flat_regions import TISSUE_CLASSES_HU
from n2b_ct.evaluation.measures import CLASS_BIASES
from n2b_ct.evaluation.report.formatting import (
    MISSING,
    counted,
    mean_interval,
    mean_sd,
    number,
)
from n2b_ct.evaluation.report.provenance import Provenance
from n2b_ct.evaluation.report.summary import REDUCTION, DoseLevel, Summary
from n2b_ct.registry import BASELINES


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a cell; ``best`` where nothing in its column reads better."""

    text: str
    best: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One method's cells, each of one or two lines."""

    method: str
    role: str
    cells: tuple[tuple[Line, ...], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Column heads as (name, note) and rows."""

    heads: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]


def fidelity_table(summary: Summary, window: str) -> Table:
    """PSNR over SSIM, methods by dose, the best of each marked."""
    methods = summary.of_role("input", "baseline", "model")

    def line(level: DoseLevel, method: str, measure: str) -> Line:
        decimals = summary.measures[measure].decimals
        means = {name: summary.mean(level, name, measure, window).mean for name in methods}
        rounded = {name: round(mean, decimals) for name, mean in means.items() if mean is not None}
        is_best = method in rounded and rounded[method] == max(rounded.values())
        return Line(mean_text(summary, level, method, measure, window), is_best)

    rows = tuple(
        Row(
            method,
            summary.roles[method],
            tuple((line(level, method, "psnr_db"), line(level, method, "ssim")) for level in summary.columns),
        )
        for method in methods
    )
    return Table(_heads(summary), rows)


def measure_table(summary: Summary, measure: str, window: str | None = None) -> Table:
    """One measure, methods by dose; the reference too where it does not need one."""

    def lines(level: DoseLevel, method: str) -> tuple[Line, ...]:
        return (Line(mean_text(summary, level, method, measure, window)),)

    return _by_dose(summary, lines, reference=not summary.measures[measure].needs_reference)


def noise_table(summary: Summary) -> Table:
    """Noise in flat soft tissue over its reduction, methods by dose, the reference too."""

    def lines(level: DoseLevel, method: str) -> tuple[Line, ...]:
        noise = Line(mean_text(summary, level, method, "noise_std_hu"))
        reduction = summary.mean(level, method, REDUCTION).mean
        change = MISSING if reduction is None else f"{number(-reduction, 0, signed=True)} %"
        return noise, Line("" if method == INPUT else change)

    return _by_dose(summary, lines, reference=True)


def bias_table(summary: Summary, level: DoseLevel) -> Table:
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
        rows.append(Row(method, summary.roles[method], cells))
    return Table(tuple(heads), tuple(rows))


def method_descriptions(summary: Summary, provenance: Provenance) -> dict[str, str]:
    """Say how each method was made: baselines by their parameters, models by what the caller tells."""
    fixed = {"input": "The low-dose slice as it was measured", "reference": "The normal-dose slice"}
    described = {name: BASELINES.get(name).ct_description for name in BASELINES.names() if name in summary.roles}
    return {
        method: provenance.methods.get(method) or fixed.get(role) or described.get(method) or "No description given"
        for method, role in summary.roles.items()
    }


def mean_text(
    summary: Summary, level: DoseLevel, method: str, measure: str, window: str | None = None, signed: bool = False
) -> str:
    """Write a mean with its 95 % interval, or with ± s.d. where nobody made intervals."""
    decimals = summary.measures[measure].decimals
    if not summary.has_intervals:
        return mean_sd(summary.mean(level, method, measure, window), decimals, signed)
    return mean_interval(summary.interval(level, method, measure, window), decimals, signed)


def _by_dose(summary: Summary, lines: Callable[[DoseLevel, str], tuple[Line, ...]], reference: bool) -> Table:
    methods = summary.of_role("input", "baseline", "model", *(("reference",) if reference else ()))
    rows = tuple(
        Row(
            method,
            summary.roles[method],
            tuple(lines(level, method) for level in summary.columns),
        )
        for method in methods
    )
    return Table(_heads(summary), rows)


def _heads(summary: Summary) -> tuple[tuple[str, str], ...]:
    return tuple((level.label, counted(level.n_slices, "slice")) for level in summary.columns)


def _mean_over_bounds(text: str) -> tuple[Line, ...]:
    """The same on two lines, for tables of many columns."""
    mean, *bounds = text.split(" [")
    return (Line(mean), *(Line(f"[{part}") for part in bounds))
