"""DnCNN as the paper gives it: 17 layers, 64 maps, batch norm in the middle, the noise subtracted."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from n2b_ct.errors import ConfigError
from n2b_ct.networks import DnCNN, build_network, count_parameters, size_multiple


def kinds(network: nn.Module) -> list[str]:
    """The names of all layers, in order, without their containers."""
    return [type(layer).__name__.replace("NoAutocast", "") for layer in network.modules() if not [*layer.children()]]


def says_constant(noise: float) -> DnCNN:
    """A DnCNN whose R says the same everywhere, in evaluation mode."""
    network = DnCNN(n_features=2, n_layers=3).eval()
    nn.init.zeros_(network.last.weight)
    nn.init.constant_(network.last.bias, noise)
    return network


def test_the_layers_are_those_of_the_paper():
    middle = ["Conv2d", "BatchNorm2d", "ReLU"]
    assert kinds(DnCNN()) == ["Conv2d", "ReLU", *(15 * middle), "Conv2d"]
    kernels = [tuple(weight.shape) for weight in DnCNN().parameters() if weight.ndim == 4]
    assert kernels == [(64, 1, 3, 3), *(15 * [(64, 64, 3, 3)]), (1, 64, 3, 3)]


def test_its_weights_are_counted_by_hand():
    first, middle, last = 9 * 64 + 64, 9 * 64 * 64 + 2 * 64, 9 * 64 + 1
    assert count_parameters(DnCNN()) == first + 15 * middle + last


def test_the_predicted_noise_is_subtracted():
    image = torch.rand(2, 1, 7, 9)
    torch.testing.assert_close(says_constant(0.25)(image), image - 0.25)


def test_three_layers_equal_the_value_computed_by_hand():
    # centre taps 2, −3 and 5, batch norm as it starts: 0.5 -> 1 -> relu(−3) = 0 and −0.5 -> 0;
    # with +3: 0.5 -> 1 -> 3 / √(1 + ε) -> R = 15, x̂ = −14.5
    network = DnCNN(n_features=1, n_layers=3).eval()
    image = torch.tensor([0.5, -0.5]).reshape(1, 1, 1, 2)
    for tap, expected in ((-3.0, [0.5, -0.5]), (3.0, [-14.5, -0.5])):
        for layer, weight in ((network.first[0], 2.0), (network.middle[0][0], tap), (network.last, 5.0)):
            nn.init.zeros_(layer.weight)
            layer.weight.data[0, 0, 1, 1] = weight
        torch.testing.assert_close(network(image).flatten(), torch.tensor(expected), rtol=0, atol=1e-3)


def test_it_sees_35_pixels():
    network, image = DnCNN(n_features=1).eval(), torch.ones(1, 1, 45, 45, requires_grad=True)
    for weight in network.parameters():
        nn.init.constant_(weight, 0.5)  # all positive: no ReLU closes a path
    network(image)[0, 0, 22, 22].backward()
    seen: Tensor = image.grad[0, 0].abs().sum(dim=1).nonzero().flatten()
    assert (seen.min().item(), seen.max().item()) == (22 - 17, 22 + 17)


@pytest.mark.parametrize("size", [(64, 64), (31, 17), (1, 1)])
def test_any_size_comes_back(size):
    assert DnCNN(n_features=4).eval()(torch.rand(2, 1, *size)).shape == (2, 1, *size)
    assert size_multiple(build_network("DnCNN", {"n_features": 4})) == 1


def test_a_colour_image_keeps_its_channels():
    assert DnCNN(in_channels=3, n_features=4)(torch.rand(2, 3, 8, 8)).shape == (2, 3, 8, 8)


def test_the_lowpass_form_keeps_the_mean_that_the_network_would_move():
    image = torch.rand(1, 1, 32, 32)
    lowpass = build_network("DnCNN", {"n_features": 2, "n_layers": 3}, "lowpass", kernel_px=5)
    lowpass.network.load_state_dict(says_constant(0.25).state_dict())
    torch.testing.assert_close(lowpass.eval()(image), image)


def test_the_residual_form_would_add_the_image_twice_and_is_refused():
    with pytest.raises(ConfigError, match=r"network.output: must be direct or lowpass for DnCNN, .* got residual"):
        build_network("DnCNN", {}, "residual")


def test_the_answer_stays_float32_under_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        image = torch.full((1, 1, 8, 8), 1.0 + 2.0**-12)  # bfloat16 would round it to 1
        answer = says_constant(0.0)(image)
    assert answer.dtype == torch.float32
    assert torch.equal(answer, image)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_scripted_network_gives_the_same_answer():
    network, image = DnCNN(n_features=4, n_layers=4).eval(), torch.rand(1, 1, 9, 9)
    torch.testing.assert_close(torch.jit.script(network)(image), network(image))


def test_it_learns_to_remove_white_noise():
    torch.manual_seed(2)
    network = DnCNN(n_features=8, n_layers=5)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(200):
        clean = torch.rand(8, 1, 1, 1).expand(8, 1, 24, 24)
        noisy = clean + 0.1 * torch.randn(clean.shape)
        optimiser.zero_grad()
        (network(noisy) - clean).square().mean().backward()
        optimiser.step()
    with torch.no_grad():
        rest = network.eval()(noisy) - clean
    assert rest.std() < 0.75 * (noisy - clean).std()


def test_impossible_arguments_are_all_listed():
    with pytest.raises(ConfigError, match=r"n_features: must be at least 1, got 0; .*\n.*n_layers: must be at least 2"):
        DnCNN(n_features=0, n_layers=1)
