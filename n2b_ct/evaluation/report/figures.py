"""Charts of measures against dose, from a summary; without a dose axis, method by method.

Every function gives an empty tuple where the report holds nothing to draw.
"""

from __future__ import annotations

from collections.abc import Callable

from n2b_ct.evaluation.intervals import MeanInterval
from n2b_ct.evaluation.report.charts import Chart, Curve
from n2b_ct.evaluation.report.summary import DoseLevel, Role, Summary
from n2b_ct.evaluation.report.theme import line_styles

DOSE_AXIS = "dose, % of normal"
JUDGED: tuple[Role, ...] = ("input", "baseline", "model")
MEASURED: tuple[Role, ...] = (*JUDGED, "reference")
_MEASURES = (("psnr_db", "PSNR", "dB"), ("ssim", "SSIM", "SSIM"))
_SHIFT = 0.016
"""Doses are drawn this much apart from method to method, so that intervals do not hide each other."""

Value = Callable[[DoseLevel, str], MeanInterval | None]


def dose_charts(summary: Summary) -> tuple[Chart, ...]:
    """PSNR and SSIM of the primary window against dose."""
    charts: tuple[Chart, ...] = ()
    for measure, name, unit in _MEASURES:
        title = f"{name}, window {summary.primary_window}"
        charts += against_dose(summary, measure.replace("_", "-"), title, unit, _means(summary, measure))
    return charts


def noise_charts(summary: Summary) -> tuple[Chart, ...]:
    """Noise in flat soft tissue against dose, the reference's own too."""
    value = _means(summary, "noise_std_hu")
    return against_dose(summary, "noise", "Noise in flat soft tissue", "HU", value, MEASURED, from_zero=True)


def against_dose(
    summary: Summary,
    key: str,
    title: str,
    unit: str,
    value: Value,
    roles: tuple[Role, ...] = JUDGED,
    level: float | None = None,
    from_zero: bool = False,
) -> tuple[Chart, ...]:
    """Draw one measure against dose where two doses or more are known, else a row per method.

    Args:
        summary: Names the doses and the methods.
        key: Of the chart.
        title: Stands above the chart.
        unit: Of the measure, beside its axis.
        value: Dose level and method to the mean and its interval; None where there is none.
        roles: Whose lines are drawn.
        level: A line to read off against.
        from_zero: The y axis begins at 0.
    """
    doses = [dose for dose in summary.levels if dose.dose is not None]
    by_row = len(doses) < 2
    shown = doses if not by_row else list(summary.levels[:1])
    styles = line_styles(summary.roles)
    methods = summary.of_role(*roles)
    curves = []
    for k, method in enumerate(methods):
        means = [(dose, value(dose, method)) for dose in shown]
        known = [(dose, mean) for dose, mean in means if mean is not None and mean.mean is not None]
        apart = 1.0 + _SHIFT * (k - (len(methods) - 1) / 2)
        if known:
            x = tuple(100.0 * (dose.dose or 0.0) * apart for dose, _ in known)
            bounds = tuple(mean.low for _, mean in known), tuple(mean.high for _, mean in known)
            curves.append(Curve(method, styles[method], x, tuple(mean.mean or 0.0 for _, mean in known), *bounds))
    if not curves:
        return ()
    axis = "" if by_row else DOSE_AXIS
    ticks = tuple((100.0 * (dose.dose or 0.0), f"{100.0 * (dose.dose or 0.0):.4g} %") for dose in doses)
    words = f"{title} by dose: {in_words(curves, unit)}"
    return (Chart(key, title, axis, unit, tuple(curves), words, ticks, not by_row, by_row, level, from_zero),)


def in_words(curves: list[Curve], unit: str) -> str:
    """What a chart says, for those who cannot see it: each line's name, first and last value."""
    parts = []
    for curve in curves:
        first, last = f"{curve.y[0]:.4g}", f"{curve.y[-1]:.4g}"
        parts.append(f"{curve.label} {first}" if len(curve.y) == 1 else f"{curve.label} from {first} to {last}")
    return f"{', '.join(parts)} {unit}".strip()


def _means(summary: Summary, measure: str) -> Value:
    """Means of the primary window with their intervals, or without where nobody made any."""

    def value(level: DoseLevel, method: str) -> MeanInterval | None:
        known = summary.interval(level, method, measure)
        if known is not None:
            return known
        mean = summary.mean(level, method, measure)
        return MeanInterval(mean.mean, None, None, mean.n, mean.n_excluded, level.n_series, "slices")

    return value
