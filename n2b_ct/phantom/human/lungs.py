"""Lungs with branching vessels and airways, fissures, and what ails some of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.human.build import Build
from n2b_ct.phantom.human.contrast_agent import Enhancement
from n2b_ct.phantom.human.frame import CAVITY
from n2b_ct.phantom.human.thin_tubes import draw_thin_tubes
from n2b_ct.phantom.human.tissues import AIRWAY_AIR, AIRWAY_WALL, MUSCLE, blood
from n2b_ct.phantom.human.wall import Body
from n2b_ct.phantom.random_fields import smooth_field
from n2b_ct.phantom.shapes import Canvas, Plane, Tissue, Tubes
from n2b_ct.phantom.vessels import grow_dense_tree

APEX_MM = -6.0
DOME_DROP_MM = 78.0
N_TWIGS = 16000
N_AIRWAYS = 90
AILMENTS = ("none", "ground glass", "consolidation", "emphysema", "reticulation", "effusion")
_CHANCES = (0.46, 0.14, 0.1, 0.14, 0.08, 0.08)


@dataclass(frozen=True)
class Lungs:
    """One patient's lungs.

    Attributes:
        hu: Mean of the parenchyma.
        dome_mm: Height of the right dome of the diaphragm; the left one lies a little lower.
        vessels: Trees of the right and the left lung.
        airways: Trees of the right and the left lung, windpipe included.
        ailment: One of :data:`AILMENTS`.
        extent: 0 to 1: how much of the lungs it takes.
        dependence_hu: How much denser the back is than the front.
    """

    hu: float
    dome_mm: float
    vessels: tuple[Tubes, ...]
    airways: tuple[Tubes, ...]
    ailment: str
    extent: float
    dependence_hu: float


def draw_lungs(rng: np.random.Generator, build: Build) -> Lungs:
    """Grow the trees of both lungs, and draw how they breathe and what ails them."""
    dome_mm = 180.0 + 28.0 * build.breath
    vessels, airways = [], []
    tip_mm = float(rng.uniform(0.2, 0.32))
    for side in (-1.0, 1.0):
        hilum = np.array([side * 26.0 + 3.0, 6.0, 108.0])
        points = _lung_points(rng, side, N_TWIGS, dome_mm)
        vessels.append(grow_dense_tree(rng, hilum, points, tip_mm, exponent=3.0))
        carina = np.array([side * 5.0 - 2.0, 12.0, 97.0])
        main = np.array([[side * 30.0, 10.0, 112.0]])
        airways.append(
            grow_dense_tree(rng, carina, np.concatenate([main, _lung_points(rng, side, N_AIRWAYS, dome_mm)]), 1.1)
        )
    is_adult = build.scale > 0.85
    return Lungs(
        hu=float(-790.0 - 70.0 * build.breath + rng.uniform(-40.0, 40.0) + (0.0 if is_adult else 60.0)),
        dome_mm=dome_mm,
        vessels=tuple(vessels),
        airways=tuple(airways),
        ailment=str(rng.choice(AILMENTS, p=_CHANCES)),
        extent=float(rng.uniform(0.1, 1.0)),
        dependence_hu=float(rng.uniform(15.0, 90.0)),
    )


def dome_height_mm(plane: Plane, lungs: Lungs) -> np.ndarray:
    """Return the height of the diaphragm: lungs lie above it, the abdomen below, ``[rows, cols]``."""
    x, y = plane.x_mm, plane.y_mm
    side = np.where(x > 0, np.float32(1.0), np.float32(-1.0))
    bulge = ((np.abs(x) - np.float32(66.0)) / np.float32(72.0)) ** 2 + ((y + np.float32(12.0)) / np.float32(88.0)) ** 2
    sagging = np.float32(lungs.dome_mm + 5.0) + np.float32(7.0) * side + np.float32(DOME_DROP_MM) * bulge
    return sagging + np.float32(0.22) * y


def paint_lungs(canvas: Canvas, body: Body, lungs: Lungs, enhancement: Enhancement, seed: int) -> np.ndarray:
    """Paint diaphragm, parenchyma, vessels and airways.

    Returns:
        Coverage of the abdomen below the diaphragm, within the cavity, ``[rows, cols]``.
    """
    plane = canvas.plane
    above = np.float32(0.7) * (np.float32(plane.z_mm) - dome_height_mm(plane, lungs))
    muscle = body.cavity * plane.cover(np.abs(above - np.float32(1.5)) - np.float32(1.6))
    distance = _lung_distance(plane, body, above, seed)
    lung = body.cavity * plane.cover(distance)
    if lung.any():
        _paint_parenchyma(canvas, lung, distance, lungs, seed)
        paint_fissures(canvas, lung, seed)
        for tree in lungs.vessels:
            draw_thin_tubes(canvas, tree, blood(0.5 * (enhancement.lung_hu + enhancement.artery_hu)), within=lung)
        for tree in lungs.airways:
            draw_thin_tubes(canvas, tree, AIRWAY_WALL, grow_mm=0.7, within=np.maximum(lung, 0.4))
            draw_thin_tubes(canvas, tree, AIRWAY_AIR, grow_mm=-0.35)
    canvas.paint(muscle, MUSCLE)
    return body.cavity * plane.cover(np.float32(3.2) - above)


def _lung_points(rng: np.random.Generator, side: float, count: int, dome_mm: float) -> np.ndarray:
    """Draw points inside one lung, ``[count, 3]``."""
    z = rng.uniform(APEX_MM + 6.0, dome_mm + 85.0, 6 * count)
    half_width, half_depth, centre_y = CAVITY.along(z)
    x = side * rng.uniform(14.0, 134.0, len(z))
    y = centre_y + rng.uniform(-1.0, 1.0, len(z)) * half_depth
    inside = (x / half_width) ** 2 + ((y - centre_y) / half_depth) ** 2 < 0.93
    grid = Plane(0.0, y, x, x[None].astype(np.float32), y[None].astype(np.float32))
    dome = dome_height_mm(grid, Lungs(0.0, dome_mm, (), (), "none", 0.0, 0.0))[0]
    chosen = np.flatnonzero(inside & (z < dome - 4.0))[:count]
    return np.stack([x, y, z], axis=1)[chosen]


def _lung_distance(plane: Plane, body: Body, above: np.ndarray, seed: int) -> np.ndarray:
    """Measure the signed distance to the lungs: cavity less diaphragm less mediastinum."""
    wave = smooth_field((seed, 17), plane.z_mm, plane.row_mm, plane.column_mm, 22.0)
    z = plane.z_mm
    middle = (
        15.0
        + 12.0 * np.clip((45.0 - z) / 30.0, 0.0, 1.0)
        + 5.0 * np.clip((z - 60.0) / 70.0, 0.0, 1.0)
        - 8.0 * np.clip((z - 195.0) / 25.0, 0.0, 1.0)
    )
    spine = np.clip((plane.y_mm - np.float32(28.0)) / np.float32(25.0), 0.0, 1.0)
    half_width = np.float32(middle) + np.float32(4.0) * spine + np.float32(4.0) * wave
    front = np.clip((np.float32(-38.0) - plane.y_mm) / np.float32(28.0), 0.0, 1.0)
    half_width = half_width * (1.0 - np.float32(0.75) * front)
    mediastinum = half_width - np.abs(plane.x_mm - np.float32(3.0))
    wall = body.cavity_distance_mm + np.float32(2.2)
    apex = np.float32(0.7 * (APEX_MM - z))
    return np.maximum(np.maximum(np.maximum(wall, above), mediastinum), apex)


def _paint_parenchyma(canvas: Canvas, lung: np.ndarray, distance: np.ndarray, lungs: Lungs, seed: int) -> None:
    """Paint air and tissue, denser towards the back, and the ailment."""
    plane = canvas.plane
    canvas.paint(lung, Tissue(lungs.hu, 12.0, 12.0))
    canvas.hu += lung * np.float32(lungs.dependence_hu / 90.0) * np.clip(plane.y_mm, -90.0, 90.0)
    paint_ailment(canvas, lung, distance, lungs, seed)


def paint_fissures(canvas: Canvas, lung: np.ndarray, seed: int) -> None:
    """Paint the oblique fissure of either lung and the horizontal one of the right."""
    plane = canvas.plane
    wave = smooth_field((seed, 14), plane.z_mm, plane.row_mm, plane.column_mm, 30.0)
    side = np.where(plane.x_mm > 0, np.float32(8.0), np.float32(0.0))
    oblique = np.float32(plane.z_mm - 130.0) + np.float32(1.25) * plane.y_mm + np.float32(7.0) * wave + side
    cover = plane.cover(np.abs(np.float32(0.6) * oblique) - np.float32(0.25))
    horizontal = np.float32(plane.z_mm - 122.0) + np.float32(9.0) * wave + np.float32(0.08) * plane.x_mm
    is_middle = plane.cover(oblique) * plane.cover(plane.x_mm)
    cover = np.maximum(cover, is_middle * plane.cover(np.abs(horizontal) - np.float32(0.25)))
    canvas.paint(np.float32(0.45) * lung * cover, MUSCLE)


def paint_ailment(canvas: Canvas, lung: np.ndarray, distance: np.ndarray, lungs: Lungs, seed: int) -> None:
    """Paint ground glass, consolidation, emphysema, reticulation or an effusion."""
    if lungs.ailment == "none":
        return
    plane = canvas.plane

    def field(number: int, lattice_mm: float) -> np.ndarray:
        return smooth_field((seed, 18, number), plane.z_mm, plane.row_mm, plane.column_mm, lattice_mm)

    extent = np.float32(lungs.extent)
    if lungs.ailment == "effusion":
        level = np.float32(80.0) - np.float32(45.0) * extent
        canvas.paint(lung * plane.cover(level - plane.y_mm), Tissue(12.0, 3.0, 1.0))
    elif lungs.ailment == "emphysema":
        holes = np.clip(np.float32(0.9) * (field(0, 5.0) + np.float32(0.8) * field(1, 30.0) - 1.3 + extent), 0.0, 1.0)
        canvas.paint(np.float32(0.9) * lung * holes, Tissue(-965.0, 6.0, 6.0))
    elif lungs.ailment == "reticulation":
        rim = np.clip(1.0 + distance / (np.float32(8.0) + 20.0 * extent), 0.0, 1.0)
        lines = np.exp(-((field(0, 4.0) / np.float32(0.25)) ** 2))
        canvas.paint(lung * rim * (0.15 + 0.6 * lines), Tissue(-150.0, 30.0, 20.0))
    else:
        patches = np.clip(
            np.float32(1.3) * (field(1, 26.0) + np.float32(0.35) * field(0, 7.0) - 1.2 + extent), 0.0, 1.0
        )
        dense = Tissue(40.0, 10.0, 8.0) if lungs.ailment == "consolidation" else Tissue(-520.0, 40.0, 40.0)
        canvas.paint(lung * patches, dense)
