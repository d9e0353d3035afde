"""Test slices as cases to measure: read, denoised by every method, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from n2b_ct.data.roles import RoleSlice
from n2b_ct.evaluation.report.measures import SliceCase, SliceMeasure, measure_slice
from n2b_ct.evaluation.report.pictures import Panel
from n2b_ct.hu import Window
from n2b_ct.io.progress import Progress

Denoiser = Callable[[np.ndarray], np.ndarray]


def slice_cases(
    slices: Sequence[RoleSlice], denoisers: Mapping[str, Denoiser], progress: Progress | None = None
) -> Iterator[SliceCase]:
    """Read each test slice and its reference, and let every method denoise it.

    Args:
        slices: Of the test role.
        denoisers: Method name to a function from HU ``[rows, cols]`` to HU.
        progress: Called with (slices done, all slices, series name).
    """
    for number, role in enumerate(slices, start=1):
        input_hu = role.series.read_hu([role.index])[0]
        reference_hu = None
        if role.reference is not None and role.reference_index is not None:
            reference_hu = role.reference.read_hu([role.reference_index])[0]
        yield SliceCase(
            series=role.series.name,
            dose=role.series.dose,
            slice_index=role.index,
            position_mm=role.series.positions_mm[role.index],
            input_hu=input_hu,
            reference_hu=reference_hu,
            candidates={name: denoiser(input_hu) for name, denoiser in denoisers.items()},
        )
        if progress is not None:
            progress(number, len(slices), role.series.name)


def measure_slices(
    slices: Sequence[RoleSlice],
    denoisers: Mapping[str, Denoiser],
    windows: Mapping[str, Window],
    panels_per_dose: int,
    progress: Progress | None = None,
) -> tuple[list[SliceMeasure], list[Panel]]:
    """Measure every method on every test slice, and keep some slices to be shown.

    Returns:
        All rows, and the panels in the order of the slices.
    """
    shown = shown_slices(slices, panels_per_dose)
    rows: list[SliceMeasure] = []
    panels: list[Panel] = []
    for case in slice_cases(slices, denoisers, progress):
        rows += measure_slice(case, windows)
        if (case.series, case.slice_index) in shown:
            panels.append(Panel(case, tuple(denoisers)))
    return rows, panels


def shown_slices(slices: Sequence[RoleSlice], per_series: int) -> set[tuple[str, int]]:
    """Choose which slices become pictures: spread evenly over each series, as (series name, slice index)."""
    by_series: dict[str, list[int]] = {}
    for role in slices:
        by_series.setdefault(role.series.name, []).append(role.index)
    return {
        (name, indices[int((number + 0.5) * len(indices) / shown)])
        for name, indices in by_series.items()
        for shown in [min(per_series, len(indices))]
        for number in range(shown)
    }
