"""The teacher of a method that distils one: a run of its own, in the run folder, trained first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from n2b_ct.config.method import FirstStage
from n2b_ct.config.sections import Pipeline
from n2b_ct.data.image_source import ImageSource
from n2b_ct.errors import ModelError, explain
from n2b_ct.inference.model import Model, load_any_model
from n2b_ct.training.earlier_run import proved_summary
from n2b_ct.training.run_dir import TEACHER_DIR, make_run_dir, write_pipeline

TrainTeacher = Callable[[Pipeline, Path], dict[str, Any]]


def prepare_teacher(
    pipeline: Pipeline,
    images: ImageSource,
    run_dir: Path,
    device: torch.device,
    train: TrainTeacher,
    *,
    resume: bool = False,
) -> Model | None:
    """Load the teacher that a pipeline's method distils; train it first where nobody has.

    Args:
        pipeline: The experiment.
        images: Its images.
        run_dir: Its run folder; the teacher's run is the folder ``teacher`` in it.
        device: Where the teacher works.
        train: Trains a pipeline into a folder.
        resume: A teacher that is there, of the same pipeline and images, is kept.

    Returns:
        The teacher, or None for a method without one.

    Raises:
        ModelError: ``teacher_run`` is no model of stage 1.
        ConfigError: The teacher that is to be kept is of another pipeline, or of other images.
    """
    stage = pipeline.method.first_stage()
    if stage is None:
        return None
    if stage.run is not None:
        return _teacher(stage, stage.run, device)
    first, teacher_dir = teacher_pipeline(pipeline, stage), run_dir / TEACHER_DIR
    is_there = resume and proved_summary(first, images, teacher_dir) is not None
    make_run_dir(run_dir, keep=resume)
    write_pipeline(pipeline, run_dir)
    if not is_there:
        train(first, teacher_dir)
    return _teacher(stage, teacher_dir, device)


def teacher_pipeline(pipeline: Pipeline, stage: FirstStage) -> Pipeline:
    """Return the first stage as a pipeline of its own, on the same data."""
    iterations = stage.iterations or pipeline.training.iterations
    training = pipeline.training.model_copy(update={"iterations": iterations})
    name = f"{pipeline.name}_{TEACHER_DIR}"
    return pipeline.model_copy(update={"name": name, "method": stage.method, "training": training})


def _teacher(stage: FirstStage, path: Path, device: torch.device) -> Model:
    model = load_any_model(path, device)
    if model.method != stage.method.name:
        requirement = f"must be a model of stage 1, {stage.method.name}"
        remedy = f"pass the run of a {stage.method.name}"
        raise ModelError(explain(f"method.teacher_run {path}", requirement, model.method, remedy))
    return model
