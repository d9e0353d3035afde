"""Bladder, prostate or uterus, and the vessels that cross the pelvis to the legs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.human.build import Build
from n2b_ct.phantom.human.contrast_agent import Enhancement
from n2b_ct.phantom.human.heart import paint_artery
from n2b_ct.phantom.human.tissues import (
    GUT_WALL,
    MUSCLE,
    PROSTATE,
    URINE,
    UTERUS,
    VISCERAL_FAT,
    blood,
    enhanced,
)
from n2b_ct.phantom.human.wall import Body
from n2b_ct.phantom.shapes import Canvas, Ellipsoid, Tubes

Point = tuple[float, float, float]
_ARTERY: list[Point] = [(6, 14, 402), (24, 20, 445), (52, 2, 490), (70, -34, 528), (76, -50, 560), (74, -46, 640)]
_VEIN: list[Point] = [(-4, 20, 404), (26, 32, 446), (50, 16, 490), (62, -24, 530), (64, -46, 562), (64, -40, 640)]
_INNER: list[Point] = [(24, 20, 445), (36, 42, 480), (54, 46, 520), (40, 30, 545)]


@dataclass(frozen=True)
class PelvicOrgans:
    """One patient's organs of the small pelvis.

    Attributes:
        bladder: Its outside.
        bladder_wall_mm: Thickness of its wall.
        urine_hu: HU that the agent adds to the urine in the bladder.
        genital: Prostate, or uterus.
        beside: Seminal vesicles, or ovaries.
    """

    bladder: Ellipsoid
    bladder_wall_mm: float
    urine_hu: float
    genital: Ellipsoid
    beside: tuple[Ellipsoid, Ellipsoid]


def draw_pelvic_organs(rng: np.random.Generator, build: Build, enhancement: Enhancement) -> PelvicOrgans:
    """Draw a bladder between empty and full, and the organs behind it."""
    full = float(rng.uniform(0.35, 1.25))
    tall = 34.0 * full
    bladder = Ellipsoid((float(rng.normal(0.0, 3.0)), -28.0, 560.0 - tall), (44.0 * full**0.5, 30.0 * full**0.7, tall))
    size = float(rng.uniform(0.8, 1.3)) * (1.0 if build.scale > 0.85 else 0.5)
    if build.is_female:
        tilt = float(rng.uniform(-30.0, 30.0))
        genital = Ellipsoid((float(rng.normal(0.0, 6.0)), 12.0, 516.0), (27.0 * size, 20.0 * size, 30.0 * size), tilt)
        places = [(side * rng.uniform(30.0, 48.0), 8.0, rng.uniform(495.0, 520.0)) for side in (-1.0, 1.0)]
        radii = [(12.0 * size, 9.0 * size, 13.0 * size)] * 2
    else:
        genital = Ellipsoid((0.0, 4.0, 566.0), (22.0 * size, 17.0 * size, 18.0 * size))
        places, radii = [(side * 16.0, 16.0, 545.0) for side in (-1.0, 1.0)], [(15.0, 5.0, 7.0)] * 2
    beside = [Ellipsoid((float(x), y, float(z)), r) for (x, y, z), r in zip(places, radii, strict=True)]
    urine_hu = float(rng.uniform(0.0, 1.0)) * enhancement.urine_hu
    return PelvicOrgans(bladder, float(rng.uniform(1.5, 5.0)), urine_hu, genital, (beside[0], beside[1]))


def paint_pelvic_organs(canvas: Canvas, body: Body, organs: PelvicOrgans, enhancement: Enhancement) -> None:
    """Paint the inner wall's muscle, bladder, prostate or uterus."""
    if canvas.plane.z_mm < 420.0:
        return
    muscle = enhanced(MUSCLE, enhancement.muscle_hu)
    for side in (-1.0, 1.0):
        inner = Tubes.along(
            [(side * 62.0, 4.0, 515.0), (side * 56.0, 4.0, 548.0), (side * 50.0, 8.0, 585.0)], (6, 11, 9)
        )
        pear = Tubes.along(
            [(side * 30.0, 66.0, 490.0), (side * 66.0, 62.0, 505.0), (side * 110.0, 34.0, 525.0)], (7, 11, 6)
        )
        sling = Tubes.along(
            [(side * 46.0, 0.0, 550.0), (side * 30.0, 34.0, 580.0), (side * 12.0, 60.0, 592.0)], (2.5, 3, 3.5)
        )
        for tube in (inner, pear, sling):
            canvas.draw(tube, VISCERAL_FAT, grow_mm=1.2, within=body.muscle)
            canvas.draw(tube, muscle, within=body.muscle)
    genital = UTERUS if organs.genital.centre_mm[2] < 540.0 else PROSTATE
    for part in (*organs.beside, organs.genital):
        canvas.draw(part, VISCERAL_FAT, grow_mm=2.0, within=body.muscle)
        canvas.draw(part, enhanced(genital, enhancement.wall_hu), within=body.muscle)
    _paint_bladder(canvas, body, organs, enhancement)


def paint_leg_vessels(canvas: Canvas, body: Body, build: Build, enhancement: Enhancement, seed: int) -> None:
    """Paint iliac and femoral arteries and veins of both sides."""
    if canvas.plane.z_mm < 395.0:
        return
    for side in (-1.0, 1.0):
        for points, radii in ((_VEIN, (8.0, 6.5, 6.0, 6.0, 6.0, 5.5)), (_INNER, (4.0, 3.5, 3.0, 2.0))):
            tube = Tubes.along([(side * x, y, z) for x, y, z in points], radii)
            canvas.draw(tube, VISCERAL_FAT, grow_mm=1.5, within=body.muscle)
            canvas.draw(tube, blood(enhancement.vein_hu), within=body.muscle)
        artery = Tubes.along([(side * x, y, z) for x, y, z in _ARTERY], (6.0, 5.5, 5.0, 4.8, 4.6, 4.2))
        paint_artery(canvas, body, artery, build, enhancement, seed)


def _paint_bladder(canvas: Canvas, body: Body, organs: PelvicOrgans, enhancement: Enhancement) -> None:
    """Paint wall and urine; the contrast agent lies at the back."""
    cut = organs.bladder.cut(canvas.plane)
    canvas.draw(organs.bladder, VISCERAL_FAT, grow_mm=2.5, within=body.cavity)
    canvas.draw(organs.bladder, enhanced(GUT_WALL, 0.5 * enhancement.wall_hu), within=body.muscle)
    if cut is None:
        return
    plane = canvas.plane
    urine = body.muscle[cut.where] * plane.cover(cut.distance_mm + np.float32(organs.bladder_wall_mm))
    canvas.paint(urine, URINE, cut.where)
    if organs.urine_hu > 1.0:
        layer = np.clip((cut.below_axis_mm + np.float32(6.0)) / np.float32(9.0), 0.0, 1.0)
        canvas.hu[cut.where] += urine * layer * np.float32(organs.urine_hu)
