"""Supervised denoising: the yardstick, where pairs exist.

x  low-dose slices ``[B, 1, rows, cols]``     y  the same slices at normal dose     F  denoiser
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from n2b_ct.methods.method import BatchNeeds, StepResult

Loss = Literal["l1", "l2"]


def supervised_losses(denoiser: nn.Module, x: Tensor, y: Tensor, loss: Loss) -> dict[str, Tensor]:
    """L = mean |F(x) − y|, the L1 loss that Noise2Blur uses too, or mean (F(x) − y)²."""
    return {"supervised": l1_loss(denoiser(x), y) if loss == "l1" else mse_loss(denoiser(x), y)}


class Supervised:
    """A denoiser trained on pairs.

    **Which loss.** L1 is the more robust one. A residual network that starts by doing nothing cannot leave that start
    under salt and pepper: where most pixels are right, nothing at all is L1's first optimum; L2 has no such rest.

    Args:
        denoiser: F.
        loss: ``l1`` or ``l2``.
    """

    needs = BatchNeeds(reference=True)

    def __init__(self, denoiser: nn.Module, *, loss: Loss = "l1") -> None:
        self.networks = nn.ModuleDict({"denoiser": denoiser})
        self._denoiser = denoiser
        self._loss: Loss = loss

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:  # noqa: ARG002 (one stage only)
        """Compute the one loss of a batch."""
        return StepResult(supervised_losses(self._denoiser, batch["noisy"], batch["reference"], self._loss))
