"""Squares for noise texture: tiles of a mask, and flat tissue found in a slice."""

from __future__ import annotations

import numpy as np
import pytest

from n2b_ct.errors import DataError
from n2b_ct.evaluation.flat_regions import BLOCK_PX, find_flat_blocks
from n2b_ct.evaluation.rois import MAX_ROIS, MIN_ROIS, Rois, find_flat_rois, tile_rois


def noisy(hu: np.ndarray, seed: int = 0, sigma_hu: float = 15.0) -> np.ndarray:
    """CT-like noise on an image: rising then falling power."""
    f = np.hypot(np.fft.fftfreq(hu.shape[0])[:, None], np.fft.fftfreq(hu.shape[1])[None])
    white = np.random.default_rng(seed).normal(size=hu.shape)
    noise = np.fft.ifft2(np.fft.fft2(white) * np.sqrt(f) * np.exp(-((f / 0.25) ** 2))).real
    return hu + noise * sigma_hu / noise.std()


def water(size: int = 256, radius_px: float = 110.0) -> np.ndarray:
    row, col = np.mgrid[:size, :size] - size / 2
    return np.where(np.hypot(row, col) < radius_px, 40.0, -1000.0)


def test_squares_are_cut_where_their_corners_say() -> None:
    hu = np.arange(100.0).reshape(10, 10)
    cut = Rois(((0, 0), (3, 5)), 4, (10, 10)).cut(hu)
    np.testing.assert_array_equal(cut, [hu[0:4, 0:4], hu[3:7, 5:9]])


def test_tiles_cover_a_mask_without_leaving_it() -> None:
    mask = np.zeros((40, 50), bool)
    mask[8:40, 0:35] = True
    assert tile_rois(mask, 16).corners == ((16, 0), (16, 16))
    assert tile_rois(mask, 16, 8).corners == tuple((r, c) for r in (8, 16, 24) for c in (0, 8, 16))


def test_tiles_of_no_size_are_refused() -> None:
    with pytest.raises(DataError, match="size and stride must be at least 1 px, got 0"):
        tile_rois(np.ones((8, 8), bool), 4, 0)


def test_a_large_flat_object_gives_the_largest_squares_inside_it() -> None:
    found = find_flat_rois(noisy(water(512, 240.0)))
    assert found.size_px == 64
    assert MIN_ROIS <= len(found.corners) <= MAX_ROIS
    assert np.all(found.cut(water(512, 240.0)) == 40.0)


def test_squares_do_not_overlap() -> None:
    found = find_flat_rois(noisy(water()))
    covered = np.zeros(found.shape, int)
    for row, col in found.corners:
        covered[row : row + found.size_px, col : col + found.size_px] += 1
    assert covered.max() == 1


def test_squares_keep_away_from_vessels() -> None:
    hu = water(512, 240.0)
    row, col = np.mgrid[:512, :512]
    vessels = (np.hypot(row % 72 - 36, col % 72 - 36) < 6) & (hu > 0)
    found = find_flat_rois(noisy(np.where(vessels, 140.0, hu)))
    assert found.size_px in (24, 32, 48)
    assert not found.cut(vessels.astype(float)).any()


def test_small_flat_tissue_falls_back_to_blocks_of_sixteen() -> None:
    hu = np.full((128, 128), -1000.0)
    hu[20:70, 20:70] = 40.0
    slice_hu = noisy(hu)
    found = find_flat_rois(slice_hu)
    assert found.size_px == BLOCK_PX
    assert found.corners == find_flat_blocks(slice_hu).corners
    assert found.corners


def test_a_slice_without_soft_tissue_has_no_squares_and_cuts_nothing() -> None:
    air = np.full((64, 64), -1000.0)
    found = find_flat_rois(air)
    assert found.corners == ()
    assert found.cut(air).shape == (0, BLOCK_PX, BLOCK_PX)


def test_squares_are_not_cut_from_another_slices_size() -> None:
    with pytest.raises(DataError, match="compared slices must share one size"):
        find_flat_rois(noisy(water())).cut(np.zeros((64, 64)))
