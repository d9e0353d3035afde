"""Noise power spectra against closed forms, against scipy.signal, and on real CT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from n2b_ct.errors import DataError
from n2b_ct.evaluation.rois import find_flat_rois, tile_rois
from n2b_ct.evaluation.texture import (
    NoisePower,
    RadialPower,
    compare_texture,
    detrend,
    frequency_grid_per_mm,
    noise_power,
    pair_noise,
    pool_noise_power,
    reference_noise,
    white_noise_kept,
)

SIZE, N_ROIS, SIGMA_HU = 64, 100, 20.0
PIXEL_MM = (0.7, 0.7)
PIXEL_AREA = PIXEL_MM[0] * PIXEL_MM[1]
SDS = 4.5  # of the estimate's own error: 40 rings exceed it once in 4000 runs


def white(n_rois: int = N_ROIS, seed: int = 0, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, SIGMA_HU, (n_rois, size, size))


def coloured(transfer: np.ndarray, n_rois: int = N_ROIS, seed: int = 0) -> np.ndarray:
    """Periodic noise whose spectrum is exactly σ² · pixel area · transfer²."""
    return np.fft.ifft2(np.fft.fft2(white(n_rois, seed)) * transfer).real


def gaussian_transfer(sigma_mm: float) -> np.ndarray:
    return np.exp(-2.0 * (np.pi * sigma_mm * frequency_grid_per_mm(SIZE, PIXEL_MM)) ** 2)


def ring_error(rings: RadialPower, expected: np.ndarray) -> np.ndarray:
    """Standard error of each ring: a bin's power is exponential, and bins come in conjugate pairs."""
    return expected / np.sqrt(N_ROIS * rings.n_bins / 2.0)


def ring_means(power: np.ndarray) -> np.ndarray:
    return NoisePower(power, PIXEL_MM, None, 1, "mean").radial().power_hu2_mm2


def test_white_noise_has_the_spectrum_variance_times_pixel_area() -> None:
    rings = noise_power(white(), PIXEL_MM).radial()
    expected = ring_means(SIGMA_HU**2 * PIXEL_AREA * white_noise_kept(SIZE))
    assert np.all(np.abs(rings.power_hu2_mm2 - expected) < SDS * ring_error(rings, expected))


@pytest.mark.parametrize("sigma_mm", [0.4, 0.8])
def test_filtered_noise_has_the_spectrum_of_its_filter(sigma_mm: float) -> None:
    spectrum = SIGMA_HU**2 * PIXEL_AREA * gaussian_transfer(sigma_mm) ** 2
    rings = noise_power(coloured(gaussian_transfer(sigma_mm)), PIXEL_MM, "mean").radial()
    expected = ring_means(spectrum)
    # inside a ring the power varies, so its error is that of a sum of unequal exponentials
    error = np.sqrt(ring_means(spectrum**2) * 2.0 / (N_ROIS * rings.n_bins))
    assert np.all(np.abs(rings.power_hu2_mm2 - expected) < SDS * error)


def test_regions_cut_from_a_large_field_have_the_spectrum_with_the_leakage_of_their_size() -> None:
    """The expected periodogram of a cut-out is the transform of autocovariance times triangle."""
    field, pixel, size = 512, 0.7, 32
    transfer = np.exp(-2.0 * (np.pi * 0.6 * frequency_grid_per_mm(field, (pixel, pixel))) ** 2)
    noise = np.fft.ifft2(np.fft.fft2(white(1, 3, field)[0]) * transfer).real
    rois = tile_rois(np.ones((field, field), bool), size).cut(noise)
    covariance = np.fft.ifft2(SIGMA_HU**2 * transfer**2).real
    lag = np.arange(-size + 1, size)
    triangle = 1.0 - np.abs(lag) / size
    windowed = covariance[np.ix_(lag, lag)] * triangle[:, None] * triangle
    wave = np.exp(-2j * np.pi * np.outer(np.arange(size) / size, lag))
    expected = (wave @ windowed @ wave.T).real * pixel**2
    measured = np.mean(np.abs(np.fft.fft2(rois)) ** 2, axis=0) * pixel**2 / size**2
    rings, rings_expected = (
        NoisePower(power, (pixel, pixel), None, 1, "mean").radial() for power in (measured, expected)
    )
    ours = noise_power(rois, (pixel, pixel), "mean").radial()
    np.testing.assert_allclose(ours.power_hu2_mm2, rings.power_hu2_mm2, rtol=1e-9)
    strong = rings_expected.power_hu2_mm2 > 0.01 * rings_expected.power_hu2_mm2.max()
    error = np.sqrt(2.0 / (len(rois) * ours.n_bins)) * 1.3  # leakage ties neighbouring bins together
    deviation = ours.power_hu2_mm2 / rings_expected.power_hu2_mm2 - 1.0
    assert np.all(np.abs(deviation[strong]) < SDS * error[strong])


