"""Noise by place, and HU shifts that no denoiser is to blame for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from n2b_ct.evaluation.cases import SliceCase
from n2b_ct.evaluation.flat_regions import noise_std_hu
from n2b_ct.evaluation.measures import measure_slice
from n2b_ct.evaluation.regional_noise import PLACES, place_blocks
from n2b_ct.hu import WINDOWS
from tests.report_rows import value_of

SIZE_PX = 256
NOISE_HU, GRAIN_PX = 60.0, 2.0
ABDOMEN = {"abdomen": WINDOWS["abdomen"]}


def body() -> tuple[np.ndarray, np.ndarray]:
    """A round body of 40 HU with a lung and a bone, and the standard deviation of its noise, which grows inwards."""
    row, col = np.mgrid[:SIZE_PX, :SIZE_PX]
    away = np.hypot(row - 128, col - 128)
    hu = np.where(away < 120, 40.0, -1000.0)
    hu[np.hypot(row - 100, col - 70) < 34] = -800.0
    hu[np.hypot(row - 128, col - 198) < 8] = 900.0
    return hu, np.where(away < 60, 30.0, 10.0)


def test_noise_is_read_where_it_is():
    hu, std_hu = body()
    noisy = hu + std_hu * np.random.default_rng(0).normal(size=hu.shape)
    blocks = place_blocks(noisy)
    found = {name: noise_std_hu(noisy, own) for name, own in blocks.items()}
    assert set(found) == set(PLACES)
    assert found["centre"] == pytest.approx(30.0, rel=0.1)
    assert [found[name] for name in ("rim", "near_bone")] == pytest.approx([10.0, 10.0], rel=0.12)
    assert all(hu[blocks["lung"].mask] == -800.0)
    from_bone = ndimage.distance_transform_edt(hu < 300.0)
    assert from_bone[blocks["near_bone"].mask].max() <= 24 + 3


def test_air_has_no_place():
    noisy = -1000.0 + np.random.default_rng(0).normal(0.0, 5.0, (64, 64))
    assert [blocks.corners for blocks in place_blocks(noisy).values()] == 4 * [()]


def noisy_case(**changes) -> tuple[SliceCase, np.ndarray]:
    """Dense tissue that strong noise lifts across the limits of its class, in three parts; and its truth."""
    truth = np.full((192, 192), 30.0)
    truth[20:90, 20:170] = 90.0
    truth[110:170, 20:170] = -700.0
    noise = np.random.default_rng(1).normal(0.0, 1.0, truth.shape)
    grain = ndimage.gaussian_filter(noise, GRAIN_PX)
    noise = NOISE_HU * grain / grain.std()
    case = SliceCase("A", 0.05, 0, truth + noise, {"perfect": truth}, pixel_mm=(0.8, 0.8))
    return replace(case, **changes), truth


def test_without_a_reference_the_ideal_row_shows_about_what_a_perfect_denoiser_shows():
    case, _ = noisy_case()
    rows = measure_slice(case, ABDOMEN)
    for tissue in ("soft", "dense"):
        perfect = value_of(rows, f"hu_bias_{tissue}_hu", "perfect")
        ideal = value_of(rows, f"ideal_bias_{tissue}_hu", "input")
        assert perfect is not None
        assert abs(perfect - ideal) < abs(perfect)
    assert value_of(rows, "ideal_bias_soft_hu", "perfect") is None


def test_classes_of_the_reference_do_not_select_on_the_input_s_noise():
    case, truth = noisy_case()
    by_input = measure_slice(case, ABDOMEN)
    with_reference = replace(case, reference_hu=truth)
    by_reference = measure_slice(with_reference, ABDOMEN)
    selected = abs(value_of(by_input, "hu_bias_dense_hu", "perfect"))
    assert selected > 5.0
    fair = value_of(by_reference, "hu_bias_soft_hu", "perfect")
    n_px = np.count_nonzero(with_reference.tissue_masks["soft"])
    assert abs(fair) < 3.0 * NOISE_HU * np.sqrt(4.0 * np.pi * 2.0 * GRAIN_PX**2 / n_px)  # of Gaussian correlation
    assert value_of(by_reference, "ideal_bias_soft_hu", "input") == pytest.approx(fair)
