"""Images of a role in one flat tensor, so that a batch of patches is one gather: in memory, in a file, or on a GPU."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import overload

import torch
from torch import Tensor

from n2b_ct.errors import DataError, explain

Shape = tuple[int, int, int]
"""Channels, rows, columns."""


class ImageStore(Sequence[Tensor]):
    """A sequence of images, each a view into one flat float32 tensor; sizes may differ.

    Args:
        shapes: Channels, rows and columns of every image.
        directory: None: in memory, to be filled. A folder: in a file there that is mapped into memory, for images that
            do not fit; it is unlinked, so that it never outlives the process.

    Attributes:
        flat: All pixels, image by image, ``[pixels]``.

    Raises:
        DataError: The file cannot be made.
    """

    def __init__(self, shapes: Sequence[Shape], directory: Path | None = None) -> None:
        self.shapes = list(shapes)
        self.offsets = [0, *accumulate(channels * rows * cols for channels, rows, cols in shapes)]
        n_values = self.offsets.pop()
        self.flat = torch.empty(n_values) if directory is None else _mapped(n_values, directory)

    @classmethod
    def of(cls, images: Iterable[Tensor], directory: Path | None = None) -> ImageStore:
        """Copy images ``[channels, rows, cols]`` into a store; a store is returned unchanged."""
        if isinstance(images, ImageStore):
            return images
        listed = list(images)
        store = cls([_shape(image) for image in listed], directory)
        for stored, image in zip(store, listed, strict=True):
            stored.copy_(image)
        return store

    def __len__(self) -> int:
        return len(self.shapes)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> list[Tensor]: ...
    def __getitem__(self, index: int | slice) -> Tensor | list[Tensor]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        channels, rows, cols = self.shapes[index]
        return self.flat[self.offsets[index] :][: channels * rows * cols].view(channels, rows, cols)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[k] for k in range(len(self)))


def n_bytes(shapes: Iterable[Shape]) -> int:
    """Return the bytes that images take in a store."""
    return 4 * sum(channels * rows * cols for channels, rows, cols in shapes)


def _shape(image: Tensor) -> Shape:
    channels, rows, cols = image.shape
    return channels, rows, cols


def _reserve(descriptor: int, n_bytes: int) -> None:
    """Allocate a file's full size: a full disk is an error here, and would kill the process when a page is written.

    Raises:
        OSError: There is no room.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, max(n_bytes, 1))
    else:
        os.truncate(descriptor, n_bytes)


def _mapped(n_values: int, directory: Path) -> Tensor:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".images") as file:
            _reserve(file.fileno(), 4 * n_values)
            return torch.from_file(file.name, shared=True, size=n_values)  # stays mapped after the file is unlinked
    except (OSError, RuntimeError) as error:
        got = error.strerror if isinstance(error, OSError) else "a file system that cannot map it"
        remedy = "free space there, or train on fewer images"
        raise DataError(explain(f"{directory}", "must take a file of all images", got, remedy)) from error
