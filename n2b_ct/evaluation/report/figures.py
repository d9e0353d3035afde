"""Charts of a report: measures against dose, spectra, transfer functions; all of them as PNG files beside the page.

Every function of charts gives an empty tuple where the report holds nothing to draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.integrate import trapezoid

from n2b_ct.evaluation.cases import INPUT
from n2b_ct.evaluation.disks import Task
from n2b_ct.evaluation.insert_results import CHO, CHO_KNOWN, NPW, NPW_KNOWN
from n2b_ct.evaluation.intervals import MeanInterval
from n2b_ct.evaluation.report.charts import Chart, Curve, draw_charts, png_bytes
from n2b_ct.evaluation.report.formatting import number
from n2b_ct.evaluation.report.low_contrast_charts import low_contrast_charts, low_contrast_levels
from n2b_ct.evaluation.report.theme import LineStyle, line_styles
from n2b_ct.evaluation.summary import DoseLevel, Role, Summary

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
        return MeanInterval(mean.mean, None, None, mean.n, mean.n_excluded, level.n_patients, "slices")

    return value


OBSERVERS = {
    CHO_KNOWN: "channelised Hotelling",
    NPW_KNOWN: "non-prewhitening",
    CHO: "channelised Hotelling",
    NPW: "non-prewhitening",
}
OBSERVER_TITLES = {
    CHO_KNOWN: "CHO, background known",
    NPW_KNOWN: "NPW, background known",
    CHO: "CHO, anatomy counts as noise",
    NPW: "NPW, anatomy counts as noise",
}
"""As charts and tables name observers."""
_TWO_SIDED_95 = 1.96
_FREQUENCY = "frequency, 1/mm"
INSERTED_DISK = "inserted sharp disk"
"""What the input's transfer function is of: no scanner's."""


def nps_charts(summary: Summary, normalised: bool = False) -> tuple[Chart, ...]:
    """Radial noise power spectra, one chart per dose level.

    Args:
        summary: Whose texture is drawn.
        normalised: Divide each spectrum by its own integral over frequency, so that only its shape is left.
    """
    styles = line_styles(summary.roles)
    charts = []
    for k, level in enumerate(summary.levels):
        found = [(name, summary.table.record("texture", level.label, name)) for name in summary.of_role(*MEASURED)]
        curves = tuple(_spectrum(name, styles[name], own, normalised) for name, own in found if own)
        title = f"{'Shape of the n' if normalised else 'N'}oise power spectrum, {level.label}"
        unit = "NPS / its integral, mm" if normalised else "NPS, HU² mm²"
        if curves:
            words = f"{title}: {_peaks(curves, unit)}"
            key = f"nps-{'shape-' if normalised else ''}{k}"
            charts.append(Chart(key, title, _FREQUENCY, unit, curves, words, from_zero=True, lists_names=True))
    return tuple(charts)


def texture_charts(summary: Summary) -> tuple[Chart, ...]:
    """Mean frequency of the noise against dose."""

    def value(level: DoseLevel, method: str) -> MeanInterval | None:
        found: MeanInterval | None = summary.table.get("texture", "mean_frequency_per_mm", level.label, method)
        return found

    return against_dose(summary, "mean-frequency", "Mean frequency of the noise", "1/mm", value, MEASURED)


def ttf_charts(summary: Summary, level: str) -> tuple[Chart, ...]:
    """Transfer functions at one dose level, one chart per contrast; the line is 50 %."""
    own = [one for one in summary.table.records("resolution", level=level) if one["ttf"]]
    styles = line_styles(summary.roles)
    place = [known.label for known in summary.levels].index(level)
    charts = []
    for k, task in enumerate(dict.fromkeys(one["task"] for one in own)):
        curves = tuple(_transfer(one, styles[one["method"]]) for one in own if one["task"] == task)
        title = f"{task_name(task)}, {level}"
        words = f"Task transfer function, {title}: {', '.join(f'{curve.label} {curve.note}' for curve in curves)}"
        key = f"ttf-{place}-{k}"
        charts.append(Chart(key, title, _FREQUENCY, "TTF", curves, words, level=0.5, from_zero=True, lists_names=True))
    return tuple(charts)


def d_prime_charts(summary: Summary, observer: str) -> tuple[Chart, ...]:
    """d′ of one observer against dose, one chart per task; the line is the input's d′ at the highest dose."""
    own = summary.table.records("detectability", observer=observer)
    charts: tuple[Chart, ...] = ()
    for k, task in enumerate(dict.fromkeys(one["task"] for one in own)):
        found = {(one["level"], one["method"]): one for one in own if one["task"] == task}
        potential = summary.table.records("potential", task=task, observer=observer)
        targets = [one["target_d_prime"] for one in potential]
        value = _d_primes(found)
        target = targets[0] if targets else None
        key = f"detect-{observer}-{k}"
        title = f"d′, {task_name(task).lower().replace(' hu', ' HU')} ({OBSERVER_TITLES[observer]})"
        charts += against_dose(summary, key, title, "d′", value, level=target, from_zero=True)
    return charts


