"""The adaptive median filter, by hand and pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from n2b_ct.errors import DataError
from n2b_ct.filters.adaptive_median import adaptive_median
from n2b_ct.filters.baselines import installed_baseline
from n2b_ct.noises.salt_and_pepper import apply_salt_and_pepper, draw_salt_and_pepper


def ramp() -> np.ndarray:
    """Values 0.20, 0.21, … row by row: no pixel within the border is an extreme of its window."""
    return (0.20 + 0.01 * np.arange(49).reshape(7, 7)).astype(np.float32)


def filtered_by_the_published_rules(image: np.ndarray, largest_window_px: int) -> np.ndarray:
    """Both levels for one pixel after another, as Gonzalez and Woods write them."""
    margin = largest_window_px // 2
    padded = np.pad(image, margin, mode="symmetric")
    filtered = np.empty_like(image)
    for row, col in np.ndindex(image.shape):
        filtered[row, col] = _filtered_pixel(padded, row + margin, col + margin, largest_window_px)
    return filtered


def _filtered_pixel(padded: np.ndarray, row: int, col: int, largest_window_px: int) -> float:
    for size_px in range(3, largest_window_px + 1, 2):
        half = size_px // 2
        window = padded[row - half : row + half + 1, col - half : col + half + 1]
        z, z_min, z_med, z_max = padded[row, col], window.min(), np.median(window), window.max()
        if z_med - z_min > 0 and z_med - z_max < 0:
            return z if z - z_min > 0 and z - z_max < 0 else z_med
    return z_med


def noisy_steps(probability: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A smooth image with an edge, the same with salt and pepper, and where that is."""
    rows, cols = np.mgrid[:40, :50]
    clean = (0.3 + 0.005 * rows + 0.003 * cols + 0.2 * (cols > 25)).astype(np.float32)
    grains = draw_salt_and_pepper(clean.shape, probability, np.random.default_rng(5))
    return clean, apply_salt_and_pepper(clean, grains), grains != 0


@pytest.mark.parametrize("impulse", [0.0, 1.0])
def test_an_impulse_becomes_the_median_of_its_window_and_all_else_within_the_border_stays(impulse):
    image = ramp()
    image[3, 3] = impulse
    expected = ramp()
    # The other eight of its window are 0.36, 0.37, 0.38, 0.43, 0.45, 0.50, 0.51, 0.52.
    expected[3, 3] = ramp()[3, 2] if impulse == 0.0 else ramp()[3, 4]
    np.testing.assert_array_equal(adaptive_median(image)[1:-1, 1:-1], expected[1:-1, 1:-1])


def test_where_the_median_itself_is_an_impulse_the_window_grows():
    image = ramp()
    image[2:4, 2:5] = 1.0  # five of the nine around (3, 3) and more: 3 × 3 has the median 1
    window = np.sort(image[1:6, 1:6], axis=None)
    assert window[12] < 1.0
    assert adaptive_median(image)[3, 3] == window[12]
    assert adaptive_median(image, largest_window_px=3)[3, 3] == 1.0


def test_of_the_largest_window_the_median_is_taken_even_where_it_is_an_extreme():
    image = np.zeros((9, 9), np.float32)
    image[4, 4] = 0.5
    assert adaptive_median(image)[4, 4] == 0.0


@pytest.mark.parametrize(("probability", "largest_window_px"), [(0.05, 3), (0.3, 7), (0.6, 5), (0.6, 9)])
def test_every_pixel_is_as_the_published_rules_give_it(probability, largest_window_px):
    noisy = noisy_steps(probability)[1][:16, 16:34]
    expected = filtered_by_the_published_rules(noisy, largest_window_px)
    np.testing.assert_array_equal(adaptive_median(noisy, largest_window_px), expected)


def test_at_p_030_all_salt_and_pepper_goes_and_nearly_all_other_pixels_are_untouched():
    clean, noisy, is_grain = noisy_steps(0.3)
    filtered = adaptive_median(noisy)
    assert filtered.min() > 0.0
    assert filtered.max() < 1.0
    assert np.abs(filtered - clean)[is_grain].mean() < 0.02
    assert (filtered[~is_grain] == clean[~is_grain]).mean() > 0.9


@pytest.mark.parametrize("value", [0.0, 0.37, 1.0])
def test_a_constant_image_stays(value):
    image = np.full((12, 10), value, np.float32)
    np.testing.assert_array_equal(adaptive_median(image), image)


def test_beyond_the_border_the_image_is_mirrored():
    image = ramp()
    image[0, 0] = 1.0
    # Mirrored, the window holds 1 four times, 0.21 and 0.27 twice, 0.28 once: its median is 0.28.
    assert adaptive_median(image)[0, 0] == image[1, 1]


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (2, 3)])
def test_images_smaller_than_a_window_keep_their_shape(shape):
    image = np.linspace(0.0, 1.0, np.prod(shape), dtype=np.float32).reshape(shape)
    assert adaptive_median(image).shape == shape


@pytest.mark.parametrize("largest_window_px", [1, 4])
def test_a_window_without_a_middle_or_without_neighbours_is_refused(largest_window_px):
    message = rf"largest_window_px: must be odd and at least 3, got {largest_window_px}; choose 7"
    with pytest.raises(DataError, match=message):
        adaptive_median(ramp(), largest_window_px)


def test_as_a_baseline_it_filters_each_colour_by_itself_whatever_sigma_is():
    _, noisy, _ = noisy_steps(0.2)
    image = np.stack([noisy, 0.8 * noisy, 1.0 - noisy], axis=-1)
    filtered = installed_baseline("adaptive_median")(image, 0.0)
    np.testing.assert_array_equal(filtered, installed_baseline("adaptive_median")(image, 0.5))
    for channel in range(3):
        np.testing.assert_array_equal(filtered[..., channel], adaptive_median(image[..., channel]))
