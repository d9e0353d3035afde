"""Rows of a report's slices, made from plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from n2b_ct.evaluation.table import Row

FIDELITY = ("psnr_db", "ssim", "rmse_hu")


def slice_rows(method: str, window: str = "abdomen", *, biases: dict[str, float | None], **values: Any) -> list[Row]:
    """Rows of one slice, method and window: measures and columns by name; noise and bias stand under no window."""
    columns = {name: values.pop(name) for name in ("dose", "series", "slice_index")}
    values |= {f"hu_bias_{tissue}_hu": shift for tissue, shift in biases.items()}
    return [
        Row("slices", name, method, value, window=window if name in FIDELITY else "", **columns)
        for name, value in values.items()
    ]


def value_of(rows: Sequence[Row], measure: str, method: str, window: str = "") -> Any:
    """The one value of a measure among the rows of one slice."""
    (row,) = [row for row in rows if (row.measure, row.method, row.window) == (measure, method, window)]
    return row.value
