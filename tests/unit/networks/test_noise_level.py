"""Noise level functions: one for each image, of the grey value alone, and how well they are found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from n2b_ct.networks.gaussians import Triangle, covariance
from n2b_ct.networks.noise_level import NoiseLevels, fit_noise_levels, robust_std


def trained(n_images: int = 3, n_channels: int = 1, seed: int = 0) -> NoiseLevels:
    """Functions whose weights are all drawn anew, each image its own."""
    levels = NoiseLevels(n_images, n_channels)
    generator = torch.Generator().manual_seed(seed)
    for weight in levels.parameters():
        weight.data = torch.randn(weight.shape, generator=generator)
    return levels


def image(batch: int = 2, n_channels: int = 1, seed: int = 0) -> Tensor:
    return torch.rand(batch, n_channels, 5, 6, generator=torch.Generator().manual_seed(seed))


def sure(image: Tensor) -> Triangle:
    """The triangle of a prediction without error."""
    n_channels, zero = image.shape[1], torch.zeros_like(image[:, 0])
    return [[zero] * (i + 1) for i in range(n_channels)]


def flat(triangle: Triangle) -> Tensor:
    return torch.stack([entry for row in triangle for entry in row])


def graded_scene(level: object, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A ramp of grey values from 0.1 to 0.9 and noise of ``level(x)`` on it: x and n, ``[1, 1, 128, 128]``."""
    x = torch.linspace(0.1, 0.9, 128).repeat(128, 1)[None, None]
    n = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)) * level(x)
    return x, n


# ── The functions ──


@pytest.mark.parametrize("n_channels", [1, 3])
def test_they_start_as_one_constant_level(n_channels):
    levels = NoiseLevels(4, n_channels, start_std=0.07)
    sigma = covariance(levels(image(n_channels=n_channels), torch.tensor([3, 0])))
    expected = 0.07**2 * torch.eye(n_channels)[None, :, :, None, None].expand(2, -1, -1, 5, 6)
    torch.testing.assert_close(sigma, expected)


def test_a_level_depends_on_the_value_of_its_own_pixel_and_on_nothing_else():
    levels, at = trained().double(), image(1).double()
    jacobian = torch.autograd.functional.jacobian(lambda one: levels(one, torch.tensor([1]))[0][0].flatten(), at)
    jacobian = jacobian.reshape(30, 30)
    assert (jacobian.diagonal() != 0).all()
    assert torch.equal(jacobian, jacobian.diagonal().diag())


def test_every_image_has_its_own_function_chosen_by_the_index():
    levels, at = trained(), image(1).expand(3, -1, -1, -1)
    each = levels(at, torch.tensor([0, 1, 2]))[0][0]
    assert not torch.equal(each[0], each[1])
    torch.testing.assert_close(levels(at, torch.tensor([2, 2, 0]))[0][0], each[[2, 2, 0]])


def test_a_step_trains_the_functions_of_the_images_it_meets_and_no_other():
    levels = trained()
    levels(image(), torch.tensor([2, 0]))[0][0].sum().backward()
    for weight in levels.parameters():
        assert weight.grad[1].abs().sum() == 0
        assert weight.grad[0].abs().sum() > 0
        assert weight.grad[2].abs().sum() > 0


def test_a_function_equals_the_value_computed_by_hand():
    # one feature: 2 · 0.5 − 3 = −2, leaky −0.2; 4 · −0.2 + 1 = 0.2; 5 · 0.2 − 1 = 0: the first level
    levels = NoiseLevels(1, start_std=0.25, n_features=1)
    for weight, bias, values in zip(levels.weights, levels.biases, [(2, -3), (4, 1), (5, -1)], strict=True):
        weight.data.fill_(values[0])
        bias.data.fill_(values[1])
    level = levels(torch.full((1, 1, 1, 1), 0.5), torch.tensor([0]))[0][0]
    assert level.item() == pytest.approx(0.25, rel=1e-5)


def test_levels_are_float32_under_autocast_and_as_exact_as_without():
    levels = trained()
    plain = flat(levels(image(), torch.tensor([0, 1])))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(flat(levels(image(), torch.tensor([0, 1]))), plain)


