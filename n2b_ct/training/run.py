"""One training, from images to a run folder: model.pt, pipeline.yaml, history.csv, losses.png, summary.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from n2b_ct.config.method import FirstStage
from n2b_ct.config.sections import Pipeline
from n2b_ct.data.ct_source import CTSource
from n2b_ct.data.image_source import ImageSource
from n2b_ct.data.phantom_source import PhantomSource
from n2b_ct.data.roles import RoleSlice
from n2b_ct.errors import DataError, ModelError, TrainingError, explain
from n2b_ct.evaluation.flat_regions import find_flat_blocks, noise_std_hu
from n2b_ct.inference.model import MODEL_FILE, Model, load_any_model, save_model
from n2b_ct.inference.slices import is_out_of_memory
from n2b_ct.io.progress import Progress
from n2b_ct.io.series import SeriesRef
from n2b_ct.networks.build import build_denoiser, count_parameters, size_multiple
from n2b_ct.training.checkpoints import verified_summary
from n2b_ct.training.devices import autocast_dtype
from n2b_ct.training.distribution import barrier, is_rank_zero
from n2b_ct.training.history import plot_history, read_history
from n2b_ct.training.initial_weights import require_initial_weights_fit
from n2b_ct.training.run_dir import (
    HISTORY_FILE,
    PLOT_FILE,
    SUMMARY_FILE,
    TEACHER_DIR,
    make_run_dir,
    training_summary,
    write_pipeline,
    write_summary,
)
from n2b_ct.training.trainer import Assembled, assemble

_N_SLICES_SHOWN = 8
_Ranges = dict[str, list[float]]


def require_ready(pipeline: Pipeline, images: ImageSource) -> None:
    """Check networks, roles, references, sizes and the patch, before a pixel is read.

    Raises:
        DataError: One line for every obstacle.
        ConfigError: A network's name or arguments are wrong, or an optional package is not installed.
        ModelError: The model to start from cannot be read, or is of another network.
    """
    n_channels = images.traits.n_channels
    multiple = size_multiple(build_denoiser(pipeline.method.denoiser, n_channels))
    problems, patch_px = images.problems(pipeline), pipeline.training.patch_px
    if patch_px % multiple:
        requirement = f"must be a multiple of {multiple} for this denoiser"
        remedy = f"use {max(1, round(patch_px / multiple)) * multiple}"
        problems.insert(0, explain("training.patch_px", requirement, patch_px, remedy))
    pipeline.method.require_installed()
    pipeline.method.require_ready(n_channels)
    require_initial_weights_fit(pipeline, images.input_scale)
    if problems:
        raise DataError("\n".join(problems))


def run_training(
    pipeline: Pipeline,
    images: ImageSource,
    run_dir: Path,
    device: torch.device,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train and write the run folder; returns the summary.

    Args:
        pipeline: The experiment.
        images: Its images.
        run_dir: The run's folder; it is made, and cleared of an earlier run, once the images are read.
        device: Where to train.
        resume: Go on from the newest checkpoint there.
        progress: Called with (done, all, what).

    Raises:
        DataError: The images do not suit the pipeline.
        CollapseError: The networks collapsed; no model is written.
    """
    require_ready(pipeline, images)
    teacher = teacher_of(pipeline, images, run_dir, device, resume=resume, progress=progress)
    assembled = assemble(pipeline, images, run_dir, device, resume=resume, teacher=teacher, progress=progress)
    return run_assembled(pipeline, images, run_dir, device, assembled)


