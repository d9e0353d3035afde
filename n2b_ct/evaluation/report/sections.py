"""The page's sections on fidelity, noise and HU: which tables and charts, under which words."""

from __future__ import annotations

from n2b_ct.evaluation.measures import BUILT_IN
from n2b_ct.evaluation.report.figures import dose_charts, noise_charts
from n2b_ct.evaluation.report.page_parts import Absent, FoldPart, Part, Section, TablePart, charts_part
from n2b_ct.evaluation.report.physics_figures import d_prime_charts
from n2b_ct.evaluation.report.physics_tables import comparison_table
from n2b_ct.evaluation.report.summary import Summary
from n2b_ct.evaluation.report.tables import bias_table, fidelity_table, measure_table, noise_table


def dose_table(summary: Summary) -> TablePart | None:
    """The table that follows the summary: PSNR over SSIM by dose; the noise where there is no reference."""
    name = summary.primary_window
    if summary.has_reference:
        note = f"PSNR in dB over SSIM, {spread_words(summary)}. Window {_window(summary, name)}. Highest marked."
        return TablePart("Fidelity by dose", "Method", fidelity_table(summary, name), note)
    note = f"Standard deviation in flat soft tissue, HU, over its change; {spread_words(summary)}."
    return TablePart("Noise by dose", "Method", noise_table(summary), note)


def spread_words(summary: Summary) -> str:
    """What stands beside a mean."""
    return "mean with its 95 % interval" if summary.has_intervals else "mean ± s.d. between slices"


def curves_section(summary: Summary) -> Section:
    """PSNR, SSIM, noise and d′ against dose, all methods, on one screen."""
    observers = dict.fromkeys(one["observer"] for one in summary.table.records("detectability"))
    detection = [chart for observer in observers for chart in d_prime_charts(summary, observer)][:1]
    charts = (*dose_charts(summary), *noise_charts(summary), *detection)
    bars = "Bars: 95 % interval of the mean." if summary.has_intervals else "Means over slices."
    several = len([level for level in summary.levels if level.dose is not None]) > 1
    return Section("curves", "Curves", "Dose curves" if several else "Methods compared", "", charts_part(charts, bars))


def fidelity_section(summary: Summary) -> Section | Absent:
    """The error in HU, the other windows, the paired tests."""
    if not summary.has_reference:
        return Absent("Fidelity", "PSNR, SSIM and RMSE need a reference, and no slice has one")
    first, *others = summary.windows
    errors = TablePart(
        f"RMSE, window {first}", "RMSE, HU", measure_table(summary, "rmse_hu", first), _window(summary, first)
    )
    parts: tuple[Part, ...] = (errors,)
    parts += tuple(
        FoldPart(f"PSNR, SSIM and RMSE in the window {name}", _window_parts(summary, name)) for name in others
    )
    return Section("fidelity", "Fidelity", "Fidelity to the reference", "", parts + _tests(summary))


def noise_section(summary: Summary) -> Section:
    """Noise in flat soft tissue, and HU bias by tissue class."""
    lead = "Measured in regions of the low-dose slice itself, no reference needed."
    noise = TablePart(
        "Noise in flat soft tissue",
        "Noise, HU",
        noise_table(summary),
        f"HU over the change against the {summary.anchor}",
    )
    levels = (summary.columns[-1], *summary.columns[:-1])
    biases = tuple(TablePart(f"HU bias, {level.label}", level.label, bias_table(summary, level)) for level in levels)
    note = f"Mean of method − {summary.anchor}, HU; a dash where no slice has enough of the class."
    first = TablePart("HU bias by tissue class", levels[0].label, biases[0].table, note)
    parts: tuple[Part, ...] = (noise, first)
    parts += (FoldPart("HU bias by dose", biases[1:]),) if biases[1:] else ()
    return Section("noise", "Noise and HU", "Noise and HU", lead, parts)


def outside_section(summary: Summary) -> Section | None:
    """Measures that installed packages add, each with its definition; None where there is none."""
    parts: list[Part] = []
    for name, measure in summary.measures.items():
        if name in BUILT_IN or (measure.needs_reference and not summary.has_reference):
            continue
        windows = list(summary.windows) if measure.needs_reference else [None]
        for window in windows:
            caption = measure.title if window is None else f"{measure.title}, window {window}"
            table = measure_table(summary, name, window)
            parts.append(TablePart(caption, measure.unit or "Method", table, measure.definition))
    return Section("further", "Further", "Further measures", "", tuple(parts)) if parts else None


def _tests(summary: Summary) -> tuple[Part, ...]:
    """Paired tests of every level in the primary window, and of all doses in the others."""
    places = [(level.label, summary.primary_window) for level in summary.columns]
    places += [(summary.columns[-1].label, name) for name in list(summary.windows)[1:]]
    tables = ((level, window, comparison_table(summary, level, window)) for level, window in places)
    tests = tuple(
        TablePart(f"Paired differences, {level}, window {window}", level, table)
        for level, window, table in tables
        if table.rows
    )
    return (FoldPart("Paired tests against the input and the best baseline", tests),) if tests else ()


def _window_parts(summary: Summary, name: str) -> tuple[Part, ...]:
    note = _window(summary, name)
    return (
        TablePart(f"PSNR and SSIM, window {name}", "dB, SSIM", fidelity_table(summary, name), note),
        TablePart(f"RMSE, window {name}", "RMSE, HU", measure_table(summary, "rmse_hu", name), note),
    )


def _window(summary: Summary, name: str) -> str:
    window = summary.windows[name]
    return f"{name} {window}, data range {window.width_hu:g} HU"
