"""From inserted disks to resolution, detectability, dose-reduction potential and invented structure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from n2b_ct.errors import DataError
from n2b_ct.evaluation.cases import INPUT, REFERENCE
from n2b_ct.evaluation.detectability import Detectability, measure_cnr
from n2b_ct.evaluation.disks import Task, distance_mm, roi_centre_px
from n2b_ct.evaluation.dose_potential import DosePotential, dose_reduction_potential
from n2b_ct.evaluation.hallucination import false_positives, invented_structure
from n2b_ct.evaluation.inserts import Insert, InsertPlan, task_disk, task_signal
from n2b_ct.evaluation.observers import MIN_REGIONS, cho, disk_channels, npw
from n2b_ct.evaluation.resolution import Ttf, change_percent, disk_ttf
from n2b_ct.evaluation.table import Row, Table, rows_of

CHO, NPW = "cho", "npw"
CHO_KNOWN, NPW_KNOWN = "cho_known_background", "npw_known_background"
KNOWING = (CHO_KNOWN, NPW_KNOWN)
"""Observers that know the background; to the others anatomy that is left is noise."""
RIM_PX = 2.0
_Level = tuple[str, float | None]
_Curve = dict[float, dict[str, Any]]
"""Dose to the record of d′ there."""


@dataclass(frozen=True, slots=True, eq=False)
class _Stack:
    """All inserts of one level, method and task, ``[inserts, size, size]``."""

    present: np.ndarray
    absent: np.ndarray
    pixel_mm: tuple[float, float]

    @property
    def size_px(self) -> int:
        return self.present.shape[-1]


def resolution_rows(inserts: Mapping[_Level, Sequence[Insert]], plan: InsertPlan) -> list[Row]:
    """Measure the TTF of every resolution task, by level, task and method; the input first.

    Args:
        inserts: By (label, dose) of the level.
        plan: The tasks.
    """
    found: list[Row] = []
    for (label, _), own in inserts.items():
        for task in plan.resolution:
            stacks = {name: stack for name, stack in _stacks(own, task).items() if name != REFERENCE}
            curves = {name: _ttf(stack, task) for name, stack in stacks.items()}
            source = curves.get(INPUT)
            input_f50 = source.f50_per_mm if isinstance(source, Ttf) else None
            for name, curve in curves.items():
                values = _resolution(name, task, curve, input_f50) | {"n_insertions": len(stacks[name].present)}
                found += rows_of("resolution", name, values, level=label, task=task)
    return found


def detectability_rows(inserts: Mapping[_Level, Sequence[Insert]], plan: InsertPlan) -> list[Row]:
    """Measure d′ of every observer for every detection task, by level, task and method.

    Observers that know the background take part where the noise is known.
    """
    return [
        row
        for (label, dose), own in inserts.items()
        for task in plan.detection
        for name, by_observer in _observed_stacks(own, task).items()
        for observer, stack in by_observer.items()
        for row in rows_of(
            "detectability",
            name,
            _detectability(task, observer, stack),
            level=label,
            dose=dose,
            task=task,
            observer=observer,
        )
    ]


def potential_rows(detectability: Iterable[Row], reference_dose: float | None) -> list[Row]:
    """Read the dose of equal d′ off the curves, by task, observer and method.

    Off those of observers that know the background, where there are any.

    Args:
        detectability: Of :func:`detectability_rows`.
        reference_dose: Dose of the references that the disks were added to, if they have noise and it is known.
    """
    curves: dict[tuple[Task, str], dict[str, _Curve]] = defaultdict(lambda: defaultdict(dict))
    for one in Table(detectability).records("detectability"):
        if one["dose"] is not None and one["d_prime"] is not None:
            curves[one["task"], one["observer"]][one["method"]][one["dose"]] = one
    knowing = {key: by_method for key, by_method in curves.items() if key[1] in KNOWING}
    found: list[Row] = []
    for (task, observer), by_method in (knowing or curves).items():
        target = _target(by_method, reference_dose)
        if target is None:
            continue
        undecided = _reached_by_input(target, by_method.get(INPUT, {}))
        for name in (name for name in by_method if name not in (INPUT, REFERENCE)):
            values = _potential(target, by_method[name], undecided)
            found += rows_of("potential", name, values, task=task, observer=observer)
    return found


def hallucination_rows(inserts: Mapping[_Level, Sequence[Insert]], plan: InsertPlan) -> list[Row]:
    """Look for what methods invent in regions without a disk, where the truth is known without noise."""
    task = plan.detection[0]
    found: list[Row] = []
    for (label, _), own in inserts.items():
        absent = [insert for insert in own if insert.task == task and insert.truth is not None]
        names = [name for name in (absent[0].absent if absent else {}) if name != INPUT]
        for name in names:
            used = [insert for insert in absent if name in insert.absent]
            if len(used) >= MIN_REGIONS:
                found += rows_of("hallucination", name, _hallucination(name, task, used), level=label, task=task)
    return found


def _stacks(inserts: Iterable[Insert], task: Task) -> dict[str, _Stack]:
    """Regions of one task by method, the input first."""
    own = [insert for insert in inserts if insert.task == task]
    names = dict.fromkeys(name for insert in own for name in insert.present)
    stacks = {}
    for name in names:
        used = [insert for insert in own if name in insert.present]
        present, absent = (np.stack([getattr(p, side)[name] for p in used]) for side in ("present", "absent"))
        stacks[name] = _Stack(present, absent, used[0].pixel_mm)
    return stacks


def _observed_stacks(inserts: Iterable[Insert], task: Task) -> dict[str, dict[str, _Stack]]:
    """Regions by method and observer, without their background for those who know it."""
    own = [insert for insert in inserts if insert.task == task]
    found: dict[str, dict[str, _Stack]] = {}
    for name, stack in _stacks(own, task).items():
        known = [insert for insert in own if name in insert.present and name in insert.noise]
        without = dict.fromkeys(KNOWING, _without_background(known, name)) if known else {}
        found[name] = without | dict.fromkeys((CHO, NPW), stack)
    return found


def _without_background(inserts: Sequence[Insert], name: str) -> _Stack:
    """The signal as it came through, in noise alone."""
    noise = np.stack([insert.noise[name] for insert in inserts]).astype(np.float64)
    signal = np.stack([insert.present[name] - insert.absent[name] for insert in inserts])
    return _Stack(noise + signal, noise, inserts[0].pixel_mm)


def _ttf(stack: _Stack, task: Task) -> Ttf | str:
    """The curve, or why there is none."""
    try:
        return disk_ttf(stack.present - stack.absent, task_disk(task, stack.size_px), stack.pixel_mm)
    except DataError as error:
        return str(error)


def _resolution(name: str, task: Task, curve: Ttf | str, input_f50: float | None) -> dict[str, Any]:
    if isinstance(curve, str):
        curves = dict.fromkeys(("frequency_per_mm", "ttf", "standard_error"), ())
        numbers = ("f50_per_mm", "f10_per_mm", "f50_change_percent", "contrast_recovery_percent")
        return curves | dict.fromkeys((*numbers, *_BOUNDS)) | {"remark": curve}
    nyquist = np.searchsorted(curve.frequency_per_mm, 0.5 * curve.frequency_per_mm[-1], side="right")
    return {
        "frequency_per_mm": _rounded(curve.frequency_per_mm[:nyquist]),
        "ttf": _rounded(curve.ttf[:nyquist]),
        "standard_error": _rounded(curve.standard_error[:nyquist]),
        "f50_per_mm": curve.f50_per_mm,
        "f10_per_mm": curve.f10_per_mm,
        **dict(zip(_BOUNDS, _bounds(curve), strict=True)),
        "f50_change_percent": None if name == INPUT else change_percent(input_f50, curve.f50_per_mm),
        "contrast_recovery_percent": 100.0 * curve.contrast_hu / task.contrast_hu,
        "remark": "" if curve.f50_per_mm is not None else "no 50 % frequency: too noisy, or above Nyquist",
    }


_SAME_DOSE = 0.9
"""An input that reaches its own target from this share of the dose on does so at that dose, but for chance."""
_BOUNDS = ("f50_low_per_mm", "f50_high_per_mm", "f10_low_per_mm", "f10_high_per_mm")


def _bounds(curve: Ttf) -> tuple[float | None, ...]:
    nothing = (None, None)
    return (*(curve.f50_interval_per_mm or nothing), *(curve.f10_interval_per_mm or nothing))


def _detectability(task: Task, observer: str, stack: _Stack) -> dict[str, Any]:
    try:
        own = stack if observer in KNOWING else _level(stack, task)
        found: Detectability | None = _observed(observer, task, own)
        remark = ""
    except DataError as error:
        found, remark = None, str(error)
    return {
        "d_prime": found.d_prime if found else None,
        "low": found.d_prime_low if found else None,
        "high": found.d_prime_high if found else None,
        "auc": found.auc if found else None,
        "cnr": _cnr(stack, task),
        "n_pairs": len(stack.present),
        "remark": remark,
    }


def _level(stack: _Stack, task: Task) -> _Stack:
    """Take off every region the plane through its surroundings: what organ it lies in is no noise to a reader."""
    row, col = (axis.ravel() / stack.size_px - 0.5 for axis in np.mgrid[: stack.size_px, : stack.size_px])
    plane = np.stack([np.ones_like(row), row, col], axis=1)
    fit = plane @ np.linalg.pinv(plane[_surroundings(stack, task).ravel()])

    def levelled(regions: np.ndarray) -> np.ndarray:
        outside = regions[:, _surroundings(stack, task)].astype(np.float64)
        return regions - (outside @ fit.T).reshape(regions.shape)

    return _Stack(levelled(stack.present), levelled(stack.absent), stack.pixel_mm)


def _surroundings(stack: _Stack, task: Task) -> np.ndarray:
    """Pixels of a region well outside the disk, bool ``[size, size]``."""
    away_mm = distance_mm((stack.size_px, stack.size_px), roi_centre_px(stack.size_px), stack.pixel_mm)
    return away_mm >= task.radius_mm + RIM_PX * max(stack.pixel_mm)


def _observed(observer: str, task: Task, stack: _Stack) -> Detectability:
    if observer in (NPW, NPW_KNOWN):
        as_it_appears = (stack.present - stack.absent).mean(axis=0)  # both hold the same noise
        return npw(stack.present, stack.absent, as_it_appears, paired=True)
    radius_px = task.radius_mm / float(np.mean(stack.pixel_mm))
    return cho(stack.present, stack.absent, disk_channels(stack.size_px, radius_px), paired=True)


def _cnr(stack: _Stack, task: Task) -> float | None:
    """CNR between the disk without its rim and the rest of the square, a rim away from it."""
    away_mm = distance_mm(stack.present.shape[1:], roi_centre_px(stack.size_px), stack.pixel_mm)
    insert, surroundings = away_mm <= task.radius_mm - 0.5 * max(stack.pixel_mm), _surroundings(stack, task)
    if min(np.count_nonzero(insert), np.count_nonzero(surroundings)) < 2:
        return None
    return measure_cnr(stack.present, insert, surroundings)


def _target(by_method: Mapping[str, _Curve], reference_dose: float | None) -> tuple[float, float] | None:
    """Dose and d′ that a method has to reach: the reference's, else the input's at the highest dose."""
    source = by_method.get(INPUT, {})
    references = by_method.get(REFERENCE, {})
    if reference_dose is not None and references:
        best = max(references.values(), key=lambda one: int(one["n_pairs"]))
        return reference_dose, best["d_prime"]
    highest = max(source, default=None)
    return None if highest is None else (highest, source[highest]["d_prime"])


def _reached_by_input(target: tuple[float, float], curve: _Curve) -> str:
    """Say at which lower dose the input reaches the target by itself; nothing where it does not.

    The disks are few and its d′ does not rise between the two then, so a method that reaches it there saves nothing.
    """
    own = _read_off(target, curve)
    dose = min(curve, default=target[0]) if own is None or own.dose_fraction is None else own.dose_fraction * max(curve)
    if own is None or not own.is_reached or dose > _SAME_DOSE * target[0]:
        return ""
    return f"not told: the input itself reaches it at {100 * dose:.3g} % dose, so these d′ cannot tell the doses apart"


def _read_off(target: tuple[float, float], curve: _Curve) -> DosePotential | None:
    """Read the dose of equal d′ off a curve; None where only one dose is known."""
    doses = sorted(curve)
    if len(doses) < 2:
        return None
    return dose_reduction_potential(doses, [target[1]] * len(doses), [curve[dose]["d_prime"] for dose in doses])


def _potential(target: tuple[float, float], curve: _Curve, undecided: str) -> dict[str, Any]:
    """Empty where only one dose is known; with ``undecided`` as its remark, no dose where the target is reached."""
    found = _read_off(target, curve)
    if found is None:
        return {}
    values = {"target_dose": target[0], "target_d_prime": target[1], "dose": None, "reduction_percent": None}
    if not found.is_reached:
        return values | {"remark": f"not reached up to {100 * max(curve):.4g} % dose, the highest measured"}
    if undecided:
        return values | {"remark": undecided}
    if found.dose_fraction is None:
        return values | {"remark": f"reached at {100 * min(curve):.4g} % dose already, the lowest measured"}
    dose = found.dose_fraction * max(curve)
    return values | {"dose": dose, "reduction_percent": 100.0 * (1.0 - dose / target[0]), "remark": ""}


def _hallucination(name: str, task: Task, inserts: Sequence[Insert]) -> dict[str, Any]:
    errors = np.stack([insert.absent[name] - (0.0 if insert.truth is None else insert.truth) for insert in inserts])
    nothing = np.zeros(errors.shape[1:])
    pixel_mm = inserts[0].pixel_mm
    template_px = 2 * int(np.ceil(task.radius_mm / min(pixel_mm))) + 3
    template = task_signal(task, min(template_px, errors.shape[-1]), pixel_mm) / task.contrast_hu
    invented = invented_structure(errors, nothing)
    positives = false_positives(errors, nothing, template, task.contrast_hu)
    return {
        "structure_hu": invented.structure_hu,
        "p_value": invented.p_value,
        "warns": invented.warns,
        "false_positive_rate": positives.rate,
        "expected_rate": positives.expected_rate,
        "n_regions": len(errors),
    }


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    """Curves with six digits: enough for any plot, half the file."""
    return tuple(float(f"{value:.6g}") for value in values)
