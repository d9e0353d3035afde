"""A volume's header, checked, and the scale of its words: how they become HU and the exact way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np

from n2b_ct.errors import SeriesError, explain
from n2b_ct.hu import hu_to_stored, stored_to_hu

Encoding = Literal["raw", "gzip", "zlib", "bzip2"]

MAX_VOXELS = 2**31
"""More than any CT: 1024 x 1024 pixels and two thousand slices."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How stored values become HU: ``hu = stored · slope + intercept``."""

    slope: float = 1.0
    intercept: float = 0.0

    def to_hu(self, words: np.ndarray) -> np.ndarray:
        """Words ``[i, j, k]`` to HU, float32, plane by plane: float64 is needed, but never of the whole volume."""
        hu = np.empty(words.shape, dtype=np.float32, order="F")
        for k in range(words.shape[2]):
            hu[:, :, k] = self.plane_hu(words[:, :, k])
        return hu

    def to_words(self, hu: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, int]:
        """HU to words of the source's type; a voxel whose HU equal the source's keeps its word.

        Args:
            hu: New HU ``[i, j, k]``.
            words: The source's words, same shape.

        Returns:
            Words in the source's type and byte order, and how many voxels the type could not hold.
        """
        new = np.empty(words.shape, dtype=words.dtype, order="F")
        n_clipped = 0
        for k in range(words.shape[2]):
            new[:, :, k], n_more = self._plane(hu[:, :, k], words[:, :, k])
            n_clipped += n_more
        return new, n_clipped

    def plane_hu(self, words: np.ndarray) -> np.ndarray:
        """HU of some words of any shape; what float32 cannot hold becomes infinite, and whoever reads it is told."""
        with np.errstate(over="ignore", invalid="ignore"):
            return stored_to_hu(words, self.slope, self.intercept)

    def _plane(self, hu: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, int]:
        is_kept = hu == self.plane_hu(words)
        if words.dtype.kind == "f":
            exact = (hu.astype(np.float64) - self.intercept) / self.slope
        else:
            exact = hu_to_stored(hu, self.slope, self.intercept)
        clipped = np.clip(exact, *_limits(words.dtype))
        n_clipped = int(np.count_nonzero((clipped != exact) & ~is_kept))
        return np.where(is_kept, words, clipped.astype(words.dtype)), n_clipped


def _limits(dtype: np.dtype) -> tuple[float, float]:
    """Return the least and greatest float64 that a type can hold; 64-bit integers end between two floats."""
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    lowest, highest = float(limits.min), float(limits.max)
    if dtype.kind != "f" and int(highest) > int(limits.max):
        highest = float(np.nextafter(highest, 0.0))
    return lowest, highest


@dataclass(frozen=True, slots=True)
class VolumeHeader:
    """A volume's header, checked.

    Attributes:
        path: The file with the header.
        format_name: For messages and tables, such as ``NRRD``.
        dtype: Type and byte order of a word.
        shape: ``(i, j, k)``, i fastest in the file.
        affine_ras_mm: ``[4, 4]``, voxel index (i, j, k) to RAS+ millimetres.
        scale: From words to HU.
        data_paths: The files that hold the words, in order; usually one, often ``path`` itself.
        encoding: How each of them is compressed.
        data_offset: Bytes of a data file ahead of the encoded stream.
        n_skipped_bytes: Decoded bytes ahead of the words.
        header_bytes: The header as it is, for writing the like.
        descriptions: Texts of the header that may say what the volume shows.
        problems: Codes of what is odd about the header.
    """

    path: Path
    format_name: str
    dtype: np.dtype
    shape: tuple[int, int, int]
    affine_ras_mm: np.ndarray
    scale: Scale = field(default_factory=Scale)
    data_paths: tuple[Path, ...] = ()
    encoding: Encoding = "raw"
    data_offset: int = 0
    n_skipped_bytes: int = 0
    header_bytes: bytes = b""
    descriptions: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def n_bytes(self) -> int:
        """Length of all words."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def other_paths(self) -> tuple[Path, ...]:
        """The data files beside the header's."""
        return tuple(path for path in self.data_paths if path != self.path)


def refused(reason: str, path: Path, requirement: str, got: object, remedy: str) -> SeriesError:
    """Return the error that says what is wrong with a volume."""
    return SeriesError(reason, explain(path.name, requirement, got, remedy))


def require_size(path: Path, shape: Sequence[int]) -> None:
    """Refuse a size that no CT has, before anything is computed from it.

    Raises:
        SeriesError: ``bad_value`` or ``too_large``.
    """
    if not shape or min(shape) < 1:
        raise refused("bad_value", path, "must have a positive size", tuple(shape), "correct its header")
    if prod(shape) > MAX_VOXELS:
        raise refused("too_large", path, f"must have at most {MAX_VOXELS} voxels", tuple(shape), "crop it")
