"""Liver, stomach, spleen, kidneys, bowel, bladder and the vessels between them.

Coordinates as in :mod:`n2b_ct.phantom.body`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.body import CAVITY, FAT, MUSCLE, Body
from n2b_ct.phantom.random_fields import smooth_field
from n2b_ct.phantom.shapes import Canvas, Ellipsoid, Plane, Tissue, Tubes
from n2b_ct.phantom.thorax import AORTA, BLOOD, CAVAL_VEIN, dome_mm
from n2b_ct.phantom.vessels import grow_tree

LIVER = Tissue(62.0, 5.0, 3.5)
LIVER_VESSEL = Tissue(41.0, 3.0, 1.0)
BILE = Tissue(10.0, 2.0)
SPLEEN = Tissue(50.0, 4.0, 3.0)
PANCREAS = Tissue(36.0, 14.0, 12.0)
RENAL_CORTEX = Tissue(41.0, 4.0, 3.0)
RENAL_MEDULLA = Tissue(31.0, 4.0, 3.0)
GUT_WALL = Tissue(46.0, 5.0, 3.0)
GUT_CONTENT = Tissue(22.0, 9.0, 4.0)
STOMACH_CONTENT = Tissue(34.0, 24.0, 14.0)
FAECES = Tissue(38.0, 42.0, 22.0)
FAECAL_GAS = Tissue(-620.0, 90.0)
GAS = Tissue(-990.0)
URINE = Tissue(6.0, 2.0)

STOMACH = Ellipsoid((30.0, -8.0, 404.0), (32.0, 37.0, 27.0), 20.0)
GALLBLADDER = Ellipsoid((-24.0, -36.0, 410.0), (10.0, 12.0, 15.0), -15.0)
SPLEEN_BODY = Tubes.along([(58, -26, 398), (63, -4, 412), (60, 22, 428), (50, 38, 446)], (6.0, 8.5, 9.0, 5.0))
PANCREAS_BODY = Tubes.along([(-28, 6, 424), (-8, 12, 430), (14, 16, 432), (36, 20, 430)], (6.0, 6.5, 5.5, 4.5))
KIDNEYS = (
    Ellipsoid((-37.0, 31.0, 446.0), (17.0, 13.5, 30.0), -25.0),
    Ellipsoid((37.0, 32.0, 456.0), (17.0, 13.5, 30.0), 25.0),
)
RENAL_SINUSES = (
    Ellipsoid((-30.0, 29.0, 446.0), (8.0, 4.5, 14.0), -25.0),
    Ellipsoid((30.0, 30.0, 456.0), (8.0, 4.5, 14.0), 25.0),
)
BLADDER = Ellipsoid((0.0, -20.0, 504.0), (20.0, 15.0, 20.0))
RECTUM = Tubes.along([(12, 20, 478), (2, 28, 500), (0, 36, 525), (0, 42, 560)], (8.0, 8.0, 8.5, 6.0))
ILIAC_VESSELS = tuple(
    Tubes.along(
        [(side * 3 + 2, 37, 482), (side * 16, 28, 500), (side * 34, 0, 502), (side * 54, -22, 478)],
        (4.5, 4.2, 4.0, 3.4),
    )
    for side in (-1, 1)
)
PSOAS = tuple(
    Tubes.along([(side * 16, 52, 415), (side * 21, 48, 450), (side * 24, 42, 490)], (5.0, 10.0, 11.0))
    for side in (-1, 1)
)


@dataclass(frozen=True, slots=True)
class Viscera:
    """One animal's own bowel loops and trees."""

    liver_vessels: Tubes
    mesentery: Tubes
    small_bowel: tuple[Tubes, ...]
    colon: tuple[Tubes, ...]


def grow_viscera(rng: np.random.Generator) -> Viscera:
    """Lay the bowel and grow the vessels of liver and mesentery."""
    liver_points = rng.uniform((-58.0, -52.0, 352.0), (34.0, 44.0, 428.0), (420, 3))
    mesentery_points = rng.uniform((-46.0, -46.0, 415.0), (46.0, 18.0, 492.0), (260, 3))
    return Viscera(
        liver_vessels=grow_tree(rng, np.array([-10.0, 10.0, 402.0]), liver_points, 0.6),
        mesentery=grow_tree(rng, np.array([-2.0, 24.0, 425.0]), mesentery_points, 0.5),
        small_bowel=tuple(_small_bowel(rng, k) for k in range(6)),
        colon=_colon(rng),
    )


