"""Texture and residual of a dose level, from slices whose noise is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from n2b_ct.evaluation.cases import SliceCase
from n2b_ct.evaluation.slice_noise import SliceNoise, measure_noise, residual_rows, texture_rows
from n2b_ct.evaluation.table import Table

LABELS = {0.25: "25 %"}
PIXEL_MM = (0.8, 0.8)
SIGMA_HU = 20.0


def anatomy_hu(size_px: int = 192) -> np.ndarray:
    rows, cols = np.mgrid[:size_px, :size_px] - size_px / 2
    hu = np.where(np.hypot(rows, cols) < 0.46 * size_px, 40.0, -1000.0)
    hu[np.hypot(rows + 50, cols) < 15] = 240.0
    return hu


def noises(n_slices: int = 3, noise_free: bool = False, pixel_mm=PIXEL_MM) -> list[SliceNoise]:
    found = []
    for k in range(n_slices):
        noise = np.random.default_rng(k).normal(0.0, SIGMA_HU, (192, 192))
        noisy = anatomy_hu() + noise
        candidates = {"half": anatomy_hu() + 0.5 * noise, "blur": ndimage.gaussian_filter(noisy, 1.0)}
        case = SliceCase("series", 0.25, k, noisy, candidates, anatomy_hu(), pixel_mm=pixel_mm)
        found += measure_noise(case, noise_free)
    return found


def texture_of(measured: list[SliceNoise]) -> dict[str, dict]:
    """Texture by method."""
    records = Table(texture_rows(measured, LABELS, "flat regions", {})).records("texture", level="25 %")
    return {one["method"]: one for one in records}


def residual_of(measured: list[SliceNoise]) -> dict[str, dict]:
    """Residual by method."""
    return {one["method"]: one for one in Table(residual_rows(measured, LABELS, {})).records("residual", level="25 %")}


@pytest.fixture(scope="module")
def measured() -> list[SliceNoise]:
    return noises()


def test_white_noise_has_a_flat_spectrum_of_its_variance(measured):
    texture = texture_of(measured)["input"]
    assert texture["noise_std_hu"].mean == pytest.approx(SIGMA_HU, rel=0.03)
    middle = np.array(texture["power_hu2_mm2"])[3:]
    assert middle.mean() == pytest.approx(SIGMA_HU**2 * PIXEL_MM[0] * PIXEL_MM[1], rel=0.05)
    assert texture["lag1_autocorrelation"].mean == pytest.approx(0.0, abs=0.02)
    assert (texture["noise_reduction_percent"], texture["mean_frequency_shift_percent"]) == (None, None)
    assert texture["source"] == "flat regions"


def test_halved_noise_keeps_its_texture_and_blurred_noise_does_not(measured):
    texture = texture_of(measured)
    half, blur = texture["half"], texture["blur"]
    assert half["noise_reduction_percent"].mean == pytest.approx(50.0)
    assert half["mean_frequency_shift_percent"].mean == pytest.approx(0.0, abs=1e-9)
    assert blur["mean_frequency_shift_percent"].high < -20.0
    assert half["frequency_per_mm"] == blur["frequency_per_mm"] == texture["input"]["frequency_per_mm"]


def test_slices_of_other_pixel_and_region_size_are_pooled_on_the_usual_rings():
    mixed = [*noises(3), *noises(1, pixel_mm=(0.6, 0.6))]
    texture = texture_of(mixed)["half"]
    usual = texture_of(noises(3))["half"]
    assert texture["frequency_per_mm"] == usual["frequency_per_mm"]
    assert texture["n_rois"] > usual["n_rois"]


def test_without_a_pixel_size_there_is_no_texture_but_a_residual():
    unknown = noises(1, pixel_mm=None)
    assert texture_of(unknown) == {}
    assert "blur" in residual_of(unknown)


def test_a_blur_is_warned_of_and_scaled_noise_is_not(measured):
    residual = residual_of(measured)
    assert set(residual) == {"half", "blur"}
    half, blur = residual["half"], residual["blur"]
    assert (half["warns"], half["n_warned"], half["n_slices"]) == (False, 0, 3)
    assert (blur["warns"], blur["n_warned"]) == (True, 3)
    assert blur["deviation_sds"].mean > 6.0
    assert blur["worst"].startswith("series, slice ")
    np.testing.assert_allclose(half["residual_autocorrelation"], half["noise_autocorrelation"], atol=1e-6)
    assert half["detail_removed_percent"] is None


def test_with_a_noise_free_truth_the_removed_detail_is_measured():
    known = noises(noise_free=True)
    residual = residual_of(known)
    assert residual["half"]["detail_removed_percent"].mean == pytest.approx(0.0, abs=1.0)
    assert residual["blur"]["detail_removed_percent"].mean > 20.0
    assert {noise.method for noise in known} == {"input", "half", "blur"}


def test_a_method_that_removes_nothing_has_no_edge_test_and_does_not_warn():
    noisy = anatomy_hu() + np.random.default_rng(0).normal(0.0, SIGMA_HU, (192, 192))
    found = measure_noise(SliceCase("series", 0.25, 0, noisy, {"same": noisy.copy()}, pixel_mm=PIXEL_MM))
    assert residual_of(found) == {}
    assert texture_of(found)["same"]["noise_reduction_percent"].mean == 0.0


def test_a_constant_slice_has_no_frequency_and_no_infinity():
    noisy = anatomy_hu() + np.random.default_rng(0).normal(0.0, SIGMA_HU, (192, 192))
    flat = np.full_like(noisy, 40.0)
    found = measure_noise(SliceCase("series", 0.25, 0, noisy, {"flat": flat}, pixel_mm=PIXEL_MM))
    texture = texture_of(found)["flat"]
    assert texture["mean_frequency_per_mm"].mean is None
    assert texture["noise_reduction_percent"].mean == pytest.approx(100.0)
