"""Invented structure on signal-absent images: none in noise, found where it was put."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, stats

from n2b_ct.errors import DataError
from n2b_ct.evaluation.disks import Disk, disk_hu, roi_centre_px
from n2b_ct.evaluation.hallucination import false_positives, invented_structure

SIZE, SIGMA_HU = 96, 15.0
FLAT = np.full((SIZE, SIZE), 40.0)
TEMPLATE = disk_hu((15, 15), Disk(roi_centre_px(15), 4.0, 1.0, 0.8), (1.0, 1.0))


def realisations(n: int, seed: int, blur_px: float = 1.0) -> np.ndarray:
    white = np.random.default_rng(seed).normal(size=(n, SIZE, SIZE))
    noise = ndimage.gaussian_filter(white, (0, blur_px, blur_px), mode="wrap")
    return FLAT + SIGMA_HU * noise / noise.std()


def test_noise_alone_invents_nothing_and_its_p_is_uniform() -> None:
    found = [invented_structure(realisations(12, k), FLAT) for k in range(40)]
    assert stats.kstest([result.p_value for result in found], "uniform").pvalue > 1e-3
    assert all(result.structure_hu < 0.4 * result.expected_rms_hu for result in found)
    assert np.mean([r.expected_rms_hu for r in found]) == pytest.approx(SIGMA_HU / np.sqrt(12), rel=0.02)


@pytest.mark.parametrize("structure_hu", [3.0, 10.0])
def test_structure_that_repeats_is_found_and_measured(structure_hu: float) -> None:
    pattern = np.sin(np.arange(SIZE) * 2 * np.pi / 8)[:, None] * np.ones(SIZE) * np.sqrt(2.0) * structure_hu
    found = invented_structure(realisations(20, 3) + pattern, FLAT)
    assert found.warns
    assert found.structure_hu == pytest.approx(structure_hu, rel=0.1)


def test_a_bias_and_a_slope_are_no_structure() -> None:
    found = invented_structure(realisations(20, 4) + 7.0 + 0.1 * np.arange(SIZE), FLAT)
    assert not found.warns
    assert found.mean_bias_hu == pytest.approx(7.0 + 0.1 * (SIZE - 1) / 2, abs=0.3)


def test_normal_noise_gives_the_false_positives_of_its_own_spread() -> None:
    found = false_positives(realisations(200, 5), FLAT, TEMPLATE, 12.0)
    error = np.sqrt(found.expected_rate / found.n_positions)
    assert 0.005 < found.expected_rate < 0.4
    assert found.rate == pytest.approx(found.expected_rate, abs=4.0 * error)
    assert found.n_positions == 200 * 6 * 6


def test_white_noise_reads_the_contrast_with_the_closed_form_spread() -> None:
    white = FLAT + np.random.default_rng(6).normal(0.0, SIGMA_HU, (200, SIZE, SIZE))
    centred = TEMPLATE - TEMPLATE.mean()
    found = false_positives(white, FLAT, TEMPLATE, 12.0)
    exact = SIGMA_HU / np.sqrt(np.sum(centred**2))
    assert found.score_std_hu == pytest.approx(exact, rel=4.0 * 1.17 / np.sqrt(found.n_positions))


def test_a_reading_is_the_contrast_of_the_signal_at_that_place() -> None:
    absent = np.repeat(FLAT[None], 8, axis=0)
    absent[:, :15, :15] += 10.0 * TEMPLATE
    assert false_positives(absent, FLAT, TEMPLATE, 19.9).rate == pytest.approx(1.0 / 36.0)
    assert false_positives(absent, FLAT, TEMPLATE, 20.1).rate == 0.0
    assert false_positives(absent, FLAT, TEMPLATE, -19.9).rate == 0.0


def test_a_template_is_not_mirrored() -> None:
    wedge = TEMPLATE * (1.0 + 0.2 * np.arange(15))
    absent = np.repeat(FLAT[None], 8, axis=0)
    absent[:, :15, :15] += 10.0 * wedge
    assert false_positives(absent, FLAT, wedge, 19.9).rate == pytest.approx(1.0 / 36.0)


def test_blobs_that_look_like_the_signal_are_more_than_normal_noise_gives() -> None:
    images, rng = realisations(60, 7), np.random.default_rng(8)
    for image in images:
        row, col = 15 * rng.integers(0, 6, 2)
        image[row : row + 15, col : col + 15] += 60.0 * TEMPLATE
    found = false_positives(images, FLAT, TEMPLATE, 60.0)
    assert found.rate > 5.0 * found.expected_rate
    assert found.rate == pytest.approx(1.0 / 36.0, rel=0.3)


def test_images_without_noise_have_no_false_positives() -> None:
    found = false_positives(np.repeat(FLAT[None], 8, axis=0), FLAT, TEMPLATE, 5.0)
    assert (found.rate, found.expected_rate) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("images", "truth", "message"),
    [
        (np.zeros((9, 8, 8)), np.zeros((8, 9)), "with a truth of their size"),
        (np.zeros((9, 8, 9)), np.zeros((8, 9)), "with a truth of their size"),
        (np.zeros((7, 8, 8)), np.zeros((8, 8)), "at least 8 realisations, got 7"),
        (np.full((9, 8, 8), np.inf), np.zeros((8, 8)), "HU must be finite"),
    ],
)
def test_images_that_cannot_be_judged_are_refused(images, truth, message: str) -> None:
    with pytest.raises(DataError, match=message):
        invented_structure(images, truth)


def test_a_template_larger_than_the_images_is_refused() -> None:
    with pytest.raises(DataError, match="must fit into the images, got 15x15"):
        false_positives(np.zeros((9, 8, 8)), np.zeros((8, 8)), TEMPLATE, 5.0)
