"""All images of a role in network units, with their targets, from which patches are cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor

from n2b_ct.data.image_store import ImageStore, Shape


@dataclass(frozen=True, slots=True)
class InMemoryDataset:
    """Images in network units, in memory or in a file that is mapped into it.

    Attributes:
        images: One ``[channels, rows, cols]`` float32 tensor an image; slices have one channel.
        body: For every image, bool ``[rows, cols]``: the pixels that lie inside the window and are not air;
            of a natural image, all.
        targets: For each key (``blurred``, ``reference`` …) a tensor of the same size for every image.
        digests: Of the images as they were read, in order, by ``images`` and, where they were read too, ``reference``.
    """

    images: Sequence[Tensor]
    body: list[np.ndarray]
    targets: dict[str, Sequence[Tensor]] = field(default_factory=dict)
    digests: dict[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def smallest_px(self) -> int:
        """The shortest side of any image."""
        return min(min(image.shape[-2:]) for image in self.images)


@dataclass(frozen=True, slots=True)
class Sample:
    """One image before it is added to a dataset.

    Attributes:
        tensors: ``image`` and its targets by key, ``[channels, rows, cols]`` each.
        digests: As :attr:`InMemoryDataset.digests`, one each.
        body: bool ``[rows, cols]``; None: all pixels.
    """

    tensors: Mapping[str, Tensor]
    digests: Mapping[str, str]
    body: np.ndarray | None = None


def filled_dataset(
    samples: Iterable[Sample], shapes: Sequence[Shape], directory: Path | None = None
) -> InMemoryDataset:
    """Read samples one by one into a dataset.

    Args:
        samples: One for every shape, all with the same keys.
        shapes: Channels, rows and columns of every image.
        directory: Folder of a memory-mapped file for images that do not fit into memory; None: in memory.

    Raises:
        DataError: The file cannot be made.
    """
    stores: dict[str, ImageStore] = {}
    body: list[np.ndarray] = []
    digests: dict[str, list[str]] = {}
    for k, sample in enumerate(samples):
        for key, tensor in sample.tensors.items():
            if key not in stores:
                stores[key] = ImageStore(shapes, directory)
            stores[key][k].copy_(tensor)
        for key, digest in sample.digests.items():
            digests.setdefault(key, []).append(digest)
        body.append(np.ones(shapes[k][1:], dtype=bool) if sample.body is None else sample.body)
    images = stores.pop("image", ImageStore([]))
    return InMemoryDataset(images, body, dict(stores), digests)
