"""The animal's build and its outside: skin, subcutaneous fat, muscle, the body cavity and the table below.

The piglet lies on its back in the patient coordinate system of DICOM PS3.3 C.7.6.2.1.1: x towards its
left, y towards its back; here z is the distance from its nose. Lengths are millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import PchipInterpolator

from n2b_ct.phantom.random_fields import smooth_field
from n2b_ct.phantom.shapes import Canvas, Plane, Tissue, Tubes, ellipse_distance, smooth_union
from n2b_ct.phantom.sheets import thin_sheets

LENGTH_MM = 566.25
"""Nose to tail: 906 slices of 0.625 mm, as the real piglet's scan."""

AIR = Tissue(-1000.0)
SKIN = Tissue(30.0, 8.0, 4.0)
FAT = Tissue(-104.0, 6.0, 4.0)
MUSCLE = Tissue(57.0, 6.0, 6.0)
MEDIASTINUM = Tissue(-20.0, 18.0, 6.0)
FASCIA = Tissue(30.0, 8.0)
TABLE_SHELL = Tissue(-90.0)
TABLE_CORE = Tissue(-930.0)
FOAM = Tissue(-965.0, 3.0)

SKIN_MM = 1.6
TABLE_TOP_MM = 92.0
TABLE_THICKNESS_MM = 9.0
TABLE_HALF_WIDTH_MM = 104.0
FOAM_HALF_WIDTH_MM = 62.0

_BUILD_STREAM = 11
"""Keeps the draws of an animal's build apart from the fields', which share the seed."""


@dataclass(frozen=True, slots=True)
class Build:
    """One individual's proportions, 1 being the average.

    Attributes:
        width: Side to side.
        height: Back to belly.
        fatness: Thickness of the subcutaneous fat.
        lung_hu: Added to the lungs' HU: how deep the last breath was.
    """

    width: float
    height: float
    fatness: float
    lung_hu: float


@lru_cache(maxsize=4)
def build_of(seed: int) -> Build:
    """Draw an individual's proportions."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, _BUILD_STREAM]))
    width, height = rng.uniform(0.95, 1.05, 2)
    return Build(float(width), float(height), float(rng.uniform(0.75, 1.3)), float(rng.uniform(-30.0, 50.0)))


class Profile:
    """Quantities that change smoothly along the animal, given at a few stations.

    Args:
        stations: Rows of (z, quantity, quantity, …), sorted by z.
    """

    def __init__(self, stations: list[tuple[float, ...]]) -> None:
        table = np.asarray(stations, float)
        self.z_range = (float(table[0, 0]), float(table[-1, 0]))
        self._curve = PchipInterpolator(table[:, 0], table[:, 1:])

    def at(self, z_mm: float) -> np.ndarray:
        """Interpolate without overshoot; the end values hold beyond the ends. ``[quantities]``."""
        return np.asarray(self._curve(float(np.clip(z_mm, *self.z_range))))

    def along(self, z_mm: np.ndarray) -> np.ndarray:
        """Interpolate at many heights, ``[quantities, heights]``."""
        return np.asarray(self._curve(np.clip(z_mm, *self.z_range))).T


# z, half width, half height, centre y, subcutaneous fat
TORSO = Profile(
    [
        (0.0, 13.0, 12.0, 8.0, 0.8),
        (12.0, 19.0, 18.0, 8.0, 1.0),
        (45.0, 23.0, 25.0, 8.0, 1.4),
        (90.0, 41.0, 43.0, 10.0, 1.8),
        (130.0, 51.0, 56.0, 14.0, 2.4),
        (165.0, 50.0, 58.0, 16.0, 3.2),
        (205.0, 51.0, 58.0, 20.0, 4.2),
        (245.0, 66.0, 74.0, 16.0, 4.6),
        (290.0, 77.0, 84.0, 6.0, 4.2),
        (350.0, 85.0, 90.0, 0.5, 4.2),
        (420.0, 88.0, 87.0, 3.5, 5.0),
        (470.0, 83.0, 80.0, 10.0, 6.0),
        (510.0, 76.0, 70.0, 19.0, 7.0),
        (545.0, 60.0, 58.0, 26.0, 6.0),
        (562.0, 34.0, 36.0, 32.0, 4.0),
        (567.0, 10.0, 12.0, 34.0, 2.0),
    ]
)

# z, height of the foam above the table
FOAM_TOP = Profile([(0.0, 60.0), (60.0, 56.0), (100.0, 44.0), (150.0, 30.0), (200.0, 22.0), (245.0, 8.0), (262.0, 0.0)])

# z, half width, half height, centre y
CAVITY = Profile(
    [
        (246.0, 9.0, 10.0, 4.0),
        (262.0, 32.0, 36.0, 2.0),
        (285.0, 52.0, 56.0, 0.0),
        (320.0, 65.0, 68.0, -3.0),
        (360.0, 71.0, 74.0, -5.0),
        (420.0, 74.0, 71.0, -5.0),
        (470.0, 66.0, 61.0, -3.0),
        (500.0, 40.0, 42.0, 0.0),
        (518.0, 23.0, 29.0, 6.0),
        (536.0, 8.0, 9.0, 20.0),
    ]
)

FORELEG = ((50.0, -6.0, 250.0), (72.0, -52.0, 292.0), (62.0, -86.0, 246.0), (54.0, -97.0, 205.0), (50.0, -98.0, 186.0))
FORELEG_RADII = (34.0, 22.0, 15.0, 10.0, 9.0)
HINDLEG = ((44.0, 8.0, 512.0), (72.0, -46.0, 458.0), (68.0, -72.0, 512.0), (60.0, -80.0, 548.0), (56.0, -84.0, 572.0))
HINDLEG_RADII = (38.0, 28.0, 17.0, 11.0, 10.0)


@dataclass(frozen=True, slots=True)
class Body:
    """One slice's coverages, float32 ``[rows, cols]``: what later tissues may be painted within."""

    muscle: np.ndarray
    cavity: np.ndarray
    cavity_distance_mm: np.ndarray


