"""The U-Net: its size by hand, its refusals, its precision, its export."""

from __future__ import annotations

import pytest
import torch

from n2b_ct.errors import ConfigError, ModelError
from n2b_ct.networks import SimpleUNet, count_parameters
from n2b_ct.networks.unet import _UpBlock, doubling_weight


def small_unet(**arguments: int) -> SimpleUNet:
    torch.manual_seed(0)
    return SimpleUNet(**{"n_features": 4, "depth": 3} | arguments)


def conv_weights(before: int, after: int, side: int = 3) -> int:
    return before * after * side**2 + after


def test_an_image_comes_back_in_its_own_shape():
    assert small_unet()(torch.rand(2, 1, 32, 20)).shape == (2, 1, 32, 20)
    assert small_unet(in_channels=3, out_channels=2)(torch.rand(1, 3, 8, 8)).shape == (1, 2, 8, 8)


def test_the_number_of_weights_is_what_a_hand_counts():
    down = conv_weights(1, 4) + conv_weights(4, 4) + conv_weights(4, 8) + conv_weights(8, 16)
    up_to_8 = conv_weights(16 + 8, 8) + conv_weights(8, 8)
    up_to_4 = conv_weights(8 + 4, 4) + conv_weights(4, 4)
    assert count_parameters(small_unet()) == down + up_to_8 + up_to_4 + conv_weights(4, 1)


def test_the_doubling_stops_at_max_features():
    widest = max(weight.shape[0] for weight in small_unet(depth=4, max_features=8).parameters())
    assert widest == 8


@pytest.mark.parametrize(("depth", "multiple"), [(1, 1), (2, 2), (4, 8)])
def test_sides_must_be_multiples_of_the_coarsest_step(depth, multiple):
    network = small_unet(depth=depth)
    assert network.multiple == multiple
    assert network(torch.rand(1, 1, 3 * multiple, 5 * multiple)).shape[-2:] == (3 * multiple, 5 * multiple)


def test_a_size_that_does_not_fit_is_refused_by_name():
    with pytest.raises(ModelError, match="SimpleUNet: rows and columns must be multiples of 4, got 30x32; pad"):
        small_unet()(torch.rand(1, 1, 30, 32))


def test_impossible_arguments_are_all_listed():
    with pytest.raises(ConfigError, match=r"n_features: must be at least 1, got 0; raise it\nSimpleUNet\.depth"):
        SimpleUNet(n_features=0, depth=0)


def test_a_pixel_reaches_far_through_the_coarse_levels():
    x = torch.rand(1, 1, 64, 64, requires_grad=True)
    small_unet()(x)[0, 0, 32, 32].backward()
    rows = x.grad[0, 0].abs().sum(dim=1).nonzero().flatten()
    assert rows.max() - rows.min() >= 30


def test_every_weight_is_used():
    network = small_unet()
    network(torch.rand(1, 1, 16, 16)).sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in network.parameters())


def test_the_answer_stays_float32_under_autocast():
    network = small_unet()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        answer = network(torch.rand(1, 1, 16, 16))
    assert answer.dtype == torch.float32
    assert not torch.equal(answer, answer.bfloat16().float())


@pytest.mark.parametrize("size", [(6, 10), (1, 1)])
def test_a_step_up_is_doubling_joining_and_convolving(size):
    torch.manual_seed(0)
    x, skip = torch.rand(2, 5, *size), torch.rand(2, 3, 2 * size[0], 2 * size[1])
    step = _UpBlock(5, 3)
    doubled = x.repeat_interleave(2, -2).repeat_interleave(2, -1)
    torch.testing.assert_close(step(x, skip), step.mix(torch.cat([doubled, skip], dim=1)))


def test_a_step_up_teaches_its_weights_what_doubling_and_joining_would():
    torch.manual_seed(0)
    x, skip = torch.rand(1, 5, 4, 4), torch.rand(1, 3, 8, 8)
    step = _UpBlock(5, 3)
    found = torch.autograd.grad(step(x, skip).square().sum(), list(step.parameters()))
    doubled = x.repeat_interleave(2, -2).repeat_interleave(2, -1)
    expected = torch.autograd.grad(step.mix(torch.cat([doubled, skip], dim=1)).square().sum(), list(step.parameters()))
    torch.testing.assert_close(found, expected)


def test_the_folded_weights_are_those_that_a_hand_sums():
    rows = doubling_weight(torch.arange(9.0).reshape(1, 1, 3, 3))[0, 0]
    turned = torch.tensor([[8.0, 7, 6], [5, 4, 3], [2, 1, 0]])
    assert rows[0].tolist() == [8, 8 + 7, 7 + 6, 6]
    assert rows[1].tolist() == [8 + 5, 8 + 5 + 7 + 4, 7 + 4 + 6 + 3, 6 + 3]
    assert rows[3].tolist() == [2, 2 + 1, 1 + 0, 0]
    assert rows.sum() == 4 * turned.sum()


def test_the_same_generator_gives_the_same_weights():
    pairs = zip(small_unet().parameters(), small_unet().parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_channels_last_gives_the_same_answer():
    network, x = small_unet(), torch.rand(2, 1, 16, 16)
    expected = network(x)
    answer = network.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(answer, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_scripted_network_gives_the_same_answer():
    network, x = small_unet().eval(), torch.rand(1, 1, 24, 16)
    torch.testing.assert_close(torch.jit.script(network)(x), network(x))
