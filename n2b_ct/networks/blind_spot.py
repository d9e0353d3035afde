"""D-BSN, the dilated blind-spot network (Wu et al. 2020, arXiv 2008.13711): it predicts a pixel from its neighbours.

y  noisy image ``[B, C, rows, cols]``     μ  what the neighbours say about the pixel     Σ^μ  how sure they are, C×C

A branch is a k×k convolution whose centre weight is held at 0 (k odd, reach r = (k − 1)/2), then 3×3 convolutions
whose dilations are multiples of d = r + 1 = (k + 1)/2, with 1×1 convolutions and sums between them.

**Why it is blind.** Call the offset from an output pixel to an input pixel that it depends on o. The masked
convolution reaches ``|o|∞ ≤ r``, ``o ≠ 0``. A 3×3 convolution of dilation m·d adds a vector of the lattice d·Z², a 1×1
convolution or a sum adds nothing. So every offset is ``o + d·z`` with z whole. It is 0 only if ``o = −d·z``; since
``|o|∞ ≤ r < d`` that needs z = 0 and so o = 0, which the mask takes out. Nothing in the argument asks how many
layers there are, or how far they step.

**What else it misses.** ``o + d·z = 0 (mod d)`` never happens, so a branch sees none of the pixels d·Z² (k = 3: every
second one of every second row). Two branches with coprime d, as k = 3 and k = 5 (d = 2 and 3), see what the other
misses but for 6·Z². Their features meet in 1×1 convolutions only.

**Borders** are padded with zeros, feature maps too: a constant tells nothing of y_i. Reflection would undo all this:
the mirror image of pixel i stands beside the border, at an offset that branches do see. Therefore the network takes
any size and nobody has to extend the image for it.

The paper's own layer counts and widths are not at hand here. ``kernels``, ``steps`` and ``n_features`` give any size;
the default is small, for two processor cores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, softplus

from n2b_ct.errors import ConfigError, explain
from n2b_ct.networks.gaussians import Triangle
from n2b_ct.networks.heads import NoAutocastConv2d

LEAK = 0.1
FIRST_STD = 0.05
"""Standard deviation of the prediction's error that an untrained network claims, network units."""
LEAST_STD = 1e-3
"""No prediction is surer than this, a quarter of an 8-bit grey level."""


