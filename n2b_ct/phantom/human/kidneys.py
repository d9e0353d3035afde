"""Kidneys, adrenals, ureters and the muscles behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.human.build import Build
from n2b_ct.phantom.human.contrast_agent import Enhancement
from n2b_ct.phantom.human.tissues import (
    CALCIFICATION,
    FASCIA,
    MUSCLE,
    RENAL_CORTEX,
    RENAL_MEDULLA,
    URINE,
    VISCERAL_FAT,
    blood,
    enhanced,
)
from n2b_ct.phantom.human.wall import Body
from n2b_ct.phantom.random_fields import smooth_field
from n2b_ct.phantom.shapes import Canvas, Ellipsoid, Tubes


@dataclass(frozen=True)
class Kidney:
    """One kidney.

    Attributes:
        side: 1 for the left, -1 for the right one.
        body: Its outside.
        cysts: Simple cysts.
        stone_mm: Radius of a stone in the pelvis, 0 without.
    """

    side: float
    body: Ellipsoid
    cysts: tuple[Ellipsoid, ...]
    stone_mm: float


def draw_kidneys(rng: np.random.Generator, build: Build) -> tuple[Kidney, Kidney]:
    """Draw the right and the left kidney."""
    kidneys = []
    for side, z in ((-1.0, 308.0), (1.0, 296.0)):
        size = float(rng.uniform(0.85, 1.12)) * (1.15 if build.scale < 0.5 else 1.0)
        x, y = side * (58.0 + 5.0 * build.visceral_fat) + rng.normal(0.0, 2.0), 30.0 + rng.normal(0.0, 3.0)
        body = Ellipsoid(
            (float(x), float(y), z), (26.0 * size, 24.0 * size, 55.0 * size), float(side * rng.uniform(20, 50))
        )
        cysts = []
        for _ in range(max(0, int(rng.integers(-4, 4)))):
            angle, radius = rng.uniform(0.0, 2.0 * np.pi), float(np.exp(rng.uniform(0.7, 2.9)))
            centre = (
                float(x + 22.0 * np.cos(angle)),
                float(y + 20.0 * np.sin(angle)),
                float(z + rng.uniform(-40.0, 40.0)),
            )
            cysts.append(Ellipsoid(centre, (radius, radius, radius)))
        kidneys.append(Kidney(side, body, tuple(cysts), float(rng.uniform(1.0, 4.0)) if rng.random() < 0.15 else 0.0))
    return kidneys[0], kidneys[1]


def paint_back(
    canvas: Canvas, body: Body, kidneys: tuple[Kidney, Kidney], build: Build, enhancement: Enhancement, seed: int
) -> None:
    """Paint muscles beside the spine, then kidneys with their fat, adrenals and ureters."""
    muscle = enhanced(MUSCLE, enhancement.muscle_hu)
    for side in (-1.0, 1.0):
        for points, radii in _muscles(side, build):
            tube = Tubes.along(points, radii)
            canvas.draw(tube, VISCERAL_FAT, grow_mm=1.2, within=body.muscle)
            canvas.draw(tube, muscle, within=body.muscle)
    for kidney in kidneys:
        _paint_kidney(canvas, body, kidney, build, enhancement, seed)
        _paint_vessels(canvas, body, kidney, enhancement)
        _paint_adrenal(canvas, body, kidney.side, enhancement)


def _muscles(side: float, build: Build) -> list[tuple[list[tuple[float, float, float]], list[float]]]:
    """Return psoas and iliacus, square lumbar muscle and the crura of the diaphragm."""
    strong = 0.6 + 0.4 * build.muscle
    psoas = [(26, 44, 268), (34, 42, 320), (44, 38, 380), (58, 24, 430), (72, -8, 490), (82, -26, 530), (100, 6, 580)]
    lumbar = [(52, 58, 275), (64, 60, 330), (72, 58, 392)]
    crus = [(14, 34, 232), (12, 26, 270), (13, 22, 310), (12, 20, 345)]
    iliacus = [(94, 20, 400), (98, 4, 445), (92, -14, 490), (86, -26, 525)]
    return [
        (
            [(side * x, y, z) for x, y, z in psoas],
            [3.0, 12 * strong, 18 * strong, 20 * strong, 18 * strong, 15 * strong, 9],
        ),
        ([(side * x, y, z) for x, y, z in lumbar], [8 * strong, 13 * strong, 12 * strong]),
        ([(side * x, y, z) for x, y, z in crus], [3.0, 5.0, 4.5, 2.0]),
        ([(side * x, y, z) for x, y, z in iliacus], [5 * strong, 11 * strong, 13 * strong, 10.0]),
    ]


def _paint_kidney(
    canvas: Canvas, body: Body, kidney: Kidney, build: Build, enhancement: Enhancement, seed: int
) -> None:
    """Paint fat and fascia, cortex, pyramids of medulla, sinus with urine, cysts and stone."""
    plane, cut = canvas.plane, kidney.body.cut(canvas.plane)
    fat_mm = 3.0 + 14.0 * build.visceral_fat
    (rx, ry, rz), tilt_deg = kidney.body.radii_mm, kidney.body.tilt_deg
    capsule = Ellipsoid(kidney.body.centre_mm, (rx + fat_mm, ry + fat_mm, rz + 1.5 * fat_mm), tilt_deg)
    canvas.draw(capsule, FASCIA, grow_mm=0.7, within=body.cavity)
    canvas.draw(capsule, VISCERAL_FAT, within=body.cavity)
    if cut is None:
        return
    x, y, z = kidney.body.centre_mm
    sinus = Ellipsoid((x - kidney.side * 13.0, y - 6.0, z), (16.0, 8.5, 27.0), kidney.side * 35.0)
    rows, columns = plane.row_mm[cut.where[0]], plane.column_mm[cut.where[1]]
    lobes = smooth_field((seed, 34), plane.z_mm, rows, columns, 7.0)
    distance = cut.distance_mm + np.float32(0.9) * lobes
    within = body.muscle[cut.where]
    canvas.paint(within * plane.cover(distance), enhanced(RENAL_CORTEX, enhancement.cortex_hu), cut.where)
    columns_of_cortex = np.clip(np.float32(3.0) * (lobes + np.float32(0.45)), 0.0, 1.0)
    pyramids = within * plane.cover((distance + np.float32(6.0)) / np.float32(1.5)) * columns_of_cortex
    canvas.paint(pyramids, enhanced(RENAL_MEDULLA, enhancement.medulla_hu), cut.where)
    canvas.draw(sinus, VISCERAL_FAT, within=body.muscle)
    urine = enhanced(URINE, enhancement.urine_hu)
    canvas.draw(Ellipsoid(sinus.centre_mm, (9.0, 3.2, 14.0), kidney.side * 35.0), urine, within=body.muscle)
    for cyst in kidney.cysts:
        canvas.draw(cyst, URINE, within=body.cavity)
    if kidney.stone_mm > 0.0:
        canvas.draw(Ellipsoid(sinus.centre_mm, (kidney.stone_mm,) * 3), CALCIFICATION)


def _paint_vessels(canvas: Canvas, body: Body, kidney: Kidney, enhancement: Enhancement) -> None:
    """Paint the renal artery and vein, and the ureter."""
    x, y, z = kidney.body.centre_mm
    hilum = (x - kidney.side * 14.0, y - 8.0, z)
    canvas.draw(Tubes.along([(-18.0, 14.0, z), hilum], (5.5, 4.5)), blood(enhancement.vein_hu), within=body.cavity)
    canvas.draw(
        Tubes.along([(4.0, 14.0, z - 4.0), hilum], (3.2, 2.6)), blood(enhancement.artery_hu), within=body.cavity
    )
    ureter = [
        hilum,
        (kidney.side * 38.0, 18.0, z + 50.0),
        (kidney.side * 40.0, 14.0, 420.0),
        (kidney.side * 46.0, 10.0, 490.0),
        (kidney.side * 26.0, 4.0, 545.0),
    ]
    tube = Tubes.along(ureter, (3.5, 2.2, 2.2, 2.4, 2.0))
    canvas.draw(tube, MUSCLE, within=body.cavity)
    canvas.draw(tube, enhanced(URINE, enhancement.urine_hu), grow_mm=-1.0, within=body.cavity)


def _paint_adrenal(canvas: Canvas, body: Body, side: float, enhancement: Enhancement) -> None:
    """Paint a thin inverted Y above the kidney."""
    x, y = side * 40.0, 20.0
    stem = [(x - side * 4.0, y - 8.0, 250.0), (x, y, 258.0)]
    for foot in ((x - side * 5.0, y + 15.0, 262.0), (x + side * 7.0, y + 13.0, 262.0)):
        limb = Tubes.along([*stem, foot], 2.3)
        canvas.draw(limb, enhanced(MUSCLE, enhancement.wall_hu), within=body.cavity)
