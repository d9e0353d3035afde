"""The page's sections on texture, resolution, low contrast and what was removed; each says why where it is absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from n2b_ct.evaluation.report.formatting import listing
from n2b_ct.evaluation.report.nps_planes import nps_planes_png, planes_in_words
from n2b_ct.evaluation.report.page_parts import (
    Absent,
    FoldPart,
    ImagePart,
    Part,
    Section,
    TablePart,
    WarningPart,
    charts_part,
)
from n2b_ct.evaluation.report.physics_figures import (
    OBSERVERS,
    autocorrelation_charts,
    d_prime_charts,
    nps_charts,
    task_name,
    texture_charts,
    ttf_charts,
)
from n2b_ct.evaluation.report.physics_tables import (
    d_prime_table,
    hallucination_table,
    lag_table,
    lesion_table,
    potential_table,
    residual_table,
    resolution_table,
    texture_table,
)
from n2b_ct.evaluation.report.summary import Summary


def texture_section(summary: Summary) -> Section | Absent:
    """Noise power spectra, mean frequency and correlation."""
    texture = summary.table.records("texture")
    if not texture:
        return Absent(
            "Noise texture", "no noise power spectrum was measured: it needs flat regions and a pixel spacing"
        )
    sources = {one["source"] for one in texture}
    lead = (
        f"Radial noise power spectra from {' and '.join(sorted(sources))}. A curve pushed to the left is coarser noise."
    )
    parts: tuple[Part, ...] = (
        *charts_part((*nps_charts(summary), *texture_charts(summary))),
        TablePart(
            "Mean frequency of the noise", "1/mm", texture_table(summary), "1/mm over the shift against the input"
        ),
        *_planes(summary),
        FoldPart("Shape of the spectra alone", charts_part(nps_charts(summary, normalised=True))),
        FoldPart(
            "Correlation of neighbouring pixels", (TablePart("Lag-1 autocorrelation", "lag 1", lag_table(summary)),)
        ),
    )
    return Section("texture", "Texture", "Noise texture", lead, parts)


def _planes(summary: Summary) -> tuple[Part, ...]:
    png = nps_planes_png(summary)
    note = "The middle is frequency 0, the edge the Nyquist frequency. Each image is white at its own peak."
    title = "Two-dimensional spectra"
    return () if png is None else (FoldPart(title, (ImagePart(title, png, planes_in_words(summary), note),)),)


def resolution_section(summary: Summary) -> Section | Absent:
    """Task transfer functions of inserted disks at every contrast."""
    levels = list(dict.fromkeys(one["level"] for one in summary.table.records("resolution")))
    if not levels:
        return Absent("Resolution", "no transfer function was measured: it needs inserted disks and a pixel spacing")
    lead = (
        "Task transfer function of disks of known contrast, inserted before denoising: a method that is not linear has "
        "one for every contrast and dose. The band is the 95 % interval, the line marks 50 %."
    )
    shown, *others = [_resolution_at(summary, level) for level in levels]
    folds = tuple(FoldPart(f"Resolution at {level}", parts) for level, parts in zip(levels[1:], others, strict=True))
    return Section("resolution", "Resolution", "Resolution", lead, (*shown, *folds))


def detection_section(summary: Summary) -> Section | Absent:
    """d′ of both observers against dose, the dose-reduction potential read off it, and true lesions."""
    observers = {one["observer"] for one in summary.table.records("detectability")}
    has_lesions = bool(summary.table.of_part("lesions"))
    if not observers and not has_lesions:
        return Absent("Low contrast", "no d′ was measured: it needs inserted disks and a pixel spacing")
    lead = (
        "How well a model observer sees a disk in the noise. The dashed line is the d′ of the input at the highest "
        "dose: where a method reaches it, its dose shows as much."
    )
    parts: tuple[Part, ...] = ()
    for k, observer in enumerate(name for name in OBSERVERS if name in observers):
        own = _observer_parts(summary, observer)
        parts += own if k == 0 else (FoldPart(f"The same for the {OBSERVERS[observer]} observer", own),)
    if has_lesions:
        note = "CNR over the contrast that came through"
        parts += (TablePart("True lesions", "CNR", lesion_table(summary), note),)
    return Section("detection", "Low contrast", "Low contrast", lead, parts)


def removal_section(summary: Summary) -> Section | Absent:
    """Anatomy in the residual, its correlation, and what was invented."""
    residual = summary.table.records("residual")
    if not residual:
        return Absent("What was removed", "residuals were not tested for anatomy")
    lead = (
        "The residual (low dose − image) should be noise and nothing else. Its size is compared with the edges of "
        "the anatomy, and with what noise of the same strength and texture would give there."
    )
    levels = [level.label for level in summary.levels if any(one["level"] == level.label for one in residual)]
    tables = [TablePart(f"Anatomy in the residual, {level}", level, residual_table(summary, level)) for level in levels]
    warnings = _warnings(residual)
    parts: tuple[Part, ...] = (WarningPart(warnings),) if warnings else ()
    parts += (
        *tables[:1],
        *((FoldPart("Anatomy in the residual at the other doses", tuple(tables[1:])),) if tables[1:] else ()),
    )
    charts = charts_part(
        autocorrelation_charts(summary), "What was removed should lie on the line of the input's noise."
    )
    parts += (FoldPart("Autocorrelation of what was removed", charts),) if charts else ()
    return Section("removed", "Removed", "What was removed", lead, parts + _invented(summary))


def _resolution_at(summary: Summary, level: str) -> tuple[Part, ...]:
    note = "50 % / 10 % frequency, 1/mm, over the change of the 50 % frequency and the contrast that came through"
    table = TablePart(f"Resolution, {level}", level, resolution_table(summary, level), note)
    return (*charts_part(ttf_charts(summary, level)), table)


def _observer_parts(summary: Summary, observer: str) -> tuple[Part, ...]:
    results = summary.table.records("detectability", observer=observer)
    tables = tuple(
        TablePart(f"d′, {observer.upper()}, {task_name(task)}", "d′", d_prime_table(summary, task, observer))
        for task in dict.fromkeys(one["task"] for one in results)
    )
    note = f"d′ of the {OBSERVERS[observer]} observer. Bars: 95 % interval."
    charts = charts_part(d_prime_charts(summary, observer), note)
    fold = FoldPart(f"d′ and CNR in numbers, {observer.upper()}", tables)
    return (*charts, *_potential(summary, observer), fold)


def _potential(summary: Summary, observer: str) -> tuple[Part, ...]:
    table = potential_table(summary, observer)
    if not table.rows:
        return ()
    note = "The dose at which a method's d′ equals the input's at the highest dose measured; never extrapolated."
    return (TablePart(f"Dose-reduction potential at equal d′, {observer.upper()}", "Method", table, note),)


def _invented(summary: Summary) -> tuple[Part, ...]:
    invented = summary.table.records("hallucination")
    levels = list(dict.fromkeys(one["level"] for one in invented))
    tables = tuple(TablePart(f"Invented structure, {k}", k, hallucination_table(summary, k)) for k in levels)
    warned = [one for one in invented if one["warns"]]
    lines = tuple(
        f"{one['method']} invents structure where the truth holds none at {one['level']}: "
        f"{one['structure_hu']:.2f} HU over {one['n_regions']} regions."
        for one in warned
    )
    fold = (FoldPart("Structure invented where the truth holds none", tables),) if tables else ()
    return (*((WarningPart(lines),) if lines else ()), *fold)


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