def warped_plane(seed: int, z_mm: float, row_mm: np.ndarray, column_mm: np.ndarray) -> Plane:
    """Fit the grid to the animal's build and bend it by up to a few millimetres, alike in neighbouring slices.

    The animal keeps lying on the table, whatever its build.
    """
    build = build_of(seed)
    shifts = []
    for axis in (0, 1):
        broad = smooth_field((seed, 1, axis), z_mm, row_mm, column_mm, 32.0)
        narrow = smooth_field((seed, 2, axis), z_mm, row_mm, column_mm, 10.0)
        shifts.append(np.clip(2.2 * broad + 0.7 * narrow, -6.0, 6.0))
    x_mm = (column_mm / build.width)[None].astype(np.float32) + shifts[0]
    y_mm = (TABLE_TOP_MM - (TABLE_TOP_MM - row_mm) / build.height)[:, None].astype(np.float32) + shifts[1]
    return Plane(z_mm, row_mm, column_mm, x_mm, y_mm)


def mirrored(points: tuple[tuple[float, float, float], ...]) -> tuple[tuple[float, float, float], ...]:
    """Reflect a path to the animal's right."""
    return tuple((-x, y, z) for x, y, z in points)


def paint_table(canvas: Canvas) -> None:
    """Paint a foam core between two thin shells, dished as scanner tables are; tables do not warp."""
    plane = canvas.plane
    x, y = plane.column_mm[None], plane.row_mm[:, None]
    top = TABLE_TOP_MM - 4.0 * (x / TABLE_HALF_WIDTH_MM) ** 2
    depth = np.abs(y - top - TABLE_THICKNESS_MM / 2) - TABLE_THICKNESS_MM / 2
    distance = np.maximum(depth, np.abs(x) - TABLE_HALF_WIDTH_MM).astype(np.float32)
    canvas.paint(plane.cover(distance), TABLE_SHELL)
    canvas.paint(plane.cover(distance + np.float32(1.4)), TABLE_CORE)
    _paint_foam(canvas)


def _paint_foam(canvas: Canvas) -> None:
    """Bed the head and the neck, which are thinner than the trunk, on a foam wedge."""
    plane = canvas.plane
    x, y = plane.column_mm[None], plane.row_mm[:, None]
    rise = FOAM_TOP.at(plane.z_mm)[0]
    hollow = TABLE_TOP_MM - rise * (0.75 + 0.25 * (x / FOAM_HALF_WIDTH_MM) ** 2)
    distance = np.maximum(np.maximum(hollow - y, y - TABLE_TOP_MM + 3.5), np.abs(x) - FOAM_HALF_WIDTH_MM)
    canvas.paint(plane.cover(distance.astype(np.float32)), FOAM)


