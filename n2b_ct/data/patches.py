"""Batches of random patches, where batch number and seed alone decide what is drawn.

So a resumed run draws what an uninterrupted one would have drawn. What is drawn stands apart from applying it: a
:class:`Patch` says slice, corner, flip and quarter turns; :func:`cut` carries it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from monai.transforms import Randomizable
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from n2b_ct.data.places import Drawable
from n2b_ct.data.slices import SliceBank

_TRIES = 50

Finish = Callable[[dict[str, Tensor], np.random.RandomState], dict[str, Tensor]]
"""Completes a batch with what is drawn for it."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One drawn patch: which slice, which corner, and one of the eight symmetries of the square."""

    slice_index: int
    row_px: int
    col_px: int
    flipped: bool
    quarter_turns: int


class PatchBatches(Randomizable, Dataset):
    """Batch ``k`` is a function of the seed and ``k``: a map-style dataset of whole batches.

    A batch maps ``noisy`` (and its companions ``blurred``, ``reference`` …) and ``clean`` to float32
    ``[batch, channels, patch, patch]``, and ``index`` to the image of each noisy patch, int64 ``[batch]``. Noisy and
    clean patches are drawn independently: never paired.

    Args:
        noisy: Images to learn from.
        clean: Clean images, or None where the method needs none.
        patch_px: Side of the patches.
        batch_size: Noisy patches in a batch, and as many clean ones.
        n_batches: How many batches there are.
        seed: All draws follow from it.
        noisy_body_fraction: Least share of a noisy patch's pixels inside the window.
        noisy_flat_share: Noisy patches come from this flattest share of each image's places; needs blurred labels.
        flat_across: The share is that of all images' places together.
        clean_body_fraction: The same for clean patches.
        finish: Called with every batch and its random state: where noise is drawn anew.

    Raises:
        DataError: A slice is smaller than the patch, or no place of any slice holds enough body.
    """

    def __init__(
        self,
        noisy: SliceBank,
        clean: SliceBank | None,
        *,
        patch_px: int,
        batch_size: int,
        n_batches: int,
        seed: int,
        noisy_body_fraction: float = 0.0,
        noisy_flat_share: float = 1.0,
        flat_across: bool = False,
        clean_body_fraction: float = 0.0,
        finish: Finish | None = None,
    ) -> None:
        self._noisy = Drawable("noisy", noisy, patch_px, noisy_body_fraction, noisy_flat_share, flat_across=flat_across)
        self._clean = Drawable("clean", clean, patch_px, clean_body_fraction) if clean is not None else None
        self._finish = finish
        self._patch_px, self._batch_size, self._n_batches, self._seed = patch_px, batch_size, n_batches, seed

    def __len__(self) -> int:
        return self._n_batches

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        self.set_random_state(state=np.random.RandomState([self._seed, index]))
        noisy = self._draw(self._noisy)
        batch = {"noisy": _stack(self._noisy.bank.images, noisy, self._patch_px)}
        for key, slices in self._noisy.bank.companions.items():
            batch[key] = _stack(slices, noisy, self._patch_px)
        if self._clean is not None:
            batch["clean"] = _stack(self._clean.bank.images, self._draw(self._clean), self._patch_px)
        batch["index"] = torch.tensor([patch.slice_index for patch in noisy])
        return batch if self._finish is None else self._finish(batch, self.R)

    def randomize(self, data: Drawable) -> Patch:
        """Draw one patch: a slice, one of its corners with enough body, one of eight symmetries."""
        index = int(data.slice_indices[self.R.randint(len(data.slice_indices))])
        corners = data.corners[index]
        for _ in range(_TRIES):
            row, col = int(self.R.randint(corners.shape[0])), int(self.R.randint(corners.shape[1]))
            if corners[row, col]:
                break
        else:
            places = np.flatnonzero(corners)
            row, col = divmod(int(places[self.R.randint(len(places))]), corners.shape[1])
        return Patch(index, row, col, bool(self.R.randint(2)), int(self.R.randint(4)))

    def _draw(self, drawable: Drawable) -> list[Patch]:
        return [self.randomize(drawable) for _ in range(self._batch_size)]


class FromIteration(Sampler[int]):
    """Count batches from where training stands, so that a resumed run goes on and does not begin again."""

    def __init__(self, first: int, n_batches: int) -> None:
        self._range = range(first, n_batches)

    def __iter__(self) -> Iterator[int]:
        return iter(self._range)

    def __len__(self) -> int:
        return len(self._range)


def cut(image: Tensor, patch: Patch, patch_px: int) -> Tensor:
    """Carry a drawn patch out on ``[channels, rows, cols]``: crop, then flip rows, then turn."""
    region = image[:, patch.row_px : patch.row_px + patch_px, patch.col_px : patch.col_px + patch_px]
    if patch.flipped:
        region = region.flip(-2)
    return torch.rot90(region, patch.quarter_turns, (-2, -1))


def _stack(slices: list[Tensor], patches: list[Patch], patch_px: int) -> Tensor:
    return torch.stack([cut(slices[patch.slice_index], patch, patch_px) for patch in patches])
