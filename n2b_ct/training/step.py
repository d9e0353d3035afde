"""One training step: the losses of this process's part of a batch, one backward pass, clipped gradients, one step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from ignite import distributed as idist
from ignite.engine import Engine
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from n2b_ct.config.sections import TrainingSection
from n2b_ct.errors import N2BError, TrainingError, explain
from n2b_ct.inference.slices import is_out_of_memory
from n2b_ct.methods.method import Method, StepResult

_RATE = 0.02  # smoothing in the logarithm of the usual norm: it follows a lasting change within 50 steps


class GradientClipper(nn.Module):
    """Clips the gradient norm of each network by itself, to a constant or to a multiple of its usual norm.

    The usual norm, a slow geometric mean of the norms so far, is a buffer: checkpoints keep it. A gradient that is not
    finite is left so; the training then ends with an error.

    Args:
        names: Of the networks.
        norm_limit: Largest norm; None: none.
        adaptive_limit: Largest norm as a multiple of the usual one; None: none.
    """

    def __init__(self, names: Iterable[str], norm_limit: float | None, adaptive_limit: float | None) -> None:
        super().__init__()
        self._norm_limit, self._adaptive_limit = norm_limit, adaptive_limit
        for name in names:
            self.register_buffer(name, torch.tensor(torch.nan))

    def apply_to(self, networks: nn.ModuleDict) -> None:
        """Clip the gradients after ``backward``, without device synchronisation."""
        if self._norm_limit is None and self._adaptive_limit is None:
            return
        for name, network in networks.items():
            gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
            if gradients:
                norm = nn.utils.get_total_norm(gradients)
                share = self._longest(name, norm) / (norm + torch.finfo(norm.dtype).tiny)
                torch._foreach_mul_(gradients, share.clamp(max=1.0))

    def _longest(self, name: str, norm: Tensor) -> Tensor:
        longest = torch.full_like(norm, torch.inf if self._norm_limit is None else self._norm_limit)
        if self._adaptive_limit is not None:
            before = getattr(self, name)
            usual = torch.where(before > 0, before, norm)  # the first norm, or one after zeros, is the usual one
            longest = torch.minimum(longest, self._adaptive_limit * usual)
            moved = usual * (torch.minimum(norm, longest) / usual) ** _RATE
            before.copy_(torch.where(moved > 0, moved, before))
        return longest


ProcessFunction = Callable[[Engine, dict[str, Tensor]], dict[str, Any]]
_OWN_DRAWS = 1_000_003  # a prime, so that the processes' random streams differ


class Losses(nn.Module):
    """A method as one module that returns its losses, so that DistributedDataParallel has one forward pass a step.

    Args:
        method: Networks and losses.
    """

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.networks = method.networks
        self._step = method.step
        self._name, self._is_outside = type(method).__name__, not type(method).__module__.startswith("n2b_ct.")

    def forward(self, batch: dict[str, Tensor], progress: float) -> StepResult:
        """Compute the losses of one batch; see :meth:`Method.step`.

        Raises:
            TrainingError: The method returns no losses that can be minimised, or one of a package outside raises.
        """
        try:
            result = self._step(batch, progress)
        except Exception as error:
            if not self._is_outside or isinstance(error, N2BError | MemoryError) or is_out_of_memory(error):
                raise
            remedy = "repair or uninstall the package that offers it"
            got = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            raise TrainingError(explain(f"method {self._name}", "step must return losses", got, remedy)) from error
        if problem := _problem(result):
            requirement = "step must return a StepResult with scalar losses, at least one of them with a gradient"
            raise TrainingError(explain(f"method {self._name}", requirement, problem, "repair the method"))
        return result


def _problem(result: object) -> str:
    """Say why a step's result cannot be minimised; nothing where it can."""
    if not isinstance(result, StepResult):
        return f"an object of {type(result).__name__}"
    for name, loss in result.losses.items():
        if not isinstance(loss, Tensor) or loss.ndim:
            return f"{name}: {f'shape {list(loss.shape)}' if isinstance(loss, Tensor) else type(loss).__name__}"
    return "" if any(loss.requires_grad for loss in result.losses.values()) else "none with a gradient"


def training_step(
    method: Method,
    optimizer: Optimizer,
    training: TrainingSection,
    device: torch.device,
    autocast: torch.dtype | None,
    limits: GradientClipper,
) -> ProcessFunction:
    """Make the process function.

    Each loss has gradients only for the networks it trains, so their sum can be differentiated at once. Where several
    processes
    train, their gradients are averaged during the backward pass of the last part.
    """
    losses_of = wrap_ddp(Losses(method), device)
    seed = training.seed + _OWN_DRAWS * idist.get_rank()

    def step(engine: Engine, batch: dict[str, Tensor]) -> dict[str, Any]:
        on_device = {key: _moved(value, device) for key, value in batch.items()}
        torch.manual_seed(seed + engine.state.iteration)  # dropout too must be the same after --resume
        optimizer.zero_grad(set_to_none=True)
        results = []
        for part, together in _parts(on_device, training.gradient_accumulation_steps, losses_of):
            with together:
                with torch.autocast(device.type, dtype=autocast or torch.bfloat16, enabled=autocast is not None):
                    result = losses_of(part, (engine.state.iteration - 1) / training.iterations)
                loss = torch.stack(list(result.losses.values())).sum() / training.gradient_accumulation_steps
                loss.backward()  # type: ignore[no-untyped-call]
            results.append(result)
        limits.apply_to(method.networks)
        optimizer.step()
        return _output(results)

    return step


def wrap_ddp(losses_of: Losses, device: torch.device) -> nn.Module:
    """Return the losses in DistributedDataParallel where several processes train, else as they are.

    A method may leave a part of its networks without a gradient, such as the noise estimate that only noise insertion
    teaches.
    """
    if idist.get_world_size() == 1:
        return losses_of
    ids = [device.index] if device.type == "cuda" else None
    return DistributedDataParallel(losses_of, device_ids=ids, find_unused_parameters=True)


def _parts(
    batch: dict[str, Tensor], n_parts: int, losses_of: nn.Module
) -> Iterator[tuple[dict[str, Tensor], AbstractContextManager[None]]]:
    """Cut a batch into parts; gradients meet those of other processes with the last one."""
    pieces = {key: value.chunk(n_parts) for key, value in batch.items()}
    for k in range(n_parts):
        together: AbstractContextManager[None] = nullcontext()
        if k < n_parts - 1 and isinstance(losses_of, DistributedDataParallel):
            together = losses_of.no_sync()
        yield {key: piece[k] for key, piece in pieces.items()}, together


def _moved(value: Tensor, device: torch.device) -> Tensor:
    layout = torch.channels_last if value.ndim == 4 else torch.preserve_format
    return value.to(device, non_blocking=True, memory_format=layout)


def _output(results: list[StepResult]) -> dict[str, Any]:
    """Keep tensors as tensors: reading a number would synchronise with the device at every step."""
    names = list(results[0].losses)
    parts = torch.stack([torch.stack([result.losses[name].detach() for name in names]) for result in results])
    means = parts.mean(dim=0)
    if idist.get_world_size() > 1:
        means = idist.all_reduce(means) / idist.get_world_size()
    return {
        "loss": means.sum(),
        "losses": dict(zip(names, means, strict=True)),
        "noise": _concatenated([result.noise for result in results]),
        "blur_residual": _concatenated([result.blur_residual for result in results]),
    }


def _concatenated(parts: list[Tensor | None]) -> Tensor | None:
    whole = [part for part in parts if part is not None]
    return (whole[0] if len(whole) == 1 else torch.cat(whole)) if whole else None
