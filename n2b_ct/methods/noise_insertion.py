"""Noise insertion: a denoiser that learns from noise-free images with noise of known physics added.

x  images with inserted noise ``[B, 1, rows, cols]``     y  the same images without     F  denoiser
σ  standard deviation of x − y in each patch           σ(·)  the same around each pixel

What makes the images is no part of the method: noise-free digital patients and noise of any kernel and dose
(``data.kind: phantom``), or pairs of scans.

References:
    Yu et al. 2012, J. Comput. Assist. Tomogr. 36(4), 477-487: noise insertion in the projection domain.
    Zhang, Zuo, Zhang 2018, IEEE Trans. Image Process. 27(9): one network for noise of any strength.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from n2b_ct.methods.losses import Loss
from n2b_ct.methods.method import BatchNeeds, Method, MethodConfig, StepResult
from n2b_ct.networks.heads import box_mean
from n2b_ct.networks.noise_scaled import CONFIDENCE_BOX, SCALE_PX, NoiseScaledUNet
from n2b_ct.registry import METHODS

LEAST_STD = 5e-4
"""Patches with less noise, in network units, count as with this: 2 HU where the window is 4096 HU wide."""
KNEE = 0.5
"""Of ``huber``: smaller errors, in units of σ, count by their squares."""


class NoiseInsertionConfig(MethodConfig):
    """A denoiser trained on images with inserted noise, of any strength."""

    needs: ClassVar[BatchNeeds] = BatchNeeds(reference=True)

    name: Literal["noise_insertion"] = "noise_insertion"
    loss: Loss = "l1"
    """``l1``, ``l2`` or ``huber``, of errors in units of each patch's noise."""


def noise_insertion_losses(
    denoiser: nn.Module, x: Tensor, y: Tensor, loss: Loss, counted: Tensor | None = None
) -> dict[str, Tensor]:
    """L = mean ρ((F(x) − y) / σ); pixels of x outside the window, which stay, do not count.

    ρ is the absolute value, the square, or Huber's function with its knee at :data:`KNEE`. Pixels that are not
    ``counted`` do not count either, where that is given.
    """
    sigma = torch.sqrt(torch.mean((x - y) ** 2, dim=(1, 2, 3), keepdim=True)).clamp_min(LEAST_STD)
    error = (denoiser(x) - y) / sigma
    inside = ((x > 0.0) & (x < 1.0)).float() * (1.0 if counted is None else counted)
    return {"noise_insertion": torch.mean(inside * _RHO[loss](error))}


def _huber(error: Tensor) -> Tensor:
    size = error.abs()
    return torch.where(size < KNEE, 0.5 * error**2, KNEE * (size - 0.5 * KNEE))


_RHO: dict[Loss, Callable[[Tensor], Tensor]] = {"l1": torch.abs, "l2": torch.square, "huber": _huber}


def noise_std_loss(network: NoiseScaledUNet, x: Tensor, noise: Tensor) -> Tensor:
    """L = mean (log σ̂(x) − log σ(noise))², for a network that measures its input's noise; of squares inside the window.

    σ(noise) averages the variance over what the network's own estimate averages over.
    """
    variance = box_mean(avg_pool2d(noise**2, SCALE_PX), *CONFIDENCE_BOX).clamp_min(LEAST_STD**2)
    inside = avg_pool2d(((x > 0.0) & (x < 1.0)).float(), SCALE_PX) > 0.5
    return torch.mean(inside * (network.log_noise_std(x) - 0.5 * torch.log(variance)) ** 2)


@METHODS.register("noise_insertion")
class NoiseInsertion(Method):
    """A denoiser trained on images with inserted noise, of any strength.

    **Why errors are divided by σ.** Without that the strongest noise would have nearly all of the loss, and scans of
    usual doses none.

    **Why Huber's function.** What the absolute error asks for is the median of what may lie behind the noise, and of a
    faint lesion that is seen in less than half of the cases that is nothing; what the square asks for is the mean. But
    squares of errors at the edges of bone have nearly all of the loss.
    """

    Config = NoiseInsertionConfig
    config: NoiseInsertionConfig

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:  # noqa: ARG002 (one stage only)
        """Compute the loss of a batch, and that of the noise estimate where the network has one."""
        x, y, denoiser = batch["noisy"], batch["reference"], self.networks["denoiser"]
        losses = noise_insertion_losses(denoiser, x, y, self.config.loss, batch.get("counted"))
        network = getattr(denoiser, "network", None)
        if isinstance(network, NoiseScaledUNet):
            losses["noise_std"] = noise_std_loss(network, x, batch.get("noise", x - y))
        return StepResult(losses)
