"""Noise fields of the bare ramp: with a kernel they are what the direct route makes, and they follow the patient."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from n2b_ct.errors import DataError
from n2b_ct.simulation.calibration import Calibration
from n2b_ct.simulation.kernel_responses import KernelResponse, filters
from n2b_ct.simulation.low_dose import lower_doses
from n2b_ct.simulation.noise_fields import Exposure, draw_exposure, noise_fields, ray_variance
from n2b_ct.simulation.noise_texture import NoiseTexture
from n2b_ct.simulation.projection import ParallelBeam

SIZE_PX, PIXEL_MM = 64, 3.0
FROM_MIDDLE_PX = np.hypot(*np.meshgrid(*[np.arange(SIZE_PX) - (SIZE_PX - 1) / 2] * 2))
DISK_HU = np.where(FROM_MIDDLE_PX < 26, 40.0, -1000.0).astype(np.float32)
EXPOSURE = Exposure(photons=3e4, electronic_variance=90.0)
BEAM = ParallelBeam.for_image(SIZE_PX, PIXEL_MM)


def fields(hu: np.ndarray, exposure: Exposure, n: int = 24, seed: int = 0) -> np.ndarray:
    """Several fields of one exposure."""
    return noise_fields(hu, PIXEL_MM, [exposure] * n, np.random.default_rng(seed))


def ring_power(images: np.ndarray) -> np.ndarray:
    """Mean power in five rings of frequency."""
    power = (np.abs(np.fft.fft2(images)) ** 2).mean(axis=0)
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(images.shape[-1])] * 2))
    edges = (0.03, 0.1, 0.2, 0.3, 0.4, 0.5)
    return np.array([power[(frequency >= low) & (frequency < high)].mean() for low, high in pairwise(edges)])


@pytest.mark.parametrize("texture", [NoiseTexture(0.3, 3.0), NoiseTexture(0.7, 2.0)])
def test_a_filtered_field_has_variance_and_spectrum_of_the_direct_route(texture: NoiseTexture) -> None:
    calibration = Calibration(3e4, 30.0, texture, PIXEL_MM)
    direct = np.stack(
        [
            lower_doses(DISK_HU, [0.5], calibration, seed=k, identity="", measures_slice=False).hu[0] - DISK_HU
            for k in range(24)
        ]
    )
    response = filters([KernelResponse.of_texture(texture)], SIZE_PX)
    filtered = np.fft.irfft2(np.fft.rfft2(fields(DISK_HU, EXPOSURE)) * response.noise, s=DISK_HU.shape)
    for is_here in (FROM_MIDDLE_PX < 10, (FROM_MIDDLE_PX > 16) & (FROM_MIDDLE_PX < 24)):
        assert filtered[:, is_here].var() == pytest.approx(direct[:, is_here].var(), rel=0.06)
    np.testing.assert_allclose(ring_power(filtered), ring_power(direct), rtol=0.08)


def test_a_fields_power_goes_with_the_frequency_up_to_the_corners_of_the_grid() -> None:
    power = (np.abs(np.fft.fft2(fields(DISK_HU, EXPOSURE))) ** 2).mean(axis=0)
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(SIZE_PX)] * 2))
    per_frequency = power / np.maximum(frequency, 1e-9)
    middle = per_frequency[(frequency > 0.1) & (frequency < 0.3)].mean()
    for low, high in ((0.3, 0.45), (0.45, 0.55), (0.55, 0.68)):
        assert per_frequency[(frequency > low) & (frequency < high)].mean() == pytest.approx(middle, rel=0.06)


def test_noise_is_stronger_in_the_middle_of_a_disk_than_at_its_rim() -> None:
    drawn = fields(DISK_HU, EXPOSURE)
    assert drawn[:, FROM_MIDDLE_PX < 6].std() > 1.2 * drawn[:, FROM_MIDDLE_PX > 24].std()


def test_metal_raises_the_noise_between_two_pieces_of_it() -> None:
    metal = DISK_HU.copy()
    metal[30:34, 12:16] = metal[30:34, 48:52] = 8000.0
    drawn = fields(metal, EXPOSURE)
    assert drawn[:, 30:34, 28:36].std() > 1.5 * drawn[:, 12:16, 28:36].std()


def test_a_tube_current_that_follows_the_patient_evens_out_the_views() -> None:
    flat = np.tile(np.array([[2.0], [6.0]], np.float32), (BEAM.n_views // 2, BEAM.n_bins))
    constant = ray_variance(flat, BEAM, Exposure(1e5, 0.0))
    following = ray_variance(flat, BEAM, Exposure(1e5, 0.0, modulation=0.5))
    np.testing.assert_allclose(constant[1] / constant[0], math.exp(4.0), rtol=1e-5)
    np.testing.assert_allclose(following[1] / following[0], math.exp(2.0), rtol=1e-5)


def test_the_variance_of_a_ray_is_quantum_noise_and_electronic_noise_of_its_counts() -> None:
    integrals = np.full((BEAM.n_views, BEAM.n_bins), 3.0, np.float32)
    exposure = Exposure(1e4, 50.0, attenuation=2.0)
    counts = 1e4 * math.exp(-6.0)
    np.testing.assert_allclose(ray_variance(integrals, BEAM, exposure), 1 / counts + 50 / counts**2, rtol=1e-5)


def test_no_ray_is_darker_than_the_least_count() -> None:
    integrals = np.full((BEAM.n_views, BEAM.n_bins), 50.0, np.float32)
    exposure = Exposure(1e4, 50.0, least_count=10.0)
    np.testing.assert_allclose(ray_variance(integrals, BEAM, exposure), 0.1 + 0.5, rtol=1e-5)


def test_a_bowtie_filter_takes_photons_off_the_middle() -> None:
    integrals = np.zeros((BEAM.n_views, BEAM.n_bins), np.float32)
    with_bowtie = ray_variance(integrals, BEAM, replace(EXPOSURE, bowtie=1.0, electronic_variance=0.0))
    off_mm = (BEAM.n_bins - 1) / 2 * PIXEL_MM
    middle, rim = with_bowtie[0, BEAM.n_bins // 2], with_bowtie[0, 0]
    np.testing.assert_allclose(rim / middle, math.exp((off_mm / 100.0) ** 2), rtol=0.01)


def test_fields_of_an_oblong_slice_have_its_shape_and_follow_from_the_seed() -> None:
    oblong = DISK_HU[10:50]
    first, again = fields(oblong, EXPOSURE, n=2), fields(oblong, EXPOSURE, n=2)
    assert first.shape == (2, 40, SIZE_PX)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])


def test_an_exposure_without_photons_is_refused() -> None:
    with pytest.raises(DataError, match=r"photons: must be physical, got 0"):
        fields(DISK_HU, Exposure(0.0, 0.0), n=1)


def test_drawn_exposures_follow_from_the_seed_and_differ_in_dose_by_a_hundred_times() -> None:
    drawn = [draw_exposure(np.random.default_rng(k), 512, 0.7, 3.0) for k in range(60)]
    assert drawn == [draw_exposure(np.random.default_rng(k), 512, 0.7, 3.0) for k in range(60)]
    photons = [one.photons for one in drawn]
    assert max(photons) > 100 * min(photons)
