"""Bones and joints of hip, thigh, knee, lower leg and foot.

Coordinates as in :mod:`n2b_ct.phantom.human.limbs`.
"""

from __future__ import annotations

import numpy as np

from n2b_ct.phantom.human.long_bones import CARTILAGE, JOINT_FLUID, MENISCUS, BoneQuality, paint_bone, paint_long_bone
from n2b_ct.phantom.human.muscles import FAT
from n2b_ct.phantom.human.section import Cut, Section
from n2b_ct.phantom.human.small_bones import paint_plate, paint_small_long_bone
from n2b_ct.phantom.human.solids import Blob, Rods, curved


def paint_thigh_bones(section: Section, quality: BoneQuality) -> None:
    """Paint the femur's upper two thirds with head, neck and trochanters, and the hip's socket."""
    head = Blob((-36.0, -6.0, 8.0), (23.5, 23.5, 23.5))
    socket = Blob((-38.0, -6.0, 4.0), (33.0, 33.0, 33.0))
    hip = section.cut(socket)
    if hip is not None:
        shell = Cut(hip.where, np.maximum(hip.distance_mm, np.float32(3.2) - _distance(section, head, hip) + 0.0))
        half = (section.x[hip.where] + np.float32(34.0)) * np.float32(0.8) + section.z[hip.where] - np.float32(6.0)
        wall = Cut(hip.where, np.maximum(shell.distance_mm, half))
        section.paint(section.cover(wall.distance_mm), quality.compact, hip.where)
        section.paint(section.cover(wall.distance_mm + np.float32(1.3)), quality.spongy, hip.where)
    section.draw(CARTILAGE, head, grow_mm=1.7)
    neck = Rods.along([(-36, -6, 8), (-14, -2, 28), (-2, 4, 40)], (17.0, 14.0, 16.0))
    trochanters = (Blob((9.0, 8.0, 26.0), (13.0, 18.0, 22.0)), Blob((-16.0, 14.0, 66.0), (9.0, 9.0, 14.0)))
    path = curved([(0, 2, 34), (0, 0, 80), (-1, -6, 200), (-5, -2, 330)], 10)
    outer = (16, 17, 15.5, 14.5, 14.2, 14.2, 14.4, 14.8, 15.5, 17)
    core = (14.5, 12, 8, 6.8, 6.4, 6.4, 6.8, 7.6, 9.5, 12)
    paint_long_bone(section, quality, path, outer, core, (head, neck, *trochanters), blend_mm=7.0)
    paint_plate(section, quality, (-36.0, -6.0, 8.0), 14.0, (0.7, 0.0, -0.7), head)


def paint_knee_bones(section: Section, quality: BoneQuality) -> None:
    """Paint femur's and tibia's ends, kneecap, fibula, cartilage, menisci, fluid and fat pad."""
    condyles = (
        Blob((25.0, 8.0, 92.0), (17.0, 29.0, 24.0)),
        Blob((-25.0, 9.0, 93.0), (16.0, 30.0, 24.0)),
        Blob((0.0, -2.0, 78.0), (32.0, 22.0, 22.0)),
    )
    femur = curved([(4, -4, -120), (2, -4, 0), (0, 0, 60), (0, 2, 84)], 8)
    tibia = curved([(0, 6, 134), (0, 4, 160), (2, 0, 220), (4, 2, 330)], 8)
    plateau = (
        Blob((20.0, 6.0, 134.0), (20.0, 24.0, 14.0)),
        Blob((-20.0, 6.0, 134.0), (20.0, 25.0, 14.0)),
        Blob((0.0, -14.0, 158.0), (13.0, 13.0, 22.0)),
    )
    section.draw(JOINT_FLUID, *condyles, grow_mm=3.0, blend_mm=4.0)
    section.draw(CARTILAGE, *condyles, grow_mm=2.0, blend_mm=6.0)
    section.draw(CARTILAGE, *plateau, grow_mm=1.6, blend_mm=4.0)
    ring = [(24 * np.cos(a), 6 + 19 * np.sin(a), 117.0) for a in np.linspace(0.0, 2.0 * np.pi, 15)]
    section.draw(MENISCUS, *(Rods.along([(s * 21 + 0.72 * x, y, z) for x, y, z in ring], 3.2) for s in (1.0, -1.0)))
    section.draw(
        MENISCUS, Rods.along([(3, 16, 104), (-2, -4, 122)], 3.2), Rods.along([(-4, -2, 106), (0, 22, 126)], 4.0)
    )
    section.draw(FAT, Blob((0.0, -32.0, 116.0), (20.0, 12.0, 18.0)))
    paint_long_bone(
        section,
        quality,
        femur,
        (14, 15, 17, 20, 24, 26, 26, 24),
        (7, 9, 13, 18, 22.8, 24.8, 24.8, 22.8),
        condyles,
        blend_mm=8.0,
    )
    paint_long_bone(
        section,
        quality,
        tibia,
        (26, 24, 20, 17, 14.5, 13, 12.5, 12.5),
        (24.8, 22.8, 17, 12, 8, 6, 5.6, 5.6),
        plateau,
        blend_mm=8.0,
        number=3,
    )
    fibula = curved([(28, 22, 146), (30, 22, 190), (28, 20, 330)], 6)
    paint_long_bone(section, quality, fibula, (10, 7.5, 6.5, 6.5, 6.5, 6.5), (8.8, 5, 3, 2.6, 2.6, 2.6), number=6)
    section.draw(CARTILAGE, Blob((0.0, -31.0, 88.0), (21.0, 7.0, 19.0)))
    paint_bone(section, quality, Blob((0.0, -37.0, 86.0), (22.0, 9.5, 22.0)), cortex_mm=1.5, number=9)
    paint_plate(section, quality, (0.0, 0.0, 76.0), 45.0, (0.0, 0.0, 1.0), *condyles)
    paint_plate(section, quality, (0.0, 4.0, 150.0), 40.0, (0.0, 0.0, 1.0), *plateau)


