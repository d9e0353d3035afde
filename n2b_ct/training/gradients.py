"""What one odd batch may do to a network: its gradient is held to a norm, or to a multiple of what is usual."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_RATE = 0.02  # of what is usual, towards each new norm, in logarithms: a lasting change is the new usual after 50 steps


class GradientLimits(nn.Module):
    """Shortens each network's gradient by itself: the one's surge is nothing to the other.

    What is usual, a slow geometric mean of the norms so far, is a buffer: checkpoints keep it. A gradient that is not
    finite stays so, for the training to end with an error.

    Args:
        names: Of the networks.
        norm_limit: Longest norm; None: none.
        surge_limit: Longest norm as a multiple of the usual one; None: none.
    """

    def __init__(self, names: Iterable[str], norm_limit: float | None, surge_limit: float | None) -> None:
        super().__init__()
        self._norm_limit, self._surge_limit = norm_limit, surge_limit
        for name in names:
            self.register_buffer(name, torch.tensor(torch.nan))

    def apply_to(self, networks: nn.ModuleDict) -> None:
        """Shorten what ``backward`` has left in the networks' weights; nothing waits for the device."""
        if self._norm_limit is None and self._surge_limit is None:
            return
        for name, network in networks.items():
            gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
            if gradients:
                norm = nn.utils.get_total_norm(gradients)
                share = self._longest(name, norm) / (norm + torch.finfo(norm.dtype).tiny)
                torch._foreach_mul_(gradients, share.clamp(max=1.0))

    def _longest(self, name: str, norm: Tensor) -> Tensor:
        longest = torch.full_like(norm, torch.inf if self._norm_limit is None else self._norm_limit)
        if self._surge_limit is not None:
            before = getattr(self, name)
            usual = torch.where(before > 0, before, norm)  # the first one, and what follows nothing, is usual
            longest = torch.minimum(longest, self._surge_limit * usual)
            moved = usual * (torch.minimum(norm, longest) / usual) ** _RATE
            before.copy_(torch.where(moved > 0, moved, before))
        return longest
