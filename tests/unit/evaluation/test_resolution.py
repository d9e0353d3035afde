"""Task transfer functions of disks and edges of known blur, with and without noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from n2b_ct.errors import DataError
from n2b_ct.evaluation.disks import Disk, disk_hu
from n2b_ct.evaluation.resolution import (
    MIN_TOTAL_CNR,
    Ttf,
    change_percent,
    disk_ttf,
    edge_ttf,
    fit_disk,
    frequency_at,
)

PIXEL_MM = (0.7, 0.7)
SHAPE = (80, 80)
TRUE = Disk((39.3, 40.6), 12.7, 100.0, 0.6)
ROUGH = Disk((40.0, 40.0), 12.5, 80.0)


def gaussian_ttf(frequency: np.ndarray, sigma_mm: float) -> np.ndarray:
    return np.exp(-2.0 * (np.pi * sigma_mm * frequency) ** 2)


def gaussian_frequency(level: float, sigma_mm: float) -> float:
    return float(np.sqrt(-np.log(level) / 2.0) / (np.pi * sigma_mm))


def noisy_images(sigma_hu: float, n_images: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0.0, sigma_hu, (n_images, *SHAPE))
    return disk_hu(SHAPE, TRUE, PIXEL_MM) + noise


@pytest.mark.parametrize("sigma_mm", [0.4, 0.6, 1.0])
@pytest.mark.parametrize("contrast_hu", [-50.0, 10.0, 900.0])
def test_a_disk_of_gaussian_blur_has_the_gaussian_transfer_function(sigma_mm: float, contrast_hu: float) -> None:
    disk = Disk((39.3, 40.6), 12.7, contrast_hu, sigma_mm)
    found = disk_ttf(disk_hu(SHAPE, disk, PIXEL_MM) - 60.0, Disk((40.0, 40.0), 12.5, 0.7 * contrast_hu), PIXEL_MM)
    exact = gaussian_ttf(found.frequency_per_mm, sigma_mm)
    nyquist = found.frequency_per_mm <= 0.5 / PIXEL_MM[0]
    assert np.abs(found.ttf - exact)[nyquist].max() < 0.01
    assert found.f50_per_mm == pytest.approx(gaussian_frequency(0.5, sigma_mm), rel=0.005)
    assert found.f10_per_mm == pytest.approx(gaussian_frequency(0.1, sigma_mm), rel=0.01)
    assert found.contrast_hu == pytest.approx(contrast_hu, rel=0.01)
    assert found.ttf[0] == 1.0


def test_pixels_that_are_not_square_change_nothing() -> None:
    pixel_mm = (0.5, 0.8)
    found = disk_ttf(
        disk_hu((110, 80), Disk((54.2, 39.1), 12.0, 80.0, 0.7), pixel_mm), Disk((54, 39), 12, 80), pixel_mm
    )
    assert found.f50_per_mm == pytest.approx(gaussian_frequency(0.5, 0.7), rel=0.01)


def test_centre_radius_and_contrast_are_fitted_below_a_tenth_of_a_pixel() -> None:
    fitted = fit_disk(noisy_images(10.0, 1)[0], ROUGH, PIXEL_MM)
    assert fitted.centre_px == pytest.approx(TRUE.centre_px, abs=0.1)
    assert fitted.radius_mm == pytest.approx(TRUE.radius_mm, abs=0.07)
    assert fitted.contrast_hu == pytest.approx(TRUE.contrast_hu, rel=0.03)


def test_the_ensemble_average_is_unbiased_and_its_standard_error_is_true() -> None:
    found = [disk_ttf(noisy_images(20.0, 16, seed), ROUGH, PIXEL_MM) for seed in range(24)]
    k = np.searchsorted(found[0].frequency_per_mm, [0.15, 0.3, 0.45])
    values = np.array([ttf.ttf[k] for ttf in found])
    spread = values.std(axis=0, ddof=1)
    exact = gaussian_ttf(found[0].frequency_per_mm[k], TRUE.blur_sigma_mm)
    assert np.all(np.abs(values.mean(axis=0) - exact) < 4.0 * spread / np.sqrt(len(found)) + 0.005)
    claimed = np.sqrt(np.mean([ttf.standard_error[k] ** 2 for ttf in found], axis=0))
    # a standard deviation from 24 values is itself uncertain by 1/√(2 · 23) = 15 %, a jackknife over 12 by 21 %
    assert np.all(np.abs(claimed / spread - 1.0) < 0.6)


def test_the_total_contrast_to_noise_ratio_grows_with_the_root_of_the_images() -> None:
    one, sixteen = (disk_ttf(noisy_images(20.0, n), ROUGH, PIXEL_MM).total_cnr for n in (1, 16))
    assert one == pytest.approx(5.0, rel=0.1)
    assert sixteen == pytest.approx(20.0, rel=0.1)


def test_no_frequency_is_given_below_the_contrast_to_noise_criterion() -> None:
    found = disk_ttf(noisy_images(20.0, 4), ROUGH, PIXEL_MM)
    assert found.total_cnr < MIN_TOTAL_CNR
    assert found.f50_per_mm is None
    assert found.f10_per_mm is None


@pytest.mark.parametrize(("seed", "is_trusted"), [(4, False), (7, True)])
def test_a_frequency_that_noise_could_have_made_is_not_given(seed: int, is_trusted: bool) -> None:
    found = disk_ttf(noisy_images(6.4, 1, seed), ROUGH, PIXEL_MM)
    assert found.total_cnr > MIN_TOTAL_CNR
    assert found.f50_per_mm == pytest.approx(gaussian_frequency(0.5, 0.6), rel=0.1)
    crossing = frequency_at(found.frequency_per_mm, found.ttf, 0.1)
    error = np.interp(crossing, found.frequency_per_mm, found.standard_error)
    assert (error <= 0.05) == is_trusted
    assert found.f10_per_mm == (crossing if is_trusted else None)


@pytest.mark.parametrize("sigma_mm", [0.4, 0.6, 1.0])
@pytest.mark.parametrize("degrees", [8.0, 98.0])
def test_a_straight_edge_of_gaussian_blur_has_the_gaussian_transfer_function(sigma_mm: float, degrees: float) -> None:
    row, col = np.mgrid[:60, :60]
    angle = np.deg2rad(degrees)
    across = (col - 30.3) * 0.7 * np.cos(angle) + (row - 29.1) * 0.7 * np.sin(angle)
    hu = -20.0 + 100.0 * 0.5 * special.erfc(across / (np.sqrt(2.0) * sigma_mm))
    found = edge_ttf(hu, (29.0, 30.0), degrees - 3.0, PIXEL_MM)
    assert np.abs(found.ttf - gaussian_ttf(found.frequency_per_mm, sigma_mm)).max() < 0.01
    assert found.contrast_hu == pytest.approx(100.0, rel=1e-3)
    assert found.radius_mm is None
    assert found.f50_per_mm == pytest.approx(gaussian_frequency(0.5, sigma_mm), rel=0.005)


def test_the_width_of_the_bins_is_corrected_for() -> None:
    """Averaging in bins and taking differences would each cost sinc(f · bin), together 0.5 % at these frequencies."""
    row, col = np.mgrid[:60, :60]
    across = (col - 30.3) * 0.7 * np.cos(np.deg2rad(8)) + (row - 29.1) * 0.7 * np.sin(np.deg2rad(8))
    found = edge_ttf(50.0 * special.erfc(across / (np.sqrt(2.0) * 0.3)), (29.0, 30.0), 5.0, PIXEL_MM)
    f = found.frequency_per_mm
    band = (f > 0.4) & (f < 0.7)
    assert np.mean(found.ttf[band] / gaussian_ttf(f[band], 0.3)) == pytest.approx(1.0, abs=0.002)


def test_disk_and_edge_agree_on_the_same_system() -> None:
    disk = disk_ttf(disk_hu(SHAPE, TRUE, PIXEL_MM), ROUGH, PIXEL_MM)
    row, col = np.mgrid[:60, :60]
    across = ((col - 30.0) * np.cos(0.15) + (row - 30.0) * np.sin(0.15)) * 0.7
    edge = edge_ttf(50.0 * special.erfc(across / (np.sqrt(2.0) * 0.6)), (30.0, 30.0), 9.0, PIXEL_MM)
    assert disk.f50_per_mm == pytest.approx(edge.f50_per_mm, rel=0.01)


def test_a_blur_of_known_width_lowers_the_frequency_by_the_closed_form() -> None:
    before, after = (
        disk_ttf(disk_hu(SHAPE, Disk((40, 40), 12, 100, sigma_mm), PIXEL_MM), ROUGH, PIXEL_MM)
        for sigma_mm in (0.6, 1.0)
    )
    assert change_percent(before.f50_per_mm, after.f50_per_mm) == pytest.approx(-40.0, abs=1.0)
    assert change_percent(None, 0.3) is None
    assert change_percent(0.3, None) is None


def test_a_transfer_function_that_never_falls_has_no_frequency() -> None:
    assert frequency_at(np.array([0.0, 0.1, 0.2]), np.array([1.0, 0.9, 0.6]), 0.5) is None
    assert frequency_at(np.array([0.0, 0.1, 0.2]), np.array([1.0, 0.6, 0.4]), 0.5) == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("images", "disk", "message"),
    [
        (np.zeros((20, 80, 80)), Disk((10.0, 40.0), 12.0, 50.0), "needs 8.0 mm of image around it, got centre 10.0 px"),
        (np.zeros((80, 80)), Disk((40.0, 40.0), 2.0, 50.0), "needs 3 px of image on both sides"),
        (np.full((80, 80), np.nan), ROUGH, "HU must be finite"),
        (np.zeros(80), ROUGH, r"are \[rows, cols\] or \[images, rows, cols\], got 1 axes"),
    ],
)
def test_disks_that_cannot_be_measured_are_refused(images: np.ndarray, disk: Disk, message: str) -> None:
    with pytest.raises(DataError, match=message):
        disk_ttf(images, disk, PIXEL_MM)


def test_an_insert_that_a_method_wiped_away_is_refused_rather_than_divided_by() -> None:
    with pytest.raises(DataError, match="needs a contrast to be measured, got none"):
        disk_ttf(np.full(SHAPE, 40.0), ROUGH, PIXEL_MM)


@pytest.mark.parametrize("seed", range(30))
def test_noise_without_an_insert_gives_no_frequency_whatever_the_fit_makes_of_it(seed: int) -> None:
    images = np.random.default_rng(seed).normal(0.0, 20.0, SHAPE)
    insert = Disk((40.0, 40.0), 8.0, 30.0, 0.8)
    fitted = fit_disk(images, insert, PIXEL_MM)
    stray_mm = np.hypot(*(np.subtract(fitted.centre_px, insert.centre_px) * PIXEL_MM))
    if stray_mm > 4.0 or abs(fitted.radius_mm - 8.0) > 4.0:
        with pytest.raises(DataError, match="disk of 8 mm: must be found where it is"):
            disk_ttf(images, insert, PIXEL_MM)
    else:
        found = disk_ttf(images, insert, PIXEL_MM)
        assert (found.f50_per_mm, found.f10_per_mm) == (None, None)


def test_an_edge_at_the_rim_of_the_region_is_refused() -> None:
    hu = np.where(np.arange(40) < 2, 100.0, 0.0) * np.ones((40, 1))
    with pytest.raises(DataError, match="needs 3 px of image on both sides"):
        edge_ttf(hu, (20.0, 2.0), 0.0, PIXEL_MM)


def test_the_result_says_what_it_was_made_of() -> None:
    found = disk_ttf(noisy_images(2.0, 3), ROUGH, PIXEL_MM)
    assert isinstance(found, Ttf)
    assert (found.n_images, found.frequency_per_mm[0]) == (3, 0.0)
    assert found.frequency_per_mm[-1] == pytest.approx(1.0 / 0.7, abs=0.005)


def test_the_intervals_of_both_frequencies_hold_the_true_ones_about_nineteen_times_of_twenty() -> None:
    runs, hits = 30, [0, 0]
    for seed in range(runs):
        found = disk_ttf(noisy_images(5.0, 4, seed), ROUGH, PIXEL_MM)
        for k, (level, interval) in enumerate(((0.5, found.f50_interval_per_mm), (0.1, found.f10_interval_per_mm))):
            hits[k] += interval is not None and interval[0] <= gaussian_frequency(level, 0.6) <= interval[1]
    assert min(hits) >= 25  # 95 % of 30, less three of its deviations


def test_without_noise_the_intervals_have_no_width_to_speak_of() -> None:
    found = disk_ttf(disk_hu(SHAPE, TRUE, PIXEL_MM), ROUGH, PIXEL_MM)
    low, high = found.f10_interval_per_mm
    assert low <= found.f10_per_mm <= high
    assert high - low < 0.05 * found.f10_per_mm
