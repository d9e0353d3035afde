"""Charts and the picture of a phantom report."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Ellipse

from n2b_ct.evaluation.quality_phantom.estimates import Estimate
from n2b_ct.evaluation.quality_phantom.insert_measures import InsertResult
from n2b_ct.evaluation.quality_phantom.measuring import PhantomSummary, ScanResult
from n2b_ct.evaluation.quality_phantom.placement import STRONG_HU
from n2b_ct.evaluation.quality_phantom.tables import roles_of
from n2b_ct.evaluation.report.charts import Chart, Curve
from n2b_ct.evaluation.report.formatting import number
from n2b_ct.evaluation.report.theme import line_styles

MOST_PICTURES = 4
PICTURE_INCH = 3.4
PICTURE_DPI = 130
STRONG_WINDOW_HU = (-250.0, 250.0)
_FAINT_SD = 2.5
_FREQUENCY = "frequency, 1/mm"
_MARK = "#ffd24a"
_TWO_SIDED_95 = 1.96


def nps_chart(summary: PhantomSummary) -> tuple[Chart, ...]:
    """Radial noise power spectra of all scans."""
    styles = line_styles(roles_of(summary))
    curves = []
    for scan in summary.scans:
        if scan.noise is None or scan.noise.nps is None:
            continue
        radial = scan.noise.nps.radial()
        note = f"mean {number(scan.noise.mean_frequency_per_mm.value, 3)} /mm"
        x, y = map(tuple, (radial.frequency_per_mm.tolist(), radial.power_hu2_mm2.tolist()))
        curves.append(Curve(scan.name, styles[scan.name], x, y, note=note))
    if not curves:
        return ()
    title = "Noise power spectrum"
    words = f"{title}: {', '.join(f'{one.label} {one.note}' for one in curves)}"
    return (Chart("nps", title, _FREQUENCY, "NPS, HU² mm²", tuple(curves), words, from_zero=True, lists_names=True),)


def ttf_charts(summary: PhantomSummary) -> tuple[Chart, ...]:
    """Transfer functions, one chart for each insert; the line is 50 %."""
    styles = line_styles(roles_of(summary))
    charts = []
    for k, insert in enumerate(summary.phantom.inserts):
        curves = []
        for scan in summary.scans:
            result = scan.insert(insert.name)
            if result is None or result.ttf is None or result.ttf.f50_per_mm is None:
                continue
            ttf = result.ttf
            n = int(np.searchsorted(ttf.frequency_per_mm, 0.5 * ttf.frequency_per_mm[-1], side="right"))
            reach = _TWO_SIDED_95 * ttf.standard_error[:n]
            low, high = (tuple((ttf.ttf[:n] + sign * reach).tolist()) for sign in (-1.0, 1.0))
            x, y = tuple(ttf.frequency_per_mm[:n].tolist()), tuple(ttf.ttf[:n].tolist())
            note = f"f50 {number(ttf.f50_per_mm, 3)} /mm"
            curves.append(Curve(scan.name, styles[scan.name], x, y, low, high, note))
        if curves:
            title = f"{insert.name}, {number(summary.phantom.contrast_hu(insert), 0, signed=True)} HU"
            words = f"Task transfer function, {title}: {', '.join(f'{one.label} {one.note}' for one in curves)}"
            charts.append(
                Chart(
                    f"ttf-{k}",
                    title,
                    _FREQUENCY,
                    "TTF",
                    tuple(curves),
                    words,
                    level=0.5,
                    from_zero=True,
                    lists_names=True,
                )
            )
    return tuple(charts)


def insert_chart(
    summary: PhantomSummary,
    key: str,
    title: str,
    unit: str,
    value: Callable[[InsertResult], Estimate | None],
    level: float | None = 0.0,
) -> tuple[Chart, ...]:
    """One measure of all inserts with its intervals: faint inserts by name, strong ones by their nominal contrast."""
    styles = line_styles(roles_of(summary))
    phantom = summary.phantom
    is_strong = phantom.largest_contrast_hu >= STRONG_HU
    inserts = sorted(phantom.inserts, key=phantom.contrast_hu) if is_strong else list(phantom.inserts)
    places = [phantom.contrast_hu(one) if is_strong else float(k) for k, one in enumerate(inserts)]
    apart = 0.012 * (max(places) - min(places) if len(places) > 1 else 1.0)
    curves = []
    for number_of, scan in enumerate(summary.scans):
        points = []
        for place, insert in zip(places, inserts, strict=True):
            result = scan.insert(insert.name)
            found = None if result is None else value(result)
            if found is not None and found.value is not None:
                points.append((place + apart * number_of, found))
        if points:
            x, own = zip(*points, strict=True)
            low, high = tuple(one.low for one in own), tuple(one.high for one in own)
            curves.append(Curve(scan.name, styles[scan.name], x, tuple(one.value for one in own), low, high))
    if not curves:
        return ()
    words = f"{title} by insert: " + ", ".join(
        f"{one.label} from {one.y[0]:.3g} to {one.y[-1]:.3g} {unit}".strip() for one in curves
    )
    axis = "nominal contrast, HU" if is_strong else "insert"
    ticks = _round_ticks(places) if is_strong else tuple((float(k), one.name) for k, one in enumerate(inserts))
    return (Chart(key, title, axis, unit, tuple(curves), words, ticks, level=level),)


def _round_ticks(places: list[float]) -> tuple[tuple[float, str], ...]:
    """Multiples of 500 HU (100 where they span little) within the places."""
    step = 500.0 if max(places) - min(places) > 1000.0 else 100.0
    first, last = math.ceil(min(places) / step), math.floor(max(places) / step)
    return tuple((step * k, number(step * k, 0)) for k in range(first, last + 1))


def placement_png(summary: PhantomSummary) -> bytes:
    """The mean image of each scan with the inserts marked where they were measured."""
    shown = summary.scans[:MOST_PICTURES]
    figure = Figure(figsize=(PICTURE_INCH * len(shown), PICTURE_INCH + 0.35))
    FigureCanvasAgg(figure)
    for k, scan in enumerate(shown):
        axes = figure.add_axes((k / len(shown) + 0.01, 0.01, 1.0 / len(shown) - 0.02, 0.88))
        _draw_scan(axes, summary, scan)
        axes.set_title(scan.name.replace("$", r"\$"), fontsize=10)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PICTURE_DPI, facecolor="white")
    return buffer.getvalue()


def _draw_scan(axes: object, summary: PhantomSummary, scan: ScanResult) -> None:
    phantom, placement = summary.phantom, scan.placement
    low, high = _window(summary, scan)
    axes.imshow(scan.mean_hu, cmap="gray", vmin=low, vmax=high, interpolation="bilinear")  # type: ignore[attr-defined]
    axes.set_axis_off()  # type: ignore[attr-defined]
    rows, cols = scan.mean_hu.shape
    row, col = placement.centre_px
    height, width = (2.0 * phantom.radius_mm / side for side in placement.pixel_mm)
    outline = Ellipse((col, row), width, height, fill=False, edgecolor=_MARK, linewidth=0.8, linestyle=":")
    axes.add_patch(outline)  # type: ignore[attr-defined]
    for insert in phantom.inserts:
        at_row, at_col = placement.insert_px(insert)
        if not (0 <= at_row < rows and 0 <= at_col < cols):
            continue
        radius_px = insert.radius_mm / min(placement.pixel_mm)
        circle = Circle((at_col, at_row), radius_px, fill=False, edgecolor=_MARK, linewidth=1.2)
        axes.add_patch(circle)  # type: ignore[attr-defined]
        below = at_row + radius_px + 0.015 * rows
        words = {"color": _MARK, "fontsize": 7.5, "ha": "center", "va": "top", "clip_on": True}
        axes.text(at_col, below, insert.name.replace("$", r"\$"), **words)  # type: ignore[attr-defined]
    axes.set_xlim(-0.5, cols - 0.5)  # type: ignore[attr-defined]
    axes.set_ylim(rows - 0.5, -0.5)  # type: ignore[attr-defined]


def _window(summary: PhantomSummary, scan: ScanResult) -> tuple[float, float]:
    """Strong inserts: a soft-tissue window; faint ones: some standard deviations of the mean image's noise."""
    background = summary.phantom.background_hu
    if summary.phantom.largest_contrast_hu >= STRONG_HU:
        return background + STRONG_WINDOW_HU[0], background + STRONG_WINDOW_HU[1]
    noise_hu = (scan.noise.noise_hu.value or 0.0) if scan.noise else 0.0
    reach = summary.phantom.largest_contrast_hu + _FAINT_SD * noise_hu / np.sqrt(max(scan.n_present, 1))
    return background - reach, background + reach
