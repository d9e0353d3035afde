"""One training, from roles to a run folder: model.pt, pipeline.yaml, history.csv, losses.png, summary.json."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from ignite.handlers import EMAHandler
from monai.engines import Trainer
from monai.handlers import StatsHandler, ValidationHandler
from monai.utils import set_determinism
from torch import nn
from torch.utils.data import DataLoader

from n2b_ct.config.sections import Noise2BlurSection, Pipeline
from n2b_ct.config.yaml_files import write_yaml
from n2b_ct.data.found import Progress
from n2b_ct.data.patches import FromIteration, PatchBatches
from n2b_ct.data.roles import Roles
from n2b_ct.errors import ConfigError, TrainingError, explain
from n2b_ct.inference.model import MODEL_FILE, save_model
from n2b_ct.methods.method import Method
from n2b_ct.networks.build import count_parameters
from n2b_ct.training.banks import load_patch_batches, load_validation
from n2b_ct.training.checkpoints import checkpoint_loader, checkpoint_saver, newest_checkpoint
from n2b_ct.training.devices import autocast_dtype
from n2b_ct.training.health import NoiseWatch
from n2b_ct.training.history import HISTORY_FILE, PLOT_FILE, Columns, HistoryWriter, plot_history, read_history
from n2b_ct.training.methods import build_method
from n2b_ct.training.readiness import require_ready
from n2b_ct.training.run_dir import CHECKPOINT_DIR, PIPELINE_FILE, TENSORBOARD_DIR, make_run_dir
from n2b_ct.training.summary import SUMMARY_FILE, training_summary, write_summary
from n2b_ct.training.trainer import build_optimizer, build_trainer
from n2b_ct.training.validation import ValidationColumns, build_validator

LOGGER_NAME = "n2b_ct.training"


@dataclass(frozen=True, slots=True)
class Assembled:
    """A trainer, wired and ready to run, and the parts that are asked afterwards."""

    trainer: Trainer
    method: Method
    batches: PatchBatches
    average: EMAHandler | None
    first_iteration: int

    @property
    def denoiser(self) -> nn.Module:
        """What becomes the model: the averaged denoiser, or the last one."""
        return self.average.ema_model if self.average is not None else self.method.networks["denoiser"]


def run_training(
    pipeline: Pipeline,
    roles: Roles,
    run_dir: Path,
    device: torch.device,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train and fill the run folder; returns the summary.

    Args:
        pipeline: The experiment.
        roles: Its slices.
        run_dir: The run's folder; it is made, and cleared of an earlier run, once the slices are read.
        device: Where to train.
        resume: Go on from the newest checkpoint there.
        progress: Called with (done, all, what).

    Raises:
        DataError: The slices do not suit the pipeline.
        CollapseError: The networks collapsed; no model is written.
    """
    require_ready(pipeline, roles)
    started = time.monotonic()
    assembled = assemble(pipeline, roles, run_dir, device, resume=resume, progress=progress)
    write_yaml(pipeline.plain(), run_dir / PIPELINE_FILE)
    assembled.trainer.run()
    return _finish(pipeline, roles, run_dir, device, assembled, time.monotonic() - started)


def assemble(
    pipeline: Pipeline,
    roles: Roles,
    run_dir: Path,
    device: torch.device,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> Assembled:
    """Wire method, batches, optimiser and handlers into a MONAI Trainer; the order of handlers matters."""
    training = pipeline.training
    set_determinism(training.seed)
    method = build_method(pipeline.method)
    method.networks.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer, scheduler = build_optimizer(method, training)
    checkpoint = newest_checkpoint(run_dir / CHECKPOINT_DIR) if resume else None
    first = checkpoint[1] if checkpoint else 0
    batches, validation = load_patch_batches(pipeline, roles, progress), load_validation(pipeline, roles)
    make_run_dir(run_dir, keep=resume)
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=FromIteration(first, training.iterations),
        pin_memory=device.type == "cuda",
    )
    watch = _watch(pipeline)
    trainer = build_trainer(
        method, loader, optimizer, scheduler, training, device, autocast_dtype(training.precision, device)
    )
    average = _average(method, training.average_weights_decay)
    kept = {"networks": method.networks, "optimizer": optimizer, "scheduler": scheduler, "trainer": trainer}
    kept |= {"watch": watch} if watch is not None else {}
    kept |= {"average": average.ema_model} if average is not None else {}
    if checkpoint is not None:
        checkpoint_loader(checkpoint[0], kept).attach(trainer)
    if average is not None:
        average.attach(trainer, event=Events.ITERATION_COMPLETED)
    if watch is not None:
        watch.attach(trainer)
    scores = ValidationColumns()
    if validation is not None:
        validator = build_validator(average.ema_model if average else method.networks["denoiser"], validation, device)
        scores.attach(validator)
        ValidationHandler(interval=training.validate_every, validator=validator, epoch_level=False).attach(trainer)
    _attach_reports(trainer, pipeline, run_dir, [scores.columns, *([watch.columns] if watch else [])], progress)
    checkpoint_saver(run_dir / CHECKPOINT_DIR, kept, training.checkpoint_every).attach(trainer)
    return Assembled(trainer, method, batches, average, first)


