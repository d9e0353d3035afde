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
LEAST_SHARE = 0.25  # of ñ's variance that stays when clean slices bring noise of their own


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
    """Holds composed slices at the noise of real ones: the pair alone lets ñ drift.

    A slow gain g keeps σ(g·ñ) at σ(n_b) in flat blocks: every batch moves ``g ← g · (1 − rate · (g·r − 1))`` with r the
    median of σ(ñ)/σ(n_b). And since clean slices carry noise σ(c) of their own, a patch of ñ brings only the rest:
    ``ñ' = g·ñ · sqrt(1 − σ(c)²/σ(g·ñ)²)``, so that c + ñ' is as noisy as x. Both numbers are buffers: checkpoints
    keep them, no gradient meets them.

    Args:
        rate: Share of the error that one batch corrects.
    """

    def __init__(self, rate: float = 0.01) -> None:
        super().__init__()
        self.rate = rate
        self.gain: Tensor
        self.clean_std: Tensor
        self.register_buffer("gain", torch.ones(()))
        self.register_buffer("clean_std", torch.zeros(()))

    @torch.no_grad()
    def follow(self, n_tilde: Tensor, n_b: Tensor, x: Tensor, c: Tensor, c_blurred: Tensor) -> None:
        """Move gain and σ(c) by one batch; a batch without flat blocks leaves them.

        Args:
            n_tilde: Extracted noise before the gain, ``[batch, 1, rows, cols]``.
            n_b: x − y_b.
            x: Noisy patches, network units.
            c: Clean patches as seen through the window.
            c_blurred: Their blurred labels.
        """
        noise_std, slice_std = flat_noise_stds([n_tilde, n_b], x - n_b, x)
        if noise_std.numel():
            error = self.gain * (noise_std / slice_std).median() - 1.0
            self.gain.copy_((self.gain * (1.0 - self.rate * error)).clamp(2 / 3, 3 / 2))
        (clean_std,) = flat_noise_stds([c - c_blurred], c_blurred, c)
        if clean_std.numel():
            measured = clean_std.median()
            self.clean_std.lerp_(measured, 1.0 if self.clean_std == 0 else 0.05)

    def forward(self, n_tilde: Tensor) -> Tensor:
        """Scale every patch of ``[batch, 1, rows, cols]``."""
        noise = self.gain * n_tilde
        std = _robust_std(noise.flatten(1))[:, None, None, None]
        return noise * (1.0 - (self.clean_std / std).square()).nan_to_num(1.0).clamp_min(LEAST_SHARE).sqrt()


def _blocks(image: Tensor) -> Tensor:
    return unfold(image, BLOCK_PX, stride=BLOCK_PX).transpose(1, 2).flatten(0, 1)


def _robust_std(values: Tensor) -> Tensor:
    """σ of every row of ``[n, values]``."""
    centred = values - values.median(dim=1, keepdim=True).values
    return ROBUST_SIGMA * centred.abs().median(dim=1).values
