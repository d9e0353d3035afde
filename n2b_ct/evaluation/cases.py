"""Slices to measure, each with the way to read it: which series, which place, which dose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from n2b_ct.data.manifest_series import ManifestSeries
from n2b_ct.data.roles import RoleSlice
from n2b_ct.errors import DataError
from n2b_ct.evaluation.faults import Fault
from n2b_ct.evaluation.report.lesions import LesionTruth
from n2b_ct.evaluation.report.measures import REFERENCE, SliceCase
from n2b_ct.io.series import SeriesRef
from n2b_ct.io.volumes import describe_volume

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
            read; called once, on one thread.
    """

    series: str
    slice_index: int
    dose: float | None
    pixel_mm: tuple[float, float] | None
    read: Callable[[], Reading]


def role_sources(slices: Sequence[RoleSlice], lesions: LesionTruth | None = None) -> list[CaseSource]:
    """Make sources of the slices of a role, with their references and the lesions that are known to be there."""
    pixels = {role.series.name: _pixel_mm(role.series) for role in _one_each(slices)}
    return [
        CaseSource(
            series=role.series.name,
            slice_index=role.index,
            dose=role.series.dose,
            pixel_mm=pixels[role.series.name],
            read=partial(_read_role, role, pixels[role.series.name], lesions),
        )
        for role in slices
    ]


def reference_dose(slices: Sequence[RoleSlice]) -> float | None:
    """The one dose of all references; None where they differ or nobody knows it."""
    doses = {role.reference.dose for role in slices if role.reference is not None}
    return doses.pop() if len(doses) == 1 else None


def shown_slices(slices: Sequence[CaseSource], per_series: int) -> set[tuple[str, int]]:
    """Choose which slices become pictures: spread evenly over each series, as (series name, slice index)."""
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


def _pixel_mm(series: ManifestSeries) -> tuple[float, float] | None:
    if isinstance(series.source, SeriesRef):
        return series.source.pixel_spacing_mm
    try:
        _, row_mm, col_mm = describe_volume(series.source).spacing_mm
    except DataError:
        return None
    return row_mm, col_mm


def _read_role(role: RoleSlice, pixel_mm: tuple[float, float] | None, lesions: LesionTruth | None) -> Reading:
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
    )
    return case, faults


def _location_mm(role: RoleSlice) -> float | None:
    source = role.series.source
    return source.instances[role.index].slice_location_mm if isinstance(source, SeriesRef) else None
