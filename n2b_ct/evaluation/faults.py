"""What is wrong with a slice before it is measured: each fault a clear line, the rest of the slice goes on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from n2b_ct.errors import explain
from n2b_ct.evaluation.report.measures import REFERENCE, SliceCase
from n2b_ct.hu import LARGEST_HU

_LEAVE_OUT = "left out; look for a diverged model or a broken file"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one slice of one method (or of the input, or the reference)."""

    series: str
    slice_index: int
    method: str
    requirement: str
    got: str
    remedy: str


def sound_case(case: SliceCase) -> tuple[SliceCase | None, list[Fault]]:
    """Take what cannot be measured out of a slice.

    Returns:
        The slice without candidates and reference that are unusable, None where the input itself is; and the faults.
    """
    shape = case.input_hu.shape
    slices = {case.anchor: case.input_hu, **case.candidates}
    if case.reference_hu is not None:
        slices[REFERENCE] = case.reference_hu
    faults = [fault for name, hu in slices.items() for fault in _faults(case, name, hu, shape)]
    unusable = {fault.method for fault in faults if fault.requirement != _CONSTANT}
    if case.anchor in unusable:
        return None, faults
    kept = {name: hu for name, hu in case.candidates.items() if name not in unusable}
    reference = None if REFERENCE in unusable else case.reference_hu
    return replace(case, candidates=kept, reference_hu=reference), faults


def fault_lines(faults: Iterable[Fault]) -> tuple[str, ...]:
    """Word the faults, one line for all slices of a series that share one."""
    groups: dict[tuple[str, str, str, str], list[Fault]] = defaultdict(list)
    for fault in faults:
        groups[fault.series, fault.method, fault.requirement, fault.remedy].append(fault)
    return tuple(_line(group) for group in groups.values())


_CONSTANT = "a scan is never constant"


def _faults(case: SliceCase, name: str, hu: np.ndarray, shape: tuple[int, ...]) -> list[Fault]:
    def fault(requirement: str, got: str, remedy: str) -> list[Fault]:
        return [Fault(case.series, case.slice_index, name, requirement, got, remedy)]

    if hu.ndim != 2 or hu.shape != shape:
        sizes = " and ".join("x".join(map(str, size)) for size in (hu.shape, shape))
        return fault("compared slices must share one size", sizes, "left out; resample neither, export both alike")
    if not np.isfinite(hu).all():
        return fault("HU must be finite", "NaN or infinity", _LEAVE_OUT)
    if hu.size and np.abs(hu).max() > LARGEST_HU:
        return fault(f"HU must lie within ±{LARGEST_HU:g}", f"{np.abs(hu).max():g}", _LEAVE_OUT)
    if hu.size and hu.min() == hu.max():
        return fault(_CONSTANT, "one value", "kept; its numbers mean nothing")
    return []


def _line(group: list[Fault]) -> str:
    first = group[0]
    where = f"slice {first.slice_index}" if len(group) == 1 else f"{len(group)} slices, the first {first.slice_index}"
    return explain(f"{first.series}, {first.method}", first.requirement, f"{first.got} in {where}", first.remedy)
