"""Noise insertion: errors in units of each patch's noise, of pixels inside the window."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from n2b_ct.methods.noise_insertion import LEAST_STD, NoiseInsertionConfig
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


def test_pixels_outside_the_window_do_not_count():
    sigma = (0.01 / 2) ** 0.5
    assert loss_of([[0.6, 0.0]], [[0.5, 0.0]]) == pytest.approx(0.2 / sigma / 2)
    assert loss_of([[1.0, 0.0]], [[0.9, 0.1]]) == 0.0


def test_a_patch_without_noise_counts_as_one_with_the_least():
    assert loss_of([[0.5, 0.5]], [[0.5, 0.5]]) == pytest.approx(0.25 / LEAST_STD)


def test_it_asks_for_references_and_nothing_else():
    needs = NoiseInsertionConfig.needs
    assert (needs.reference, needs.clean, needs.blurred, needs.noisy_again) == (True, False, False, False)
