"""The trainer: a method, its patches and its handlers, assembled into MONAI's ``Trainer`` around one process function.

One MONAI epoch is the whole training, so that ``iteration`` alone measures progress.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from ignite.handlers import EMAHandler
from monai.engines import Trainer
from monai.handlers import LrScheduleHandler, ValidationHandler
from monai.utils import set_determinism
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from torch.utils.data import DataLoader

from n2b_ct.config.sections import Pipeline, TrainingSection
from n2b_ct.data.dataset import InMemoryDataset
from n2b_ct.data.fingerprint import DataFingerprint
from n2b_ct.data.image_source import ImageSource
from n2b_ct.data.patches import Batches, ResumeSampler
from n2b_ct.inference.model import Model
from n2b_ct.io.progress import Progress
from n2b_ct.methods.method import Method, Monitor, build_method
from n2b_ct.training.checkpoints import (
    DATA_KEY,
    checkpoint_loader,
    checkpoint_saver,
    newest_checkpoint,
    require_same_data,
)
from n2b_ct.training.devices import autocast_dtype
from n2b_ct.training.distribution import is_rank_zero, require_agreement
from n2b_ct.training.history import attach_reports
from n2b_ct.training.images import load_training_data
from n2b_ct.training.initial_weights import load_initial_weights
from n2b_ct.training.monitors import DivergenceMonitor, TrainingClock, ValidationColumns, build_validator
from n2b_ct.training.run_dir import CHECKPOINT_DIR, make_run_dir, write_pipeline
from n2b_ct.training.step import GradientClipper, training_step


@dataclass(frozen=True, slots=True)
class Assembled:
    """An assembled trainer, and the parts that are needed after the run."""

    trainer: Trainer
    method: Method
    batches: Batches
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
    """Assemble the trainer; handlers fire in the order they are attached, checkpoints last.

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
        ConfigError: The run to be resumed was trained on other images.
    """
    training = pipeline.training
    checkpoint = newest_checkpoint(run_dir / CHECKPOINT_DIR) if resume else None
    set_determinism(training.seed)
    method = build_method(pipeline.method, images.traits)
    load_initial_weights(pipeline, method.networks["denoiser"])
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
    limits = gradient_clipper(method, training)
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
    if is_rank_zero():
        attach_reports(trainer, training, run_dir, columns, assembled.clock, progress)
        kept |= {DATA_KEY: data.fingerprint}
        checkpoint_saver(run_dir / CHECKPOINT_DIR, kept, training.checkpoint_every).attach(trainer)
    return assembled


def _loader(batches: Batches, first: int, device: torch.device) -> DataLoader[Any]:
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


def build_trainer(
    method: Method,
    batches: Iterable[dict[str, Tensor]],
    optimizer: Optimizer,
    scheduler: LRScheduler,
    training: TrainingSection,
    device: torch.device,
    autocast: torch.dtype | None,
    handlers: Iterable[Any] = (),
    limits: GradientClipper | None = None,
) -> Trainer:
    """Build MONAI's Trainer for a method.

    Args:
        method: Networks and losses.
        batches: One dictionary of ``[batch, channels, rows, cols]`` tensors an iteration.
        optimizer: Over the method's networks.
        scheduler: Stepped every iteration by MONAI's LrScheduleHandler.
        training: Iterations in all.
        device: Where it runs.
        autocast: bf16, or None for fp32.
        handlers: MONAI or ignite handlers with ``attach``.
        limits: Of the gradients; None: those of ``training``, without a usual norm yet.
    """
    limits = gradient_clipper(method, training) if limits is None else limits
    return Trainer(
        device=device,
        max_epochs=1,
        data_loader=batches,
        epoch_length=training.iterations,
        iteration_update=training_step(method, optimizer, training, device, autocast, limits.to(device)),
        handlers=[LrScheduleHandler(scheduler, print_lr=False, epoch_level=False), *handlers],
        decollate=False,
    )


def gradient_clipper(method: Method, training: TrainingSection) -> GradientClipper:
    """Return the gradient clipper for the networks, against outlier batches."""
    return GradientClipper(method.networks, training.gradient_norm_limit, training.adaptive_gradient_clipping)


def build_optimizer(method: Method, training: TrainingSection) -> tuple[Optimizer, LRScheduler]:
    """Adam over all networks (no global clipping, so it equals one Adam a network) and its schedule.

    Args:
        method: Whose networks learn.
        training: Learning rate and schedule.
    """
    factors = method.learning_rate_factors()
    others = [network for name, network in method.networks.items() if name not in factors]
    usual = [weight for network in others for weight in network.parameters() if weight.requires_grad]
    groups: list[dict[str, Any]] = [{"params": usual}]
    for name, factor in factors.items():
        groups.append({"params": list(method.networks[name].parameters()), "lr": factor * training.learning_rate})
    optimizer = Adam(groups, lr=training.learning_rate)
    return optimizer, LambdaLR(optimizer, lambda iteration: learning_rate_factor(training, iteration))


def learning_rate_factor(training: TrainingSection, iteration: int) -> float:
    """Learning rate at an iteration, as a fraction of ``training.learning_rate``."""
    risen = min((iteration + 1) / training.warmup_iterations, 1.0) if training.warmup_iterations else 1.0
    if training.schedule == "constant":
        return risen
    last = training.final_learning_rate_fraction
    done = min(iteration / training.iterations, 1.0)
    return risen * (last + (1.0 - last) * 0.5 * (1.0 + float(torch.cos(torch.tensor(done * torch.pi)))))
