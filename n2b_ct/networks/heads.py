"""The output side of a denoiser: the last layer of its network, and what F makes of what the network says.

Output forms, all ``[batch, channels, rows, cols]``:

========  =====================================  ====================================================
direct    ``F(x) = net(x)``                      the paper's form; must learn to copy HU
residual  ``F(x) = x + net(x)``                  learns fastest; Noise2Blur needs ``extraction_ema_decay``
lowpass   ``F(x) = net(x) + L(x − net(x))``      low frequencies come from x: HU hold by construction
========  =====================================  ====================================================

L is a few passes of a box mean. It mirrors the image at its borders and repeats the border pixel
(``d c b a | a b c d``), which makes L a symmetric matrix whose rows and columns sum to 1. Hence for
*any* network, with ``r = net(x) − x`` and ``F(x) − x = (1 − L) r``:

* the mean of every slice is kept: ``mean(F(x)) = mean(x)``;
* a constant that the network adds is removed everywhere, and a linear ramp wherever the boxes stay
  inside the image, ``passes · (kernel_px // 2)`` pixels from its border;
* of a wave of ``f`` cycles per pixel in r there remains, along its axis,
  ``1 − (sin(πfk) / (k sin(πf)))^passes``: for k = 17 and two passes 1 % of a wave of 300 pixels, half of
  one of 38, at least 95 % of everything up to 17.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from n2b_ct.errors import ConfigError, explain

FEW_MAPS = 4
PLAIN_3_BY_3 = ((3, 3), (1, 1), (1, 1), (1, 1), 1, "zeros")


class DirectHead(nn.Module):
    """``F(x) = net(x)``, float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Denoise ``[batch, 1, rows, cols]``."""
        denoised: Tensor = self.network(x).float()
        return denoised


class ResidualHead(nn.Module):
    """``F(x) = x + net(x)``, summed in float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Denoise ``[batch, 1, rows, cols]``."""
        change: Tensor = self.network(x).float()
        return x.float() + change


class LowpassHead(nn.Module):
    """``F(x) = net(x) + L(x − net(x))``, float32; the module's docstring has the laws.

    Args:
        network: Maps ``[batch, 1, rows, cols]`` to the same shape.
        kernel_px: Side of the box mean, odd.
        passes: How often L applies it.

    Raises:
        ConfigError: ``kernel_px`` is even or below 1, or ``passes`` is below 1.
    """

    def __init__(self, network: nn.Module, kernel_px: int = 17, passes: int = 2) -> None:
        super().__init__()
        _require_box(kernel_px, passes)
        self.network = network
        self.kernel_px = kernel_px
        self.passes = passes

    def forward(self, x: Tensor) -> Tensor:
        """Denoise ``[batch, 1, rows, cols]``."""
        raw: Tensor = self.network(x).float()
        return raw + box_mean(x.float() - raw, self.kernel_px, self.passes)


def bare_network(denoiser: nn.Module) -> nn.Module:
    """Take a network out of its output form."""
    is_formed = isinstance(denoiser, DirectHead | ResidualHead | LowpassHead)
    bare: nn.Module = denoiser.network if is_formed else denoiser  # type: ignore[assignment]
    return bare


def box_mean(x: Tensor, kernel_px: int, passes: int) -> Tensor:
    """Apply L: ``passes`` box means with mirrored borders, for any size of image.

    Written as ``A x B`` with one banded matrix per axis, which on a CPU takes a seventh of the time of
    average pooling for a training batch (16 patches of 64 pixels, forward and backward), and multiplied
    block by block, since most of a large matrix is zero; in float64, which neither autocast nor TF32
    touches.

    Args:
        x: ``[..., rows, cols]``.
        kernel_px: Side of the box, odd.
        passes: How often the box is applied.

    Returns:
        Same shape and type.
    """
    rows, cols = x.shape[-2], x.shape[-1]
    if torch.jit.is_scripting():  # type: ignore[attr-defined]
        along_rows, along_cols = (box_mean_matrix(n_px, kernel_px, passes, x.device) for n_px in (rows, cols))
    else:
        along_rows, along_cols = (_matrix(n_px, kernel_px, passes, x.device) for n_px in (rows, cols))
    reach = passes * (kernel_px // 2)
    means = _times(along_rows, x.double(), reach)
    return _times(along_cols, means.transpose(-2, -1), reach).transpose(-2, -1).to(x.dtype).contiguous()


def _times(matrix: Tensor, x: Tensor, reach: int, block_px: int = 128) -> Tensor:
    """Multiply ``matrix @ x`` by blocks of rows, for a matrix that is zero beyond ``reach`` of its diagonal."""
    n_px = matrix.shape[0]
    parts: list[Tensor] = []
    for start in range(0, n_px, block_px):
        end, first, last = min(start + block_px, n_px), max(start - reach, 0), min(start + block_px + reach, n_px)
        parts.append(matrix[start:end, first:last] @ x[..., first:last, :])
    return torch.cat(parts, dim=-2)


def box_mean_matrix(n_px: int, kernel_px: int, passes: int, device: torch.device) -> Tensor:
    """Build L along one axis.

    Args:
        n_px: Length of the axis.
        kernel_px: Length of the box, odd.
        passes: How often the box is applied.
        device: Where the matrix shall lie.

    Returns:
        ``[n_px, n_px]`` float64, symmetric, rows and columns sum to 1.
    """
    position = torch.arange(n_px, device=device)
    row, col = position[:, None], position[None, :]
    reach = kernel_px // 2
    hits = torch.zeros(n_px, n_px, dtype=torch.float64, device=device)
    furthest_period = reach // (2 * n_px) + 1  # the mirrored image repeats every 2 n_px
    for period in range(-furthest_period, furthest_period + 1):
        hits += (row - col + 2 * n_px * period).abs() <= reach  # pixels of the image itself
        hits += (row + col + 1 + 2 * n_px * period).abs() <= reach  # pixels of its mirror image
    once = hits / kernel_px
    power = once
    for _ in range(passes - 1):
        power = power @ once
    return power


def _matrix(n_px: int, kernel_px: int, passes: int, device: torch.device) -> Tensor:
    build = box_mean_matrix if torch.compiler.is_compiling() else _kept_matrix  # a compiler keeps constants by itself
    return build(n_px, kernel_px, passes, device)


@lru_cache(maxsize=16)
def _kept_matrix(n_px: int, kernel_px: int, passes: int, device: torch.device) -> Tensor:
    """Build a matrix once: for a slice of 512² it takes as long as its use. It may go into any later graph."""
    with torch.inference_mode(mode=False), torch.no_grad():
        return box_mean_matrix(n_px, kernel_px, passes, device)


def _require_box(kernel_px: int, passes: int) -> None:
    problems = []
    if kernel_px < 1 or kernel_px % 2 == 0:
        problems.append(explain("lowpass_kernel_px", "must be odd and at least 1", kernel_px, "use 17"))
    if passes < 1:
        problems.append(explain("lowpass_passes", "must be at least 1", passes, "use 2"))
    if problems:
        raise ConfigError(problems)


# ── The last layer of a network that predicts HU ──


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
