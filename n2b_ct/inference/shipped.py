"""The model that the package ships, ``base``: where its weights lie, and that they are the ones that were shipped.

::

    n2b_ct/inference/base/base.pt          weights, as every model file
    n2b_ct/inference/base/base.json        version, SHA-256 of that file, facts of the training
    n2b_ct/inference/base/MODEL_CARD.md    how it was made, what was measured, where it fails

The text ``base`` names it everywhere, whatever lies in the working folder: the same command is the same model on every
machine. ``./base``, or a Path, is a place.
"""

from __future__ import annotations

import hashlib
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from n2b_ct.errors import DataError, ModelError, explain
from n2b_ct.io.json_files import read_json

BASE = "base"
WEIGHTS_FILE, FACTS_FILE, CARD_FILE = "base.pt", "base.json", "MODEL_CARD.md"
MOST_BYTES = 5_000_000
"""What the weights may add to the package."""

_N_DIGEST_SHOWN = 12
_AGAIN = "install n2b-ct again"


def base_dir() -> Path:
    """Return the folder of the shipped model."""
    return Path(str(files("n2b_ct.inference"))) / BASE


def model_path(model: str | os.PathLike[str]) -> Path:
    """Return where a model lies: ``base`` is the shipped one, anything else a run folder or a model file.

    Raises:
        ModelError: The shipped weights are missing, or are not those that were shipped.
    """
    return _shipped_weights() if is_base(model) else Path(model)


def is_base(model: object) -> bool:
    """Return whether this names the shipped model."""
    return isinstance(model, str) and model == BASE


def base_facts() -> dict[str, Any]:
    """Return what ``base.json`` says: ``version``, ``sha256`` and facts of the training.

    Raises:
        ModelError: The file is missing or damaged.
    """
    try:
        return read_json(base_dir() / FACTS_FILE)
    except DataError as error:
        raise ModelError(explain("model base", f"must come with its {FACTS_FILE}", "none", _AGAIN)) from error


def sha256_of(path: Path) -> str:
    """Return SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _shipped_weights() -> Path:
    path = base_dir() / WEIGHTS_FILE
    if not path.is_file():
        raise ModelError(explain("model base", "must be part of the installation", "no weights", _AGAIN))
    wanted, found = str(base_facts().get("sha256", "")), sha256_of(path)
    if found != wanted:
        requirement = f"must have the SHA-256 {wanted[:_N_DIGEST_SHOWN] or 'that its facts name'}"
        raise ModelError(explain("model base", requirement, found[:_N_DIGEST_SHOWN], _AGAIN))
    return path
