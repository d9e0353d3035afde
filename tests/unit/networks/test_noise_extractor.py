"""The noise extractor as the paper gives it, and its identity start."""

from __future__ import annotations

import pytest
import torch

from n2b_ct.errors import ConfigError
from n2b_ct.networks import NoiseExtractor, count_parameters


def test_it_has_three_convolutions_with_32_maps():
    kernels = [tuple(weight.shape) for weight in NoiseExtractor().parameters() if weight.ndim == 4]
    assert kernels == [(32, 1, 3, 3), (32, 32, 3, 3), (1, 32, 3, 3)]
    assert count_parameters(NoiseExtractor()) == (9 * 32 + 32) + (9 * 32 * 32 + 32) + (9 * 32 + 1)


@pytest.mark.parametrize("size", [(64, 64), (31, 17), (1, 1)])
def test_any_size_comes_back(size):
    assert NoiseExtractor(8)(torch.rand(2, 1, *size)).shape == (2, 1, *size)


@pytest.mark.parametrize("n_features", [2, 32])
def test_the_identity_start_hands_noise_on(n_features):
    torch.manual_seed(1)
    noise = torch.randn(2, 1, 20, 30)
    torch.testing.assert_close(NoiseExtractor(n_features, start="identity")(noise), noise, rtol=1e-6, atol=1e-6)


def test_the_identity_start_can_learn_with_every_layer():
    torch.manual_seed(2)
    network = NoiseExtractor(8, start="identity")
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(2):
        optimiser.zero_grad()
        network(torch.randn(4, 1, 16, 16)).square().mean().backward()
        optimiser.step()
    assert all(weight.grad.flatten(1).abs().sum(dim=1).min() > 0 for weight in network.parameters() if weight.ndim > 1)


def test_a_random_start_is_no_identity():
    torch.manual_seed(3)
    noise = torch.randn(1, 1, 20, 20)
    assert (NoiseExtractor()(noise) - noise).abs().max() > 0.1


def test_it_sees_seven_pixels():
    noise = torch.zeros(1, 1, 15, 15, requires_grad=True)
    NoiseExtractor(8)(noise)[0, 0, 7, 7].backward()
    rows = noise.grad[0, 0].abs().sum(dim=1).nonzero().flatten().tolist()
    assert rows == list(range(4, 11))


def test_the_noise_stays_float32_under_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert NoiseExtractor(8)(torch.rand(1, 1, 8, 8)).dtype == torch.float32


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_scripted_extractor_gives_the_same_answer():
    network, noise = NoiseExtractor(8), torch.rand(1, 1, 9, 9)
    torch.testing.assert_close(torch.jit.script(network)(noise), network(noise))


def test_impossible_arguments_are_all_listed():
    with pytest.raises(ConfigError, match=r"n_features: must be at least 2, got 1; .*\n.*start: must be identity or"):
        NoiseExtractor(1, start="zero")
