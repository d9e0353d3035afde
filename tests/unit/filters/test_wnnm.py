"""WNNM: its shrinkage against hand-computed values, then what it does to images."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.restoration import denoise_nl_means

from n2b_ct.errors import DataError
from n2b_ct.filters import wnnm as module
from n2b_ct.filters.wnnm import settings_for, weighted_shrinkage, wnnm


def noise(shape: tuple[int, ...], sigma: float, seed: int = 0) -> np.ndarray:
    return sigma * np.random.default_rng(seed).standard_normal(shape)


def psnr_db(image: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(255.0**2 / np.square(image - truth).mean()))


def test_the_shrinkage_of_a_diagonal_matrix_by_hand():
    """With c·√n·σ² = 24: ŝ = (s + √(s² − 96)) / 2, and 0 below √96 ≈ 9.8."""
    shrunk = weighted_shrinkage(np.array([14.0, 11.0, 10.0, 9.0, 0.0]), np.array(2.0), n_patches=9, constant=4.0)
    np.testing.assert_allclose(shrunk, [12.0, 8.0, 6.0, 0.0, 0.0], atol=1e-5)


def test_the_shrinkage_is_the_fixed_point_of_its_weight():
    singular = np.linspace(100.0, 2000.0, 50)
    shrunk = weighted_shrinkage(singular, np.array(25.0), n_patches=90)
    weight = 2.0 * math.sqrt(2.0) * math.sqrt(90) * 25.0 / (shrunk + 1e-6)
    np.testing.assert_allclose(shrunk, singular - weight, rtol=1e-6)


def test_large_singular_values_are_shrunk_least_and_none_grows():
    singular = np.linspace(0.0, 500.0, 200)
    loss = singular - weighted_shrinkage(singular, np.array(4.0), n_patches=70)
    is_kept = loss < singular
    assert (loss >= 0).all()
    assert (np.diff(loss[is_kept]) < 0).all()


def test_groups_keep_what_is_stronger_than_noise_and_lose_the_rest():
    """Rank one plus a weak component along axes: the singular values are known without computing them."""
    group = np.zeros((1, 4, 9))
    group[0, :, 0] = [100.0, -100.0, 0.0, 0.0]  # s = 100·√2, mean 0
    group[0, :, 4] = [0.0, 0.0, 1.0, -1.0]  # s = √2
    low_rank = module._low_rank(group, np.array([1.0]))
    strong = 100 * math.sqrt(2.0)
    kept = (strong + math.sqrt(strong**2 - 4 * 2 * math.sqrt(2.0) * 2.0)) / 2 / strong
    expected = np.zeros_like(group)
    expected[0, :, 0] = kept * group[0, :, 0]
    np.testing.assert_allclose(low_rank, expected, atol=1e-4)


def test_a_group_agrees_with_an_explicit_singular_value_decomposition():
    group = 50.0 + noise((3, 20, 9), 5.0)
    mean = group.mean(axis=1, keepdims=True)
    left, singular, right = np.linalg.svd(group - mean, full_matrices=False)
    shrunk = weighted_shrinkage(singular, np.full((3, 1), 9.0), n_patches=20)
    expected = (left * shrunk[:, None, :]) @ right + mean
    np.testing.assert_allclose(module._low_rank(group, np.full(3, 9.0)), expected, rtol=1e-6)


def test_the_nearest_patches_agree_with_a_search_by_brute_force():
    image = noise((45, 50), 20.0).astype(np.float32)
    patches = module._patches(image, 6)
    keys = (np.array([0, 17, 39]), np.array([3, 20, 44]))
    groups = module._match(patches, keys, n_patches=12)
    rows, cols = np.indices(patches.shape[:2])
    for group, (row, col) in zip(groups, [(row, col) for row in keys[0] for col in keys[1]], strict=True):
        distance = np.square(patches - patches[row, col]).sum(axis=-1)
        distance[(abs(rows - row) > 30) | (abs(cols - col) > 30)] = np.inf
        assert set(group) == set(np.argsort(distance, axis=None)[:12])
        assert row * patches.shape[1] + col in group


def test_overlapping_patches_are_put_back_where_they_were():
    image = noise((20, 23), 1.0).astype(np.float32)
    patches = module._patches(image, 5)
    weights = module._fold(np.ones_like(patches), image.shape)
    assert weights.max() == 25
    np.testing.assert_allclose(module._fold(patches, image.shape) / weights, image, atol=1e-5)


@pytest.mark.parametrize(
    ("sigma", "expected"),
    [(20.0, (6, 70, 8)), (25.0, (7, 90, 12)), (40.0, (7, 90, 12)), (60.0, (8, 120, 14)), (61.0, (9, 140, 14))],
)
def test_the_settings_are_the_published_ones(sigma, expected):
    settings = settings_for(sigma)
    assert (settings.patch_px, settings.n_patches, settings.n_iterations) == expected


def test_a_constant_image_becomes_nearly_constant():
    denoised = wnnm(120.0 + noise((36, 40), 15.0), 15.0)
    assert denoised.shape == (36, 40)
    assert denoised.dtype == np.float32
    assert denoised.std() < 15.0 / 8
    assert denoised.mean() == pytest.approx(120.0, abs=5 * 15.0 / math.sqrt(36 * 40))


def test_an_edge_stays_sharp():
    clean = np.where(np.arange(40) < 20, 60.0, 180.0) * np.ones((36, 1))
    denoised = wnnm(clean + noise(clean.shape, 15.0), 15.0)
    assert psnr_db(denoised, clean) > psnr_db(clean + noise(clean.shape, 15.0), clean) + 8.0
    step = denoised[:, 20].mean() - denoised[:, 19].mean()
    assert step == pytest.approx(120.0, abs=8.0)


def test_equal_patches_leave_no_pixel_uncovered():
    """A constant part, as padding in CT, holds more equal patches than a group takes."""
    image = np.full((48, 48), -200.0)
    image[30:, 30:] += noise((18, 18), 25.0)
    denoised = wnnm(image, 25.0)
    np.testing.assert_allclose(denoised[:16, :16], -200.0, atol=0.1)
    assert np.isfinite(denoised).all()


def _fails_first(n_failures: int, failure):
    """An eigensolver that fails in its first calls, then is torch's own; and the precisions it was asked in."""
    solve, asked = torch.linalg.eigh, []

    def eigh(matrices: torch.Tensor):
        asked.append(matrices.dtype)
        values, vectors = solve(matrices)
        return failure(values, vectors) if len(asked) <= n_failures else (values, vectors)

    return eigh, asked


