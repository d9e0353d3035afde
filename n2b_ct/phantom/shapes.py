"""Soft-edged solids cut by one slice, and the canvas they are painted on.

Every solid answers with a signed distance in millimetres, negative inside; coverage falls from 1 to 0
over one pixel around distance 0, which is the anti-aliasing of the whole phantom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WARP_LIMIT_MM = 12.0
"""In an animal, nothing moves a point further than this, neither warp nor build; bounding boxes allow for it."""


@dataclass(frozen=True, slots=True)
class Tissue:
    """A material.

    Attributes:
        hu: Its mean, HU.
        texture_hu: Standard deviation of its texture, HU.
        grain_hu: Standard deviation of its finest texture, HU, of about a millimetre: trabeculae, lobules, fibres.
    """

    hu: float
    texture_hu: float = 0.0
    grain_hu: float = 0.0


@dataclass(frozen=True, slots=True)
class Plane:
    """One slice's pixel grid.

    Attributes:
        z_mm: Distance from the nose.
        row_mm: Positions of the rows, towards the back, ``[rows]``.
        column_mm: Positions of the columns, towards the animal's left, ``[cols]``.
        x_mm: Warped column positions, float32 ``[rows, cols]``: shapes drawn with it look grown, not ruled.
        y_mm: Warped row positions, float32 ``[rows, cols]``.
        warp_limit_mm: The warp moves no point further than this.
    """

    z_mm: float
    row_mm: np.ndarray
    column_mm: np.ndarray
    x_mm: np.ndarray
    y_mm: np.ndarray
    warp_limit_mm: float = WARP_LIMIT_MM

    @property
    def pixel_mm(self) -> float:
        """Distance of neighbouring columns, mm."""
        return float(self.column_mm[1] - self.column_mm[0])

    def window(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> tuple[slice, slice]:
        """Find the rows and columns that can see a box, the warp included."""
        margin = self.warp_limit_mm + self.pixel_mm
        rows = np.searchsorted(self.row_mm, [y_range[0] - margin, y_range[1] + margin])
        columns = np.searchsorted(self.column_mm, [x_range[0] - margin, x_range[1] + margin])
        return slice(*rows), slice(*columns)

    def cover(self, distance_mm: np.ndarray) -> np.ndarray:
        """Turn signed distances into coverage in [0, 1]."""
        return np.clip(0.5 - distance_mm / np.float32(self.pixel_mm), 0.0, 1.0)


class Canvas:
    """An image in the making: mean HU and how much texture and grain each pixel will carry."""

    def __init__(self, plane: Plane, background: Tissue) -> None:
        self.plane = plane
        self.hu = np.full(plane.x_mm.shape, background.hu, np.float32)
        self.texture_hu = np.full(plane.x_mm.shape, background.texture_hu, np.float32)
        self.grain_hu = np.full(plane.x_mm.shape, background.grain_hu, np.float32)

    def paint(self, cover: np.ndarray, tissue: Tissue, where: tuple[slice, slice] | None = None) -> None:
        """Lay a tissue over what is there; ``cover`` is ``[rows, cols]`` of the window ``where``."""
        where = where or (slice(None), slice(None))
        layers = ((self.hu, tissue.hu), (self.texture_hu, tissue.texture_hu), (self.grain_hu, tissue.grain_hu))
        for layer, value in layers:
            view = layer[where]
            view += cover * (np.float32(value) - view)

    def draw(
        self, solid: Ellipsoid | Tubes, tissue: Tissue, *, grow_mm: float = 0.0, within: np.ndarray | None = None
    ) -> None:
        """Paint a solid, thickened by ``grow_mm``, only where the coverage ``within`` allows."""
        cut = solid.cut(self.plane)
        if cut is None:
            return
        cover = self.plane.cover(cut.distance_mm - np.float32(grow_mm))
        if within is not None:
            cover = cover * within[cut.where]
        self.paint(cover, tissue, cut.where)


@dataclass(frozen=True, slots=True)
class Cut:
    """The part of a solid that a slice intersects.

    Attributes:
        where: The window of rows and columns.
        distance_mm: Signed distance, float32 ``[window rows, window cols]``.
        below_axis_mm: Height of the nearest axis point above the pixel (gas gathers where it is negative).
    """

    where: tuple[slice, slice]
    distance_mm: np.ndarray
    below_axis_mm: np.ndarray


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """An ellipsoid with one axis along the animal.

    Attributes:
        centre_mm: (x, y, z).
        radii_mm: (x, y, z) before the tilt.
        tilt_deg: In-plane rotation.
    """

    centre_mm: tuple[float, float, float]
    radii_mm: tuple[float, float, float]
    tilt_deg: float = 0.0

    def cut(self, plane: Plane) -> Cut | None:
        """Cut it; ``None`` where the slice misses it."""
        (cx, cy, cz), (rx, ry, rz) = self.centre_mm, self.radii_mm
        shrink = 1.0 - ((plane.z_mm - cz) / rz) ** 2
        if shrink <= 0.0:
            return None
        reach = max(rx, ry)
        where = plane.window((cx - reach, cx + reach), (cy - reach, cy + reach))
        dx, dy = plane.x_mm[where] - np.float32(cx), plane.y_mm[where] - np.float32(cy)
        cosine, sine = np.cos(np.deg2rad(self.tilt_deg)), np.sin(np.deg2rad(self.tilt_deg))
        along, across = np.float32(cosine) * dx + np.float32(sine) * dy, np.float32(cosine) * dy - np.float32(sine) * dx
        scale = float(np.sqrt(shrink))
        return Cut(where, ellipse_distance(along, across, rx * scale, ry * scale), dy)


@dataclass(frozen=True, slots=True)
class Tubes:
    """Round-ended cone segments: bones, vessels, bowel.

    Attributes:
        start_mm: ``[n, 3]`` (x, y, z).
        end_mm: ``[n, 3]``.
        start_radius_mm: ``[n]``.
        end_radius_mm: ``[n]``.
    """

    start_mm: np.ndarray
    end_mm: np.ndarray
    start_radius_mm: np.ndarray
    end_radius_mm: np.ndarray

    @classmethod
    def along(
        cls, points_mm: Sequence[Sequence[float]] | np.ndarray, radii_mm: Sequence[float] | np.ndarray | float
    ) -> Tubes:
        """String segments along a path ``[n, 3]``; one radius, or one for each point."""
        points = np.asarray(points_mm, float)
        radii = np.broadcast_to(np.asarray(radii_mm, float), len(points))
        return cls(points[:-1], points[1:], radii[:-1], radii[1:])

    def cut(self, plane: Plane) -> Cut | None:
        """Cut all segments; ``None`` where the slice misses them all."""
        radius = np.maximum(self.start_radius_mm, self.end_radius_mm)
        low = np.minimum(self.start_mm, self.end_mm) - radius[:, None]
        high = np.maximum(self.start_mm, self.end_mm) + radius[:, None]
        crossing = np.flatnonzero((low[:, 2] < plane.z_mm) & (high[:, 2] > plane.z_mm))
        if len(crossing) == 0:
            return None
        where = plane.window(
            (low[crossing, 0].min(), high[crossing, 0].max()), (low[crossing, 1].min(), high[crossing, 1].max())
        )
        distance = np.full(plane.x_mm[where].shape, np.float32(1e3))
        below = np.zeros_like(distance)
        for index in crossing:
            inner = plane.window((low[index, 0], high[index, 0]), (low[index, 1], high[index, 1]))
            local = tuple(slice(i.start - w.start, i.stop - w.start) for i, w in zip(inner, where, strict=True))
            self._lower(int(index), plane, inner, distance[local], below[local])
        return Cut(where, distance, below)

    def _lower(
        self, index: int, plane: Plane, where: tuple[slice, slice], distance: np.ndarray, below: np.ndarray
    ) -> None:
        """Lower ``distance`` to one segment's, and note there how far below its axis the pixel lies."""
        start, axis = self.start_mm[index], self.end_mm[index] - self.start_mm[index]
        dx, dy = plane.x_mm[where] - np.float32(start[0]), plane.y_mm[where] - np.float32(start[1])
        dz = plane.z_mm - start[2]
        length2 = max(float(axis @ axis), 1e-6)
        share = np.clip((dx * axis[0] + dy * axis[1] + dz * axis[2]) / length2, 0.0, 1.0).astype(np.float32)
        off_x, off_y, off_z = dx - share * axis[0], dy - share * axis[1], dz - share * axis[2]
        radius = self.start_radius_mm[index] + share * (self.end_radius_mm[index] - self.start_radius_mm[index])
        own_distance = (np.sqrt(off_x**2 + off_y**2 + off_z**2) - radius).astype(np.float32)
        nearer = own_distance < distance
        np.copyto(distance, own_distance, where=nearer)
        np.copyto(below, off_y.astype(np.float32), where=nearer)


