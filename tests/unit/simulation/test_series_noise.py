"""Noise of a given series: as strong as its own, of its texture, along its rays."""

from __future__ import annotations

import numpy as np
import pytest

from n2b_ct.simulation.calibration import Calibration
from n2b_ct.simulation.low_dose import lower_doses
from n2b_ct.simulation.noise_texture import NoiseTexture, fit_texture, hann_periodograms
from n2b_ct.simulation.series_noise import SeriesNoise, series_noise_fields

SIZE_PX, PIXEL_MM = 128, 2.4
CALIBRATION = Calibration(1e5, 20.0, NoiseTexture(0.3, 2.5), PIXEL_MM)
FROM_MIDDLE_PX = np.hypot(*np.meshgrid(*[np.arange(SIZE_PX) - (SIZE_PX - 1) / 2] * 2))
WATER_HU = np.where(FROM_MIDDLE_PX < 54, 0.0, -1000.0).astype(np.float32)
INSIDE = np.s_[32:96, 32:96]


def scanned(seed: int) -> np.ndarray:
    """A slice whose noise is that of a full scan, as half the dose adds it with a third of the electronic noise."""
    full = Calibration(1e5, 20.0 / 3.0, CALIBRATION.texture, PIXEL_MM)
    return lower_doses(WATER_HU, [0.5], full, seed=seed, identity="", measures_slice=False).hu[0]


@pytest.fixture(scope="module")
def noise() -> SeriesNoise:
    return series_noise_fields([scanned(k) for k in range(3)], CALIBRATION, n_fields=4)


def test_new_noise_is_as_strong_as_the_series_own(noise: SeriesNoise) -> None:
    own = np.stack([(scanned(k) - WATER_HU)[INSIDE] for k in range(6)])
    drawn = np.concatenate([of_slice[:, *INSIDE] for of_slice in noise.shown])
    assert drawn.std() == pytest.approx(own.std(), rel=0.06)


def test_new_noise_has_the_series_texture(noise: SeriesNoise) -> None:
    drawn = np.concatenate(noise.shown)[:, *INSIDE]
    regions = drawn.reshape(-1, 2, 32, 2, 32).transpose(0, 1, 3, 2, 4).reshape(-1, 32, 32)
    texture = fit_texture(hann_periodograms(regions).mean(axis=0)).texture
    assert texture.lag1_autocorrelation == pytest.approx(CALIBRATION.texture.lag1_autocorrelation, abs=0.03)


def test_the_fields_of_a_slice_follow_from_the_seed_and_its_number(noise: SeriesNoise) -> None:
    again = series_noise_fields([scanned(0)], CALIBRATION, n_fields=4)
    np.testing.assert_array_equal(again.fields[0], noise.fields[0])
    other = series_noise_fields([scanned(0)], CALIBRATION, n_fields=4, seed=1)
    assert not np.array_equal(other.fields[0], noise.fields[0])
    assert again.digest != other.digest


def test_a_slice_of_twice_the_current_has_half_the_variance() -> None:
    calibration = Calibration(1e5, 0.0, CALIBRATION.texture, PIXEL_MM, reference_current=100.0)
    slices = [WATER_HU, WATER_HU]  # nothing to measure noise in: the current alone decides
    weak, strong = series_noise_fields(slices, calibration, n_fields=6, currents=[100.0, 200.0]).fields
    assert weak[:, *INSIDE].var() / strong[:, *INSIDE].var() == pytest.approx(2.0, rel=0.08)


def test_oblong_slices_keep_their_shape(noise: SeriesNoise) -> None:
    found = series_noise_fields([scanned(0)[20:108]], CALIBRATION, n_fields=1)
    assert found.fields[0].shape == found.shown[0].shape == (1, 88, SIZE_PX)


def test_the_standard_deviation_is_that_of_the_bare_fields_in_the_body(noise: SeriesNoise) -> None:
    inside = np.concatenate([of_slice[:, FROM_MIDDLE_PX < 50] for of_slice in noise.fields])
    assert noise.std_hu == pytest.approx(inside.std(), rel=0.1)
