"""A canvas seen from a body part's own coordinates: posed, bent, and drawn on with solids and fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.human.solids import FAR, Point, Solid, turn_matrix
from n2b_ct.phantom.random_fields import smooth_field
from n2b_ct.phantom.shapes import Canvas, Tissue

Window = tuple[slice, slice]

WHOLE: Window = (slice(None), slice(None))
BEND_LIMIT_MM = 6.0


@dataclass(frozen=True, slots=True)
class Pose:
    """Where and how a body part lies.

    Attributes:
        origin_mm: World position of its own origin.
        turn_deg: Rotations about x, y, z that carry its axes into the world's.
        size: World millimetres of one of its own: below 1 for a small person.
    """

    origin_mm: Point = (0.0, 0.0, 0.0)
    turn_deg: Point = (0.0, 0.0, 0.0)
    size: float = 1.0

    def to_world(self, point_mm: Sequence[float]) -> np.ndarray:
        """Carry a point of the part into the world, ``[3]``; the bending is left out."""
        return self.size * turn_matrix(self.turn_deg) @ np.asarray(point_mm, float) + np.asarray(self.origin_mm)


@dataclass(frozen=True, slots=True)
class Cut:
    """A solid's signed distance on the pixels that may see it.

    Attributes:
        where: Rows and columns.
        distance_mm: Float32 ``[window rows, window cols]``, world millimetres.
    """

    where: Window
    distance_mm: np.ndarray


class Section:
    """One slice of one body part.

    Args:
        canvas: What is drawn on.
        pose: How the part lies.
        key: Names the part's random fields, seed first.
        bend_mm: Amplitudes of the smooth bending, at 60 and at 16 mm.
    """

    def __init__(
        self, canvas: Canvas, pose: Pose, key: tuple[int, ...], bend_mm: tuple[float, float] = (1.6, 0.5)
    ) -> None:
        self.canvas, self.pose, self.key = canvas, pose, key
        plane = canvas.plane
        self.row_mm, self.column_mm, self.z_mm = plane.row_mm, plane.column_mm, plane.z_mm
        bends = [self._bend(axis, bend_mm) for axis in range(3)]
        turn = turn_matrix(pose.turn_deg).astype(np.float32) / np.float32(pose.size)
        world = [plane.x_mm, plane.y_mm, np.float32(plane.z_mm)]
        offsets = [w + b - np.float32(o) for w, b, o in zip(world, bends, pose.origin_mm, strict=True)]
        self.x, self.y, self.z = (
            np.asarray(c[0] * offsets[0] + c[1] * offsets[1] + c[2] * offsets[2], np.float32) for c in turn.T
        )

    def field(
        self, number: int, lattice_mm: float, where: Window = WHOLE, stretch: tuple[float, float] = (1.0, 1.0)
    ) -> np.ndarray:
        """Draw a smooth field of unit variance; ``stretch`` lengthens its structures along rows' and columns' axes."""
        rows, columns = self.row_mm[where[0]] / stretch[0], self.column_mm[where[1]] / stretch[1]
        return smooth_field((*self.key, 200 + number), self.z_mm, rows, columns, lattice_mm)

    def sheets(
        self, number: int, lattice_mm: float, width: float, where: Window = WHOLE, gaps: float = 0.5
    ) -> np.ndarray:
        """Draw thin sheets with gaps, the zero lines of a smooth field, as a share in [0, 1]."""
        line = np.exp(-((self.field(number, lattice_mm, where) / np.float32(width)) ** 2))
        holes = self.field(number + 1000, 1.6 * lattice_mm, where)
        return np.asarray(line * np.clip(np.float32(gaps) + holes, 0.0, 1.0), np.float32)

    def near(self, centre_mm: Point, reach_mm: float) -> Window | None:
        """Find the pixels that can see a ball; None where the slice misses it."""
        x, y, z = self.pose.to_world(centre_mm)
        reach = reach_mm * self.pose.size + BEND_LIMIT_MM
        if abs(self.z_mm - z) > reach:
            return None
        rows = np.searchsorted(self.row_mm, [y - reach, y + reach])
        columns = np.searchsorted(self.column_mm, [x - reach, x + reach])
        if rows[0] == rows[1] or columns[0] == columns[1]:
            return None
        return slice(int(rows[0]), int(rows[1])), slice(int(columns[0]), int(columns[1]))

    def cut(self, *solids: Solid, blend_mm: float = 0.0, margin_mm: float = 0.0) -> Cut | None:
        """Join solids, with a fillet where ``blend_mm`` is given, and cut them; None where the slice misses all."""
        parts = []
        for solid in solids:
            for index, (centre, reach) in enumerate(solid.balls()):
                where = self.near(centre, reach + margin_mm)
                if where is not None:
                    parts.append((where, solid, index))
        if not parts:
            return None
        whole = hull([where for where, _, _ in parts])
        distance = np.full((whole[0].stop - whole[0].start, whole[1].stop - whole[1].start), FAR)
        for where, solid, index in parts:
            local = shifted(where, whole)
            own = solid.distance(index, self.x[where], self.y[where], self.z[where])
            distance[local] = joined(distance[local], own, blend_mm)
        return Cut(whole, distance * np.float32(self.pose.size))

    def cover(self, distance_mm: np.ndarray, soft_mm: float = 0.0) -> np.ndarray:
        """Turn signed distances into coverage in [0, 1], over a pixel or over ``soft_mm``."""
        width = np.float32(max(self.canvas.plane.pixel_mm, soft_mm))
        return np.clip(np.float32(0.5) - distance_mm / width, 0.0, 1.0)

    def sheet(self, distance_mm: np.ndarray, thickness_mm: float | np.ndarray) -> np.ndarray:
        """Cover a layer around distance 0; a thinner one than a pixel covers its share of it."""
        half = np.asarray(0.5 * np.asarray(thickness_mm), np.float32)
        return self.cover(distance_mm - half) - self.cover(distance_mm + half)

    def draw(
        self,
        tissue: Tissue,
        *solids: Solid,
        grow_mm: float = 0.0,
        blend_mm: float = 0.0,
        soft_mm: float = 0.0,
        within: np.ndarray | None = None,
    ) -> None:
        """Paint joined solids, thickened by ``grow_mm``, their edges ``soft_mm`` wide, within a coverage ``within``."""
        cut = self.cut(*solids, blend_mm=blend_mm, margin_mm=max(0.0, grow_mm))
        if cut is not None:
            cover = self.cover(cut.distance_mm - np.float32(grow_mm), soft_mm)
            self.paint(cover if within is None else cover * within[cut.where], tissue, cut.where)

    def draw_shell(self, tissue: Tissue, *solids: Solid, thickness_mm: float, blend_mm: float = 0.0) -> None:
        """Paint the skin of joined solids, inside their surface."""
        cut = self.cut(*solids, blend_mm=blend_mm)
        if cut is not None:
            cover = self.sheet(cut.distance_mm + np.float32(0.5 * thickness_mm), thickness_mm)
            self.paint(cover, tissue, cut.where)

    def paint(self, cover: np.ndarray, tissue: Tissue, where: Window | None = None) -> None:
        """Lay a tissue over what is there."""
        self.canvas.paint(cover, tissue, where)

    def _bend(self, axis: int, bend_mm: tuple[float, float]) -> np.ndarray:
        if not any(bend_mm):
            return np.zeros((1, 1), np.float32)
        broad, narrow = self.field(axis, 60.0), self.field(10 + axis, 16.0)
        bend = np.float32(bend_mm[0]) * broad + np.float32(bend_mm[1]) * narrow
        return np.clip(bend, -BEND_LIMIT_MM, BEND_LIMIT_MM)


def hull(windows: Sequence[Window]) -> Window:
    """Enclose windows in one."""
    rows, columns = zip(*windows, strict=True)
    return (
        slice(min(r.start for r in rows), max(r.stop for r in rows)),
        slice(min(c.start for c in columns), max(c.stop for c in columns)),
    )


def shifted(where: Window, whole: Window) -> Window:
    """Express a window within another one that holds it."""
    return tuple(slice(i.start - w.start, i.stop - w.start) for i, w in zip(where, whole, strict=True))  # type: ignore[return-value]


def joined(distance: np.ndarray, own: np.ndarray, blend_mm: float) -> np.ndarray:
    """Take the nearer of two distances, or their polynomial smooth minimum."""
    if blend_mm <= 0.0:
        return np.minimum(distance, own)
    share = np.clip(0.5 + 0.5 * (own - distance) / np.float32(blend_mm), 0.0, 1.0)
    return np.asarray(own + share * (distance - own) - np.float32(blend_mm) * share * (1 - share), np.float32)
