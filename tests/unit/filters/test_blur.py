"""Every blur against a second implementation, and the laws that labels rely on."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from scipy import ndimage
from scipy.ndimage import median_filter
from skimage.filters import gaussian, median
from skimage.util import view_as_windows

from n2b_ct.errors import ConfigError, DataError
from n2b_ct.filters import LabelFilter, bilateral_blur, gaussian_blur, mean_blur, median_blur
from n2b_ct.filters.blur import BilateralBlur, GaussianBlur, MeanBlur, MedianBlur
from n2b_ct.registry import LABEL_FILTERS

FILTERS = [
    MeanBlur(kernel_px=5),
    GaussianBlur(sigma_px=1.5),
    MedianBlur(kernel_px=5),
    BilateralBlur(sigma_color=60.0, sigma_spatial_px=1.5),
]
every_blur = pytest.mark.parametrize("chosen", FILTERS, ids=lambda chosen: chosen.filter)


@pytest.fixture
def image_hu() -> np.ndarray:
    return np.random.default_rng(7).normal(40.0, 30.0, (24, 31))


def windows(image: np.ndarray, kernel_px: int) -> np.ndarray:
    """The square around every pixel, ``[rows, cols, kernel_px, kernel_px]``."""
    return view_as_windows(np.pad(image, kernel_px // 2, mode="symmetric"), kernel_px)


def test_the_mean_of_a_row_is_what_a_hand_computes():
    row = np.array([[3.0, 6.0, 9.0, 30.0]])
    np.testing.assert_allclose(mean_blur(row, 3), [[4.0, 6.0, 15.0, 23.0]])


def test_the_mean_blur_is_the_mean_of_every_window(image_hu):
    np.testing.assert_allclose(mean_blur(image_hu, 17), windows(image_hu, 17).mean(axis=(-2, -1)), rtol=1e-12)


def test_the_gaussian_blur_agrees_with_scikit_image(image_hu):
    np.testing.assert_allclose(gaussian_blur(image_hu, 2.0), gaussian(image_hu, 2.0, mode="reflect"), rtol=1e-12)


def test_the_gaussian_blur_of_a_dot_is_the_bell_curve():
    dot = np.zeros((41, 41))
    dot[20, 20] = 1.0
    offset_px = np.arange(-20, 21)
    bell = np.exp(-(offset_px**2) / (2 * 3.0**2)) * (abs(offset_px) <= 12)
    bell /= bell.sum()
    np.testing.assert_allclose(gaussian_blur(dot, 3.0), np.outer(bell, bell), atol=1e-15)


def test_the_median_blur_is_the_median_of_every_window(image_hu):
    np.testing.assert_array_equal(median_blur(image_hu, 5), np.median(windows(image_hu, 5), axis=(-2, -1)))
    np.testing.assert_array_equal(median_blur(image_hu, 5), median(image_hu, np.ones((5, 5)), mode="reflect"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernel_px", [1, 3, 35])
def test_the_median_of_an_eight_bit_image_is_that_of_every_other(dtype, kernel_px):
    words = np.random.default_rng(0).integers(0, 256, (2, 3, 21, 30))
    image = words.astype(dtype) / dtype(255)
    expected = median_filter(image, kernel_px, mode="reflect", axes=(-2, -1))
    found = median_blur(image, kernel_px)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n_values", [2, 257, 1024, 1025])
def test_the_median_of_few_values_is_that_of_many(n_values):
    rng = np.random.default_rng(1)
    values = rng.normal(0.0, 1.0, n_values)
    image = values[np.append(np.arange(n_values), rng.integers(0, n_values, 1200 - n_values)).reshape(2, 20, 30)]
    expected = median_filter(image, 5, mode="reflect", axes=(-2, -1))
    np.testing.assert_array_equal(median_blur(image, 5), expected)


def test_an_image_that_only_begins_like_an_eight_bit_one_keeps_its_values():
    image = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    image[8, 8] = 0.1234567
    np.testing.assert_array_equal(median_blur(image, 1), image)


def test_the_median_blur_removes_salt_and_pepper_whole():
    rng = np.random.default_rng(3)
    image = np.full((64, 64), 40.0)
    image[rng.random(image.shape) < 0.15] = 3071.0
    image[rng.random(image.shape) < 0.15] = -1024.0
    np.testing.assert_array_equal(median_blur(image, 17), 40.0)


def test_the_bilateral_blur_agrees_with_the_formula(image_hu):
    sigma_color, sigma_px = 50.0, 1.2
    reach = int(np.ceil(3 * sigma_px))
    neighbours = windows(image_hu, 2 * reach + 1)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    unlike = neighbours - image_hu[..., None, None]
    weights = np.exp(-(x**2 + y**2) / (2 * sigma_px**2)) * np.exp(-(unlike**2) / (2 * sigma_color**2))
    expected = (weights * neighbours).sum((-2, -1)) / weights.sum((-2, -1))
    np.testing.assert_allclose(bilateral_blur(image_hu, sigma_color, sigma_px), expected, rtol=1e-12)


def test_the_bilateral_blur_agrees_with_simpleitk(image_hu):
    filtered = SimpleITK.Bilateral(SimpleITK.GetImageFromArray(image_hu), 1.2, 50.0, 4000)
    interior = np.s_[4:-4, 4:-4]  # the two mirror the border differently and cut the bell at 3 and 2.5 sigma
    np.testing.assert_allclose(
        bilateral_blur(image_hu, 50.0, 1.2)[interior],
        SimpleITK.GetArrayFromImage(filtered)[interior],
        atol=0.5,
    )


def test_the_bilateral_blur_takes_negative_hu_and_a_flat_slice(image_hu):
    np.testing.assert_allclose(
        bilateral_blur(image_hu - 1000.0, 50.0, 1.2), bilateral_blur(image_hu, 50.0, 1.2) - 1000.0, atol=1e-9
    )
    np.testing.assert_array_equal(bilateral_blur(np.full((8, 8), -1000.0), 50.0, 1.2), -1000.0)


@pytest.mark.parametrize("chosen", FILTERS[:2], ids=lambda chosen: chosen.filter)
def test_a_linear_blur_keeps_the_mean_of_the_slice(image_hu, chosen):
    assert chosen.apply(image_hu).mean() == pytest.approx(image_hu.mean(), abs=1e-10)


@every_blur
def test_a_constant_slice_stays_constant(chosen):
    np.testing.assert_allclose(chosen.apply(np.full((16, 16), -987.0)), -987.0, rtol=1e-12)


@every_blur
def test_every_slice_is_blurred_by_itself(image_hu, chosen):
    stack = np.stack([image_hu, image_hu[::-1] * 2.0])[None]
    blurred = chosen.apply(stack)
    assert blurred.shape == stack.shape
    for index in range(2):
        np.testing.assert_array_equal(blurred[0, index], chosen.apply(stack[0, index]))


@every_blur
def test_the_input_is_left_alone_and_float32_stays_float32(image_hu, chosen):
    image = image_hu.astype(np.float32)
    before = image.copy()
    assert chosen.apply(image).dtype == np.float32
    np.testing.assert_array_equal(image, before)
    assert chosen.apply(image.astype(np.int16)).dtype == np.float32


@every_blur
def test_a_blur_removes_most_of_the_noise(chosen):
    noise = np.random.default_rng(1).normal(0.0, 20.0, (64, 64))
    assert chosen.apply(noise).std() < 0.4 * noise.std()


def test_the_paper_label_leaves_a_seventeenth_of_white_noise():
    noise = np.random.default_rng(2).normal(0.0, 17.0, (400, 400))
    assert mean_blur(noise)[8:-8, 8:-8].std() == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (MeanBlur(kernel_px=9), lambda image: mean_blur(image, 9)),
        (GaussianBlur(sigma_px=2.0), lambda image: gaussian_blur(image, 2.0)),
        (MedianBlur(kernel_px=9), lambda image: median_blur(image, 9)),
        (BilateralBlur(sigma_color=30.0, sigma_spatial_px=1.0), lambda image: bilateral_blur(image, 30.0, 1.0)),
    ],
)
def test_a_section_of_a_pipeline_applies_its_filter_with_its_arguments(image_hu, chosen, expected):
    np.testing.assert_array_equal(chosen.apply(image_hu), expected(image_hu))


def test_every_filter_is_tested_here_or_beside():
    # BM3D, an optional package, in test_bm3d.py
    assert (*(chosen.filter for chosen in FILTERS), "bm3d") == LABEL_FILTERS.names()


def test_an_unknown_filter_lists_the_known_ones():
    with pytest.raises(
        ConfigError, match=r"blurred-label filter: must be one of mean, gaussian, median, bilateral, bm3d, got nlm"
    ):
        LABEL_FILTERS.get("nlm")


@pytest.mark.parametrize("kernel_px", [0, 16, -3])
@pytest.mark.parametrize("function", [mean_blur, median_blur])
def test_a_kernel_without_a_centre_is_refused(image_hu, function, kernel_px):
    with pytest.raises(ConfigError, match=f"kernel_px: must be odd and at least 1, got {kernel_px}"):
        function(image_hu, kernel_px)


@pytest.mark.parametrize(
    "refused",
    [
        lambda x: gaussian_blur(x, 0.0),
        lambda x: bilateral_blur(x, -1.0, 1.0),
        lambda x: bilateral_blur(x, 1.0, np.nan),
    ],
)
def test_a_sigma_that_is_not_positive_is_refused(image_hu, refused):
    with pytest.raises(ConfigError, match=r"sigma_\w+: must be above 0, got"):
        refused(image_hu)


def test_a_kernel_wider_than_the_slice_still_means_the_mirrored_slice(image_hu):
    expected = ndimage.uniform_filter(np.pad(image_hu, 40, mode="symmetric"), 65)[40:-40, 40:-40]
    np.testing.assert_allclose(mean_blur(image_hu, 65), expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("apply", "got"),
    [
        (lambda image: image[1:], r"shape \[23, 31\]"),
        (lambda image: image[None], r"shape \[1, 24, 31\]"),
        (lambda image: image * np.nan, "NaN or infinity"),
        (lambda image: None, "TypeError"),
        (lambda image: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_filter_that_returns_no_label_is_told_by_its_name(image_hu, apply, got):
    class Odd(LabelFilter):
        filter: str = "odd"

        def apply(self, image: np.ndarray) -> np.ndarray:
            return apply(image)

    wanted = rf"blurred-label filter odd: must return numbers of shape \[24, 31\], got {got}; repair"
    with pytest.raises(DataError, match=wanted):
        Odd().label(image_hu)


@every_blur
def test_a_label_is_what_the_filter_returns(chosen, image_hu):
    np.testing.assert_array_equal(chosen.label(image_hu), chosen.apply(image_hu))
