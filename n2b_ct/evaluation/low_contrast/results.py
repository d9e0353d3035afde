"""Rows of the report on faint structure, and what they mean for a reader."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import ndimage

from n2b_ct.evaluation.cases import INPUT
from n2b_ct.evaluation.detectability import interval_around, jackknife_error
from n2b_ct.evaluation.disks import Task
from n2b_ct.evaluation.intervals import mean_interval
from n2b_ct.evaluation.low_contrast.lesions import LesionInsert
from n2b_ct.evaluation.low_contrast.tasks import reading_weights
from n2b_ct.evaluation.patients import Patients, patients_of
from n2b_ct.evaluation.table import Row, Table, rows_of

PART = "low_contrast"
SAFE_FROM = 0.8
LOST_BELOW = 0.4
SURE_FROM, SURE_BELOW = 0.5, 0.8
MIN_LESIONS = 3
SIZE_FROM = 0.2
_FINER = 8
_GROUPS = 12
Grade = Literal["safe", "at risk", "lost"]
GRADES: tuple[Grade, ...] = ("safe", "at risk", "lost")
INSERTED = "inserted lesions"
STRUCTURE = "structure of the reference"
DISAGREEMENT = "places where candidates differ, judged by the reference"
DISAGREEMENT_BY_INPUT = "places where candidates differ, judged by the input"

DEFINITIONS: dict[str, str] = {
    "low_contrast_recovery": (
        "Share of a lesion's contrast that a method leaves: 1 is all of it, 0 nothing; with its 95 % interval "
        "(bootstrap as for means)."
    ),
    "low_contrast_recovered_size_mm": (
        "Diameter of a disk with the area in which the mean difference reaches half of its value in the middle; none "
        f"where less than {100 * SIZE_FROM:g} % of the contrast is left. 95 % interval from the jackknife."
    ),
    "low_contrast_grade": (
        f"Safe: recovery of {SAFE_FROM:g} or more, its interval above {SURE_FROM:g}. Lost: below {LOST_BELOW:g}, its "
        f"interval below {SURE_BELOW:g}. At risk: anything between, or not known well enough."
    ),
}


@dataclass(frozen=True, slots=True)
class LowContrast:
    """What one method leaves of lesions of one contrast and size at one dose level.

    Attributes:
        recovery: Share of the contrast that is left; 1 is all.
        low, high: Its 95 % interval; None where there is nothing to resample.
        grade: What that means; see ``DEFINITIONS["low_contrast_grade"]``.
        measured_on: How it was measured.
        n_lesions: Lesions or places.
    """

    level: str
    method: str
    contrast_hu: float
    size_mm: float
    recovery: float
    low: float | None
    high: float | None
    grade: Grade
    measured_on: str
    n_lesions: int


def grade_of(recovery: float, low: float | None, high: float | None) -> Grade:
    """Say whether a recovery is safe, at risk or lost."""
    if recovery >= SAFE_FROM and (low is None or low >= SURE_FROM):
        return "safe"
    if recovery < LOST_BELOW and (high is None or high < SURE_BELOW):
        return "lost"
    return "at risk"


def low_contrast(table: Table) -> list[LowContrast]:
    """Return every measured recovery, by level, method, size and contrast; without the input's."""
    return [
        LowContrast(
            one["level"],
            one["method"],
            one["task"].contrast_hu,
            2.0 * one["task"].radius_mm,
            one["recovery"],
            one["low"],
            one["high"],
            one["grade"],
            one["measured_on"],
            one["n_lesions"],
        )
        for one in table.records(PART)
        if one["method"] != INPUT and one["recovery"] is not None
    ]


def inserted_lesion_rows(
    inserts: Iterable[LesionInsert], labels: Mapping[float | None, str], patients: Patients
) -> list[Row]:
    """Measure what is left of inserted lesions, by level, method and task."""
    groups: dict[tuple[float | None, Task], list[LesionInsert]] = defaultdict(list)
    for insert in inserts:
        groups[insert.dose, insert.task].append(insert)
    found: list[Row] = []
    for dose, label in labels.items():
        for (own_dose, task), own in sorted(groups.items(), key=_order):
            names = dict.fromkeys(name for insert in own for name in insert.difference) if own_dose == dose else ()
            for name in names:
                used = [insert for insert in own if name in insert.difference]
                if len(used) >= MIN_LESIONS:
                    found += rows_of(PART, name, _measured(used, name, task, patients), level=label, task=task)
    return found


def recovery_values(recovery: float, low: float | None, high: float | None, n: int, measured_on: str) -> dict[str, Any]:
    """The measures of a row that has no recovered size."""
    return {
        "recovery": recovery,
        "low": low,
        "high": high,
        "size_recovered_mm": None,
        "size_low_mm": None,
        "size_high_mm": None,
        "n_lesions": n,
        "measured_on": measured_on,
        "grade": grade_of(recovery, low, high),
    }


def _order(item: tuple[tuple[float | None, Task], Any]) -> tuple[float, float]:
    task = item[0][1]
    return task.radius_mm, task.contrast_hu


def _measured(inserts: Sequence[LesionInsert], name: str, task: Task, patients: Patients) -> dict[str, Any]:
    differences = np.stack([insert.difference[name] for insert in inserts]).astype(np.float64)
    pixel_mm = inserts[0].pixel_mm
    weights = reading_weights(2.0 * task.radius_mm, pixel_mm, differences.shape[-1])
    inserted = np.stack([insert.difference[INPUT] for insert in inserts])
    read, full = (np.tensordot(regions, weights, axes=2) for regions in (differences, inserted))
    mean = mean_interval(list(read / full), patients_of((insert.series for insert in inserts), patients))
    values = recovery_values(mean.mean or 0.0, mean.low, mean.high, len(inserts), INSERTED)
    return values | _size(differences, pixel_mm, task, values["recovery"])


def _size(differences: np.ndarray, pixel_mm: tuple[float, float], task: Task, recovery: float) -> dict[str, Any]:
    """Recovered diameter with its interval, from leaving out every twelfth lesion in turn."""
    if recovery < SIZE_FROM:
        return {}
    size = _diameter_mm(differences.mean(axis=0), pixel_mm, task)
    groups = min(_GROUPS, len(differences))
    without = [
        _diameter_mm(np.delete(differences, np.s_[k::groups], axis=0).mean(axis=0), pixel_mm, task)
        for k in range(groups)
    ]
    low, high = interval_around(size, jackknife_error([np.array(without)]), groups - 1)
    return {"size_recovered_mm": size, "size_low_mm": low, "size_high_mm": high}


def _diameter_mm(difference: np.ndarray, pixel_mm: tuple[float, float], task: Task) -> float:
    """Diameter of a disk as large as the part above half of the middle's height that hangs together with it."""
    fine = ndimage.zoom(difference * np.sign(task.contrast_hu), _FINER, order=1, grid_mode=True, mode="nearest")
    row, col = (np.arange(n) - 0.5 * (n - 1) for n in fine.shape)
    away_mm = np.hypot(row[:, None] * pixel_mm[0] / _FINER, col[None] * pixel_mm[1] / _FINER)
    half = 0.5 * float(fine[away_mm <= 0.5 * task.radius_mm].mean())
    parts, _ = ndimage.label(fine >= half)
    middle = parts[fine.shape[0] // 2, fine.shape[1] // 2]
    area_mm2 = float(np.count_nonzero(parts == middle)) * pixel_mm[0] * pixel_mm[1] / _FINER**2 if middle else 0.0
    return float(2.0 * np.sqrt(area_mm2 / np.pi))
