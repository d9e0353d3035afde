"""Lungs with vessels and airways, heart, great vessels, gullet.

Coordinates as in :mod:`n2b_ct.phantom.body`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from n2b_ct.phantom.body import CAVITY, FAT, MUSCLE, Body, build_of
from n2b_ct.phantom.random_fields import smooth_field
from n2b_ct.phantom.shapes import Canvas, Ellipsoid, Plane, Tissue, Tubes
from n2b_ct.phantom.vessels import grow_tree

LUNG = Tissue(-815.0, 24.0, 30.0)
AIRWAY_LUMEN = Tissue(-985.0)
AIRWAY_WALL = Tissue(-60.0, 10.0)
FISSURE = Tissue(-560.0)
BLOOD = Tissue(44.0, 3.0, 1.0)
MYOCARDIUM = Tissue(54.0, 5.0, 4.0)
PERICARDIAL_FAT = Tissue(-75.0, 15.0, 6.0)

LUNG_START_MM = 259.0
DOME_TOP_MM = 338.0
DOME_DROP_MM = 48.0

AORTA = Tubes.along(
    [(-2, -8, 288), (4, 0, 277), (9, 16, 280), (8, 32, 296), (6, 34, 330), (4, 35, 400), (3, 38, 484)],
    (8.5, 8.0, 7.5, 7.0, 6.8, 6.2, 5.2),
)
CAVAL_VEIN = Tubes.along(
    [(-8, 2, 325), (-10, 8, 355), (-13, 18, 392), (-12, 28, 425), (-9, 35, 484)], (7.0, 7.5, 7.5, 6.8, 5.8)
)
CRANIAL_VESSELS = (
    Tubes.along([(-2, -8, 288), (-6, -6, 262), (-14, 8, 215), (-16, 14, 160)], (6.0, 5.0, 3.2, 2.6)),
    Tubes.along([(4, 0, 277), (8, -2, 262), (15, 8, 215), (16, 14, 160)], (5.5, 4.6, 3.2, 2.6)),
    Tubes.along([(-10, -8, 300), (-12, -12, 262), (-26, 0, 210), (-28, 8, 170)], (7.0, 6.0, 4.0, 3.4)),
    Tubes.along([(-10, -12, 264), (14, -14, 258), (28, 0, 210), (29, 8, 170)], (5.0, 5.5, 4.0, 3.4)),
)
TRACHEA = Tubes.along([(0, 6, 150), (0, 8, 190), (-1, 14, 245), (-3, 12, 288)], (7.2, 7.4, 7.4, 7.6))
GULLET = Tubes.along([(2, 22, 165), (6, 26, 240), (-2, 26, 290), (4, 20, 345), (14, 8, 385)], 4.6)
THROAT = Tubes.along([(0, 12, 98), (0, 12, 128), (0, 6, 152)], (6.5, 6.0, 6.5))


@dataclass(frozen=True, slots=True)
class LungTrees:
    """One animal's lung vessels and airways, both lungs together."""

    vessels: tuple[Tubes, ...]
    airways: tuple[Tubes, ...]


def grow_lungs(rng: np.random.Generator) -> LungTrees:
    """Grow the trees of the right and of the left lung."""
    vessels, airways = [], []
    for side in (-1.0, 1.0):
        hilum = np.array([side * 10.0, 6.0, 304.0])
        vessels.append(grow_tree(rng, hilum, _lung_points(rng, side, 2000), 0.45))
        carina = np.array([side * 2.0 - 3.0, 11.0, 288.0])
        airways.append(grow_tree(rng, carina, _lung_points(rng, side, 60), 1.0))
    return LungTrees(tuple(vessels), tuple(airways))


def dome_mm(x_mm: np.ndarray, y_mm: np.ndarray) -> np.ndarray:
    """Height of the diaphragm: lungs lie before it, the abdomen behind it."""
    bulge = (x_mm / 68.0) ** 2 + ((y_mm + 6.0) / 70.0) ** 2
    return DOME_TOP_MM + DOME_DROP_MM * bulge + 0.05 * x_mm + 0.25 * y_mm


