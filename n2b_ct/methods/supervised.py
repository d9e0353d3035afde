"""Supervised denoising: the reference method where pairs exist.

x  low-dose slices ``[B, 1, rows, cols]``     y  the same slices at normal dose     F  denoiser
"""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from n2b_ct.methods.method import BatchNeeds, Method, MethodConfig, StepResult
from n2b_ct.registry import METHODS

Loss = Literal["l1", "l2"]


class SupervisedConfig(MethodConfig):
    """A denoiser trained on pairs: the reference method where pairs exist."""

    needs: ClassVar[BatchNeeds] = BatchNeeds(reference=True)

    name: Literal["supervised"] = "supervised"
    loss: Loss = "l1"
    """``l1`` as in Noise2Blur; ``l2`` as DnCNN was published, and for noise that leaves most pixels as they are."""


def supervised_losses(denoiser: nn.Module, x: Tensor, y: Tensor, loss: Loss) -> dict[str, Tensor]:
    """L = mean |F(x) − y|, the L1 loss that Noise2Blur uses too, or mean (F(x) − y)²."""
    return {"supervised": l1_loss(denoiser(x), y) if loss == "l1" else mse_loss(denoiser(x), y)}


@METHODS.register("supervised")
class Supervised(Method):
    """A denoiser trained on pairs.

    **Which loss.** L1 is the more robust one. A residual network that starts by doing nothing cannot leave that start
    under salt and pepper: where most pixels are right, nothing at all is L1's first optimum; L2 has no such rest.
    """

    Config = SupervisedConfig
    config: SupervisedConfig

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:  # noqa: ARG002 (one stage only)
        """Compute the one loss of a batch."""
        x, y = batch["noisy"], batch["reference"]
        return StepResult(supervised_losses(self.networks["denoiser"], x, y, self.config.loss))