def teacher_of(
    pipeline: Pipeline,
    images: ImageSource,
    run_dir: Path,
    device: torch.device,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> Model | None:
    """Load the teacher that a pipeline's method distils; train it first where it does not exist.

    Args:
        pipeline: The experiment.
        images: Its images.
        run_dir: Its run folder; the teacher's run is the folder ``teacher`` in it.
        device: Device of the teacher.
        resume: Keep an existing teacher of the same pipeline and images.
        progress: Called with (done, all, what).

    Returns:
        The teacher, or None for a method without one.

    Raises:
        ModelError: ``teacher_run`` is no model of stage 1.
        ConfigError: The existing teacher is of another pipeline, or of other images.
    """
    stage = pipeline.method.first_stage()
    if stage is None:
        return None
    if stage.run is not None:
        return _teacher(stage, stage.run, device)
    first, teacher_dir = _teacher_pipeline(pipeline, stage), run_dir / TEACHER_DIR
    is_there = resume and verified_summary(first, images, teacher_dir) is not None
    make_run_dir(run_dir, keep=resume)
    write_pipeline(pipeline, run_dir)
    if not is_there:
        run_training(first, images, teacher_dir, device, resume=resume, progress=progress)
    return _teacher(stage, teacher_dir, device)


def _teacher_pipeline(pipeline: Pipeline, stage: FirstStage) -> Pipeline:
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


def run_assembled(
    pipeline: Pipeline, images: ImageSource, run_dir: Path, device: torch.device, assembled: Assembled
) -> dict[str, Any]:
    """Run an assembled trainer, with any handlers added to it, and write the run folder.

    Of several processes the first one writes it; the others return an empty summary.

    Raises:
        TrainingError: The networks collapsed, their weights are not finite, or a batch does not fit into memory; no
            model is written.
    """
    _run_within_memory(assembled)
    _require_finite(assembled.denoiser)
    summary = _finish(pipeline, images, run_dir, device, assembled) if is_rank_zero() else {}
    barrier()  # whoever goes on finds the model
    return summary


def trained_for(source: ImageSource) -> _Ranges:
    """Return ``noise_std_hu`` (in flat soft tissue) and ``pixel_mm``, each lowest and highest; only what is known.

    The model file keeps them for reports.

    Raises:
        DataError: A slice cannot be read.
    """
    if isinstance(source, PhantomSource):
        known = {"noise_std_hu": list(source.section.noise_hu)} if source.noise is None else {}
        return known | {"pixel_mm": list(source.pixels_mm)}
    return _ranges_of_slices(source.roles.noisy) if isinstance(source, CTSource) else {}


def _run_within_memory(assembled: Assembled) -> None:
    try:
        assembled.trainer.run()
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        remedy = "raise training.gradient_accumulation_steps, or lower training.batch_size or patch_px"
        raise TrainingError(
            explain("training", "a batch must fit into memory", "more than there is", remedy)
        ) from error


def _require_finite(denoiser: nn.Module) -> None:
    if all(bool(value.isfinite().all()) for value in denoiser.state_dict().values()):
        return
    raise TrainingError(
        explain("training", "weights must stay finite", "NaN or infinity", "lower training.learning_rate")
    )


def _finish(
    pipeline: Pipeline,
    images: ImageSource,
    run_dir: Path,
    device: torch.device,
    assembled: Assembled,
) -> dict[str, Any]:
    rows = read_history(run_dir / HISTORY_FILE)
    summary = training_summary(
        pipeline,
        images,
        device=device,
        autocast=autocast_dtype(pipeline.training.precision, device),
        n_parameters=count_parameters(assembled.denoiser) or count_parameters(assembled.method.networks["denoiser"]),
        seconds=assembled.clock.seconds,
        last_row=rows[-1] if rows else {},
        data_digest=assembled.data.digest,
    )
    summary["model_digest"] = save_model(
        run_dir / MODEL_FILE,
        weights=assembled.denoiser.state_dict(),
        section=pipeline.method.denoiser,
        input_scale=images.input_scale,
        name=pipeline.name,
        method=pipeline.method.name,
        denoising=pipeline.denoising,
        facts={key: summary[key] for key in ("iterations", "seed", "n_images", "data_digest", "last")}
        | {"trained_for": trained_for(images)},
    )
    plot_history(rows, run_dir / PLOT_FILE, f"{pipeline.name}: {pipeline.method.name}")
    summary |= images.inputs.plain
    write_summary(summary, run_dir / SUMMARY_FILE)
    return summary


def _ranges_of_slices(slices: Sequence[RoleSlice]) -> _Ranges:
    shown = [slices[int((k + 0.5) * len(slices) / _N_SLICES_SHOWN)] for k in range(_N_SLICES_SHOWN)] if slices else []
    read = [one.series.read_hu([one.index])[0] for one in dict.fromkeys(shown)]
    noises = [noise for hu in read if (noise := noise_std_hu(hu, find_flat_blocks(hu))) is not None]
    series = {one.series.name: one.series.source for one in slices}
    sources = [one for one in series.values() if isinstance(one, SeriesRef)]
    pixels = [side for one in sources for side in one.pixel_spacing_mm or ()]
    found = {"noise_std_hu": noises, "pixel_mm": pixels}
    return {name: [float(min(values)), float(max(values))] for name, values in found.items() if values}
