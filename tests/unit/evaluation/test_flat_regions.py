"""Noise and HU bias without a ground truth, on noise of known σ and on real slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from n2b_ct.errors import DataError
from n2b_ct.evaluation.flat_regions import (
    BLOCK_PX,
    MIN_CLASS_PX,
    N_BLOCKS,
    TISSUE_CLASSES_HU,
    FlatBlocks,
    class_image,
    estimate_noise_std_hu,
    find_flat_blocks,
    flat_region_mask,
    mean_shift_hu,
    noise_std_hu,
    tissue_class_masks,
)


def ramp_filtered_noise(size: int, sigma_hu: float, seed: int) -> np.ndarray:
    """CT-like noise: power rises with frequency and is rolled off by a kernel; lag-1 correlation about 0.6."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    shaped = np.fft.ifft2(
        np.fft.fft2(rng.normal(size=(size, size))) * np.sqrt(frequency) * np.exp(-((frequency / 0.25) ** 2))
    ).real
    return shaped * sigma_hu / shaped.std()


def body(size: int = 256) -> np.ndarray:
    """A disc of soft tissue in air with a rim of fat, a bone, a lung and an organ with a slope."""
    rows, cols = np.mgrid[:size, :size]
    hu = np.full((size, size), -1000.0)
    radius = np.hypot(rows - size / 2, cols - size / 2)
    hu[radius < 0.46 * size] = -100.0
    hu[radius < 0.40 * size] = 45.0
    hu[np.hypot(rows - 0.3 * size, cols - 0.5 * size) < 0.07 * size] = 600.0
    hu[np.hypot(rows - 0.6 * size, cols - 0.3 * size) < 0.10 * size] = -800.0
    organ = np.hypot(rows - 0.6 * size, cols - 0.68 * size) < 0.12 * size
    hu[organ] = 60.0 + 0.2 * (cols[organ] - 0.68 * size)
    return hu


def test_white_noise_is_measured_within_six_percent() -> None:
    rng = np.random.default_rng(0)
    noisy = 40.0 + rng.normal(0.0, 25.0, (256, 256))
    assert noise_std_hu(noisy, find_flat_blocks(noisy)) == pytest.approx(25.0, rel=0.06)


@pytest.mark.parametrize("sigma_hu", [5.0, 15.0, 30.0, 60.0])
def test_correlated_ct_noise_is_measured_within_eight_percent(sigma_hu: float) -> None:
    measured = []
    for seed in range(4):
        noise = ramp_filtered_noise(256, sigma_hu, seed)
        assert 0.4 < np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1] < 0.75
        noisy = body() + noise
        measured.append(noise_std_hu(noisy, find_flat_blocks(noisy)))
    assert np.mean(measured) == pytest.approx(sigma_hu, rel=0.08)


def test_a_block_without_its_plane_has_the_deviation_computed_by_hand() -> None:
    rows, cols = np.mgrid[:BLOCK_PX, :BLOCK_PX]
    checkers = np.where((rows + cols) % 2 == 0, 3.0, -3.0)
    hu = 20.0 + 0.7 * rows - 1.3 * cols + checkers
    by_hand = 3.0 * np.sqrt(BLOCK_PX**2 / (BLOCK_PX**2 - 3))
    blocks = FlatBlocks(((0, 0),), hu.shape)
    assert noise_std_hu(hu, blocks) == pytest.approx(by_hand, rel=1e-3)


def test_noise_agrees_with_a_least_squares_plane_from_numpy() -> None:
    rng = np.random.default_rng(4)
    hu = rng.normal(50.0, 10.0, (BLOCK_PX, BLOCK_PX))
    rows, cols = np.mgrid[:BLOCK_PX, :BLOCK_PX]
    design = np.stack([np.ones(hu.size), rows.ravel(), cols.ravel()], axis=1)
    residual_square = np.linalg.lstsq(design, hu.ravel(), rcond=None)[1][0]
    expected = np.sqrt(residual_square / (hu.size - 3))
    assert noise_std_hu(hu, FlatBlocks(((0, 0),), hu.shape)) == pytest.approx(expected)


def test_flat_blocks_lie_in_soft_tissue_and_do_not_overlap() -> None:
    noisy = body() + ramp_filtered_noise(256, 20.0, 1)
    blocks = find_flat_blocks(noisy)
    assert 1 <= len(blocks.corners) <= N_BLOCKS
    assert np.count_nonzero(flat_region_mask(noisy)) == len(blocks.corners) * BLOCK_PX**2
    truth = body()[blocks.mask]
    assert truth.min() > 0.0
    assert truth.max() < 100.0


def test_air_has_no_flat_tissue_and_so_no_noise_figure() -> None:
    air = np.full((64, 64), -1000.0)
    assert find_flat_blocks(air).corners == ()
    assert noise_std_hu(air, find_flat_blocks(air)) is None
    assert find_flat_blocks(np.zeros((8, 8))).corners == ()


def test_without_tissue_the_noise_comes_from_a_mask_that_is_blind_to_planes() -> None:
    rng = np.random.default_rng(5)
    rows, cols = np.mgrid[:128, :128]
    noisy = -900.0 + 0.5 * rows + 0.3 * cols + rng.normal(0.0, 12.0, (128, 128))
    assert estimate_noise_std_hu(noisy) == pytest.approx(12.0, rel=0.05)


