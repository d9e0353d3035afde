"""Heart and great vessels, windpipe and gullet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.human.build import Build
from n2b_ct.phantom.human.contrast_agent import Enhancement
from n2b_ct.phantom.human.tissues import (
    AIRWAY_AIR,
    AIRWAY_WALL,
    CALCIFICATION,
    FAT,
    MUSCLE,
    MYOCARDIUM,
    VISCERAL_FAT,
    blood,
    enhanced,
)
from n2b_ct.phantom.human.wall import Body
from n2b_ct.phantom.random_fields import smooth_field
from n2b_ct.phantom.shapes import Canvas, Ellipsoid, Tissue, Tubes

Point = tuple[float, float, float]

AORTA: list[Point] = [
    (2, -20, 150),
    (-14, -22, 122),
    (-14, -18, 96),
    (-2, -8, 78),
    (16, 14, 76),
    (24, 34, 90),
    (24, 42, 120),
    (20, 44, 180),
    (10, 27, 235),
    (4, 14, 300),
    (4, 5, 370),
    (4, 9, 408),
]
AORTA_RADII = [15, 15, 14.5, 13.5, 12.5, 12, 11.5, 11, 10.5, 9.5, 8.5, 8]
UPPER_CAVAL_VEIN: list[Point] = [(-30, -16, 60), (-32, -14, 100), (-30, -10, 140)]
LOWER_CAVAL_VEIN: list[Point] = [(-24, -4, 170), (-28, 4, 205), (-26, 14, 250), (-22, 8, 320), (-20, 9, 405)]
_TUBES: dict[str, tuple[list[Point], list[float]]] = {
    "brachiocephalic artery": ([(-8, -16, 80), (-16, -12, 55), (-26, -4, 20), (-30, 4, -60)], [6.5, 6.0, 4.5, 3.6]),
    "left carotid": ([(2, -10, 76), (8, -6, 50), (20, -2, 10), (28, 4, -60)], [4.5, 4.2, 3.8, 3.4]),
    "left subclavian": (
        [(14, 6, 74), (24, 10, 40), (34, 6, 2), (52, -8, -16), (98, -20, -12), (146, -4, 24)],
        [5.5, 5.0, 4.5, 4.3, 4.0, 3.5],
    ),
    "right subclavian": (
        [(-24, -6, 30), (-40, 0, -4), (-58, -10, -16), (-98, -20, -12), (-146, -4, 24)],
        [4.6, 4.5, 4.3, 4.0, 3.5],
    ),
}
_VEINS: dict[str, tuple[list[Point], list[float]]] = {
    "left brachiocephalic": ([(-28, -20, 62), (0, -30, 50), (30, -26, 24), (38, -6, -60)], [7.5, 7.0, 6.5, 6.0]),
    "right brachiocephalic": ([(-30, -18, 60), (-36, -20, 26), (-40, -4, -60)], [7.5, 7.0, 6.5]),
    "left axillary": ([(34, -28, 20), (62, -44, -2), (104, -34, -4), (144, -10, 30)], [6.0, 5.6, 5.2, 4.2]),
    "right axillary": ([(-38, -24, 18), (-62, -44, -2), (-104, -34, -4), (-144, -10, 30)], [6.0, 5.6, 5.2, 4.2]),
    "azygos": ([(-30, 0, 88), (-18, 28, 84), (-8, 42, 110), (-6, 44, 240)], [4.0, 4.0, 3.6, 3.0]),
}
_LUNG_ARTERY: list[tuple[list[Point], list[float]]] = [
    ([(8, -34, 146), (10, -26, 120), (12, -14, 106)], [14.0, 13.5, 13.0]),
    ([(12, -14, 106), (-10, -2, 108), (-34, 4, 112), (-52, 8, 128)], [12.5, 11.0, 9.5, 6.5]),
    ([(12, -14, 106), (28, 4, 98), (40, 14, 112), (48, 18, 134)], [12.5, 11.0, 9.5, 6.5]),
]
_LUNG_VEINS: list[tuple[list[Point], list[float]]] = [
    ([(-14, 14, 146), (-36, 4, 138), (-54, -8, 120)], [7.0, 6.5, 4.5]),
    ([(-14, 16, 156), (-40, 20, 168), (-56, 26, 186)], [7.0, 6.5, 4.5]),
    ([(20, 14, 142), (40, 0, 130), (56, -16, 118)], [7.0, 6.5, 4.5]),
    ([(20, 18, 152), (42, 26, 164), (56, 32, 182)], [7.0, 6.5, 4.5]),
]
WINDPIPE = ([(0, -4, -80), (0, 0, -20), (-1, 8, 50), (-2, 12, 96)], [8.5, 8.5, 8.8, 9.0])
MAIN_BRONCHI = (
    ([(-4, 12, 95), (-18, 11, 108), (-32, 10, 120)], [7.6, 7.0, 5.6]),
    ([(2, 12, 95), (20, 12, 110), (36, 12, 120)], [6.8, 6.2, 5.2]),
)
GULLET = (
    [(3, 18, -80), (4, 24, -10), (5, 26, 60), (3, 30, 130), (10, 26, 185), (24, 12, 215)],
    [6.0, 6.5, 6.5, 7.0, 7.5, 9.0],
)
HEART_TOP_MM = 118.0


@dataclass(frozen=True)
class Heart:
    """One patient's heart.

    Attributes:
        outline: The whole heart.
        left_ventricle: Its outside.
        left_cavity: Its cavity.
        right_ventricle: Its cavity.
        outflow: From the right ventricle to the lung artery.
        atria: Left and right one.
        coronaries: Arteries in the grooves.
        fat_mm: Thickness of the fat around the heart.
        gullet_air: 0 to 1: how wide the gullet gapes.
    """

    outline: Ellipsoid
    left_ventricle: Ellipsoid
    left_cavity: Ellipsoid
    right_ventricle: Ellipsoid
    outflow: Tubes
    atria: tuple[Ellipsoid, Ellipsoid]
    coronaries: tuple[Tubes, ...]
    fat_mm: float
    gullet_air: float


def draw_heart(rng: np.random.Generator, build: Build) -> Heart:
    """Draw a heart between systole and diastole."""
    size = float(rng.uniform(0.9, 1.15)) * (1.1 if build.scale < 0.5 else 1.0)
    tilt = float(rng.uniform(22.0, 45.0))
    wall_mm = float(rng.uniform(9.0, 14.0))
    x, y, z = (float(v) for v in rng.normal((22.0, -32.0, 166.0), (3.0, 3.0, 4.0)))
    lv = (35.0 * size, 31.0 * size, 39.0 * size)
    cavity = tuple(r - wall_mm for r in lv)
    turn = np.deg2rad(tilt)

    def beside(along: float, across: float, down: float) -> Point:
        return (
            x + size * (along * float(np.cos(turn)) - across * float(np.sin(turn))),
            y + size * (along * float(np.sin(turn)) + across * float(np.cos(turn))),
            z + size * down,
        )

    groove = [beside(-34, -12, -34), beside(-6, -32, -16), beside(14, -36, 2), beside(38, -30, 24)]
    round_heart = [beside(-34, -8, -34), beside(0, 30, -14), beside(8, 34, 8)]
    right_groove = [beside(-34, -14, -32), beside(-50, -26, -10), beside(-52, -14, 18)]
    return Heart(
        outline=Ellipsoid(beside(-10, 0, 0), (58.0 * size, 46.0 * size, 46.0 * size), tilt),
        left_ventricle=Ellipsoid(beside(16, 4, 4), lv, tilt),
        left_cavity=Ellipsoid(beside(14, 4, 2), (cavity[0] * 1.05, cavity[1], cavity[2]), tilt),
        right_ventricle=Ellipsoid(beside(-8, -26, 6), (40.0 * size, 16.0 * size, 40.0 * size), tilt),
        outflow=Tubes.along([beside(-2, -26, -8), beside(-14, -22, -26), (9.0, -34.0, 144.0)], (17.0, 15.0, 13.5)),
        atria=(
            Ellipsoid(beside(-12, 34, -20), (26.0 * size, 20.0 * size, 24.0 * size), tilt),
            Ellipsoid(beside(-46, 4, -6), (22.0 * size, 25.0 * size, 42.0 * size), tilt),
        ),
        coronaries=tuple(
            Tubes.along(path, (2.0, 1.8, 1.5, 1.2)[: len(path)]) for path in (groove, round_heart, right_groove)
        ),
        fat_mm=2.0 + 8.0 * build.visceral_fat,
        gullet_air=float(rng.uniform(0.0, 1.0)),
    )


def paint_mediastinum(
    canvas: Canvas, body: Body, heart: Heart, build: Build, enhancement: Enhancement, seed: int
) -> None:
    """Paint heart, vessels, windpipe and gullet, each in its fat."""
    vein, lung, artery = (blood(hu) for hu in (enhancement.vein_hu, enhancement.lung_hu, enhancement.artery_hu))
    for points, radii in _VEINS.values():
        _draw_in_fat(canvas, body, Tubes.along(points, radii), vein)
    for points, radii in _LUNG_ARTERY:
        _draw_in_fat(canvas, body, Tubes.along(points, radii), lung)
    for points, radii in _LUNG_VEINS:
        canvas.draw(Tubes.along(points, radii), artery)
    _paint_gullet(canvas, body, heart)
    _paint_heart(canvas, body, heart, build, enhancement, seed)
    airways = [Tubes.along(*path) for path in (WINDPIPE, *MAIN_BRONCHI)]
    for airway in airways:
        canvas.draw(airway, AIRWAY_WALL, grow_mm=1.6, within=body.muscle)
    for airway in airways:
        canvas.draw(airway, AIRWAY_AIR)
    for points in (UPPER_CAVAL_VEIN, LOWER_CAVAL_VEIN):
        _draw_in_fat(canvas, body, Tubes.along(points, 10.0), vein)
    for points, radii in _TUBES.values():
        _draw_in_fat(canvas, body, Tubes.along(points, radii), artery)
    paint_artery(canvas, body, Tubes.along(AORTA, AORTA_RADII), build, enhancement, seed)


def paint_artery(canvas: Canvas, body: Body, artery: Tubes, build: Build, enhancement: Enhancement, seed: int) -> None:
    """Paint an artery: wall, blood, and the plaques of an old patient."""
    canvas.draw(artery, FAT, grow_mm=1.5, within=body.muscle)
    canvas.draw(artery, MUSCLE, grow_mm=0.9, within=body.muscle)
    canvas.draw(artery, blood(enhancement.artery_hu))
    cut = artery.cut(canvas.plane) if build.calcification > 0.03 else None
    if cut is not None:
        plane = canvas.plane
        patches = smooth_field((seed, 23), plane.z_mm, plane.row_mm[cut.where[0]], plane.column_mm[cut.where[1]], 7.0)
        rim = plane.cover(np.abs(cut.distance_mm) - np.float32(0.5 + build.calcification))
        share = np.clip(np.float32(2.0) * (patches - np.float32(1.7 - 1.8 * build.calcification)), 0.0, 1.0)
        canvas.paint(rim * share, CALCIFICATION, cut.where)


def _draw_in_fat(canvas: Canvas, body: Body, tube: Tubes, tissue: Tissue) -> None:
    """Paint a vessel, set apart by a film of fat."""
    canvas.draw(tube, FAT, grow_mm=1.5, within=body.muscle)
    canvas.draw(tube, tissue, within=body.muscle)


def _paint_gullet(canvas: Canvas, body: Body, heart: Heart) -> None:
    """Paint the gullet's wall, with some air in it."""
    gullet = Tubes.along(*GULLET)
    canvas.draw(gullet, FAT, grow_mm=1.2, within=body.muscle)
    canvas.draw(gullet, MUSCLE, within=body.muscle)
    if heart.gullet_air > 0.45:
        canvas.draw(gullet, AIRWAY_AIR, grow_mm=-3.0 - 4.0 * (1.0 - heart.gullet_air))


