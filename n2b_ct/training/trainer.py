"""The trainer: MONAI's ``Trainer`` around one process function; everything else is a handler.

One MONAI epoch is the whole training, so that ``iteration`` alone says how far it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from monai.engines import Trainer
from monai.handlers import LrScheduleHandler
from torch import Tensor
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from n2b_ct.config.sections import TrainingSection
from n2b_ct.methods.method import Method
from n2b_ct.training.gradients import GradientLimits
from n2b_ct.training.step import training_step


def build_trainer(
    method: Method,
    batches: Iterable[dict[str, Tensor]],
    optimizer: Optimizer,
    scheduler: LRScheduler,
    training: TrainingSection,
    device: torch.device,
    autocast: torch.dtype | None,
    handlers: Iterable[Any] = (),
    limits: GradientLimits | None = None,
) -> Trainer:
    """Wire a method into MONAI's Trainer.

    Args:
        method: Networks and losses.
        batches: One dictionary of ``[batch, channels, rows, cols]`` tensors an iteration.
        optimizer: Over the method's networks.
        scheduler: Stepped every iteration by MONAI's LrScheduleHandler.
        training: Iterations in all.
        device: Where it runs.
        autocast: bf16, or None for fp32.
        handlers: MONAI or ignite handlers with ``attach``.
        limits: Of the gradients; None: those that ``training`` asks for, with nothing usual yet.
    """
    limits = gradient_limits(method, training) if limits is None else limits
    return Trainer(
        device=device,
        max_epochs=1,
        data_loader=batches,
        epoch_length=training.iterations,
        iteration_update=training_step(method, optimizer, training, device, autocast, limits.to(device)),
        handlers=[LrScheduleHandler(scheduler, print_lr=False, epoch_level=False), *handlers],
        decollate=False,
    )


def gradient_limits(method: Method, training: TrainingSection) -> GradientLimits:
    """What keeps one odd batch from throwing a network."""
    return GradientLimits(method.networks, training.gradient_norm_limit, training.adaptive_gradient_clipping)


def build_optimizer(method: Method, training: TrainingSection) -> tuple[Optimizer, LRScheduler]:
    """Adam over all networks (no global clipping, so it equals one Adam a network) and its schedule.

    Args:
        method: Whose networks learn.
        training: Learning rate and schedule.
    """
    factors = method.learning_rate_factors()
    usual = [w for name, network in method.networks.items() if name not in factors for w in network.parameters()]
    groups: list[dict[str, Any]] = [{"params": usual}]
    for name, factor in factors.items():
        groups.append({"params": list(method.networks[name].parameters()), "lr": factor * training.learning_rate})
    optimizer = Adam(groups, lr=training.learning_rate)
    return optimizer, LambdaLR(optimizer, lambda iteration: learning_rate_factor(training, iteration))


def learning_rate_factor(training: TrainingSection, iteration: int) -> float:
    """Learning rate at an iteration, as a fraction of the first."""
    if training.schedule == "constant":
        return 1.0
    last = training.final_learning_rate_fraction
    done = min(iteration / training.iterations, 1.0)
    return last + (1.0 - last) * 0.5 * (1.0 + float(torch.cos(torch.tensor(done * torch.pi))))
