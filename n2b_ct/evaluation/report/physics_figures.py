"""Charts of noise texture, resolution and detectability, from a summary's physics; empty where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scipy.integrate import trapezoid

from n2b_ct.evaluation.disks import Task
from n2b_ct.evaluation.intervals import MeanInterval
from n2b_ct.evaluation.report.charts import Chart, Curve
from n2b_ct.evaluation.report.figures import MEASURED, Value, against_dose, in_words
from n2b_ct.evaluation.report.formatting import number
from n2b_ct.evaluation.report.summary import DoseLevel, Summary
from n2b_ct.evaluation.report.theme import LineStyle, line_styles

OBSERVERS = {"cho": "channelised Hotelling", "npw": "non-prewhitening"}
_TWO_SIDED_95 = 1.96
_FREQUENCY = "frequency, 1/mm"


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
        title = f"d′, {task_name(task).lower().replace(' hu', ' HU')} ({observer.upper()})"
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
    return Curve(own["method"], style, own["frequency_per_mm"], own["ttf"], low, high, note)


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
