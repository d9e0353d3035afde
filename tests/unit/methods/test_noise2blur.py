"""Noise2Blur's equations: which loss trains which network, and losses computed by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from n2b_ct.methods.method import Method
from n2b_ct.methods.noise2blur import (
    Nets,
    Noise2BlurConfig,
    above_anatomy,
    clamp_outliers,
    convergence_losses,
    initial_losses,
    times_gain,
    with_density,
)
from tests.toy_methods import toy_method


class Times(nn.Module):
    """A network of one weight: z -> weight · z."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, z: Tensor) -> Tensor:
        return self.weight * z


def toy_nets() -> Nets:
    """F(z) = z/4 and H(z) = 3z: asymmetric, so that a swapped sign or order shows."""
    return Nets(Times(0.25), Times(3.0))


def toy_noise2blur(**values) -> Method:
    return toy_method("noise2blur", networks={"denoiser": Times(0.25), "noise_extractor": Times(3.0)}, **values)


def filled(value: float) -> Tensor:
    return torch.full((2, 1, 16, 16), value)


def trained_by(nets: Nets, loss: Tensor) -> set[str]:
    names = {"F": nets.denoiser, "H": nets.noise_extractor}
    grads = torch.autograd.grad(loss, [net.weight for net in names.values()], allow_unused=True, retain_graph=True)
    return {name for name, grad in zip(names, grads, strict=True) if grad is not None and grad.abs() > 0}


@pytest.mark.parametrize(
    ("interruption", "loss", "trained"),
    [
        (True, "n2b", {"H"}),
        (True, "n2c", {"F"}),
        (False, "n2b", {"F", "H"}),
        (False, "n2c", {"F"}),
    ],
)
def test_each_loss_reaches_only_its_networks(interruption, loss, trained):
    nets = toy_nets()
    losses, _ = convergence_losses(nets, filled(0.8), filled(0.5), filled(0.1), gradient_interruption=interruption)
    assert trained_by(nets, losses[loss]) == trained


def test_the_initial_stage_trains_both_networks_to_blur():
    nets = toy_nets()
    losses, _ = initial_losses(nets, filled(0.8), filled(0.1))
    assert trained_by(nets, losses["n2b"]) == {"F", "H"}


def test_the_initial_loss_equals_the_value_computed_by_hand():
    # n̂ = 0.8 − 0.2 = 0.6; ñ = 1.8; L = |1.8 − 0.1| = 1.7
    losses, n_tilde = initial_losses(toy_nets(), filled(0.8), filled(0.1))
    assert losses["n2b"].item() == pytest.approx(1.7)
    torch.testing.assert_close(n_tilde, filled(1.8))


def test_the_convergence_losses_equal_the_values_computed_by_hand():
    # n̂ = 0.04 − 0.01 = 0.03; ñ = 0.09; d = 0.5 + 0.09 = 0.59; ĉ = 0.1475
    losses, n_tilde = convergence_losses(toy_nets(), filled(0.04), filled(0.5), filled(0.02))
    assert losses["n2b"].item() == pytest.approx(0.07)
    assert losses["n2c"].item() == pytest.approx(0.5 - 0.1475)
    torch.testing.assert_close(n_tilde, filled(0.09))


def test_both_losses_may_be_hubers():
    # as above, |ñ − n_b| = 0.07 is below the knee of 0.1 and |ĉ − c| = 0.3525 beyond it
    losses, _ = convergence_losses(toy_nets(), filled(0.04), filled(0.5), filled(0.02), "huber")
    assert losses["n2b"].item() == pytest.approx(0.07**2 / 0.2)
    assert losses["n2c"].item() == pytest.approx(0.3525 - 0.05)
    losses, _ = initial_losses(toy_nets(), filled(0.8), filled(0.1), "huber")
    assert losses["n2b"].item() == pytest.approx(1.7 - 0.05)


def test_a_composed_image_is_seen_through_the_window_like_a_real_one():
    # ñ = 0.09; c = 0.97 composes to 1.06, seen as 1; ĉ = 0.25; c = 1.3 is seen as 1 with and without noise
    losses, _ = convergence_losses(toy_nets(), filled(0.04), filled(0.97), filled(0.02))
    assert losses["n2c"].item() == pytest.approx(0.97 - 0.25)
    losses, _ = convergence_losses(toy_nets(), filled(0.04), filled(1.3), filled(0.02))
    assert losses["n2c"].item() == pytest.approx(1.0 - 0.25)


