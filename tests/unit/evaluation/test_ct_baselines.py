"""Denoisers without learning on CT: what they are, and that they never see a reference."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from n2b_ct.config.sections import ReportSection
from n2b_ct.errors import ConfigError, DataError
from n2b_ct.evaluation.ct_baselines import chosen_baselines, denoise_slice
from n2b_ct.filters.baselines import Baseline, bilateral, gaussian, nlm, tv, wnnm
from n2b_ct.filters.blur import bilateral_blur
from n2b_ct.filters.wnnm import wnnm as wnnm_image
from n2b_ct.registry import BASELINES


@pytest.fixture
def noisy() -> np.ndarray:
    rng = np.random.default_rng(2)
    hu = np.full((96, 96), 30.0)
    hu[:, 48:] = 110.0
    return (hu + rng.normal(0.0, 20.0, hu.shape)).astype(np.float32)


def applied(name: str, hu: np.ndarray) -> np.ndarray:
    """Apply a baseline; BM3D's tests skip where its package is absent."""
    if name == "bm3d":
        pytest.importorskip("bm3d", reason="pip install 'n2b-ct[bm3d]', for non-commercial use only")
    return denoise_slice(BASELINES.get(name), hu)


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda image, sigma: image[1:], r"shape \[95, 96\]"),
        (lambda image, sigma: "text", "ValueError"),
        (lambda image, sigma: image.missing, "AttributeError"),
    ],
)
def test_a_baseline_that_returns_no_slice_is_told_by_its_name(noisy, function, got) -> None:
    odd = Baseline(name="odd", function=function, description="", ct_description="")
    with pytest.raises(DataError, match=rf"baseline odd: must return numbers of shape \[96, 96\], got {got}; repair"):
        denoise_slice(odd, noisy)


def test_the_blur_of_a_point_is_the_gaussian_of_sigma_one() -> None:
    point = np.zeros((21, 21))
    point[10, 10] = 1000.0
    blurred = denoise_slice(gaussian, point)
    weights = np.exp(-0.5 * np.arange(-4, 5) ** 2)
    weights /= weights.sum()
    np.testing.assert_allclose(blurred[6:15, 6:15], 1000.0 * np.outer(weights, weights), rtol=1e-5)
    assert blurred.sum() == pytest.approx(1000.0, rel=1e-5)


def test_the_blur_equals_scipy(noisy: np.ndarray) -> None:
    np.testing.assert_allclose(
        denoise_slice(gaussian, noisy), ndimage.gaussian_filter(noisy.astype(np.float64), 1.0, mode="mirror"), rtol=1e-5
    )


def test_nlm_equals_scikit_image_at_the_same_strength(noisy: np.ndarray) -> None:
    expected = denoise_nl_means(
        noisy.astype(np.float64), patch_size=5, patch_distance=6, h=0.8 * 20.0, fast_mode=True, preserve_range=True
    )
    np.testing.assert_allclose(denoise_slice(nlm, noisy, sigma_hu=20.0), expected, rtol=1e-5)


def test_nlm_finds_its_own_noise_level_and_keeps_the_edge(noisy: np.ndarray) -> None:
    denoised = denoise_slice(nlm, noisy)
    assert denoised.dtype == np.float32
    assert denoised[:, 8:40].std() < 0.4 * noisy[:, 8:40].std()
    assert denoised[:, 52:].mean() - denoised[:, :44].mean() == pytest.approx(80.0, abs=3.0)


def test_nlm_leaves_a_slice_without_noise_as_it_is() -> None:
    constant = np.full((32, 32), 40.0, dtype=np.float32)
    np.testing.assert_array_equal(denoise_slice(nlm, constant), constant)


def test_tv_equals_scikit_image_with_a_weight_of_one_sigma(noisy: np.ndarray) -> None:
    expected = denoise_tv_chambolle(noisy.astype(np.float64), weight=20.0)
    np.testing.assert_allclose(denoise_slice(tv, noisy, sigma_hu=20.0), expected, rtol=1e-6)


def test_tv_scales_with_hu_and_keeps_the_mean(noisy: np.ndarray) -> None:
    np.testing.assert_allclose(denoise_slice(tv, 3.0 * noisy), 3.0 * denoise_slice(tv, noisy), rtol=0.01)
    assert denoise_slice(tv, noisy).mean() == pytest.approx(float(noisy.mean()), abs=0.01)
    assert noisy[:, 10:40].std() / denoise_slice(tv, noisy)[:, 10:40].std() > 4.0