class BlindSpotNet(nn.Module):
    """Predict every pixel, and the covariance of that prediction's error, from all pixels around it.

    The last layer and what follows it stay float32 under autocast.

    Args:
        in_channels: C.
        n_features: Feature maps of every branch.
        kernels: Side of each branch's masked convolution, odd, from 3; a branch each.
        steps: Dilations of the 3×3 convolutions that follow, in units of d = (k + 1)/2; the same in every branch.

    Raises:
        ConfigError: An argument is out of range.
    """

    def __init__(
        self,
        in_channels: int = 1,
        n_features: int = 32,
        kernels: Sequence[int] = (3, 5),
        steps: Sequence[int] = (1, 2, 1, 2),
    ) -> None:
        super().__init__()
        _require_arguments(in_channels, n_features, kernels, steps)
        self.in_channels = in_channels
        self.branches = nn.ModuleList(_branch(in_channels, n_features, kernel, steps) for kernel in kernels)
        self.join = nn.Sequential(
            nn.Conv2d(n_features * len(kernels), 2 * n_features, 1),
            nn.LeakyReLU(LEAK, inplace=True),
            nn.Conv2d(2 * n_features, n_features, 1),
            nn.LeakyReLU(LEAK, inplace=True),
        )
        self.last = NoAutocastConv2d(n_features, in_channels + in_channels * (in_channels + 1) // 2, 1)
        _start(self)

    def forward(self, y: Tensor) -> tuple[Tensor, Triangle]:
        """Predict from ``[B, C, rows, cols]`` of any size.

        Returns:
            μ ``[B, C, rows, cols]``, and L with Σ^μ = L Lᵀ, both float32.
        """
        features = torch.cat([branch(y) for branch in self.branches], dim=1)
        output = self.last(self.join(features))
        return output[:, : self.in_channels], lower_triangle(output[:, self.in_channels :], FIRST_STD)


def lower_triangle(values: Tensor, std: Tensor | float) -> Triangle:
    """Turn any numbers into a lower triangle with a positive diagonal.

    Args:
        values: ``[B, C (C + 1)/2, rows, cols]``, row by row of the triangle.
        std: The diagonal where ``values`` is 0, above ``LEAST_STD``; broadcasts to ``[B, rows, cols]``.

    Returns:
        The triangle; diagonals are at least ``LEAST_STD``.
    """
    offset = 0.5413248546129181  # softplus(offset) = 1
    rows: Triangle = []
    place = 0
    while place < values.shape[1]:
        entries = values[:, place : place + len(rows) + 1].unbind(1)
        diagonal = LEAST_STD + (std - LEAST_STD) * softplus(entries[-1] + offset)
        rows.append([*(std * entry for entry in entries[:-1]), diagonal])
        place += len(rows)
    return rows


class _MaskedConv2d(nn.Conv2d):
    """A convolution that does not see its centre."""

    def __init__(self, before: int, after: int, kernel_px: int) -> None:
        super().__init__(before, after, kernel_px, padding=kernel_px // 2)
        self.mask: Tensor
        mask = torch.ones(kernel_px, kernel_px)
        mask[kernel_px // 2, kernel_px // 2] = 0.0
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the parent's name)
        return conv2d(input, self.weight * self.mask, self.bias, padding=self.padding)


class _Step(nn.Module):
    """A dilated 3×3 convolution and a 1×1 convolution, added to what came in."""

    def __init__(self, n_features: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(n_features, n_features, 3, padding=dilation, dilation=dilation)
        self.last = nn.Conv2d(n_features, n_features, 1)

    def forward(self, features: Tensor) -> Tensor:
        change: Tensor = self.last(leaky_relu(self.first(features), LEAK, inplace=True))
        return features + change


def _branch(in_channels: int, n_features: int, kernel_px: int, steps: Sequence[int]) -> nn.Sequential:
    dilation = (kernel_px + 1) // 2
    return nn.Sequential(
        _MaskedConv2d(in_channels, n_features, kernel_px),
        nn.LeakyReLU(LEAK, inplace=True),
        nn.Conv2d(n_features, n_features, 1),
        *(_Step(n_features, step * dilation) for step in steps),
        nn.LeakyReLU(LEAK, inplace=True),
    )


def _start(network: BlindSpotNet) -> None:
    """Draw weights that keep the variance through leaky layers; what a step adds, and the last layer, start small."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=LEAK)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    for module in network.modules():
        if isinstance(module, _Step):
            module.last.weight.data.mul_(0.3)
    network.last.weight.data.mul_(0.1)


def _require_arguments(in_channels: int, n_features: int, kernels: Sequence[int], steps: Sequence[int]) -> None:
    rules = {
        "in_channels": (in_channels, "must be 1 (gray) or 3 (RGB)", in_channels in (1, 3)),
        "n_features": (n_features, "must be at least 1", n_features >= 1),
        "kernels": (list(kernels), "must be odd numbers from 3", _all(kernels, lambda k: k >= 3 and k % 2 == 1)),
        "steps": (list(steps), "must be whole numbers from 1", _all(steps, lambda step: step >= 1)),
    }
    problems = [
        explain(f"BlindSpotNet.{name}", requirement, value, "correct it, or leave it out")
        for name, (value, requirement, holds) in rules.items()
        if not holds
    ]
    if problems:
        raise ConfigError(problems)


def _all(values: Sequence[int], rule: Callable[[int], bool]) -> bool:
    return len(values) > 0 and all(rule(value) for value in values)
