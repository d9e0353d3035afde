"""DnCNN (Zhang et al. 2017, "Beyond a Gaussian Denoiser", IEEE TIP 26:3142): a plain stack that predicts the noise.

y  noisy image ``[B, 1, rows, cols]``      R  the stack of convolutions: what it says is noise      x̂ = y − R(y)

=========  ==================================  =======================
layer      is                                  maps
=========  ==================================  =======================
1          3×3 convolution, ReLU               ``n_features``
2 … D − 1  3×3 convolution, batch norm, ReLU   ``n_features``
D          3×3 convolution                     those of the image
=========  ==================================  =======================

D = 17 with 64 maps is the paper's network for one noise level; every pixel sees ``2 D + 1 = 35`` pixels.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from n2b_ct.errors import ConfigError, explain
from n2b_ct.networks.heads import NoAutocastConv2d
from n2b_ct.registry import NETWORKS


@NETWORKS.register("DnCNN")
class DnCNN(nn.Module):
    """Subtract the noise that a stack of convolutions finds: ``x̂ = y − R(y)``.

    The subtraction is the network's own, so ``direct`` is the published output form, ``lowpass`` gives
    ``y − (1 − L) R(y)``, and ``residual``, which would add the image a second time, is refused. Borders are padded
    with zeros. The last layer and the subtraction stay float32 under autocast.

    Batch norm learns the statistics of the batches it meets, in training mode even without gradient: good for
    methods whose batches are noisy images only; Noise2Blur mixes real noisy patches with composed ones.

    Args:
        in_channels: Channels of the image, in and out.
        n_features: Feature maps between the convolutions.
        n_layers: D, the number of convolutions.

    Raises:
        ConfigError: An argument is too small.
    """

    output_forms: ClassVar[tuple[str, ...]] = ("direct", "lowpass")
    output_forms_reason = "which subtracts its noise itself"

    def __init__(self, in_channels: int = 1, n_features: int = 64, n_layers: int = 17) -> None:
        super().__init__()
        _require_counts(in_channels, n_features, n_layers)
        self.first = nn.Sequential(nn.Conv2d(in_channels, n_features, 3, padding=1), nn.ReLU(inplace=True))
        self.middle = nn.Sequential(*(_middle_layer(n_features) for _ in range(n_layers - 2)))
        self.last = NoAutocastConv2d(n_features, in_channels, 3, padding=1)
        _start(self)

    def forward(self, y: Tensor) -> Tensor:
        """Denoise ``[batch, channels, rows, cols]`` of any size; float32."""
        noise: Tensor = self.last(self.middle(self.first(y)))
        return y.float() - noise


def _middle_layer(n_features: int) -> nn.Sequential:
    """Convolve without bias, which batch norm's shift stands for."""
    convolution = nn.Conv2d(n_features, n_features, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_features), nn.ReLU(inplace=True))


def _start(network: DnCNN) -> None:
    """Draw weights that keep the variance through ReLU layers (He et al. 2015), as the paper does."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _require_counts(in_channels: int, n_features: int, n_layers: int) -> None:
    least = {"in_channels": (in_channels, 1), "n_features": (n_features, 1), "n_layers": (n_layers, 2)}
    problems = [
        explain(f"DnCNN.{name}", f"must be at least {lowest}", count, "raise it")
        for name, (count, lowest) in least.items()
        if count < lowest
    ]
    if problems:
        raise ConfigError(problems)
