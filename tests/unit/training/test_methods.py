"""A pipeline's method section becomes networks and a method."""

from __future__ import annotations

import pytest
import torch
from pydantic import TypeAdapter

from n2b_ct.config.methods import Method
from n2b_ct.errors import ConfigError
from n2b_ct.methods.noise2blur import Noise2Blur
from n2b_ct.methods.supervised import Supervised
from n2b_ct.networks.lowpass import DirectHead, LowpassHead, ResidualHead
from n2b_ct.training.methods import build_method

SMALL = {"arguments": {"n_features": 2, "depth": 2}}


def built(**values):
    return build_method(TypeAdapter(Method).validate_python({"name": "noise2blur", "denoiser": SMALL, **values}))


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
    with pytest.raises(ConfigError, match=r"network.name: must be SimpleUNet, NoiseExtractor, .*or a class"):
        built(noise_extractor={"name": "Magic"})