def paint_shin_bones(section: Section, quality: BoneQuality) -> None:
    """Paint the shafts of tibia and fibula."""
    tibia = curved([(-8, -10, -60), (-8, -14, 60), (-8, -12, 200), (-8, -6, 330)], 8)
    ridge = Rods.along([(-8, -26, -40), (-10, -27, 60), (-8, -22, 180), (-8, -14, 260)], (5.0, 4.5, 4.5, 3.0))
    paint_long_bone(
        section,
        quality,
        tibia,
        (17, 15, 13.5, 12.5, 11.5, 11, 12, 15),
        (13, 9, 7, 6, 5.6, 5.8, 7.5, 12),
        (ridge,),
        blend_mm=12.0,
    )
    fibula = curved([(26, 8, -60), (27, 10, 100), (24, 8, 330)], 6)
    paint_long_bone(section, quality, fibula, (7, 6.5, 6.2, 6.2, 6.5, 7), (4, 2.6, 2.2, 2.4, 2.8, 4), number=3)


def paint_foot_bones(section: Section, quality: BoneQuality) -> None:
    """Paint ankle, heel, instep and toes of a foot that points to the front."""
    tibia = curved([(-6, -2, -90), (-6, 0, 0), (-6, 0, 32)], 6)
    medial = Rods.along([(-20, 0, 24), (-24, 1, 48)], (8.0, 6.5))
    paint_long_bone(
        section, quality, tibia, (12, 12.5, 14, 18, 21, 22), (6.5, 7.5, 10, 15.5, 19.8, 20.8), (medial,), blend_mm=6.0
    )
    paint_long_bone(
        section,
        quality,
        np.array([(20, 8, -90), (20, 8, 0), (21, 9, 40), (22, 10, 60)]),
        (6.5, 7, 9, 7),
        (2.8, 3.5, 7, 6),
        number=3,
    )
    section.draw(CARTILAGE, Blob((-3.0, -2.0, 44.0), (17.0, 20.0, 9.0)))
    talus = (Blob((-3.0, 0.0, 52.0), (16.0, 21.0, 12.0)), Rods.along([(-5, -14, 56), (-8, -34, 60)], (12.0, 12.5)))
    heel = (Blob((3.0, 32.0, 78.0), (16.0, 24.0, 20.0)), Rods.along([(4, 20, 76), (12, -22, 80)], (15.0, 13.0)))
    mid = (
        Blob((-9.0, -48.0, 62.0), (15.0, 8.0, 14.0)),
        Blob((16.0, -42.0, 80.0), (12.0, 15.0, 11.0)),
        Blob((-18.0, -66.0, 70.0), (9.0, 12.0, 13.0)),
        Blob((-4.0, -64.0, 66.0), (7.0, 9.0, 11.0)),
        Blob((7.0, -62.0, 68.0), (7.0, 11.0, 11.0)),
    )
    for number, parts in enumerate(((talus), (heel), *((one,) for one in mid))):
        paint_bone(section, quality, *parts, cortex_mm=1.3, blend_mm=6.0, number=12 + number)
    for ray in range(5):
        x, spread = -18.0 + 9.0 * ray, -8.0 + 5.5 * ray
        thick = 6.5 if ray == 0 else 4.4
        start, knuckle = (
            (x, -78.0 + 5.0 * abs(ray - 1), 72.0 + 2.5 * ray),
            (x + spread, -134.0 + 6.0 * abs(ray - 1), 92.0),
        )
        paint_small_long_bone(section, quality, [start, knuckle], thick, 20 + 3 * ray)
        tips = [
            (knuckle[0], knuckle[1] - 3, 92),
            (knuckle[0] + 0.2 * spread, knuckle[1] - 28, 90),
            (knuckle[0] + 0.2 * spread, knuckle[1] - 44, 95),
        ]
        for part in range(2 if ray == 0 else 3):
            end = tips[min(part + 1, 2)] if part < 2 else (tips[2][0], tips[2][1] - 9, 95)
            paint_small_long_bone(
                section, quality, [tips[part], end], 0.75 * thick * (1.0 - 0.12 * part), 21 + 3 * ray + part
            )
    paint_plate(section, quality, (0.0, 0.0, 18.0), 26.0, (0.0, 0.0, 1.0), Rods.along(tibia[2:], 22.0))


def _distance(section: Section, solid: Blob, cut: Cut) -> np.ndarray:
    """Measure another solid's distance on a cut's window."""
    x, y, z = (values[cut.where] for values in (section.x, section.y, section.z))
    return solid.distance(0, x, y, z) * np.float32(section.pose.size)