def test_a_clamp_cuts_edges_at_robust_sigmas_of_their_own_patch():
    noise = torch.tensor([[-1.0, 1.0, -2.0, 2.0, 100.0]]).reshape(1, 1, 1, 5)
    limit = 4 * 1.4826 * 2.0  # median |n| is 2
    assert clamp_outliers(noise, 4.0).flatten().tolist() == pytest.approx([-1.0, 1.0, -2.0, 2.0, limit])
    assert clamp_outliers(noise, None) is noise


def test_every_patch_of_noise_gets_a_gain_of_its_own_from_the_range():
    torch.manual_seed(5)
    gained = times_gain(torch.ones(400, 1, 2, 3), (0.5, 2.0)).flatten(1)
    torch.testing.assert_close(gained, gained[:, :1].expand_as(gained))
    assert 0.5 <= gained.min() < 0.55 < 1.95 < gained.max() <= 2.0
    assert gained.mean().item() == pytest.approx(1.25, abs=0.07)
    noise = filled(0.3)
    assert times_gain(noise, (1.0, 1.0)) is noise
    torch.testing.assert_close(times_gain(noise, (2.0, 2.0)), filled(0.6))


@pytest.mark.parametrize("gains", [(2.0, 1.0), (-0.5, 1.0), (0.0, 0.0)])
def test_gains_out_of_order_are_refused(gains):
    with pytest.raises(ValueError, match="must be the lowest gain, 0 or more, and then the highest, above 0"):
        Noise2BlurConfig(noise_gain=gains)
    with pytest.raises(ValueError, match="and then the highest, above 0 and at most 2"):
        Noise2BlurConfig(noise_density=gains)


def test_every_patch_of_impulses_gets_a_density_of_its_own_from_the_range():
    torch.manual_seed(5)
    impulses = (torch.rand(300, 1, 40, 40) < 0.1).float()
    found = with_density(impulses.expand(-1, 3, -1, -1), (0.0, 2.0))
    torch.testing.assert_close(found, found[:, :1].expand_as(found))  # all channels of a pixel
    densities = found[:, 0].mean((1, 2))
    assert 0.0 <= densities.min() < 0.01 < 0.18 < densities.max() < 0.23
    assert densities.mean().item() == pytest.approx(0.0983, abs=0.006)  # a pixel may be hit twice
    assert found.unique().tolist() == [0.0, 1.0]


def test_half_the_density_halves_it_twice_adds_those_of_another_patch_and_one_changes_nothing():
    torch.manual_seed(5)
    impulses = (torch.rand(8, 1, 200, 200) < 0.1).float()
    assert with_density(impulses, (1.0, 1.0)) is impulses
    kept = with_density(impulses, (0.5, 0.5))
    assert kept.mean().item() == pytest.approx(0.05, abs=0.003)
    assert bool((kept <= impulses).all())
    doubled = with_density(impulses, (2.0, 2.0))
    assert doubled.mean().item() == pytest.approx(0.19, abs=0.005)  # 1 − 0.9²
    assert bool((doubled >= impulses).all())


def test_densities_above_two_are_refused():
    with pytest.raises(ValueError, match="and at most 2"):
        Noise2BlurConfig(noise_density=(0.0, 2.5))


def test_the_stage_follows_from_progress():
    method = toy_noise2blur(initial_fraction=0.05)
    batch = {"noisy": filled(0.04), "blurred": filled(0.02), "clean": filled(0.5)}
    assert set(method.step(batch, progress=0.0499).losses) == {"n2b"}
    assert set(method.step(batch, progress=0.05).losses) == {"n2b", "n2c"}