def test_joined_functions_keep_their_order():
    parts = [trained(2, seed=1), trained(1, seed=2)]
    together, at = NoiseLevels.joined(parts), image(1).expand(3, -1, -1, -1)
    expected = [*parts[0](at[:2], torch.tensor([0, 1]))[0][0], *parts[1](at[:1], torch.tensor([0]))[0][0]]
    torch.testing.assert_close(together(at, torch.arange(3))[0][0], torch.stack(expected))


# ── Finding them ──


def test_the_robust_level_is_the_standard_deviation_of_a_gaussian():
    n = (
        torch.randn(2, 1, 200, 200, generator=torch.Generator().manual_seed(0))
        * torch.tensor([0.1, 0.02])[:, None, None, None]
    )
    torch.testing.assert_close(robust_std(n), torch.tensor([0.1, 0.02]), rtol=0.02, atol=0)
    assert robust_std(torch.zeros(1, 1, 4, 4)) > 0


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.3])
def test_a_constant_level_is_found_at_every_grey_value(sigma):
    x, n = graded_scene(lambda x: sigma)
    levels = fit_noise_levels(n, sure(n), x)
    found = levels(x, torch.tensor([0]))[0][0]
    assert found.min() > 0.93 * sigma
    assert found.max() < 1.07 * sigma


def test_a_level_that_follows_the_signal_is_found():
    def level(x: Tensor) -> Tensor:
        return 0.02 + 0.15 * x

    x, n = graded_scene(level)
    levels = fit_noise_levels(n, sure(n), x)
    found = levels(x, torch.tensor([0]))[0][0]
    torch.testing.assert_close(found, level(x)[:, 0], rtol=0.12, atol=0)


def test_the_noisy_value_itself_would_tell_the_level_wrongly():
    # white noise of one level; what is asked for at y is E[n² | y], a bowl
    x, n = graded_scene(lambda x: 0.1)
    levels = fit_noise_levels(n, sure(n), x + n)
    found = levels(torch.tensor([-0.1, 0.5, 1.1]).reshape(1, 1, 1, 3), torch.tensor([0]))[0][0].flatten()
    assert found[[0, 2]].min() > 1.15 * found[1]


def test_three_channels_that_share_noise_get_their_covariance():
    mixing = torch.tensor([[0.1, 0.0, 0.0], [0.05, 0.08, 0.0], [0.0, -0.03, 0.06]])
    white = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    n = torch.einsum("ij,bjrc->birc", mixing, white)
    levels = fit_noise_levels(n, sure(n), torch.full_like(n, 0.5))
    found = covariance(levels(torch.full((1, 3, 1, 1), 0.5), torch.tensor([0])))[0, :, :, 0, 0]
    np.testing.assert_allclose(found.numpy(), (mixing @ mixing.T).numpy(), atol=0.0005)


def test_an_image_is_fitted_alike_alone_and_in_company_and_in_inference_mode():
    n = torch.cat([graded_scene(lambda x, s=sigma: s, seed)[1] for seed, sigma in enumerate((0.05, 0.2))])
    x = graded_scene(lambda x: 0.0)[0].expand(2, -1, -1, -1)
    together = fit_noise_levels(n, sure(n), x)
    with torch.inference_mode():
        alone = fit_noise_levels(n[1:], sure(n[1:]), x[1:])
    expected = together(x, torch.arange(2))[0][0][1]
    torch.testing.assert_close(alone(x[1:], torch.tensor([0]))[0][0][0], expected, rtol=1e-3, atol=0)


def test_what_the_prediction_lacks_is_not_taken_for_noise():
    x, n = graded_scene(lambda x: 0.1)
    wrong = torch.randn(x.shape, generator=torch.Generator().manual_seed(9)) * 0.05
    found = fit_noise_levels(n - wrong, [[torch.full_like(x[:, 0], 0.05)]], x)(x, torch.tensor([0]))[0][0]
    assert found.mean().item() == pytest.approx(0.1, rel=0.02)


def test_an_image_without_noise_gets_the_least_level_and_no_infinity():
    zeros = torch.zeros(1, 1, 8, 8)
    found = fit_noise_levels(zeros, sure(zeros), zeros)(zeros, torch.tensor([0]))[0][0]
    assert found.isfinite().all()
    assert found.max() < 0.003
