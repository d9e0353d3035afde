"""The last layer of a network that predicts HU."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FullPrecisionConv2d(nn.Conv2d):
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
            output: Tensor = self._conv_forward(input.to(self.weight.dtype), self.weight, self.bias)
            return output