def paint_abdomen(canvas: Canvas, body: Body, viscera: Viscera, seed: int) -> None:
    """Paint from the loosest to the firmest organ, so that the bowel fills what the others leave."""
    plane = canvas.plane
    if not 336.0 < plane.z_mm < 565.0:
        return
    hollow = body.cavity * plane.cover(body.cavity_distance_mm + np.float32(1.0)) * _behind_dome(plane)
    for vessel in (AORTA, CAVAL_VEIN, *ILIAC_VESSELS):
        canvas.draw(vessel, FAT, grow_mm=1.2, within=body.muscle)
    canvas.draw(viscera.mesentery, BLOOD, within=hollow)
    for loop in viscera.small_bowel:
        _paint_gut(canvas, loop, hollow, seed, wall_mm=1.5)
    for loop in viscera.colon:
        _paint_colon(canvas, loop, hollow, seed)
    canvas.draw(PANCREAS_BODY, PANCREAS, within=hollow)
    _paint_liver(canvas, hollow, viscera, seed)
    _paint_stomach(canvas, hollow)
    canvas.draw(SPLEEN_BODY, FAT, grow_mm=1.5, within=hollow)
    canvas.draw(SPLEEN_BODY, SPLEEN, within=hollow)
    _paint_back(canvas, body)
    _paint_pelvis(canvas, body, seed)


def _behind_dome(plane: Plane) -> np.ndarray:
    """Cover what lies behind the diaphragm."""
    return plane.cover(np.float32(0.7) * (dome_mm(plane.x_mm, plane.y_mm) + np.float32(3.6 - plane.z_mm)))


def _paint_liver(canvas: Canvas, hollow: np.ndarray, viscera: Viscera, seed: int) -> None:
    """Paint the liver between diaphragm and a lobed rear face, deeper on the right."""
    plane = canvas.plane
    lobes = smooth_field((seed, 7), plane.z_mm, plane.row_mm, plane.column_mm, 16.0)
    rear = 408.0 - 0.55 * plane.x_mm - 0.12 * plane.y_mm + 7.0 * lobes
    liver = hollow * plane.cover(np.float32(0.8) * (np.float32(plane.z_mm) - rear))
    canvas.paint(liver, LIVER)
    canvas.draw(viscera.liver_vessels, LIVER_VESSEL, within=liver)
    canvas.draw(CAVAL_VEIN, LIVER_VESSEL)
    canvas.draw(GALLBLADDER, GUT_WALL, grow_mm=1.0, within=hollow)
    canvas.draw(GALLBLADDER, BILE, within=hollow)


def _paint_stomach(canvas: Canvas, hollow: np.ndarray) -> None:
    """Paint wall, feed and the gas bubble, which rises to the belly."""
    canvas.draw(STOMACH, FAT, grow_mm=1.8, within=hollow)
    canvas.draw(STOMACH, GUT_WALL, within=hollow)
    canvas.draw(STOMACH, STOMACH_CONTENT, grow_mm=-3.2, within=hollow)
    cut = STOMACH.cut(canvas.plane)
    if cut is not None:
        lumen = canvas.plane.cover(cut.distance_mm + np.float32(3.4)) * hollow[cut.where]
        canvas.paint(lumen * canvas.plane.cover(cut.below_axis_mm + np.float32(15.0)), GAS, cut.where)


def _paint_gut(canvas: Canvas, loop: Tubes, hollow: np.ndarray, seed: int, *, wall_mm: float) -> None:
    """Paint a bowel loop with fluid and, here and there, gas above it."""
    cut = loop.cut(canvas.plane)
    if cut is None:
        return
    plane, within = canvas.plane, hollow[cut.where]
    canvas.paint(within * plane.cover(cut.distance_mm), GUT_WALL, cut.where)
    lumen = within * plane.cover(cut.distance_mm + np.float32(wall_mm))
    canvas.paint(lumen, GUT_CONTENT, cut.where)
    filling = smooth_field((seed, 8), plane.z_mm, plane.row_mm, plane.column_mm, 20.0)[cut.where]
    gas = plane.cover(cut.below_axis_mm + np.float32(6.5) - np.float32(6.0) * filling)
    canvas.paint(lumen * gas, GAS, cut.where)


