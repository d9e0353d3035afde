"""Text over images: as much as asked, anywhere, hard-edged, one colour a string."""

from __future__ import annotations

import math

import numpy as np
import pytest

from n2b_ct.errors import DataError
from n2b_ct.noises.text import TextOverlay, apply_text, draw_text


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("probability", [0.02, 0.1, 0.2])
def test_the_expected_share_of_covered_pixels_is_the_probability(probability):
    shares = np.array([draw_text((96, 128), probability, generator(seed)).is_covered.mean() for seed in range(300)])
    assert abs(shares.mean() - probability) < 5 * shares.std() / math.sqrt(len(shares))
    assert shares.std() < 0.06


def test_every_pixel_is_as_likely_to_be_covered():
    covered = np.mean([draw_text((32, 48), 0.2, generator(seed)).is_covered for seed in range(1500)], axis=0)
    # Pixels of a string come together: 1,500 images are so many independent looks at a pixel.
    error = 5 * math.sqrt(0.2 * 0.8 / 1500)
    assert np.abs(covered - 0.2).max() < error


@pytest.mark.parametrize("shape", [(200, 240), (200, 240, 1), (200, 240, 3)])
def test_covered_pixels_take_the_colour_and_others_stay(shape):
    image = generator(1).uniform(0.0, 255.0, shape)
    overlay = draw_text(shape, 0.1, generator())
    before = image.copy()
    noisy = apply_text(image, overlay, white=255.0)
    assert overlay.colour.shape == shape
    np.testing.assert_array_equal(noisy[~overlay.is_covered], image[~overlay.is_covered])
    np.testing.assert_allclose(noisy[overlay.is_covered], 255.0 * overlay.colour[overlay.is_covered], rtol=1e-6)
    np.testing.assert_array_equal(image, before)


def test_colours_are_random_and_in_range():
    overlay = draw_text((300, 300, 3), 0.2, generator())
    colours = np.unique(overlay.colour[overlay.is_covered], axis=0)
    assert len(colours) > 5
    assert 0.0 <= colours.min() < colours.max() <= 1.0
    assert (colours.std(axis=1) > 0.01).any()


@pytest.mark.parametrize(("size_px", "tallest_px"), [(12, 14), (36, 42)])
def test_strings_are_glyphs_of_their_size(size_px, tallest_px):
    overlay = draw_text((400, 600), 0.05, generator(2), (size_px, size_px))
    colours = [colour for colour in np.unique(overlay.colour) if colour > 0]
    assert len(colours) > 3
    heights_px = [np.ptp(np.flatnonzero((overlay.colour == colour).any(axis=1))) + 1 for colour in colours]
    assert 0.6 * size_px < max(heights_px) <= tallest_px


def test_a_seed_fixes_strings_places_and_colours():
    first, again, other = (draw_text((64, 64, 3), 0.2, generator(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.is_covered, again.is_covered)
    np.testing.assert_array_equal(first.colour, again.colour)
    assert (first.is_covered != other.is_covered).any()


def test_no_text_leaves_the_image():
    image = generator().random((20, 20))
    np.testing.assert_array_equal(apply_text(image, draw_text((20, 20), 0.0, generator())), image)


def test_one_pixel_is_covered_as_often_as_asked():
    n_covered = sum(int(draw_text((1, 1), 0.3, generator(seed)).is_covered[0, 0]) for seed in range(1000))
    assert abs(n_covered - 300) < 5 * math.sqrt(1000 * 0.3 * 0.7)


@pytest.mark.parametrize("probability", [-0.1, 0.95, 2.0, math.nan])
def test_an_impossible_probability_is_named(probability):
    with pytest.raises(DataError, match=r"noise\.probability: must be from 0 to 0\.9 for text, got"):
        draw_text((20, 20), probability, generator())


@pytest.mark.parametrize("size_px", [(2, 10), (20, 10)])
def test_an_impossible_font_size_is_named(size_px):
    with pytest.raises(DataError, match=r"noise\.size_px: must be a size of 4 or more"):
        draw_text((20, 20), 0.1, generator(), size_px)


def test_an_overlay_of_another_size_is_refused():
    overlay = TextOverlay(np.zeros((4, 5), bool), np.zeros((4, 5), np.float32))
    with pytest.raises(DataError, match="noise: must be drawn for an image of the same size, got 5x4 and 4x5"):
        apply_text(np.zeros((5, 4)), overlay)
