"""The tables of the page as plain strings, so that the template only lays them out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from n2b_ct.evaluation.baselines import BASELINES
from n2b_ct.evaluation.cases import INPUT
from n2b_ct.evaluation.flat_regions import TISSUE_CLASSES_HU
from n2b_ct.evaluation.report.provenance import Provenance
from n2b_ct.evaluation.report.summary import DoseLevel, Result, Statistic, Summary
from n2b_ct.evaluation.report.wording import (
    MISSING,
    PSNR_DECIMALS,
    SSIM_DECIMALS,
    counted,
    mean_interval,
    mean_sd,
    number,
)

HU_DECIMALS = 1


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
    columns = {level: {name: summary.result(level, name, window) for name in methods} for level in summary.columns}
    best_psnr = {level: _best([r.psnr_db for r in column.values()], PSNR_DECIMALS) for level, column in columns.items()}
    best_ssim = {level: _best([r.ssim for r in column.values()], SSIM_DECIMALS) for level, column in columns.items()}
    rows = tuple(
        Row(
            method,
            summary.roles[method],
            tuple(
                (
                    _line(summary, column[method], "psnr_db", PSNR_DECIMALS, best_psnr[level]),
                    _line(summary, column[method], "ssim", SSIM_DECIMALS, best_ssim[level]),
                )
                for level, column in columns.items()
            ),
        )
        for method in methods
    )
    return Table(_heads(summary), rows)


def error_table(summary: Summary, window: str) -> Table:
    """RMSE in HU, methods by dose."""

    def lines(result: Result) -> tuple[Line, ...]:
        return (Line(_mean(summary, result, "rmse_hu", result.rmse_hu, HU_DECIMALS)),)

    return _by_dose(summary, window, lines, reference=False)


def noise_table(summary: Summary) -> Table:
    """Noise in flat soft tissue over its reduction, methods by dose, the reference too."""
    return _by_dose(summary, summary.primary_window, lambda result: _noise_lines(summary, result), reference=True)


def bias_table(summary: Summary, level: DoseLevel) -> Table:
    """Mean HU shift against the input, methods by tissue class."""
    heads = [("flat soft tissue", "noise blocks")]
    heads += [(name, f"{low:g} to {high:g} HU".replace("-", "−")) for name, (low, high) in TISSUE_CLASSES_HU.items()]
    rows = []
    for method in summary.of_role("baseline", "model", "reference"):
        result = summary.result(level, method)
        shifts = {"hu_bias_hu": result.hu_bias_hu}
        shifts |= {f"hu_bias_{name}_hu": shift for name, shift in result.class_bias_hu.items()}
        cells = tuple(_mean_over_bounds(summary, result, *shift) for shift in shifts.items())
        rows.append(Row(method, summary.roles[method], cells))
    return Table(tuple(heads), tuple(rows))


def method_descriptions(summary: Summary, provenance: Provenance) -> dict[str, str]:
    """Say how each method was made: baselines by their parameters, models by what the caller tells."""
    fixed = {"input": "The low-dose slice as it was measured", "reference": "The normal-dose slice"}
    described = {name: baseline.description for name, baseline in BASELINES.items()}
    return {
        method: provenance.methods.get(method) or fixed.get(role) or described.get(method) or "No description given"
        for method, role in summary.roles.items()
    }


def _by_dose(summary: Summary, window: str, lines: Callable[[Result], tuple[Line, ...]], reference: bool) -> Table:
    methods = summary.of_role("input", "baseline", "model", *(("reference",) if reference else ()))
    rows = tuple(
        Row(
            method,
            summary.roles[method],
            tuple(lines(summary.result(level, method, window)) for level in summary.columns),
        )
        for method in methods
    )
    return Table(_heads(summary), rows)


def _noise_lines(summary: Summary, result: Result) -> tuple[Line, ...]:
    reduction = result.noise_reduction_percent.mean
    change = MISSING if reduction is None else f"{number(-reduction, 0, signed=True)} %"
    noise = _mean(summary, result, "noise_std_hu", result.noise_std_hu, HU_DECIMALS)
    return Line(noise), Line("" if result.method == INPUT else change)


def _heads(summary: Summary) -> tuple[tuple[str, str], ...]:
    return tuple((level.label, counted(level.n_slices, "slice")) for level in summary.columns)


def _best(statistics: list[Statistic], decimals: int) -> float | None:
    means = [round(statistic.mean, decimals) for statistic in statistics if statistic.mean is not None]
    return max(means) if means else None


def _line(summary: Summary, result: Result, measure: str, decimals: int, best: float | None) -> Line:
    statistic: Statistic = getattr(result, measure)
    is_best = statistic.mean is not None and round(statistic.mean, decimals) == best
    return Line(_mean(summary, result, measure, statistic, decimals), is_best)


def _mean(
    summary: Summary, result: Result, measure: str, statistic: Statistic, decimals: int, signed: bool = False
) -> str:
    """The mean with its 95 % interval, or with ± s.d. where nobody made intervals."""
    if not summary.certainty.intervals:
        return mean_sd(statistic, decimals, signed)
    interval = summary.certainty.intervals.get((result.level, result.method, result.window, measure))
    return mean_interval(interval, decimals, signed)


def _mean_over_bounds(summary: Summary, result: Result, measure: str, statistic: Statistic) -> tuple[Line, ...]:
    """The same on two lines, for tables of many columns."""
    text = _mean(summary, result, measure, statistic, HU_DECIMALS, signed=True)
    mean, *bounds = text.split(" [")
    return (Line(mean), *(Line(f"[{part}") for part in bounds))
