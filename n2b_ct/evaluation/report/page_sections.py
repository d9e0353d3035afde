"""The page's sections: which tables and charts, under which words; each says why where it is absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from n2b_ct.evaluation.measures import BUILT_IN
from n2b_ct.evaluation.report.figures import (
    OBSERVER_TITLES,
    OBSERVERS,
    autocorrelation_charts,
    d_prime_charts,
    dose_charts,
    noise_charts,
    nps_charts,
    nps_planes_png,
    planes_in_words,
    task_name,
    texture_charts,
    ttf_charts,
)
from n2b_ct.evaluation.report.formatting import listing
from n2b_ct.evaluation.report.low_contrast_charts import low_contrast_charts, low_contrast_levels
from n2b_ct.evaluation.report.low_contrast_view import low_contrast_table, measured_words
from n2b_ct.evaluation.report.page_parts import Part, Section, charts_part, fold, table_part
from n2b_ct.evaluation.report.physics_tables import (
    d_prime_table,
    hallucination_table,
    lag_table,
    lesion_table,
    potential_table,
    residual_table,
    resolution_table,
    texture_table,
    z_table,
)
from n2b_ct.evaluation.report.tables import (
    bias_table,
    comparison_table,
    fidelity_table,
    glance_table,
    measure_table,
    noise_table,
    place_table,
)
from n2b_ct.evaluation.summary import Summary


def dose_table(summary: Summary) -> Part | None:
    """The table that follows the summary: PSNR over SSIM by dose; the noise where there is no reference."""
    name = summary.primary_window
    if len(summary.levels) == 1:
        note = f"{spread_words(summary).capitalize()}. Window {_window(summary, name)}. Best marked."
        return table_part(f"At a glance, {summary.levels[0].label}", "Method", glance_table(summary), note)
    if summary.has_reference:
        note = f"PSNR in dB over SSIM, {spread_words(summary)}. Window {_window(summary, name)}. Highest marked."
        return table_part("Fidelity by dose", "Method", fidelity_table(summary, name), note)
    note = f"Standard deviation in flat soft tissue, HU, over its change; {spread_words(summary)}."
    return table_part("Noise by dose", "Method", noise_table(summary), note)


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
    return Section("Dose curves" if several else "Methods compared", "curves", "Curves", "", charts_part(charts, bars))


def fidelity_section(summary: Summary) -> Section:
    """The error in HU, the other windows, the paired tests."""
    if not summary.has_reference:
        return Section("Fidelity", reason="PSNR, SSIM and RMSE need a reference, and no slice has one")
    first, *others = summary.windows
    errors = table_part(
        f"RMSE, window {first}", "RMSE, HU", measure_table(summary, "rmse_hu", first), _window(summary, first)
    )
    parts: tuple[Part, ...] = (*_truth_parts(summary, first), errors)
    parts += tuple(fold(f"PSNR, SSIM and RMSE in the window {name}", _window_parts(summary, name)) for name in others)
    return Section("Fidelity to the reference", "fidelity", "Fidelity", "", parts + _tests(summary))


def noise_section(summary: Summary) -> Section:
    """Noise in flat soft tissue, and HU bias by tissue class."""
    lead = "Measured in regions of the low-dose slice itself, no reference needed."
    noise = table_part(
        "Noise in flat soft tissue",
        "Noise, HU",
        noise_table(summary),
        f"HU over the change against the {summary.anchor}",
    )
    levels = (summary.columns[-1], *summary.columns[:-1])
    biases = tuple(table_part(f"HU bias, {level.label}", level.label, bias_table(summary, level)) for level in levels)
    note = (
        f"Mean of method − {summary.anchor}, HU, by classes {_classes_from(summary)}; a dash: too few pixels. "
        "What goes beyond the ideal denoiser's row is the method's."
    )
    first = table_part("HU bias by tissue class", levels[0].label, bias_table(summary, levels[0]), note)
    places = tuple(
        table_part(f"Noise by place, {level.label}", "Noise, HU", place_table(summary, level), _PLACE_NOTE)
        for level in levels
    )
    parts: tuple[Part, ...] = (places[0], first) if len(levels) == 1 else (noise, places[0], first)
    parts += (fold("Noise by place and HU bias by dose", (*places[1:], *biases[1:])),) if biases[1:] else ()
    return Section("Noise and HU", "noise", "Noise and HU", lead, parts)


_PLACE_NOTE = "HU over the change against the input; in lung vessels count as noise, for every method alike"


def _classes_from(summary: Summary) -> str:
    """Where tissue classes come from, and so the ideal denoiser's row."""
    return "of the reference or the noise-free truth" if summary.has_reference else "of the smoothed input"


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
            parts.append(table_part(caption, measure.unit or "Method", table, measure.definition))
    return Section("Further measures", "further", "Further", "", tuple(parts)) if parts else None


