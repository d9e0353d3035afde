"""From readings of finished images to rows: what is left of faint structure, who is right where candidates differ."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from n2b_ct.evaluation.cases import INPUT
from n2b_ct.evaluation.detectability import interval_around
from n2b_ct.evaluation.disks import Task
from n2b_ct.evaluation.intervals import MIN_PATIENTS
from n2b_ct.evaluation.low_contrast.finished import CLASS_FACTOR, JUDGE, Disagreement, FinishedSlice, StructureSums
from n2b_ct.evaluation.low_contrast.results import DISAGREEMENT, DISAGREEMENT_BY_INPUT, PART, STRUCTURE, recovery_values
from n2b_ct.evaluation.low_contrast.tasks import CONTRASTS_HU, lesion_tasks
from n2b_ct.evaluation.patients import Patients, patients_of
from n2b_ct.evaluation.table import Row, rows_of

MIN_PLACES = 8
MIN_UNITS = 6
SURE_ERRORS = 3.0
LEAST_SHARE = 0.5
LEAST_JUDGED = 0.3
SAME_PLACE_PX = 4
DIFFERENCES_HU = (2.5, 7.0, 14.0, 28.3)
_Values = dict[tuple[str, Task], dict[str, Any]]


def finished_rows(slices: Iterable[FinishedSlice], labels: Mapping[float | None, str], patients: Patients) -> list[Row]:
    """Say what is left of faint structure, by level, size, contrast and method.

    Where candidates differ at enough places and the judge sides with one of them, that stands; else the structure as
    a whole.

    Args:
        slices: Of every dose.
        labels: Dose to the label of its level.
        patients: Series to the key of its patient.
    """
    listed = list(slices)
    found: list[Row] = []
    for dose, label in labels.items():
        structure = [one for own in listed for one in own.structure if one.dose == dose]
        places = [one for own in listed for one in own.places if one.dose == dose]
        values = _structure(structure, patients) | _disagreement(places)
        tasks = [task for task in lesion_tasks() if any(own == task for _, own in values)]
        for task in tasks:
            for method in [name for name, own in values if own == task]:
                found += rows_of(PART, method, values[method, task], level=label, task=task)
    return found


def _structure(sums: Sequence[StructureSums], patients: Patients) -> _Values:
    groups: dict[tuple[float, float], list[StructureSums]] = defaultdict(list)
    for one in sums:
        groups[one.size_mm, one.contrast_hu].append(one)
    found: _Values = {}
    for (size, contrast), own in groups.items():
        for method in dict.fromkeys(name for one in own for name in one.sums):
            used = [one for one in own if method in one.sums]
            values = _ratio(*(_by_unit(used, name, patients) for name in (method, INPUT)))
            if values is not None:
                found[method, _task(contrast, size)] = values
    return found


def _by_unit(sums: Sequence[StructureSums], method: str, patients: Patients) -> np.ndarray:
    """Sums of what varies independently: patients where there are enough, else tiles of slices."""
    names = patients_of((one.series for one in sums), patients)
    keys = dict.fromkeys(names)
    if len(keys) < MIN_PATIENTS:
        return np.concatenate([one.sums[method] for one in sums])
    return np.array(
        [sum(float(one.sums[method].sum()) for one, own in zip(sums, names, strict=True) if own == key) for key in keys]
    )


def _ratio(left: np.ndarray, there: np.ndarray) -> dict[str, Any] | None:
    """Ratio of two sums over units with the interval of its linearisation; None where there is little but noise."""
    left, there = left[there != 0.0], there[there != 0.0]
    n, total = len(there), float(there.sum())
    if n < MIN_UNITS or total <= SURE_ERRORS * float(np.sqrt(n) * there.std(ddof=1)):
        return None
    ratio = float(left.sum()) / total
    error = float(np.sqrt(n) * np.std(left - ratio * there, ddof=1)) / total
    return recovery_values(ratio, *interval_around(ratio, error, n - 1), n, STRUCTURE)


@dataclass(frozen=True, slots=True)
class _Lesion:
    """A place of which the judge says that a candidate lacks something there."""

    place: Disagreement
    sign: int

    def reading(self, method: str) -> float:
        """Contrast, positive for what is lacking."""
        return self.sign * self.place.readings[method]

    @property
    def difference_hu(self) -> float:
        """How far the two candidates differ most."""
        return self.place.readings[self.place.more] - self.place.readings[self.place.less]


def _disagreement(places: Sequence[Disagreement]) -> _Values:
    found: _Values = {}
    for size in dict.fromkeys(one.size_mm for one in places):
        lesions = _distinct(_confirmed([one for one in places if one.size_mm == size]))
        for low, high in itertools.pairwise(DIFFERENCES_HU):
            own = [one for one in lesions if low <= one.difference_hu < high]
            contrast = _contrast(own) if len(own) >= MIN_PLACES else None
            if contrast is None:
                continue
            label = min(CONTRASTS_HU, key=lambda known: abs(np.log(known / contrast[0])))
            if 1.0 / CLASS_FACTOR <= contrast[0] / label <= CLASS_FACTOR:
                found |= _recoveries(own, *contrast, _task(label, size))
    return found


def _confirmed(places: Sequence[Disagreement]) -> list[_Lesion]:
    """Places of pairs of candidates of which the judge says, over all of them, that one lacks what is there."""
    groups: dict[tuple[str, str, int], list[Disagreement]] = defaultdict(list)
    for one in places:
        groups[
            one.more, one.less, int(np.digitize(one.readings[one.more] - one.readings[one.less], DIFFERENCES_HU))
        ].append(one)
    found: list[_Lesion] = []
    for (more, less, _), own in groups.items():
        for sign, lacking in ((1, less), (-1, more)):
            lesions = [_Lesion(one, sign) for one in own]
            if len(own) >= MIN_PLACES and _lacks(lesions, lacking):
                found += lesions
    return found


def _lacks(lesions: Sequence[_Lesion], method: str) -> bool:
    mean, error = _mean(_missing(lesions, method))
    difference = float(np.mean([one.difference_hu for one in lesions]))
    judged = float(np.median([one.reading(JUDGE) for one in lesions]))
    return mean > SURE_ERRORS * error and mean >= LEAST_SHARE * difference and judged >= LEAST_JUDGED * mean


def _missing(lesions: Sequence[_Lesion], method: str, judge: str = JUDGE) -> np.ndarray:
    """Contrast that the judge shows and a method does not, HU ``[lesions]``; the anatomy around cancels."""
    return np.array([one.reading(judge) - one.reading(method) for one in lesions])


def _mean(values: np.ndarray) -> tuple[float, float]:
    """Mean and its standard error."""
    return float(values.mean()), float(values.std(ddof=1)) / float(np.sqrt(len(values)))


def _missing_by_both(lesions: Sequence[_Lesion], method: str) -> np.ndarray:
    """The same by judge and input, weighted for the least variance: their noise is independent.

    Only of places that the judge has confirmed: the input's noise may have had a part in choosing them.
    """
    by_judge, by_input = _missing(lesions, method), _missing(lesions, method, INPUT)
    (of_judge, shared), (_, of_input) = np.cov(by_judge, by_input)
    total = float(of_judge + of_input - 2.0 * shared)
    weight = float(np.clip((of_input - shared) / total, 0.0, 1.0)) if total > 0.0 else 1.0
    return np.asarray(weight * by_judge + (1.0 - weight) * by_input)


def _distinct(lesions: Sequence[_Lesion]) -> list[_Lesion]:
    """One lesion a place, that of the candidates that differ most."""
    kept: list[_Lesion] = []
    for one in sorted(lesions, key=lambda lesion: -lesion.difference_hu):
        if not any(_same_place(one.place, other.place) for other in kept):
            kept.append(one)
    return kept


def _same_place(one: Disagreement, other: Disagreement) -> bool:
    if (one.series, one.slice_index) != (other.series, other.slice_index):
        return False
    return max(abs(a - b) for a, b in zip(one.place_px, other.place_px, strict=True)) <= SAME_PLACE_PX


def _contrast(lesions: Sequence[_Lesion]) -> tuple[float, float] | None:
    """Contrast that the judge shows, and its standard error: at least what the emptiest candidate lacks."""
    candidates = {name for one in lesions for name in (one.place.more, one.place.less)}
    known = [name for name in candidates if all(name in one.place.readings for one in lesions)]
    if not known:
        return None
    judged = float(np.mean([one.reading(JUDGE) for one in lesions]))
    lacking, error = max(_mean(_missing_by_both(lesions, name)) for name in known)
    contrast = max(judged, lacking)
    return (contrast, error) if contrast > 0.0 else None


def _recoveries(lesions: Sequence[_Lesion], contrast_hu: float, error_hu: float, task: Task) -> _Values:
    measured_on = DISAGREEMENT_BY_INPUT if lesions[0].place.by_input else DISAGREEMENT
    found: _Values = {}
    for method in dict.fromkeys(name for one in lesions for name in one.place.readings):
        used = [one for one in lesions if method in one.place.readings]
        if method in (JUDGE, INPUT) or len(used) < MIN_PLACES:
            continue
        missing_hu, own_hu = _mean(_missing_by_both(used, method))
        recovery = 1.0 - missing_hu / contrast_hu
        error = float(np.hypot(own_hu, (1.0 - recovery) * error_hu)) / contrast_hu
        n = len(used)
        found[method, task] = recovery_values(recovery, *interval_around(recovery, error, n - 1), n, measured_on)
    return found


def _task(contrast_hu: float, size_mm: float) -> Task:
    return next(task for task in lesion_tasks() if (task.contrast_hu, 2.0 * task.radius_mm) == (contrast_hu, size_mm))
