"""Charts of what is left of faint lesions, by diameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from n2b_ct.evaluation.low_contrast.results import LowContrast, low_contrast
from n2b_ct.evaluation.report.charts import Chart, Curve
from n2b_ct.evaluation.report.theme import LineStyle, line_styles
from n2b_ct.evaluation.summary import Summary

_SHIFT = 0.02
"""Diameters are drawn this much apart from method to method, so that intervals do not hide each other."""


def low_contrast_levels(summary: Summary) -> list[str]:
    """Labels of the levels with rows, the lowest dose first."""
    known = {one.level for one in low_contrast(summary.table)}
    return [level.label for level in summary.levels if level.label in known]


def low_contrast_charts(summary: Summary, level: str) -> tuple[Chart, ...]:
    """Share of the contrast that is left against the lesion's diameter, one chart per contrast."""
    rows = [one for one in low_contrast(summary.table) if one.level == level]
    styles = line_styles(summary.roles)
    charts = []
    for k, contrast in enumerate(sorted({one.contrast_hu for one in rows})):
        own = [one for one in rows if one.contrast_hu == contrast]
        names = [name for name in summary.of_role("baseline", "model") if any(one.method == name for one in own)]
        curves = tuple(
            _curve(name, [one for one in own if one.method == name], styles, apart)
            for name, apart in zip(names, _apart(len(names)), strict=True)
        )
        title = f"Contrast left of lesions of {contrast:g} HU, {level}"
        ticks = tuple((size, f"{size:g}") for size in dict.fromkeys(one.size_mm for one in own))
        said = (f"{one.method} {100 * one.recovery:.0f} % at {one.size_mm:g} mm" for one in own)
        charts.append(
            Chart(
                f"low-contrast-{k}",
                title,
                "diameter, mm",
                "% of the contrast",
                curves,
                f"{title}: {', '.join(said)}",
                ticks,
                log_x=True,
                level=100.0,
                from_zero=all((one.recovery if one.low is None else one.low) >= 0.0 for one in own),
            )
        )
    return tuple(charts)


def _curve(name: str, rows: Sequence[LowContrast], styles: Mapping[str, LineStyle], apart: float) -> Curve:
    def percent(value: float | None) -> float | None:
        return None if value is None else 100.0 * value

    x = tuple(one.size_mm * apart for one in rows)
    y = tuple(100.0 * one.recovery for one in rows)
    low, high = (
        tuple(percent(value) for value in bounds) for bounds in zip(*((r.low, r.high) for r in rows), strict=True)
    )
    return Curve(name, styles[name], x, y, low, high)


def _apart(n: int) -> list[float]:
    """Factors that keep the intervals of methods from hiding each other."""
    return [1.0 + _SHIFT * (k - (n - 1) / 2) for k in range(n)]
