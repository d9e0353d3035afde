"""A denoiser for the whole HU scale and any dose: it measures its input's noise and works in units of it.

::

    h        = x − box17(x)                      what is left of x without its lowest frequencies
    d        = x − box5(x)                       and without its low ones
    log σ(x) = Σ w·N(h) / Σ w                    N, w: a small network at a quarter of the resolution
    net(x)   = x + σ(x) · U(a·asinh(h / (aσ)), h, x, a·asinh(d / (aσ)))

A network that sees HU as they are must learn each noise level by itself, and its largest errors are those of the
strongest noise; one that sees its input in units of σ learns them together (FFDNet tells its network σ; CBDNet
estimates it). ``asinh`` keeps noise as it is and the edges of bone, which are a hundred σ high, within a few units;
``h`` and ``x`` tell which edge and which tissue it is. Within a bone ``h`` is so high that its noise vanishes in
``asinh``; ``d`` is not, a few pixels from the edge. Nothing is to be told by the caller: the network is blind.

σ is detached before the denoiser sees it, so that only its own loss (:meth:`NoiseScaledUNet.log_noise_std`) teaches
it, and the denoiser trains with σ that is wrong by a random factor, as it will be on a scanner that nobody knew.

References:
    Zhang, Zuo, Zhang 2018, IEEE Trans. Image Process. 27(9) (FFDNet). Guo et al. 2019, CVPR (CBDNet).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_unshuffle, softplus

from n2b_ct.networks.heads import box_mean
from n2b_ct.networks.unet import SimpleUNet, convolution
from n2b_ct.registry import NETWORKS

SCALE_PX = 4
"""σ is estimated for squares of so many pixels a side."""
USUAL_STD = 0.005
"""Noise that an untrained network takes for granted, network units: 20 of 4,096 HU."""

CONFIDENCE_BOX = (9, 2)
"""Side in such squares, and passes, of the box mean over which the estimate averages: about 72 pixels."""

_DETREND_PX, _DETAIL_PX = 17, 5
_GAINS = (0.0075, 0.03, 0.12)
_KNEE = 3.0  # σ, from which on asinh bends
_LOG_STD_RANGE = (-10.0, -1.0)
_HIGHPASS_GAIN, _LEVEL_GAIN = 8.0, 4.0
_LEAST_CONFIDENCE = 1e-3
_STD_ERROR = 0.15


@NETWORKS.register("NoiseScaledUNet")
class NoiseScaledUNet(nn.Module):
    """A U-Net in units of the noise that it measures itself; made for windows of some thousand HU.

    Args:
        in_channels: 1.
        out_channels: 1.
        n_features: Feature maps of the U-Net's finest level.
        depth: Number of its levels, at least 3.
        max_features: Its doubling stops here.
        noise_features: Feature maps of the noise estimate.

    Raises:
        ConfigError: An argument is below 1, or the levels are too many.
    """

    output_forms = ("lowpass", "direct")
    output_forms_reason = "whose output is an image"

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        n_features: int = 24,
        depth: int = 5,
        max_features: int = 48,
        noise_features: int = 32,
    ) -> None:
        super().__init__()
        self.unet = SimpleUNet(in_channels + 3, out_channels, n_features, depth, max_features)
        self.noise = NoiseStdNet(noise_features)
        self.multiple = max(self.unet.multiple, SCALE_PX)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[batch, 1, rows, cols]`` to the same shape, float32."""
        x = x.float()
        high = x - box_mean(x, _DETREND_PX, 1)
        std = interpolate(self.noise(high).detach(), scale_factor=float(SCALE_PX), mode="bilinear").exp()
        if self.training:
            std = std * torch.exp(_STD_ERROR * torch.randn(len(x), 1, 1, 1, device=x.device))
        detail = x - box_mean(x, _DETAIL_PX, 1)
        in_noise, detail_in_noise = (0.5 * _KNEE * torch.asinh(one / (_KNEE * std)) for one in (high, detail))
        features = torch.cat([in_noise, _HIGHPASS_GAIN * high, _LEVEL_GAIN * x - 1.0, detail_in_noise], dim=1)
        change: Tensor = self.unet(features.contiguous(memory_format=torch.channels_last)).float()
        return x + std * change

    def log_noise_std(self, x: Tensor) -> Tensor:
        """Return the logarithm of σ(x), network units, ``[batch, 1, rows / 4, cols / 4]``, with gradient."""
        x = x.float()
        log_std: Tensor = self.noise(x - box_mean(x, _DETREND_PX, 1))
        return log_std


class NoiseStdNet(nn.Module):
    """Estimate log σ of squares of 4×4 pixels, and average over about 72 pixels by confidence."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            convolution(len(_GAINS) * SCALE_PX**2, n_features),
            convolution(n_features, n_features),
            convolution(n_features, n_features),
            nn.Conv2d(n_features, 2, 1),
        )

    def forward(self, high: Tensor) -> Tensor:
        """Map ``[batch, 1, rows, cols]`` without low frequencies to log σ ``[batch, 1, rows / 4, cols / 4]``."""
        own = pixel_unshuffle(high, SCALE_PX)
        squares = torch.cat([torch.asinh(own / gain) for gain in _GAINS], dim=1)
        found = self.layers(squares.contiguous(memory_format=torch.channels_last)).float()
        confidence = softplus(found[:, 1:]) + _LEAST_CONFIDENCE
        summed = box_mean(torch.cat([confidence * found[:, :1], confidence], dim=1), *CONFIDENCE_BOX)
        log_std = summed[:, :1] / summed[:, 1:] + torch.log(torch.tensor(USUAL_STD, device=high.device))
        return log_std.clamp(*_LOG_STD_RANGE)
