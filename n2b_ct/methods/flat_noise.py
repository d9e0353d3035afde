"""How strong is the extracted noise, in units of the noise that the slices themselves show?

Where the blurred label y_b is flat, n_b = x − y_b is noise and little else, so there σ(ñ) has to equal σ(n_b). The
label is nearly free of noise, so choosing by it favours no dose. No ground truth is needed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

BLOCK_PX = 16
FLATTEST = 0.25
ROBUST_SIGMA = 1.4826  # of a Gaussian: σ = 1.4826 · median |n|


def flat_noise_stds(noises: list[Tensor], y_b: Tensor, x: Tensor) -> list[Tensor]:
    """Measure σ of several noises in the same flat blocks of a batch.

    Blocks of 16×16 pixels that lie wholly inside the window are ranked by the spread of the blurred label, and the
    flattest quarter counts. σ is 1.4826 · median |v − median v|.

    Args:
        noises: ñ, n_b …, each ``[batch, 1, rows, cols]``.
        y_b: Blurred labels, same shape.
        x: The patches as seen through the window; 0 and 1 are its ends.

    Returns:
        For every noise its σ in each flat block ``[blocks]``, network units; empty where no block is inside.
    """
    inside = _blocks(((x > 0) & (x < 1)).to(y_b.dtype)).amin(dim=1) > 0
    label = _blocks(y_b)[inside]
    spread = label.amax(dim=1) - label.amin(dim=1)
    flattest = spread.argsort()[: math.ceil(FLATTEST * spread.numel())]
    return [_robust_std(_blocks(noise)[inside][flattest]) for noise in noises]


class NoiseAnchor(nn.Module):
    """A slow gain g that holds σ(g·ñ) at the noise of the slices: the pair alone lets it drift.

    Every batch moves ``g ← g · (1 − rate · (g·r − 1))`` with r the median of σ(ñ)/σ(n_b) over flat blocks, and g stays
    between 2/3 and 3/2. It is a buffer: checkpoints keep it, no gradient meets it.

    Args:
        rate: Share of the error that one batch corrects.
    """

    def __init__(self, rate: float = 0.01) -> None:
        super().__init__()
        self.rate = rate
        self.gain: Tensor
        self.register_buffer("gain", torch.ones(()))

    @torch.no_grad()
    def follow(self, n_tilde: Tensor, n_b: Tensor, x: Tensor) -> None:
        """Move the gain by one batch; a batch without flat blocks, or whose slices show no noise there, leaves it.

        Args:
            n_tilde: Extracted noise before the gain, ``[batch, 1, rows, cols]``.
            n_b: x − y_b.
            x: Noisy patches, network units.
        """
        noise_std, slice_std = flat_noise_stds([n_tilde, n_b], x - n_b, x)
        if noise_std.numel():
            error = (self.gain * (noise_std / slice_std).nanmedian() - 1.0).nan_to_num(0.0, 0.0, 0.0)
            self.gain.copy_((self.gain * (1.0 - self.rate * error)).clamp(2 / 3, 3 / 2))

    def forward(self, n_tilde: Tensor) -> Tensor:
        """Apply the gain to ``[batch, 1, rows, cols]``."""
        return self.gain * n_tilde


def _blocks(image: Tensor) -> Tensor:
    return unfold(image, BLOCK_PX, stride=BLOCK_PX).transpose(1, 2).flatten(0, 1)


def _robust_std(values: Tensor) -> Tensor:
    """σ of every row of ``[n, values]``."""
    centred = values - values.median(dim=1, keepdim=True).values
    return ROBUST_SIGMA * centred.abs().median(dim=1).values
