"""The model file: a denoiser's weights, the network they belong to, and the window it saw.

A file is one dictionary of plain values and tensors, read with ``weights_only=True``: nothing in it can run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

import n2b_ct
from n2b_ct.config.methods import DenoiserSection
from n2b_ct.config.sections import DenoisingSection
from n2b_ct.errors import ConfigError, ModelError, explain
from n2b_ct.hu import Window
from n2b_ct.inference.torch_files import read_tensors
from n2b_ct.io.atomic import write_atomically
from n2b_ct.networks.build import size_multiple
from n2b_ct.networks.denoiser import build_denoiser

MODEL_FILE = "model.pt"
_FORMAT = "n2b-ct model 1"
_KEYS = {"format", "name", "method", "denoiser", "window_hu", "denoising", "weights", "facts"}


@dataclass(frozen=True, slots=True)
class Model:
    """A trained denoiser, ready for slices.

    Attributes:
        denoiser: F, in evaluation mode.
        section: The network it is.
        window: HU that it saw as [0, 1].
        name: The pipeline that trained it.
        method: Its method's name.
        digest: SHA-256 over weights, network, window and use: what can change a pixel.
        multiple_px: Both sides of its input must be multiples of this.
        facts: What training has to say: iterations, seed, version, noise seen.
        denoising: How it is used where nobody says otherwise: strength, symmetries.
    """

    denoiser: nn.Module
    section: DenoiserSection
    window: Window
    name: str
    method: str
    digest: str
    multiple_px: int
    facts: dict[str, Any]
    denoising: DenoisingSection = field(default_factory=DenoisingSection)


def save_model(
    path: Path,
    *,
    weights: Mapping[str, Tensor],
    section: DenoiserSection,
    window: Window,
    name: str,
    method: str,
    facts: Mapping[str, Any],
    denoising: DenoisingSection | None = None,
) -> str:
    """Write a model file at once or not at all; returns its digest."""
    content = {
        "format": _FORMAT,
        "name": name,
        "method": method,
        "denoiser": section.model_dump(mode="json"),
        "window_hu": [window.lower_hu, window.upper_hu],
        "denoising": (denoising or DenoisingSection()).model_dump(mode="json"),
        "weights": {key: value.detach().cpu().contiguous() for key, value in weights.items()},
        "facts": {"n2b_ct": n2b_ct.__version__, **facts},
    }
    write_atomically(path, lambda file: torch.save(content, file))
    return _digest(content)


def load_model(path: Path, device: torch.device | str = "cpu") -> Model:
    """Load a run folder's ``model.pt``, or a model file.

    Raises:
        ModelError: Nothing there, not one of our files, damaged, or weights that do not fit the network.
    """
    file = path / MODEL_FILE if path.is_dir() else path
    content = _read(file)
    try:
        section = DenoiserSection.model_validate(content["denoiser"])
        denoiser = build_denoiser(section)
        denoiser.load_state_dict(content["weights"])
        window = Window(*map(float, content["window_hu"]))
        facts = dict(content["facts"])
        denoising = DenoisingSection.model_validate(content["denoising"])
    except (ValidationError, ConfigError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            explain(
                f"model {file.name}",
                "weights must fit the network that the file names",
                _first_line(error),
                "train again with this version",
            )
        ) from error
    return Model(
        denoiser=denoiser.to(device).eval().requires_grad_(False),
        section=section,
        window=window,
        name=str(content["name"]),
        method=str(content["method"]),
        digest=_digest(content),
        multiple_px=size_multiple(denoiser),
        facts=facts,
        denoising=denoising,
    )


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise ModelError(
            explain(
                f"model {file}",
                "must be a run folder or a model file",
                "nothing there",
                "train one, or check --model",
            )
        )
    content = read_tensors(file)
    if not isinstance(content, dict) or content.get("format") != _FORMAT or not set(content) >= _KEYS:
        raise ModelError(
            explain(
                f"model {file.name}",
                f"must be a {_FORMAT!r} file",
                "another format",
                "pass the run folder of a training",
            )
        )
    return content


def _digest(content: Mapping[str, Any]) -> str:
    """Hash everything in a model file that can change a pixel, independent of how the file was packed."""
    digest = hashlib.sha256(repr((content["denoiser"], content["window_hu"], content["denoising"])).encode())
    for key, value in sorted(content["weights"].items()):
        digest.update(f"{key}{tuple(value.shape)}{value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().float().numpy().tobytes())
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
