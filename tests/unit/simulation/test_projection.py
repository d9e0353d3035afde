"""Projection and back-projection against closed forms and against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.transform import iradon, radon

from n2b_ct.simulation.projection import (
    ParallelBeam,
    filtered_back_project,
    forward_project,
    ramp_response,
)

SIZE = 65
BEAM = ParallelBeam.for_image(SIZE, 1.0)
MARGIN = (BEAM.n_bins - SIZE) // 2


def blobs() -> np.ndarray:
    """Two smooth blobs in no symmetric place, ``[65, 65]``."""
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    return (np.exp(-((x - 12) ** 2 + (y + 7) ** 2) / 18) + 0.5 * np.exp(-((x + 9) ** 2 + (y - 14) ** 2) / 40)).astype(
        np.float32
    )


def disc(size: int, radius: float, shift: float = 0.0) -> np.ndarray:
    """An anti-aliased disc of value one."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.clip(0.5 + radius - np.hypot(x - shift, y), 0.0, 1.0)


def test_a_discs_projection_is_its_chord() -> None:
    beam = ParallelBeam.for_image(128, 0.5)
    sinogram = forward_project(disc(128, 40.0, shift=10.0), beam)
    centre = 10.0 * np.cos(beam.angles_rad)[:, None]
    offset = np.arange(beam.n_bins) - (beam.n_bins - 1) / 2 - centre
    chord_mm = 0.5 * 2.0 * np.sqrt(np.maximum(40.0**2 - offset**2, 0.0))
    is_inside = np.abs(offset) < 37.0
    assert np.abs(sinogram - chord_mm)[is_inside].max() < 0.6
    assert np.abs(sinogram - chord_mm)[is_inside].mean() < 0.1


def test_the_projection_is_scikit_images_radon_transform() -> None:
    ours = forward_project(blobs(), BEAM)
    theirs = radon(np.pad(blobs(), MARGIN), theta=np.rad2deg(BEAM.angles_rad), circle=True).T
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.9999
    assert (ours * theirs).sum() / (theirs**2).sum() == pytest.approx(1.0, abs=2e-3)


def test_the_reconstruction_is_scikit_images_iradon() -> None:
    sinogram = forward_project(blobs(), BEAM)
    ours = filtered_back_project(sinogram[None], BEAM)[0]
    theirs = iradon(sinogram.T, theta=np.rad2deg(BEAM.angles_rad), filter_name="ramp", circle=True)
    theirs = theirs[MARGIN:-MARGIN, MARGIN:-MARGIN]
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.9995
    assert (ours * theirs).sum() / (theirs**2).sum() == pytest.approx(1.0, abs=0.01)


def test_an_image_survives_projection_and_reconstruction() -> None:
    restored = filtered_back_project(forward_project(blobs(), BEAM)[None], BEAM)[0]
    assert np.abs(restored - blobs()).max() < 0.02


@pytest.mark.parametrize("pixel_mm", [0.5, 2.0])
def test_the_level_of_a_disc_survives_whatever_the_pixel_size(pixel_mm: float) -> None:
    beam = ParallelBeam.for_image(96, pixel_mm)
    restored = filtered_back_project(forward_project(disc(96, 30.0), beam)[None], beam)[0]
    assert restored[38:58, 38:58].mean() == pytest.approx(1.0, abs=5e-3)
    assert abs(restored[:6].mean()) < 5e-3


def test_reconstruction_is_linear_and_batches_do_not_mix() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.standard_normal((2, BEAM.n_views, BEAM.n_bins)).astype(np.float32)
    batch = filtered_back_project(np.stack([first, second, 2 * first - 3 * second]), BEAM, blur_px=0.6)
    alone = filtered_back_project(second[None], BEAM, blur_px=0.6)[0]
    np.testing.assert_allclose(batch[1], alone, atol=1e-5)
    np.testing.assert_allclose(batch[2], 2 * batch[0] - 3 * batch[1], atol=1e-5)


def test_the_kernels_blur_is_a_gaussian_blur_of_the_image() -> None:
    sinogram = forward_project(blobs(), BEAM)[None]
    blurred = filtered_back_project(sinogram, BEAM, blur_px=1.2)[0]
    expected = gaussian_filter(filtered_back_project(sinogram, BEAM)[0], 1.2)
    assert np.abs(blurred - expected)[8:-8, 8:-8].max() < 5e-3


def test_small_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sinogram = forward_project(blobs(), BEAM)[None]
    whole = filtered_back_project(sinogram, BEAM)
    monkeypatch.setattr("n2b_ct.simulation.projection._BLOCK_VALUES", 1000)
    np.testing.assert_array_equal(filtered_back_project(sinogram, BEAM), whole)


def test_the_ramp_rises_to_half_a_cycle_per_bin_and_keeps_a_trace_of_the_mean() -> None:
    response = ramp_response(512, 0.8, 0.0)
    assert response[-1] == pytest.approx(0.5 / 0.8, rel=1e-3)
    assert response[128] == pytest.approx(0.25 / 0.8, rel=1e-3)
    assert 0.0 < response[0] < 1e-3


def test_an_impossible_scan_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        ParallelBeam(64, 90, 1.0)
