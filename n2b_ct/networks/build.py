"""A network by name: one of ours, of MONAI, or of a package outside, from plain values of a file.

MONAI's are a list of names, not "any class of its module": the others there are classifiers, parts of networks, or
fetch weights.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from n2b_ct.config.networks import ArgumentProblem, DenoiserSection, argument_problems
from n2b_ct.errors import ConfigError, ModelError, explain
from n2b_ct.networks.heads import DirectHead, LowpassHead, ResidualHead, bare_network
from n2b_ct.networks.restricted import MOST_PARAMETERS, restricted
from n2b_ct.registry import NETWORKS, did_you_mean, is_subclass

NETWORKS.expect("must be a class derived from torch.nn.Module", lambda member: is_subclass(member, nn.Module))
OutputForm = Literal["lowpass", "direct", "residual"]

MONAI_NETWORKS = {
    "AttentionUnet": "attentionunet",
    "AutoEncoder": "autoencoder",
    "BasicUNet": "basic_unet",
    "DynUNet": "dynunet",
    "FlexibleUNet": "flexible_unet",
    "HighResNet": "highresnet",
    "LocalNet": "regunet",
    "MedNeXt": "mednext",
    "RegUNet": "regunet",
    "Restormer": "restormer",
    "SegResNet": "segresnet",
    "SegResNetDS": "segresnet_ds",
    "SwinUNETR": "swin_unetr",
    "UNet": "unet",
    "VNet": "vnet",
}
"""Class of MONAI to the file of ``monai.networks.nets`` that defines it."""
_NEEDED_PACKAGES = {"Restormer": "einops", "SwinUNETR": "einops"}

_DEFAULTS = {"spatial_dims": 2, "pretrained": False}
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
        name: Of :data:`~n2b_ct.registry.NETWORKS`; nothing else is ever imported.
        arguments: Keyword arguments of that class: numbers within bounds, and words that networks know.
            ``in_channels`` and ``out_channels`` default to ``n_channels``, MONAI's ``spatial_dims`` to 2 and
            ``pretrained`` to false. A constructor reaches no network, no file and no program.
        output_form: What the output means, see :mod:`n2b_ct.networks.heads`.
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
    network_class: type[nn.Module] = NETWORKS.get(name, "network.name")
    _require_output_form(name, network_class, output_form)
    keywords = _complete(network_class, dict(arguments or {}), n_channels)
    with _seeded(seed):
        network = _construct(name, network_class, keywords, most_weights)
    if output_form == "lowpass":
        return LowpassHead(network, kernel_px, passes)
    return ResidualHead(network) if output_form == "residual" else DirectHead(network)


def build_denoiser(section: DenoiserSection, n_channels: int = 1, most_weights: int = MOST_PARAMETERS) -> nn.Module:
    """Build the denoiser that a section describes, with its output form; weights follow from torch's seed.

    Args:
        section: Network, arguments and output form.
        n_channels: Of its images: 1, or 3 for RGB.
        most_weights: A network of more is refused before it is whole.

    Raises:
        ConfigError: The network's name or an argument is wrong.
    """
    return build_network(
        section.name,
        section.arguments,
        section.output,
        kernel_px=section.lowpass_kernel_px,
        passes=section.lowpass_passes,
        n_channels=n_channels,
        most_weights=most_weights,
    )


def size_multiple(network: nn.Module) -> int:
    """Return what rows and columns must be multiples of.

    A network with an attribute ``multiple`` says it itself; any other is asked with zeros of 33, 34, 36, 40, 48, 96
    and 192 pixels until one size comes back unchanged.

    Args:
        network: What :func:`build_network` returned, or its bare network.

    Returns:
        1, 2, 4, … or 64.

    Raises:
        ModelError: No size works: the network is no image-to-image network, or has a fixed size.
    """
    bare = bare_network(network)
    multiple = getattr(bare, "multiple", None)
    return multiple if isinstance(multiple, int) else _probe_multiple(bare)


def count_parameters(network: nn.Module) -> int:
    """Count the trainable weights."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


def _monai_class(name: str) -> type[nn.Module]:
    """Import a class of MONAI, which takes seconds."""
    package = _NEEDED_PACKAGES.get(name)
    if package is not None and find_spec(package) is None:
        requirement = f"needs the package {package} for {name}"
        raise ConfigError(explain("network.name", requirement, "none", f"pip install {package}, or use SimpleUNet"))
    network_class: type[nn.Module] = getattr(import_module(f"monai.networks.nets.{MONAI_NETWORKS[name]}"), name)
    return network_class


for _name in MONAI_NETWORKS:
    NETWORKS.register_lazily(_name, partial(_monai_class, _name))


def _require_output_form(name: str, network_class: type[nn.Module], output_form: str) -> None:
    """Refuse an output form that a network does not go with; its ``output_forms`` are those that it does."""
    if output_form not in get_args(OutputForm):
        requirement = "must be lowpass, direct or residual"
        raise ConfigError(explain("network.output", requirement, output_form, "pick one of them"))
    forms: tuple[str, ...] = getattr(network_class, "output_forms", (output_form,))
    if output_form not in forms:
        reason = getattr(network_class, "output_forms_reason", "which goes with no other")
        requirement = f"must be {' or '.join(forms)} for {name}, {reason}"
        raise ConfigError(explain("network.output", requirement, output_form, f"use {forms[0]}"))


def _complete(network_class: type[nn.Module], keywords: dict[str, Any], n_channels: int) -> dict[str, Any]:
    """Add what every network on slices needs and check all names and values at once."""
    if forbidden := argument_problems(keywords):
        raise ConfigError([_forbidden_argument(one) for one in forbidden])
    parameters = inspect.signature(network_class).parameters
    usual = _DEFAULTS | {"in_channels": n_channels, "out_channels": n_channels}
    defaults = {key: value for key, value in usual.items() if key in parameters}
    completed = {**defaults, **keywords}
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    unknown = [] if open_ended else [key for key in completed if key not in parameters]
    needed = [key for key, parameter in parameters.items() if _is_needed(parameter) and key not in completed]
    problems = [_unknown_argument(key, list(parameters), completed[key]) for key in unknown]
    problems += [
        explain(f"network.arguments.{key}", f"is needed by {network_class.__name__}", "nothing", "add it")
        for key in needed
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
    requirement = f"must be one of {', '.join(known)}"
    return explain(f"network.arguments.{key}", requirement, value, did_you_mean(key, known, "remove it"))


def _construct(name: str, network_class: type[nn.Module], keywords: dict[str, Any], most_weights: int) -> nn.Module:
    try:
        with restricted(name, most_weights):
            return network_class(**keywords)
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
