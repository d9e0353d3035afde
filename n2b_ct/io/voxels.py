"""Volumes as their files store them, the same volumes as HU in the display's order, and the exact way back.

A stored volume is ``[i, j, k]`` with an affine to RAS+ millimetres; which of i, j, k runs across, down or along the
patient differs from file to file. Here every volume becomes ``[slices, rows, cols]`` as DICOM shows an axial slice:
columns run to the patient's Left, rows to the Posterior, slices to the Superior. Axes are only swapped and flipped,
never resampled, so the way back is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nibabel import orientations

from n2b_ct.errors import SeriesError, explain
from n2b_ct.hu import hu_to_stored, stored_to_hu

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_DISPLAY_AXES = ("L", "P", "S")  # array [cols, rows, slices] before the transpose
_REVERSED_AXES = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], dtype=float)


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


def require_directions(affine_ras_mm: np.ndarray, subject: str) -> None:
    """Refuse an affine that does not span space.

    Raises:
        SeriesError: ``bad_value``.
    """
    columns = affine_ras_mm[:3, :3]
    with np.errstate(over="ignore", invalid="ignore"):  # steps too long for arithmetic span no space either
        is_flat = not abs(np.linalg.det(columns)) > 1e-6 * _volume(columns)
    if not np.isfinite(affine_ras_mm).all() or is_flat:
        message = explain(subject, "must place its voxels in space", "a degenerate geometry", "correct its header")
        raise SeriesError("bad_value", message)


def _volume(columns: np.ndarray) -> float:
    return float(np.prod(np.linalg.norm(columns, axis=0)))


def to_display(array: np.ndarray, affine_ras_mm: np.ndarray) -> np.ndarray:
    """``[i, j, k]`` to ``[slices, rows, cols]``."""
    turned = orientations.apply_orientation(array, _turn(affine_ras_mm))
    return np.ascontiguousarray(turned.transpose(2, 1, 0))


def from_display(array: np.ndarray, affine_ras_mm: np.ndarray) -> np.ndarray:
    """``[slices, rows, cols]`` to ``[i, j, k]``."""
    own = orientations.io_orientation(affine_ras_mm)
    back = orientations.ornt_transform(orientations.axcodes2ornt(_DISPLAY_AXES), own)
    return np.asarray(orientations.apply_orientation(array.transpose(2, 1, 0), back))


def display_affine_lps(shape: tuple[int, ...], affine_ras_mm: np.ndarray) -> np.ndarray:
    """(slice, row, col) to LPS millimetres: undo the turn, flip the signs of x and y, swap the columns."""
    undo = orientations.inv_ornt_aff(_turn(affine_ras_mm), shape)
    return np.asarray(RAS_TO_LPS @ affine_ras_mm @ undo @ _REVERSED_AXES)


def display_shape(shape: tuple[int, ...], affine_ras_mm: np.ndarray) -> tuple[int, int, int]:
    """Size as ``(slices, rows, cols)``."""
    own = orientations.io_orientation(affine_ras_mm)
    turned = [shape[int(np.flatnonzero(own[:, 0] == axis)[0])] for axis in range(3)]
    return turned[2], turned[1], turned[0]


def _turn(affine_ras_mm: np.ndarray) -> np.ndarray:
    """nibabel's transform from the file's axes to (L, P, S)."""
    own = orientations.io_orientation(affine_ras_mm)
    return np.asarray(orientations.ornt_transform(own, orientations.axcodes2ornt(_DISPLAY_AXES)))
