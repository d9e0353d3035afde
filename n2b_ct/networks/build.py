"""A network by name: one of ours, or an image-to-image network of ``monai.networks.nets``."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from n2b_ct.config.network_arguments import ArgumentProblem, argument_problems
from n2b_ct.errors import ConfigError, ModelError, explain
from n2b_ct.networks.bayes import BayesDenoiser
from n2b_ct.networks.confinement import MOST_PARAMETERS, confined
from n2b_ct.networks.dncnn import DnCNN
from n2b_ct.networks.lowpass import DirectHead, LowpassHead, ResidualHead
from n2b_ct.networks.offered import network_class
from n2b_ct.networks.unet import SimpleUNet

OutputForm = Literal["lowpass", "direct", "residual"]

_DEFAULTS = {"spatial_dims": 2, "pretrained": False}
_CHANNELS = ("in_channels", "out_channels")
_PROBED_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
_SMALLEST_PROBE_PX = 33


def build_network(
    name: str,
    arguments: Mapping[str, Any] | None = None,
    output_form: OutputForm = "direct",
    *,
    kernel_px: int = 17,
    passes: int = 2,
    n_channels: int = 1,
    seed: int | None = None,
    most_weights: int = MOST_PARAMETERS,
) -> nn.Module:
    """Build a network from plain values and give it its output form.

    Args:
        name: One of :mod:`n2b_ct.networks.offered`; nothing else is ever imported.
        arguments: Keyword arguments of that class: numbers within bounds, and words that networks know.
            ``in_channels`` and ``out_channels`` default to ``n_channels``, MONAI's ``spatial_dims`` to 2 and
            ``pretrained`` to false. A constructor reaches no network, no file and no program.
        output_form: What the output means, see :mod:`n2b_ct.networks.lowpass`.
        kernel_px: Side of the box mean of ``lowpass``.
        passes: How often ``lowpass`` applies it.
        n_channels: Channels of the images: 1, or 3 for RGB.
        seed: The weights depend on it alone and torch's generator stays untouched; ``None`` draws them
            from torch's generator.
        most_weights: A network of more is refused before it is whole.

    Returns:
        A module from ``[batch, n_channels, rows, cols]`` to float32 of the same shape.

    Raises:
        ConfigError: The name, an argument or the output form is wrong, or the network would be too large.
    """
    found = network_class(name)
    _require_suiting(found, output_form)
    keywords = _complete(found, dict(arguments or {}), n_channels)
    with _seeded(seed):
        network = _construct(name, found, keywords, most_weights)
    if output_form == "lowpass":
        return LowpassHead(network, kernel_px, passes)
    if output_form == "residual":
        return ResidualHead(network)
    if output_form == "direct":
        return DirectHead(network)
    raise ConfigError(explain("network.output", "must be lowpass, direct or residual", output_form, "pick one of them"))


def size_multiple(network: nn.Module) -> int:
    """Find what rows and columns must be multiples of.

    ``SimpleUNet`` and ``BayesDenoiser`` say it themselves; any other is asked with zeros of 33, 34, 36, 40, 48, 96
    and 192 pixels until one size comes back unchanged.

    Args:
        network: What :func:`build_network` returned, or its bare network.

    Returns:
        1, 2, 4, … or 64.

    Raises:
        ModelError: No size works: the network is no image-to-image network, or has a fixed size.
    """
    bare = network.network if isinstance(network, DirectHead | ResidualHead | LowpassHead) else network
    return bare.multiple if isinstance(bare, SimpleUNet | BayesDenoiser) else _probe_multiple(bare)


def count_parameters(network: nn.Module) -> int:
    """Count the trainable weights."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


