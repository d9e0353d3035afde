"""Dose curves, drawn once for light and once for dark pages, with matplotlib's object interface."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from n2b_ct.evaluation.report.measures import INPUT, SliceMeasure
from n2b_ct.evaluation.report.summary import Statistic, Summary

SIZE_INCH = (10.4, 3.9)
PNG_DPI = 160
MAX_SLICE_TICKS = 20
_MARKERS = "osD^vPX*"


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of one page mode; models take the strong ones, controls the quiet ones."""

    ink: str
    quiet: str
    grid: str
    models: tuple[str, ...]
    controls: tuple[str, ...]


LIGHT = Palette(
    ink="#1d2733",
    quiet="#5b6774",
    grid="#dde3e9",
    models=("#0b5cad", "#c2410c", "#6d28a8", "#a3195b"),
    controls=("#5c8a83", "#a08345", "#8a7f8f", "#7a8b5c"),
)
DARK = Palette(
    ink="#e6ebf0",
    quiet="#9aa7b4",
    grid="#2c3742",
    models=("#6db3f8", "#fb9a5b", "#c79bf2", "#f28fb8"),
    controls=("#7fb5ac", "#cdb274", "#b5aabb", "#a7ba85"),
)


def dose_figure(summary: Summary, rows: Sequence[SliceMeasure], palette: Palette) -> Figure | None:
    """Draw PSNR and SSIM of the primary window: against dose, or slice by slice where there is one dose.

    Returns:
        None where nothing has a reference.
    """
    if not summary.has_reference:
        return None
    figure = Figure(figsize=SIZE_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    figure.patch.set_alpha(0.0)
    known = [level for level in summary.levels if level.dose is not None]
    for axes, measure, label in zip(figure.subplots(1, 2), ("psnr_db", "ssim"), ("PSNR (dB)", "SSIM"), strict=True):
        if len(known) > 1:
            _draw_curves(axes, summary, measure, palette)
        else:
            _draw_slices(axes, summary, rows, measure, palette)
        _dress(axes, label, palette)
    _draw_legend(figure, palette)
    return figure


def png_bytes(figure: Figure, background: str = "white") -> bytes:
    """Render a figure as PNG on a plain background."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PNG_DPI, facecolor=background)
    return buffer.getvalue()


def svg_bytes(figure: Figure) -> bytes:
    """Render a figure as SVG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "n2b-ct"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def _draw_curves(axes: Any, summary: Summary, measure: str, palette: Palette) -> None:
    levels = [level for level in summary.levels if level.dose is not None]
    methods = summary.of_role("input", "control", "model")
    for k, method in enumerate(methods):
        statistics: list[Statistic] = [getattr(summary.result(level, method), measure) for level in levels]
        known = [(level, s) for level, s in zip(levels, statistics, strict=True) if s.mean is not None]
        shift = 1.0 + 0.018 * (k - (len(methods) - 1) / 2)
        axes.errorbar(
            [100 * (level.dose or 0.0) * shift for level, _ in known],
            [s.mean for _, s in known],
            yerr=[s.sd or 0.0 for _, s in known],
            label=method,
            capsize=0,
            elinewidth=0.9,
            **_line(summary, method, palette),
        )
    axes.set_xscale("log")
    axes.set_xticks([100 * (level.dose or 0.0) for level in levels], [level.label for level in levels])
    axes.minorticks_off()
    axes.set_xlabel("dose (mean ± s.d. over slices)")


def _draw_slices(axes: Any, summary: Summary, rows: Sequence[SliceMeasure], measure: str, palette: Palette) -> None:
    """One dose says nothing about a curve: show every slice, in order of series and position."""
    places = list(dict.fromkeys((row.series, row.slice_index) for row in rows))
    for method in summary.of_role("input", "control", "model"):
        own = [row for row in rows if row.method == method and row.window == summary.primary_window]
        known = [(row, getattr(row, measure)) for row in own if getattr(row, measure) is not None]
        axes.plot(
            [1 + places.index((row.series, row.slice_index)) for row, _ in known],
            [value for _, value in known],
            label=method,
            **_line(summary, method, palette),
        )
    if len(places) <= MAX_SLICE_TICKS:
        axes.set_xticks(range(1, len(places) + 1))
    axes.set_xlabel("slice, in the order of per_slice.csv")


def _line(summary: Summary, method: str, palette: Palette) -> dict[str, Any]:
    role = summary.roles[method]
    peers = summary.of_role(role)
    k = peers.index(method)
    common: dict[str, Any] = {"markersize": 5, "marker": _MARKERS[k % len(_MARKERS)], "linewidth": 1.4}
    if method == INPUT:
        return {**common, "color": palette.quiet, "linestyle": ":", "marker": "x"}
    if role == "control":
        return {**common, "color": palette.controls[k % len(palette.controls)], "linestyle": "--"}
    return {**common, "color": palette.models[k % len(palette.models)], "linewidth": 2.2, "markersize": 6}


def _dress(axes: Any, label: str, palette: Palette) -> None:
    axes.set_title(label, loc="left", fontsize=11, fontweight="bold", color=palette.ink)
    axes.set_facecolor("none")
    axes.grid(axis="y", color=palette.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.06, y=0.12)
    axes.tick_params(colors=palette.quiet, labelsize=9, length=0)
    axes.xaxis.label.set(color=palette.quiet, fontsize=9)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(palette.quiet)


def _draw_legend(figure: Figure, palette: Palette) -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(6, len(labels)),
        frameon=False,
        labelcolor=palette.ink,
    )