def test_tv_leaves_a_slice_without_noise_as_it_is() -> None:
    constant = np.full((32, 32), 40.0, dtype=np.float32)
    np.testing.assert_array_equal(denoise_slice(tv, constant), constant)


def test_the_bilateral_filter_has_the_widths_that_suited_photographs(noisy: np.ndarray) -> None:
    expected = bilateral_blur(noisy, sigma_color=60.0, sigma_spatial_px=1.5)
    np.testing.assert_allclose(denoise_slice(bilateral, noisy, sigma_hu=20.0), expected, rtol=1e-6)


def test_wnnm_sees_a_thousand_hu_as_black_to_white(noisy: np.ndarray) -> None:
    small = noisy[:24, 36:60]
    np.testing.assert_allclose(
        denoise_slice(wnnm, small, sigma_hu=20.0), wnnm_image(small, 20.0, white=1000.0), atol=0.1
    )


@pytest.mark.parametrize("name", ["bilateral", "wnnm", "bm3d"])
def test_baselines_find_their_own_noise_level_and_keep_the_edge(name: str, noisy: np.ndarray) -> None:
    cut = noisy[:48, 24:72]
    denoised = applied(name, cut)
    assert denoised[:, 4:20].std() < 0.5 * cut[:, 4:20].std()
    assert denoised[:, 28:44].mean() - denoised[:, 4:20].mean() == pytest.approx(80.0, abs=4.0)


@pytest.mark.parametrize("name", ["bilateral", "wnnm", "bm3d"])
def test_baselines_leave_a_slice_without_noise_as_it_is(name: str) -> None:
    constant = np.full((32, 32), 40.0, dtype=np.float32)
    np.testing.assert_allclose(applied(name, constant), constant, atol=0.01)


def test_the_quick_baselines_are_the_ones_of_every_report() -> None:
    assert ReportSection().baselines == ("gaussian", "nlm", "tv")
    assert all(BASELINES.get(name).relative_cost == 1.0 for name in ReportSection().baselines)


def test_a_pipeline_may_name_every_baseline_and_is_told_the_nearest_of_another_name() -> None:
    assert ReportSection(baselines=BASELINES.names()).baselines == BASELINES.names()
    with pytest.raises(ValidationError, match="must be one of gaussian, nlm, tv, bilateral, wnnm, bm3d"):
        ReportSection(baselines=("wmnm",))


def test_a_baseline_whose_package_is_absent_is_refused_before_anything_is_measured(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "bm3d", None)
    with pytest.raises(ConfigError, match=r"bm3d: needs the package bm3d, .*; pip install 'n2b-ct\[bm3d\]'"):
        chosen_baselines(["gaussian", "bm3d"], ())


def test_baselines_are_chosen_by_name_and_never_share_one() -> None:
    assert list(chosen_baselines(["nlm", "tv"], {"n2b"})) == ["nlm", "tv"]
    with pytest.raises(
        ConfigError,
        match=r"baselines: must be one of gaussian, nlm, .*, bm3d, adaptive_median, got wmnm; did you mean wnnm",
    ):
        chosen_baselines(["wmnm"], ())
    with pytest.raises(ConfigError, match="must not bear a baseline's name, got nlm"):
        chosen_baselines(["nlm"], {"nlm"})


@pytest.mark.parametrize("name", BASELINES.names())
def test_every_baseline_keeps_shape_and_describes_its_parameters(name: str, noisy: np.ndarray) -> None:
    baseline = BASELINES.get(name)
    assert baseline.name == name
    assert any(character.isdigit() for character in baseline.ct_description)
    cut = noisy[:48, 24:72]
    denoised = applied(name, cut)
    assert denoised.shape == cut.shape
    assert denoised.dtype == np.float32
    assert np.isfinite(denoised).all()


@pytest.mark.parametrize("name", BASELINES.names())
def test_every_baseline_refuses_nan(name: str, noisy: np.ndarray) -> None:
    noisy[3, 4] = np.nan
    with pytest.raises(DataError, match=r"input: HU must be finite, got 1 NaN or infinite pixels; "):
        applied(name, noisy)