def _watch(pipeline: Pipeline) -> NoiseWatch | None:
    method, training = pipeline.method, pipeline.training
    if not isinstance(method, Noise2BlurSection):
        return None
    return NoiseWatch(
        pipeline.data.window.window.width_hu,
        method.collapse_ratio,
        every=training.log_every,
        grace=round(method.initial_fraction * training.iterations) + training.log_every,
    )


def _average(method: Method, decay: float) -> EMAHandler | None:
    return EMAHandler(method.networks["denoiser"], momentum=1.0 - decay) if decay > 0 else None


def _attach_reports(
    trainer: Trainer, pipeline: Pipeline, run_dir: Path, columns: Sequence[Columns], progress: Progress | None
) -> None:
    every = pipeline.training.log_every
    HistoryWriter(run_dir / HISTORY_FILE, every, columns).attach(trainer)
    _stats(every).attach(trainer)
    if pipeline.training.tensorboard:
        _tensorboard(run_dir).attach(trainer)
    if progress is not None:
        trainer.add_event_handler(
            Events.ITERATION_COMPLETED,
            lambda engine: progress(engine.state.iteration, pipeline.training.iterations, "training"),
        )


def _stats(every: int) -> StatsHandler:
    """MONAI's StatsHandler as a library's logger: it tells those who listen, and prints for nobody."""
    handler = StatsHandler(
        iteration_log=lambda _, iteration: iteration % every == 0,
        epoch_log=False,
        name=LOGGER_NAME,
        output_transform=_loss,
    )
    logger = logging.getLogger(LOGGER_NAME)
    logger.handlers[:] = [logging.NullHandler()]  # MONAI adds one that writes to stdout, Python's last resort to stderr
    logger.propagate = True
    return handler


def _tensorboard(run_dir: Path) -> Any:
    try:
        from monai.handlers import TensorBoardStatsHandler

        return TensorBoardStatsHandler(log_dir=str(run_dir / TENSORBOARD_DIR), epoch_log=False, output_transform=_loss)
    except (ImportError, RuntimeError) as error:
        raise ConfigError(
            explain(
                "training.tensorboard",
                "needs the package tensorboard",
                "not installed",
                "pip install 'n2b-ct[tensorboard]'",
            )
        ) from error


def _loss(output: dict[str, Any]) -> Any:
    return output["loss"].item()


def _require_finite(denoiser: nn.Module) -> None:
    if all(bool(value.isfinite().all()) for value in denoiser.state_dict().values()):
        return
    raise TrainingError(
        explain("training", "weights must stay finite", "NaN or infinity", "lower training.learning_rate")
    )


def _finish(
    pipeline: Pipeline,
    roles: Roles,
    run_dir: Path,
    device: torch.device,
    assembled: Assembled,
    seconds: float,
) -> dict[str, Any]:
    _require_finite(assembled.denoiser)
    rows = read_history(run_dir / HISTORY_FILE)
    plot_history(rows, run_dir / PLOT_FILE, f"{pipeline.name}: {pipeline.method.name}")
    summary = training_summary(
        pipeline,
        roles,
        device=device,
        autocast=autocast_dtype(pipeline.training.precision, device),
        n_parameters=count_parameters(assembled.denoiser) or count_parameters(assembled.method.networks["denoiser"]),
        seconds=seconds,
        last_row=rows[-1] if rows else {},
    )
    summary["model_digest"] = save_model(
        run_dir / MODEL_FILE,
        weights=assembled.denoiser.state_dict(),
        section=pipeline.method.denoiser,
        window=pipeline.data.window.window,
        name=pipeline.name,
        method=pipeline.method.name,
        strength=pipeline.denoising.strength,
        facts={key: summary[key] for key in ("iterations", "seed", "n_slices", "last")},
    )
    write_summary(summary, run_dir / SUMMARY_FILE)
    return summary
