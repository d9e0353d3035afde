"""Noise2Noise's equations: losses computed by hand, the pixels that count, and what its answer converges to."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from n2b_ct.methods.noise2noise import Noise2NoiseConfig, noise2noise_losses, similar
from tests.toy_methods import toy_method


class Scaled(nn.Module):
    """F(z) = factor · z."""

    def __init__(self, factor: float = 0.25) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, z: Tensor) -> Tensor:
        return self.factor * z


def row(*values: float) -> Tensor:
    return torch.tensor(values).reshape(1, 1, 1, -1)


X, X_PRIME = row(4.0, 8.0, 0.0), row(2.0, 2.0, 4.0)


# ── The loss ──


@pytest.mark.parametrize(
    ("loss", "value"),
    [
        ("l2", 17 / 3),  # F(x) − x' = (1 − 2, 2 − 2, 0 − 4): 1 + 0 + 16
        ("l1", 5 / 3),
    ],
)
def test_the_loss_equals_the_value_computed_by_hand(loss, value):
    losses = noise2noise_losses(Scaled(), X, X_PRIME, torch.ones_like(X), loss)
    assert losses["noise2noise"].item() == pytest.approx(value)


def test_the_first_observation_is_the_input_and_the_second_the_target():
    losses = noise2noise_losses(Scaled(), X_PRIME, X, torch.ones_like(X), "l2")
    assert losses["noise2noise"].item() == pytest.approx((3.5**2 + 7.5**2 + 1) / 3)


def test_pixels_that_do_not_count_leave_the_mean():
    losses = noise2noise_losses(Scaled(), X, X_PRIME, row(1.0, 1.0, 0.0), "l2")
    assert losses["noise2noise"].item() == pytest.approx(1 / 2)


def test_one_mask_serves_all_channels():
    two = torch.cat([X, 2 * X], dim=1), torch.cat([X_PRIME, X_PRIME], dim=1)
    losses = noise2noise_losses(Scaled(), *two, row(1.0, 0.0, 0.0), "l2")  # −1 and 2 − 2
    assert losses["noise2noise"].item() == pytest.approx(1 / 2)


def test_a_batch_in_which_nothing_counts_trains_nothing():
    denoiser = Scaled()
    loss = noise2noise_losses(denoiser, X, X_PRIME, torch.zeros_like(X), "l2")["noise2noise"]
    loss.backward()
    assert (loss.item(), denoiser.factor.grad.item()) == (0.0, 0.0)


# ── The pixels that count ──


def test_pixels_count_where_the_means_around_them_agree():
    # differences 0 0 0 9 0 0; means of three, of two at the ends: 0 0 3 3 3 0
    x_prime = torch.zeros(1, 1, 1, 6)
    x = x_prime + row(0, 0, 0, 9, 0, 0)
    assert similar(x, x_prime, 2.9, kernel_px=3).flatten().tolist() == [1, 1, 0, 0, 0, 1]
    assert similar(x, x_prime, 3.1, kernel_px=3).flatten().tolist() == [1] * 6


def test_a_change_counts_in_both_directions_and_in_any_channel():
    x = torch.zeros(1, 2, 4, 4)
    x_prime = x.clone()
    x_prime[:, 1] = 0.5
    assert similar(x, x_prime, 0.4).unique().tolist() == [0]
    assert similar(x_prime, x, 0.4).unique().tolist() == [0]
    assert similar(x, x_prime, 0.6).unique().tolist() == [1]


def test_without_a_limit_all_pixels_count():
    assert similar(X, X_PRIME, None).unique().tolist() == [1]


def test_noise_alone_leaves_no_pixel_out():
    torch.manual_seed(0)
    x, x_prime = 0.5 + 0.03 * torch.randn(2, 1, 1, 64, 64)
    assert similar(x, x_prime, 0.04).mean().item() == 1.0


# ── The method ──


def batch(n: int = 1, *, median_noise: bool = False) -> dict[str, Tensor]:
    """A flat image of 0.5, seen twice; with ``median_noise`` a fifth of the pixels is white."""
    generator = torch.Generator().manual_seed(4)
    if median_noise:
        seen = [torch.where(torch.rand(n, 1, 64, 64, generator=generator) < 0.2, 1.0, 0.5) for _ in range(2)]
    else:
        seen = [0.5 + 0.1 * torch.randn(n, 1, 64, 64, generator=generator) for _ in range(2)]
    return {"noisy": seen[0], "noisy_again": seen[1]}


class Constant(nn.Module):
    """F(z) = level."""

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.tensor(0.55))

    def forward(self, z: Tensor) -> Tensor:
        return self.level.expand_as(z)


@pytest.mark.parametrize(("loss", "answer"), [("l2", 0.6), ("l1", 0.5)])
def test_l2_answers_with_the_mean_and_l1_with_the_median(loss, answer):
    denoiser = Constant()
    method = toy_method("noise2noise", networks={"denoiser": denoiser}, loss=loss)
    optimizer = torch.optim.SGD(method.networks.parameters(), lr=0.002)
    for _ in range(1500 if loss == "l2" else 200):
        optimizer.zero_grad()
        method.step(batch(median_noise=True), progress=0.0).losses["noise2noise"].backward()
        optimizer.step()
    assert denoiser.level.item() == pytest.approx(answer, abs=0.01)


def test_a_step_gives_one_loss_and_no_noise():
    result = toy_method("noise2noise", networks={"denoiser": nn.Identity()}).step(batch(), progress=0.5)
    assert set(result.losses) == {"noise2noise"}
    assert result.losses["noise2noise"].item() == pytest.approx(0.02, rel=0.05)  # variances of n and n' add
    assert (result.noise, result.blur_residual) == (None, None)


def test_a_limit_leaves_changed_anatomy_out():
    seen = batch()
    seen["noisy_again"][..., :32, :] += 0.4
    losses = [
        toy_method("noise2noise", networks={"denoiser": nn.Identity()}, max_difference=tau)
        .step(seen, 0.0)
        .losses["noise2noise"]
        for tau in (None, 0.15)
    ]
    assert losses[0].item() > 0.08
    assert losses[1].item() < 0.03


def test_it_asks_for_a_second_observation_and_nothing_else():
    needs = Noise2NoiseConfig.needs
    assert needs.noisy_again
    assert not any((needs.clean, needs.blurred, needs.reference, needs.distilled))


# ── The section ──


def section(**values) -> Noise2NoiseConfig:
    return Noise2NoiseConfig.model_validate(values)


def test_the_papers_loss_is_the_default_and_all_pixels_count():
    assert (section().loss, section().max_difference, section().neighbours.sides) == ("l2", None, "both")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"loss": "l0"}, "loss"),
        ({"max_difference": 0}, "max_difference"),
        ({"neighbours": {"sides": "above"}}, "neighbours.sides"),
        ({"neighbours": {"min_gap_mm": 3, "max_gap_mm": 2}}, "min_gap_mm must be at most max_gap_mm, got 3 and 2"),
        ({"blur": {}}, "blur"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_key(values, message):
    with pytest.raises(ValidationError, match=message):
        section(**values)
