"""D-BSN as a denoiser: the blind prediction and the pixel itself, weighed by Bayes' rule (Wu et al. 2020).

y  noisy image     μ, Σ^μ  D-BSN's prediction and its error     Σ^n  noise, g_y(μ)     x̂  the denoised image

A new image has no noise level function yet, so one is fitted to it, from a robust guess on. D-BSN is frozen: with μ
and Σ^μ known the likelihood of y − μ ~ N(0, Σ^μ + Σ^n) alone says what Σ^n is, and the training's bound is not
needed. It costs 1×1 convolutions only. A batch, a tile or a turned image is fitted as it comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from n2b_ct.networks.blind_spot import BlindSpotNet
from n2b_ct.networks.gaussians import fused
from n2b_ct.networks.noise_level import NoiseLevels, fit_noise_levels
from n2b_ct.registry import NETWORKS


@NETWORKS.register("BayesDenoiser")
class BayesDenoiser(nn.Module):
    """Map a noisy image to x̂, at a noise level that it finds in the image itself; no level is handed in.

    In training mode it gives μ, with gradient. In evaluation mode it gives x̂ without gradient, in gradient mode,
    ``no_grad`` and ``inference_mode`` alike, and the same every time. The weights are D-BSN's alone.

    Args:
        in_channels: C, 1 or 3.
        n_features: Feature maps of every branch.
        kernels: Side of each branch's masked convolution.
        steps: Dilations in each branch; see :class:`~n2b_ct.networks.blind_spot.BlindSpotNet`.
        use_bayes: False gives μ alone in evaluation mode too.

    Raises:
        ConfigError: An argument is out of range.
    """

    multiple = 1
    """Any size will do, so nothing is ever reflected at a border: see the blind-spot network's borders."""
    output_forms: ClassVar[tuple[str, ...]] = ("direct",)
    output_forms_reason = "which weighs the image itself"

    def __init__(
        self,
        in_channels: int = 1,
        n_features: int = 32,
        kernels: Sequence[int] = (3, 5),
        steps: Sequence[int] = (1, 2, 1, 2),
        use_bayes: bool = True,
    ) -> None:
        super().__init__()
        self.blind_spot = BlindSpotNet(in_channels, n_features, kernels, steps)
        self.use_bayes = use_bayes

    def forward(self, y: Tensor) -> Tensor:
        """Denoise ``[B, C, rows, cols]`` of any size."""
        if self.training or not self.use_bayes:
            mean: Tensor = self.blind_spot(y)[0]
            return mean
        return self.denoise(y)[0]

    @torch.no_grad()
    def denoise(self, y: Tensor) -> tuple[Tensor, NoiseLevels]:
        """Denoise ``[B, C, rows, cols]`` and return the noise level functions too, one an image."""
        mean, mean_triangle = self.blind_spot(y)
        y = y.float()
        levels = fit_noise_levels(y - mean, mean_triangle, mean)
        noise_triangle = levels(mean, torch.arange(len(y), device=y.device))
        return fused(mean, mean_triangle, y, noise_triangle), levels
