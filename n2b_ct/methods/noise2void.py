"""Noise2Void (Krull, Buchholz and Jug, CVPR 2019): learn from noisy images alone, with blinded pixels.

x     noisy images ``[B, C, rows, cols]``, x = s + n         F         denoiser: noisy -> clean
s, n  signal and noise; E[n_i] = 0, and n_i tells            i         a blind spot: a pixel that is predicted
      nothing of n_j                                         hidden    the pixels that F must not see
x̃     x with every hidden pixel's value replaced by that     donor     where a hidden pixel's new value comes from
      of a random donor from the box around it

The loss compares F(x̃)_i with x_i at the blind spots alone. F never sees x_i, so the noise n_i cannot be learned: the
best answer is E[x_i | all else] = E[s_i | all else]. Donors are never hidden themselves, hence x_i stands nowhere
in x̃, neither at i nor where another pixel was replaced.

**Correlated noise.** CT noise is correlated between neighbours, so they do tell n_i, and F learns to keep it: plain
Noise2Void hardly helps on CT (published gains on abdomen: 0 to 0.7 dB). A structured mask (StructN2V, Broaddus et al.
2020) hides a block of rows × cols around each blind spot too; it must span the correlation, and costs detail as wide.
Broaddus et al. fill the block with random numbers, here it is filled from donors as blind spots are: values that
the image does have.

**Output forms.** Every form of F acts on what it is given, and while training that is x̃, never x: what ``residual`` and
``lowpass`` let past the network is a donor's value at i. So no form opens a way for x_i, all three can be trained, and
the network learns to correct what came past it. When denoising, F is given x, as published.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from n2b_ct.methods.method import Method, MethodConfig, StepResult
from n2b_ct.registry import METHODS

_TRIES = 16
NO_DONOR = -1


class Noise2VoidConfig(MethodConfig):
    """Noise2Void (Krull et al. 2019): noisy images alone, blind spots; for noise that neighbours do not share."""

    name: Literal["noise2void"] = "noise2void"
    masked_fraction: float = Field(64 / 64**2, gt=0, le=0.25)
    """Share of a patch's pixels that are blind spots; the paper: 64 of 64×64."""
    box_px: int = Field(11, ge=3, le=99)
    """Side of the box around a hidden pixel from which its new value is drawn, odd."""
    structure: tuple[int, int] = (1, 1)
    """Rows and columns of the block hidden around each blind spot, odd; beyond [1, 1] it is StructN2V, for noise
    that neighbours share."""

    @field_validator("box_px", "structure")
    @classmethod
    def _odd(cls, value: int | tuple[int, int]) -> int | tuple[int, int]:
        for side in (value,) if isinstance(value, int) else value:
            if side < 1 or side % 2 == 0:
                msg = "must be odd and at least 1, so that there is a centre"
                raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _visible_pixels_left(self) -> Noise2VoidConfig:
        if max(self.structure) >= self.box_px:
            msg = f"box_px must be above both sides of structure {list(self.structure)}, got {self.box_px}"
            raise ValueError(msg)
        hidden = self.masked_fraction * self.structure[0] * self.structure[1]
        if hidden > 0.5:
            msg = f"masked_fraction times the block of structure must be at most 0.5, got {hidden:.2g}"
            raise ValueError(msg)
        return self


def noise2void_losses(denoiser: nn.Module, x: Tensor, spots: Tensor, donors: Tensor) -> dict[str, Tensor]:
    """L = mean over blind spots i of (F(x̃)_i − x_i)²."""
    x_tilde = replaced(x, donors)  # x̃: no hidden value is left
    s_hat = denoiser(x_tilde)  # ŝ = F(x̃)
    squares = torch.where(spots, s_hat - x, 0.0).square()
    return {"noise2void": squares.sum() / spots.expand_as(x).sum()}


