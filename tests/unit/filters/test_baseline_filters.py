"""The registry of denoisers that learn nothing: images in, images out, σ given where it has an effect."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from n2b_ct.errors import ConfigError, DataError
from n2b_ct.filters.baselines import gaussian, installed_baseline, nlm, tv
from n2b_ct.filters.blur import bilateral_blur
from n2b_ct.filters.image_input import estimated_sigma
from n2b_ct.filters.wnnm import wnnm
from n2b_ct.registry import BASELINES

SIGMA = 25 / 255


def each(*names: str):
    """Every denoiser of the registry, or the named ones; BM3D's test skips where its package is absent."""
    return pytest.mark.parametrize("name", names or BASELINES.names())


BY_SIGMA = [name for name in BASELINES.names() if name != "adaptive_median"]
"""Denoisers of Gaussian noise; the adaptive median filter has tests of its own."""


def denoised_by(name: str, image: np.ndarray, sigma: float = SIGMA) -> np.ndarray:
    if name == "bm3d":
        pytest.importorskip("bm3d", reason="pip install 'n2b-ct[bm3d]', for non-commercial use only")
    return installed_baseline(name)(image, sigma)


def squares(n_channels: int = 1) -> np.ndarray:
    image = np.full((26, 28), 0.3)
    image[6:18, 8:22] = 0.7
    return image if n_channels == 1 else np.stack([image, 0.8 * image, 0.5 * image], axis=-1)


def noisy(image: np.ndarray, sigma: float = SIGMA) -> np.ndarray:
    return (image + np.random.default_rng(3).normal(0.0, sigma, image.shape)).astype(np.float32)


def rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(error))))


# ── All of them ──


@each(*BY_SIGMA)
@pytest.mark.parametrize("n_channels", [1, 3])
def test_each_takes_noise_off_gray_and_colour_images(name, n_channels):
    clean = squares(n_channels)
    image = noisy(clean)
    before = image.copy()
    denoised = denoised_by(name, image)
    assert (denoised.shape, denoised.dtype) == (clean.shape, np.float32)
    assert rms(denoised - clean) < 0.7 * SIGMA
    np.testing.assert_array_equal(image, before)


@each(*BY_SIGMA)
def test_each_leaves_an_image_without_noise_as_it_is(name):
    image = squares().astype(np.float32)
    np.testing.assert_array_equal(denoised_by(name, image, 0.0), image)


@each(*BY_SIGMA)
def test_noise_beyond_black_and_white_is_not_clipped_first(name):
    image = noisy(np.zeros((26, 28)))
    assert denoised_by(name, image).mean() == pytest.approx(float(image.mean()), abs=5e-3)  # clipped: 0.04


@each()
@pytest.mark.parametrize(
    ("image", "sigma", "message"),
    [
        (np.zeros((9, 9, 4)), SIGMA, "image: must be rows x cols or rows x cols x 3, got 9x9x4"),
        (np.zeros(9), SIGMA, "image: must be rows x cols or rows x cols x 3, got 9;"),
        (np.full((9, 9), np.nan), SIGMA, "image: must hold finite values"),
        (np.zeros((9, 9)), math.nan, "sigma: must be 0 to 1000, got nan"),
        (np.zeros((9, 9)), -0.1, r"sigma: must be 0 to 1000, got -0\.1"),
    ],
)
def test_each_refuses_what_is_no_image_and_no_level(name, image, sigma, message):
    with pytest.raises(DataError, match=message):
        denoised_by(name, image, sigma)


@each()
def test_each_says_its_parameters_in_one_line(name):
    one = BASELINES.get(name)
    assert one.name == name
    assert re.search(r"\d", one.description)
    assert "\n" not in one.description


def test_the_registry_names_the_papers_denoisers():
    assert list(BASELINES.names()) == ["gaussian", "nlm", "tv", "bilateral", "wnnm", "bm3d", "adaptive_median"]
    assert "non-commercial" in BASELINES.get("bm3d").description
    with pytest.raises(ConfigError, match=r"baseline: must be one of gaussian, .*, got bilatral; did you mean bilat"):
        installed_baseline("bilatral")


# ── One by one ──


@pytest.mark.parametrize(("level", "width_px"), [(25, 1.0), (50, 2**0.75), (25 / 16, 1 / 8)])
def test_the_gaussian_widens_with_the_noise(level, width_px):
    image = noisy(squares(3))
    expected = ndimage.gaussian_filter(image, (width_px, width_px, 0), mode="mirror")
    np.testing.assert_allclose(gaussian(image, level / 255), expected, atol=1e-6)


def test_nlm_is_scikit_images_with_the_chosen_parameters():
    image = noisy(squares(3))
    settings = {"patch_size": 7, "patch_distance": 6, "fast_mode": False, "channel_axis": -1}
    expected = denoise_nl_means(image.astype(np.float64), h=0.9 * SIGMA, sigma=SIGMA, **settings)
    np.testing.assert_allclose(nlm(image, SIGMA), expected, atol=1e-6)


def test_tv_is_scikit_images_with_the_chosen_weight():
    image = noisy(squares())
    expected = denoise_tv_chambolle(image.astype(np.float64), weight=0.8 * SIGMA)
    np.testing.assert_allclose(tv(image, SIGMA), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "of_channel"),
    [
        ("bilateral", lambda channel: bilateral_blur(channel, sigma_color=3 * SIGMA, sigma_spatial_px=1.5)),
        ("wnnm", lambda channel: wnnm(channel, SIGMA, white=1.0)),
    ],
)
def test_colours_are_denoised_one_by_one(name, of_channel):
    image = noisy(squares(3))
    denoised = denoised_by(name, image)
    np.testing.assert_allclose(denoised[..., 1], of_channel(image[..., 1]), atol=1e-6)


# ── The noise level ──


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("level", [10, 25, 50])
def test_the_estimate_finds_the_level_of_white_noise(level, n_channels):
    clean = np.kron(squares(n_channels), np.ones((8, 8) if n_channels == 1 else (8, 8, 1)))
    assert 255 * estimated_sigma(noisy(clean, level / 255)) == pytest.approx(level, rel=0.05)


def test_an_image_too_small_to_show_its_noise_is_refused():
    with pytest.raises(DataError, match="image: must be at least 8 x 8 pixels to show its noise, got 1x9; set sigma"):
        estimated_sigma(np.zeros((1, 9)))


@pytest.mark.real_data
def test_on_photographs_the_order_is_the_known_one(shared_data: Path):
    image = (
        np.asarray(Image.open(shared_data / "natural" / "Train400" / "test_051.png"), np.float64)[40:104, 40:104] / 255
    )
    errors = {name: rms(denoised_by(name, noisy(image)) - image) for name in ("gaussian", "bilateral", "nlm", "wnnm")}
    assert errors["wnnm"] < errors["nlm"] < errors["gaussian"] < SIGMA
