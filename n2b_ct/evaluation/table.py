"""The tidy table of a report: one row a value, with columns that say of what; JSON, CSV and HTML are drawn from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from n2b_ct.evaluation.disks import Task

KEYS: dict[str, tuple[str, ...]] = {
    "slices": ("dose", "series", "slice_index", "position_mm", "method", "window"),
    "means": ("level", "method", "window"),
    "intervals": ("level", "method", "window"),
    "comparisons": ("level", "method", "window", "against"),
    "best_baselines": ("level", "method"),
    "per_series": ("dose", "series", "method", "window"),
    "texture": ("level", "method"),
    "resolution": ("level", "method", "task"),
    "detectability": ("level", "dose", "method", "task", "observer"),
    "potential": ("method", "task", "observer"),
    "residual": ("level", "method"),
    "hallucination": ("level", "method", "task"),
    "lesions": ("level", "method"),
    "z_resolution": ("level", "method"),
    "low_contrast": ("level", "method", "task"),
}
"""Part of the report to the columns that tell its records apart.

What the measures of the later parts are, all of one method (the input and the reference have rows of their own):

- ``texture``: noise in flat regions at a dose level. ``frequency_per_mm`` and ``power_hu2_mm2``: the radial spectrum
  pooled over regions, ``[rings]``; ``plane_hu2_mm2``: the two-dimensional one, zero frequency in the middle, with
  ``plane_step_per_mm`` along rows and columns; means over slices; changes against the input, None for itself.
- ``resolution``: task transfer function of an inserted disk, ``[frequencies]`` up to Nyquist, 1 at zero frequency; its
  50 % and 10 % frequency, None where noise hides them (``remark`` says why).
- ``detectability``: d′ of an inserted disk for a model observer with its 95 % interval, AUC, CNR.
- ``potential``: the dose at which d′ equals that of an undenoised slice at ``target_dose``.
- ``residual``: what was removed: correlation with the anatomy's edges beside what noise alone gives, slices that warn,
  autocorrelation at lags 1, 2, … px, share of a noise-free truth's fine structure, and of the faint
  structure of soft tissue.
- ``hallucination``: structure that repeats over regions of a noise-free truth that hold none.
- ``z_resolution``: transfer along z at its Nyquist frequency, 100 where slices are taken one by one.
- ``lesions``: contrast-to-noise ratio and recovered contrast of true lesions.
- ``low_contrast``: share of a faint lesion's contrast that is left, its recovered diameter, how that was measured.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One value; columns that it does not depend on are empty or None.

    Attributes:
        part: Part of the report, one of :data:`KEYS`.
        measure: What was measured.
        method: Of which method, the input and the reference included.
        value: A number, a text, a curve, or a mean with its interval; None where it does not exist, never NaN.
        level: Label of the dose level, or of all doses together.
        dose: Dose fraction, if known.
        series, slice_index, position_mm: Of one series or slice.
        window: Name of the HU window.
        task: Inserted disk.
        observer: Model observer.
        against: The other method of a paired difference.
    """

    part: str
    measure: str
    method: str
    value: Any
    level: str = ""
    dose: float | None = None
    series: str = ""
    slice_index: int | None = None
    position_mm: float | None = None
    window: str = ""
    task: Task | None = None
    observer: str = ""
    against: str = ""


class Table:
    """Rows, found by what they are of.

    Args:
        rows: In the order in which they are written.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.rows = tuple(rows)
        self._parts: dict[str, list[Row]] = {part: [] for part in KEYS}
        self._records: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {part: {} for part in KEYS}
        for row in self.rows:
            self._parts[row.part].append(row)
            key = tuple(getattr(row, column) for column in KEYS[row.part])
            self._records[row.part].setdefault(key, {})[row.measure] = row.value

    def get(self, part: str, measure: str, *key: Any) -> Any:
        """Return one value, None where there is none; ``key`` has the columns of the part in their order."""
        return self.record(part, *key).get(measure)

    def of_part(self, part: str) -> list[Row]:
        """Return the rows of a part."""
        return self._parts[part]

    def record(self, part: str, *key: Any) -> dict[str, Any]:
        """Return the measures of one key by their names; empty where there is none."""
        return self._records[part].get(key, {})

    def records(self, part: str, **where: Any) -> list[dict[str, Any]]:
        """Return a part with one record a key: its columns, then its measures by name.

        Args:
            part: Part of the report.
            where: Columns and the values that they must have.
        """
        found = []
        for key, values in self._records[part].items():
            columns = dict(zip(KEYS[part], key, strict=True))
            if all(columns[name] == value for name, value in where.items()):
                found.append(columns | values)
        return found


def rows_of(part: str, method: str, values: Mapping[str, Any], **columns: Any) -> list[Row]:
    """Return a row for each of several measures that share all other columns."""
    return [Row(part, measure, method, value, **columns) for measure, value in values.items()]
