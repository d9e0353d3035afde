"""How strong is the extracted noise, in units of the noise that the slices themselves show?

In the flattest parts of noisy patches n_b = x − y_b is noise and little else, so there σ(ñ) has to equal σ(n_b).
No ground truth is needed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

BLOCK_PX = 16
FLATTEST = 0.25
ROBUST_SIGMA = 1.4826  # of a Gaussian: σ = 1.4826 · median |n|


def flat_noise_std(n_tilde: Tensor, n_b: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Measure σ(ñ) and σ(n_b) in the same flattest blocks of a batch.

    Blocks of 16×16 pixels that lie wholly inside the window are ranked by the robust σ of n_b, and the flattest quarter
    counts. σ is 1.4826 · median |v − median v|; the median over blocks is returned.

    Args:
        n_tilde: Extracted noise ``[batch, 1, rows, cols]``.
        n_b: What the blurring took away, same shape.
        x: The noisy patches in network units; 0 and 1 are the ends of the window.

    Returns:
        σ(ñ) and σ(n_b), scalars in network units; both NaN where no block lies inside the window.
    """
    inside = _blocks(((x > 0) & (x < 1)).to(n_b.dtype)).amin(dim=1) > 0
    noise_std, slice_std = _robust_std(_blocks(n_tilde)[inside]), _robust_std(_blocks(n_b)[inside])
    if slice_std.numel() == 0:
        return n_b.new_tensor(math.nan), n_b.new_tensor(math.nan)
    flattest = slice_std.argsort()[: max(1, int(FLATTEST * slice_std.numel()))]
    return noise_std[flattest].median(), slice_std[flattest].median()


class NoiseAnchor(nn.Module):
    """A slow gain g that holds σ(g·ñ) at the noise of the slices: the pair alone lets it drift.

    Every batch moves ``g ← g · (1 − rate · (g·r − 1))`` with ``r = σ(ñ)/σ(n_b)`` in flat blocks, and g stays between
    2/3 and 3/2. It is a buffer, so checkpoints keep it; no gradient meets it.

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
        """Move the gain by one batch; a batch without flat blocks leaves it."""
        noise_std, slice_std = flat_noise_std(n_tilde, n_b, x)
        error = (self.gain * noise_std / slice_std - 1.0).nan_to_num(0.0, posinf=0.0)
        self.gain.copy_((self.gain * (1.0 - self.rate * error)).clamp(2 / 3, 3 / 2))

    def forward(self, n_tilde: Tensor) -> Tensor:
        """Apply the gain to ``[batch, 1, rows, cols]``."""
        return self.gain * n_tilde


def _blocks(image: Tensor) -> Tensor:
    return unfold(image, BLOCK_PX, stride=BLOCK_PX).transpose(1, 2).flatten(0, 1)


def _robust_std(blocks: Tensor) -> Tensor:
    centred = blocks - blocks.median(dim=1, keepdim=True).values
    return ROBUST_SIGMA * centred.abs().median(dim=1).values