@pytest.mark.parametrize("trend", ["mean", "plane", "quadratic"])
def test_the_integral_of_the_spectrum_is_the_variance_that_is_left(trend: str) -> None:
    rois = white(5) + np.linspace(0.0, 30.0, SIZE)
    spectrum = noise_power(rois, (0.7, 0.9), trend)
    assert spectrum.variance_hu2 == pytest.approx(np.mean(detrend(rois, trend) ** 2), rel=1e-12)


@pytest.mark.parametrize(("size", "trend"), [(16, "quadratic"), (64, "plane")])
def test_the_standard_deviation_is_free_of_the_bias_of_the_trend(size: int, trend: str) -> None:
    n_rois = 200
    spectrum = noise_power(white(n_rois, 1, size), PIXEL_MM, trend)
    assert spectrum.noise_std_hu == pytest.approx(SIGMA_HU, abs=SDS * SIGMA_HU / np.sqrt(2.0 * n_rois * size**2))


def test_summed_over_one_axis_the_spectrum_is_scipys_periodogram_and_welch() -> None:
    """Σ over fy of NPS · Δfy is the two-sided power density of the rows (Parseval)."""
    rois = detrend(coloured(gaussian_transfer(0.5), 12), "quadratic")
    spectrum = noise_power(rois, PIXEL_MM, "quadratic")
    ours = spectrum.power_hu2_mm2.sum(axis=0) / (SIZE * PIXEL_MM[0])
    options = {"fs": 1.0 / PIXEL_MM[1], "detrend": False, "return_onesided": False, "scaling": "density"}
    frequency, by_periodogram = signal.periodogram(rois, window="boxcar", axis=2, **options)
    _, by_welch = signal.welch(rois.ravel(), window="boxcar", nperseg=SIZE, noverlap=0, **options)
    np.testing.assert_allclose(ours, by_periodogram.mean(axis=(0, 1)), rtol=1e-9, atol=1e-9 * ours.max())
    np.testing.assert_allclose(ours, by_welch, rtol=1e-9, atol=1e-9 * ours.max())
    np.testing.assert_allclose(spectrum.frequency_per_mm[0], np.abs(frequency))


@pytest.mark.parametrize("sigma_mm", [0.0, 0.4, 0.8])
def test_mean_frequency_is_the_first_moment_of_the_known_spectrum(sigma_mm: float) -> None:
    power = gaussian_transfer(sigma_mm) ** 2
    rings = noise_power(coloured(gaussian_transfer(sigma_mm)), PIXEL_MM, "mean").radial()
    expected = ring_means(power)
    f = rings.frequency_per_mm
    mean = float(f @ expected / expected.sum())
    error = np.sqrt(np.sum(((f - mean) * ring_error(rings, expected)) ** 2)) / expected.sum()
    assert rings.mean_frequency_per_mm == pytest.approx(mean, abs=SDS * error)


def test_peak_frequency_is_found_within_one_ring() -> None:
    f = frequency_grid_per_mm(SIZE, PIXEL_MM)
    rings = noise_power(coloured(np.exp(-(((f - 0.3) / 0.08) ** 2))), PIXEL_MM).radial()
    assert rings.peak_frequency_per_mm == pytest.approx(0.3, abs=1.0 / (SIZE * PIXEL_MM[0]))


