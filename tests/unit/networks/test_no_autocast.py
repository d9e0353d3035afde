"""The last layer: full precision under autocast, and the same sums whichever way they are taken."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv2d

from n2b_ct.networks.heads import NoAutocastConv2d, summed_planes

REFLECTING = {"padding_mode": "reflect"}


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


@pytest.mark.parametrize("n_out", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (9, 16)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_planes_sum_to_the_convolution(n_out, size, layout):
    maps, weight, bias = draw(2, 5, *size).to(memory_format=layout), draw(n_out, 5, 3, 3), draw(n_out)
    torch.testing.assert_close(summed_planes(maps, weight, bias), conv2d(maps, weight, bias, padding=1))


def test_the_layer_says_the_same_while_it_learns_and_while_it_denoises():
    layer, maps = NoAutocastConv2d(24, 1, 3, padding=1), draw(1, 24, 40, 33).float()
    learning = layer(maps)
    learning.sum().backward()
    assert layer.weight.grad is not None
    with torch.no_grad():
        torch.testing.assert_close(layer(maps), learning)


@pytest.mark.parametrize(
    "options", [{"stride": 2}, {"padding": 0}, {"bias": False}, {"dilation": 2}, {"groups": 2}, REFLECTING]
)
def test_other_convolutions_are_left_as_they_are(options):
    layer, maps = NoAutocastConv2d(4, 2, 3, **{"padding": 1, **options}), draw(1, 4, 9, 9).float()
    with torch.no_grad():
        found = layer(maps)
    torch.testing.assert_close(found, layer(maps).detach())


@pytest.mark.parametrize("grad", [True, False])
def test_autocast_does_not_round_it(grad):
    layer, maps = NoAutocastConv2d(24, 1, 3, padding=1), draw(1, 24, 16, 16).float()
    with torch.set_grad_enabled(grad):
        exact = layer(maps)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert layer(maps).dtype == torch.float32
            torch.testing.assert_close(layer(maps), exact, rtol=0, atol=0)
