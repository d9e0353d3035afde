"""The noise extractor H (NENet, Lin et al. 2019, section 3.3): three 3×3 convolutions, 32 feature maps."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from n2b_ct.errors import ConfigError, explain
from n2b_ct.networks.heads import NoAutocastConv2d
from n2b_ct.registry import NETWORKS

LEAK = 0.1


@NETWORKS.register("NoiseExtractor")
class NoiseExtractor(nn.Module):
    """Map a noise estimate to a noise map, ``ñ = H(n̂)`` (Eq. 12).

    Borders are padded with zeros: beyond the patch the best guess of zero-mean noise is nothing. The
    last layer answers in float32 even under autocast.

    Args:
        n_features: Feature maps between the convolutions.
        in_channels: Channels of the noise, in and out.
        start: ``random`` weights, or ``identity``: H hands its input on until training changes it.

    Raises:
        ConfigError: ``n_features`` is too small or ``start`` unknown.
    """

    def __init__(
        self, n_features: int = 32, start: Literal["identity", "random"] = "random", in_channels: int = 1
    ) -> None:
        super().__init__()
        _require_arguments(n_features, start, in_channels)
        self.first = nn.Conv2d(in_channels, n_features, 3, padding=1)
        self.second = nn.Conv2d(n_features, n_features, 3, padding=1)
        self.last = NoAutocastConv2d(n_features, in_channels, 3, padding=1)
        self.activation = nn.LeakyReLU(LEAK)
        for layer in (self.first, self.second, self.last):
            nn.init.kaiming_normal_(layer.weight, a=LEAK)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        if start == "identity":
            self._start_as_identity()

    def forward(self, noise: Tensor) -> Tensor:
        """Map ``[batch, channels, rows, cols]`` to the same shape; any size from 1×1."""
        features = self.activation(self.first(noise))
        features = self.activation(self.second(features))
        extracted: Tensor = self.last(features)
        return extracted

    @torch.no_grad()
    def _start_as_identity(self) -> None:
        """Carry n and −n of every channel through two features: ``leaky(n) − leaky(−n) = (1 + LEAK)·n``.

        The other features start at random and count from the first step on, for the last layer learns
        to read them.
        """
        n_channels = self.first.in_channels
        n_kept = 2 * n_channels
        pairs = torch.kron(torch.eye(n_channels), torch.tensor([[1.0], [-1.0]]))
        self.first.weight[:n_kept] = 0.0
        self.first.weight[:n_kept, :, 1, 1] = pairs
        self.second.weight[:n_kept] = 0.0
        self.second.weight[:n_kept, :n_kept, 1, 1] = pairs @ pairs.T / (1 + LEAK)
        self.last.weight.zero_()
        self.last.weight[:, :n_kept, 1, 1] = pairs.T / (1 + LEAK)
        for layer in (self.first, self.second, self.last):
            if layer.bias is not None:
                layer.bias[:n_kept] = 0.0


def _require_arguments(n_features: int, start: str, in_channels: int) -> None:
    problems = []
    if in_channels < 1:
        problems.append(explain("NoiseExtractor.in_channels", "must be at least 1", in_channels, "raise it"))
    if n_features < 2 * in_channels:
        requirement = f"must be at least {2 * in_channels}"
        problems.append(explain("NoiseExtractor.n_features", requirement, n_features, "use 32 as the paper"))
    if start not in ("identity", "random"):
        problems.append(explain("NoiseExtractor.start", "must be identity or random", start, "pick one"))
    if problems:
        raise ConfigError(problems)
