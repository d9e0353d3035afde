"""Noise insertion: a denoiser that learns from noise-free images with noise of known physics added.

x  images with inserted noise ``[B, 1, rows, cols]``     y  the same images without     F  denoiser
σ  standard deviation of x − y in each patch

What makes the images is no part of the method: noise-free digital patients and noise of any kernel and dose
(``data.kind: phantom``), or pairs of scans.

References:
    Yu et al. 2012, J. Comput. Assist. Tomogr. 36(4), 477-487: noise insertion in the projection domain.
    Zhang, Zuo, Zhang 2018, IEEE Trans. Image Process. 27(9): one network for noise of any strength.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from n2b_ct.methods.method import BatchNeeds, Method, MethodConfig, StepResult
from n2b_ct.registry import METHODS

Loss = Literal["l1", "l2"]

LEAST_STD = 5e-4
"""Patches with less noise, in network units, count as with this: 2 HU where the window is 4096 HU wide."""


class NoiseInsertionConfig(MethodConfig):
    """A denoiser trained on images with inserted noise, of any strength."""

    needs: ClassVar[BatchNeeds] = BatchNeeds(reference=True)

    name: Literal["noise_insertion"] = "noise_insertion"
    loss: Loss = "l1"
    """``l1`` or ``l2``, of errors in units of each patch's noise."""


def noise_insertion_losses(denoiser: nn.Module, x: Tensor, y: Tensor, loss: Loss) -> dict[str, Tensor]:
    """L = mean |F(x) − y| / σ, or mean (F(x) − y)² / σ²; pixels of x outside the window, which stay, do not count."""
    sigma = torch.sqrt(torch.mean((x - y) ** 2, dim=(1, 2, 3), keepdim=True)).clamp_min(LEAST_STD)
    error = (denoiser(x) - y) / sigma
    inside = (x > 0.0) & (x < 1.0)
    return {"noise_insertion": torch.mean(inside * (error.abs() if loss == "l1" else error**2))}


@METHODS.register("noise_insertion")
class NoiseInsertion(Method):
    """A denoiser trained on images with inserted noise, of any strength.

    **Why errors are divided by σ.** Without that the strongest noise would have nearly all of the loss, and scans of
    usual doses none.
    """

    Config = NoiseInsertionConfig
    config: NoiseInsertionConfig

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:  # noqa: ARG002 (one stage only)
        """Compute the one loss of a batch."""
        x, y = batch["noisy"], batch["reference"]
        return StepResult(noise_insertion_losses(self.networks["denoiser"], x, y, self.config.loss))
