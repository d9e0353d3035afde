"""A pipeline's method section becomes networks and a method."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from n2b_ct.errors import ConfigError
from n2b_ct.methods.noise2blur import Noise2Blur
from n2b_ct.methods.supervised import Supervised
from n2b_ct.networks.heads import DirectHead, LowpassHead, ResidualHead
from tests.toy_methods import CT, toy_method

SMALL = {"arguments": {"n_features": 2, "depth": 2}}


def built(traits=CT, name="noise2blur", **values):
    return toy_method(name, traits, **{"denoiser": SMALL, **values})


def test_noise2blur_gets_both_networks_and_supervised_one():
    method = built()
    assert isinstance(method, Noise2Blur)
    assert {"denoiser", "noise_extractor"} <= set(method.networks)
    supervised = built(name="supervised")
    assert isinstance(supervised, Supervised)
    assert set(supervised.networks) == {"denoiser"}


@pytest.mark.parametrize(
    ("output", "head"), [("direct", DirectHead), ("residual", ResidualHead), ("lowpass", LowpassHead)]
)
def test_the_output_form_is_a_head_on_any_network(output, head):
    method = built(denoiser={**SMALL, "output": output})
    assert isinstance(method.networks["denoiser"], head)


def test_networks_of_monai_are_taken_by_name():
    method = built(denoiser={"name": "BasicUNet", "arguments": {"features": [2, 2, 2, 2, 2, 2]}})
    image = torch.rand(1, 1, 32, 32)
    assert method.networks["denoiser"](image).shape == image.shape


@pytest.mark.parametrize("name", ["SimpleUNet", "DnCNN", "BasicUNet"])
def test_colour_images_give_every_network_three_channels(name):
    arguments = {"features": [2] * 6} if name == "BasicUNet" else {"n_features": 2}
    method = built(replace(CT, n_channels=3), denoiser={"name": name, "arguments": arguments, "output": "direct"})
    image = torch.rand(1, 3, 32, 32)
    assert method.networks["denoiser"](image).shape == image.shape
    assert method.networks["noise_extractor"](image).shape == image.shape


@pytest.mark.parametrize(("clipped", "darkest"), [(True, 0.0), (False, -0.25)])
def test_composed_images_end_where_noisy_ones_do(clipped, darkest):
    """An extractor that answers −2 everywhere drives every composed image below all noisy ones."""
    method = built(replace(CT, clipped=clipped), noise_clamp_sigma=None, noise_anchor_rate=None)
    with torch.no_grad():
        for weight in method.networks["noise_extractor"].parameters():
            weight.zero_()
        method.networks["noise_extractor"].network.last.bias.fill_(-2.0)
    seen: list[torch.Tensor] = []
    method.networks["denoiser"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    batch = {key: torch.full((1, 1, 32, 32), 0.5) for key in ("noisy", "blurred", "clean")}
    batch["noisy"][..., 0, 0] = -0.25
    method.step(batch, progress=0.9)
    assert float(seen[1].amin()) == float(seen[1].amax()) == darkest


def test_gradient_interruption_is_one_setting_away():
    batch = {"noisy": torch.rand(2, 1, 32, 32), "blurred": torch.rand(2, 1, 32, 32), "clean": torch.rand(2, 1, 32, 32)}
    reached = {}
    for interrupted in (True, False):
        method = built(gradient_interruption=interrupted)
        method.step(batch, progress=0.9).losses["n2b"].backward()
        gradients = [weight.grad for weight in method.networks["denoiser"].parameters()]
        reached[interrupted] = any(gradient is not None for gradient in gradients)
    assert reached == {True: False, False: True}


def test_weights_follow_from_torchs_seed():
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        weights.append(built().networks["denoiser"].state_dict()["network.last.weight"])
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_an_unknown_network_is_said():
    with pytest.raises(ConfigError, match=r"network.name: must be one of BayesDenoiser, DnCNN, NoiseExtractor, "):
        built(noise_extractor={"name": "Magic"})
