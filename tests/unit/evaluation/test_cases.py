"""Test slices as cases: read by role, denoised by every method, some of them shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from n2b_ct.data.found import FoundSeries
from n2b_ct.data.roles import RoleSlice
from n2b_ct.evaluation.cases import measure_slices, shown_slices, slice_cases
from n2b_ct.hu import Window

WINDOWS = {"abdomen": Window(-160.0, 240.0)}


class Numbered(FoundSeries):
    """A series whose slice k holds k HU and a little noise that is the same in all."""

    def read_hu(self, indices, progress=None):
        noise = np.random.default_rng(0).normal(0.0, 10.0, self.size_px)
        return np.stack([noise + index for index in indices]).astype(np.float32)


def numbered(name: str, dose: float, n_slices: int = 4) -> FoundSeries:
    return Numbered(name, dose, Path("nowhere"), tuple(2.0 * k for k in range(n_slices)), "p", (64, 64))


def test_a_case_holds_the_slice_its_reference_and_every_method():
    low, full = numbered("low", 0.25), numbered("full", 1.0)
    (case,) = slice_cases([RoleSlice(low, 1, full, 3)], {"minus one": lambda hu: hu - 1})
    assert (case.series, case.dose, case.slice_index, case.position_mm) == ("low", 0.25, 1, 2.0)
    np.testing.assert_allclose(case.reference_hu - case.input_hu, 2.0, atol=1e-4)
    np.testing.assert_allclose(case.candidates["minus one"], case.input_hu - 1)


def test_a_slice_without_reference_is_a_case_too():
    (case,) = slice_cases([RoleSlice(numbered("low", 0.25), 0)], {})
    assert case.reference_hu is None


def test_shown_slices_are_spread_over_every_series():
    slices = [RoleSlice(numbered(name, 0.1, 10), k) for name in ("a", "b") for k in range(10)]
    assert shown_slices(slices, 1) == {("a", 5), ("b", 5)}
    assert shown_slices(slices, 2) == {("a", 2), ("a", 7), ("b", 2), ("b", 7)}
    assert shown_slices(slices, 0) == set()


def test_rows_and_panels_come_from_one_pass_with_progress():
    low, full = numbered("low", 0.25), numbered("full", 1.0)
    told: list[tuple[int, int, str]] = []
    slices = [RoleSlice(low, k, full, k) for k in range(3)]
    rows, panels = measure_slices(slices, {"same": lambda hu: hu}, WINDOWS, 1, lambda *step: told.append(step))
    assert {row.method for row in rows} == {"input", "same", "reference"}
    assert [panel.case.slice_index for panel in panels] == [1]
    assert told[-1] == (3, 3, "low")
    shifted = [row.rmse_hu for row in rows if row.method == "same"]
    assert shifted == pytest.approx([0.0] * 3)
