"""The U-Net that works in units of the noise that it measures."""

from __future__ import annotations

import pytest
import torch

from n2b_ct.errors import ConfigError
from n2b_ct.networks.build import build_network, size_multiple
from n2b_ct.networks.noise_scaled import SCALE_PX, USUAL_STD, NoiseScaledUNet


@pytest.fixture
def network() -> NoiseScaledUNet:
    torch.manual_seed(3)
    return NoiseScaledUNet(n_features=4, depth=3, max_features=8, noise_features=4).eval()


@pytest.fixture
def image() -> torch.Tensor:
    return 0.25 + 0.005 * torch.randn(2, 1, 48, 64, generator=torch.Generator().manual_seed(1))


def test_an_image_comes_back_in_its_own_shape_and_in_float32(network, image):
    denoised = network(image.to(torch.bfloat16))
    assert denoised.shape == image.shape
    assert denoised.dtype == torch.float32


def test_noise_is_estimated_for_squares_of_pixels(network, image):
    assert network.log_noise_std(image).shape == (2, 1, 48 // SCALE_PX, 64 // SCALE_PX)


def test_an_untrained_estimate_is_near_the_usual_noise(network, image):
    std = network.log_noise_std(image).detach().exp()
    assert 0.2 * USUAL_STD < float(std.min()) <= float(std.max()) < 5.0 * USUAL_STD


def test_the_estimate_learns_the_noise_of_images(network):
    torch.manual_seed(5)
    optimizer = torch.optim.Adam(network.noise.parameters(), 1e-2)
    for _ in range(60):
        std = torch.tensor([0.002, 0.02])[:, None, None, None]
        wanted = std.log().expand(2, 1, 12, 12)
        loss = (network.log_noise_std(0.3 + std * torch.randn(2, 1, 48, 48)) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = network.log_noise_std(0.3 + 0.006 * torch.randn(1, 1, 48, 48)).detach().exp().mean()
    assert float(found) == pytest.approx(0.006, rel=0.4)


def test_the_denoiser_teaches_the_estimate_nothing(network, image):
    network(image).square().mean().backward()
    assert all(weight.grad is None for weight in network.noise.parameters())
    assert all(weight.grad is not None for weight in network.unet.parameters())


def test_what_is_removed_grows_with_the_estimated_noise(network, image):
    removed = image - network(image)
    with torch.no_grad():
        network.noise.layers[-1].bias[0] += 1.0
    assert (image - network(image)).square().sum() > removed.square().sum()


def test_training_draws_errors_of_the_noise_and_denoising_none(network, image):
    assert torch.equal(network(image), network(image))
    network.train()
    assert not torch.equal(network(image), network(image))


def test_the_lowpass_form_keeps_the_mean(image):
    network = build_network("NoiseScaledUNet", {"n_features": 4, "depth": 3, "max_features": 8}, "lowpass", seed=1)
    torch.testing.assert_close(network(image).mean((2, 3)), image.mean((2, 3)), rtol=0, atol=1e-6)


def test_sizes_are_multiples_of_what_both_parts_need():
    assert size_multiple(NoiseScaledUNet(n_features=2, depth=2, max_features=2, noise_features=2)) == SCALE_PX
    assert size_multiple(NoiseScaledUNet(n_features=2, depth=5, max_features=2, noise_features=2)) == 16


def test_a_residual_form_is_refused():
    with pytest.raises(ConfigError, match="must be lowpass or direct for NoiseScaledUNet"):
        build_network("NoiseScaledUNet", {}, "residual")
