"""Batches of random patches, where batch number and seed alone decide what is drawn.

So a resumed run draws the same patches as an uninterrupted one. Drawing (:mod:`n2b_ct.data.patch_sampler`)
is separate from cutting: :class:`BatchCutter` cuts a whole batch by one gather, where the images lie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from n2b_ct.data.dataset import InMemoryDataset
from n2b_ct.data.image_store import ImageStore
from n2b_ct.data.patch_sampler import Patch, PatchSampler

Finish = Callable[[dict[str, Tensor], np.random.RandomState], dict[str, Tensor]]
"""Completes a batch with random draws, such as noise."""


class Batches(Dataset[dict[str, Tensor]]):
    """A map-style dataset of whole batches, of which batch ``k`` is a function of a seed and ``k``.

    Attributes:
        device: Where batches are made.
    """

    device: torch.device

    def __len__(self) -> int:
        raise NotImplementedError


class PatchBatches(Batches):
    """Batches cut from the images of a dataset.

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
        noisy_flat_share: Noisy patches come from this flattest share of each image's positions; needs blurred labels.
        flat_across: The share is that of all images' positions together.
        clean_body_fraction: The same for clean patches.
        finish: Called with every batch and its random state: where noise is drawn anew.
        device: Where images lie and batches are cut; those that ``finish`` completes stay on the CPU.
        share: Which patches of every batch are cut, where others cut the rest; all are drawn.

    Raises:
        DataError: A slice is smaller than the patch, or no position in any slice holds enough body.
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
        sampler = PatchSampler("noisy", noisy, patch_px, noisy_body_fraction, noisy_flat_share, flat_across=flat_across)
        self._noisy = _RolePatches.of("noisy", noisy, sampler, self.device)
        self._clean: _RolePatches | None = None
        if clean is not None:
            sampler = PatchSampler("clean", clean, patch_px, clean_body_fraction)
            self._clean = _RolePatches.of("clean", clean, sampler, self.device)

    def __len__(self) -> int:
        return self._n_batches

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        random_state = np.random.RandomState([self._seed, index])
        noisy = self._drawn(self._noisy, random_state)
        clean = self._drawn(self._clean, random_state) if self._clean is not None else []
        if self._finish is None:
            return self._cut(noisy[self._share], clean[self._share])
        whole = self._finish(self._cut(noisy, clean), random_state)
        return {key: value[self._share] for key, value in whole.items()}

    def _cut(self, noisy: list[Patch], clean: list[Patch]) -> dict[str, Tensor]:
        batch = self._noisy.cut(noisy)
        if self._clean is not None:
            batch |= self._clean.cut(clean)
        return batch | {"index": torch.tensor([patch.image_index for patch in noisy])}

    def _drawn(self, role: _RolePatches, random_state: np.random.RandomState) -> list[Patch]:
        return [role.sampler.draw(random_state) for _ in range(self._batch_size)]


@dataclass(frozen=True, slots=True)
class _RolePatches:
    """Sampler and cutter of a role's patches."""

    sampler: PatchSampler
    cut: BatchCutter

    @classmethod
    def of(cls, role: str, dataset: InMemoryDataset, sampler: PatchSampler, device: torch.device) -> _RolePatches:
        stores = {role: ImageStore.of(dataset.images)}
        stores |= {key: ImageStore.of(images) for key, images in dataset.targets.items()}
        return cls(sampler, BatchCutter(stores, sampler.patch_px, device))


class ResumeSampler(Sampler[int]):
    """Number the batches from the resumed iteration on."""

    def __init__(self, first: int, n_batches: int) -> None:
        self._range = range(first, n_batches)

    def __iter__(self) -> Iterator[int]:
        return iter(self._range)

    def __len__(self) -> int:
        return len(self._range)


def cut(image: Tensor, patch: Patch, patch_px: int) -> Tensor:
    """Cut a drawn patch from ``[channels, rows, cols]``: crop, then flip rows, then turn."""
    region = image[:, patch.row_px : patch.row_px + patch_px, patch.col_px : patch.col_px + patch_px]
    if patch.flipped:
        region = region.flip(-2)
    return torch.rot90(region, patch.quarter_turns, (-2, -1))


class BatchCutter:
    """Cuts batches from the images of one role and their targets, pixel by pixel as :func:`cut` does.

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
        pixels = self._pixels(patches)
        return {key: flat[pixels].permute(0, 3, 1, 2) for key, flat in self._flat.items()}

    def _pixels(self, patches: Sequence[Patch]) -> Tensor:
        """Return the index of every pixel in the flat images, int64 ``[batch, patch, patch, channels]``."""
        drawn = torch.tensor(
            [(one.image_index, one.row_px, one.col_px, 4 * one.flipped + one.quarter_turns) for one in patches]
        )
        index, row, col, symmetry = drawn.to(self._device, non_blocking=True).unbind(dim=1)
        offset, n_rows, n_cols = self._layout[index].unbind(dim=1)
        along_rows, along_cols = self._symmetries[symmetry].unbind(dim=1)
        corner = offset + row * n_cols + col
        in_channel = corner[:, None, None] + along_rows * n_cols[:, None, None] + along_cols
        channel = torch.arange(self._n_channels, device=self._device) * (n_rows * n_cols)[:, None]
        return in_channel[..., None] + channel[:, None, None, :]


def _symmetries(patch_px: int) -> Tensor:
    """Source position of each pixel in the square: ``[flipped and turns, row or column, patch, patch]``."""
    steps = torch.arange(patch_px)
    rows, cols = torch.meshgrid(steps, steps, indexing="ij")
    square = torch.stack([rows, cols])
    return torch.stack(
        [cut(square, Patch(0, 0, 0, flipped, k), patch_px) for flipped in (False, True) for k in range(4)]
    )
