"""Kernels as radial responses: what they do to anatomy and to noise, and what the prior draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from n2b_ct.simulation.kernel_responses import CUTOFFS_PER_PX, KernelResponse, draw_response, filters
from n2b_ct.simulation.noise_texture import NoiseTexture

TEXTURE = NoiseTexture(0.3, 2.5)
FREQUENCY = np.linspace(0.0, 1.0, 101)


def test_the_kernel_of_a_fitted_texture_is_its_apodisation() -> None:
    response = KernelResponse.of_texture(TEXTURE)
    np.testing.assert_allclose(response.noise(FREQUENCY), TEXTURE.apodisation(FREQUENCY))
    np.testing.assert_allclose(response.anatomy(FREQUENCY), TEXTURE.apodisation(FREQUENCY))


def test_a_plateau_keeps_all_below_it() -> None:
    response = KernelResponse(0.1, 2.0, plateau_per_px=0.3)
    np.testing.assert_allclose(response.modulation(FREQUENCY[:31]), 1.0)
    np.testing.assert_allclose(response.modulation(np.array(0.4)), math.exp(-0.5))


def test_a_boost_overshoots_around_its_frequency_and_keeps_the_mean() -> None:
    response = KernelResponse(50.0, 6.0, boost=0.4, boost_per_px=0.3)
    np.testing.assert_allclose(response.modulation(np.array([0.0, 0.3])), [1.0, 1.4], rtol=1e-6)


def test_iterative_reconstruction_takes_high_frequencies_of_noise_and_none_of_anatomy() -> None:
    plain, iterative = KernelResponse(0.4, 2.0), KernelResponse(0.4, 2.0, noise_cutoff_per_px=0.2)
    np.testing.assert_allclose(iterative.anatomy(FREQUENCY), plain.anatomy(FREQUENCY))
    np.testing.assert_allclose(iterative.noise(np.array(0.2)) / plain.noise(np.array(0.2)), math.exp(-0.5))


def test_below_its_floor_noise_falls_no_further() -> None:
    response = KernelResponse(50.0, 6.0, noise_floor_per_px=0.03)
    np.testing.assert_allclose(response.noise_power(np.array([0.0, 0.04])), [0.03, 0.05])
    filtered = filters([response], 100).noise[0, 0, 4] ** 2 * 0.04
    aliases = filters([KernelResponse(50.0, 6.0)], 100).noise[0, 0, 4] ** 2 * 0.04 - 0.04
    assert filtered - aliases == pytest.approx(0.05, rel=0.02)


def test_the_blur_is_a_gaussian_of_the_anatomy_alone() -> None:
    response = KernelResponse(0.4, 2.0, blur_px=0.5)
    expected = math.exp(-2.0 * (math.pi * 0.5 * 0.25) ** 2)
    np.testing.assert_allclose(response.anatomy(np.array(0.25)) / response.noise(np.array(0.25)), expected)


@pytest.mark.parametrize("texture", [NoiseTexture(0.15, 2.0), NoiseTexture(0.3, 4.0), NoiseTexture(0.7, 2.0)])
def test_noise_filters_turn_the_ramps_power_into_the_textures_with_its_aliases(texture: NoiseTexture) -> None:
    size = 64
    found = filters([KernelResponse.of_texture(texture)], size)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    expected = texture.sampled_power(size)[:, : size // 2 + 1]
    is_told = (frequency > 1.5 / size) & (expected > 1e-3 * expected.max())
    np.testing.assert_allclose((found.noise[0] ** 2 * frequency)[is_told], expected[is_told], rtol=0.05)


def test_the_noise_gain_is_the_ratio_of_the_whole_planes_powers() -> None:
    size = 64
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(size)] * 2))
    found = filters([KernelResponse.of_texture(TEXTURE)], size)
    assert found.noise_gain[0] == pytest.approx(TEXTURE.sampled_power(size).mean() / frequency.mean(), rel=0.01)


def test_anatomy_filters_keep_the_mean() -> None:
    found = filters([draw_response(np.random.default_rng(k)) for k in range(4)], 48)
    np.testing.assert_allclose(found.anatomy[:, 0, 0], 1.0)


def test_a_kernel_is_sharp_where_most_of_its_noise_is_fine() -> None:
    assert KernelResponse(0.7, 4.0).is_sharp
    assert not KernelResponse(0.15, 2.0).is_sharp


def test_drawn_kernels_follow_from_the_seed_and_cover_smooth_sharp_overshooting_and_iterative_ones() -> None:
    drawn = [draw_response(np.random.default_rng(k)) for k in range(200)]
    assert drawn == [draw_response(np.random.default_rng(k)) for k in range(200)]
    edges = [one.cutoff_per_px + one.plateau_per_px for one in drawn]
    assert CUTOFFS_PER_PX[0] <= min(edges) < 0.09
    assert 0.6 < max(edges) <= CUTOFFS_PER_PX[1]
    assert any(one.modulation(FREQUENCY).max() > 1.2 for one in drawn)
    assert 10 < sum(math.isfinite(one.noise_cutoff_per_px) for one in drawn) < 80
