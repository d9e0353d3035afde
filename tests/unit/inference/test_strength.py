"""The strength that leaves the noise that is wanted in flat tissue: measured on the slices, checked on the result."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from n2b_ct.config.networks import DenoiserSection
from n2b_ct.errors import ConfigError, DataError
from n2b_ct.evaluation.flat_regions import find_flat_blocks, noise_std_hu
from n2b_ct.hu import Window
from n2b_ct.inference.denoiser import Denoiser
from n2b_ct.inference.model import Model
from n2b_ct.inference.strength import (
    MIN_REGIONS,
    NoiseGoal,
    RegionNoise,
    choose_strength,
    measure_regions,
    measured_indices,
    required_goal,
)

SIGMA_HU = 20.0


class BoxMean(nn.Module):
    """F(x): mean over 5 x 5 pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(x, 5, stride=1, padding=2, count_include_pad=False)


class Twice(BoxMean):
    """As the box mean, but twice the noise is found."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - 2.0 * (x - super().forward(x))


class Keep(nn.Module):
    """F(x) = x: no noise is found."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def model(network: nn.Module) -> Model:
    return Model(
        denoiser=network,
        section=DenoiserSection(),
        input_scale=Window(-500.0, 500.0),
        name="toy",
        method="none",
        digest="00",
        multiple_px=1,
        facts={},
    )


def tissue(n_slices: int = 1, sigma_hu: float = SIGMA_HU) -> np.ndarray:
    """Soft tissue with white noise, float32 ``[slices, 64, 64]``."""
    return np.random.default_rng(0).normal(40.0, sigma_hu, (n_slices, 64, 64)).astype(np.float32)


def noise_of(hu: np.ndarray, *, where: np.ndarray) -> float | None:
    return noise_std_hu(hu, find_flat_blocks(where))


def moments(*variances: tuple[float, float, float]) -> RegionNoise:
    return RegionNoise(*np.array(variances, dtype=np.float64).T)


def test_the_noise_follows_the_quadratic_at_every_strength():
    strengths = np.array([0.0, 0.5, 1.0])
    one = moments((100.0, 80.0, 64.0))
    np.testing.assert_allclose(one.std_hu(strengths), [10.0, 6.0, 2.0])


def test_the_median_region_counts():
    three = moments((100.0, 80.0, 64.0), (100.0, 80.0, 64.0), (1e6, 0.0, 0.0))
    np.testing.assert_allclose(three.std_hu(np.array([0.0, 1.0])), [10.0, 2.0])


@pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
def test_a_reduction_is_what_the_denoised_slice_shows(share):
    hu = tissue()[0]
    denoised = Denoiser(model(BoxMean())).denoise(hu, reduce=share)
    before, after = noise_of(hu, where=hu), noise_of(denoised, where=hu)
    assert after == pytest.approx((1.0 - share) * before, rel=0.005)


def test_a_target_is_what_the_denoised_slice_shows():
    hu = tissue()[0]
    denoised = Denoiser(model(BoxMean())).denoise(hu, target_noise_hu=9.0)
    assert noise_of(denoised, where=hu) == pytest.approx(9.0, abs=0.05)


def test_a_target_above_the_noise_leaves_the_slices_as_they_are():
    hu = tissue()
    np.testing.assert_array_equal(Denoiser(model(BoxMean())).denoise(hu, target_noise_hu=50.0), hu)


def test_one_strength_is_for_all_slices_of_an_array():
    hu = np.concatenate([tissue(), tissue(sigma_hu=5.0)])
    denoiser = Denoiser(model(BoxMean()))
    shares = (hu - denoiser.denoise(hu, reduce=0.5)) / denoiser.noise(hu)
    assert np.median(shares[0]) == pytest.approx(np.median(shares[1]), abs=1e-4)


def test_auto_is_the_strength_with_the_least_noise():
    found_twice = moments(*[(100.0, 160.0, 320.0)] * MIN_REGIONS)  # least at strength 0.5
    used = choose_strength(found_twice, NoiseGoal(), usual=0.9)
    assert (used.share, used.problem) == (0.5, "")


