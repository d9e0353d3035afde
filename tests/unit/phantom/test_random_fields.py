"""Random fields: normal in distribution, continuous in space, bound to their key."""

from __future__ import annotations

import numpy as np
import pytest

from n2b_ct.phantom.random_fields import fractal_field, smooth_field

AXIS = np.arange(-95.0, 95.0, 1.0)


def test_a_field_has_mean_0_and_variance_1() -> None:
    samples = np.stack([smooth_field((0, 5), z, AXIS, AXIS, 4.0) for z in range(0, 400, 20)])
    assert samples.mean() == pytest.approx(0.0, abs=0.03)
    assert samples.std() == pytest.approx(1.0, rel=0.03)


def test_neighbouring_slices_agree_and_distant_ones_do_not() -> None:
    here, near, far = (smooth_field((1,), z, AXIS, AXIS, 10.0) for z in (50.0, 50.5, 150.0))
    assert np.corrcoef(here.ravel(), near.ravel())[0, 1] > 0.99
    assert abs(np.corrcoef(here.ravel(), far.ravel())[0, 1]) < 0.2


def test_a_point_has_one_value_whatever_the_grid() -> None:
    coarse = smooth_field((2,), -7.3, AXIS[::2], AXIS[::5], 6.0)
    fine = smooth_field((2,), -7.3, AXIS, AXIS, 6.0)
    np.testing.assert_allclose(coarse, fine[::2, ::5], atol=1e-5)


def test_a_lattice_cell_crossed_in_z_is_continuous() -> None:
    below, above = (smooth_field((3,), z, AXIS, AXIS, 8.0) for z in (15.9999, 16.0001))
    np.testing.assert_allclose(below, above, atol=1e-3)


def test_another_key_is_another_field() -> None:
    first, second = (smooth_field(key, 3.0, AXIS, AXIS, 6.0) for key in ((4, 1), (4, 2)))
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.2


def test_octaves_add_up_to_variance_1_with_more_power_in_large_structures() -> None:
    samples = np.stack([fractal_field((5,), z, AXIS, AXIS, (16.0, 8.0, 4.0)) for z in range(0, 600, 30)])
    assert samples.std() == pytest.approx(1.0, rel=0.06)
    power = (np.abs(np.fft.rfft(samples, axis=-1)) ** 2).mean(axis=(0, 1))
    assert power[2:6].mean() > 5.0 * power[15:25].mean() > 25.0 * power[50:80].mean()
