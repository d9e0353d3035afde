"""Monitors of a training: losses, time, and slices of the ``validation`` role, which influence nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Any

import torch
from ignite import distributed as idist
from ignite.engine import Engine, Events
from monai.engines import Evaluator
from monai.handlers import IgniteMetricHandler
from monai.metrics import PSNRMetric, SSIMMetric
from torch import Tensor, nn

from n2b_ct.data.dataset import InMemoryDataset
from n2b_ct.errors import TrainingError, explain
from n2b_ct.inference.slices import reflected
from n2b_ct.networks.build import size_multiple

LIMIT = 100.0
"""Far above any loss of a working network."""
WHOLE_WINDOW = 1.0
"""As far from the target as black from white: that of a network that once was far better has diverged."""
TIMES_ITS_BEST = 1000.0
"""A network that diverged may come to rest below :data:`LIMIT`, and learns nothing more."""


class DivergenceMonitor:
    """Stop a run whose losses are not finite, or far too high in several checks in a row.

    Too high is :data:`LIMIT`; and above :data:`WHOLE_WINDOW`, :data:`TIMES_ITS_BEST` times the lowest loss so far,
    where that was positive. Its state is not checkpointed: a resumed run starts counting again.

    Args:
        every: Iterations between checks.
        patience: Checks in a row beyond the limit before the run stops; what is not finite stops it at once.
    """

    def __init__(self, *, every: int, patience: int = 3) -> None:
        self._every, self._patience = every, patience
        self._beyond = 0
        self._lowest = math.inf

    def attach(self, engine: Engine) -> None:
        """Check every ``every`` iterations.

        Raises:
            TrainingError: Raised from the engine to stop the run.
        """
        engine.add_event_handler(Events.ITERATION_COMPLETED(every=self._every), self._check)

    def _check(self, engine: Engine) -> None:
        loss = float(engine.state.output["loss"])
        limit = self._limit() if math.isfinite(loss) else LIMIT
        self._lowest = min(self._lowest, loss)
        self._beyond = 0 if abs(loss) < limit else self._beyond + 1
        if not math.isfinite(loss) or self._beyond >= self._patience:
            raise TrainingError(
                explain(
                    f"training, iteration {engine.state.iteration}",
                    f"losses must stay finite and below {limit:.3g}",
                    f"{loss:.3g}: the networks diverged",
                    "lower training.learning_rate, gradient_norm_limit or adaptive_gradient_clipping, or set "
                    "training.precision=fp32",
                )
            )

    def _limit(self) -> float:
        if not 0 < self._lowest < math.inf:  # a likelihood's loss is below 0 where it is good
            return LIMIT
        return min(LIMIT, max(WHOLE_WINDOW, TIMES_ITS_BEST * self._lowest))


class TrainingClock:
    """Counts seconds from :meth:`start`, plus those from the checkpoint of a resumed run."""

    def __init__(self) -> None:
        self._before = 0.0
        self._started: float | None = None

    def start(self) -> None:
        """Start counting; a second call changes nothing."""
        if self._started is None:
            self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Return the seconds so far, with those before resuming."""
        return self._before + (0.0 if self._started is None else time.monotonic() - self._started)

    def state_dict(self) -> dict[str, float]:
        """Return the state for a checkpoint."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Load the state of a checkpoint and count from now."""
        self._before = state["seconds"]
        if self._started is not None:
            self._started = time.monotonic()


def build_validator(denoiser: nn.Module, dataset: InMemoryDataset, device: torch.device) -> Evaluator:
    """Make a MONAI Evaluator that gives PSNR and SSIM of denoised slices against their references.

    Both are measured in the network's window (data range 1 network unit), by MONAI's own metrics. Several processes
    share the slices, and MONAI gathers their results.
    """
    pairs = [
        {"image": image[None], "label": reference[None]}
        for image, reference in zip(dataset.images, dataset.targets["reference"], strict=True)
    ]
    pairs = pairs[idist.get_rank() :: idist.get_world_size()] or pairs  # fewer slices than processes: all do all
    return Evaluator(
        device=device,
        val_data_loader=pairs,
        epoch_length=len(pairs),
        iteration_update=_whole_slice(denoiser, device),
        key_val_metric={"psnr_db": IgniteMetricHandler(metric_fn=PSNRMetric(max_val=1.0), output_transform=_compared)},
        additional_metrics={
            "ssim": IgniteMetricHandler(
                metric_fn=SSIMMetric(spatial_dims=2, data_range=1.0), output_transform=_compared
            )
        },
        decollate=False,
    )


class ValidationColumns:
    """Pass the scores of each validation to the history once, as columns ``psnr_db`` and ``ssim``."""

    def __init__(self) -> None:
        self._latest: dict[str, float] = {}

    def attach(self, validator: Engine) -> None:
        """Attach to a validator."""
        validator.add_event_handler(Events.COMPLETED, self._keep)

    def columns(self) -> dict[str, float]:
        """The scores since the last call; empty where nothing was validated."""
        latest, self._latest = self._latest, {}
        return latest

    def _keep(self, validator: Engine) -> None:
        self._latest = {name: round(float(value), 4) for name, value in validator.state.metrics.items()}


def _whole_slice(denoiser: nn.Module, device: torch.device) -> Any:
    multiple = size_multiple(denoiser)

    def step(engine: Engine, batch: dict[str, Tensor]) -> dict[str, Tensor]:  # noqa: ARG001 (ignite's signature)
        was_training = denoiser.training
        denoiser.eval()
        with torch.inference_mode():
            rows, cols = batch["image"].shape[-2:]
            denoised = denoiser(reflected(batch["image"].to(device), multiple))[..., :rows, :cols].clamp(0.0, 1.0)
        denoiser.train(was_training)
        return {"pred": denoised, "label": batch["label"].to(device)}

    return step


def _compared(output: dict[str, Tensor]) -> tuple[Iterable[Tensor], Iterable[Tensor]]:
    return output["pred"], output["label"]
