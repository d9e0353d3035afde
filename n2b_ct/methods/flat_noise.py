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


def flat_std(n_b: Tensor, x: Tensor) -> Tensor:
    """Measure the noise of slices: σ(n_b) in their flattest blocks, as :func:`flat_noise_std` does."""
    return flat_noise_std(n_b, n_b, x)[1]


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
    """A slow gain g that makes composed slices as noisy as real ones: the pair alone lets it drift.

    Clean slices carry noise of their own, so ñ has to bring the rest: ``σ(g·ñ)² = σ(x)² − σ(c)²``, all measured in flat
    blocks. Every batch moves ``g ← g · (1 − rate · (g·σ(ñ)/σ* − 1))`` with σ* the wanted σ, at least half of σ(x), and g
    stays between 1/2 and 2. It is a buffer, so checkpoints keep it; no gradient meets it.

    Args:
        rate: Share of the error that one batch corrects.
    """

    def __init__(self, rate: float = 0.01) -> None:
        super().__init__()
        self.rate = rate
        self.gain: Tensor
        self.clean_std: Tensor
        self.register_buffer("gain", torch.ones(()))
        self.register_buffer("clean_std", torch.full((), math.nan))

    @torch.no_grad()
    def follow(self, n_tilde: Tensor, n_b: Tensor, x: Tensor, c_b: Tensor, c: Tensor) -> None:
        """Move the gain by one batch; a batch without flat blocks leaves it.

        Args:
            n_tilde: Extracted noise before the gain.
            n_b: x − blur(x).
            x: Noisy patches, network units.
            c_b: c − blur(c).
            c: Clean patches as seen through the window.
        """
        noise_std, slice_std = flat_noise_std(n_tilde, n_b, x)
        self._follow_clean(flat_std(c_b, c))
        own = self.clean_std.nan_to_num(0.0)
        wanted = (slice_std.square() - own.square()).clamp_min((0.5 * slice_std).square()).sqrt()
        error = (self.gain * noise_std / wanted - 1.0).nan_to_num(0.0, posinf=0.0)
        self.gain.copy_((self.gain * (1.0 - self.rate * error)).clamp(0.5, 2.0))

    def forward(self, n_tilde: Tensor) -> Tensor:
        """Apply the gain to ``[batch, 1, rows, cols]``."""
        return self.gain * n_tilde

    def _follow_clean(self, measured: Tensor) -> None:
        """Average σ(c) slowly: single batches of clean patches show very different tissue."""
        first = self.clean_std.isnan()
        moved = torch.where(first, measured, self.clean_std + 0.05 * (measured - self.clean_std))
        self.clean_std.copy_(torch.where(measured.isnan(), self.clean_std, moved))


def _blocks(image: Tensor) -> Tensor:
    return unfold(image, BLOCK_PX, stride=BLOCK_PX).transpose(1, 2).flatten(0, 1)


def _robust_std(blocks: Tensor) -> Tensor:
    centred = blocks - blocks.median(dim=1, keepdim=True).values
    return ROBUST_SIGMA * centred.abs().median(dim=1).values
