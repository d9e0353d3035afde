"""PSNR and SSIM of images, against hand-made numbers and scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from n2b_ct.errors import DataError
from n2b_ct.evaluation.image_fidelity import measure_image


@pytest.fixture
def rgb():
    rng = np.random.default_rng(5)
    truth = rng.uniform(0.1, 0.9, (24, 32, 3))
    return truth, np.clip(truth + rng.normal(0, 0.1, truth.shape) * [0.2, 1.0, 2.0], 0, 1)


def test_an_error_of_25_grey_levels_is_20_17_db():
    truth = np.full((12, 12), 0.5)
    assert measure_image(truth, truth + 25 / 255).psnr_db == pytest.approx(20 * math.log10(255 / 25))


def test_colours_share_one_mean_squared_error_and_average_their_ssim(rgb):
    truth, denoised = rgb
    found = measure_image(truth, denoised)
    assert found.psnr_db == pytest.approx(peak_signal_noise_ratio(truth, denoised, data_range=1.0))
    channels = [
        structural_similarity(
            truth[..., c],
            denoised[..., c],
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for c in range(3)
    ]
    assert found.ssim == pytest.approx(np.mean(channels))
    assert max(channels) - min(channels) > 0.1


def test_what_lies_beyond_black_and_white_is_clipped_and_not_rounded(rgb):
    truth, denoised = rgb
    beyond = denoised + np.where(denoised == 1.0, 0.3, 0.0)
    assert measure_image(truth, beyond) == measure_image(truth, denoised)
    assert measure_image(truth, truth + 0.001).psnr_db == pytest.approx(60.0)


def test_a_image_equal_to_its_truth_has_no_psnr(rgb):
    found = measure_image(rgb[0], rgb[0])
    assert found.psnr_db is None
    assert found.ssim == pytest.approx(1.0)


def test_another_size_is_refused(rgb):
    with pytest.raises(DataError, match="must be as large as its truth, got 24x32x3 and 24x32"):
        measure_image(rgb[0], rgb[1][..., 0])