def _require_suiting(found: type[nn.Module], output_form: str) -> None:
    if found is DnCNN and output_form == "residual":
        requirement = "must be direct or lowpass for DnCNN, which subtracts its noise itself"
        raise ConfigError(explain("network.output", requirement, output_form, "use direct, the published form"))
    if found is BayesDenoiser and output_form != "direct":
        requirement = "must be direct for BayesDenoiser, which weighs the image itself"
        raise ConfigError(explain("network.output", requirement, output_form, "use direct"))


def _complete(found: type[nn.Module], keywords: dict[str, Any], n_channels: int) -> dict[str, Any]:
    """Add what every network on slices needs and check all names and values at once."""
    if forbidden := argument_problems(keywords):
        raise ConfigError([_forbidden_argument(one) for one in forbidden])
    parameters = inspect.signature(found).parameters
    usual = _DEFAULTS | dict.fromkeys(_CHANNELS, n_channels)
    defaults = {key: value for key, value in usual.items() if key in parameters}
    completed = {**defaults, **keywords}
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    unknown = [] if open_ended else [key for key in completed if key not in parameters]
    needed = [key for key, parameter in parameters.items() if _is_needed(parameter) and key not in completed]
    problems = [_unknown_argument(key, list(parameters), completed[key]) for key in unknown]
    problems += [
        explain(f"network.arguments.{key}", f"is needed by {found.__name__}", "nothing", "add it") for key in needed
    ]
    if problems:
        raise ConfigError(problems)
    return completed


def _forbidden_argument(problem: ArgumentProblem) -> str:
    return explain(f"network.arguments.{problem.name}", problem.requirement, problem.value, "correct or remove it")


def _is_needed(parameter: inspect.Parameter) -> bool:
    variadic = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    return parameter.default is parameter.empty and not variadic


def _unknown_argument(key: str, known: list[str], value: object) -> str:
    close = difflib.get_close_matches(key, known, n=3)
    remedy = f"did you mean {' or '.join(close)}?" if close else "remove it"
    return explain(f"network.arguments.{key}", f"must be one of {', '.join(known)}", value, remedy)


def _construct(name: str, found: type[nn.Module], keywords: dict[str, Any], most_weights: int) -> nn.Module:
    try:
        with confined(name, most_weights):
            return found(**keywords)
    except ConfigError:
        raise
    except Exception as error:  # constructors of MONAI raise whatever their layers raise
        first_line = str(error).partition("\n")[0] or type(error).__name__
        requirement = f"must suit {name}"
        remedy = "correct them, or leave them out"
        raise ConfigError(explain("network.arguments", requirement, first_line, remedy)) from error


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """Draw weights from ``seed`` and put torch's generator back afterwards."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


@torch.no_grad()
def _probe_multiple(network: nn.Module) -> int:
    weight = next(network.parameters(), torch.zeros(1))
    n_channels = next((one.shape[1] for one in network.parameters() if one.ndim == 4), 1)  # of the first convolution
    was_training = network.training
    network.eval()
    complaint: str | None = None
    try:
        for multiple in _PROBED_MULTIPLES:
            odd = max(3, math.ceil(_SMALLEST_PROBE_PX / multiple) | 1)  # a multiple of nothing larger
            side_px = multiple * odd
            complaint = _complaint(network, weight.new_zeros(1, n_channels, side_px, side_px))
            if complaint is None:
                return multiple
    finally:
        network.train(was_training)
    requirement = "must return an image of its input's shape for some multiple up to 64 pixels"
    remedy = "choose an image-to-image network of free size, or install what it needs"
    raise ModelError(explain(type(network).__name__, requirement, complaint, remedy))


def _complaint(network: nn.Module, image: Tensor) -> str | None:
    """Say why the network cannot map an image of this size, or nothing."""
    try:
        output = network(image)
    except Exception as error:  # a network refuses a size with whatever its layers raise
        return str(error).partition("\n")[0] or type(error).__name__
    if not isinstance(output, Tensor):
        return f"a {type(output).__name__}"
    return None if output.shape == image.shape else f"{list(output.shape)} for {list(image.shape)}"