def _paint_heart(canvas: Canvas, body: Body, heart: Heart, build: Build, enhancement: Enhancement, seed: int) -> None:
    """Paint pericardial fat, muscle, chambers and coronary arteries."""
    muscle = enhanced(MYOCARDIUM, enhancement.wall_hu)
    left, right = blood(enhancement.artery_hu), blood(0.5 * (enhancement.lung_hu + enhancement.vein_hu))
    canvas.draw(heart.outline, MUSCLE, grow_mm=heart.fat_mm + 0.9, within=body.cavity)
    canvas.draw(heart.outline, VISCERAL_FAT, grow_mm=heart.fat_mm, within=body.cavity)
    canvas.draw(heart.right_ventricle, muscle, grow_mm=3.0, within=body.cavity)
    canvas.draw(heart.outflow, muscle, grow_mm=2.5, within=body.cavity)
    canvas.draw(heart.left_ventricle, muscle, within=body.cavity)
    for atrium in heart.atria:
        canvas.draw(atrium, muscle, grow_mm=1.8, within=body.cavity)
    canvas.draw(heart.outflow, right)
    _draw_chamber(canvas, heart.right_ventricle, right, seed, 3.0)
    _draw_chamber(canvas, heart.left_cavity, left, seed, 2.5)
    _draw_chamber(canvas, heart.atria[0], left, seed, 1.0)
    _draw_chamber(canvas, heart.atria[1], right, seed, 1.5)
    for artery in heart.coronaries:
        canvas.draw(artery, left)
        if build.calcification > 0.15:
            canvas.draw(artery, CALCIFICATION, grow_mm=-1.8 + 1.6 * build.calcification)


def _draw_chamber(canvas: Canvas, chamber: Ellipsoid, tissue: Tissue, seed: int, uneven_mm: float) -> None:
    """Paint a chamber whose wall is uneven with muscle bundles."""
    plane, cut = canvas.plane, chamber.cut(canvas.plane)
    if cut is not None:
        rows, columns = plane.row_mm[cut.where[0]], plane.column_mm[cut.where[1]]
        bundles = smooth_field((seed, 36), plane.z_mm, rows, columns, 5.0)
        distance = cut.distance_mm + np.float32(uneven_mm) * np.clip(bundles, 0.0, 2.0)
        canvas.paint(plane.cover(distance), tissue, cut.where)
