"""D-BSN as an ordinary denoiser: Bayes' rule at a noise level that it finds, in any gradient mode."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from n2b_ct.config.networks import DenoiserSection
from n2b_ct.errors import ConfigError
from n2b_ct.methods.dbsn import DbsnConfig
from n2b_ct.networks import BayesDenoiser, build_network, count_parameters, size_multiple
from n2b_ct.networks.build import build_denoiser
from n2b_ct.networks.gaussians import Triangle, fused


class UpperNeighbour(nn.Module):
    """μ is the pixel above, and claims a fixed error."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = nn.Parameter(torch.tensor(std))

    def forward(self, y: Tensor) -> tuple[Tensor, Triangle]:
        n_channels, std = y.shape[1], self.std.expand(y[:, 0].shape)
        return y.roll(1, dims=-2), [[0 * std] * i + [std] for i in range(n_channels)]


def noisy(n_channels: int = 1, batch: int = 1, side: int = 48, sigma: float = 0.1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.5 + sigma * torch.randn(batch, n_channels, side, side, generator=generator)


def ramp(n_channels: int, sigma: float) -> Tensor:
    """Grey values from 0.1 to 0.9 along the columns, the same in every row, and noise."""
    return noisy(n_channels, side=96, sigma=sigma) - 0.5 + torch.linspace(0.1, 0.9, 96)


def upper_neighbour(std: float, **arguments) -> BayesDenoiser:
    denoiser = BayesDenoiser(n_features=2, **arguments)
    denoiser.blind_spot = UpperNeighbour(std)
    return denoiser.eval()


def small(n_channels: int = 1, **arguments) -> BayesDenoiser:
    torch.manual_seed(0)
    return BayesDenoiser(n_channels, n_features=4, steps=(1,), **arguments).eval()


@pytest.mark.parametrize("n_channels", [1, 3])
def test_prediction_and_pixel_are_weighed_by_the_level_it_finds(n_channels):
    # σ_n = 0.05, and μ, the pixel above, errs by as much: ε has variance 0.005, the fit finds σ_n, x̂ = ½ (μ + y)
    y = ramp(n_channels, 0.05)
    denoised = upper_neighbour(0.05)(y)
    middle = (..., slice(None), slice(20, 76))  # towards the ends of the ramp μ tells something of its own error
    assert (denoised - 0.5 * (y + y.roll(1, dims=-2)))[middle].abs().mean() < 0.004


def test_it_is_the_fused_estimate_at_its_own_noise_levels():
    denoiser, y = small(), noisy(batch=2)
    denoised, levels = denoiser.denoise(y)
    mean, triangle = denoiser.blind_spot(y)
    torch.testing.assert_close(denoised, fused(mean, triangle, y, levels(mean, torch.arange(2))))


def test_without_bayes_and_while_training_it_is_the_blind_prediction():
    y = noisy()
    for denoiser in (upper_neighbour(0.1, use_bayes=False), upper_neighbour(0.1).train()):
        assert torch.equal(denoiser(y), y.roll(1, dims=-2))


def test_while_training_gradient_passes():
    denoiser = small().train()
    denoiser(noisy()).sum().backward()
    assert denoiser.blind_spot.last.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("n_channels", [1, 3])
def test_every_gradient_mode_gives_the_same_bits_twice(n_channels):
    denoiser, y = small(n_channels), noisy(n_channels, side=24)
    expected = denoiser(y)
    assert not expected.requires_grad
    assert torch.equal(denoiser(y), expected)
    with torch.no_grad():
        assert torch.equal(denoiser(y), expected)
    with torch.inference_mode():
        assert torch.equal(denoiser(y.clone()), expected)
    torch.testing.assert_close(denoiser.requires_grad_(False)(y), expected, rtol=0, atol=0)


def test_fitting_leaves_the_weights_and_their_gradients_and_torchs_seed_alone():
    denoiser, y = small(), noisy()
    before = {key: value.clone() for key, value in denoiser.state_dict().items()}
    state = torch.random.get_rng_state()
    denoiser(y)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, before[key]) for key, value in denoiser.state_dict().items())
    assert all(weight.grad is None for weight in denoiser.parameters())


def test_an_image_is_denoised_alike_alone_and_in_company():
    denoiser = small()
    y = torch.cat([noisy(sigma=0.05, seed=1), noisy(sigma=0.3, seed=2)])
    torch.testing.assert_close(denoiser(y)[1:], denoiser(y[1:]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 1, 1, 9), (2, 1, 37, 50)])
def test_any_size_comes_back_finite(shape):
    generator = torch.Generator().manual_seed(0)
    denoised = small()(torch.rand(shape, generator=generator))
    assert denoised.shape == shape
    assert denoised.isfinite().all()


def test_an_image_of_one_value_stays_finite():
    assert small()(torch.zeros(1, 1, 16, 16)).isfinite().all()


# ── As a pipeline's denoiser ──


def test_a_pipeline_builds_it_and_nothing_is_ever_reflected_for_it():
    section = DbsnConfig().denoiser
    denoiser = build_denoiser(section)
    assert isinstance(denoiser.network, BayesDenoiser)
    assert size_multiple(denoiser) == 1
    assert count_parameters(denoiser) == 92_002
    assert build_denoiser(section, n_channels=3).network.blind_spot.in_channels == 3


def test_its_weights_come_back_from_a_state_alone():
    section = DenoiserSection(name="BayesDenoiser", output="direct", arguments={"n_features": 4, "steps": [1]})
    first, second, y = build_denoiser(section).eval(), build_denoiser(section).eval(), noisy(side=24)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(y), second(y))


@pytest.mark.parametrize("form", ["lowpass", "residual"])
def test_other_output_forms_are_refused(form):
    with pytest.raises(ConfigError, match=f"must be direct for BayesDenoiser.*got {form}"):
        build_network("BayesDenoiser", output_form=form)


def test_a_wrong_argument_is_named():
    with pytest.raises(ConfigError, match=r"BlindSpotNet\.kernels: must be odd numbers from 3, got \[2\]"):
        build_network("BayesDenoiser", {"kernels": [2]})