def test_a_wave_along_the_rows_peaks_at_its_own_frequency_when_pixels_are_not_square() -> None:
    pixel_mm = (0.5, 1.0)
    wave = np.cos(2.0 * np.pi * np.arange(SIZE) * 8 / SIZE)[:, None] * np.ones(SIZE)
    power = noise_power(wave[None], pixel_mm, "mean")
    at = np.unravel_index(np.argmax(power.power_hu2_mm2), (SIZE, SIZE))
    assert power.frequency_per_mm[at] == pytest.approx(8 / (SIZE * 0.5))
    assert power.radial().frequency_per_mm.max() <= 0.5


def test_lag1_autocorrelation_of_white_and_filtered_noise_is_that_of_the_closed_form() -> None:
    error = 1.0 / np.sqrt(2.0 * N_ROIS * SIZE**2)
    assert noise_power(white(), PIXEL_MM).lag1_autocorrelation == pytest.approx(0.0, abs=SDS * error + 6 / SIZE**2)
    transfer = gaussian_transfer(0.5)
    acf = np.fft.ifft2(transfer**2).real
    filtered = noise_power(coloured(transfer), PIXEL_MM, "mean")
    assert filtered.lag1_autocorrelation == pytest.approx(acf[0, 1] / acf[0, 0], abs=0.01)


@pytest.mark.parametrize(("trend", "power"), [("mean", 0), ("plane", 1), ("quadratic", 2)])
def test_detrending_removes_its_polynomial_and_nothing_it_should_not(trend: str, power: int) -> None:
    row, col = np.mgrid[:SIZE, :SIZE] / SIZE
    surface = 40.0 + (7.0 * row**power - 3.0 * col**power + (row * col if power == 2 else 0.0))
    assert np.abs(detrend(surface[None], trend)).max() < 1e-9
    assert np.std(detrend(np.sin(12.0 * row)[None], trend)) > 0.1


def test_the_power_that_detrending_takes_is_as_derived() -> None:
    n_rois, size = 2000, 16
    power = noise_power(white(n_rois, 2, size), (1.0, 1.0), "quadratic").power_hu2_mm2
    kept = white_noise_kept(size)
    assert np.all(np.abs(power / SIGMA_HU**2 - kept) < 5.0 * (kept + 1e-12) * np.sqrt(2.0 / n_rois))


@pytest.mark.parametrize("size", [16, 32, 64])
def test_the_first_rings_keep_what_the_definition_says(size: int) -> None:
    rings = NoisePower(white_noise_kept(size), (1.0, 1.0), None, 1, "quadratic").radial()
    assert rings.power_hu2_mm2[:2] == pytest.approx([0.57, 0.95], abs=0.005)


def test_two_scans_and_a_scan_with_its_reference_give_the_noise_they_hold() -> None:
    anatomy = np.random.default_rng(9).normal(0.0, 300.0, (SIZE, SIZE))
    first, second = anatomy + white(N_ROIS, 1), anatomy + 0.5 * white(N_ROIS, 2)
    error = SDS * SIGMA_HU / np.sqrt(2.0 * N_ROIS * SIZE**2)
    by_pair = noise_power(pair_noise(first, anatomy + white(N_ROIS, 3)), PIXEL_MM)
    assert by_pair.noise_std_hu == pytest.approx(SIGMA_HU, abs=error)
    by_reference = noise_power(reference_noise(first, second), PIXEL_MM)
    assert by_reference.noise_std_hu == pytest.approx(np.sqrt(1.25) * SIGMA_HU, abs=np.sqrt(1.25) * error)


def test_halved_noise_is_fifty_percent_less_with_the_same_texture() -> None:
    before, after = noise_power(white(), PIXEL_MM), noise_power(0.5 * white(), PIXEL_MM)
    change = compare_texture(before, after)
    assert change.noise_reduction_percent == pytest.approx(50.0)
    assert change.mean_frequency_shift_percent == pytest.approx(0.0, abs=1e-9)
    assert change.peak_frequency_shift_per_mm == pytest.approx(0.0, abs=1e-9)
    assert change.lag1_shift == pytest.approx(0.0, abs=1e-9)


