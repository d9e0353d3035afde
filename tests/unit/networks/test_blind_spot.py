"""The proof by test that D-BSN is blind, and what it does see."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from n2b_ct.errors import ConfigError
from n2b_ct.networks import count_parameters
from n2b_ct.networks.blind_spot import FIRST_STD, LEAST_STD, BlindSpotNet, lower_triangle
from n2b_ct.networks.gaussians import covariance


def drawn(seed: int = 0, **arguments) -> BlindSpotNet:
    """A network in float64 whose weights and biases are all drawn anew and large: nothing is small by its start."""
    network = BlindSpotNet(**{"n_features": 5, **arguments}).double()
    generator = torch.Generator().manual_seed(seed)
    for weight in network.parameters():
        weight.data = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    return network


def image(n_channels: int = 1, rows: int = 9, cols: int = 11, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, n_channels, rows, cols, generator=generator, dtype=torch.float64)


def everything_said(network: BlindSpotNet, y: Tensor) -> Tensor:
    """All that the network says of every pixel, added up with different weights: ``[rows, cols]``."""
    mean, triangle = network(y)
    said = [*mean.unbind(1), *(entry for row in triangle for entry in row)]
    return sum((number + 1) * value for number, value in enumerate(said))[0]


def jacobian(network: BlindSpotNet, y: Tensor) -> Tensor:
    """How each output depends on each input, ``[rows, cols, C, rows, cols]``."""
    return torch.autograd.functional.jacobian(lambda one: everything_said(network, one), y, vectorize=True)[:, :, 0]


def dependence_on_itself(jacobian: Tensor) -> Tensor:
    """The Jacobian's diagonal in space, ``[C, rows, cols]``."""
    return jacobian.diagonal(dim1=0, dim2=3).diagonal(dim1=0, dim2=2)


SHAPES = [
    {"kernels": (3,), "steps": (1, 1, 1)},
    {"kernels": (5,), "steps": (1, 2)},
    {"kernels": (3, 5), "steps": (1, 2, 1, 2)},
    {"kernels": (3, 5, 7), "steps": (2, 1, 3)},
    {"kernels": (3, 5), "steps": (1, 1), "in_channels": 3},
]


@pytest.mark.parametrize("arguments", SHAPES, ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_no_output_depends_on_the_input_at_its_own_pixel_borders_included(arguments, seed):
    network = drawn(seed, **arguments)
    found = jacobian(network, image(arguments.get("in_channels", 1)))
    assert found.abs().max() > 0
    assert torch.equal(dependence_on_itself(found), torch.zeros_like(dependence_on_itself(found)))


@pytest.mark.parametrize("n_channels", [1, 3])
def test_every_output_depends_on_all_its_neighbours_in_5x5(n_channels):
    network = drawn(in_channels=n_channels)
    around = jacobian(network, image(n_channels))[4, 5, :, 2:7, 3:8]
    expected = torch.ones(n_channels, 5, 5, dtype=torch.bool)
    expected[:, 2, 2] = False
    assert torch.equal(around != 0, expected)


def test_one_branch_misses_the_pixels_of_its_lattice():
    around = jacobian(drawn(kernels=(3,), steps=(1, 1)), image())[4, 5, 0, 2:7, 3:8]
    assert (around == 0).nonzero().tolist() == [[i, j] for i in (0, 2, 4) for j in (0, 2, 4)]


def test_a_step_that_leaves_the_lattice_would_open_a_way_to_the_pixel():
    network = drawn(kernels=(5,), steps=(1, 1))
    first = network.branches[0][3].first
    first.dilation = first.padding = (2, 2)  # 3 is what the argument asks for; with 2: (2, 0) and back by (−2, 0)
    assert dependence_on_itself(jacobian(network, image())).abs().max() > 0


def test_reflection_at_the_border_would_show_the_pixel_and_is_not_needed():
    network = drawn()

    def reflected_first(y: Tensor) -> Tensor:
        mean, _ = network(pad(y, (0, 3, 0, 3), mode="reflect"))
        return mean[0, 0, : y.shape[-2], : y.shape[-1]]

    found = torch.autograd.functional.jacobian(reflected_first, image(), vectorize=True)[:, :, 0]
    assert dependence_on_itself(found).abs().max() > 0
    for rows, cols in ((1, 1), (1, 7), (2, 3), (33, 34)):
        assert network(image(rows=rows, cols=cols))[0].shape == (1, 1, rows, cols)


def test_the_default_sees_41_pixels_and_has_92_thousand_weights():
    network = drawn(n_features=2)
    for weight in network.parameters():
        weight.data.abs_()  # no unit is shut, nothing cancels
    y = torch.ones(1, 1, 49, 49, dtype=torch.float64, requires_grad=True)
    network(y)[0][0, 0, 24, 24].backward()
    seen = y.grad[0, 0].abs().sum(dim=1).nonzero().flatten()
    assert (int(seen.min()), int(seen.max())) == (4, 44)
    assert count_parameters(BlindSpotNet()) == 92_002


def test_an_baseline_network_claims_the_first_error_nearly_everywhere():
    _, triangle = BlindSpotNet()(image().float())
    assert (triangle[0][0] / FIRST_STD).log().abs().max() < 0.5


def test_a_lower_triangle_is_made_row_by_row_with_a_positive_diagonal():
    values = torch.tensor([0.0, 2.0, 0.0, 3.0, -4.0, -1e4]).reshape(1, 6, 1, 1)
    triangle = [[entry.item() for entry in row] for row in lower_triangle(values, 0.5)]
    expected = [[0.5], [1.0, 0.5], [1.5, -2.0, LEAST_STD]]
    for row, wanted in zip(triangle, expected, strict=True):
        assert row == pytest.approx(wanted)


def test_three_channels_get_a_covariance_that_is_positive_definite():
    _, triangle = BlindSpotNet(in_channels=3).double()(100 * image(3))
    eigenvalues = torch.linalg.eigvalsh(covariance(triangle).permute(0, 3, 4, 1, 2))
    assert eigenvalues.min() > 0


def test_the_outputs_are_float32_under_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mean, triangle = BlindSpotNet()(image().float())
    assert mean.dtype == triangle[0][0].dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 2}, r"BlindSpotNet\.in_channels: must be 1 \(gray\) or 3 \(RGB\), got 2"),
        ({"n_features": 0}, r"BlindSpotNet\.n_features: must be at least 1, got 0"),
        ({"kernels": (3, 4)}, r"BlindSpotNet\.kernels: must be odd numbers from 3, got \[3, 4\]"),
        ({"kernels": ()}, r"BlindSpotNet\.kernels: must be odd numbers from 3, got \[\]"),
        ({"steps": (1, 0)}, r"BlindSpotNet\.steps: must be whole numbers from 1, got \[1, 0\]"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        BlindSpotNet(**arguments)
