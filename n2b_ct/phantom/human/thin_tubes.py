"""Thousands of thin tubes, vessels and airways, painted at once."""

from __future__ import annotations

import numpy as np

from n2b_ct.phantom.shapes import Canvas, Plane, Tissue, Tubes

_CHUNK = 400


def draw_thin_tubes(
    canvas: Canvas, tubes: Tubes, tissue: Tissue, *, grow_mm: float = 0.0, within: np.ndarray | None = None
) -> None:
    """Paint tubes, thickened by ``grow_mm``, within a coverage; the thinner than a pixel, the fainter.

    Each segment is drawn where the warp takes its middle, straight: the warp bends little within a segment.
    """
    plane = canvas.plane
    crossing = _crossing(tubes, plane.z_mm, grow_mm)
    if len(crossing) == 0:
        return
    cover = np.zeros(canvas.hu.shape, np.float32)
    reach = _reach_px(tubes, crossing, plane, grow_mm)
    for size in np.unique(reach):
        alike = crossing[reach == size]
        for start in range(0, len(alike), _CHUNK):
            _cover(tubes, alike[start : start + _CHUNK], plane, grow_mm, int(size), cover)
    rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
    if len(rows) == 0:
        return
    where = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    window = cover[where] if within is None else cover[where] * within[where]
    canvas.paint(window, tissue, where)


def _crossing(tubes: Tubes, z_mm: float, grow_mm: float) -> np.ndarray:
    """Find the segments that reach the slice."""
    radius = np.maximum(tubes.start_radius_mm, tubes.end_radius_mm) + grow_mm
    low = np.minimum(tubes.start_mm[:, 2], tubes.end_mm[:, 2]) - radius
    high = np.maximum(tubes.start_mm[:, 2], tubes.end_mm[:, 2]) + radius
    return np.flatnonzero((low < z_mm) & (high > z_mm) & (radius > 0.0))


def _reach_px(tubes: Tubes, crossing: np.ndarray, plane: Plane, grow_mm: float) -> np.ndarray:
    """Return half the window of each segment, in pixels, in steps of a quarter so that many are alike."""
    half = 0.5 * np.abs(tubes.end_mm - tubes.start_mm)[crossing, :2].max(axis=1)
    radius = np.maximum(tubes.start_radius_mm, tubes.end_radius_mm)[crossing] + grow_mm
    least = np.ceil((half + radius) / min(plane.pixel_mm, _row_pixel_mm(plane))) + 2.0
    return np.ceil(4.0 * 2.0 ** (np.ceil(4.0 * np.log2(least / 4.0)) / 4.0)).astype(int)


def _row_pixel_mm(plane: Plane) -> float:
    """Distance of neighbouring rows, mm."""
    return float(plane.row_mm[1] - plane.row_mm[0])


def _cover(tubes: Tubes, chosen: np.ndarray, plane: Plane, grow_mm: float, reach: int, cover: np.ndarray) -> None:
    """Raise ``cover`` by the segments' coverage, all of one window size."""
    start, axis = tubes.start_mm[chosen], tubes.end_mm[chosen] - tubes.start_mm[chosen]
    rows, columns = _pixel_of(plane, (start + 0.5 * axis)[:, :2])
    steps = np.arange(-reach, reach + 1)
    row, column = rows[:, None] + steps, columns[:, None] + steps
    row_in, column_in = np.clip(row, 0, len(plane.row_mm) - 1), np.clip(column, 0, len(plane.column_mm) - 1)
    window = (row_in[:, :, None], column_in[:, None, :])
    origin, direction = start.astype(np.float32)[:, :, None, None], axis.astype(np.float32)[:, :, None, None]
    dx, dy = plane.x_mm[window] - origin[:, 0], plane.y_mm[window] - origin[:, 1]
    dz = np.float32(plane.z_mm) - origin[:, 2]
    length2 = np.maximum((direction**2).sum(axis=1), np.float32(1e-6))
    share = (dx * direction[:, 0] + dy * direction[:, 1] + dz * direction[:, 2]) / length2
    np.clip(share, 0.0, 1.0, out=share)
    square = (dx - share * direction[:, 0]) ** 2
    square += (dy - share * direction[:, 1]) ** 2
    square += (dz - share * direction[:, 2]) ** 2
    first = tubes.start_radius_mm[chosen].astype(np.float32)[:, None, None]
    last = tubes.end_radius_mm[chosen].astype(np.float32)[:, None, None]
    radius = first + share * (last - first) + np.float32(grow_mm)
    pixel_mm = np.float32(plane.pixel_mm)
    covered = np.clip(np.float32(0.5) + (radius - np.sqrt(square)) / pixel_mm, 0.0, 1.0)
    covered *= np.clip(2.0 * radius / pixel_mm, 0.0, 1.0)
    np.maximum.at(cover, window, covered)


def _pixel_of(plane: Plane, points_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the pixels that the warp takes to points ``[n, (x, y)]``, by fixed-point iteration."""
    x, y = points_mm[:, 0], points_mm[:, 1]
    n_rows, n_columns = len(plane.row_mm), len(plane.column_mm)
    row_mm, column_mm = y.copy(), x.copy()
    for _ in range(3):
        row = np.round((row_mm - plane.row_mm[0]) / _row_pixel_mm(plane)).astype(int)
        column = np.round((column_mm - plane.column_mm[0]) / plane.pixel_mm).astype(int)
        seen = (np.clip(row, 0, n_rows - 1), np.clip(column, 0, n_columns - 1))
        column_mm = x - (plane.x_mm[seen] - plane.column_mm[seen[1]])
        row_mm = y - (plane.y_mm[seen] - plane.row_mm[seen[0]])
    return row, column
