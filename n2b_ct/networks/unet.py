"""The denoiser F (DnNet): a plain U-Net in the spirit of Noise2Blur's Figure 5."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, max_pool2d, pad

from n2b_ct.errors import ConfigError, ModelError, explain
from n2b_ct.networks.heads import NoAutocastConv2d
from n2b_ct.registry import NETWORKS

LEAK = 0.1
MOST_LEVELS = 9
"""Sides are multiples of 256 pixels then."""
LAST_STD = 0.02


@NETWORKS.register("SimpleUNet")
class SimpleUNet(nn.Module):
    """A lean U-Net: 3×3 convolutions, max-pooling down, nearest-neighbour steps up.

    Two convolutions on the finest level, one on every coarser level on the way down, two on every level on the way up
    after the skip is joined. No normalisation layer: BatchNorm would mix the statistics of real noisy patches and of
    those that Noise2Blur composes, InstanceNorm would forget the HU level. Borders are padded with zeros, the lower
    end of the window. The last layer answers in float32 even under autocast, and starts small: an untrained network
    says next to nothing.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        n_features: Feature maps of the finest level; they double from level to level.
        depth: Number of levels, the finest included.
        max_features: The doubling stops here.

    Raises:
        ConfigError: An argument is below 1, or the levels are too many.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        n_features: int = 24,
        depth: int = 5,
        max_features: int = 48,
    ) -> None:
        super().__init__()
        _require_counts(n_features=n_features, depth=depth, max_features=max_features)
        if depth > MOST_LEVELS:
            raise ConfigError(explain("SimpleUNet.depth", f"must be at most {MOST_LEVELS}", depth, "lower it"))
        widths = [min(n_features * 2**level, max_features) for level in range(depth)]
        self.multiple = 2 ** (depth - 1)
        finest = nn.Sequential(convolution(in_channels, widths[0]), convolution(widths[0], widths[0]))
        coarser = [convolution(widths[level], widths[level + 1]) for level in range(depth - 1)]
        self.encoders = nn.ModuleList([finest, *coarser])
        self.decoders = nn.ModuleList(_UpBlock(widths[i + 1], widths[i]) for i in reversed(range(depth - 1)))
        self.last = NoAutocastConv2d(widths[0], out_channels, 3, padding=1)
        _start(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[batch, in, rows, cols]`` to ``[batch, out, rows, cols]``.

        Raises:
            ModelError: Rows or columns are no multiple of :attr:`multiple`.
        """
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            self._require_fitting(x)
        skips: list[Tensor] = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(x if level == 0 else max_pool2d(x, 2))
            skips.append(x)
        skips.pop()
        for decoder in self.decoders:
            x = decoder(x, skips.pop())
        predicted: Tensor = self.last(x)
        return predicted

    @torch.jit.unused
    def _require_fitting(self, x: Tensor) -> None:
        rows, cols = x.shape[-2:]
        if rows % self.multiple or cols % self.multiple:
            requirement = f"rows and columns must be multiples of {self.multiple}"
            remedy = "pad the image by reflection, or lower depth"
            raise ModelError(explain("SimpleUNet", requirement, f"{rows}x{cols}", remedy))


class _UpBlock(nn.Module):
    """One step up: double the size, join the skip, mix.

    The first convolution of the mix, over what was doubled and the skip side by side, is carried out as the sum of two:
    one over the skip, and one transposed over what was not yet doubled. That is the same sum of products, with 4 of
    them where doubling first takes 9, and nothing is doubled or joined in memory.
    """

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.coarse = coarse
        self.mix = nn.Sequential(convolution(coarse + fine, fine), convolution(fine, fine))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        weight, bias = self.mix[0][0].weight, self.mix[0][0].bias  # type: ignore[index]
        from_skip = conv2d(skip, weight[:, self.coarse :], bias, padding=1)
        from_below = conv_transpose2d(x, doubling_weight(weight[:, : self.coarse]), stride=2, padding=1)
        mixed: Tensor = self.mix[1](self.mix[0][1](from_skip.add_(from_below)))  # type: ignore[index]
        return mixed


def doubling_weight(weight: Tensor) -> Tensor:
    """Fold "double by nearest neighbour, then convolve 3×3" into one transposed convolution of stride 2 and padding 1.

    A pixel meets 2 × 2 fine ones, so its weights are the 3×3 ones, turned, summed over a 2 × 2 window.

    Args:
        weight: ``[out, in, 3, 3]`` of the convolution.

    Returns:
        ``[in, out, 4, 4]`` for ``conv_transpose2d``.
    """
    turned = weight.flip(-2, -1).transpose(0, 1)
    along_rows = pad(turned, [0, 0, 0, 1]) + pad(turned, [0, 0, 1, 0])
    return pad(along_rows, [0, 1]) + pad(along_rows, [1, 0])


def convolution(before: int, after: int) -> nn.Sequential:
    """Return a 3×3 convolution and its leaky rectifier, ``before`` to ``after`` maps."""
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.LeakyReLU(LEAK, inplace=True))


def _start(network: SimpleUNet) -> None:
    """Draw weights that keep the variance through leaky layers (He et al. 2015); the last layer starts small."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=LEAK)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    nn.init.normal_(network.last.weight, std=LAST_STD)


def _require_counts(**counts: int) -> None:
    problems = [
        explain(f"SimpleUNet.{name}", "must be at least 1", count, "raise it")
        for name, count in counts.items()
        if count < 1
    ]
    if problems:
        raise ConfigError(problems)
