"""The same numbers for machines: ``report.json`` and ``per_slice.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from n2b_ct.evaluation import fidelity, flat_regions
from n2b_ct.evaluation.flat_regions import TISSUE_CLASSES_HU
from n2b_ct.evaluation.report import summary as summary_module
from n2b_ct.evaluation.report.measures import SliceMeasure
from n2b_ct.evaluation.report.provenance import Provenance
from n2b_ct.evaluation.report.sentences import notes, summary_sentences
from n2b_ct.evaluation.report.summary import Result, Summary
from n2b_ct.evaluation.report.tables import method_descriptions
from n2b_ct.hu import Window

SCHEMA = "n2b-ct/report"
SCHEMA_VERSION = 1
DISCLAIMER = "Research software, not a medical device: these numbers and pictures are not for diagnosis."

DEFINITIONS: dict[str, str] = {
    **fidelity.DEFINITIONS,
    **flat_regions.DEFINITIONS,
    **summary_module.DEFINITIONS,
}

_CSV_COLUMNS = ("dose", "series", "slice_index", "position_mm", "method", "role", "window")
_CSV_MEASURES = ("psnr_db", "ssim", "rmse_hu", "identical", "noise_std_hu", "hu_bias_hu")


def report_document(summary: Summary, provenance: Provenance, figures: Sequence[str]) -> dict[str, Any]:
    """Build what ``report.json`` holds: plain values at full precision, null for what does not exist.

    Args:
        summary: All means.
        provenance: Printed as it is.
        figures: Paths of the pictures beside the file.
    """
    described = method_descriptions(summary, provenance)
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "disclaimer": DISCLAIMER,
        "provenance": asdict(provenance),
        "has_reference": summary.has_reference,
        "n_identical": summary.n_identical,
        "summary": summary_sentences(summary),
        "notes": notes(summary),
        "definitions": DEFINITIONS,
        "tissue_classes_hu": TISSUE_CLASSES_HU,
        "windows": [_window_entry(name, window) for name, window in summary.windows.items()],
        "methods": [
            {"name": name, "role": role, "description": described[name]} for name, role in summary.roles.items()
        ],
        "dose_levels": [asdict(level) for level in summary.levels],
        "overall": asdict(summary.overall),
        "results": [_result_entry(result, summary) for result in summary.results.values()],
        "figures": list(figures),
    }


def csv_text(rows: Sequence[SliceMeasure], summary: Summary) -> str:
    """Write one line per slice, method and window; an empty field is a value that does not exist."""
    buffer = io.StringIO()
    bias_columns = [f"hu_bias_{name}_hu" for name in TISSUE_CLASSES_HU]
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*_CSV_COLUMNS, *_CSV_MEASURES, *bias_columns])
    for row in rows:
        values: Mapping[str, Any] = asdict(row) | {"role": summary.roles[row.method]}
        bias = [row.class_bias_hu.get(name) for name in TISSUE_CLASSES_HU]
        writer.writerow([_field(value) for value in (*(values[c] for c in (*_CSV_COLUMNS, *_CSV_MEASURES)), *bias)])
    return buffer.getvalue()


def _field(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@"}:
        return f"'{value}"  # a spreadsheet would run it as a formula
    return "" if value is None else value


def _window_entry(name: str, window: Window) -> dict[str, Any]:
    return {
        "name": name,
        "lower_hu": window.lower_hu,
        "upper_hu": window.upper_hu,
        "data_range_hu": window.width_hu,
    }


def _result_entry(result: Result, summary: Summary) -> dict[str, Any]:
    """One result with its dose, so that a reader needs no join; ``asdict`` gives the statistics."""
    doses = {level.label: level.dose for level in summary.levels}
    return {"dose": doses.get(result.level), "role": summary.roles[result.method], **asdict(result)}
