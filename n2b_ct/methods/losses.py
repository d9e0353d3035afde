"""How an error counts, where a method leaves the choice: L1, L2 or Huber's function.

L1's best answer is the median of what may lie behind a noisy image, L2's is the mean. Where noise replaces few pixels
and leaves the others alone, the median is the noisy image itself until a network can tell the replaced pixels: nothing
at all is a rest that L1 lets go of slowly, or never where the output form starts there (``residual``, ``gated``). L2
has no such rest, but gives the largest errors, which nobody can predict, most of its weight. Huber's function is L2 up
to a knee and L1 beyond it.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss, smooth_l1_loss

Loss = Literal["l1", "l2", "huber"]

KNEE = 0.1
"""Of ``huber``, in network units: a tenth of the way from black to white."""


def mean_error(predicted: Tensor, target: Tensor, loss: Loss) -> Tensor:
    """Return the mean of |e|, of e², or of Huber's function of e, for e = predicted − target.

    Huber's function is scaled to a slope of 1 beyond its knee k, as L1's: e²/2k up to k, |e| − k/2 beyond.

    Args:
        predicted: Any shape, network units.
        target: The same shape.
        loss: Which of them.
    """
    if loss == "huber":
        return smooth_l1_loss(predicted, target, beta=KNEE)
    return l1_loss(predicted, target) if loss == "l1" else mse_loss(predicted, target)
