"""Denoisers of images give finite images, whatever finite image and noise level they are given."""

from __future__ import annotations

import numpy as np
import pytest

from n2b_ct.errors import DataError
from n2b_ct.evaluation.ct_baselines import denoise_slice
from n2b_ct.filters.blur import bilateral_blur
from n2b_ct.filters.image_input import estimated_sigma
from n2b_ct.filters.wnnm import wnnm
from n2b_ct.registry import BASELINES
from tests.finite import awkward_slices

SIDE = 12
NATURAL_IMAGES = {name: hu[28 : 28 + SIDE, 24 : 24 + SIDE] / 255.0 for name, hu in awkward_slices().items()}
NAMES = [name for name in BASELINES.names() if name != "bm3d"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sigma", [1e-300, 1e-20, 0.02])
def test_no_image_and_no_noise_level_gives_anything_but_numbers(name, sigma):
    for shown, image in NATURAL_IMAGES.items():
        assert np.isfinite(BASELINES.get(name)(image, sigma)).all(), shown


@pytest.mark.parametrize("name", ["gaussian", "nlm", "tv", "bilateral"])
def test_baselines_give_numbers_for_slices_without_noise(name):
    for shown, hu in awkward_slices().items():
        assert np.isfinite(denoise_slice(BASELINES.get(name), hu[:40, :40])).all(), shown


def test_an_image_without_detail_has_no_noise():
    assert estimated_sigma(np.zeros((16, 16))) == 0.0
    colour = np.zeros((16, 16, 3))
    colour[..., 1] = np.random.default_rng(0).normal(0.0, 0.3, (16, 16))
    assert 0.2 / 3 < estimated_sigma(colour) < 0.4 / 3


def test_a_bilateral_filter_narrower_than_single_precision_changes_nothing():
    image = np.random.default_rng(0).random((6, 6), dtype=np.float32)
    np.testing.assert_array_equal(bilateral_blur(image, 1e-300, 1.0), image)


@pytest.mark.parametrize("name", NAMES)
def test_what_single_precision_cannot_square_is_refused(name):
    image = np.zeros((SIDE, SIDE), np.float32)
    image[3, 4] = 1e30
    with pytest.raises(DataError, match=r"image: must lie within ±1e\+09, got 1e\+30; scale it to \[0, 1\]"):
        BASELINES.get(name)(image, 0.1)
    with pytest.raises(DataError, match=r"sigma: must be 0 to 1000, got 1e\+10; set it"):
        BASELINES.get(name)(np.zeros((SIDE, SIDE)), 1e10)


def test_wnnm_goes_by_its_own_white():
    with pytest.raises(DataError, match=r"image: must lie within 1e\+09 times white, got 1e\+12; scale it, or set"):
        wnnm(np.full((SIDE, SIDE), 255e12), 15.0)
