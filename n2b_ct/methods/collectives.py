"""Collective operations over the batch, of which several processes hold a part each; a process alone holds it all."""

from __future__ import annotations

import torch
from ignite import distributed as idist
from torch import Tensor


def all_gather(part: Tensor) -> Tensor:
    """Return all processes' parts ``[batch / processes, …]`` as ``[batch, …]``, in the batch's order; no gradient."""
    if idist.get_world_size() == 1:
        return part
    whole: Tensor = idist.all_gather(part.detach().contiguous())
    return whole


def all_reduce_range(part: Tensor) -> tuple[Tensor, Tensor]:
    """Return the smallest and the largest value of the whole batch; no gradient."""
    ends = torch.stack([-part.detach().amin(), part.detach().amax()])
    if idist.get_world_size() > 1:
        ends = idist.all_reduce(ends, "MAX")
    return -ends[0], ends[1]
