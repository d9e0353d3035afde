"""The same numbers for spreadsheets: one line a value, an empty field for what does not exist."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from n2b_ct.evaluation.disks import Task
from n2b_ct.evaluation.intervals import MeanInterval
from n2b_ct.evaluation.summary import Summary
from n2b_ct.evaluation.table import KEYS
from n2b_ct.evaluation.uncertainty import against_role, is_better

SLICES_NAME = "per_slice.csv"
_PLACE = ("dose", "series", "slice_index", "position_mm", "method", "role", "window")
_INTERVAL = ("mean", "low", "high", "n", "n_excluded")
_N_FIDELITY = 4
"""Measures before the column ``identical``."""
_TASK = ("task", "contrast_hu", "radius_mm", "blur_sigma_mm")


def csv_files(summary: Summary) -> dict[str, str]:
    """Write every table of numbers; a table without a line is left out, but never ``per_slice.csv``."""
    tables = {
        "per_series.csv": _per_series(summary),
        "nps.csv": _spectra(summary),
        "ttf.csv": _transfers(summary),
        "detectability.csv": _detectability(summary),
        "comparisons.csv": _comparisons(summary),
    }
    return {SLICES_NAME: _per_slice(summary)} | {name: text for name, text in tables.items() if text}


def _per_slice(summary: Summary) -> str:
    """One line per slice, method and window; what does not depend on the window is repeated in each."""
    measures = [*list(summary.measures)[:_N_FIDELITY], "identical", *list(summary.measures)[_N_FIDELITY:]]
    lines = []
    for record in summary.table.records("slices"):
        if record["window"]:
            place = [record[column] for column in KEYS["slices"][:-1]]
            regions = {name: summary.table.get("slices", name, *place, "") for name in summary.measures}
            values = regions | record | {"role": summary.roles[record["method"]]}
            values["identical"] = record.get("rmse_hu") == 0.0
            lines.append([values[column] for column in (*_PLACE, *measures)])
    return _table((*_PLACE, *measures), lines, keep_empty=True)


def _per_series(summary: Summary) -> str:
    lines = [
        (
            row.dose,
            row.series,
            row.method,
            summary.roles[row.method],
            row.window or summary.primary_window,
            row.value.n + row.value.n_excluded,
            row.measure,
            *_interval(row.value),
        )
        for row in summary.table.of_part("per_series")
    ]
    return _table(("dose", "series", "method", "role", "window", "n_slices", "measure", *_INTERVAL), lines)


def _spectra(summary: Summary) -> str:
    lines = [
        (one["level"], one["method"], summary.roles[one["method"]], frequency, power, one["n_rois"], one["source"])
        for one in summary.table.records("texture")
        for frequency, power in zip(one["frequency_per_mm"], one["power_hu2_mm2"], strict=True)
    ]
    return _table(("level", "method", "role", "frequency_per_mm", "nps_hu2_mm2", "n_rois", "source"), lines)


def _transfers(summary: Summary) -> str:
    columns = ("frequency_per_mm", "ttf", "standard_error")
    lines = [
        (one["level"], one["method"], summary.roles[one["method"]], *_task(one["task"]), *sample)
        for one in summary.table.records("resolution")
        for sample in zip(*(one[column] for column in columns), strict=True)
    ]
    return _table(("level", "method", "role", *_TASK, *columns), lines)


def _detectability(summary: Summary) -> str:
    columns = ("observer", "d_prime", "low", "high", "auc", "cnr", "n_pairs", "remark")
    lines = [
        (
            *(one[column] for column in ("level", "dose", "method")),
            summary.roles[one["method"]],
            *_task(one["task"]),
            *(one[column] for column in columns),
        )
        for one in summary.table.records("detectability")
    ]
    return _table(("level", "dose", "method", "role", *_TASK, *columns), lines)


def _comparisons(summary: Summary) -> str:
    lines = [
        (
            row.level,
            row.method,
            row.window or summary.primary_window,
            row.measure,
            row.against,
            against_role(row),
            *_interval(row.value.difference),
            row.value.p_value,
            row.value.p_student,
            row.value.p_holm,
            is_better(summary, row),
        )
        for row in summary.table.of_part("comparisons")
    ]
    columns = ("level", "method", "window", "measure", "against", "against_role")
    return _table((*columns, *_INTERVAL, "p_value", "p_student", "p_holm", "better"), lines)


def _interval(interval: MeanInterval) -> tuple[float | int | None, ...]:
    return tuple(getattr(interval, name) for name in _INTERVAL)


def _task(task: Task) -> tuple[str, float, float, float]:
    return task.name, task.contrast_hu, task.radius_mm, task.blur_sigma_mm


def _table(head: Sequence[str], lines: Iterable[Sequence[object]], *, keep_empty: bool = False) -> str:
    """The table's text; empty where it has no line."""
    listed = list(lines)
    if not listed and not keep_empty:
        return ""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([csv_field(value) for value in line] for line in listed)
    return buffer.getvalue()


def csv_field(value: object) -> object:
    """Word a value for a cell of a table; a text that a spreadsheet would run as a formula gets a quote before it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return f"'{value}"
    return "" if value is None else value
