"""Supervised denoising: the yardstick, where pairs exist.

x  low-dose slices ``[B, 1, rows, cols]``     y  the same slices at normal dose     F  denoiser
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import l1_loss

from n2b_ct.methods.method import BatchNeeds, StepResult


def supervised_losses(denoiser: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """L = mean |F(x) − y|, the L1 loss that Noise2Blur uses too."""
    return {"supervised": l1_loss(denoiser(x), y)}


class Supervised:
    """A denoiser trained on pairs."""

    needs = BatchNeeds(reference=True)

    def __init__(self, denoiser: nn.Module) -> None:
        self.networks = nn.ModuleDict({"denoiser": denoiser})
        self._denoiser = denoiser

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:  # noqa: ARG002 (one stage only)
        """Compute the one loss of a batch."""
        return StepResult(supervised_losses(self._denoiser, batch["noisy"], batch["reference"]))