def test_auto_undoes_what_a_model_removes_too_much():
    hu = tissue()[0]
    once = Denoiser(model(BoxMean()))
    twice = Denoiser(model(Twice()))
    np.testing.assert_allclose(
        twice.denoise(hu, strength="auto"), once.denoise(hu, strength="auto"), atol=0.002 * SIGMA_HU * 5
    )
    assert np.abs(twice.denoise(hu, strength=1.0) - once.denoise(hu, strength=1.0)).max() > SIGMA_HU


def test_what_was_chosen_says_noise_before_and_after_and_from_how_many_regions():
    noise = measure_regions(model(BoxMean()), [(tissue()[0], None)])
    used = choose_strength(noise, NoiseGoal(reduce=0.5), usual=0.9)
    assert used.noise_hu == pytest.approx(SIGMA_HU, rel=0.05)
    assert used.noise_after_hu == pytest.approx(used.noise_hu / 2, abs=0.05)
    assert (used.n_regions, used.problem) == (len(noise), "")
    assert used.plain == {
        "strength": used.share,
        "noise_hu": used.noise_hu,
        "noise_after_hu": used.noise_after_hu,
        "n_regions": len(noise),
    }


def test_a_goal_out_of_reach_gets_the_strength_with_the_least_noise_and_says_so():
    found_twice = moments(*[(100.0, 160.0, 320.0)] * MIN_REGIONS)  # least at strength 0.5
    used = choose_strength(found_twice, NoiseGoal(reduce=0.95), usual=0.9)
    assert (used.share, used.problem) == (0.5, "noise_target_missed")
    assert used.noise_after_hu == pytest.approx(20.0**0.5, abs=0.005)


def test_with_few_regions_the_usual_strength_is_used_and_that_is_said():
    used = choose_strength(moments(*[(100.0, 80.0, 64.0)] * (MIN_REGIONS - 1)), NoiseGoal(reduce=0.5), usual=0.9)
    assert (used.share, used.noise_hu, used.n_regions) == (0.9, None, MIN_REGIONS - 1)
    assert used.problem == "noise_unmeasured"


@pytest.mark.parametrize("hu", [np.full((64, 64), -1000.0), np.full((64, 64), 40.0)], ids=["air", "a drawing"])
def test_air_and_drawings_have_no_noise_to_measure(hu):
    assert len(measure_regions(model(BoxMean()), [(hu.astype(np.float32), None)])) == 0


def test_scanner_padding_is_no_tissue():
    hu, is_padding = tissue()[0], np.zeros((64, 64), dtype=bool)
    is_padding[:32] = True
    hu[:32] = 0.0
    noise = measure_regions(model(BoxMean()), [(hu, is_padding)])
    assert 0 < len(noise) < 8
    assert noise.variance.min() > 0.5 * SIGMA_HU**2


def test_a_model_that_finds_nothing_misses_a_reduction_and_removes_nothing():
    used = choose_strength(measure_regions(model(Keep()), [(tissue()[0], None)]), NoiseGoal(reduce=0.5), usual=0.9)
    assert (used.share, used.problem) == (0.0, "noise_target_missed")


def test_the_slices_measured_are_the_middles_of_equal_parts():
    assert measured_indices(1) == [0]
    assert measured_indices(3) == [0, 1, 2]
    assert measured_indices(80) == [5, 15, 25, 35, 45, 55, 65, 75]


def test_an_array_without_flat_tissue_is_refused():
    with pytest.raises(DataError, match=r"^hu: needs 6 flat regions of soft tissue to measure, got 0; give strength="):
        Denoiser(model(BoxMean())).denoise(np.full((64, 64), -1000.0), reduce=0.5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0.5, 0.5, None), "strength: excludes reduce=…, got both; choose one"),
        ((None, 0.5, 12.0), "reduce: excludes target_noise_hu=…, got both; choose one"),
        ((None, 1.5, None), "reduce: must be from 0 to 1, got 1.5"),
        ((None, float("nan"), None), "reduce: must be from 0 to 1, got nan"),
        ((None, None, 0.0), "target_noise_hu: must be above 0 HU, got 0.0"),
        ((None, None, float("inf")), "target_noise_hu: must be above 0 HU, got inf"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(given, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        required_goal(*given)


def test_nothing_is_asked_of_the_noise_by_default_or_with_a_strength():
    assert required_goal(None, None, None) is None
    assert required_goal(0.5, None, None) is None
    assert required_goal("auto", None, None) == NoiseGoal()
