"""A method, its patches and its handlers, wired into one MONAI Trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from ignite.handlers import EMAHandler
from monai.engines import Trainer
from monai.handlers import ValidationHandler
from monai.utils import set_determinism
from torch import nn
from torch.utils.data import DataLoader

from n2b_ct.config.sections import Pipeline
from n2b_ct.data.dataset import InMemoryDataset
from n2b_ct.data.fingerprint import DataFingerprint
from n2b_ct.data.image_source import ImageSource
from n2b_ct.data.patches import PatchBatches, ResumeSampler
from n2b_ct.inference.model import Model
from n2b_ct.io.progress import Progress
from n2b_ct.methods.method import Method, Monitor, build_method
from n2b_ct.training.checkpoints import DATA_KEY, checkpoint_loader, checkpoint_saver, newest_checkpoint
from n2b_ct.training.clock import TrainingClock
from n2b_ct.training.devices import autocast_dtype
from n2b_ct.training.distribution import is_first, require_agreement
from n2b_ct.training.divergence import DivergenceMonitor
from n2b_ct.training.earlier_run import require_same_data
from n2b_ct.training.images import load_training_data
from n2b_ct.training.reporting import attach_reports
from n2b_ct.training.run_dir import CHECKPOINT_DIR, make_run_dir, write_pipeline
from n2b_ct.training.trainer import build_optimizer, build_trainer, gradient_limits
from n2b_ct.training.validation import ValidationColumns, build_validator


@dataclass(frozen=True, slots=True)
class Assembled:
    """A trainer, wired and ready to run, and the parts that are asked afterwards."""

    trainer: Trainer
    method: Method
    batches: PatchBatches
    average: EMAHandler | None
    clock: TrainingClock
    data: DataFingerprint

    @property
    def denoiser(self) -> nn.Module:
        """What becomes the model: the averaged denoiser, or the last one."""
        return self.average.ema_model if self.average is not None else self.method.networks["denoiser"]


def assemble(
    pipeline: Pipeline,
    images: ImageSource,
    run_dir: Path,
    device: torch.device,
    *,
    resume: bool = False,
    teacher: Model | None = None,
    progress: Progress | None = None,
) -> Assembled:
    """Wire everything; handlers fire in the order they are attached in, checkpoints last.

    Args:
        pipeline: The experiment.
        images: Its images.
        run_dir: The run's folder; it is made, and cleared of an earlier run, once the images are read.
        device: Where to train.
        resume: Go on from the newest checkpoint there.
        teacher: The model that a method distils from.
        progress: Called with (done, all, what).

    Raises:
        DataError: The images cannot be read, or other processes read others.
        ConfigError: The run that is to go on saw other images.
    """
    training = pipeline.training
    checkpoint = newest_checkpoint(run_dir / CHECKPOINT_DIR) if resume else None
    set_determinism(training.seed)
    method = build_method(pipeline.method, images.traits)
    method.networks.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    data = load_training_data(images, pipeline, method, run_dir, device, teacher, progress)
    require_agreement(data.fingerprint.digest)
    if checkpoint is not None:
        require_same_data(data.fingerprint, checkpoint.data, run_dir)
    make_run_dir(run_dir, keep=resume)
    write_pipeline(pipeline, run_dir)
    optimizer, scheduler = build_optimizer(method, training)
    loader = _loader(data.batches, checkpoint.iteration if checkpoint else 0, device)
    autocast = autocast_dtype(training.precision, device)
    limits = gradient_limits(method, training)
    trainer = build_trainer(method, loader, optimizer, scheduler, training, device, autocast, limits=limits)
    average = _average(method, training.ema_decay)
    assembled = Assembled(trainer, method, data.batches, average, TrainingClock(), data.fingerprint)
    monitors = method.monitors(training)
    kept = {"networks": method.networks, "optimizer": optimizer, "scheduler": scheduler, "trainer": trainer}
    DivergenceMonitor(every=training.log_every).attach(trainer)
    kept |= {"clock": assembled.clock, "limits": limits}
    kept |= {f"{name}_monitor": monitor for name, monitor in monitors.items()}
    kept |= {"average": assembled.average.ema_model} if assembled.average is not None else {}
    if checkpoint is not None:
        checkpoint_loader(checkpoint.path, kept).attach(trainer)
    columns = [
        *_attach_monitors(assembled, monitors),
        *_attach_validation(pipeline, assembled, data.validation, device),
    ]
    if is_first():
        attach_reports(trainer, training, run_dir, columns, assembled.clock, progress)
        kept |= {DATA_KEY: data.fingerprint}
        checkpoint_saver(run_dir / CHECKPOINT_DIR, kept, training.checkpoint_every).attach(trainer)
    return assembled


def _loader(batches: PatchBatches, first: int, device: torch.device) -> DataLoader[Any]:
    pinned = device.type == "cuda" and batches.device.type == "cpu"
    return DataLoader(batches, batch_size=None, sampler=ResumeSampler(first, len(batches)), pin_memory=pinned)


def _average(method: Method, decay: float) -> EMAHandler | None:
    return EMAHandler(method.networks["denoiser"], momentum=1.0 - decay) if decay > 0 else None


def _attach_monitors(assembled: Assembled, monitors: Mapping[str, Monitor]) -> list[Callable[[], dict[str, float]]]:
    if assembled.average is not None:
        assembled.average.attach(assembled.trainer, event=Events.ITERATION_COMPLETED)
    for monitor in monitors.values():
        monitor.attach(assembled.trainer)
    return [monitor.columns for monitor in monitors.values()]


def _attach_validation(
    pipeline: Pipeline, assembled: Assembled, dataset: InMemoryDataset | None, device: torch.device
) -> list[Callable[[], dict[str, float]]]:
    if dataset is None:
        return []
    validator, scores = build_validator(assembled.denoiser, dataset, device), ValidationColumns()
    scores.attach(validator)
    every = pipeline.training.validate_every
    ValidationHandler(interval=every, validator=validator, epoch_level=False).attach(assembled.trainer)
    return [scores.columns]
