"""Networks by name: ours, MONAI's, and every way to get it wrong."""

from __future__ import annotations

import pytest
import torch
from monai.networks.nets import BasicUNet
from torch import nn

from n2b_ct.errors import ConfigError, ModelError
from n2b_ct.networks import (
    DirectHead,
    LowpassHead,
    NoiseExtractor,
    ResidualHead,
    SimpleUNet,
    build_network,
    count_parameters,
    size_multiple,
)

UNET = {"channels": [4, 8, 16], "strides": [2, 2]}
SMALL_BASIC = {"features": [4, 4, 4, 4, 4, 4]}


@pytest.mark.parametrize(
    ("name", "arguments", "multiple"),
    [
        ("SimpleUNet", {"n_features": 4, "depth": 4}, 8),
        ("NoiseExtractor", {"n_features": 4}, 1),
        ("UNet", UNET, 4),
        ("BasicUNet", SMALL_BASIC, 1),
        (
            "SegResNet",
            {
                "init_filters": 4,
                "blocks_down": [1, 1],
                "blocks_up": [1],
                "norm": ["GROUP", {"num_groups": 2}],
            },
            2,
        ),
        ("AttentionUnet", UNET, 4),
    ],
)
def test_a_network_by_name_maps_slices_to_slices(name, arguments, multiple):
    network = build_network(name, arguments, "lowpass")
    assert size_multiple(network) == multiple
    x = torch.rand(2, 1, 32 + multiple, 48)
    assert network(x).shape == x.shape


def test_what_comes_out_of_build_is_the_class_itself():
    assert isinstance(build_network("SimpleUNet", {"depth": 2}).network, SimpleUNet)
    assert isinstance(build_network("NoiseExtractor").network, NoiseExtractor)
    assert isinstance(build_network("BasicUNet", SMALL_BASIC).network, BasicUNet)


def test_the_output_form_wraps_the_network():
    arguments = {"n_features": 4, "depth": 2}
    assert isinstance(build_network("SimpleUNet", arguments, "direct"), DirectHead)
    assert isinstance(build_network("SimpleUNet", arguments, "residual"), ResidualHead)
    head = build_network("SimpleUNet", arguments, "lowpass", kernel_px=9, passes=3)
    assert isinstance(head, LowpassHead)
    assert (head.kernel_px, head.passes) == (9, 3)


def test_a_seed_decides_the_weights_and_leaves_the_generator_alone():
    torch.manual_seed(1)
    expected_draw = torch.rand(3)
    torch.manual_seed(1)
    one = build_network("SimpleUNet", {"n_features": 4, "depth": 2}, seed=11)
    assert torch.equal(torch.rand(3), expected_draw)
    other = build_network("SimpleUNet", {"n_features": 4, "depth": 2}, seed=11)
    third = build_network("SimpleUNet", {"n_features": 4, "depth": 2}, seed=12)
    x = torch.rand(1, 1, 8, 8)
    assert torch.equal(one(x), other(x))
    assert not torch.equal(one(x), third(x))


def test_a_probe_leaves_the_network_in_its_mode():
    network = build_network("UNet", UNET | {"norm": "BATCH"}).train()
    before = [buffer.clone() for buffer in network.buffers()]
    size_multiple(network)
    assert network.training
    assert network.network.training
    assert all(torch.equal(one, other) for one, other in zip(before, network.buffers(), strict=True))


def test_only_trainable_weights_are_counted():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 1, 1))
    network[0].requires_grad_(False)
    assert count_parameters(network) == 5


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("SimpleUnet", "did you mean .*SimpleUNet"),
        ("BasicUnetPlusPlus", "did you mean .*BasicUNet"),
        ("Restormr", r"did you mean Restormer\?"),
        ("os.system", "choose one of them"),
    ],
)
def test_an_unknown_name_is_refused_with_its_neighbours(name, remedy):
    with pytest.raises(ConfigError, match=rf"network\.name: must be one of .*SimpleUNet, .*, got {name}; {remedy}"):
        build_network(name)


@pytest.mark.parametrize("name", ["torch", "nn", "warnings", "__builtins__", "resnet18"])
def test_only_network_classes_can_be_named(name):
    with pytest.raises(ConfigError, match=r"network\.name: must be"):
        build_network(name)


def test_all_wrong_arguments_are_listed_with_their_neighbours():
    with pytest.raises(ConfigError) as caught:
        build_network("UNet", {"chanels": [4, 8], "colour": 1})
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        f"network.arguments.{key}" for key in ("chanels", "colour", "channels", "strides")
    ]
    assert "did you mean channels" in caught.value.problems[0]
    assert caught.value.problems[1].endswith("got 1; remove it")
    assert "is needed by UNet, got nothing; add it" in caught.value.problems[2]


def test_values_that_a_constructor_refuses_are_a_config_error():
    with pytest.raises(ConfigError, match=r"network\.arguments: must suit UNet, got .*strides.*; correct them"):
        build_network("UNet", {"channels": [4, 8, 16], "strides": [2]})
    with pytest.raises(ConfigError, match=r"network\.arguments: must suit SimpleUNet, got .*'list'"):
        build_network("SimpleUNet", {"depth": [2]})
    with pytest.raises(ConfigError, match=r"SimpleUNet\.depth: must be at least 1, got 0"):
        build_network("SimpleUNet", {"depth": 0})


def test_an_unknown_output_form_is_refused():
    with pytest.raises(ConfigError, match=r"network\.output: must be lowpass, direct or residual, got highpass"):
        build_network("SimpleUNet", {}, "highpass")


def test_a_network_that_returns_no_image_has_no_multiple():
    classifier = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4, 3))
    with pytest.raises(ModelError, match=r"Sequential: must return an image .*, got \[1, 3\] for \[1, 1, 192, 192\]"):
        size_multiple(classifier)


@pytest.mark.parametrize("multiple", [1, 2, 4, 8, 16, 32, 64])
def test_every_multiple_is_told_from_the_next(multiple):
    class Steps(nn.Module):
        def forward(self, x):
            if x.shape[-1] % multiple or x.shape[-2] % multiple:
                raise ValueError("does not fit")
            return x

    assert size_multiple(Steps()) == multiple


def test_a_network_that_asks_for_a_missing_package_says_so():
    class NeedsPackage(nn.Module):
        def forward(self, x):
            raise ImportError("needs einops\nand more")

    with pytest.raises(ModelError, match=r"NeedsPackage: .*, got needs einops; .* install what it needs"):
        size_multiple(NeedsPackage())


def test_a_network_that_returns_several_images_has_no_multiple():
    class Supervised(nn.Module):
        def forward(self, x):
            return [x, x]

    with pytest.raises(ModelError, match=r"Supervised: must return an image .*, got a list;"):
        size_multiple(Supervised())


def test_a_network_that_monai_does_not_export_is_found_by_its_file():
    assert type(build_network("Restormer", {"dim": 8}).network).__module__ == "monai.networks.nets.restormer"
