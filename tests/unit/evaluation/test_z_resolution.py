"""What a method does along z is told apart from what it does within the slice."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from n2b_ct.evaluation.cases import SliceCase
from n2b_ct.evaluation.table import Table
from n2b_ct.evaluation.z_resolution import pooled_planes, z_resolution_rows

N_SLICES, SIZE_PX = 7, 192


def body() -> np.ndarray:
    """Noisy slices whose anatomy moves and changes along z."""
    rng = np.random.default_rng(0)
    row, col = np.mgrid[:SIZE_PX, :SIZE_PX]
    hu = np.where(np.hypot(row - 96, col - 96) < 85, 40.0, -1000.0)[None].repeat(N_SLICES, axis=0)
    for _ in range(60):
        (r, c), radius, contrast = rng.uniform(30, 160, 2), rng.uniform(5, 16), rng.uniform(-600, 600)
        for k in range(N_SLICES):
            if rng.random() < 0.5:
                hu[k][np.hypot(row - r, col - c - 3 * k) < radius] += contrast
    return hu + rng.normal(0.0, 20.0, hu.shape)


def along_z(hu: np.ndarray, a: float) -> np.ndarray:
    return ndimage.convolve1d(hu, np.array([a, 1.0 - 2.0 * a, a]), axis=0)


def transfer_of(noisy: np.ndarray, denoised: np.ndarray):
    cases = [SliceCase("A", 0.25, k, noisy[k], {"n2b": denoised[k]}) for k in range(N_SLICES)]
    slices = [one for case in cases for one in pooled_planes(case)]
    return Table(z_resolution_rows(slices, {0.25: "25 %"}, {})).record("z_resolution", "25 %", "n2b")


@pytest.mark.parametrize("a", [0.05, 0.1, 0.25])
def test_a_kernel_along_z_is_found_whatever_happens_within_the_slice(a):
    noisy = body()
    for within in (noisy, ndimage.gaussian_filter(noisy, (0, 1.5, 1.5)), ndimage.median_filter(noisy, (1, 5, 5))):
        found = transfer_of(noisy, along_z(within, a))
        assert found["z_transfer_percent"].mean == pytest.approx(100.0 - 400.0 * a, abs=8.0)
        assert found["n_slices"] == N_SLICES - 2


def test_a_method_that_takes_slices_one_by_one_loses_nothing_along_z():
    noisy = body()
    for within in (ndimage.gaussian_filter(noisy, (0, 2.0, 2.0)), ndimage.median_filter(noisy, (1, 5, 5))):
        assert transfer_of(noisy, within)["z_transfer_percent"].mean == pytest.approx(100.0, abs=3.0)


def test_slices_with_a_gap_between_them_are_no_neighbours():
    noisy = body()
    positions = (0.0, 3.0, 60.0)
    cases = [SliceCase("A", 0.25, k, noisy[k], {"n2b": noisy[k]}, position_mm=positions[k]) for k in range(3)]
    assert z_resolution_rows([one for case in cases for one in pooled_planes(case)], {0.25: "25 %"}, {}) == []


def test_without_both_neighbours_or_an_input_nothing_is_measured():
    noisy = body()
    cases = [SliceCase("A", 0.25, 2 * k, noisy[k], {"n2b": noisy[k]}) for k in range(3)]
    assert z_resolution_rows([one for case in cases for one in pooled_planes(case)], {0.25: "25 %"}, {}) == []
    assert pooled_planes(SliceCase("A", 0.25, 0, noisy[0], {}, anchor="reference")) == []
