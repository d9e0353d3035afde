"""The papers' noises against closed forms, against values computed by hand and against SimpleITK.

Tolerances are five standard errors of the statistic for the number of pixels drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from n2b_ct.errors import DataError
from n2b_ct.noises.correlated import correlation_kernel, draw_correlated_gaussian
from n2b_ct.noises.gaussian import draw_gaussian
from n2b_ct.noises.noise import WHITE_8_BIT, WHITE_16_BIT, add_noise, draw_level, noisy_image
from n2b_ct.noises.salt_and_pepper import apply_salt_and_pepper, draw_salt_and_pepper
from n2b_ct.noises.speckle import apply_speckle, draw_speckle, speckle_exponential, speckle_logarithm

GRAY, RGB = (400, 500), (400, 500, 3)
N_STANDARD_ERRORS = 5.0

every_shape = pytest.mark.parametrize("shape", [GRAY, RGB], ids=["gray", "RGB"])


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def assert_mean(values: np.ndarray, expected: float, variance: float) -> None:
    """Hold a mean to its standard error √(variance / n)."""
    assert abs(values.mean(dtype=float) - expected) < N_STANDARD_ERRORS * math.sqrt(variance / values.size)


def assert_variance(values: np.ndarray, expected: float, kurtosis: float) -> None:
    """Hold a variance to its standard error σ²·√((kurtosis − 1) / n)."""
    error = expected * math.sqrt((kurtosis - 1) / values.size)
    assert abs(values.var(dtype=float) - expected) < N_STANDARD_ERRORS * error


# ── Gaussian ──


@every_shape
def test_gaussian_noise_has_the_moments_of_a_normal_law(shape):
    noise = draw_gaussian(shape, 25.0, generator())
    assert noise.dtype == np.float32
    assert noise.shape == shape
    assert_mean(noise, 0.0, 25.0**2)
    assert_variance(noise, 25.0**2, kurtosis=3.0)
    assert_mean((noise / 25.0) ** 3, 0.0, 15.0)
    assert_mean((noise / 25.0) ** 4, 3.0, 96.0)


def test_gaussian_noise_is_white_and_its_channels_are_independent():
    noise = draw_gaussian(RGB, 1.0, generator())
    n_pairs = noise[..., 0].size
    pairs = [(noise[..., 0], noise[..., 2]), (noise[:-1, :, 0], noise[1:, :, 0]), (noise[:, 1:, 1], noise[:, :-1, 1])]
    for first, second in pairs:
        assert abs(np.mean(first * second, dtype=float)) < N_STANDARD_ERRORS / math.sqrt(n_pairs)


def test_gaussian_noise_agrees_with_simpleitk():
    clean = sitk.GetImageFromArray(np.full(GRAY, 100.0, np.float32))
    theirs = sitk.GetArrayFromImage(sitk.AdditiveGaussianNoise(clean, standardDeviation=25.0, mean=0.0, seed=1))
    ours = add_noise(np.full(GRAY, 100.0, np.float32), draw_gaussian(GRAY, 25.0, generator()))
    for noisy in (ours, theirs):
        assert_mean(noisy, 100.0, 25.0**2)
        assert_variance(noisy, 25.0**2, kurtosis=3.0)


def test_additive_noise_is_added_pixel_by_pixel_and_not_clipped():
    noisy = add_noise(np.array([[0, 100], [250, 255]], np.uint8), np.array([[-3.5, 2.0], [10.0, 0.0]], np.float32))
    assert noisy.dtype == np.float32
    np.testing.assert_array_equal(noisy, [[-3.5, 102.0], [260.0, 255.0]])


def test_double_precision_is_kept():
    image = np.full((4, 5), 1 / 3)
    assert add_noise(image, draw_gaussian((4, 5), 0.1, generator())).dtype == np.float64
    np.testing.assert_array_equal(apply_speckle(image, np.zeros((4, 5), np.float32)), image)


def test_a_range_of_levels_is_drawn_uniformly_and_a_level_is_itself():
    levels = np.array([draw_level((0.0, 50.0), generator(seed)) for seed in range(2000)])
    assert 0.0 <= levels.min() < 0.5
    assert 49.5 < levels.max() <= 50.0
    assert_mean(levels, 25.0, 50.0**2 / 12)
    assert_variance(levels, 50.0**2 / 12, kurtosis=1.8)
    assert draw_level(25.0, generator()) == 25.0


# ── Correlated Gaussian ──


@every_shape
@pytest.mark.parametrize("correlation_px", [0.5, 1.5])
def test_correlated_noise_has_the_variance_and_correlation_of_its_kernel(shape, correlation_px):
    noise = draw_correlated_gaussian(shape, 0.1, correlation_px, generator()) / 0.1
    kernel = correlation_kernel(correlation_px)
    law = np.correlate(kernel, kernel, "full")
    lag_0 = len(kernel) - 1
    # Correlated pixels count less: by Bartlett, the variance of a mean of squares grows by Σ ρ².
    error = N_STANDARD_ERRORS * math.sqrt(2.0 * np.sum(law**2) ** 2 / noise.size)
    assert noise.shape == shape
    for lag in (0, 1, 2, 3):
        below = np.mean(noise[: GRAY[0] - lag] * noise[lag:], dtype=float)
        beside = np.mean(noise[:, : GRAY[1] - lag] * noise[:, lag:], dtype=float)
        assert abs(below - law[lag_0 + lag]) < error
        assert abs(beside - law[lag_0 + lag]) < error


def test_the_correlation_falls_as_a_gaussian_of_the_distance():
    kernel = correlation_kernel(1.5)
    law = np.correlate(kernel, kernel, "full")[len(kernel) - 1 :]
    expected = np.exp(-(np.arange(5) ** 2) / (4 * 1.5**2))
    np.testing.assert_allclose(law[:5], expected, atol=1e-3)


def test_correlated_noise_is_the_same_at_the_border_as_inside():
    noise = np.stack([draw_correlated_gaussian((12, 16), 1.0, 2.0, generator(seed)) for seed in range(3000)])
    error = N_STANDARD_ERRORS * math.sqrt(2.0 / len(noise))
    assert np.abs(noise.var(axis=0) - 1.0).max() < error
    assert np.abs(np.mean(noise[:, 0] * noise[:, -1], axis=0)).max() < error


# ── Speckle ──


@every_shape
def test_speckle_has_the_moments_of_a_uniform_law_times_the_image(shape):
    variance, clean = 0.1, 80.0
    noise = draw_speckle(shape, variance, generator())
    assert np.abs(noise).max() <= math.sqrt(3 * variance) * (1 + 1e-6)
    assert_mean(noise, 0.0, variance)
    assert_variance(noise, variance, kurtosis=1.8)
    noisy = apply_speckle(np.full(shape, clean, np.float32), noise)
    assert_mean(noisy, clean, variance * clean**2)
    assert_variance(noisy, variance * clean**2, kurtosis=1.8)


def test_speckle_grows_with_the_image_and_spares_black():
    clean = np.array([[0.0, 0.5, 1.0]])
    np.testing.assert_allclose(apply_speckle(clean, np.array([[0.5, 0.5, -0.25]])), [[0.0, 0.75, 0.75]])


def test_speckle_agrees_with_simpleitk_in_mean_and_variance():
    clean = np.full(GRAY, 80.0, np.float32)
    theirs = sitk.GetArrayFromImage(
        sitk.SpeckleNoise(sitk.GetImageFromArray(clean), standardDeviation=math.sqrt(0.1), seed=1)
    )
    ours = apply_speckle(clean, draw_speckle(GRAY, 0.1, generator()))
    # SimpleITK's factor is a gamma variable of shape 1/v, whose kurtosis is 3 + 6v; the paper's is uniform.
    for noisy, kurtosis in ((ours, 1.8), (theirs, 3.6)):
        assert_mean(noisy, 80.0, 0.1 * 80.0**2)
        assert_variance(noisy, 0.1 * 80.0**2, kurtosis)


@pytest.mark.parametrize("white", [1.0, WHITE_8_BIT, WHITE_16_BIT])
def test_the_exponential_undoes_the_logarithm(white):
    image = np.linspace(0.0, 1.7 * white, 60).reshape(6, 10)
    logarithm = speckle_logarithm(image, white)
    np.testing.assert_allclose(speckle_exponential(logarithm, white), image, atol=1e-9 * white)
    np.testing.assert_allclose(speckle_logarithm(np.array([0.0, white]), white), [0.0, 1.0])


def test_the_logarithm_makes_speckle_additive():
    noise = draw_speckle((200, 200), 0.1, generator())
    shifts = []
    for clean in (60.0, 240.0):
        image = np.full((200, 200), clean)
        shifts.append(speckle_logarithm(apply_speckle(image, noise), 255.0) - speckle_logarithm(image, 255.0))
    np.testing.assert_allclose(shifts[0], shifts[1], atol=0.005)
    assert shifts[1] == pytest.approx(np.log1p(noise) / math.log(256.0), abs=0.005)


# ── Salt and pepper ──


@every_shape
@pytest.mark.parametrize("probability", [0.15, 0.3])
def test_salt_and_pepper_each_take_half_of_the_probability(shape, probability):
    grains = draw_salt_and_pepper(shape, probability, generator())
    assert grains.shape == shape[:2]
    for grain in (-1, 1):
        assert_mean((grains == grain).astype(float), probability / 2, probability / 2 * (1 - probability / 2))


@pytest.mark.parametrize(("probability", "n_changed"), [(0.0, 0), (1.0, 12)])
def test_no_pixel_or_every_pixel_can_change(probability, n_changed):
    assert np.count_nonzero(draw_salt_and_pepper((3, 4), probability, generator())) == n_changed


def test_salt_is_white_and_pepper_black_in_every_channel_and_the_image_is_left_alone():
    image = np.full((1, 3, 3), 0.25)
    noisy = apply_salt_and_pepper(image, np.array([[1, 0, -1]], np.int8), white=WHITE_16_BIT)
    np.testing.assert_array_equal(noisy[0], [[65535.0] * 3, [0.25] * 3, [0.0] * 3])
    assert (image == 0.25).all()


def test_salt_and_pepper_agree_with_simpleitk():
    clean = np.full(GRAY, 100, np.uint8)
    theirs = sitk.GetArrayFromImage(sitk.SaltAndPepperNoise(sitk.GetImageFromArray(clean), probability=0.15, seed=1))
    ours = apply_salt_and_pepper(clean, draw_salt_and_pepper(GRAY, 0.15, generator()), WHITE_8_BIT)
    for noisy in (ours, theirs):
        assert set(np.unique(noisy)) == {0, 100, 255}
        for value in (0, 255):
            assert_mean((noisy == value).astype(float), 0.075, 0.075 * 0.925)


# ── What all share ──

DRAWS: dict[str, Callable[..., np.ndarray]] = {
    "gaussian": lambda shape, rng: draw_gaussian(shape, 1.0, rng),
    "correlated": lambda shape, rng: draw_correlated_gaussian(shape, 1.0, 0.8, rng),
    "speckle": lambda shape, rng: draw_speckle(shape, 0.1, rng),
    "salt and pepper": lambda shape, rng: draw_salt_and_pepper(shape, 0.3, rng),
}
every_draw = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())


@every_draw
def test_a_seed_fixes_the_noise(draw):
    first, again, other = (draw((16, 20), generator(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@every_draw
def test_one_pixel_is_an_image(draw):
    assert draw((1, 1), generator()).shape == (1, 1)


@every_draw
@pytest.mark.parametrize("shape", [(5,), (2, 3, 4, 5), (0, 4)])
def test_what_is_no_image_is_refused(draw, shape):
    with pytest.raises(DataError, match="image: must be rows x cols"):
        draw(shape, generator())


@pytest.mark.parametrize("sigma", [-1.0, math.inf, math.nan])
def test_an_impossible_sigma_is_named(sigma):
    with pytest.raises(DataError, match=r"noise\.sigma: must be 0 or more, got"):
        draw_gaussian((4, 4), sigma, generator())
    with pytest.raises(DataError, match=r"noise\.sigma: must be 0 or more, got"):
        draw_correlated_gaussian((4, 4), sigma, 1.0, generator())


@pytest.mark.parametrize("correlation_px", [0.0, -1.0, math.nan])
def test_an_impossible_correlation_is_named(correlation_px):
    with pytest.raises(DataError, match=r"noise\.correlation_px: must be above 0, got"):
        draw_correlated_gaussian((4, 4), 1.0, correlation_px, generator())


@pytest.mark.parametrize("variance", [-0.1, 1 / 3, 2.0, math.nan])
def test_an_impossible_variance_is_named(variance):
    with pytest.raises(DataError, match=r"noise\.variance: must be 0 or more and below 1/3, got"):
        draw_speckle((4, 4), variance, generator())


@pytest.mark.parametrize("probability", [-0.1, 2.0, math.nan])
def test_an_impossible_probability_is_named(probability):
    with pytest.raises(DataError, match=r"noise\.probability: must be from 0 to 1, got"):
        draw_salt_and_pepper((4, 4), probability, generator())


def test_an_impossible_white_is_named():
    with pytest.raises(DataError, match=r"noise\.white: must be above 0, got 0"):
        apply_salt_and_pepper(np.zeros((2, 2)), np.zeros((2, 2), np.int8), white=0.0)
    with pytest.raises(DataError, match=r"noise\.white: must be above 0, got -1"):
        speckle_logarithm(np.zeros((2, 2)), white=-1.0)


@pytest.mark.parametrize("apply", [add_noise, apply_speckle, apply_salt_and_pepper])
def test_noise_of_another_size_is_refused(apply):
    with pytest.raises(DataError, match="noise: must be drawn for an image of the same size, got 4x4 and 1x4"):
        apply(np.zeros((4, 4)), np.zeros((1, 4)))


@pytest.mark.parametrize(
    ("corrupt", "got"),
    [
        (lambda image: image[1:], r"shape \[3, 4\]"),
        (lambda image: image / 0.0, "NaN or infinity"),
        (lambda image: "noise", "TypeError"),
        (lambda image: {}["level"], "KeyError"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_noise_that_returns_no_image_is_told_by_its_name(corrupt, got):
    class Odd:
        def draw(self, shape, rng):
            return corrupt

    with pytest.raises(DataError, match=rf"noise Odd: must return numbers of shape \[4, 4\], got {got}; repair"):
        noisy_image(np.ones((4, 4)), Odd(), generator())