def autocorrelation_charts(summary: Summary) -> tuple[Chart, ...]:
    """What each method removed beside the noise it should look like, by lag; one chart per dose level."""
    styles = line_styles(summary.roles)
    charts = []
    for k, level in enumerate(summary.levels):
        residual = summary.table.records("residual", level=level.label)
        own = [one for one in residual if one["residual_autocorrelation"]]
        if not own:
            continue
        lines = [_lags(one["method"], styles[one["method"]], one["residual_autocorrelation"]) for one in own]
        noise = next((one["noise_autocorrelation"] for one in own if one["noise_autocorrelation"]), None)
        reference = LineStyle("method-reference", "_", (0, (1, 1.5)), 1.6)
        curves = (*lines, *([] if noise is None else [_lags("noise of the input", reference, noise)]))
        title = f"Autocorrelation of what was removed, {level.label}"
        ticks = tuple((x, f"{x:g}") for x in curves[0].x)
        words = f"{title}: {in_words(list(curves), '')}"
        charts.append(Chart(f"lags-{k}", title, "lag, px", "correlation", curves, words, ticks))
    return tuple(charts)


def task_name(task: Task) -> str:
    """Name an inserted disk by what it is."""
    return f"Disk of {number(task.contrast_hu, 0, signed=True)} HU, {2 * task.radius_mm:g} mm"


def _spectrum(method: str, style: LineStyle, own: Mapping[str, Any], normalised: bool) -> Curve:
    note = f"mean {number(own['mean_frequency_per_mm'].mean, 3)} /mm"
    frequency, power = own["frequency_per_mm"], own["power_hu2_mm2"]
    total = trapezoid(power, frequency)
    if normalised and total > 0.0:
        power = tuple(value / float(total) for value in power)
    return Curve(method, style, frequency, power, note=note)


def _transfer(own: Mapping[str, Any], style: LineStyle) -> Curve:
    pairs = list(zip(own["ttf"], own["standard_error"], strict=True))
    low = tuple(value - _TWO_SIDED_95 * error for value, error in pairs)
    high = tuple(value + _TWO_SIDED_95 * error for value, error in pairs)
    note = "no 50 % frequency" if own["f50_per_mm"] is None else f"50 % at {number(own['f50_per_mm'], 3)} /mm"
    label = INSERTED_DISK if own["method"] == INPUT else own["method"]
    return Curve(label, style, own["frequency_per_mm"], own["ttf"], low, high, note)


def _d_primes(found: Mapping[tuple[str, str], Mapping[str, Any]]) -> Value:
    def value(level: DoseLevel, method: str) -> MeanInterval | None:
        own = found.get((level.label, method))
        if own is None:
            return None
        return MeanInterval(own["d_prime"], own["low"], own["high"], own["n_pairs"], 0, 0, "slices")

    return value


def _lags(label: str, style: LineStyle, values: Sequence[float] | None) -> Curve:
    known = tuple(values or ())
    return Curve(label, style, tuple(float(lag) for lag in range(1, len(known) + 1)), known)


def _peaks(curves: Sequence[Curve], unit: str) -> str:
    return f"{unit}, highest value: {', '.join(f'{curve.label} {max(curve.y):.4g}, {curve.note}' for curve in curves)}"


_CELL_INCH = 1.45
_HEAD_INCH = 0.35


def nps_planes_png(summary: Summary) -> bytes | None:
    """Draw every spectrum, each black at 0 and white at its own peak; None where there is none.

    The middle is frequency 0, the edge the Nyquist frequency; a streak is noise with a direction.
    """
    methods = _methods(summary)
    levels = [level.label for level in summary.levels if summary.table.records("texture", level=level.label)]
    if not methods or not levels:
        return None
    width, height = (_CELL_INCH * (len(methods) + 0.4), _CELL_INCH * len(levels) + _HEAD_INCH)
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    cells = figure.subplots(len(levels), len(methods), squeeze=False)
    for row, level in enumerate(levels):
        for column, method in enumerate(methods):
            _draw(cells[row][column], summary.table.get("texture", "plane_hu2_mm2", level, method))
            if row == 0:
                cells[row][column].set_title(method, fontsize=9, parse_math=False)
        cells[row][0].set_ylabel(level, fontsize=9, parse_math=False)
    figure.tight_layout(pad=0.4)
    return png_bytes(figure)


def planes_in_words(summary: Summary) -> str:
    """Say what the image shows, for those who cannot see it."""
    methods = ", ".join(_methods(summary))
    return f"Two-dimensional noise power spectra of {methods} at every dose level, each scaled to its own peak"


def _methods(summary: Summary) -> list[str]:
    records = summary.table.records("texture")
    known = {one["method"] for one in records if one["plane_hu2_mm2"]}
    return [name for name in summary.of_role(*MEASURED) if name in known]


def _draw(axes: Any, plane_hu2_mm2: Sequence[Sequence[float]] | None) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    if not plane_hu2_mm2:
        axes.set_frame_on(False)
        return
    plane = np.asarray(plane_hu2_mm2)
    axes.imshow(plane, cmap="gray", vmin=0.0, vmax=max(float(plane.max()), 1e-12), interpolation="nearest")


def figure_files(summary: Summary) -> dict[str, bytes]:
    """Every group of charts on one sheet, path to PNG; groups with nothing to draw are left out."""
    sheets = {
        "dose_curves": (*dose_charts(summary), *noise_charts(summary)),
        "nps": (*nps_charts(summary), *texture_charts(summary)),
        "ttf": tuple(chart for level in summary.levels for chart in ttf_charts(summary, level.label)),
        "residual_autocorrelation": autocorrelation_charts(summary),
        "low_contrast": tuple(
            chart for level in low_contrast_levels(summary)[:1] for chart in low_contrast_charts(summary, level)
        ),
    }
    planes = nps_planes_png(summary)
    sheets |= {f"detectability_{observer}": d_prime_charts(summary, observer) for observer in OBSERVERS}
    files = {f"figures/{name}.png": png_bytes(draw_charts(charts)) for name, charts in sheets.items() if charts}
    return files if planes is None else files | {"figures/nps_planes.png": planes}
