"""Slices to measure: series, position, dose, reader, and problems."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from n2b_ct.data.manifest_series import DatasetSeries
from n2b_ct.data.roles import RoleSlice
from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.flat_regions import FlatBlocks, class_image, find_flat_blocks, tissue_class_masks
from n2b_ct.evaluation.regional_noise import place_blocks
from n2b_ct.evaluation.truth_error import InsertedNoise
from n2b_ct.hu import LARGEST_HU
from n2b_ct.io.series import SeriesRef
from n2b_ct.io.volumes import describe_volume
from n2b_ct.phantom.ground_truth import LesionTruth
from n2b_ct.phantom.noise_free import NoiseFreePiglet

INPUT = "input"
REFERENCE = "reference"
_CONSTANT = "a scan is never constant"
_LEAVE_OUT = "left out; look for a diverged model or a broken file"


@dataclass(frozen=True, eq=False)
class SliceCase:
    """One noisy slice, its reference if there is one, and each method's result.

    Attributes:
        series: A label for people, such as ``L192`` or a shortened UID; it is printed, so no patient data.
        dose: Dose fraction, 0.05 for 5 %; None where nobody knows it.
        slice_index: Index in the series, by position.
        input_hu: The noisy slice, HU ``[rows, cols]``.
        candidates: Method name to its slice, HU, same shape.
        reference_hu: The normal-dose slice, same shape, or None.
        position_mm: Position along the slice normal, if known.
        pixel_mm: (row spacing, column spacing), if known.
        anchor: What ``input_hu`` is: the input, or, where nobody has it, the reference or a method's slice that
            stands in its place. Regions are found in it and shifts are measured against it.
        lesion_labels: Number of the true lesion at each pixel, 0 outside, same shape, where such truth exists.
        truth_hu: The slice without noise, same shape, where it is known.
        inserted_noise: How the input's noise was inserted into the reference, where somebody measured it.
    """

    series: str
    dose: float | None
    slice_index: int
    input_hu: np.ndarray
    candidates: Mapping[str, np.ndarray]
    reference_hu: np.ndarray | None = None
    position_mm: float | None = None
    pixel_mm: tuple[float, float] | None = None
    anchor: str = INPUT
    lesion_labels: np.ndarray | None = None
    truth_hu: np.ndarray | None = None
    inserted_noise: InsertedNoise | None = None

    @cached_property
    def flat_blocks(self) -> FlatBlocks:
        """Flat soft tissue of the input, found once for all measures."""
        return find_flat_blocks(self.input_hu)

    @cached_property
    def place_blocks(self) -> dict[str, FlatBlocks]:
        """Flat blocks of the input by place, found once for all measures."""
        return place_blocks(self.input_hu)

    @cached_property
    def best_known_hu(self) -> np.ndarray | None:
        """The slice without noise, else the reference."""
        return self.reference_hu if self.truth_hu is None else self.truth_hu

    @cached_property
    def class_image_hu(self) -> np.ndarray:
        """The smoothed slice that tissue classes are told by: of the best known one, else of the input."""
        if self.best_known_hu is not None:
            return class_image(self.best_known_hu)
        return class_image(self.input_hu, self.flat_blocks)

    @cached_property
    def tissue_masks(self) -> dict[str, np.ndarray]:
        """Tissue classes by name, bool ``[rows, cols]``, found once for all measures."""
        return tissue_class_masks(self.class_image_hu)

    @property
    def subject(self) -> str:
        """How messages and captions name this slice."""
        return f"{self.series}, slice {self.slice_index}"

    @property
    def methods(self) -> dict[str, np.ndarray]:
        """Input, where there is one, and candidates: what is judged."""
        own = {INPUT: self.input_hu} if self.anchor == INPUT else {}
        return {**own, **self.candidates}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one slice of one method (or of the input, or the reference)."""

    series: str
    slice_index: int
    method: str
    requirement: str
    got: str
    remedy: str


Reading = tuple[SliceCase, list[Fault]]


