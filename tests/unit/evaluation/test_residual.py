"""Anatomy in the residual: none in pure noise, some in a blur, and how much."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage, stats

from n2b_ct.errors import DataError
from n2b_ct.evaluation.ct_baselines import denoise_slice
from n2b_ct.evaluation.residual import (
    BLOCK_PX,
    DETAIL_SIGMA_PX,
    _moved_sums,
    autocorrelation,
    detail_removed,
    edge_structure,
    faint_removed,
    residual_hu,
)
from n2b_ct.filters.baselines import nlm

SIZE = 256


def gaussian_blur(hu: np.ndarray, sigma_px: float = 1.0) -> np.ndarray:
    return ndimage.gaussian_filter(hu.astype(np.float64), sigma_px, mode="mirror").astype(np.float32)


def ct_noise(seed: int, sigma_hu: float = 20.0) -> np.ndarray:
    f = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.fftfreq(SIZE)[None])
    white = np.random.default_rng(seed).normal(size=(SIZE, SIZE))
    noise = np.fft.ifft2(np.fft.fft2(white) * np.sqrt(f) * np.exp(-((f / 0.25) ** 2))).real
    return noise * sigma_hu / noise.std()


def anatomy() -> np.ndarray:
    """Soft tissue in air with organs, vessels and bone, drawn a little blurred."""
    row, col = np.mgrid[:SIZE, :SIZE]
    hu = np.where(np.hypot(row - 128, col - 128) < 122, 40.0, -1000.0)
    rng = np.random.default_rng(77)
    for _ in range(60):
        centre, radius, add_hu = rng.uniform(30, 226, 2), rng.uniform(2, 14), rng.choice([-60.0, 40.0, 90.0, 400.0])
        hu[(np.hypot(row - centre[0], col - centre[1]) < radius) & (hu > -500)] = 40.0 + add_hu
    return ndimage.gaussian_filter(hu, 0.8)


TRUTH = anatomy()


def test_a_perfect_denoiser_is_not_blamed_and_its_deviations_are_standard_normal() -> None:
    found = [edge_structure(TRUTH + ct_noise(k), TRUTH) for k in range(30)]
    assert not any(result.warns for result in found)
    deviations = np.array([result.deviation_sds for result in found])
    assert abs(deviations.mean()) < 4.0 / np.sqrt(30)
    assert 0.5 < deviations.std(ddof=1) < 1.6  # χ² with 29 degrees of freedom, four of its deviations
    assert stats.kstest([result.p_value for result in found], "uniform").pvalue > 1e-3


def test_noise_that_grows_towards_the_middle_is_not_blamed() -> None:
    row, col = np.mgrid[:SIZE, :SIZE]
    strength = 0.4 + 1.2 * np.exp(-np.hypot(row - 128, col - 128) / 80.0)
    found = edge_structure(TRUTH + strength * ct_noise(40), TRUTH)
    assert not found.warns


@pytest.mark.parametrize("with_reference", [True, False])
@pytest.mark.parametrize("sigma_px", [0.5, 1.0, 2.0])
def test_a_blur_is_found_out(sigma_px: float, with_reference: bool) -> None:
    noisy = TRUTH + ct_noise(1)
    found = edge_structure(noisy, gaussian_blur(noisy, sigma_px), TRUTH if with_reference else None)
    assert found.warns
    assert found.correlation > found.null_mean
    assert found.edge_excess_percent > 20.0
    assert found.p_value == 0.001


def test_a_filter_that_leaves_noise_at_edges_lies_below_the_null() -> None:
    noisy = TRUTH + ct_noise(2)
    found = edge_structure(noisy, denoise_slice(nlm, noisy))
    assert not found.warns
    assert found.deviation_sds < -5.0


def test_the_null_of_all_moves_is_what_moving_the_blocks_by_hand_gives() -> None:
    rng = np.random.default_rng(3)
    moving, fixed = rng.normal(size=(2, 2, BLOCK_PX, BLOCK_PX))
    sums = _moved_sums(moving, fixed).reshape(2, 2, 4, BLOCK_PX, BLOCK_PX)
    assert sums[1, 0, 0, 0, 0] == pytest.approx(np.sum(moving[1] * fixed[1]))
    by_hand = np.sum(np.roll(np.rot90(moving[0].T, 3), (5, 11), axis=(0, 1)) * fixed[0])
    assert sums[0, 1, 3, 5, 11] == pytest.approx(by_hand)


def test_the_correlation_is_numpys() -> None:
    noisy, edges = TRUTH + ct_noise(4), ndimage.gaussian_gradient_magnitude(TRUTH, 1.5)
    found = edge_structure(noisy, gaussian_blur(noisy), TRUTH)
    body = ndimage.binary_erosion(ndimage.gaussian_filter(noisy, 2.0) > -300.0, iterations=8)
    blocks = np.array([
        np.s_[r : r + BLOCK_PX, c : c + BLOCK_PX]
        for r in range(0, SIZE, BLOCK_PX)
        for c in range(0, SIZE, BLOCK_PX)
        if body[r : r + BLOCK_PX, c : c + BLOCK_PX].all()
    ])  # fmt: skip
    removed = np.abs(noisy - gaussian_blur(noisy))
    pixels = [np.concatenate([image[tuple(block)].ravel() for block in blocks]) for image in (removed, edges)]
    assert found.n_blocks == len(blocks)
    assert found.correlation == pytest.approx(np.corrcoef(*pixels)[0, 1])


def test_the_share_of_detail_that_was_removed_is_measured() -> None:
    noisy = TRUTH + ct_noise(5)
    detail = TRUTH - ndimage.gaussian_filter(TRUTH, DETAIL_SIGMA_PX)
    for share in (0.0, 0.1, 0.5):
        found = detail_removed(noisy, TRUTH - share * detail, TRUTH)
        assert found.percent == pytest.approx(100.0 * share, abs=4.0 * found.null_sd_percent)
        assert found.warns == (share > 0.0)


def test_the_error_of_the_detail_share_is_what_noise_gives_it() -> None:
    found = [detail_removed(TRUTH + ct_noise(k), TRUTH, TRUTH) for k in range(30)]
    spread = np.std([result.percent for result in found], ddof=1)
    assert np.mean([result.null_sd_percent for result in found]) == pytest.approx(spread, rel=0.55)


def test_detail_sees_what_an_edge_preserving_filter_takes_from_weak_structures() -> None:
    noisy = TRUTH + ct_noise(6)
    strong_kept = np.where(ndimage.gaussian_gradient_magnitude(TRUTH, 1.5) > 15.0, noisy, gaussian_blur(TRUTH, 2.0))
    assert not edge_structure(noisy, strong_kept).warns
    weak = np.where(ndimage.maximum_filter(TRUTH, 9) > 200.0, 40.0, TRUTH)
    assert detail_removed(weak + ct_noise(6), gaussian_blur(weak, 2.0), weak).warns


def test_the_residual_is_input_minus_denoised() -> None:
    assert residual_hu(np.full((4, 4), 50.0), np.full((4, 4), 30.0))[0, 0] == 20.0
    with pytest.raises(DataError, match="compared slices must share one size"):
        residual_hu(np.zeros((4, 4)), np.zeros((4, 5)))


def test_without_a_patient_or_without_a_residual_there_is_no_verdict() -> None:
    assert edge_structure(np.full((64, 64), -1000.0), np.zeros((64, 64))) is None
    assert edge_structure(TRUTH, TRUTH) is None
    assert detail_removed(np.full((SIZE, SIZE), 40.0), np.zeros((SIZE, SIZE)), np.full((SIZE, SIZE), 40.0)) is None
    assert edge_structure(TRUTH[:20, :20], TRUTH[:20, :20]) is None


def test_autocorrelation_of_filtered_noise_is_the_closed_form() -> None:
    white = np.random.default_rng(8).normal(size=(40, 64, 64))
    f = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64)[None])
    transfer = np.exp(-2.0 * (np.pi * 0.9 * f) ** 2)
    found = autocorrelation(np.fft.ifft2(np.fft.fft2(white) * transfer).real)
    exact = np.fft.ifft2(transfer**2).real
    np.testing.assert_allclose(found, exact[0, 1:5] / exact[0, 0], atol=0.02)


def test_autocorrelation_needs_regions_that_vary() -> None:
    assert autocorrelation(np.zeros((2, 16, 16))) is None
    with pytest.raises(DataError, match="must be larger than the lag of 4 px, got 2x4x4"):
        autocorrelation(np.zeros((2, 4, 4)))


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["mayo_L143_3mm_B30", "mayo_L192_3mm_B30", "mayo_L192_3mm_D45"])
def test_real_noise_is_not_blamed_and_a_real_blur_is(shared_data: Path, name: str) -> None:
    folder = shared_data / "ct_lowdose_pairs" / name
    for quarter, full in zip(_slices(folder / "QD")[:4], _slices(folder / "FD")[:4], strict=True):
        assert not edge_structure(quarter, full).warns
        assert edge_structure(quarter, gaussian_blur(quarter, 0.5)).warns


def _slices(folder: Path) -> list[np.ndarray]:
    pydicom = pytest.importorskip("pydicom")
    found = [pydicom.dcmread(path) for path in folder.iterdir()]
    found.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
    return [ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept) for ds in found]


def faint_hu(seed: int) -> np.ndarray:
    """Structure of a few HU and pixels."""
    rough = ndimage.gaussian_filter(np.random.default_rng(seed + 900).normal(size=(SIZE, SIZE)), 1.5)
    return 8.0 * rough / rough.std()


def test_faint_structure_that_goes_with_real_noise_is_measured_and_warned_of_where_edges_show_nothing() -> None:
    for k in range(4):
        flat = np.where(TRUTH > -500, 40.0, -1000.0)
        truth, noise = flat + faint_hu(k) * (flat > 0), ct_noise(k, 30.0)
        judge = truth + ct_noise(k + 40, 15.0)
        gone = faint_removed(truth + noise, flat, judge)
        assert gone is not None
        assert gone.percent == pytest.approx(100.0, abs=8.0)
        assert gone.warns
        kept = faint_removed(truth + noise, truth + 0.4 * noise, judge)
        assert kept is not None
        assert abs(kept.percent) < 4.0 * kept.null_sd_percent
        assert not kept.warns
        edges = edge_structure(truth + noise, flat, judge)
        assert edges is not None
        assert not edges.warns


def test_a_half_of_faint_structure_is_a_half() -> None:
    flat = np.where(TRUTH > -500, 40.0, -1000.0)
    truth = flat + faint_hu(9) * (flat > 0)
    half = faint_removed(truth + ct_noise(9, 10.0), 0.5 * (truth + flat), truth)
    assert half is not None
    assert half.percent == pytest.approx(50.0, abs=5.0)


def test_without_faint_structure_or_patient_there_is_no_share() -> None:
    flat = np.full((SIZE, SIZE), 40.0)
    assert faint_removed(flat + ct_noise(0), flat, flat + ct_noise(1)) is None
    air = np.full((SIZE, SIZE), -1000.0)
    assert faint_removed(air + ct_noise(0), air, air) is None
