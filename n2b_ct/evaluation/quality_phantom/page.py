"""The page of a phantom report: its sections, laid out by the dose report's template."""

from __future__ import annotations

from collections.abc import Mapping

from n2b_ct.evaluation.quality_phantom.document import DEFINITIONS
from n2b_ct.evaluation.quality_phantom.estimates import Estimate
from n2b_ct.evaluation.quality_phantom.figures import insert_chart, nps_chart, placement_png, ttf_charts
from n2b_ct.evaluation.quality_phantom.insert_measures import InsertResult, d_prime
from n2b_ct.evaluation.quality_phantom.measuring import PhantomSummary
from n2b_ct.evaluation.quality_phantom.sentences import summary_sentences
from n2b_ct.evaluation.quality_phantom.tables import (
    Column,
    hu_table,
    insert_table,
    linearity_table,
    noise_table,
    roles_of,
    ttf_table,
)
from n2b_ct.evaluation.report.document import Provenance
from n2b_ct.evaluation.report.formatting import number
from n2b_ct.evaluation.report.page import downloads_of, lay_out
from n2b_ct.evaluation.report.page_parts import Part, Section, charts_part, table_part

INTERVALS = "Below each value its 95 % interval between repeats."
_BESIDE = "report.json (the same numbers), figures/ (the picture as PNG)"
OBSERVERS = {"cho": "d′, channelised Hotelling observer", "npw": "d′, non-prewhitening observer"}


def render_phantom_page(summary: PhantomSummary, provenance: Provenance, contents: Mapping[str, bytes]) -> str:
    """Lay out the page.

    Args:
        summary: All numbers.
        provenance: Printed as it is, escaped.
        contents: The report's other files by name; JSON and CSV among them can be downloaded from the page.
    """
    found = [
        _placement_section(summary),
        _noise_section(summary),
        _contrast_section(summary),
        _linearity_section(summary),
        _detection_section(summary),
        _resolution_section(summary),
    ]
    first = summary.scans[0].name
    methods = {one.name: f"Scan {one.name}" for one in summary.scans}
    methods[first] = f"{methods[first]}, which the others are compared with"
    return lay_out(
        provenance,
        roles_of(summary),
        sentences=summary_sentences(summary),
        notes=_notes(summary),
        problems=summary.problems,
        dropped=[f"{one.title}: {one.reason}." for one in found if one.reason],
        first_table=table_part("Noise", "Scan", noise_table(summary), INTERVALS),
        sections=[one for one in found if not one.reason],
        viewer=None,
        downloads=downloads_of(contents),
        methods=methods,
        overall="",
        definitions=DEFINITIONS,
        beside=_BESIDE,
        meaning="What every number means, and how it is measured",
    )


def _notes(summary: PhantomSummary) -> list[str]:
    by_remark: dict[str, list[str]] = {}
    for scan in summary.scans:
        for remark in scan.remarks:
            by_remark.setdefault(remark, []).append(scan.name)
    return [f"{', '.join(names)}: {remark}." for remark, names in by_remark.items()]


def _placement_section(summary: PhantomSummary) -> Section:
    words = []
    for scan in summary.scans:
        place = scan.placement
        row, col = (number(at, 1) for at in place.centre_px)
        turned = f"{number(place.rotation_degrees, 1, signed=True)}°" if place.rotation_degrees else "unturned"
        mirrored = ", mirrored" if place.is_mirrored else ""
        words.append(f"{scan.name}: centre at row {row}, column {col}, {turned}{mirrored}")
    names = ", ".join(one.name for one in summary.phantom.inserts)
    picture = Part(
        "image",
        note="; ".join(words) + ". If a circle is not on its insert, give placement in the phantom's file.",
        png=placement_png(summary),
        alternative=f"Mean image of each scan with circles around {names}",
    )
    return Section("Where the inserts were measured", "placement", "Inserts", parts=(picture,))