def _nan_in_one_value(values: torch.Tensor, vectors: torch.Tensor):
    values[1, 0] = torch.nan
    return values, vectors


def _nan_in_one_vector(values: torch.Tensor, vectors: torch.Tensor):
    vectors[1, :, 2] = torch.nan
    return values, vectors


def _gives_up(values: torch.Tensor, vectors: torch.Tensor):
    raise torch.linalg.LinAlgError("The algorithm failed to converge")


@pytest.mark.parametrize("failure", [_nan_in_one_value, _nan_in_one_vector, _gives_up])
def test_a_solver_without_an_answer_is_asked_again_in_float64(monkeypatch, failure):
    """MKL does this to matrices of low rank on processors without AVX-512."""
    groups = (50.0 + noise((3, 20, 9), 5.0)).astype(np.float32)
    expected = module._low_rank(groups, np.full(3, 9.0))
    eigh, asked = _fails_first(1, failure)
    monkeypatch.setattr(torch.linalg, "eigh", eigh)
    np.testing.assert_allclose(module._low_rank(groups, np.full(3, 9.0)), expected, rtol=1e-4)
    assert asked == [torch.float32, torch.float64]


def test_numpy_is_asked_last(monkeypatch):
    image = noise((12, 12), 15.0)
    expected = wnnm(image, 15.0)
    eigh, asked = _fails_first(10**9, lambda values, vectors: (values * torch.nan, vectors))
    monkeypatch.setattr(torch.linalg, "eigh", eigh)
    np.testing.assert_allclose(wnnm(image, 15.0), expected, atol=1e-3)
    assert set(asked) == {torch.float32, torch.float64}


def test_patches_that_no_solver_can_decompose_are_an_error_of_ours(monkeypatch):
    def gives_up(*_):
        raise np.linalg.LinAlgError("Eigenvalues did not converge")

    monkeypatch.setattr(torch.linalg, "eigh", _fails_first(10**9, _gives_up)[0])
    monkeypatch.setattr(np.linalg, "eigh", gives_up)
    with pytest.raises(DataError, match="image: must have patches that can be decomposed"):
        wnnm(noise((12, 12), 15.0), 15.0)


def test_without_noise_the_image_is_returned():
    image = noise((20, 20), 50.0).astype(np.float32)
    np.testing.assert_array_equal(wnnm(image, 0.0), image)


def test_the_scale_does_not_matter():
    noisy = 120.0 + noise((24, 24), 15.0)
    np.testing.assert_allclose(wnnm(noisy / 255.0, 15.0 / 255.0, white=1.0) * 255.0, wnnm(noisy, 15.0), atol=0.05)


def test_the_image_is_left_alone_and_runs_repeat():
    noisy = 100.0 + noise((24, 24), 15.0)
    before = noisy.copy()
    np.testing.assert_array_equal(wnnm(noisy, 15.0), wnnm(noisy, 15.0))
    np.testing.assert_array_equal(noisy, before)


def test_the_smallest_image_is_one_patch():
    assert wnnm(100.0 + noise((6, 6), 15.0), 15.0).shape == (6, 6)


@pytest.mark.parametrize(
    ("image", "sigma", "message"),
    [
        (np.zeros((20, 20, 3)), 15.0, "image: must be grey, rows x cols, got 20x20x3"),
        (np.zeros((1, 1)), 15.0, "image: must be at least 6 x 6 pixels for this noise, got 1x1"),
        (np.full((20, 20), np.nan), 15.0, "image: must hold finite values"),
        (np.zeros((20, 20)), -1.0, r"wnnm\.sigma: must be 0 or more, and at most 1000 times white, got -1"),
        (np.zeros((20, 20)), math.nan, r"wnnm\.sigma: must be 0 or more, and at most 1000 times white, got nan"),
    ],
)
def test_what_it_cannot_denoise_is_refused(image, sigma, message):
    with pytest.raises(DataError, match=message):
        wnnm(image, sigma)


def test_an_impossible_white_is_named():
    with pytest.raises(DataError, match=r"wnnm\.white: must be above 0 and below 1e9, got 0"):
        wnnm(np.zeros((20, 20)), 0.1, white=0.0)


@pytest.mark.real_data
def test_a_photograph_gains_more_than_by_non_local_means(shared_data: Path):
    path = shared_data / "natural" / "Set12" / "01.png"
    if not path.is_file():
        pytest.skip("the natural images are not here: shared/data/natural/Set12 is absent")
    clean = np.asarray(Image.open(path).convert("L"), dtype=float)[96:168, 96:168]
    noisy = clean + noise(clean.shape, 25.0)
    averaged = denoise_nl_means(noisy, patch_size=5, patch_distance=10, h=0.7 * 25.0, sigma=25.0)
    denoised = wnnm(noisy, 25.0)
    assert psnr_db(denoised, clean) > psnr_db(noisy, clean) + 7.0
    assert psnr_db(denoised, clean) > psnr_db(averaged, clean) + 0.5
