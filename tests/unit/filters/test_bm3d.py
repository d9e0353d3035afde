"""BM3D by its authors' package, where it is installed; a clear line where it is not."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from n2b_ct.errors import ConfigError, DataError
from n2b_ct.evaluation.ct_baselines import chosen_baselines
from n2b_ct.filters.baselines import installed_baseline, licence_notices
from n2b_ct.filters.bm3d import LICENCE_NOTICE, bm3d, bm3d_blur, require_bm3d
from n2b_ct.methods.noise2blur import Noise2BlurConfig

SIGMA = 0.1
REASON = "pip install 'n2b-ct[bm3d]', for non-commercial use only"


@pytest.fixture
def package():
    """The authors' package; the test skips where it is absent."""
    return pytest.importorskip("bm3d", reason=REASON)


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the package, installed or not."""
    monkeypatch.setitem(sys.modules, "bm3d", None)


def squares(*channels: float) -> np.ndarray:
    image = np.full((48, 40), 0.3)
    image[10:30, 12:32] = 0.7
    return np.stack([image * channel for channel in channels], axis=-1) if channels else image


def noisy(image: np.ndarray, sigma: float = SIGMA) -> np.ndarray:
    return (image + np.random.default_rng(1).normal(0.0, sigma, image.shape)).astype(np.float32)


def rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(error))))


# ── With the package ──


def test_most_of_the_noise_goes_and_the_edge_stays(package):
    denoised = bm3d(noisy(squares()), SIGMA)
    assert denoised.dtype == np.float32
    assert rms(denoised - squares()) < 0.35 * SIGMA


def test_a_gray_image_is_what_the_package_makes_of_it(package):
    image = noisy(squares())
    np.testing.assert_allclose(bm3d(image, SIGMA), package.bm3d(image, SIGMA), atol=1e-5)


def test_colours_are_denoised_together_about_as_the_package_does(package):
    clean = squares(1.0, 0.8, 0.5)
    image = noisy(clean)
    ours, theirs = rms(bm3d(image, SIGMA) - clean), rms(package.bm3d_rgb(image, SIGMA) - clean)
    one_by_one = np.stack([bm3d(image[..., k], SIGMA) for k in range(3)], axis=-1)
    assert ours < rms(one_by_one - clean)
    assert ours == pytest.approx(theirs, rel=0.1)


def test_gray_saved_as_colour_stays_finite(package):
    gray = noisy(squares())
    assert np.isfinite(bm3d(np.stack([gray] * 3, axis=-1), SIGMA)).all()


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (8, 8), (8, 8, 3), (5, 40)])
def test_images_below_the_packages_block_are_denoised_too(package, shape):
    denoised = bm3d(noisy(np.full(shape, 0.5)), SIGMA)
    assert denoised.shape == shape
    assert np.isfinite(denoised).all()


def test_no_noise_means_no_change_and_twice_means_the_same(package):
    image = noisy(squares())
    np.testing.assert_array_equal(bm3d(image, 0.0), image)
    np.testing.assert_array_equal(bm3d(image, SIGMA), bm3d(image, SIGMA))


def test_what_is_no_image_is_refused(package):
    with pytest.raises(DataError, match="image: must be rows x cols or rows x cols x 3, got 4x4x2"):
        bm3d(np.zeros((4, 4, 2)), SIGMA)
    with pytest.raises(DataError, match="sigma: must be 0 to 1000, got -1"):
        bm3d(squares(), -1)


def test_a_label_takes_every_slice_by_itself_with_the_level_given(package):
    volume = np.stack([noisy(squares()), noisy(squares() / 2)]).astype(np.float64)
    blurred = bm3d_blur(volume, SIGMA)
    assert blurred.dtype == np.float64
    np.testing.assert_array_equal(blurred[1], bm3d(volume[1], SIGMA).astype(np.float64))


def test_a_blind_label_estimates_the_level_of_every_slice(package):
    flat = np.full((64, 64), 0.5)
    blurred = bm3d_blur(np.stack([noisy(flat, 0.02), noisy(flat, 0.2)]))
    np.testing.assert_array_less(blurred.std(axis=(1, 2)), [0.005, 0.05])


# ── Without it ──


LINE = (
    r"^bm3d: needs the package bm3d, which is optional, for its licence allows non-commercial use only, "
    r"got no such package; pip install 'n2b-ct\[bm3d\]' if your use is non-commercial, or choose nlm or wnnm$"
)


@pytest.mark.parametrize(
    "needs_it",
    [
        require_bm3d,
        lambda: bm3d(squares(), SIGMA),
        lambda: bm3d_blur(squares()),
        lambda: installed_baseline("bm3d"),
        lambda: chosen_baselines(["nlm", "bm3d"], ()),
        lambda: Noise2BlurConfig(blur={"filter": "bm3d"}).require_installed(),
    ],
)
def test_without_the_package_one_line_says_what_why_and_how(hidden, needs_it):
    with pytest.raises(ConfigError, match=LINE):
        needs_it()


def test_everything_else_works_without_the_package(hidden):
    assert list(chosen_baselines(["nlm", "wnnm", "gaussian"], ())) == ["nlm", "wnnm", "gaussian"]
    assert installed_baseline("nlm")(noisy(squares()), SIGMA).shape == (48, 40)


def test_a_level_that_is_not_positive_is_refused_before_the_package_is_asked(hidden):
    with pytest.raises(ConfigError, match=r"sigma: must be above 0, got 0\.0"):
        bm3d_blur(squares(), 0.0)


def test_the_licence_is_named_where_bm3d_is_used_and_only_there():
    assert licence_notices(["nlm", "bm3d"]) == (LICENCE_NOTICE,)
    assert licence_notices(["nlm", "wnnm"]) == ()
    assert Noise2BlurConfig(blur={"filter": "bm3d"}).licence_notices() == (LICENCE_NOTICE,)
    assert Noise2BlurConfig().licence_notices() == ()
    assert "non-commercial" in LICENCE_NOTICE
