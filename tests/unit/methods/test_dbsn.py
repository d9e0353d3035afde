"""D-BSN's loss: values computed by hand in one and three channels, what it trains, and what it calls noise."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from n2b_ct.errors import ConfigError
from n2b_ct.methods.dbsn import Dbsn, DbsnConfig, dbsn_losses, self_loss
from n2b_ct.networks.gaussians import Triangle
from tests.toy_methods import NATURAL_IMAGES, toy_method


class Quarter(nn.Module):
    """A blind-spot network's stand-in: μ = y / 4, σ^μ = 3."""

    def forward(self, y: Tensor) -> tuple[Tensor, Triangle]:
        return y / 4, [[torch.full_like(y[:, 0], 3.0)]]


class TwiceTheValue(nn.Module):
    """A noise level function's stand-in: σ^n = 2 · value + index."""

    def forward(self, at: Tensor, index: Tensor) -> Triangle:
        return [[2.0 * at[:, 0] + index[:, None, None]]]


def pixel(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(1, -1, 1, 1)


def triangle(*rows: tuple[float, ...]) -> Triangle:
    return [[pixel(value)[:, 0] for value in row] for row in rows]


def small_method(n_images: int = 3) -> Dbsn:
    torch.manual_seed(0)
    small = {"name": "BayesDenoiser", "output": "direct", "arguments": {"n_features": 4, "steps": [1]}}
    return toy_method("dbsn", replace(NATURAL_IMAGES, n_noisy=n_images), denoiser=small)


# ── The loss ──


def test_the_published_loss_in_one_channel_equals_the_value_computed_by_hand():
    # ε = 10, σ^μ = 3, σ^n = 4: ½ {100 / 25 + log 16 + 9 / 16}
    loss = self_loss(pixel(10), triangle((3,)), triangle((4,)))
    assert loss.item() == pytest.approx(0.5 * (4 + math.log(16) + 9 / 16))


def test_the_published_loss_in_three_channels_equals_the_value_computed_by_hand():
    # Σ^n = diag(4, 9, 16), Σ^μ = [[1, 2, 0], [2, 8, 0], [0, 0, 9]]: sum [[5, 2, 0], [2, 17, 0], [0, 0, 25]]
    # inverse of its first block: [[17, −2], [−2, 5]] / 81; ε = (3, 1, 10): (9 · 17 − 2 · 2 · 3 + 5) / 81 = 146 / 81
    # distance 146/81 + 100/25; log |Σ^n| = log 576; trace 1/4 + 8/9 + 9/16
    loss = self_loss(
        pixel(3, 1, 10),
        triangle((1,), (2, 2), (0, 0, 3)),
        triangle((2,), (0, 3), (0, 0, 4)),
    )
    assert loss.item() == pytest.approx(0.5 * (146 / 81 + 4 + math.log(576) + 1 / 4 + 8 / 9 + 9 / 16))


def test_the_loss_of_a_batch_is_the_share_of_both_at_the_level_that_the_prediction_has():
    # y = 8: μ = 2, ε = 6, Σ^μ = 9, σ^n = 2 · 2 + 1 = 5, so the sum is 34
    # L_self = ½ {36/34 + log 25 + 9/25}, L_like = ½ {36/34 + log 34}, ρ = ¼
    y, index = torch.full((1, 1, 1, 1), 8.0), torch.tensor([1])
    loss = dbsn_losses(Quarter(), TwiceTheValue(), y, index, 0.25)["self"]
    published = 0.5 * (36 / 34 + math.log(25) + 9 / 25)
    likelihood = 0.5 * (36 / 34 + math.log(34))
    assert loss.item() == pytest.approx(0.25 * published + 0.75 * likelihood)


def test_the_published_loss_bounds_the_likelihood_and_meets_it_for_sure_predictions():
    for std, gap in ((1e-4, 0.0), (0.5, None), (3.0, None)):
        epsilon, l_mu, l_n = pixel(1.3), triangle((std,)), triangle((0.7,))
        total = std**2 + 0.49
        likelihood = 0.5 * (1.69 / total + math.log(total))
        above = self_loss(epsilon, l_mu, l_n).item() - likelihood
        assert above == pytest.approx(gap, abs=1e-6) if gap is not None else above > 0.01


def test_the_published_loss_understates_the_error_of_the_prediction():
    # true variance s = 1.44 and Σ^n = 1: the best Σ^μ is √(s Σ^n) − Σ^n = 0.2, not 0.44
    std = torch.linspace(0.01, 1.0, 1000, dtype=torch.float64)
    rows = [[std.reshape(1, 1, -1)]]
    ones = [[torch.ones(1, 1, 1000, dtype=torch.float64)]]
    loss = self_loss(torch.full((1, 1, 1, 1000), 1.2, dtype=torch.float64), rows, ones)
    assert std[loss.argmin()].item() ** 2 == pytest.approx(0.2, abs=0.002)


# ── What it trains ──


def test_the_loss_reaches_the_blind_spot_network_and_the_levels_of_its_images():
    method = small_method()
    y = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    sum(method.step({"noisy": y, "index": torch.tensor([0, 2])}, 0.0).losses.values()).backward()
    assert all(weight.grad.abs().sum() > 0 for weight in method.networks["denoiser"].parameters())
    levels = method.networks["noise_levels"].biases[-1].grad.abs().flatten()
    assert (levels > 0).tolist() == [True, False, True]


def test_the_noise_level_sees_the_prediction_without_passing_gradient_to_it():
    y = torch.full((1, 1, 1, 1), 8.0)
    scale = torch.tensor(0.25, requires_grad=True)

    class Scaled(nn.Module):
        def forward(self, y: Tensor) -> tuple[Tensor, Triangle]:
            return scale * y, [[torch.full_like(y[:, 0], 3.0)]]

    # with σ^n = 4 held still, d/dscale ½ (8 − 8 s)² / 25 = −64 (1 − s) / 25
    dbsn_losses(Scaled(), TwiceTheValue(), y, torch.tensor([0]), 1.0)["self"].backward()
    assert scale.grad.item() == pytest.approx(-64 * 0.75 / 25)


def test_training_finds_the_noise_of_each_image_and_predicts_better_than_it_started():
    generator = torch.Generator().manual_seed(0)
    scene = torch.linspace(0.2, 0.8, 32).repeat(32, 1).expand(2, 1, 32, 32)
    y = scene + torch.tensor([0.03, 0.12])[:, None, None, None] * torch.randn(scene.shape, generator=generator)
    method, index = small_method(2), torch.arange(2)
    optimizer = torch.optim.Adam(method.networks.parameters(), lr=1e-2)
    for _ in range(250):
        optimizer.zero_grad()
        method.step({"noisy": y, "index": index}, 0.0).losses["self"].backward()
        optimizer.step()
    found = method.networks["noise_levels"](scene, index)[0][0].mean(dim=(1, 2))
    torch.testing.assert_close(found, torch.tensor([0.03, 0.12]), rtol=0.25, atol=0)
    denoised = method.networks["denoiser"].eval()(y)
    assert (denoised - scene).square().mean() < 0.25 * (y - scene).square().mean()


# ── As a pipeline's method ──


def test_a_pipeline_builds_it_with_a_function_for_every_noisy_image():
    method = toy_method("dbsn", replace(NATURAL_IMAGES, n_noisy=7, n_channels=3), first_noise_std=0.2)
    levels = method.networks["noise_levels"]
    assert isinstance(method, Dbsn)
    assert levels.biases[-1].shape == (7, 6)
    assert levels.start_std.tolist() == pytest.approx([0.2] * 7)


def test_another_denoiser_is_refused():
    with pytest.raises(ConfigError, match=r"method\.denoiser\.name: must be BayesDenoiser.*got SimpleUNet"):
        toy_method("dbsn", denoiser={"name": "SimpleUNet"})


@pytest.mark.parametrize(("key", "value"), [("bound_weight", 0), ("bound_weight", 1.1), ("first_noise_std", 0)])
def test_values_out_of_range_are_refused(key, value):
    with pytest.raises(ValidationError, match=key):
        DbsnConfig.model_validate({key: value})