def test_a_blur_shifts_the_mean_frequency_down_and_the_correlation_up() -> None:
    change = compare_texture(noise_power(white(), PIXEL_MM), noise_power(coloured(gaussian_transfer(0.6)), PIXEL_MM))
    assert change.mean_frequency_shift_percent < -20.0
    assert change.lag1_shift > 0.3


def test_noise_that_is_gone_has_no_frequency_rather_than_nan() -> None:
    nothing = noise_power(np.zeros((3, SIZE, SIZE)), PIXEL_MM)
    assert nothing.lag1_autocorrelation is None
    assert nothing.radial().mean_frequency_per_mm is None
    assert nothing.radial().peak_frequency_per_mm is None
    change = compare_texture(noise_power(white(), PIXEL_MM), nothing)
    assert change.noise_reduction_percent == pytest.approx(100.0)
    assert change.mean_frequency_shift_per_mm is None
    assert compare_texture(nothing, nothing).noise_reduction_percent is None


def test_pooled_spectra_equal_the_spectrum_of_all_regions() -> None:
    rois = coloured(gaussian_transfer(0.4), 10)
    pooled = pool_noise_power([noise_power(rois[:3], PIXEL_MM), noise_power(rois[3:], PIXEL_MM)])
    whole = noise_power(rois, PIXEL_MM)
    np.testing.assert_allclose(pooled.power_hu2_mm2, whole.power_hu2_mm2, atol=1e-9)
    assert pooled.n_rois == 10
    assert pooled.lag1_autocorrelation == pytest.approx(whole.lag1_autocorrelation)


def test_spectra_of_two_kinds_are_not_pooled() -> None:
    with pytest.raises(DataError, match="pooled spectra must be of one kind, got 2 kinds"):
        pool_noise_power([noise_power(white(2), PIXEL_MM), noise_power(white(2), (0.8, 0.8))])


@pytest.mark.parametrize(
    ("rois", "pixel_mm", "message"),
    [
        (np.zeros((0, 16, 16)), PIXEL_MM, "at least one square of 8 px, got 0x16x16"),
        (np.zeros((2, 16, 15)), PIXEL_MM, "at least one square of 8 px, got 2x16x15"),
        (np.full((2, 16, 16), np.nan), PIXEL_MM, "HU must be finite"),
        (np.zeros((2, 16, 16)), (0.7, 0.0), "must be above 0 mm, got 0"),
    ],
)
def test_regions_that_cannot_be_measured_are_refused(rois: np.ndarray, pixel_mm, message: str) -> None:
    with pytest.raises(DataError, match=message):
        noise_power(rois, pixel_mm)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["mayo_L143_3mm_B30", "mayo_L192_3mm_B30", "mayo_L143_3mm_D45"])
def test_flat_regions_of_one_slice_show_the_texture_that_two_scans_show(shared_data: Path, name: str) -> None:
    """Quarter minus full dose is noise without anatomy; a single slice must come within 10 % of its frequency."""
    folder = shared_data / "ct_lowdose_pairs" / name
    ratios = []
    for quarter, full in zip(_slices(folder / "QD"), _slices(folder / "FD"), strict=True):
        rois = find_flat_rois(quarter)
        if rois.corners:
            alone, apart = (noise_power(rois.cut(hu), PIXEL_MM).radial() for hu in (quarter, quarter - full))
            ratios.append(alone.mean_frequency_per_mm / apart.mean_frequency_per_mm)
    assert np.median(ratios) == pytest.approx(1.0, abs=0.10)


def _slices(folder: Path) -> list[np.ndarray]:
    pydicom = pytest.importorskip("pydicom")
    found = [pydicom.dcmread(path) for path in folder.iterdir()]
    found.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
    return [ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept) for ds in found]
