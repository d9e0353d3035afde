"""The supervised reference method."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from n2b_ct.methods.supervised import SupervisedConfig
from tests.toy_methods import toy_method


def test_the_loss_is_the_mean_absolute_error_against_the_reference():
    method = toy_method("supervised", networks={"denoiser": nn.Identity()})
    batch = {"noisy": torch.full((2, 1, 4, 4), 0.8), "reference": torch.full((2, 1, 4, 4), 0.5)}
    result = method.step(batch, progress=0.3)
    assert result.losses["supervised"].item() == pytest.approx(0.3)
    assert result.noise is None


def test_the_l2_loss_is_the_mean_square():
    noisy = torch.tensor([[[[0.8, 0.6]]]])
    result = toy_method("supervised", networks={"denoiser": nn.Identity()}, loss="l2").step(
        {"noisy": noisy, "reference": torch.full((1, 1, 1, 2), 0.5)}, 0.0
    )
    assert result.losses["supervised"].item() == pytest.approx((0.09 + 0.01) / 2)


@pytest.mark.parametrize(("predicted", "loss"), [(0.56, 0.06**2 / 0.2), (0.6, 0.05), (0.9, 0.4 - 0.05)])
def test_hubers_loss_is_square_up_to_its_knee_and_rises_by_1_beyond(predicted, loss):
    result = toy_method("supervised", networks={"denoiser": nn.Identity()}, loss="huber").step(
        {"noisy": torch.full((1, 1, 2, 2), predicted), "reference": torch.full((1, 1, 2, 2), 0.5)}, 0.0
    )
    assert result.losses["supervised"].item() == pytest.approx(loss, rel=1e-4)


def test_it_asks_for_references_and_nothing_else():
    needs = SupervisedConfig.needs
    assert (needs.reference, needs.clean, needs.blurred) == (True, False, False)
