"""How a volume lies in space: from the axes of its file to those of the display, and the exact way back.

A stored volume is ``[i, j, k]`` with an affine to RAS+ millimetres; which of i, j, k runs across, down or along the
patient differs from file to file. Here every volume becomes ``[slices, rows, cols]`` as DICOM shows an axial slice:
columns run to the patient's Left, rows to the Posterior, slices to the Superior. Axes are only swapped and flipped,
never resampled, so the way back is exact.
"""

from __future__ import annotations

import numpy as np
from nibabel import orientations

from n2b_ct.errors import SeriesError, explain

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_DISPLAY_AXES = ("L", "P", "S")  # array [cols, rows, slices] before the transpose
_REVERSED_AXES = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], dtype=float)


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
