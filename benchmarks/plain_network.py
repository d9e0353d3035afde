"""The U-Net as one would write it in an afternoon: double, join, convolve. Needs torch alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from n2b_ct.networks.unet import SimpleUNet, _UpBlock


class PlainUp(nn.Module):
    """Double, join, convolve: three passes over the finest maps."""

    def __init__(self, block: _UpBlock) -> None:
        super().__init__()
        self.mix = block.mix

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.mix(torch.cat([interpolate(x, scale_factor=2.0, mode="nearest"), skip], dim=1))


def plain_network(network: nn.Module) -> nn.Module:
    """Make every U-Net in a network step up in the plain way, contiguous, float32."""
    for module in network.modules():
        if isinstance(module, SimpleUNet):
            module.decoders = nn.ModuleList(PlainUp(block) for block in module.decoders)
    return network.to(memory_format=torch.contiguous_format).train()