def paint_thorax(canvas: Canvas, body: Body, trees: LungTrees, seed: int) -> None:
    """Paint the chest's contents, then the tubes that pass through it to head and abdomen."""
    plane = canvas.plane
    if LUNG_START_MM < plane.z_mm < DOME_TOP_MM + 90.0:
        _paint_diaphragm(canvas, body)
        lung = body.cavity * plane.cover(_lung_distance(plane, body))
        canvas.paint(lung, replace(LUNG, hu=LUNG.hu + build_of(seed).lung_hu))
        canvas.paint(np.float32(0.6) * lung * _fissures(plane, seed), FISSURE)
        for tree in trees.vessels:
            canvas.draw(tree, BLOOD, within=lung)
        _paint_airways(canvas, trees.airways, lung)
    _paint_heart(canvas)
    for vessel in (AORTA, CAVAL_VEIN, *CRANIAL_VESSELS):
        canvas.draw(vessel, PERICARDIAL_FAT, grow_mm=0.8, within=body.muscle)
        canvas.draw(vessel, BLOOD)
    canvas.draw(GULLET, MUSCLE)
    canvas.draw(GULLET, AIRWAY_LUMEN, grow_mm=-3.4)
    for pipe in (TRACHEA, THROAT):
        canvas.draw(pipe, AIRWAY_WALL, grow_mm=1.5)
        canvas.draw(pipe, AIRWAY_LUMEN)


def _lung_points(rng: np.random.Generator, side: float, count: int) -> np.ndarray:
    """Draw points inside one lung, ``[count, 3]``."""
    points: list[np.ndarray] = []
    while len(points) < count:
        z = rng.uniform(LUNG_START_MM + 3.0, DOME_TOP_MM + 55.0)
        half_width, half_height, centre_y = CAVITY.at(float(z))
        x, y = side * rng.uniform(9.0, half_width), centre_y + rng.uniform(-1.0, 1.0) * half_height
        is_inside = (x / half_width) ** 2 + ((y - centre_y) / half_height) ** 2 < 0.9
        if is_inside and z < float(dome_mm(np.asarray(x), np.asarray(y))) - 3.0:
            points.append(np.array([x, y, z]))
    return np.asarray(points)


def _lung_distance(plane: Plane, body: Body) -> np.ndarray:
    """Measure the signed distance to the lungs: cavity less diaphragm less mediastinum."""
    behind = np.float32(0.7) * (np.float32(plane.z_mm) - dome_mm(plane.x_mm, plane.y_mm))
    before = np.float32(LUNG_START_MM - plane.z_mm)
    half_width = 3.5 + 8.0 * np.clip((plane.y_mm - 14.0) / 18.0, 0.0, 1.0)
    middle = half_width - np.abs(plane.x_mm + 1.0)
    parts = [body.cavity_distance_mm + np.float32(1.2), behind, middle]
    return np.asarray(np.maximum(np.maximum.reduce(parts), before), np.float32)


def _fissures(plane: Plane, seed: int) -> np.ndarray:
    """Cover the clefts between the lobes: one oblique sheet in either lung."""
    waves = smooth_field((seed, 14), plane.z_mm, plane.row_mm, plane.column_mm, 22.0)
    along = np.float32(plane.z_mm - 318.0) + np.float32(0.75) * plane.y_mm + np.float32(5.0) * waves
    along += np.where(plane.x_mm > 0, np.float32(9.0), np.float32(-4.0))
    return plane.cover(np.abs(np.float32(0.7) * along) - np.float32(0.3))


def _paint_diaphragm(canvas: Canvas, body: Body) -> None:
    """Paint the muscle sheet between lungs and liver, about 3 mm."""
    plane = canvas.plane
    height = np.float32(0.7) * (np.float32(plane.z_mm) - dome_mm(plane.x_mm, plane.y_mm))
    canvas.paint(body.cavity * plane.cover(np.abs(height - 1.2) - np.float32(1.6)), MUSCLE)


def _paint_airways(canvas: Canvas, airways: tuple[Tubes, ...], lung: np.ndarray) -> None:
    """Paint walls inside the lungs, lumina also in the mediastinum."""
    for tree in airways:
        canvas.draw(tree, AIRWAY_WALL, grow_mm=0.35, within=np.maximum(lung, 0.5))
        canvas.draw(tree, AIRWAY_LUMEN, grow_mm=-0.55)


def _paint_heart(canvas: Canvas) -> None:
    """Paint pericardial fat, muscle and four chambers without contrast medium."""
    heart = Ellipsoid((5.0, -27.0, 318.0), (36.0, 33.0, 38.0), 25.0)
    canvas.draw(heart, PERICARDIAL_FAT, grow_mm=2.4)
    canvas.draw(heart, MYOCARDIUM)
    for centre, radii in (
        ((16.0, -32.0, 328.0), (12.0, 12.0, 21.0)),
        ((-10.0, -38.0, 322.0), (11.0, 15.0, 22.0)),
        ((13.0, -10.0, 303.0), (15.0, 12.0, 15.0)),
        ((-13.0, -14.0, 304.0), (14.0, 13.0, 16.0)),
    ):
        canvas.draw(Ellipsoid(centre, radii, 20.0), BLOOD)
    groove = Tubes.along([(-14, -52, 330), (2, -56, 318), (4, -40, 300), (0, -22, 290)], 2.2)
    canvas.draw(groove, FAT)
