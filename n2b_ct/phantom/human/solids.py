"""Solids in a body part's own coordinates, cut by a slice of any direction.

Unlike :mod:`n2b_ct.phantom.shapes`, whose solids stand along z, these take three coordinates for every pixel, so that
heads nod, knees bend and toes point anywhere. Distances are signed, negative inside, millimetres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

Point = tuple[float, float, float]
FAR = np.float32(1e3)


@dataclass(frozen=True, slots=True)
class Blob:
    """An ellipsoid of any direction.

    Attributes:
        centre_mm: (x, y, z).
        radii_mm: Along its own axes.
        turn_deg: Rotations about x, then y, then z.
    """

    centre_mm: Point
    radii_mm: Point
    turn_deg: Point = (0.0, 0.0, 0.0)

    def balls(self) -> list[tuple[Point, float]]:
        """Enclose it: (centre, radius)."""
        return [(self.centre_mm, max(self.radii_mm))]

    def distance(self, _: int, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Approximate the signed distance, first order at the surface."""
        offsets = [p - np.float32(c) for p, c in zip((x, y, z), self.centre_mm, strict=True)]
        if any(self.turn_deg):
            turn = turn_matrix(self.turn_deg).astype(np.float32)
            offsets = [row[0] * offsets[0] + row[1] * offsets[1] + row[2] * offsets[2] for row in turn.T]
        level2, slope2 = np.zeros_like(x), np.zeros_like(x)
        for offset, radius in zip(offsets, self.radii_mm, strict=True):
            inverse = np.float32(1.0 / max(radius, 1e-3))
            share2 = (offset * inverse) ** 2
            level2 = level2 + share2
            slope2 = slope2 + share2 * inverse**2
        level = np.sqrt(level2)
        return np.asarray(level * (level - 1) / np.maximum(np.sqrt(slope2), np.float32(1e-6)), np.float32)


@dataclass(frozen=True, slots=True)
class Rods:
    """Round-ended cone segments along a path.

    Attributes:
        points_mm: The path.
        radii_mm: At every point.
    """

    points_mm: tuple[Point, ...]
    radii_mm: tuple[float, ...]

    @classmethod
    def along(cls, points_mm: Sequence[Sequence[float]] | np.ndarray, radii_mm: Sequence[float] | float) -> Rods:
        """String segments along a path; one radius, or one for each point."""
        points = tuple((float(x), float(y), float(z)) for x, y, z in points_mm)
        radii = np.broadcast_to(np.asarray(radii_mm, float), len(points))
        return cls(points, tuple(float(r) for r in radii))

    def scaled(self, factor: float, add_mm: float = 0.0) -> Rods:
        """Give the same path other radii."""
        return Rods(self.points_mm, tuple(max(0.0, factor * r + add_mm) for r in self.radii_mm))

    def balls(self) -> list[tuple[Point, float]]:
        """Enclose every segment: (centre, radius)."""
        points, radii = np.asarray(self.points_mm), np.asarray(self.radii_mm)
        centres = 0.5 * (points[1:] + points[:-1])
        reach = 0.5 * np.linalg.norm(points[1:] - points[:-1], axis=1) + np.maximum(radii[1:], radii[:-1])
        return [((c[0], c[1], c[2]), r) for c, r in zip(centres.tolist(), reach.tolist(), strict=True)]

    def distance(self, index: int, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Measure the distance to one segment."""
        (sx, sy, sz), (ex, ey, ez) = self.points_mm[index], self.points_mm[index + 1]
        ax, ay, az = np.float32(ex - sx), np.float32(ey - sy), np.float32(ez - sz)
        dx, dy, dz = x - np.float32(sx), y - np.float32(sy), z - np.float32(sz)
        length2 = np.float32(max((ex - sx) ** 2 + (ey - sy) ** 2 + (ez - sz) ** 2, 1e-6))
        share = np.clip((dx * ax + dy * ay + dz * az) / length2, 0.0, 1.0)
        off2 = (dx - share * ax) ** 2 + (dy - share * ay) ** 2 + (dz - share * az) ** 2
        first, last = float(self.radii_mm[index]), float(self.radii_mm[index + 1])
        return np.asarray(np.sqrt(off2) - np.float32(first) - share * np.float32(last - first), np.float32)


Solid = Blob | Rods


@lru_cache(maxsize=256)
def turn_matrix(turn_deg: Point) -> np.ndarray:
    """Compose rotations about x, then y, then z, ``[3, 3]``."""
    (sx, cx), (sy, cy), (sz, cz) = ((np.sin(a), np.cos(a)) for a in np.deg2rad(np.asarray(turn_deg, float)))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def mirrored(solid: Solid) -> Solid:
    """Reflect a solid to the other side of x = 0."""
    if isinstance(solid, Rods):
        return Rods(tuple((-x, y, z) for x, y, z in solid.points_mm), solid.radii_mm)
    (x, y, z), (turn_x, turn_y, turn_z) = solid.centre_mm, solid.turn_deg
    return Blob((-x, y, z), solid.radii_mm, (turn_x, -turn_y, -turn_z))


def both(*solids: Solid) -> tuple[Solid, ...]:
    """Add every solid's mirror image."""
    return tuple(one for solid in solids for one in (solid, mirrored(solid)))


def curved(points_mm: Sequence[Sequence[float]] | np.ndarray, n_points: int) -> np.ndarray:
    """Run a smooth path through points, ``[n_points, 3]``."""
    from scipy.interpolate import PchipInterpolator

    points = np.asarray(points_mm, float)
    steps = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    return np.asarray(PchipInterpolator(steps, points)(np.linspace(0.0, steps[-1], n_points)))
