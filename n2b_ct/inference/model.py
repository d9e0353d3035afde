"""The model file: a denoiser's weights, its network, and the scale of its input.

A file is one dictionary of plain values and tensors, read with ``weights_only=True``: nothing in it can run.
``torch.save`` writes a zip whose members are stored as they are. A member that is compressed, or that claims to hold
more than the file does, was not written by it: it is refused before anything is unpacked.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from n2b_ct.config.networks import DenoiserSection
from n2b_ct.config.sections import DenoisingSection
from n2b_ct.config.windows import WindowSection
from n2b_ct.data.natural_images import NaturalImageScale
from n2b_ct.errors import ConfigError, ModelError, explain
from n2b_ct.hu import Window
from n2b_ct.io.atomic import write_atomically
from n2b_ct.networks.build import build_denoiser, size_multiple
from n2b_ct.networks.restricted import MOST_PARAMETERS
from n2b_ct.registry import UnavailableError
from n2b_ct.version import __version__

MODEL_FILE = "model.pt"
VERSION_FACT = "version"
_FORMAT = "n2b-ct model 1"
_KEYS = {"format", "name", "method", "denoiser", "denoising", "weights", "facts"}
_DIGEST_KEYS = {"test_time_augmentation": "symmetries"}
"""Keys with another name in the digest: derived UIDs follow from it, so a renamed key must not change it."""
_CT_KEY, _NATURAL_IMAGES_KEY = "window_hu", "natural_images"
_MOST_BYTES = 1_000_000_000
_MOST_VALUES = 2000
_MOST_CHARACTERS = 200
_MOST_MEMBERS = 100_000
_MOST_INDEX_BYTES = 16 * 1024**2
_INDEX = "data.pkl"
_MOST_UNFILLED = 100_000


@dataclass(frozen=True, slots=True)
class Model:
    """A trained denoiser, ready for slices of CT or for natural images.

    Attributes:
        denoiser: F, in evaluation mode.
        section: The network it is.
        input_scale: What becomes [0, 1]: HU in a window, or natural images.
        name: The pipeline that trained it.
        method: Its method's name.
        digest: SHA-256 over weights, network, window and use: what can change a pixel.
        multiple_px: Both sides of its input must be multiples of this.
        facts: Facts of the training: iterations, seed, version of n2b-ct, noise of the images; of a model that is
            shipped also its own version.
        denoising: Default use: strength and test-time augmentation.
    """

    denoiser: nn.Module
    section: DenoiserSection
    input_scale: Window | NaturalImageScale
    name: str
    method: str
    digest: str
    multiple_px: int
    facts: dict[str, Any]
    denoising: DenoisingSection = field(default_factory=DenoisingSection)

    @property
    def version(self) -> str:
        """Its own version where it has one, else that of the n2b-ct that trained it."""
        return str(self.facts.get(VERSION_FACT) or self.facts.get("n2b_ct", __version__))

    @property
    def is_of_ct(self) -> bool:
        """Whether it was trained on CT."""
        return isinstance(self.input_scale, Window)

    @property
    def window(self) -> Window:
        """HU that become [0, 1].

        Raises:
            ModelError: It was trained on natural images.
        """
        if isinstance(self.input_scale, Window):
            return self.input_scale
        raise _other_kind(self.name, "CT", "natural images")

    @property
    def scale(self) -> NaturalImageScale:
        """Return the scale of natural images.

        Raises:
            ModelError: It was trained on CT.
        """
        if isinstance(self.input_scale, NaturalImageScale):
            return self.input_scale
        raise _other_kind(self.name, "natural images", "CT")


def _other_kind(name: str, expected: str, got: str) -> ModelError:
    return ModelError(explain(f"model {name}", f"must be trained on {expected}", got, f"pass a model of {expected}"))


def save_model(
    path: Path,
    *,
    weights: Mapping[str, Tensor],
    section: DenoiserSection,
    input_scale: Window | NaturalImageScale,
    name: str,
    method: str,
    facts: Mapping[str, Any],
    denoising: DenoisingSection | None = None,
) -> str:
    """Write a model file atomically; returns its digest.

    ``input_scale`` says what becomes [0, 1]: a window, or natural images.
    """
    content = {
        "format": _FORMAT,
        "name": name,
        "method": method,
        "denoiser": section.model_dump(mode="json"),
        **_scale_keys(input_scale),
        "denoising": (denoising or DenoisingSection()).model_dump(mode="json"),
        "weights": {key: value.detach().cpu().contiguous() for key, value in weights.items()},
        "facts": {"n2b_ct": __version__, **facts},
    }
    write_atomically(path, lambda file: torch.save(content, file))
    return _digest(content)


def load_model(path: Path, device: torch.device | str = "cpu") -> Model:
    """Load a run folder's ``model.pt``, or a model file, that was trained on CT.

    Raises:
        ModelError: Nothing there, not one of our files, damaged, trained on natural images, or weights that do not fit.
    """
    model = load_any_model(path, device)
    if not model.is_of_ct:
        raise _other_kind(path.name, "CT", "natural images")
    return model


def load_natural_image_model(path: Path, device: torch.device | str = "cpu") -> Model:
    """Load a run folder's ``model.pt``, or a model file, that was trained on natural images.

    Raises:
        ModelError: Nothing there, not one of our files, damaged, trained on CT, or weights that do not fit.
    """
    model = load_any_model(path, device)
    if model.is_of_ct:
        raise _other_kind(path.name, "natural images", "CT")
    return model


def load_any_model(path: Path, device: torch.device | str = "cpu") -> Model:
    """Load a model of CT or of natural images.

    Raises:
        ModelError: Nothing there, not one of our files, damaged, or weights that do not fit the network.
    """
    file = path / MODEL_FILE if path.is_dir() else path
    content = _read(file)
    try:
        return _model_of(content, device)
    except UnavailableError as error:
        remedy = "install or repair the package that has it"
        subject = f"model {file.name}: network"
        raise ModelError(explain(subject, error.requirement, error.got, remedy)) from error
    except (ValidationError, ConfigError, RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
        requirement = "weights must fit the network that the file names"
        remedy = "train again with this version"
        raise ModelError(explain(f"model {file.name}", requirement, _first_problem(error), remedy)) from error


_scale = TypeAdapter(NaturalImageScale)


def _model_of(content: Mapping[str, Any], device: torch.device | str) -> Model:
    section = DenoiserSection.model_validate(content["denoiser"])
    scale = _scale.validate_python(content[_NATURAL_IMAGES_KEY]) if _NATURAL_IMAGES_KEY in content else None
    most_weights = _MOST_UNFILLED + 4 * _n_finite(content["weights"])  # some layers are made twice while they are built
    denoiser = build_denoiser(section, scale.n_channels if scale else 1, most_weights)
    denoiser.load_state_dict(content["weights"])
    return Model(
        section=section,
        input_scale=scale or _window(content[_CT_KEY]),
        name=_short(content["name"]),
        method=_short(content["method"]),
        digest=_digest(content),
        multiple_px=size_multiple(denoiser),
        facts=dict(content["facts"]),
        denoising=DenoisingSection.model_validate(content["denoising"]),
        denoiser=_ready(denoiser, device),
    )


def _window(ends_hu: Sequence[float]) -> Window:
    lower_hu, upper_hu = ends_hu
    return WindowSection(lower_hu=lower_hu, upper_hu=upper_hu).window


def _n_finite(weights: Mapping[str, Tensor]) -> int:
    """Count the values of all weights.

    Raises:
        ValueError: They are too many, or some are no finite real numbers.
    """
    n_values = sum(value.numel() for value in weights.values())  # a view can stand for more than the file holds
    if n_values > MOST_PARAMETERS:
        msg = f"more than {MOST_PARAMETERS:,} weights"
        raise ValueError(msg)
    if any(value.is_complex() or not value.isfinite().all() for value in weights.values()):
        msg = "weights that are no finite real numbers"
        raise ValueError(msg)
    return n_values


def _short(name: object) -> str:
    """Return a name that is safe to print; a longer text is refused."""
    if not isinstance(name, str) or not 0 < len(name) <= _MOST_CHARACTERS or not name.isprintable():
        msg = f"a name that is no printable text of at most {_MOST_CHARACTERS} characters"
        raise ValueError(msg)
    return name


def _ready(denoiser: nn.Module, device: torch.device | str) -> nn.Module:
    """Convert the weights to the fastest memory format for the device; they stay float32 (decision 0010)."""
    laid_out: nn.Module = denoiser.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return laid_out.eval().requires_grad_(False)


def _scale_keys(input_scale: Window | NaturalImageScale) -> dict[str, Any]:
    if isinstance(input_scale, Window):
        return {_CT_KEY: [input_scale.lower_hu, input_scale.upper_hu]}
    return {_NATURAL_IMAGES_KEY: asdict(input_scale)}


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise ModelError(
            explain(
                f"model {file}",
                "must be a run folder or a model file",
                "nothing there",
                "train one, or check the path",
            )
        )
    content = read_tensors(file, _MOST_BYTES)
    if not isinstance(content, dict) or content.get("format") != _FORMAT or not set(content) >= _KEYS:
        raise ModelError(
            explain(
                f"model {file.name}",
                f"must be a {_FORMAT!r} file",
                "another format",
                "pass the run folder of a training",
            )
        )
    if count_values({**content, "weights": None}, _MOST_VALUES) > _MOST_VALUES:
        requirement = f"must hold at most {_MOST_VALUES} plain values beside its weights"
        raise ModelError(explain(f"model {file.name}", requirement, "more", "pass the run folder of a training"))
    return content


def _digest(content: Mapping[str, Any]) -> str:
    """Hash everything in a model file that can change a pixel, independent of how the file was packed."""
    input_scale = content.get(_CT_KEY) or sorted(content[_NATURAL_IMAGES_KEY].items())
    use = {_DIGEST_KEYS.get(key, key): value for key, value in content["denoising"].items()}
    digest = hashlib.sha256(repr((content["denoiser"], input_scale, use)).encode())
    for key, value in sorted(content["weights"].items()):
        digest.update(f"{key}{tuple(value.shape)}{value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().float().numpy().tobytes())
    return digest.hexdigest()


def _first_problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        message = first["msg"].removeprefix("Value error, ").partition("\n")[0]
        return f"{'.'.join(map(str, first['loc']))}: {message[:1].lower()}{message[1:]}"[:_MOST_CHARACTERS]
    return str(error).strip().splitlines()[0][:_MOST_CHARACTERS] if str(error).strip() else type(error).__name__


def read_tensors(path: Path, most_bytes: int | None = None) -> Any:
    """Read a file that ``torch.save`` wrote, tensors and plain values only, onto the CPU.

    Args:
        path: The file.
        most_bytes: What it may hold; None: whatever its own size is.

    Raises:
        ModelError: It is damaged, holds code or more than it may, or is something else.
    """
    try:
        n_bytes = path.stat().st_size
        if most_bytes is None or n_bytes <= most_bytes:
            _require_as_stored(path, n_bytes)
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file makes torch's reader fail in any way: struct.error, IndexError ...
        raise ModelError(
            explain(
                f"model {path.name}",
                "must be a model file written by n2b-ct",
                "something else",
                "pass the run folder of a training",
            )
        ) from error
    requirement = f"must hold at most {most_bytes / 1e9:.1f} GB"
    raise ModelError(explain(f"model {path.name}", requirement, f"{n_bytes / 1e9:.1f} GB", "pass another model"))


def count_values(content: object, most: int) -> int:
    """Count the values in nested dictionaries and lists, as often as they are met, and stop above ``most``.

    A list may hold one other list many times, and that another, so that a small file stands for more than any memory.
    """
    n, stack = 0, [content]
    while stack and n <= most:
        one = stack.pop()
        n += 1
        if isinstance(one, Mapping):
            stack += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple):
            stack += one
        elif isinstance(one, str | bytes):
            n += len(one) // 100
    return n


def _require_as_stored(path: Path, n_bytes: int) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    names = {member.filename for member in members}
    is_as_stored = all(
        member.compress_type == zipfile.ZIP_STORED and member.compress_size == member.file_size for member in members
    )
    index_bytes = sum(member.file_size for member in members if member.filename.endswith(_INDEX))
    fits = len(names) == len(members) <= _MOST_MEMBERS and index_bytes <= _MOST_INDEX_BYTES
    if not (is_as_stored and fits and sum(member.file_size for member in members) <= n_bytes):
        msg = "not as torch.save stores it"
        raise ValueError(msg)
