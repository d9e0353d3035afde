"""What an earlier run in a run folder is worth: it counts only for its own pipeline, images and weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from n2b_ct.config.sections import Pipeline
from n2b_ct.data.fingerprint import DataFingerprint
from n2b_ct.data.image_source import ImageSource
from n2b_ct.errors import ConfigError, DataError, ModelError, TrainingError, explain
from n2b_ct.inference.model import load_any_model
from n2b_ct.io.progress import Progress
from n2b_ct.training.checkpoints import newest_checkpoint
from n2b_ct.training.distribution import require_agreement
from n2b_ct.training.images import data_fingerprint
from n2b_ct.training.run_dir import CHECKPOINT_DIR, PIPELINE_FILE, TEACHER_DIR, require_same_pipeline
from n2b_ct.training.summary import SUMMARY_FILE, read_summary


def finished_summary(run_dir: Path) -> dict[str, Any] | None:
    """The summary of a training that came to its end and whose model is there; None where it must go on."""
    try:
        summary = read_summary(run_dir / SUMMARY_FILE)
        is_own = load_any_model(run_dir).digest == summary["model_digest"]
    except (DataError, KeyError, ModelError):
        return None
    return summary if is_own else None


def proved_summary(
    pipeline: Pipeline, images: ImageSource, run_dir: Path, progress: Progress | None = None
) -> dict[str, Any] | None:
    """The summary of a finished training of this pipeline on these images; None where there is none.

    Reads the images, of a run that is not finished too: whoever gets None may go on with it.

    Raises:
        ConfigError: The run that is there is of another pipeline, or of other images.
    """
    if not (run_dir / PIPELINE_FILE).is_file():
        return None
    require_same_pipeline(pipeline, run_dir)
    summary = finished_summary(run_dir)
    seen = _seen(run_dir, summary)
    if seen is None:
        return None
    fingerprint = data_fingerprint(images, pipeline, _teacher_digest(pipeline, run_dir), progress)
    require_agreement(fingerprint.digest)
    require_same_data(fingerprint, seen, run_dir)
    return summary


def require_same_data(fingerprint: DataFingerprint, seen: Mapping[str, Any], run_dir: Path) -> None:
    """Refuse to go on with a run on other images than those that its weights saw.

    Args:
        fingerprint: Of the images that are there.
        seen: What the run recorded: ``digest``, and ``images`` where it is known.
        run_dir: The run folder.

    Raises:
        ConfigError: Says what changed.
    """
    if changes := fingerprint.changes_since(seen):
        raise ConfigError(
            explain(
                f"run folder {run_dir}",
                "must go on with the images that its weights saw",
                changes,
                "restore the data, or train anew with another --out or --overwrite",
            )
        )


def _seen(run_dir: Path, summary: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What a run recorded of its images: its newest checkpoint says it in full; None where no weight has seen any."""
    try:
        checkpoint = newest_checkpoint(run_dir / CHECKPOINT_DIR)
    except TrainingError:
        checkpoint = None
    recorded = checkpoint.data if checkpoint is not None else None
    if summary is None or (recorded or {}).get("digest") == summary.get("data_digest"):
        return recorded
    return {"digest": summary.get("data_digest")}


def _teacher_digest(pipeline: Pipeline, run_dir: Path) -> str | None:
    """Digest the teacher that the run distils, where it has one and it is there."""
    first = pipeline.method.first_stage()
    if first is None:
        return None
    try:
        return load_any_model(first.run or run_dir / TEACHER_DIR).digest
    except ModelError:
        return None
