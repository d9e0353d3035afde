"""Thin sheets of connective tissue with gaps: septa of fat, fat planes of muscle."""

from __future__ import annotations

from collections.abc import Sequence

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


def compartment_borders(
    plane: Plane,
    key: tuple[int, ...],
    where: tuple[slice, slice],
    spacing_mm: float,
    bends_mm: Sequence[np.ndarray],
) -> np.ndarray:
    """Divide the slice into cells that run lengthwise, as muscles do: a Voronoi diagram whose points wander along z.

    Args:
        plane: The slice.
        key: Names the diagram.
        where: A window of the slice.
        spacing_mm: Mean distance of the points.
        bends_mm: Added to x and y before, so that borders are not straight, ``[window rows, window cols]`` each.

    Returns:
        Distance to the nearest border, mm, about right near it, float32 ``[window rows, window cols]``.
    """
    x = (plane.x_mm[where] + bends_mm[0]) / np.float32(spacing_mm)
    y = (plane.y_mm[where] + bends_mm[1]) / np.float32(spacing_mm)
    points = _cell_points(key, plane.z_mm / spacing_mm)
    column, row = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    nearest = np.full(x.shape, np.float32(9.0))
    second = np.full(x.shape, np.float32(9.0))
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            cell = points[(row + down) % len(points), (column + right) % len(points)]
            distance = np.hypot(column + right + cell[..., 0] - x, row + down + cell[..., 1] - y)
            second = np.minimum(second, np.maximum(distance, nearest))
            nearest = np.minimum(distance, nearest)
    return np.float32(0.5 * spacing_mm) * (second - nearest)


def _cell_points(key: tuple[int, ...], depth: float) -> np.ndarray:
    """Return the cells' points within their cells at a depth in units of the spacing, ``[32, 32, (x, y)]``."""
    rng = np.random.default_rng(np.random.SeedSequence(key))
    middle, phase, turns = rng.uniform(0.2, 0.8, (32, 32, 2)), rng.uniform(0.0, 6.3, (32, 32, 2)), rng.uniform(0.3, 1.0)
    return (middle + 0.2 * np.sin(turns * depth + phase)).astype(np.float32)
