"""Checkpoints: what must come back after a kill so that training ends with the same weights.

Chosen by MONAI's CheckpointSaver, which would write in place; a handler of ours gives each file its name when it is
whole. Read by MONAI's CheckpointLoader.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from ignite.handlers.checkpoint import BaseSaveHandler
from monai.handlers import CheckpointLoader, CheckpointSaver

from n2b_ct.errors import ModelError, TrainingError, explain
from n2b_ct.inference.torch_files import read_tensors
from n2b_ct.io.atomic import write_atomically

_KEPT = 2
DATA_KEY = "data"
"""Where a checkpoint keeps which images its weights saw."""


def checkpoint_saver(directory: Path, objects: Mapping[str, Any], every: int) -> CheckpointSaver:
    """Save ``objects`` (things with a state_dict, the trainer among them) every so many iterations."""
    saver = CheckpointSaver(
        save_dir=str(directory),
        save_dict=dict(objects),
        save_interval=every,
        epoch_level=False,
        n_saved=_KEPT,
    )
    saver._interval_checkpoint.save_handler = _WholeFiles(directory)
    return saver


class _WholeFiles(BaseSaveHandler):
    """Writes checkpoints under a temporary name and renames them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __call__(self, checkpoint: Mapping, filename: str, metadata: Mapping | None = None) -> None:  # noqa: ARG002
        write_atomically(self._directory / filename, lambda file: torch.save(dict(checkpoint), file))

    def remove(self, filename: str) -> None:
        """Forget an old one."""
        (self._directory / filename).unlink(missing_ok=True)


def checkpoint_loader(path: Path, objects: Mapping[str, Any]) -> CheckpointLoader:
    """Restore ``objects`` when the trainer starts."""
    return CheckpointLoader(load_path=str(path), load_dict=dict(objects), map_location="cpu")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that can be read.

    Attributes:
        path: The file.
        iteration: How far training was.
        data: Which images its weights saw, as :meth:`~n2b_ct.data.fingerprint.DataFingerprint.state_dict` says it.
    """

    path: Path
    iteration: int
    data: Mapping[str, Any] = field(default_factory=dict)


def newest_checkpoint(directory: Path) -> Checkpoint | None:
    """Find the newest readable checkpoint; one torn by a crash is passed over.

    Raises:
        TrainingError: There are checkpoints, and none can be read.
    """
    found = sorted(
        (
            (int(match[1]), path)
            for path in directory.glob("*.pt")
            if (match := re.fullmatch(r"checkpoint_iteration=(\d+)\.pt", path.name))
        ),
        reverse=True,
    )
    for iteration, path in found:
        content = _content(path)
        if content is not None:
            return Checkpoint(path, iteration, content.get(DATA_KEY, {}))
    if found:
        raise TrainingError(
            explain(
                f"checkpoints in {directory}",
                "at least one must be readable",
                "none",
                "train again without --resume",
            )
        )
    return None


def _content(path: Path) -> dict[str, Any] | None:
    try:
        content = read_tensors(path)
    except ModelError:
        return None
    return content if isinstance(content, dict) else None
