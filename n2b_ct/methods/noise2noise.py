"""Noise2Noise (Lehtinen et al., ICML 2018, arXiv 1803.04189): one line of code per equation.

x, x'  two noisy observations of one image ``[B, C, rows, cols]``, x = s + n and x' = s + n'
s      the signal; n and n' are its noises                   F  denoiser: noisy -> clean
k      the mean over a square                                w  the pixels that count, 0 or 1

The target is as noisy as the input. With E[n' | x] = 0 the squared error splits into E(F(x) − s)² + E n'²: the second
term does not depend on F, so the best F is the one that clean targets would give, and their noise costs time alone.

**Which loss.** L2 finds the mean of the targets, and suits noise of zero mean. L1 finds their median, and suits noise
that leaves most pixels as they are, such as text; L2 would answer with a mean of text and image.

**Independence.** n' must tell nothing of n, or F learns to keep what they share: with a correlation ρ between n and n'
it keeps about the share ρ of the noise. Two readings of one slice by one reconstruction share all of it, and slices
that overlap share a part; :mod:`n2b_ct.data.neighbours` keeps a whole slice thickness between them.

**Neighbouring slices show another anatomy**: x' = s' + n' with s' ≠ s, and F learns E[s' | x], which blurs what
changes from slice to slice. Where the means k∗x and k∗x' differ by more than τ, the anatomy has changed and the pixel
is left out (w = 0). The mean has little noise, so leaving out by it favours no sign of the noise. The same idea, with
other weights and further losses, is in Zhou et al. 2024 (arXiv 2411.10831). What differs by less than τ stays, as does
detail finer than k: the bias is bounded, not gone.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from n2b_ct.config.method import NeighboursSection
from n2b_ct.methods.method import BatchNeeds, Method, MethodConfig, StepResult
from n2b_ct.registry import METHODS

Loss = Literal["l2", "l1"]
SIMILARITY_KERNEL_PX = 9


class Noise2NoiseConfig(MethodConfig):
    """Noise2Noise (Lehtinen et al. 2018): two noisy observations of each image, no clean ones.

    Natural images get a second realisation of their noise; CT slices take their neighbours for it.
    """

    needs: ClassVar[BatchNeeds] = BatchNeeds(noisy_again=True)

    name: Literal["noise2noise"] = "noise2noise"
    loss: Loss = "l2"
    """``l2`` for noise of zero mean; ``l1`` for noise that leaves most pixels as they are, such as text."""
    max_difference: float | None = Field(None, gt=0)
    """Pixels count only where the means over 9×9 px of both observations differ by at most this, network units: for
    slices, whose anatomy differs (0.04 is 40 HU in the usual window). Null: all count."""
    neighbours: NeighboursSection = NeighboursSection()
    """Where the second observation of a CT slice comes from; natural images ignore it."""

    def second_observation(self) -> NeighboursSection:
        """Return which neighbours of a CT slice are its second observation."""
        return self.neighbours


def noise2noise_losses(denoiser: nn.Module, x: Tensor, x_prime: Tensor, w: Tensor, loss: Loss) -> dict[str, Tensor]:
    """L = Σ w |F(x) − x'|² / Σ w, or its absolute value for L1; 0 where no pixel counts."""
    difference = denoiser(x) - x_prime
    error = difference.square() if loss == "l2" else difference.abs()
    return {"noise2noise": (w * error).sum() / w.expand_as(x).sum().clamp(min=1.0)}


def similar(x: Tensor, x_prime: Tensor, tau: float | None, kernel_px: int = SIMILARITY_KERNEL_PX) -> Tensor:
    """Say where two observations may show the same: w = 1 where |k∗x − k∗x'| ≤ τ in every channel, else 0.

    Args:
        x: One observation ``[B, C, rows, cols]``.
        x_prime: The other.
        tau: τ, network units; None: everywhere.
        kernel_px: Side of k, odd; at the border it is the mean of what lies inside.

    Returns:
        ``[B, 1, rows, cols]``, type of x.
    """
    if tau is None:
        return torch.ones_like(x[:, :1])
    change = avg_pool2d(x - x_prime, kernel_px, stride=1, padding=kernel_px // 2, count_include_pad=False)
    return (change.abs().amax(dim=1, keepdim=True) <= tau).to(x.dtype)


@METHODS.register("noise2noise")
class Noise2Noise(Method):
    """A denoiser trained on two noisy observations of each image."""

    Config = Noise2NoiseConfig
    config: Noise2NoiseConfig

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:  # noqa: ARG002 (one stage only)
        """Compute the one loss of a batch; no noise is extracted."""
        x, x_prime = batch["noisy"], batch["noisy_again"]
        w = similar(x, x_prime, self.config.max_difference)
        return StepResult(noise2noise_losses(self.networks["denoiser"], x, x_prime, w, self.config.loss))