def draw_spots(
    shape: torch.Size, fraction: float, *, device: torch.device | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """Draw blind spots, stratified as in the paper: one pixel in each cell of a grid, so that they lie apart.

    Every pixel is as likely as any other. Where cells share a pixel at their common border, both may draw it.

    Args:
        shape: ``[batch, channels, rows, cols]``; all channels share their spots.
        fraction: Share of pixels; rounded down to whole cells along each axis, and at least one cell.
        device: Where to draw.
        generator: Torch's own of that device unless given.

    Returns:
        bool ``[batch, 1, rows, cols]``.
    """
    batch, _, rows, cols = shape
    n_rows, n_cols = (max(1, math.floor(side * math.sqrt(fraction) + 1e-9)) for side in (rows, cols))
    u, v = torch.rand((2, batch, n_rows, n_cols), device=device, generator=generator)
    row = ((torch.arange(n_rows, device=device)[:, None] + u) * (rows / n_rows)).long().clamp(max=rows - 1)
    col = ((torch.arange(n_cols, device=device) + v) * (cols / n_cols)).long().clamp(max=cols - 1)
    spots = torch.zeros((batch, rows * cols), dtype=torch.bool, device=device)
    return spots.scatter(1, (row * cols + col).flatten(1), value=True).view(batch, 1, rows, cols)


def hidden_around(spots: Tensor, structure_px: tuple[int, int]) -> Tensor:
    """Hide a block of ``structure_px`` rows and columns around every blind spot; bool ``[B, 1, rows, cols]``."""
    rows_px, cols_px = structure_px
    return max_pool2d(spots.float(), structure_px, stride=1, padding=(rows_px // 2, cols_px // 2)) > 0


def draw_donors(hidden: Tensor, box_px: int, *, generator: torch.Generator | None = None) -> Tensor:
    """Draw a donor for every hidden pixel: any pixel of the box around it, inside the image, that is not hidden.

    A donor that is hidden itself is drawn again, up to 16 times; so no hidden pixel is its own donor.

    Args:
        hidden: bool ``[B, 1, rows, cols]``.
        box_px: Side of the box, odd.
        generator: Torch's own of that device unless given.

    Returns:
        For every hidden pixel the donor's index ``row · cols + col``, ``NO_DONOR`` where none was found; a visible
        pixel's own index. Shape as ``hidden``.
    """
    rows, cols = hidden.shape[-2:]
    flat = hidden.flatten(1)
    donors = torch.arange(rows * cols, device=hidden.device).repeat(len(flat), 1).masked_fill(flat, NO_DONOR)
    image, position = flat.nonzero(as_tuple=True)  # those still without donor
    for _ in range(_TRIES):
        u, v = torch.rand((2, len(position)), device=hidden.device, generator=generator)
        row = _inside_box(position // cols, rows, box_px, u)
        drawn = row * cols + _inside_box(position % cols, cols, box_px, v)
        is_hidden = flat[image, drawn]
        donors[image, position] = drawn.masked_fill(is_hidden, NO_DONOR)
        image, position = image[is_hidden], position[is_hidden]
    return donors.view_as(hidden)


def replaced(x: Tensor, donors: Tensor) -> Tensor:
    """Make x̃: every pixel gets its donor's value; one without donor the mean of its image's visible pixels."""
    rows, cols = x.shape[-2:]
    own = torch.arange(rows * cols, device=x.device).view(rows, cols)
    visible = donors == own
    mean = torch.where(visible, x, 0.0).sum((-2, -1), keepdim=True) / visible.sum((-2, -1), keepdim=True).clamp(min=1)
    values = x.flatten(2).gather(2, donors.clamp(min=0).expand_as(x).flatten(2)).view_as(x)
    return torch.where(donors == NO_DONOR, mean, values)


@METHODS.register("noise2void")
class Noise2Void(Method):
    """A denoiser trained on noisy images alone; blind spots follow from torch's seed."""

    Config = Noise2VoidConfig
    config: Noise2VoidConfig

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:  # noqa: ARG002 (one stage only)
        """Blind the noisy patches anew and compute the one loss; no noise is extracted."""
        x = batch["noisy"]
        spots = draw_spots(x.shape, self.config.masked_fraction, device=x.device)
        donors = draw_donors(hidden_around(spots, self.config.structure), self.config.box_px)
        return StepResult(noise2void_losses(self.networks["denoiser"], x, spots, donors))


def _inside_box(position: Tensor, side_px: int, box_px: int, u: Tensor) -> Tensor:
    """Turn u in [0, 1) into a position along one axis, evenly over the box's part inside the image."""
    first, last = (position - box_px // 2).clamp(min=0), (position + box_px // 2).clamp(max=side_px - 1)
    return (first + (u * (last - first + 1)).long()).minimum(last)
