"""Validation while training: whole slices of the ``validation`` role, watched and never chosen by."""

from __future__ import annotations

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
from n2b_ct.inference.slices import reflected
from n2b_ct.networks.build import size_multiple


def build_validator(denoiser: nn.Module, dataset: InMemoryDataset, device: torch.device) -> Evaluator:
    """Make a MONAI Evaluator that gives PSNR and SSIM of denoised slices against their references.

    Both are measured in the network's window (data range 1 network unit), by MONAI's own metrics. Several processes
    share the slices, and MONAI joins what they find.
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
    """Hand the scores of each validation to the history once, as columns ``psnr_db`` and ``ssim``."""

    def __init__(self) -> None:
        self._latest: dict[str, float] = {}

    def attach(self, validator: Engine) -> None:
        """Listen to a validator."""
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
