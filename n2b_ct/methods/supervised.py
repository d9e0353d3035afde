"""Supervised denoising: the reference method where pairs exist.

x  low-dose slices ``[B, 1, rows, cols]``     y  the same slices at normal dose     F  denoiser
"""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

from n2b_ct.methods.losses import Loss, mean_error
from n2b_ct.methods.method import BatchNeeds, Method, MethodConfig, StepResult
from n2b_ct.registry import METHODS


class SupervisedConfig(MethodConfig):
    """A denoiser trained on pairs: the reference method where pairs exist."""

    needs: ClassVar[BatchNeeds] = BatchNeeds(reference=True)

    name: Literal["supervised"] = "supervised"
    loss: Loss = "l1"
    """``l1`` as in Noise2Blur; ``l2`` as DnCNN was published; ``huber`` for noise that leaves most pixels alone."""


def supervised_losses(denoiser: nn.Module, x: Tensor, y: Tensor, loss: Loss) -> dict[str, Tensor]:
    """L = mean ρ(F(x) − y): the L1 loss that Noise2Blur uses too, or another of :mod:`n2b_ct.methods.losses`."""
    return {"supervised": mean_error(denoiser(x), y, loss)}


@METHODS.register("supervised")
class Supervised(Method):
    """A denoiser trained on pairs."""

    Config = SupervisedConfig
    config: SupervisedConfig

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:  # noqa: ARG002 (one stage only)
        """Compute the one loss of a batch."""
        x, y = batch["noisy"], batch["reference"]
        return StepResult(supervised_losses(self.networks["denoiser"], x, y, self.config.loss))
