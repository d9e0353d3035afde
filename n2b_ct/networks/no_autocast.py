"""The last layer of a network that predicts HU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FEW_MAPS = 4
PLAIN_3_BY_3 = ((3, 3), (1, 1), (1, 1), (1, 1), 1, "zeros")


class NoAutocastConv2d(nn.Conv2d):
    """A convolution that autocast leaves alone: it computes and answers in its weights' own type.

    bfloat16 resolves 4 to 8 HU at the far end of a CT window, so the layer that writes HU must not
    round to it. Scripted modules are exports and run in full precision anyway.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the parent's name)
        """Convolve ``[batch, in, rows, cols]`` to ``[batch, out, rows, cols]`` in the weights' type."""
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            exported: Tensor = self._conv_forward(input, self.weight, self.bias)
            return exported
        with torch.autocast(input.device.type, enabled=False):
            maps = input.to(self.weight.dtype)
            if self._is_better_in_planes(maps):
                return summed_planes(maps, self.weight, self.bias)  # type: ignore[arg-type]
            output: Tensor = self._conv_forward(maps, self.weight, self.bias)
            return output

    def _is_better_in_planes(self, maps: Tensor) -> bool:
        """Whether a CPU denoises, 3×3 and to few maps; training is left to the convolution's own backward."""
        form = (self.kernel_size, self.stride, self.padding, self.dilation, self.groups, self.padding_mode)
        fits = form == PLAIN_3_BY_3 and self.bias is not None and self.out_channels <= FEW_MAPS
        return fits and maps.device.type == "cpu" and not torch.is_grad_enabled()


def summed_planes(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve 3×3 with zeros around: one matrix product makes a plane a tap, and the planes are shifted and summed.

    To one map, a convolution fills one of a processor's 16 lanes; the product fills them all, and takes less than half
    of the time (decision 0012).

    Args:
        maps: ``[batch, in, rows, cols]``, best channels-last.
        weight: ``[out, in, 3, 3]``.
        bias: ``[out]``.

    Returns:
        ``[batch, out, rows, cols]``, equal to ``conv2d`` but for rounding.
    """
    n, n_in, rows, cols = maps.shape
    taps = weight.permute(2, 3, 0, 1).reshape(-1, n_in)
    planes = (taps @ maps.permute(0, 2, 3, 1).reshape(-1, n_in).T).view(3, 3, -1, n, rows, cols)
    total = planes[1, 1] + bias[:, None, None, None]
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            if (down, right) != (0, 0):
                (to_row, from_row), (to_col, from_col) = _shift(down, rows), _shift(right, cols)
                total[..., to_row, to_col] += planes[down + 1, right + 1, ..., from_row, from_col]
    return total.transpose(0, 1)


def _shift(by: int, n_px: int) -> tuple[slice, slice]:
    """Where to, and where from, so that ``to[i]`` takes ``from[i + by]`` and nothing from outside."""
    return slice(max(0, -by), n_px - max(0, by)), slice(max(0, by), n_px + min(0, by))
