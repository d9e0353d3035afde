"""PSNR, SSIM and RMSE against hand-made numbers, scikit-image and MONAI."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.metrics import PSNRMetric, SSIMMetric
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from n2b_ct.errors import DataError
from n2b_ct.evaluation.fidelity import DEFINITIONS, measure_fidelity, psnr, rmse_hu, ssim
from n2b_ct.hu import WINDOWS, Window

ABDOMEN = WINDOWS["abdomen"]


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    rows, cols = np.mgrid[:72, :80]
    reference = 40.0 + 90.0 * np.sin(rows / 9.0) * np.cos(cols / 7.0)
    reference[20:30, 20:34] = 900.0
    return reference, reference + rng.normal(0.0, 35.0, reference.shape)


def test_a_uniform_error_of_ten_hu_in_a_range_of_400_is_32_04_db() -> None:
    reference = np.zeros((16, 16))
    candidate = np.full((16, 16), 10.0)
    assert rmse_hu(reference, candidate, ABDOMEN) == pytest.approx(10.0)
    assert psnr(reference, candidate, ABDOMEN) == pytest.approx(20 * math.log10(40.0))
    assert psnr(reference, candidate, ABDOMEN) == pytest.approx(32.0412, abs=1e-4)


def test_two_wrong_pixels_of_four_are_averaged_as_squares() -> None:
    reference = np.array([[0.0, 0.0], [0.0, 0.0]])
    candidate = np.array([[3.0, 0.0], [-4.0, 0.0]])
    assert rmse_hu(reference, candidate, ABDOMEN) == pytest.approx(2.5)


def test_what_lies_outside_the_window_is_clipped_before_it_counts() -> None:
    reference = np.full((12, 12), 1000.0)
    candidate = np.full((12, 12), 230.0)
    assert rmse_hu(reference, candidate, ABDOMEN) == pytest.approx(10.0)
    assert rmse_hu(reference, candidate, Window(-1024, 3071)) == pytest.approx(770.0)


def test_psnr_equals_scikit_image_and_monai(pair: tuple[np.ndarray, np.ndarray]) -> None:
    reference, candidate = (ABDOMEN.clip(hu) for hu in pair)
    ours = psnr(*pair, ABDOMEN)
    assert ours == pytest.approx(peak_signal_noise_ratio(reference, candidate, data_range=400.0), abs=1e-9)
    monai = PSNRMetric(max_val=400.0)(_batch(candidate), _batch(reference)).item()
    assert ours == pytest.approx(monai, abs=1e-4)


def test_ssim_equals_scikit_image_and_monai_on_the_window_scaled_to_one(pair: tuple[np.ndarray, np.ndarray]) -> None:
    reference, candidate = (ABDOMEN.normalise(hu).astype(np.float64) for hu in pair)
    ours = ssim(*pair, ABDOMEN)
    skimage = structural_similarity(
        reference, candidate, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ours == pytest.approx(skimage, abs=1e-6)
    metric = SSIMMetric(spatial_dims=2, data_range=1.0, win_size=11, kernel_sigma=1.5)
    assert ours == pytest.approx(metric(_batch(candidate), _batch(reference)).item(), abs=1e-4)


def test_ssim_does_not_depend_on_where_hu_has_its_zero(pair: tuple[np.ndarray, np.ndarray]) -> None:
    reference, candidate = pair
    moved = Window(ABDOMEN.lower_hu + 1024, ABDOMEN.upper_hu + 1024)
    assert ssim(reference, candidate, ABDOMEN) == pytest.approx(ssim(reference + 1024, candidate + 1024, moved))


def test_the_same_noise_scores_by_the_width_of_its_window() -> None:
    rng = np.random.default_rng(3)
    reference = np.zeros((128, 128))
    noisy = reference + rng.normal(0.0, 20.0, reference.shape)
    narrow, wide = psnr(reference, noisy, ABDOMEN), psnr(reference, noisy, WINDOWS["full"])
    assert narrow is not None
    assert wide is not None
    assert wide - narrow == pytest.approx(20 * math.log10(4095 / 400), abs=1e-6)


def test_an_identical_slice_has_no_psnr_and_an_ssim_of_one(pair: tuple[np.ndarray, np.ndarray]) -> None:
    measured = measure_fidelity(pair[0], pair[0].copy(), ABDOMEN)
    assert measured.psnr_db is None
    assert measured.ssim == pytest.approx(1.0)
    assert measured.rmse_hu == 0.0


def test_constant_slices_give_finite_numbers() -> None:
    measured = measure_fidelity(np.full((16, 16), 40.0), np.full((16, 16), 60.0), ABDOMEN)
    assert measured.psnr_db == pytest.approx(20 * math.log10(20.0))
    assert 0.0 < measured.ssim < 1.0


@pytest.mark.parametrize(
    ("candidate", "says"),
    [
        (np.full((16, 16), np.nan), r"candidate: HU must be finite, got 256 NaN or infinite pixels; "),
        (np.zeros((16, 15)), r"candidate: compared slices must share one size, got 16x15 and 16x16; "),
        (np.zeros((1, 16, 16)), r"candidate: a slice is \[rows, cols\], got 3 axes; "),
    ],
)
def test_a_slice_that_cannot_be_compared_is_refused(candidate: np.ndarray, says: str) -> None:
    with pytest.raises(DataError, match=says):
        psnr(np.zeros((16, 16)), candidate, ABDOMEN)


def test_a_slice_smaller_than_the_gaussian_has_no_ssim() -> None:
    with pytest.raises(DataError, match=r"SSIM needs at least 11x11 pixels, got 10x40; "):
        ssim(np.zeros((10, 40)), np.ones((10, 40)), ABDOMEN)


def test_the_definitions_name_what_makes_numbers_comparable() -> None:
    assert "sigma=1.5, use_sample_covariance=False" in DEFINITIONS["ssim"]
    assert "window width" in DEFINITIONS["psnr_db"]


@pytest.mark.real_data
def test_the_quarter_dose_of_l192_scores_its_known_baseline(shared_data) -> None:
    pydicom = pytest.importorskip("pydicom")
    folder = shared_data / "ct_lowdose_pairs" / "mayo_L192_3mm_B30"
    full, quarter = ({_place(ds): ds for ds in map(pydicom.dcmread, (folder / d).iterdir())} for d in ("FD", "QD"))
    scores = [measure_fidelity(_hu(full[z]), _hu(quarter[z]), ABDOMEN) for z in sorted(full)]
    assert np.mean([score.psnr_db for score in scores]) == pytest.approx(27.97, abs=0.01)
    assert np.mean([score.ssim for score in scores]) == pytest.approx(0.836, abs=0.001)


def _batch(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image))[None, None].float()


def _place(dataset) -> float:
    return round(float(dataset.ImagePositionPatient[2]), 2)


def _hu(dataset) -> np.ndarray:
    return dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