def _noise_section(summary: PhantomSummary) -> Section:
    charts = nps_chart(summary)
    if not charts:
        return Section("Noise texture", reason="the background has no room for four squares of 24 px")
    return Section("Noise texture", "noise", "Noise", parts=charts_part(charts, _noise_words(summary)))


def _noise_words(summary: PhantomSummary) -> str:
    return "; ".join(
        f"{one.name}: {one.noise.nps.n_rois} squares of {one.noise.nps.size_px} px "
        + ("of differences between repeats" if one.noise.is_by_subtraction else "of single images")
        for one in summary.scans
        if one.noise is not None and one.noise.nps is not None
    )


def _contrast_section(summary: PhantomSummary) -> Section:
    columns = (
        Column("contrast, HU", lambda one: one.contrast_hu, 1, is_signed=True),
        Column("CNR", lambda one: one.cnr, 2, is_signed=True),
    )
    note = f"Nominal contrast beside the names; CNR is signed as the contrast is. {INTERVALS}"
    charts = (
        *insert_chart(summary, "contrast", "Contrast", "HU", lambda one: one.contrast_hu),
        *insert_chart(summary, "cnr", "CNR", "", lambda one: one.cnr),
    )
    parts = (
        *charts_part(charts, "Bars: 95 % interval between repeats."),
        table_part("Contrast and CNR of the inserts", "Insert", insert_table(summary, columns), note),
    )
    return Section("Contrast and CNR", "contrast", "Contrast", parts=parts)


def _linearity_section(summary: PhantomSummary) -> Section:
    table = linearity_table(summary)
    if table is None:
        return Section("HU linearity", reason="it needs three inserts whose nominal HU span 100 HU")
    charts = insert_chart(summary, "deviation", "Measured − nominal", "HU", _deviation)
    parts = (
        table_part("Measured on nominal HU", "Scan", table, "Straight line by least squares; 95 % intervals."),
        *charts_part(charts, "Bars: 95 % interval between repeats."),
        table_part("HU of the inserts", "Insert", hu_table(summary), f"Nominal HU beside the names. {INTERVALS}"),
    )
    return Section("HU linearity", "linearity", "Linearity", parts=parts)


def _detection_section(summary: PhantomSummary) -> Section:
    seen = {name for scan in summary.scans for result in scan.inserts for name in result.d_primes}
    shown = [(name, title) for name, title in OBSERVERS.items() if name in seen]
    if not shown:
        reasons = [text for scan in summary.scans for one in scan.inserts for text in one.remarks if "d′" in text]
        return Section("Detectability", reason=reasons[0] if reasons else "it needs 8 images with and 8 without")
    charts = [
        chart for name, title in shown for chart in insert_chart(summary, f"detect-{name}", title, "d′", d_prime(name))
    ]
    columns = [Column(f"d′, {name.upper()}", d_prime(name), 2) for name, _ in shown]
    table = table_part("d′ of the inserts", "Insert", insert_table(summary, columns), INTERVALS)
    lead = (
        "Of a known insert at a known place. The channelised Hotelling observer (CHO) knows the noise's texture, the "
        "non-prewhitening one (NPW) does not."
    )
    return Section("Detectability", "detection", "Detection", lead, (*charts_part(charts), table))


def _resolution_section(summary: PhantomSummary) -> Section:
    charts = ttf_charts(summary)
    if not charts:
        reason = "no insert is large and strong enough against the noise for a transfer function"
        return Section("Resolution", reason=reason)
    parts = (
        *charts_part(charts, "Bands: 95 % interval between sectors around the insert."),
        table_part("f50 over f10, 1/mm", "Insert", ttf_table(summary), "Where the noise allows them."),
    )
    return Section("Resolution", "resolution", "Resolution", parts=parts)


def _deviation(result: InsertResult) -> Estimate:
    """Measured minus nominal HU."""
    nominal, hu = result.insert.hu, result.hu
    if hu.value is None:
        return hu
    bounds = (None if bound is None else bound - nominal for bound in (hu.low, hu.high))
    return Estimate(hu.value - nominal, *bounds)