def test_noise_is_extracted_by_an_average_of_the_denoiser_that_begins_as_it():
    small = {"arguments": {"n_features": 4, "depth": 2}}
    method = toy_method("noise2blur", extraction_ema_decay=0.75, denoiser=small)
    batch = {"noisy": filled(0.4), "blurred": filled(0.2), "clean": filled(0.5)}
    kept = method.networks["denoiser_average"]
    own, averaged = (next(network.parameters()) for network in (method.networks["denoiser"], kept))
    method.step(batch, progress=0.01)
    assert kept.n_averaged == 0
    for k, (weight, expected) in enumerate([(0.25, 0.25), (0.65, 0.75 * 0.25 + 0.25 * 0.65)]):
        own.data.fill_(weight)
        for _ in range(2):  # two parts of one batch
            method.step(batch, progress=0.5 + 0.1 * k)
        torch.testing.assert_close(averaged, torch.full_like(averaged, expected))
    assert not averaged.requires_grad


def test_the_average_and_not_the_denoiser_gives_the_noise():
    # n̂ = 0.04 − 0.5 · 0.04 = 0.02; ñ = 0.06; d = 0.56; ĉ = 0.25 · 0.56
    nets = Nets(Times(0.25), Times(3.0), Times(0.5))
    losses, n_tilde = convergence_losses(nets, filled(0.04), filled(0.5), filled(0.02))
    torch.testing.assert_close(n_tilde, filled(0.06))
    assert losses["n2c"].item() == pytest.approx(0.5 - 0.14)
    assert trained_by(nets, losses["n2c"]) == {"F"}


def test_an_average_without_gradient_interruption_is_refused():
    with pytest.raises(ValueError, match="extraction_ema_decay needs gradient_interruption"):
        Noise2BlurConfig(extraction_ema_decay=0.99, gradient_interruption=False)


def test_a_step_hands_on_noise_and_blur_residual_without_gradient():
    method = toy_noise2blur()
    batch = {"noisy": filled(0.04), "blurred": filled(0.02), "clean": filled(0.5)}
    result = method.step(batch, progress=0.5)
    assert result.noise is not None
    assert not result.noise.requires_grad
    torch.testing.assert_close(result.blur_residual, filled(0.02))


def test_networks_that_a_checkpoint_keeps_have_these_names():
    assert set(toy_method("noise2blur").networks) == {"denoiser", "noise_extractor", "noise_anchor"}
    assert set(toy_method("noise2blur", noise_anchor_rate=None).networks) == {"denoiser", "noise_extractor"}


# ── Low frequencies ──


def test_with_a_highpass_the_extractor_learns_what_passes_and_the_rest_is_the_denoisers():
    # n̂ = 0.03; H(n̂) = 0.09; P halves: |0.045 − 0.01|; ñ = 0.03 − 0.015 + 0.045 = 0.06; d = 0.56; ĉ = 0.14
    losses, n_tilde = convergence_losses(
        toy_nets(), filled(0.04), filled(0.5), filled(0.02), highpass=lambda noise: noise / 2
    )
    assert losses["n2b"].item() == pytest.approx(0.035)
    assert losses["n2c"].item() == pytest.approx(0.36)
    torch.testing.assert_close(n_tilde, filled(0.06))


@pytest.mark.parametrize(("frequency", "kept"), [(0.0, 0.0), (1 / 32, 0.03), (0.15, 0.47), (0.375, 0.98), (0.5, 0.89)])
def test_half_of_a_wave_of_fifteen_hundredths_of_a_cycle_per_pixel_passes(frequency, kept):
    wave = torch.cos(2 * torch.pi * frequency * torch.arange(160.0)).expand(1, 1, 160, 160)
    passed = above_anatomy(wave)[..., 20:-20]
    share = (passed * wave[..., 20:-20]).mean() / (wave[..., 20:-20] ** 2).mean()
    assert share.item() == pytest.approx(kept, abs=0.01)


def test_low_frequencies_of_the_label_are_the_published_loss():
    batch = {"noisy": torch.rand(2, 1, 16, 16), "blurred": torch.rand(2, 1, 16, 16), "clean": torch.rand(2, 1, 16, 16)}
    published, other = (
        toy_noise2blur(noise_anchor_rate=None, low_frequencies=name).step(batch, 0.5).losses["n2b"].item()
        for name in ("label", "denoiser")
    )
    x, n_b = batch["noisy"], batch["noisy"] - batch["blurred"]
    assert published == pytest.approx((3.0 * 0.75 * x - n_b).abs().mean().item())
    assert other != pytest.approx(published)
