"""``report.html``: one file that opens from disk and fetches nothing."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from n2b_ct.evaluation.report.documents import DEFINITIONS, DISCLAIMER
from n2b_ct.evaluation.report.measures import INPUT, REFERENCE, SliceMeasure
from n2b_ct.evaluation.report.pictures import PanelPictures, PictureColumn
from n2b_ct.evaluation.report.provenance import Provenance
from n2b_ct.evaluation.report.sentences import PSNR_DECIMALS, SSIM_DECIMALS, notes, summary_sentences
from n2b_ct.evaluation.report.summary import Summary, dose_label
from n2b_ct.evaluation.report.tables import (
    bias_table,
    error_table,
    fidelity_table,
    method_descriptions,
    noise_table,
)
from n2b_ct.evaluation.report.wording import number

_SHOWN_AS = {INPUT: "low dose", REFERENCE: "normal dose"}


def render_page(
    summary: Summary,
    rows: Sequence[SliceMeasure],
    pictures: Sequence[PanelPictures],
    curves: Mapping[str, bytes],
    provenance: Provenance,
) -> str:
    """Lay out the page.

    Args:
        summary: All means.
        rows: For the captions of the pictures.
        pictures: Rendered panels.
        curves: The dose figure as SVG for ``light`` and ``dark``; empty without a reference.
        provenance: Printed as it is, escaped.
    """
    template = _environment().get_template("report.html.j2")
    return template.render(
        provenance=provenance,
        summary=summary,
        sentences=summary_sentences(summary),
        notes=notes(summary),
        windows=list(summary.windows.items()) if summary.has_reference else [],
        fidelity={name: fidelity_table(summary, name) for name in summary.windows},
        errors={name: error_table(summary, name) for name in summary.windows},
        noise=noise_table(summary),
        biases=[(level, bias_table(summary, level)) for level in (summary.columns[-1], *summary.columns[:-1])],
        curves={mode: data_uri(svg, "image/svg+xml") for mode, svg in curves.items()},
        panels=[_panel_view(panel, rows, summary) for panel in pictures],
        methods=method_descriptions(summary, provenance),
        definitions=DEFINITIONS,
        disclaimer=DISCLAIMER,
    )


def data_uri(content: bytes, media_type: str) -> str:
    """Put bytes into the page itself."""
    return f"data:{media_type};base64,{b64encode(content).decode('ascii')}"


def _environment() -> Environment:
    folder = files("n2b_ct.evaluation.report")
    return Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _panel_view(drawn: PanelPictures, rows: Sequence[SliceMeasure], summary: Summary) -> dict[str, Any]:
    case = drawn.panel.case
    place = (case.dose, case.series, case.slice_index, summary.primary_window)
    measured = {row.method: row for row in rows if (row.dose, row.series, row.slice_index, row.window) == place}
    position = "" if case.position_mm is None else f", {number(case.position_mm, 1)} mm"
    return {
        "title": dose_label(case.dose),
        "subject": f"{case.subject}{position}",
        "caption": drawn.panel.caption,
        "columns": [_column_view(column, measured.get(column.method)) for column in drawn.columns],
        "zoom": {side: f"{percent:.2f}%" for side, percent in drawn.zoom_place.items()},
        "residual_limit": number(drawn.residual_limit_hu, 0),
    }


def _column_view(column: PictureColumn, measured: SliceMeasure | None) -> dict[str, Any]:
    return {
        "name": _SHOWN_AS.get(column.method, column.method),
        "measures": "" if measured is None else _caption(measured),
        "slice": data_uri(column.slice_png, "image/png"),
        "zoom": data_uri(column.zoom_png, "image/png"),
        "residual": None if column.residual_png is None else data_uri(column.residual_png, "image/png"),
    }


def _caption(row: SliceMeasure) -> str:
    parts = []
    if row.psnr_db is not None:
        parts.append(f"{number(row.psnr_db, PSNR_DECIMALS)} dB")
    if row.ssim is not None:
        parts.append(f"SSIM {number(row.ssim, SSIM_DECIMALS)}")
    if row.noise_std_hu is not None:
        parts.append(f"noise {number(row.noise_std_hu, 1)} HU")
    return " · ".join(parts)