@dataclass(frozen=True, slots=True)
class CaseSource:
    """One slice that can be read.

    Attributes:
        series: A label for people; no patient data.
        slice_index: Index in the series, by position.
        dose: Dose fraction, if known.
        pixel_mm: (row spacing, column spacing), if known.
        read: Reads the slice, its reference and what exists of the candidates, and tells what of them could not be
            read; called on one thread.
        patient_key: What slices of one patient share; empty where nothing tells the patient. Never printed.
    """

    series: str
    slice_index: int
    dose: float | None
    pixel_mm: tuple[float, float] | None
    read: Callable[[], Reading]
    patient_key: str = ""


def role_sources(
    slices: Sequence[RoleSlice], lesions: LesionTruth | None = None, truth: NoiseFreePiglet | None = None
) -> list[CaseSource]:
    """Make sources of the slices of a role, with their references and what is known to be true of them."""
    pixels = {role.series.name: _pixel_mm(role.series) for role in _one_each(slices)}
    return [
        CaseSource(
            series=role.series.name,
            slice_index=role.index,
            dose=role.series.dose,
            pixel_mm=pixels[role.series.name],
            read=partial(_read_role, role, pixels[role.series.name], lesions, truth),
            patient_key=role.series.known_patient,
        )
        for role in slices
    ]


def reference_dose(slices: Sequence[RoleSlice]) -> float | None:
    """The one dose of all references; None where they differ or nobody knows it."""
    doses = {role.reference.dose for role in slices if role.reference is not None}
    return doses.pop() if len(doses) == 1 else None


def shown_slices(slices: Sequence[CaseSource], per_series: int) -> set[tuple[str, int]]:
    """Choose which slices become images: spread evenly over each series, as (series name, slice index)."""
    by_series: dict[str, list[int]] = {}
    for source in slices:
        by_series.setdefault(source.series, []).append(source.slice_index)
    return {
        (name, indices[int((number + 0.5) * len(indices) / shown)])
        for name, indices in by_series.items()
        for shown in [min(per_series, len(indices))]
        for number in range(shown)
    }


def _one_each(slices: Sequence[RoleSlice]) -> list[RoleSlice]:
    return list({role.series.name: role for role in slices}.values())


def _pixel_mm(series: DatasetSeries) -> tuple[float, float] | None:
    if isinstance(series.source, SeriesRef):
        return series.source.pixel_spacing_mm
    if not isinstance(series.source, Path):
        return None
    try:
        _, row_mm, col_mm = describe_volume(series.source).spacing_mm
    except DataError:
        return None
    return row_mm, col_mm


def _read_role(
    role: RoleSlice,
    pixel_mm: tuple[float, float] | None,
    lesions: LesionTruth | None,
    truth: NoiseFreePiglet | None,
) -> Reading:
    faults: list[Fault] = []
    reference_hu = None
    if role.reference is not None and role.reference_index is not None:
        try:
            reference_hu = role.reference.read_hu([role.reference_index])[0]
        except DataError as error:
            name = role.series.name
            faults.append(Fault(name, role.index, REFERENCE, "must be readable", str(error), "left out"))
    case = SliceCase(
        series=role.series.name,
        dose=role.series.dose,
        slice_index=role.index,
        position_mm=role.series.positions_mm[role.index],
        input_hu=role.series.read_hu([role.index])[0],
        reference_hu=reference_hu,
        candidates={},
        pixel_mm=pixel_mm,
        lesion_labels=None if lesions is None else lesions.at(_location_mm(role), role.series.size_px),
        truth_hu=None if truth is None else truth.at(_location_mm(role), role.series.size_px),
    )
    return case, faults


def _location_mm(role: RoleSlice) -> float | None:
    source = role.series.source
    return source.instances[role.index].slice_location_mm if isinstance(source, SeriesRef) else None


def usable_case(case: SliceCase) -> tuple[SliceCase | None, list[Fault]]:
    """Remove what cannot be measured from a slice.

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
    """Return the faults as lines, one for all slices of a series that share it."""
    groups: dict[tuple[str, str, str, str], list[Fault]] = defaultdict(list)
    for fault in faults:
        groups[fault.series, fault.method, fault.requirement, fault.remedy].append(fault)
    return tuple(_line(group) for group in groups.values())


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
