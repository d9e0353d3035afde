"""What the trainer asks of a method: networks, losses, and how its noise looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one training step computes.

    Attributes:
        losses: Scalars with gradient; the trainer minimises their sum.
        noise: ñ, the extracted noise ``[batch, 1, rows, cols]`` without gradient, for methods that extract one.
        blur_residual: n_b = x − y_b of the same patches, where the method has blurred labels.
    """

    losses: dict[str, Tensor]
    noise: Tensor | None = None
    blur_residual: Tensor | None = None


@dataclass(frozen=True, slots=True)
class BatchNeeds:
    """Which keys a method needs in a batch beside ``noisy`` and ``index``.

    Attributes:
        clean: Clean patches, unpaired.
        blurred: The noisy patches' blurred labels.
        reference: Their truth.
        noisy_again: The same images with other noise.
        distilled: What a teacher makes of them.
    """

    clean: bool = False
    blurred: bool = False
    reference: bool = False
    noisy_again: bool = False
    distilled: bool = False


class Method(Protocol):
    """A trainable method. ``networks["denoiser"]`` becomes the model."""

    needs: BatchNeeds
    networks: nn.ModuleDict

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:
        """Compute the losses of one batch; ``progress`` runs from 0 to 1 over the whole training."""
        ...
