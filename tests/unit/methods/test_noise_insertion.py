"""Noise insertion: errors in units of each patch's noise, of pixels inside the window."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from n2b_ct.methods.noise_insertion import KNEE, LEAST_STD, NoiseInsertionConfig, noise_std_loss
from n2b_ct.networks.noise_scaled import NoiseScaledUNet
from tests.toy_methods import toy_method


class Half(nn.Module):
    """F(x) = x/2."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 2.0


def loss_of(noisy: list[list[float]], truth: list[list[float]], loss: str = "l1") -> float:
    """Of patches of two pixels each."""
    x, y = (torch.tensor(values)[:, None, None] for values in (noisy, truth))
    method = toy_method("noise_insertion", networks={"denoiser": Half()}, loss=loss)
    return method.step({"noisy": x, "reference": y}, 0.5).losses["noise_insertion"].item()


def test_the_l1_loss_is_the_mean_absolute_error_in_units_of_each_patchs_noise():
    # σ = 0.1 and 0.2; errors of x/2: |0.3−0.5|, |0.2−0.5| and |0.35−0.5|, |0.15−0.5|
    found = loss_of([[0.6, 0.4], [0.7, 0.3]], [[0.5, 0.5], [0.5, 0.5]])
    assert found == pytest.approx(((0.2 + 0.3) / 0.1 + (0.15 + 0.35) / 0.2) / 4)


def test_the_l2_loss_is_the_mean_square_in_units_of_the_variance():
    found = loss_of([[0.6, 0.4]], [[0.5, 0.5]], "l2")
    assert found == pytest.approx((0.04 + 0.09) / 0.01 / 2)


def test_hubers_loss_is_half_the_square_below_its_knee_and_a_line_of_the_same_slope_beyond():
    # σ = 0.1; errors of x/2: |0.3−0.5| and |0.2−0.5|, which are 2 σ and 3 σ
    beyond = loss_of([[0.6, 0.4]], [[0.5, 0.5]], "huber")
    assert beyond == pytest.approx((KNEE * (2.0 - KNEE / 2) + KNEE * (3.0 - KNEE / 2)) / 2)
    # σ² = (0.3² + 0.2²) / 2; errors of 0.01 and 0.0
    below = loss_of([[0.62, 0.4]], [[0.32, 0.2]], "huber")
    assert below == pytest.approx(0.5 * 0.01**2 / ((0.3**2 + 0.2**2) / 2) / 2, rel=1e-4)


def test_pixels_outside_the_window_do_not_count():
    sigma = (0.01 / 2) ** 0.5
    assert loss_of([[0.6, 0.0]], [[0.5, 0.0]]) == pytest.approx(0.2 / sigma / 2)
    assert loss_of([[1.0, 0.0]], [[0.9, 0.1]]) == 0.0


def test_a_patch_without_noise_counts_as_one_with_the_least():
    assert loss_of([[0.5, 0.5]], [[0.5, 0.5]]) == pytest.approx(0.25 / LEAST_STD)


def test_it_asks_for_references_and_nothing_else():
    needs = NoiseInsertionConfig.needs
    assert (needs.reference, needs.clean, needs.blurred, needs.noisy_again) == (True, False, False, False)


class KnownNoise(NoiseScaledUNet):
    """Says that the noise is 0.01 everywhere."""

    def log_noise_std(self, x: torch.Tensor) -> torch.Tensor:
        return torch.full((len(x), 1, x.shape[2] // 4, x.shape[3] // 4), 0.01).log()


def test_the_noise_estimate_is_compared_with_the_noise_around_each_pixel():
    x = torch.full((1, 1, 32, 32), 0.5)
    x[..., ::2] += 0.02
    x[..., 1::2] -= 0.02
    network = KnownNoise(n_features=2, depth=2, max_features=2, noise_features=2)
    found = noise_std_loss(network, x, x - 0.5).item()
    assert found == pytest.approx(torch.tensor(2.0).log().item() ** 2, rel=1e-3)


def test_squares_outside_the_window_do_not_count_for_the_noise_estimate():
    network = KnownNoise(n_features=2, depth=2, max_features=2, noise_features=2)
    assert noise_std_loss(network, torch.zeros(1, 1, 32, 32), torch.full((1, 1, 32, 32), -0.3)).item() == 0.0


def test_a_network_that_measures_noise_has_a_loss_of_its_own():
    head = nn.Module()
    head.forward = lambda x: x
    method = toy_method("noise_insertion", networks={"denoiser": head})
    batch = {"noisy": torch.rand(1, 1, 16, 16), "reference": torch.rand(1, 1, 16, 16)}
    assert set(method.step(batch, 0.5).losses) == {"noise_insertion"}
    head.network = KnownNoise(n_features=2, depth=2, max_features=2, noise_features=2)
    assert set(method.step(batch, 0.5).losses) == {"noise_insertion", "noise_std"}


def test_pixels_that_are_not_counted_do_not_reach_the_loss():
    x, y = torch.rand(1, 1, 16, 16) * 0.8 + 0.1, torch.rand(1, 1, 16, 16)
    method = toy_method("noise_insertion", networks={"denoiser": Half()})
    counted = torch.ones_like(x)
    counted[..., 8:] = 0.0
    loss = method.step({"noisy": x, "reference": y, "counted": counted}, 0.5).losses["noise_insertion"].item()
    sigma = torch.sqrt(torch.mean((x - y) ** 2))
    expected = (x / 2 - y)[..., :8].abs().sum() / sigma / x.numel()
    assert loss == pytest.approx(expected.item(), rel=1e-5)


def test_a_batch_that_says_its_noise_is_believed():
    head = nn.Module()
    head.forward = lambda x: x
    head.network = KnownNoise(n_features=2, depth=2, max_features=2, noise_features=2)
    method = toy_method("noise_insertion", networks={"denoiser": head})
    x = torch.rand(1, 1, 32, 32) * 0.1 + 0.5
    batch = {"noisy": x, "reference": torch.full_like(x, 0.5)}
    usual = method.step(batch, 0.5).losses["noise_std"]
    said = method.step({**batch, "noise": 3.0 * (x - 0.5)}, 0.5).losses["noise_std"]
    assert not torch.isclose(usual, said)
