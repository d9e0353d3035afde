"""Batches of random patches, where batch number and seed alone decide what is drawn.

So a resumed run draws what an uninterrupted one would have drawn. Drawing stands apart from cutting: a :class:`Patch`
says image, corner, flip and quarter turns; :class:`BatchCutter` cuts a whole batch by one gather, where the images lie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from monai.transforms import Randomizable
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from n2b_ct.data.dataset import InMemoryDataset
from n2b_ct.data.image_store import ImageStore
from n2b_ct.data.patch_sampler import PatchSampler

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

    A batch maps ``noisy`` (and its targets ``blurred``, ``reference`` …) and ``clean`` to float32
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
        device: Where images lie and batches are cut; those that ``finish`` completes stay on the CPU.
        share: Which patches of every batch are cut, where others cut the rest; all are drawn.

    Raises:
        DataError: A slice is smaller than the patch, or no place of any slice holds enough body.
    """

    def __init__(
        self,
        noisy: InMemoryDataset,
        clean: InMemoryDataset | None,
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
        device: torch.device | str = "cpu",
        share: slice = slice(None),
    ) -> None:
        self._share = share
        self.device = torch.device("cpu" if finish is not None else device)
        self._batch_size, self._n_batches, self._seed, self._finish = batch_size, n_batches, seed, finish
        drawn = PatchSampler("noisy", noisy, patch_px, noisy_body_fraction, noisy_flat_share, flat_across=flat_across)
        self._noisy = _Source.of("noisy", noisy, drawn, self.device)
        self._clean: _Source | None = None
        if clean is not None:
            drawn = PatchSampler("clean", clean, patch_px, clean_body_fraction)
            self._clean = _Source.of("clean", clean, drawn, self.device)

    def __len__(self) -> int:
        return self._n_batches

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        self.set_random_state(state=np.random.RandomState([self._seed, index]))
        noisy = self._draw(self._noisy)
        clean = self._draw(self._clean) if self._clean is not None else []
        if self._finish is None:
            return self._cut(noisy[self._share], clean[self._share])
        whole = self._finish(self._cut(noisy, clean), self.R)
        return {key: value[self._share] for key, value in whole.items()}

    def randomize(self, data: PatchSampler) -> Patch:
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

    def _cut(self, noisy: list[Patch], clean: list[Patch]) -> dict[str, Tensor]:
        batch = self._noisy.cut(noisy)
        if self._clean is not None:
            batch |= self._clean.cut(clean)
        return batch | {"index": torch.tensor([patch.slice_index for patch in noisy])}

    def _draw(self, source: _Source) -> list[Patch]:
        return [self.randomize(source.drawable) for _ in range(self._batch_size)]


@dataclass(frozen=True, slots=True)
class _Source:
    """Where patches of a role may lie, and what cuts them."""

    drawable: PatchSampler
    cut: BatchCutter

    @classmethod
    def of(cls, role: str, dataset: InMemoryDataset, drawable: PatchSampler, device: torch.device) -> _Source:
        stores = {role: ImageStore.of(dataset.images)}
        stores |= {key: ImageStore.of(images) for key, images in dataset.targets.items()}
        return cls(drawable, BatchCutter(stores, drawable.patch_px, device))


class ResumeSampler(Sampler[int]):
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
