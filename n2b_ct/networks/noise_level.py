"""CNN_est: a noise level function for every image (Wu et al. 2020, arXiv 2008.13711), as a stack of 1×1 convolutions.

The noise of image k is var(n_i) = g_k(x̃_i): what the pixel would be without noise decides, and nothing around it. 1×1
convolutions guarantee that. All images' functions are one batch of parameters ``[images, …]``, of which every image
takes its own, so one step trains as many as it meets.

**Where g is evaluated.** At μ_i, D-BSN's prediction, without gradient. The slides write g_y(y), yet the noisy value
says how large the noise probably is: a pixel above white is there because n_i is large. With y_i as input the
likelihood asks for E[ε_i² | y_i], which rises where y_i leaves the grey values of the scene, for noise of one level
too. μ_i has not seen y_i and n_i is independent of it, so E[n_i² | μ_i] = E[g(x̃_i) | μ_i]: the function that is
sought, blurred by the error of μ_i. The second stage evaluates g at clean pixels, where only this reading is right.
``docs/decisions/0008-noise-levels-per-image.md`` has the experiment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from n2b_ct.networks.blind_spot import LEAK, LEAST_STD, lower_triangle
from n2b_ct.networks.gaussians import Triangle, negative_log_likelihood, sum_of

FIRST_STD = 0.1
"""Level that a noise level function starts from in training: 25 of 255 grey levels."""
N_FEATURES = 8
_GAIN = 3.0  # an image is met once in many steps, so what it learns then must count for more
_MOST_PX = 40_000
_GAUSSIAN_ABS_MEDIAN = 0.6744897501960817


class NoiseLevels(nn.Module):
    """The noise level functions of many images.

    Three 1×1 layers: C -> features -> features -> the lower triangle of the C×C covariance. The last one starts at 0,
    so every function starts as a constant. The grey value enters as it is; 0 to 1 is expected, nothing breaks
    outside.

    Args:
        n_images: How many functions.
        n_channels: C.
        start_std: Standard deviation that a function starts from: one for all, or one for each, ``[images]``.
        n_features: Width.
        seed: Of the first weights, the same for all images: they differ by what they learn, not by luck.
    """

    def __init__(
        self,
        n_images: int,
        n_channels: int = 1,
        start_std: float | Tensor = FIRST_STD,
        n_features: int = N_FEATURES,
        seed: int = 0,
    ) -> None:
        super().__init__()
        widths = [n_channels, n_features, n_features, n_channels * (n_channels + 1) // 2]
        generator = torch.Generator().manual_seed(seed)
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for before, after in pairwise(widths):
            weight = torch.randn(after, before, generator=generator) * math.sqrt(2.0 / before)
            bias = torch.rand(after, generator=generator) - 0.5
            is_last = len(self.weights) == 2
            self.weights.append(nn.Parameter((weight * (not is_last)).repeat(n_images, 1, 1)))
            self.biases.append(nn.Parameter((bias * (not is_last)).repeat(n_images, 1)))
        self.start_std: Tensor
        self.register_buffer("start_std", torch.as_tensor(start_std, dtype=torch.float32).expand(n_images).clone())

    def forward(self, at: Tensor, index: Tensor) -> Triangle:
        """Evaluate the functions at grey values.

        Args:
            at: ``[B, C, rows, cols]``.
            index: Whose function each image of the batch takes, int64 ``[B]``.

        Returns:
            L with Σ^n = L Lᵀ at every pixel, float32 also under autocast.
        """
        with torch.autocast(at.device.type, enabled=False):
            features = at.to(self.start_std.dtype).flatten(2)
            for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
                features = leaky_relu(features, LEAK) if number else features
                features = torch.baddbmm(bias[index][..., None], weight[index], features)
            values = _GAIN * features.view(*features.shape[:2], *at.shape[2:])
            return lower_triangle(values, self.start_std[index][:, None, None])

    @classmethod
    def joined(cls, parts: Sequence[NoiseLevels]) -> NoiseLevels:
        """Put the functions of several batches into one, in their order."""
        states = [part.state_dict() for part in parts]
        state = {key: torch.cat([one[key] for one in states]) for key in states[0]}
        together = cls(len(state["start_std"]), parts[0].weights[0].shape[2])
        together.load_state_dict(state)
        return together


def robust_std(error: Tensor) -> Tensor:
    """Estimate each image's σ from its errors: median |ε| of a Gaussian is 0.6745 σ.

    Args:
        error: ``[B, C, rows, cols]``.

    Returns:
        ``[B]``, at least twice the least level.
    """
    medians = error.abs().flatten(1).median(dim=1).values
    return (medians / _GAUSSIAN_ABS_MEDIAN).clamp_min(2.0 * LEAST_STD)


def fit_noise_levels(
    error: Tensor, error_triangle: Triangle, at: Tensor, *, n_steps: int = 100, learning_rate: float = 0.03
) -> NoiseLevels:
    """Fit a function to each image of a batch: the likeliest for ε ~ N(0, Σ^μ + Σ^n), given Σ^μ.

    Deterministic, whatever the caller's gradient mode is. Of images above 40,000 pixels every second, third … row and
    column counts. Adam moves every parameter by its own gradient, and the images'
    losses are added: the company an image keeps in its batch changes nothing for it.

    Args:
        error: ε ``[B, C, rows, cols]``.
        error_triangle: Of Σ^μ.
        at: Where to evaluate the functions, ``[B, C, rows, cols]``.
        n_steps: Steps of Adam; the learning rate falls to 0 as a cosine.
        learning_rate: At the start.
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        step_px = math.ceil(math.sqrt(at.shape[-2] * at.shape[-1] / _MOST_PX))
        error, at = (_thinned(image, step_px) for image in (error, at))
        error_triangle = [[_thinned(entry, step_px) for entry in row] for row in error_triangle]
        levels = NoiseLevels(len(at), at.shape[1], robust_std(error)).to(at.device)
        optimizer = torch.optim.Adam(levels.parameters(), lr=learning_rate)
        index = torch.arange(len(at), device=at.device)
        for step in range(n_steps):
            optimizer.param_groups[0]["lr"] = learning_rate * 0.5 * (1.0 + math.cos(math.pi * step / n_steps))
            optimizer.zero_grad(set_to_none=True)
            loss = negative_log_likelihood(error, sum_of(error_triangle, levels(at, index)))
            loss.mean(dim=(1, 2)).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return levels.requires_grad_(False)


def _thinned(image: Tensor, step_px: int) -> Tensor:
    """Copy every so-many-th row and column, free of the gradient mode that the image was made in."""
    return image.detach()[..., ::step_px, ::step_px].clone()
