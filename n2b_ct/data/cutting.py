"""Cut drawn patches: one from an image, for all to see how; or a whole batch by one gather, where the images lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from n2b_ct.data.image_store import ImageStore


@dataclass(frozen=True, slots=True)
class Patch:
    """One drawn patch: which slice, which corner, and one of the eight symmetries of the square."""

    slice_index: int
    row_px: int
    col_px: int
    flipped: bool
    quarter_turns: int


def cut(image: Tensor, patch: Patch, patch_px: int) -> Tensor:
    """Carry a drawn patch out on ``[channels, rows, cols]``: crop, then flip rows, then turn."""
    region = image[:, patch.row_px : patch.row_px + patch_px, patch.col_px : patch.col_px + patch_px]
    if patch.flipped:
        region = region.flip(-2)
    return torch.rot90(region, patch.quarter_turns, (-2, -1))


class BatchCutter:
    """Cuts batches from the images of one role and whatever lies beside them, pixel by pixel as :func:`cut` does.

    Args:
        images: By key, ``noisy`` and its targets, say; all of the same shapes.
        patch_px: Side of the patches.
        device: Where the images go, and the batches come from.
    """

    def __init__(self, images: Mapping[str, ImageStore], patch_px: int, device: torch.device) -> None:
        self._patch_px, self._device = patch_px, device
        self._flat = {key: store.flat.to(device) for key, store in images.items()}
        first = next(iter(images.values()))
        self._n_channels = first.shapes[0][0]
        layout = [(offset, rows, cols) for offset, (_, rows, cols) in zip(first.offsets, first.shapes, strict=True)]
        self._layout = torch.tensor(layout, device=device)
        self._symmetries = _symmetries(patch_px).to(device)

    def __call__(self, patches: Sequence[Patch]) -> dict[str, Tensor]:
        """Cut the same patches from every key's images: float32 ``[batch, channels, patch, patch]``, channels last."""
        places = self._places(patches)
        return {key: flat[places].permute(0, 3, 1, 2) for key, flat in self._flat.items()}

    def _places(self, patches: Sequence[Patch]) -> Tensor:
        """Say where in the flat images every pixel lies, int64 ``[batch, patch, patch, channels]``."""
        drawn = torch.tensor(
            [(one.slice_index, one.row_px, one.col_px, 4 * one.flipped + one.quarter_turns) for one in patches]
        )
        index, row, col, symmetry = drawn.to(self._device, non_blocking=True).unbind(dim=1)
        offset, n_rows, n_cols = self._layout[index].unbind(dim=1)
        along_rows, along_cols = self._symmetries[symmetry].unbind(dim=1)
        corner = offset + row * n_cols + col
        in_channel = corner[:, None, None] + along_rows * n_cols[:, None, None] + along_cols
        channel = torch.arange(self._n_channels, device=self._device) * (n_rows * n_cols)[:, None]
        return in_channel[..., None] + channel[:, None, None, :]


def _symmetries(patch_px: int) -> Tensor:
    """From where in the square each pixel comes: ``[flipped and turns, row or column, patch, patch]``."""
    steps = torch.arange(patch_px)
    rows, cols = torch.meshgrid(steps, steps, indexing="ij")
    square = torch.stack([rows, cols])
    return torch.stack(
        [cut(square, Patch(0, 0, 0, flipped, k), patch_px) for flipped in (False, True) for k in range(4)]
    )