def ellipse_distance(x_mm: np.ndarray, y_mm: np.ndarray, rx_mm: float, ry_mm: float) -> np.ndarray:
    """Approximate the signed distance to an ellipse at the origin, first order at its edge, float32."""
    rx, ry = np.float32(max(rx_mm, 1e-3)), np.float32(max(ry_mm, 1e-3))
    level = np.hypot(x_mm / rx, y_mm / ry)
    slope = np.hypot(x_mm / rx**2, y_mm / ry**2)
    return level * (level - 1) / np.maximum(slope, np.float32(1e-6))


def superellipse_distance(x_mm: np.ndarray, y_mm: np.ndarray, rx_mm: float, ry_mm: float, power: float) -> np.ndarray:
    """Approximate the signed distance to a superellipse at the origin: boxier than an ellipse for powers above 2."""
    rx, ry = np.float32(max(rx_mm, 1e-3)), np.float32(max(ry_mm, 1e-3))
    u, v = np.abs(x_mm) / rx, np.abs(y_mm) / ry
    u_slope, v_slope = u ** np.float32(power - 1), v ** np.float32(power - 1)
    total = np.maximum(u * u_slope + v * v_slope, np.float32(1e-9))
    level = total ** np.float32(1 / power)
    slope = np.hypot(u_slope / rx, v_slope / ry) * level / total
    distance = (level - 1) / np.maximum(slope, np.float32(1e-6))
    return np.maximum(distance, -np.float32(min(rx_mm, ry_mm)))


def smooth_union(distances_mm: Sequence[np.ndarray], blend_mm: float) -> np.ndarray:
    """Join solids with a fillet: the polynomial smooth minimum of their distances."""
    joined = distances_mm[0]
    for distance in distances_mm[1:]:
        share = np.clip(0.5 + 0.5 * (distance - joined) / np.float32(blend_mm), 0.0, 1.0)
        joined = distance + share * (joined - distance) - np.float32(blend_mm) * share * (1 - share)
    return joined
