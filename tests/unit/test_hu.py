"""HU, stored words and network units: laws by hand and against pydicom."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_rescale

from n2b_ct.hu import WINDOWS, Window, hu_to_stored, stored_to_hu

ABDOMEN = Window(-160.0, 240.0)


def test_the_windows_ends_become_0_and_1():
    hu = np.array([-160.0, 40.0, 240.0])
    np.testing.assert_array_equal(ABDOMEN.normalise(hu), np.array([0.0, 0.5, 1.0], np.float32))
    assert ABDOMEN.normalise(hu).dtype == np.float32


def test_values_outside_are_clipped_or_kept_as_asked():
    hu = np.array([-1024.0, 3071.0])
    np.testing.assert_array_equal(ABDOMEN.clip(hu), [-160.0, 240.0])
    np.testing.assert_array_equal(ABDOMEN.normalise(hu), [0.0, 1.0])
    np.testing.assert_allclose(ABDOMEN.scale(hu), [-864 / 400, 3231 / 400], rtol=1e-6)


def test_to_hu_undoes_normalise_inside_the_window():
    hu = np.linspace(-160, 240, 401)
    np.testing.assert_allclose(ABDOMEN.to_hu(ABDOMEN.normalise(hu)), hu, atol=1e-4)


def test_the_ends_themselves_lie_outside():
    assert ABDOMEN.contains(np.array([-160.0, -159.99, 239.99, 240.0])).tolist() == [False, True, True, False]


def test_width_is_the_data_range():
    assert ABDOMEN.width_hu == 400
    assert str(ABDOMEN) == "[-160, 240] HU"


@pytest.mark.parametrize("ends", [(5.0, 5.0), (240.0, -160.0), (float("nan"), 1.0)])
def test_a_window_needs_lower_below_upper(ends):
    with pytest.raises(ValueError, match="lower must be below upper"):
        Window(*ends)


def test_every_named_window_holds_water_or_air():
    assert set(WINDOWS) >= {"abdomen", "lung", "bone", "brain", "full"}
    assert all(window.width_hu > 0 for window in WINDOWS.values())


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, -1024.0), (1.0, 0.0), (0.5, -1000.0), (2.0, -8192.0)])
def test_rescale_equals_pydicoms_own(slope, intercept):
    stored = np.arange(0, 65536, 17, dtype=np.uint16)
    dataset = Dataset()
    dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
    np.testing.assert_allclose(stored_to_hu(stored, slope, intercept), apply_rescale(stored, dataset))


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, -1024.0), (0.1, -1024.0), (1.2345678, -999.5), (-1.0, 5.0)])
@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
def test_every_16_bit_word_survives_the_way_to_hu_and_back(slope, intercept, dtype):
    stored = np.arange(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, dtype=np.int32).astype(dtype)
    back = hu_to_stored(stored_to_hu(stored, slope, intercept), slope, intercept)
    np.testing.assert_array_equal(back, stored)


def test_stored_values_are_rounded_to_nearest():
    np.testing.assert_array_equal(hu_to_stored(np.array([0.4, 0.6, -0.6, -0.4]), 1.0, 0.0), [0, 1, -1, 0])


def test_hu_are_float32_and_stored_values_float64():
    assert stored_to_hu(np.array([1], dtype=np.uint16), 1.0, 0.0).dtype == np.float32
    assert hu_to_stored(np.array([1.0], dtype=np.float32), 1.0, 0.0).dtype == np.float64