def _tests(summary: Summary) -> tuple[Part, ...]:
    """Paired tests of every level in the primary window, and of all doses in the others."""
    shown = [(level.label, summary.primary_window) for level in summary.columns]
    shown += [(summary.columns[-1].label, name) for name in list(summary.windows)[1:]]
    tables = ((level, window, comparison_table(summary, level, window)) for level, window in shown)
    tests = tuple(
        table_part(f"Paired differences, {level}, window {window}", level, table)
        for level, window, table in tables
        if table.rows
    )
    return (fold("Paired tests against the input and the best baseline", tests),) if tests else ()


def _window_parts(summary: Summary, name: str) -> tuple[Part, ...]:
    note = _window(summary, name)
    return (
        table_part(f"PSNR and SSIM, window {name}", "dB, SSIM", fidelity_table(summary, name), note),
        table_part(f"RMSE, window {name}", "RMSE, HU", measure_table(summary, "rmse_hu", name), note),
        *_truth_parts(summary, name),
    )


def _truth_parts(summary: Summary, name: str) -> tuple[Part, ...]:
    """The error against the truth in a window; nothing where no slice has one."""
    rows = summary.table.of_part("slices")
    if not any(row.measure == "truth_error_hu" and row.window == name and row.value is not None for row in rows):
        return ()
    note = "HU, without the reference's noise; a dash where it is not measurable."
    table = measure_table(summary, "truth_error_hu", name)
    return (table_part(f"Error against the truth, window {name}", "HU", table, note),)


def _window(summary: Summary, name: str) -> str:
    window = summary.windows[name]
    return f"{name} {window}, data range {window.width_hu:g} HU"


def texture_section(summary: Summary) -> Section:
    """Noise power spectra, mean frequency and correlation."""
    texture = summary.table.records("texture")
    if not texture:
        return Section(
            "Noise texture", reason="no noise power spectrum was measured: it needs flat regions and a pixel spacing"
        )
    sources = {one["source"] for one in texture}
    lead = (
        f"Radial noise power spectra from {' and '.join(sorted(sources))}. A curve pushed to the left is coarser noise."
    )
    parts: tuple[Part, ...] = (
        *charts_part((*nps_charts(summary), *texture_charts(summary))),
        table_part(
            "Mean frequency of the noise", "1/mm", texture_table(summary), "1/mm over the shift against the input"
        ),
        *_planes(summary),
        fold("Shape of the spectra alone", charts_part(nps_charts(summary, normalised=True))),
        fold("Correlation of neighbouring pixels", (table_part("Lag-1 autocorrelation", "lag 1", lag_table(summary)),)),
    )
    return Section("Noise texture", "texture", "Texture", lead, parts)


def _planes(summary: Summary) -> tuple[Part, ...]:
    png = nps_planes_png(summary)
    note = "The middle is frequency 0, the edge the Nyquist frequency. Each image is white at its own peak."
    title = "Two-dimensional spectra"
    return (
        ()
        if png is None
        else (fold(title, (Part("image", title, note, png=png, alternative=planes_in_words(summary)),)),)
    )


def resolution_section(summary: Summary) -> Section:
    """Task transfer functions of inserted disks at every contrast."""
    levels = list(dict.fromkeys(one["level"] for one in summary.table.records("resolution")))
    along_z = _along_z(summary)
    if not levels and along_z:
        return Section("Resolution", "resolution", "Resolution", "", along_z)
    if not levels:
        return Section(
            "Resolution", reason="no transfer function was measured: it needs inserted disks and a pixel spacing"
        )
    lead = (
        "Task transfer function of disks of known contrast, inserted before denoising: a method that is not linear has "
        "one for every contrast and dose. The inserted disk is sharp: its own row and line are no scanner's "
        "resolution, but what the others are compared with. The band is the 95 % interval, the line marks 50 %."
    )
    shown, *others = [_resolution_at(summary, level) for level in levels]
    folds = tuple(fold(f"Resolution at {level}", parts) for level, parts in zip(levels[1:], others, strict=True))
    return Section("Resolution", "resolution", "Resolution", lead, (*shown, *along_z, *folds))


def _along_z(summary: Summary) -> tuple[Part, ...]:
    table = z_table(summary)
    note = "Transfer at the Nyquist frequency of z; 100 %: nothing is lost, as where slices are taken one by one"
    return (table_part("Resolution along z", "Method", table, note),) if table.rows else ()


def detection_section(summary: Summary) -> Section:
    """What is left of faint lesions, d′ of both observers, the dose-reduction potential, and true lesions."""
    observers = {one["observer"] for one in summary.table.records("detectability")}
    has_lesions = bool(summary.table.of_part("lesions"))
    parts = _low_contrast(summary)
    if not observers and not has_lesions and not parts:
        return Section("Low contrast", reason="it needs inserted lesions or a reference, and a pixel spacing")
    lead = (
        "What is left of faint lesions, and d′: how well a model observer sees a disk in the noise. The dashed line is "
        "the d′ of the input at the highest dose: where a method reaches it, its dose shows as much."
    )
    for k, observer in enumerate(name for name in OBSERVERS if name in observers):
        own = _observer_parts(summary, observer)
        parts += (
            own
            if k == 0
            else (fold(f"The same for the {OBSERVERS[observer]} observer ({_background(observer)})", own),)
        )
    if has_lesions:
        note = "CNR over the contrast that came through"
        parts += (table_part("True lesions", "CNR", lesion_table(summary), note),)
    return Section("Low contrast", "detection", "Low contrast", lead if observers else "", parts)


