"""Thin sheets of connective tissue with gaps: septa of fat, fat planes of muscle."""

from __future__ import annotations

import numpy as np

from n2b_ct.phantom.random_fields import smooth_field
from n2b_ct.phantom.shapes import Plane


def thin_sheets(plane: Plane, key: tuple[int, ...], scales: tuple[tuple[float, float, float], ...]) -> np.ndarray:
    """Draw thin sheets with gaps, the zero lines of smooth fields.

    Args:
        plane: The slice.
        key: Names the sheets.
        scales: Lattice, width and most coverage of each scale; the width in units of the field.

    Returns:
        Coverage, float32 ``[rows, cols]``.
    """
    total = np.zeros(plane.x_mm.shape, np.float32)
    for number, (lattice_mm, width, strength) in enumerate(scales):
        field = smooth_field((*key, number), plane.z_mm, plane.row_mm, plane.column_mm, lattice_mm)
        gaps = smooth_field((*key, number, 1), plane.z_mm, plane.row_mm, plane.column_mm, 1.4 * lattice_mm)
        line = np.exp(-((field / np.float32(width)) ** 2)) * np.clip(0.5 + gaps, 0.0, 1.0)
        total = np.maximum(total, np.float32(strength) * line)
    return total
