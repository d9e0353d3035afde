"""Model observers against closed forms: white and coloured noise of known covariance, known signals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage, stats

from n2b_ct.errors import DataError
from n2b_ct.evaluation.detectability import (
    Detectability,
    auc_of_d_prime,
    d_prime_of_auc,
    d_prime_of_scores,
    measure_cnr,
)
from n2b_ct.evaluation.disks import Disk, disk_hu, distance_mm, roi_centre_px
from n2b_ct.evaluation.dose_potential import dose_reduction_potential
from n2b_ct.evaluation.npw_spectral import npw_d_prime
from n2b_ct.evaluation.observers import _unbiased_square, cho, disk_channels, laguerre_gauss_channels, npw
from n2b_ct.evaluation.rois import tile_rois
from n2b_ct.evaluation.texture import RadialPower, frequency_grid_per_mm, noise_power

SIZE, N, SIGMA_HU = 32, 400, 20.0
PIXEL_MM = (0.7, 0.7)
CENTRE = roi_centre_px(SIZE)
SDS = 4.0
FREQUENCY_PX = frequency_grid_per_mm(SIZE, (1.0, 1.0))
COLOUR = np.sqrt(FREQUENCY_PX) * np.exp(-((FREQUENCY_PX / 0.3) ** 2)) + 0.05  # rises like CT noise, then falls
CHANNELS = laguerre_gauss_channels(SIZE, 16.0)


def disk(radius_px: float = 5.0, contrast_hu: float = 5.0) -> np.ndarray:
    return disk_hu((SIZE, SIZE), Disk(CENTRE, radius_px, contrast_hu), (1.0, 1.0))


def regions(n: int, seed: int, transfer: np.ndarray | float = 1.0) -> np.ndarray:
    white = np.random.default_rng(seed).normal(0.0, SIGMA_HU, (n, SIZE, SIZE))
    return np.fft.ifft2(np.fft.fft2(white) * transfer).real + 40.0


def covariance(transfer: np.ndarray) -> np.ndarray:
    """Covariance of the periodic noise, exactly, ``[SIZE², SIZE²]``."""
    acf = np.fft.ifft2(SIGMA_HU**2 * transfer**2).real
    row, col = (axis.ravel() for axis in np.mgrid[:SIZE, :SIZE])
    return acf[row[:, None] - row, col[:, None] - col]


def exact_npw(signal: np.ndarray, transfer: np.ndarray | float) -> float:
    power = np.abs(np.fft.fft2(signal)) ** 2
    return float(np.sum(signal**2) / np.sqrt(np.sum(power * transfer**2) * SIGMA_HU**2 / signal.size))


def exact_cho(signal: np.ndarray, transfer: np.ndarray, channels: np.ndarray) -> float:
    seen = channels.T @ signal.ravel()
    return float(np.sqrt(seen @ np.linalg.solve(channels.T @ covariance(transfer) @ channels, seen)))


def error_of(d_prime: float, n: int = N) -> float:
    """Standard error of d′ from n scores a class (Hedges & Olkin 1985)."""
    return float(np.sqrt(2.0 / n + d_prime**2 / (4.0 * (n - 1))))


def test_npw_of_a_disk_in_white_noise_is_contrast_times_root_of_pixels_over_sigma() -> None:
    mask = distance_mm((SIZE, SIZE), CENTRE, (1.0, 1.0)) < 5.0
    signal = 5.0 * mask
    found = npw(regions(N, 1) + signal, regions(N, 2), signal)
    exact = 5.0 * np.sqrt(mask.sum()) / SIGMA_HU
    assert found.d_prime == pytest.approx(exact, abs=SDS * error_of(exact))
    assert found.observer == "npw"


def test_npw_in_coloured_noise_is_the_closed_form() -> None:
    exact = exact_npw(disk(), COLOUR)
    found = npw(regions(N, 3, COLOUR) + disk(), regions(N, 4, COLOUR), disk())
    assert found.d_prime == pytest.approx(exact, abs=SDS * error_of(exact))
    assert found.d_prime_low < exact < found.d_prime_high


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "needs the signal as its template, got none; pass the signal as it appears"),
        (np.ones((8, 9)), "template and regions must share one size, got 8x9 and 8x8"),
        (np.ones((8, 8)), "needs a template that varies, got one constant"),
        (np.full((8, 8), np.nan), "template: HU must be finite"),
    ],
)
def test_npw_refuses_to_score_without_a_signal_to_look_for(template, message: str) -> None:
    present, absent = np.random.default_rng(5).normal(size=(2, 10, 8, 8))
    with pytest.raises(DataError, match=message):
        npw(present, absent, template)


def test_npw_with_the_signal_as_template_has_no_bias_from_ten_regions() -> None:
    """The mean over many draws of ten regions a class is the closed form."""
    signal, exact = disk(contrast_hu=1.0), exact_npw(disk(contrast_hu=1.0), 1.0)
    found = [npw(regions(10, 2 * k) + signal, regions(10, 2 * k + 1), signal).d_prime for k in range(60)]
    assert np.mean(found) == pytest.approx(exact, abs=SDS * error_of(exact, 10) / np.sqrt(60))


@pytest.mark.parametrize("transfer", [np.ones_like(COLOUR), COLOUR], ids=["white", "coloured"])
def test_cho_is_the_closed_form_of_the_known_covariance(transfer: np.ndarray) -> None:
    exact = exact_cho(disk(), transfer, CHANNELS)
    found = cho(regions(N, 11, transfer) + disk(), regions(N, 12, transfer), CHANNELS)
    assert found.d_prime == pytest.approx(exact, abs=SDS * error_of(exact))
    assert found.d_prime_resubstitution > found.d_prime


def test_in_white_noise_hotelling_is_npw_for_a_signal_inside_the_channels() -> None:
    signal = 40.0 * CHANNELS[:, 0].reshape(SIZE, SIZE)
    exact = 40.0 / SIGMA_HU
    assert exact_cho(signal, np.ones_like(COLOUR), CHANNELS) == pytest.approx(exact)
    present, absent = regions(N, 13) + signal, regions(N, 14)
    assert cho(present, absent, CHANNELS).d_prime == pytest.approx(exact, abs=SDS * error_of(exact))
    assert npw(present, absent, signal).d_prime == pytest.approx(exact, abs=SDS * error_of(exact))


def test_in_coloured_noise_hotelling_beats_npw() -> None:
    present, absent = regions(N, 15, COLOUR) + disk(), regions(N, 16, COLOUR)
    by_cho, by_npw = cho(present, absent, CHANNELS), npw(present, absent, disk())
    gain = exact_cho(disk(), COLOUR, CHANNELS) - exact_npw(disk(), COLOUR)
    assert gain > 1.0
    assert by_cho.d_prime - by_npw.d_prime == pytest.approx(gain, abs=SDS * error_of(by_cho.d_prime))


def test_with_pixels_as_channels_cho_is_the_hotelling_observer_of_numpy() -> None:
    """An independent implementation: pooled covariance and a linear discriminant by numpy.linalg."""
    patch = np.s_[:, 13:18, 13:18]
    present, absent = (regions(N, 17, COLOUR) + disk())[patch], regions(N, 18, COLOUR)[patch]
    found = cho(present, absent, np.eye(25))
    a, b = present.reshape(N, 25), absent.reshape(N, 25)
    pooled = 0.5 * (np.cov(a.T) + np.cov(b.T))
    template = np.linalg.inv(pooled) @ (a.mean(axis=0) - b.mean(axis=0))
    assert found.d_prime_resubstitution == pytest.approx(
        (np.mean(a @ template) - np.mean(b @ template)) / np.sqrt(template @ pooled @ template)
    )


def test_the_bias_of_few_regions_is_gone_on_average_and_held_out_is_never_optimistic() -> None:
    n, exact = 20, exact_cho(disk(contrast_hu=8.0), np.ones_like(COLOUR), CHANNELS)
    found = [cho(regions(n, 100 + k) + disk(contrast_hu=8.0), regions(n, 500 + k), CHANNELS) for k in range(40)]
    squares = np.array([result.d_prime**2 for result in found])
    assert squares.mean() == pytest.approx(exact**2, abs=SDS * squares.std() / np.sqrt(40))
    assert np.mean([result.d_prime_resubstitution**2 for result in found]) > 1.2 * exact**2
    assert np.mean([result.d_prime_held_out for result in found]) < exact


@pytest.mark.parametrize("square", [0.0, 1.0, 4.0])
@pytest.mark.parametrize(("own_noise", "paired"), [(1.0, False), (0.0, True), (0.3, True)])
def test_the_squared_d_prime_of_few_channel_outputs_is_unbiased(square: float, own_noise: float, paired: bool) -> None:
    """Pairs share noise of variance 1 − own_noise; their closed form is exact for none of it, within 3 % for some."""
    rng, n, runs = np.random.default_rng(61), 30, 1500
    signal = np.sqrt(square / 6.0) * np.ones(6)
    found = []
    for _ in range(runs):
        shared = np.sqrt(1.0 - own_noise) * rng.normal(size=(n, 6))
        present, absent = shared + np.sqrt(own_noise) * rng.normal(size=(2, n, 6))
        found.append(_unbiased_square(present + signal, absent, paired))
    near = 0.03 * square + 0.01 if paired and own_noise else 0.0
    assert np.mean(found) == pytest.approx(square, abs=SDS * np.std(found) / np.sqrt(runs) + near + 1e-9)


@pytest.mark.parametrize("observer", ["npw", "cho"])
def test_the_interval_holds_the_truth_about_nineteen_times_of_twenty(observer: str) -> None:
    n, runs = 20, 100
    exact = exact_npw(disk(), 1.0) if observer == "npw" else exact_cho(disk(), np.ones_like(COLOUR), CHANNELS)
    hits = 0
    for k in range(runs):
        present, absent = regions(n, 1000 + k) + disk(), regions(n, 5000 + k)
        found = npw(present, absent, disk()) if observer == "npw" else cho(present, absent, CHANNELS)
        hits += found.d_prime_low <= exact <= found.d_prime_high
    assert stats.binomtest(hits, runs, 0.95).pvalue > 1e-3


@pytest.mark.parametrize("observer", ["npw", "cho"])
def test_regions_that_share_their_noise_are_measured_as_pairs(observer: str) -> None:
    noise, exact = regions(N, 21, COLOUR), exact_npw(disk(), COLOUR)
    if observer == "npw":
        found = npw(noise + disk(), noise, disk(), paired=True)
    else:
        exact = exact_cho(disk(), COLOUR, CHANNELS)
        found = cho(noise + disk(), noise, CHANNELS, paired=True)
    # the difference of the means is exact, only the variance is estimated: error d′ · √(p or 1) / √(2 n)
    assert found.d_prime == pytest.approx(exact, abs=SDS * exact / np.sqrt(2.0 * (N - 1)))
    assert found.d_prime_high - found.d_prime_low < 4.0 * 1.3 * exact / np.sqrt(2.0 * (N - 1))


def test_without_signal_cho_sees_little_and_never_less_than_nothing() -> None:
    found = cho(regions(N, 22), regions(N, 23), CHANNELS)
    assert found.d_prime_low == 0.0
    assert found.d_prime**2 < SDS * np.sqrt(2.0 * 6) * 2.0 / N


def test_auc_is_the_share_of_pairs_that_are_ordered_rightly() -> None:
    signal = disk()
    present, absent = regions(N, 24) + signal, regions(N, 25)
    found = npw(present, absent, signal)
    scores = [(stack * signal).sum(axis=(1, 2)) for stack in (present, absent)]
    empirical = stats.mannwhitneyu(*scores).statistic / N**2
    assert found.auc == pytest.approx(empirical, abs=0.02)
    assert auc_of_d_prime(0.0) == 0.5
    assert auc_of_d_prime(1.5) == pytest.approx(stats.norm.cdf(1.5 / np.sqrt(2.0)))
    assert d_prime_of_auc(auc_of_d_prime(1.7)) == pytest.approx(1.7)


def test_d_prime_of_few_scores_is_unbiased() -> None:
    rng = np.random.default_rng(3)
    found = [d_prime_of_scores(rng.normal(1.0, 1.0, 8), rng.normal(0.0, 1.0, 8)) for _ in range(4000)]
    assert np.mean(found) == pytest.approx(1.0, abs=SDS * np.std(found) / np.sqrt(4000))


def test_laguerre_gauss_channels_are_orthonormal_and_round() -> None:
    channels = laguerre_gauss_channels(64, 12.0)
    np.testing.assert_allclose(channels.T @ channels, np.eye(6), atol=1e-6)
    first = channels[:, 0].reshape(64, 64)
    np.testing.assert_allclose(first, first.T)
    np.testing.assert_allclose(first, first[::-1])
    assert first[31, 31] == pytest.approx(np.sqrt(2.0) / 12.0 * np.exp(-np.pi * 0.5 / 144.0), rel=1e-6)


@pytest.mark.parametrize("radius_px", [3.0, 5.0, 8.0])
def test_the_channels_of_a_disk_keep_nearly_all_of_its_detectability_in_white_noise(radius_px: float) -> None:
    signal = disk(radius_px)
    whole = np.sqrt(np.sum(signal**2)) / SIGMA_HU
    seen = exact_cho(signal, np.ones_like(COLOUR), disk_channels(SIZE, radius_px))
    assert 0.93 * whole < seen <= whole


def test_npw_from_spectra_is_the_closed_form_in_white_noise() -> None:
    f = np.arange(1, 400) * 0.01  # far beyond the disk's own frequencies
    white = RadialPower(f, np.full_like(f, SIGMA_HU**2 * 0.49), np.ones_like(f))
    n_px = np.pi * 5.0**2 / 0.49
    exact = 4.0 * np.sqrt(n_px) / SIGMA_HU
    # what lies beyond the last ring f: 1/(π² R f) of the disk's energy
    assert npw_d_prime(white, 5.0, -4.0) == pytest.approx(exact, rel=1.0 / (np.pi**2 * 5.0 * 4.0))


def test_npw_from_spectra_agrees_with_the_observer_on_regions_for_a_blurred_disk() -> None:
    blur_mm, shape = 0.9, (SIZE, SIZE)
    transfer = np.exp(-2.0 * (np.pi * 0.8 * FREQUENCY_PX) ** 2)
    f = np.linspace(0.0, 1.5, 300)
    signal = disk_hu(shape, Disk(CENTRE, 3.5, 8.0, blur_mm), PIXEL_MM)
    noise = regions(N, 31, transfer)
    nps = noise_power(noise, PIXEL_MM, "mean").radial()
    by_spectra = npw_d_prime(nps, 3.5, 8.0, f, np.exp(-2.0 * (np.pi * blur_mm * f) ** 2))
    by_regions = npw(regions(N, 32, transfer) + signal, noise, signal).d_prime
    exact = exact_npw(signal, transfer)
    assert by_spectra == pytest.approx(exact, rel=0.03)
    assert by_regions == pytest.approx(by_spectra, abs=SDS * error_of(exact) + 0.03 * exact)


def test_spectra_without_noise_are_refused() -> None:
    f = np.arange(1.0, 9.0)
    with pytest.raises(DataError, match="must hold noise"):
        npw_d_prime(RadialPower(f, np.zeros(8), np.ones(8)), 3.0, 5.0)


def test_contrast_to_noise_ratio_by_hand() -> None:
    r = distance_mm((SIZE, SIZE), CENTRE, (1.0, 1.0))
    inside, outside = r < 4.0, (r > 7.0) & (r < 14.0)
    found = measure_cnr(regions(50, 41) + disk(5.0, 30.0), inside, outside)
    assert found == pytest.approx(30.0 / SIGMA_HU, rel=0.05)
    assert measure_cnr(np.zeros((2, SIZE, SIZE)), inside, outside) is None
    with pytest.raises(DataError, match="each mask needs 2 pixels"):
        measure_cnr(np.zeros((2, SIZE, SIZE)), r < 0.8 - 0.5, outside)


@pytest.mark.parametrize(
    ("present", "absent", "paired", "message"),
    [
        (np.zeros((9, 8, 8)), np.zeros((9, 8, 9)), False, "of one size"),
        (np.zeros((7, 8, 8)), np.zeros((9, 8, 8)), False, "at least 8 regions a class, got 7 and 9"),
        (np.zeros((9, 8, 8)), np.zeros((10, 8, 8)), True, "as many of both, got 9 and 10"),
        (np.full((9, 8, 8), np.nan), np.zeros((9, 8, 8)), False, "HU must be finite"),
        (np.zeros((9, 8, 8)), np.zeros((9, 8, 8)), False, "must vary between regions"),
    ],
)
def test_regions_that_cannot_be_judged_are_refused(present, absent, paired: bool, message: str) -> None:
    with pytest.raises(DataError, match=message):
        npw(present, absent, np.eye(8), paired=paired)


def test_more_channels_than_regions_allow_are_refused() -> None:
    with pytest.raises(DataError, match="25 channels need more, got 8 and 8"):
        cho(np.zeros((8, 5, 5)), np.zeros((8, 5, 5)), np.eye(25))


def test_constant_regions_are_refused_rather_than_divided_by() -> None:
    with pytest.raises(DataError, match="must vary between regions"):
        cho(np.ones((40, SIZE, SIZE)), np.zeros((40, SIZE, SIZE)), CHANNELS)


def test_the_result_counts_its_regions() -> None:
    found = npw(regions(20, 51), regions(30, 52), disk())
    assert isinstance(found, Detectability)
    assert (found.n_present, found.n_absent) == (20, 30)


@pytest.mark.real_data
def test_on_simulated_ct_a_blur_gains_nothing_for_the_hotelling_observer(shared_data: Path) -> None:
    """It undoes a blur that is linear, so d′ and with it the dose of equal d′ stay where they were."""
    curves = {"input": [], "blurred": []}
    for dose in ("010", "055", "100"):
        paths = sorted((shared_data / "ct_sim_lcd" / f"dose_{dose}_signal_absent").glob("*.raw"))
        images = np.stack([np.fromfile(path, "<i2").reshape(256, 256) - 1000.0 for path in paths])
        rois = tile_rois(distance_mm((256, 256), (128, 128), (1.0, 1.0)) < 75.0, 40)
        signal = np.zeros((256, 256))
        for row, col in rois.corners:
            signal[row : row + 40, col : col + 40] += disk_hu((40, 40), Disk((19.5, 19.5), 4.5, 30.0, 0.8), (1.0, 1.0))
        for name, sigma_px in (("input", 0.0), ("blurred", 1.0)):
            absent, present = (
                np.concatenate([rois.cut(ndimage.gaussian_filter(hu, sigma_px)) for hu in stack])
                for stack in (images, images + signal)
            )
            curves[name].append(cho(present, absent, disk_channels(40, 4.5), paired=True).d_prime)
    np.testing.assert_allclose(curves["blurred"], curves["input"], rtol=0.03)
    assert dose_reduction_potential([0.10, 0.55, 1.00], *curves.values()).dose_fraction == pytest.approx(1.0, abs=0.05)


def test_a_contrast_to_noise_ratio_is_signed_and_zero_where_nothing_is() -> None:
    r = distance_mm((SIZE, SIZE), CENTRE, (1.0, 1.0))
    inside, outside = r < 4.0, (r > 7.0) & (r < 14.0)
    error = np.sqrt(1.0 / (400 * np.count_nonzero(inside)) + 1.0 / (400 * np.count_nonzero(outside)))
    assert abs(measure_cnr(regions(400, 42), inside, outside)) < 4.0 * error
    assert measure_cnr(regions(50, 41) - disk(5.0, 30.0), inside, outside) < -1.0
