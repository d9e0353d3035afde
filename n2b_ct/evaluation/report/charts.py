"""Plots as data, and how they are drawn: one drawing gives a PNG for the folder and an SVG for the page.

Lines carry their name beside them instead of in a box, intervals are always drawn where they exist, and every colour
of the SVG is a custom property of the page, so that one image is right in light and in dark.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from n2b_ct.evaluation.report.theme import LIGHT, LineStyle

CHART_INCH = (5.3, 3.35)
PNG_DPI = 160
MAX_ERROR_BARS = 12
MAX_TICKS = 5
_MARGINS_INCH = {"left": 0.62, "right": 1.42, "top": 0.42, "bottom": 0.52}
_LABEL_GAP_INCH = 0.165
_FONT_PT = 8.6


@dataclass(frozen=True, slots=True)
class Curve:
    """One method's line; ``low`` and ``high`` bound its interval point by point, or are empty.

    Attributes:
        note: Printed after the label, such as the mean frequency.
    """

    label: str
    style: LineStyle
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """One plot.

    Attributes:
        key: A word for file names and anchors.
        alternative: What the plot shows, in words, for those who cannot see it.
        ticks: Values of the x axis and what to write there; empty leaves it to the numbers.
        by_row: One row per curve, its value along x: for a measure at a single dose.
        level: A horizontal line to read off against, or None.
        from_zero: The y axis begins at 0.
        lists_names: Lines meet at their ends: name them in a list beside the plot, and begin the x axis at 0.
    """

    key: str
    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    alternative: str
    ticks: tuple[tuple[float, str], ...] = ()
    log_x: bool = False
    by_row: bool = False
    level: float | None = None
    from_zero: bool = False
    lists_names: bool = False


def draw_charts(charts: Sequence[Chart], n_columns: int = 2) -> Figure:
    """Draw charts side by side, in the light theme's colours, without a background."""
    n_columns = min(n_columns, len(charts))
    n_rows = -(-len(charts) // n_columns)
    width, height = CHART_INCH
    figure = Figure(figsize=(width * n_columns, height * n_rows))
    FigureCanvasAgg(figure)
    figure.patch.set_alpha(0.0)
    plot_width, plot_height = (inch / full for inch, full in zip(_plot_inch(), figure.get_size_inches(), strict=True))
    for k, chart in enumerate(charts):
        row, column = divmod(k, n_columns)
        left = (column + _MARGINS_INCH["left"] / width) / n_columns
        bottom = (n_rows - 1 - row + _MARGINS_INCH["bottom"] / height) / n_rows
        axes = figure.add_axes((left, bottom, plot_width, plot_height))
        _draw(axes, chart)
    return figure


def png_bytes(figure: Figure) -> bytes:
    """Render a figure as PNG on white."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PNG_DPI, facecolor="white")
    return buffer.getvalue()


def inline_svg(chart: Chart) -> str:
    """One chart as an SVG element of the page: its text is text, its colours and its font are the page's.

    The same chart gives the same characters.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": chart.key, "svg.fonttype": "none"}):
        draw_charts([chart]).savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font: (?:(\d+|bold) )?([\d.]+)px [^;\"]*", _font_size, svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    for name, colour in LIGHT.items():
        svg = svg.replace(colour, f"var(--{name})")
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{chart.key}-", svg)
    head = f'<svg role="img" aria-label="{_attribute(chart.alternative)}"'
    return re.sub(r'^<svg| (?:width|height)="[\d.]+pt"', lambda found: head if found[0] == "<svg" else "", svg, count=3)


def chart_csv(chart: Chart) -> str:
    """The numbers of a chart at full precision, one line per point."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["method", chart.x_label, chart.y_label, "low", "high"])
    for curve in chart.curves:
        bounds = zip(curve.low, curve.high, strict=True) if curve.low else ((None, None) for _ in curve.x)
        for x, y, (low, high) in zip(curve.x, curve.y, bounds, strict=True):
            name = f"'{curve.label}" if curve.label[:1] in {"=", "+", "-", "@"} else curve.label
            writer.writerow([name, x, y, "" if low is None else low, "" if high is None else high])
    return buffer.getvalue()


def separate(positions: Sequence[float], gap: float) -> list[float]:
    """Move label positions in [0, 1] apart to at least ``gap``, keeping their order and each cluster's middle."""
    order = sorted(range(len(positions)), key=lambda k: positions[k])
    clusters: list[tuple[float, int]] = []
    for position in (positions[k] for k in order):
        clusters.append((position, 1))
        while len(clusters) > 1 and _touch(clusters[-2], clusters[-1], gap):
            (low, n_low), (high, n_high) = clusters[-2:]
            clusters[-2:] = [((n_low * low + n_high * high) / (n_low + n_high), n_low + n_high)]
    moved = [middle + gap * (k - (n - 1) / 2) for middle, n in clusters for k in range(n)]
    moved = [min(position, 1.0 - gap * (len(moved) - 1 - k)) for k, position in enumerate(moved)]
    ranked = [max(position, gap * k) for k, position in enumerate(moved)]
    return [ranked[order.index(k)] for k in range(len(positions))]


def _touch(low: tuple[float, int], high: tuple[float, int], gap: float) -> bool:
    return high[0] - low[0] < gap * (low[1] + high[1]) / 2


def _plot_inch() -> tuple[float, float]:
    margins = _MARGINS_INCH
    return CHART_INCH[0] - margins["left"] - margins["right"], CHART_INCH[1] - margins["top"] - margins["bottom"]


def _draw(axes: Any, chart: Chart) -> None:
    _style_axes(axes, chart)
    if chart.by_row:
        _draw_rows(axes, chart)
    else:
        _draw_curves(axes, chart)


def _draw_curves(axes: Any, chart: Chart) -> None:
    if chart.level is not None:
        axes.axhline(chart.level, color=LIGHT["quiet"], linewidth=0.8, linestyle=(0, (4, 3)))
    for curve in chart.curves:
        _draw_interval(axes, curve)
        marker = curve.style.marker if len(curve.x) <= MAX_ERROR_BARS else None
        axes.plot(curve.x, curve.y, marker=marker, markersize=4.6, **_line(curve.style))
    if chart.log_x:
        axes.set_xscale("log")
    if chart.ticks:
        axes.set_xticks([value for value, _ in chart.ticks], [label for _, label in chart.ticks])
        axes.minorticks_off()
    if chart.from_zero:
        axes.set_ylim(bottom=0.0)
    if chart.lists_names:
        axes.set_xlim(left=0.0)
        _name_in_a_list(axes, chart.curves)
    else:
        _name_at_the_end(axes, chart.curves)


def _draw_interval(axes: Any, curve: Curve) -> None:
    """Bars where the points are few, a band where they are many."""
    if not curve.low:
        return
    bounds = zip(curve.x, curve.low, curve.high, strict=True)
    known = [(x, low, high) for x, low, high in bounds if low is not None and high is not None]
    if not known:
        return
    x, low, high = zip(*known, strict=True)
    colour = LIGHT[curve.style.ink]
    if len(curve.x) <= MAX_ERROR_BARS:
        axes.vlines(x, low, high, color=colour, linewidth=1.1)
    else:
        axes.fill_between(x, low, high, color=colour, alpha=0.1, linewidth=0)


def _draw_rows(axes: Any, chart: Chart) -> None:
    """One measure at one dose: a dot and its interval per method, the names where the y axis would be."""
    n = len(chart.curves)
    for row, curve in enumerate(chart.curves):
        colour = LIGHT[curve.style.ink]
        for low, high in zip(curve.low, curve.high, strict=True):
            if low is not None and high is not None:
                axes.hlines(row, low, high, color=colour, linewidth=1.6)
        axes.plot(curve.y, [row], marker=curve.style.marker, markersize=6, **_line(curve.style))
        _write_name(axes, 1.03, row, curve, axes.get_yaxis_transform())
    axes.set_ylim(n - 0.5, -0.5)
    axes.set_yticks(range(n), [""] * n)
    axes.grid(axis="both", color=LIGHT["line"], linewidth=0.7)
    axes.set_xlabel(chart.y_label)
    axes.set_ylabel("")
    axes.locator_params(axis="x", nbins=MAX_TICKS)
    axes.margins(x=0.08)


def _name_at_the_end(axes: Any, curves: Sequence[Curve]) -> None:
    """Write each name beside the last point of its line, moved apart where lines end close to each other."""
    axes.autoscale_view()
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [to_axes.transform((curve.x[-1], curve.y[-1])) for curve in curves]
    positions = separate([float(y) for _, y in ends], _LABEL_GAP_INCH / _plot_inch()[1])
    for curve, (x, y), position in zip(curves, ends, positions, strict=True):
        colour = LIGHT[curve.style.ink]
        axes.plot(
            [x + 0.02, 1.055], [y, position], color=colour, linewidth=0.6, clip_on=False, transform=axes.transAxes
        )
        _write_name(axes, 1.07, position, curve, axes.transAxes)


def _name_in_a_list(axes: Any, curves: Sequence[Curve]) -> None:
    """List the names beside the plot, each with a piece of its line; many leave no room for the notes."""
    gap = _LABEL_GAP_INCH / _plot_inch()[1]
    room = 0.98 + _MARGINS_INCH["bottom"] / _plot_inch()[1]
    has_notes = any(curve.note for curve in curves) and 1.9 * gap * len(curves) <= room
    step = min(1.9 * gap if has_notes else 1.1 * gap, room / len(curves))
    for k, curve in enumerate(curves):
        position = 0.98 - k * step
        axes.plot([1.02, 1.1], [position, position], clip_on=False, transform=axes.transAxes, **_line(curve.style))
        _write_name(axes, 1.12, position, curve, axes.transAxes)
        if has_notes:
            words = {"fontsize": _FONT_PT - 1, "color": LIGHT["quiet"]}
            axes.text(1.12, position - 0.85 * gap, curve.note, transform=axes.transAxes, va="center", **words)


def _write_name(axes: Any, x: float, y: float, curve: Curve, transform: Any) -> None:
    """Write a name, shortened where it would leave the chart's own part of the sheet."""
    text = axes.text(x, y, _plain(curve.label), transform=transform, va="center", **_words(curve))
    right = axes.bbox.x1 + _MARGINS_INCH["right"] * axes.figure.dpi
    shortened = curve.label
    while shortened and text.get_window_extent().x1 > right:
        shortened = shortened[:-1]
        text.set_text(_plain(f"{shortened}…"))


def _line(style: LineStyle) -> dict[str, Any]:
    return {"color": LIGHT[style.ink], "linestyle": style.dash, "linewidth": style.width}


def _words(curve: Curve) -> dict[str, Any]:
    weight = "bold" if curve.style.ink.startswith("model") else "normal"
    return {"color": LIGHT[curve.style.ink], "fontsize": _FONT_PT, "fontweight": weight, "clip_on": False}


def _plain(text: str) -> str:
    """Keep matplotlib from reading dollar signs as mathematics."""
    return text.replace("$", r"\$")


def _style_axes(axes: Any, chart: Chart) -> None:
    left = -_MARGINS_INCH["left"] / _plot_inch()[0]
    title = {"fontsize": 10.5, "fontweight": "bold", "color": LIGHT["ink"]}
    axes.text(left, 1.08, _plain(chart.title), transform=axes.transAxes, **title)
    axes.set_facecolor("none")
    axes.grid(axis="y", color=LIGHT["line"], linewidth=0.7)
    axes.set_axisbelow(True)
    axes.margins(x=0.06, y=0.1)
    axes.ticklabel_format(useOffset=False)
    axes.tick_params(colors=LIGHT["quiet"], labelsize=_FONT_PT, length=0, pad=5)
    axes.set_xlabel(chart.x_label, color=LIGHT["quiet"], fontsize=_FONT_PT)
    axes.set_ylabel(chart.y_label, color=LIGHT["quiet"], fontsize=_FONT_PT)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(LIGHT["quiet"])


def _font_size(found: re.Match[str]) -> str:
    weight = f"font-weight: {found[1]}; " if found[1] else ""
    return f"{weight}font-size: {found[2]}px"


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
