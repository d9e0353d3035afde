"""Checkpoints, and the check whether an earlier run is of the same pipeline and images.

A checkpoint holds all state needed to end with the same weights after a kill. MONAI's CheckpointSaver schedules them,
but would write in place; the save handler here writes atomically. MONAI's CheckpointLoader reads them.
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

from n2b_ct.config.sections import Pipeline
from n2b_ct.data.fingerprint import DataFingerprint
from n2b_ct.data.image_source import ImageSource
from n2b_ct.errors import ConfigError, DataError, ModelError, TrainingError, explain
from n2b_ct.inference.model import load_any_model, read_tensors
from n2b_ct.io.atomic import write_atomically
from n2b_ct.io.progress import Progress
from n2b_ct.training.distribution import require_agreement
from n2b_ct.training.images import data_fingerprint
from n2b_ct.training.run_dir import (
    CHECKPOINT_DIR,
    PIPELINE_FILE,
    SUMMARY_FILE,
    TEACHER_DIR,
    read_summary,
    require_same_pipeline,
)

_KEPT = 2
DATA_KEY = "data"
"""Key of a checkpoint for the digests of the training images."""


def checkpoint_saver(directory: Path, objects: Mapping[str, Any], every: int) -> CheckpointSaver:
    """Save ``objects`` (things with a state_dict, the trainer among them) every so many iterations."""
    saver = CheckpointSaver(
        save_dir=str(directory),
        save_dict=dict(objects),
        save_interval=every,
        epoch_level=False,
        n_saved=_KEPT,
    )
    saver._interval_checkpoint.save_handler = _AtomicFiles(directory)
    return saver


class _AtomicFiles(BaseSaveHandler):
    """Writes checkpoints under a temporary name and renames them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __call__(self, checkpoint: Mapping, filename: str, metadata: Mapping | None = None) -> None:  # noqa: ARG002
        write_atomically(self._directory / filename, lambda file: torch.save(dict(checkpoint), file))

    def remove(self, filename: str) -> None:
        """Remove an old one."""
        (self._directory / filename).unlink(missing_ok=True)


def checkpoint_loader(path: Path, objects: Mapping[str, Any]) -> CheckpointLoader:
    """Restore ``objects`` when the trainer starts."""
    return CheckpointLoader(load_path=str(path), load_dict=dict(objects), map_location="cpu")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that can be read.

    Attributes:
        path: The file.
        iteration: The iteration it was written at.
        data: The training images, from :meth:`~n2b_ct.data.fingerprint.DataFingerprint.state_dict`.
    """

    path: Path
    iteration: int
    data: Mapping[str, Any] = field(default_factory=dict)


def newest_checkpoint(directory: Path) -> Checkpoint | None:
    """Find the newest readable checkpoint; damaged ones are skipped.

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
                "train again without resume=True",
            )
        )
    return None


def _content(path: Path) -> dict[str, Any] | None:
    try:
        content = read_tensors(path)
    except ModelError:
        return None
    return content if isinstance(content, dict) else None


def finished_summary(run_dir: Path) -> dict[str, Any] | None:
    """Return the summary of a completed training whose model exists; None where training must continue."""
    try:
        summary = read_summary(run_dir / SUMMARY_FILE)
        is_own = load_any_model(run_dir).digest == summary["model_digest"]
    except (DataError, KeyError, ModelError):
        return None
    return summary if is_own else None


def verified_summary(
    pipeline: Pipeline, images: ImageSource, run_dir: Path, progress: Progress | None = None
) -> dict[str, Any] | None:
    """Return the summary of a finished training of this pipeline on these images; None where there is none.

    Reads the images also for an unfinished run: None means that it may be resumed.

    Raises:
        ConfigError: The existing run is of another pipeline, or of other images.
    """
    if not (run_dir / PIPELINE_FILE).is_file():
        return None
    require_same_pipeline(pipeline, run_dir)
    summary = finished_summary(run_dir)
    recorded = _recorded_data(run_dir, summary)
    if recorded is None:
        return None
    fingerprint = data_fingerprint(images, pipeline, _teacher_digest(pipeline, run_dir), progress)
    require_agreement(fingerprint.digest)
    require_same_data(fingerprint, recorded, run_dir)
    return summary


def require_same_data(fingerprint: DataFingerprint, recorded: Mapping[str, Any], run_dir: Path) -> None:
    """Refuse to resume a run on other images than it was trained on.

    Args:
        fingerprint: Of the current images.
        recorded: What the run recorded: ``digest``, and ``images`` where it is known.
        run_dir: The run folder.

    Raises:
        ConfigError: Says what changed.
    """
    if changes := fingerprint.changes_since(recorded):
        raise ConfigError(
            explain(
                f"run folder {run_dir}",
                "must resume with the images it was trained on",
                changes,
                "restore the data, or retrain with another out=… or overwrite=True",
            )
        )


def _recorded_data(run_dir: Path, summary: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return what a run recorded of its images, in full from its newest checkpoint; None where no checkpoint exists."""
    try:
        checkpoint = newest_checkpoint(run_dir / CHECKPOINT_DIR)
    except TrainingError:
        checkpoint = None
    recorded = checkpoint.data if checkpoint is not None else None
    if summary is None or (recorded or {}).get("digest") == summary.get("data_digest"):
        return recorded
    return {"digest": summary.get("data_digest")}


def _teacher_digest(pipeline: Pipeline, run_dir: Path) -> str | None:
    """Return the digest of the teacher that the run distils, where it exists."""
    first = pipeline.method.first_stage()
    if first is None:
        return None
    try:
        return load_any_model(first.run or run_dir / TEACHER_DIR).digest
    except ModelError:
        return None