def test_every_tissue_class_is_found_where_it_was_put() -> None:
    noisy = body() + ramp_filtered_noise(256, 20.0, 2)
    masks = tissue_class_masks(class_image(noisy))
    assert list(masks) == list(TISSUE_CLASSES_HU)
    for name, hu in (("lung", -800.0), ("fat", -100.0), ("bone", 600.0)):
        assert np.count_nonzero(masks[name]) >= MIN_CLASS_PX
        assert np.all(body()[masks[name]] == hu)
    assert not masks["lung"][0, 0], "air around the body is not lung"


def test_a_shift_of_seven_hu_is_a_bias_of_seven_hu() -> None:
    noisy = body() + ramp_filtered_noise(256, 20.0, 3)
    for mask in tissue_class_masks(class_image(noisy)).values():
        if mask.any():
            assert mean_shift_hu(noisy, noisy + 7.0, mask) == pytest.approx(7.0)


def test_removing_nothing_but_noise_is_no_bias_in_any_class() -> None:
    clean = body()
    found: dict[str, list[float]] = {}
    for seed in range(6):
        noisy = clean + ramp_filtered_noise(256, 20.0, seed)
        for name, mask in tissue_class_masks(class_image(noisy)).items():
            bias = mean_shift_hu(noisy, clean, mask, MIN_CLASS_PX)
            found.setdefault(name, []).extend([] if bias is None else [bias])
    assert {name for name, biases in found.items() if biases} == {"lung", "fat", "soft", "bone"}
    assert all(abs(np.mean(biases)) < 1.0 for biases in found.values() if biases)


def test_a_class_with_too_few_pixels_has_no_bias() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[:3, :3] = True
    assert mean_shift_hu(np.zeros((20, 20)), np.ones((20, 20)), mask, min_px=10) is None
    assert mean_shift_hu(np.zeros((20, 20)), np.ones((20, 20)), mask, min_px=9) == 1.0


def test_a_nan_slice_is_refused() -> None:
    with pytest.raises(DataError, match=r"input: HU must be finite, got 1 NaN or infinite pixels; "):
        find_flat_blocks(np.where(np.eye(32) * np.eye(32)[0] > 0, np.nan, 40.0))


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("folder", "sigma_hu", "tolerance_hu"),
    [
        ("ct_lowdose_pairs/mayo_L143_3mm_B30/QD", 30.0, 5.0),
        ("ct_lowdose_pairs/mayo_L192_3mm_B30/QD", 30.0, 3.0),
        ("ct_lowdose_pairs/mayo_L143_3mm_B30/FD", 15.0, 3.0),
        ("ct_lowdose_pairs/mayo_L192_3mm_B30/FD", 15.0, 3.0),
        ("ct_noisy/rider_pilot_chest_1.25mm", 14.0, 4.5),
        ("ct_clean/acrin_flt_013_5mm_B10f", 6.0, 1.5),
    ],
)
def test_real_series_show_the_noise_they_are_known_for(shared_data, folder, sigma_hu, tolerance_hu) -> None:
    measured = [noise_std_hu(hu, find_flat_blocks(hu)) for hu in _slices(shared_data / folder)[:12]]
    assert np.mean([sigma for sigma in measured if sigma is not None]) == pytest.approx(sigma_hu, abs=tolerance_hu)


@pytest.mark.real_data
def test_the_normal_dose_slice_is_an_unbiased_denoiser_of_the_quarter_dose(shared_data) -> None:
    folder = shared_data / "ct_lowdose_pairs" / "mayo_L192_3mm_B30"
    found: dict[str, list[float]] = {name: [] for name in ("lung", "fat", "soft", "dense")}
    for quarter, full in zip(_slices(folder / "QD"), _slices(folder / "FD"), strict=True):
        masks = tissue_class_masks(class_image(quarter))
        for name, biases in found.items():
            bias = mean_shift_hu(quarter, full, masks[name], MIN_CLASS_PX)
            biases += [] if bias is None else [bias]
    assert all(abs(np.mean(biases)) < 2.0 for biases in found.values())


@pytest.mark.real_data
def test_a_blur_shows_as_bias_in_bone(shared_data) -> None:
    hu = _slices(shared_data / "ct_lowdose_pairs" / "mayo_L192_3mm_B30" / "FD")[0]
    bias = mean_shift_hu(
        hu, ndimage.gaussian_filter(hu, 1.0), tissue_class_masks(class_image(hu))["bone"], MIN_CLASS_PX
    )
    assert bias is not None
    assert bias < -3.0


def _slices(folder: Path) -> list[np.ndarray]:
    pydicom = pytest.importorskip("pydicom")
    found = [pydicom.dcmread(path) for path in folder.iterdir()]
    found.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
    return [ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept) for ds in found]


@pytest.mark.parametrize("sigma_hu", [10.0, 40.0])
def test_thin_tissue_in_air_is_measured_by_its_own_deviation(sigma_hu):
    hu = np.full((128, 128), -1000.0)
    hu[:, 40:60] = 40.0  # too thin for a flat block with its margin
    hu[:, 40:60] += np.random.default_rng(0).normal(0.0, sigma_hu, (128, 20))
    assert find_flat_blocks(hu).corners == ()
    assert estimate_noise_std_hu(hu) == pytest.approx(sigma_hu, rel=0.2)
