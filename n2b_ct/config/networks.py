"""The sections of networks, and the values a file may give them: plain numbers within bounds, and known words.

Model files and pipelines are untrusted. Their arguments reach constructors of other packages, so an
address, a path or a number without bound is refused before any constructor is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue

from n2b_ct.config.section import Section

MOST_LAYERS = 64
"""Of anything that counts layers, blocks or levels."""
MOST_KERNEL_PX = 63
"""Side of any kernel, patch or stride inside a network."""
MOST_WINDOW_PX = 16
"""Side of a window of attention, which keeps the fourth power of it."""
MOST_ELSEWHERE = 2048
"""Of any other number: feature maps, groups, units."""

_MOST_VALUES = 32
_MOST_NESTED = 3
_MOST_CHARACTERS = 24
_FORBIDDEN = re.compile(
    r"pretrain|ur[il]|http|host|(?<!^dropout_)path|dir|file|weights?$|checkpoint|state_dict|download|progress|repo"
    r"|device|dtype|callback|preprocess|factory"
)
_BOUNDED = (
    (re.compile(r"window"), MOST_WINDOW_PX),
    (re.compile(r"kernel|patch|stride|dilation|padding"), MOST_KERNEL_PX),
    (re.compile(r"layer|block|depth|level|steps|repeat|num_res|head|^n_?stages"), MOST_LAYERS),
)
_ACTIVATIONS = {"relu", "leakyrelu", "prelu", "relu6", "selu", "celu", "elu", "gelu", "sigmoid", "tanh", "softmax"}
_ACTIVATIONS |= {"logsoftmax", "swish", "memswish", "mish", "geglu"}
_NORMS = {"instance", "batch", "group", "layer", "localresponse"}
_RESIZING = {"deconv", "deconvgroup", "nontrainable", "pixelshuffle", "conv", "default", "subpixel"}
_RESIZING |= {"nearest", "bilinear", "bicubic", "linear", "merging", "mergingv2"}
_JOINING = {"pad", "project", "cat", "add", "mul"}
_STARTS = {"random", "identity", "zeros", "kaiming_uniform", "kaiming_normal", "xavier_uniform", "xavier_normal"}
_ORDERS = {"nda", "adn", "nad", "and", "dna", "dan", "na", "an"}
_WORDS = _ACTIVATIONS | _NORMS | _RESIZING | _JOINING | _STARTS | _ORDERS | {"dropout", "alphadropout"}
_BACKBONES = re.compile(r"efficientnet-(b[0-8]|l2)|resnet(10|18|34|50|101|152|200)")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class ArgumentProblem:
    """An argument that is refused from a file: its name, the requirement, its value."""

    name: str
    requirement: str
    value: object


def argument_problems(arguments: Mapping[str, JsonValue]) -> list[ArgumentProblem]:
    """Find arguments that are refused from a file.

    Args:
        arguments: Keyword arguments as the file has them.
    """
    return list(_problems("", arguments, 0))


def _checked(arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if problems := argument_problems(arguments):
        raise ValueError("\n".join(dict.fromkeys(f"{one.name} {one.requirement}" for one in problems)))
    return arguments


NetworkName = Annotated[str, Field(min_length=1, max_length=64)]
NetworkArguments = Annotated[dict[str, JsonValue], AfterValidator(_checked)]


class NetworkSection(Section):
    """A network by name: one of ours, one of MONAI's that map an image to an image, or one of an installed package."""

    name: NetworkName
    """Name of its class, such as ``SimpleUNet`` or ``BasicUNet``."""
    arguments: NetworkArguments = Field(default_factory=dict)
    """Keyword arguments of that class: numbers and the words that networks know."""


class DenoiserSection(NetworkSection):
    """The denoiser F (DnNet) and the form of its output."""

    name: NetworkName = "SimpleUNet"
    output: Literal["lowpass", "direct", "residual"] = "lowpass"
    """``lowpass``: F(x) = net(x) + L(x − net(x)); ``direct``: F(x) = net(x); ``residual``: F(x) = x + net(x)."""
    lowpass_kernel_px: int = Field(17, ge=3, le=255)
    """Side of the box mean that L applies."""
    lowpass_passes: int = Field(2, ge=1, le=4)
    """How often L applies it."""


def _problems(name: str, value: object, nested: int) -> Iterator[ArgumentProblem]:
    """Walk through a value; ``name`` is the key that it stands under."""
    if isinstance(value, Mapping | list | tuple):
        yield from _group_problems(name, value, nested)
    elif isinstance(value, str):
        if not _is_known_word(value):
            yield ArgumentProblem(name, "must be a number or a word that networks know, such as relu", value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        most = next((bound for pattern, bound in _BOUNDED if pattern.search(name.lower())), MOST_ELSEWHERE)
        if not abs(value) <= most:
            yield ArgumentProblem(name, f"must be at most {most}", value)
    elif value is not None and not isinstance(value, bool):
        yield ArgumentProblem(name, "must be a number, a word or a list of them", type(value).__name__)


def _group_problems(
    name: str, group: Mapping[str, object] | Sequence[object], nested: int
) -> Iterator[ArgumentProblem]:
    if len(group) > _MOST_VALUES:
        yield ArgumentProblem(name, f"must hold at most {_MOST_VALUES} values", len(group))
    elif nested > _MOST_NESTED:
        yield ArgumentProblem(name, f"must be nested at most {_MOST_NESTED} deep", "deeper")
    elif isinstance(group, Mapping):
        for key, value in group.items():
            yield from _key_problems(str(key)) or _problems(str(key), value, nested + 1)
    else:
        for value in group:
            yield from _problems(name, value, nested + 1)


def _key_problems(key: str) -> list[ArgumentProblem]:
    if not _KEY.fullmatch(key):
        return [ArgumentProblem(key, "must be the name of an argument", "another text")]
    if _FORBIDDEN.search(key.lower()):
        return [
            ArgumentProblem(key, "must not be given: a file must not make a network read, fetch or call anything", "it")
        ]
    return []


def _is_known_word(text: str) -> bool:
    return len(text) <= _MOST_CHARACTERS and (text.lower() in _WORDS or bool(_BACKBONES.fullmatch(text)))
