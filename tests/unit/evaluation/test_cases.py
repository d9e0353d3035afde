"""Slices of a role as sources: read with their references, some of them shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from n2b_ct.data.manifest_series import DatasetSeries
from n2b_ct.data.roles import RoleSlice
from n2b_ct.errors import DataError
from n2b_ct.evaluation.cases import reference_dose, role_sources, shown_slices


class Numbered(DatasetSeries):
    """A series whose slice k holds k HU and a little noise that is the same in all."""

    def read_hu(self, indices, progress=None):
        noise = np.random.default_rng(0).normal(0.0, 10.0, self.size_px)
        return np.stack([noise + index for index in indices]).astype(np.float32)


class Broken(DatasetSeries):
    """A series that cannot be read."""

    def read_hu(self, indices, progress=None):
        raise DataError("slice: must be whole, got half; copy it again")


def numbered(name: str, dose: float, n_slices: int = 4, kind: type[DatasetSeries] = Numbered) -> DatasetSeries:
    return kind(name, dose, Path("nowhere"), tuple(2.0 * k for k in range(n_slices)), "p", (64, 64))


def test_a_source_reads_the_slice_and_its_reference():
    low, full = numbered("low", 0.25), numbered("full", 1.0)
    (source,) = role_sources([RoleSlice(low, 1, full, 3)])
    case, faults = source.read()
    assert (case.series, case.dose, case.slice_index, case.position_mm) == ("low", 0.25, 1, 2.0)
    np.testing.assert_allclose(case.reference_hu - case.input_hu, 2.0, atol=1e-4)
    assert (source.pixel_mm, case.pixel_mm, faults) == (None, None, [])


def test_a_reference_that_cannot_be_read_is_a_fault_and_the_slice_stays():
    full = numbered("full", 1.0, kind=Broken)
    (source,) = role_sources([RoleSlice(numbered("low", 0.25), 0, full, 0)])
    case, (fault,) = source.read()
    assert case.reference_hu is None
    assert (fault.method, fault.requirement) == ("reference", "must be readable")


def test_shown_slices_are_spread_over_every_series():
    sources = role_sources([RoleSlice(numbered(name, 0.1, 10), k) for name in ("a", "b") for k in range(10)])
    assert shown_slices(sources, 1) == {("a", 5), ("b", 5)}
    assert shown_slices(sources, 2) == {("a", 2), ("a", 7), ("b", 2), ("b", 7)}
    assert shown_slices(sources, 0) == set()


def test_the_references_dose_is_known_only_where_all_share_it():
    low, full, half = numbered("low", 0.25), numbered("full", 1.0), numbered("half", 0.5)
    assert reference_dose([RoleSlice(low, 0, full, 0), RoleSlice(low, 1, full, 1)]) == 1.0
    assert reference_dose([RoleSlice(low, 0, full, 0), RoleSlice(low, 1, half, 1)]) is None
    assert reference_dose([RoleSlice(low, 0)]) is None