def _paint_colon(canvas: Canvas, loop: Tubes, hollow: np.ndarray, seed: int) -> None:
    """Paint a colon turn: faeces with small bubbles."""
    cut = loop.cut(canvas.plane)
    if cut is None:
        return
    plane, within = canvas.plane, hollow[cut.where]
    canvas.paint(within * plane.cover(cut.distance_mm), GUT_WALL, cut.where)
    lumen = within * plane.cover(cut.distance_mm + np.float32(1.6))
    canvas.paint(lumen, FAECES, cut.where)
    bubbles = smooth_field((seed, 9), plane.z_mm, plane.row_mm, plane.column_mm, 3.2)[cut.where]
    canvas.paint(lumen * np.clip(2.5 * (bubbles - 1.3), 0.0, 1.0), FAECAL_GAS, cut.where)


def _paint_back(canvas: Canvas, body: Body) -> None:
    """Paint what lies behind the peritoneum: psoas, kidneys in their fat, great vessels."""
    for muscle in PSOAS:
        canvas.draw(muscle, MUSCLE, within=body.cavity)
    for kidney, sinus in zip(KIDNEYS, RENAL_SINUSES, strict=True):
        canvas.draw(kidney, FAT, grow_mm=4.5, within=body.cavity)
        canvas.draw(kidney, RENAL_CORTEX, within=body.muscle)
        canvas.draw(kidney, RENAL_MEDULLA, grow_mm=-5.0)
        canvas.draw(sinus, FAT)
    for vessel in (AORTA, CAVAL_VEIN, *ILIAC_VESSELS):
        canvas.draw(vessel, BLOOD)


def _paint_pelvis(canvas: Canvas, body: Body, seed: int) -> None:
    """Paint bladder and rectum."""
    canvas.draw(BLADDER, FAT, grow_mm=2.5, within=body.muscle)
    canvas.draw(BLADDER, GUT_WALL, grow_mm=1.5, within=body.muscle)
    canvas.draw(BLADDER, URINE)
    canvas.draw(RECTUM, FAT, grow_mm=3.0, within=body.muscle)
    _paint_colon(canvas, RECTUM, body.muscle, seed)


def _small_bowel(rng: np.random.Generator, number: int) -> Tubes:
    """Wind one stretch of small bowel through the abdomen."""
    t = np.linspace(0.0, 1.0, 70)
    phase = rng.uniform(0.0, 2.0 * np.pi, 3)
    turns = 3.0 + 0.9 * number + rng.uniform(-0.3, 0.3)
    z = 402.0 + 92.0 * t + 9.0 * np.sin(2 * np.pi * 4.3 * t + phase[2])
    half_width, half_height, centre_y = np.array([CAVITY.at(float(v)) for v in z]).T
    reach = 0.86 - 0.12 * number
    x = reach * half_width * np.sin(2 * np.pi * turns * t + phase[0])
    y = centre_y - 12.0 + reach * 0.72 * half_height * np.cos(2 * np.pi * (turns + 0.7) * t + phase[1])
    radii = 7.6 + 1.3 * np.sin(2 * np.pi * 11.0 * t + phase[2]) + rng.normal(0.0, 0.3, len(t))
    return Tubes.along(np.stack([x, np.minimum(y, 24.0), z], axis=1), radii)


def _colon(rng: np.random.Generator) -> tuple[Tubes, ...]:
    """Coil the spiral colon, a pig's own, in the left half, and lead it to the rectum."""
    t = np.linspace(0.0, 1.0, 60)
    angle = 2.0 * np.pi * 2.6 * t + rng.uniform(0.0, 2.0 * np.pi)
    radius = 30.0 - 15.0 * t
    x, y, z = 16.0 + radius * np.cos(angle), -24.0 + 0.85 * radius * np.sin(angle), 426.0 + 50.0 * t
    coil = Tubes.along(np.stack([x, y, z], axis=1), 10.5 + 0.9 * np.sin(40.0 * t))
    end = (float(x[-1]), float(y[-1]), float(z[-1]))
    lead = Tubes.along([end, (22.0, 0.0, 482.0), (14.0, 18.0, 476.0), (12.0, 20.0, 478.0)], 8.5)
    return coil, lead
