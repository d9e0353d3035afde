"""The trainer: MONAI's ``Trainer`` around one process function; everything else is a handler.

One MONAI epoch is the whole training, so that ``iteration`` alone says how far it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from ignite.engine import Engine
from monai.engines import Trainer
from monai.handlers import LrScheduleHandler
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from n2b_ct.config.sections import TrainingSection
from n2b_ct.methods.method import Method, StepResult

ProcessFunction = Callable[[Engine, dict[str, Tensor]], dict[str, Any]]


def build_trainer(
    method: Method,
    batches: Iterable[dict[str, Tensor]],
    optimizer: Optimizer,
    scheduler: LRScheduler,
    training: TrainingSection,
    device: torch.device,
    autocast: torch.dtype | None,
    handlers: Iterable[Any] = (),
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
    """
    return Trainer(
        device=device,
        max_epochs=1,
        data_loader=batches,
        epoch_length=training.iterations,
        iteration_update=training_step(method, optimizer, training, device, autocast),
        handlers=[LrScheduleHandler(scheduler, print_lr=False, epoch_level=False), *handlers],
        decollate=False,
    )


def training_step(
    method: Method, optimizer: Optimizer, training: TrainingSection, device: torch.device, autocast: torch.dtype | None
) -> ProcessFunction:
    """Make the process function: losses, one backward pass, one step.

    Each loss already reaches only the networks it may train, so the sum's gradient is theirs.
    """

    def step(engine: Engine, batch: dict[str, Tensor]) -> dict[str, Any]:
        on_device = {key: _moved(value, device) for key, value in batch.items()}
        torch.manual_seed(training.seed + engine.state.iteration)  # dropout too must be the same after --resume
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=autocast or torch.bfloat16, enabled=autocast is not None):
            result = method.step(on_device, progress=(engine.state.iteration - 1) / training.iterations)
        loss = torch.stack(list(result.losses.values())).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        if training.gradient_norm_limit is not None:
            shorten_gradients(method.networks, training.gradient_norm_limit)
        optimizer.step()
        return _output(loss, result)

    return step


def _moved(value: Tensor, device: torch.device) -> Tensor:
    layout = torch.channels_last if value.ndim == 4 else torch.preserve_format
    return value.to(device, non_blocking=True, memory_format=layout)


def shorten_gradients(networks: nn.ModuleDict, norm_limit: float) -> None:
    """Shorten each network's gradient to a norm, by itself: the one's surge is nothing to the other."""
    for network in networks.values():
        if weights := list(network.parameters()):
            clip_grad_norm_(weights, norm_limit)


def build_optimizer(method: Method, training: TrainingSection) -> tuple[Optimizer, LRScheduler]:
    """Adam over all networks (no global clipping, so it equals one Adam a network) and its schedule."""
    optimizer = Adam(method.networks.parameters(), lr=training.learning_rate)
    return optimizer, LambdaLR(optimizer, lambda iteration: learning_rate_factor(training, iteration))


def learning_rate_factor(training: TrainingSection, iteration: int) -> float:
    """Learning rate at an iteration, as a fraction of the first."""
    if training.schedule == "constant":
        return 1.0
    last = training.final_learning_rate_fraction
    done = min(iteration / training.iterations, 1.0)
    return last + (1.0 - last) * 0.5 * (1.0 + float(torch.cos(torch.tensor(done * torch.pi))))


def _output(loss: Tensor, result: StepResult) -> dict[str, Any]:
    """Keep tensors as tensors: reading a number here would wait for the device at every step."""
    losses = {name: value.detach() for name, value in result.losses.items()}
    return {
        "loss": loss.detach(),
        "losses": losses,
        "noise": result.noise,
        "blur_residual": result.blur_residual,
    }