def _low_contrast(summary: Summary) -> tuple[Part, ...]:
    """Table and charts of faint lesions at the lowest dose, the other doses folded."""
    levels = low_contrast_levels(summary)
    if not levels:
        return ()
    words = measured_words(summary)
    tables = [
        (table_part(f"Lesions of low contrast, {level}", level, low_contrast_table(summary, level), words), level)
        for level in levels
    ]
    charts = charts_part(
        low_contrast_charts(summary, tables[0][1]), "The line is all of the contrast. Bars: 95 % interval."
    )
    others = tuple(part for part, _ in tables[1:])
    return (tables[0][0], *charts, *((fold("Lesions of low contrast at the other doses", others),) if others else ()))


def removal_section(summary: Summary) -> Section:
    """Anatomy in the residual, its correlation, and what was invented."""
    residual = summary.table.records("residual")
    if not residual:
        return Section("What was removed", reason="residuals were not tested for anatomy")
    lead = (
        "The residual (low dose − image) should be noise and nothing else. Its size is compared with the edges of "
        "the anatomy, and with what noise of the same strength and texture would give there. Edges say nothing of "
        "faint structure: its share in the residual is measured where a reference tells it from noise."
    )
    levels = [level.label for level in summary.levels if any(one["level"] == level.label for one in residual)]
    tables = [
        table_part(f"Anatomy in the residual, {level}", level, residual_table(summary, level)) for level in levels
    ]
    warnings = _warnings(residual)
    parts: tuple[Part, ...] = (Part("warning", lines=warnings),) if warnings else ()
    parts += (
        *tables[:1],
        *((fold("Anatomy in the residual at the other doses", tuple(tables[1:])),) if tables[1:] else ()),
    )
    charts = charts_part(
        autocorrelation_charts(summary), "What was removed should lie on the line of the input's noise."
    )
    parts += (fold("Autocorrelation of what was removed", charts),) if charts else ()
    return Section("What was removed", "removed", "Removed", lead, parts + _invented(summary))


def _resolution_at(summary: Summary, level: str) -> tuple[Part, ...]:
    note = (
        "50 % frequency, 10 % frequency (each with its 95 % interval), 1/mm; change of the 50 % frequency against the "
        "inserted disk, and the contrast that came through"
    )
    table = table_part(f"Resolution, {level}", level, resolution_table(summary, level), note)
    return (*charts_part(ttf_charts(summary, level)), table)


def _observer_parts(summary: Summary, observer: str) -> tuple[Part, ...]:
    results = summary.table.records("detectability", observer=observer)
    tables = tuple(
        table_part(f"d′, {OBSERVER_TITLES[observer]}, {task_name(task)}", "d′", d_prime_table(summary, task, observer))
        for task in dict.fromkeys(one["task"] for one in results)
    )
    note = f"d′ of the {OBSERVERS[observer]} observer, {_background(observer)}. Bars: 95 % interval."
    charts = charts_part(d_prime_charts(summary, observer), note)
    numbers = fold(f"d′ and CNR in numbers, {OBSERVER_TITLES[observer]}", tables)
    return (*charts, *_potential(summary, observer), numbers)


def _background(observer: str) -> str:
    return OBSERVER_TITLES[observer].partition(", ")[2]


def _potential(summary: Summary, observer: str) -> tuple[Part, ...]:
    table = potential_table(summary, observer)
    if not table.rows:
        return ()
    note = "The dose at which a method's d′ equals the input's at the highest dose measured; never extrapolated."
    return (table_part(f"Dose-reduction potential at equal d′, {OBSERVER_TITLES[observer]}", "Method", table, note),)


def _invented(summary: Summary) -> tuple[Part, ...]:
    invented = summary.table.records("hallucination")
    levels = list(dict.fromkeys(one["level"] for one in invented))
    tables = tuple(table_part(f"Invented structure, {k}", k, hallucination_table(summary, k)) for k in levels)
    warned = [one for one in invented if one["warns"]]
    lines = tuple(
        f"{one['method']} invents structure where the truth holds none at {one['level']}: "
        f"{one['structure_hu']:.2f} HU over {one['n_regions']} regions."
        for one in warned
    )
    folded = (fold("Structure invented where the truth holds none", tables),) if tables else ()
    return (*((Part("warning", lines=lines),) if lines else ()), *folded)


def _warnings(residual: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """One line a method, with every dose at which anatomy was found."""
    warned = [one for one in residual if one["warns"]]
    lines = []
    for method in dict.fromkeys(one["method"] for one in warned):
        own = [one for one in warned if one["method"] == method]
        levels = [f"{one['level']} ({one['n_warned']} of {one['n_slices']} slices)" for one in own]
        worst = max(own, key=lambda one: float(one["deviation_sds"].mean or 0.0))
        lines.append(
            f"Anatomy was found in what {method} removed at {listing(levels)}, "
            f"most in {worst['worst']} at {worst['level']}."
        )
    return tuple(lines)