def paint_body(canvas: Canvas, seed: int) -> Body:
    """Paint skin, fat, muscle and the bare cavity."""
    plane = canvas.plane
    depth = _outline(plane)
    fat_mm = _fat_thickness(plane, seed)
    strands = _strands(plane, seed)
    canvas.paint(plane.cover(depth), SKIN)
    under_skin = plane.cover(depth + SKIN_MM)
    canvas.paint(under_skin, FAT)
    canvas.paint(under_skin * strands, FASCIA)
    canvas.paint(np.float32(0.4) * plane.cover(np.abs(depth + SKIN_MM + 0.5 * fat_mm) - np.float32(0.25)), FASCIA)
    muscle = plane.cover(depth + SKIN_MM + fat_mm)
    canvas.paint(muscle, MUSCLE)
    canvas.paint(muscle * _septa(plane, seed), FAT)
    distance = _cavity(plane)
    cavity = muscle * plane.cover(distance)
    abdomen = float(np.clip((plane.z_mm - 340.0) / 40.0, 0.0, 1.0))
    base = Tissue(
        MEDIASTINUM.hu + abdomen * (FAT.hu - MEDIASTINUM.hu),
        MEDIASTINUM.texture_hu + abdomen * (FAT.texture_hu - MEDIASTINUM.texture_hu),
        FAT.grain_hu,
    )
    canvas.paint(cavity, base)
    canvas.paint(cavity * strands, FASCIA)
    return Body(muscle, cavity, distance)


def _outline(plane: Plane) -> np.ndarray:
    """Join torso and legs, and flatten the back on the table."""
    half_width, half_height, centre_y, _ = TORSO.at(plane.z_mm)
    parts = [ellipse_distance(plane.x_mm, plane.y_mm - np.float32(centre_y), half_width, half_height)]
    for path, radii in ((FORELEG, FORELEG_RADII), (HINDLEG, HINDLEG_RADII)):
        for side in (path, mirrored(path)):
            cut = Tubes.along(side, radii).cut(plane)
            if cut is not None:
                whole = np.full(plane.x_mm.shape, np.float32(1e3))
                whole[cut.where] = cut.distance_mm
                parts.append(whole)
    bottom = (plane.row_mm[:, None] - TABLE_TOP_MM + 0.5).astype(np.float32)
    return np.maximum(smooth_union(parts, 10.0), bottom)


def _fat_thickness(plane: Plane, seed: int) -> np.ndarray:
    """Vary the subcutaneous fat by a third around its profile, thicker along the back."""
    fat_mm = float(TORSO.at(plane.z_mm)[3]) * build_of(seed).fatness
    waves = smooth_field((seed, 3), plane.z_mm, plane.row_mm, plane.column_mm, 24.0)
    back = np.clip(plane.row_mm / 90.0, -0.3, 1.0)[:, None]
    return np.asarray(fat_mm * np.clip(1.0 + 0.3 * waves + 0.5 * back, 0.3, 2.2), np.float32)


def _septa(plane: Plane, seed: int) -> np.ndarray:
    """Lay fat planes between muscles and, finer and fainter, between their bundles."""
    return thin_sheets(plane, (seed, 4), ((15.0, 0.11, 0.75), (8.0, 0.10, 0.4), (3.6, 0.16, 0.25)))


def _strands(plane: Plane, seed: int) -> np.ndarray:
    """Lay the connective tissue's sheets through the fat."""
    return thin_sheets(plane, (seed, 12), ((9.0, 0.08, 0.35), (4.5, 0.10, 0.2)))


def _cavity(plane: Plane) -> np.ndarray:
    """Measure the signed distance to the body cavity's wall."""
    low, high = CAVITY.z_range
    if not low < plane.z_mm < high:
        return np.full(plane.x_mm.shape, np.float32(1e3))
    half_width, half_height, centre_y = CAVITY.at(plane.z_mm)
    return ellipse_distance(plane.x_mm, plane.y_mm - np.float32(centre_y), half_width, half_height)
