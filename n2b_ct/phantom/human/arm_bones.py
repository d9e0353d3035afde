"""Bones and joints of shoulder, upper arm, elbow, forearm and hand.

Coordinates as in :mod:`n2b_ct.phantom.human.limbs`.
"""

from __future__ import annotations

import numpy as np

from n2b_ct.phantom.human.long_bones import CARTILAGE, BoneQuality, paint_bone, paint_long_bone
from n2b_ct.phantom.human.section import Section
from n2b_ct.phantom.human.small_bones import paint_plate, paint_small_long_bone
from n2b_ct.phantom.human.solids import Blob, Rods, curved


def paint_upper_arm_bones(section: Section, quality: BoneQuality) -> None:
    """Paint the humerus from its head to above the elbow."""
    head = Blob((-8.0, 0.0, 14.0), (23.0, 23.0, 23.0))
    tubercle = Blob((9.0, -8.0, 18.0), (12.0, 15.0, 18.0))
    section.draw(CARTILAGE, head, grow_mm=1.5)
    socket = section.cut(
        Blob((-44.0, 4.0, 18.0), (14.0, 17.0, 21.0)), Rods.along([(-50, 8, 20), (-70, 30, 30)], (10.0, 5.0))
    )
    if socket is not None:
        paint_bone(
            section,
            quality,
            Blob((-44.0, 4.0, 18.0), (11.0, 16.0, 20.0)),
            Rods.along([(-50, 8, 20), (-70, 30, 40)], (10.0, 5.0)),
            blend_mm=3.0,
            number=3,
        )
    path = curved([(0, 0, 24), (0, 0, 90), (0, 0, 200), (0, 0, 300)], 8)
    paint_long_bone(
        section,
        quality,
        path,
        (19, 15, 12.5, 11.5, 11, 11, 11, 12),
        (17.8, 12, 7.5, 5.8, 5.2, 5, 4.8, 6),
        (head, tubercle),
        blend_mm=6.0,
    )
    paint_plate(section, quality, (0.0, 0.0, 32.0), 22.0, (0.2, 0.0, 1.0), head, tubercle)


def paint_elbow_bones(section: Section, quality: BoneQuality) -> None:
    """Paint elbow and the forearm's shafts."""
    humerus = curved([(0, 0, -120), (0, 2, 0), (0, 0, 40)], 6)
    ends = (
        Blob((-16.0, 0.0, 52.0), (12.0, 10.0, 12.0)),
        Blob((12.0, -2.0, 54.0), (12.0, 10.0, 11.0)),
        Blob((-28.0, 4.0, 40.0), (8.0, 7.0, 10.0)),
        Blob((24.0, 0.0, 40.0), (6.0, 6.0, 10.0)),
    )
    section.draw(CARTILAGE, *ends[:2], grow_mm=1.4)
    paint_long_bone(
        section, quality, humerus, (11, 11, 11, 11.5, 12.5, 13), (5, 5, 5.2, 7, 10, 11.6), ends, blend_mm=7.0
    )
    hook = (
        Rods.along([(-10, 16, 34), (-12, 16, 62), (-12, 10, 84)], (9.0, 10.0, 11.0)),
        Blob((-12.0, -8.0, 72.0), (8.0, 6.0, 8.0)),
    )
    ulna = curved([(-12, 10, 74), (-14, 10, 120), (-14, 12, 300)], 7)
    paint_long_bone(
        section,
        quality,
        ulna,
        (11, 9, 8, 7.5, 7.2, 6.8, 6.2),
        (9.8, 5.5, 3.6, 3, 2.8, 2.8, 2.8),
        hook,
        blend_mm=5.0,
        number=3,
    )
    radius = curved([(14, -2, 68), (10, 0, 96), (14, -4, 180), (14, 0, 300)], 7)
    paint_long_bone(section, quality, radius, (11, 7.5, 8, 7.8, 7.5, 7.8, 8.5), (9.8, 4, 3.4, 3, 3, 3.4, 4.8), number=6)


def paint_hand_bones(section: Section, quality: BoneQuality) -> None:
    """Paint wrist, palm and fingers."""
    radius = curved([(12, 0, -90), (12, 0, 0), (12, -1, 34)], 6)
    ulna = curved([(-14, 3, -90), (-14, 3, 0), (-16, 3, 32)], 6)
    paint_long_bone(section, quality, radius, (7.5, 8, 9, 12, 14, 14.5), (3.2, 4, 6, 10, 12.8, 13.3), number=0)
    paint_long_bone(section, quality, ulna, (6.2, 6, 6, 7, 8.5, 9), (2.8, 2.8, 3, 5, 7.2, 7.8), number=3)
    wrist = (
        Blob((14, -3, 54), (7.5, 6, 11), (0, 25, 0)),
        Blob((0, 0, 50), (7.5, 7, 7)),
        Blob((-13, 1, 52), (7, 6, 7)),
        Blob((-17, -8, 54), (5, 4.5, 5)),
        Blob((21, -5, 69), (7, 7, 6)),
        Blob((10, 0, 69), (6, 7, 6)),
        Blob((-1, 1, 66), (6.5, 8, 10)),
        Blob((-13, 0, 67), (8, 8, 8)),
    )
    for number, bone in enumerate(wrist):
        section.draw(CARTILAGE, bone, grow_mm=0.7)
        paint_bone(section, quality, bone, cortex_mm=1.0, number=10 + number)
    for ray in range(5):
        _paint_finger(section, quality, ray)
    paint_plate(section, quality, (12.0, 0.0, 24.0), 14.0, (0.0, 0.0, 1.0), Rods.along(radius[2:], 14.5))


def _paint_finger(section: Section, quality: BoneQuality, ray: int) -> None:
    """Paint one ray of the hand, the thumb being 0."""
    x, fan = 24.0 - 10.0 * ray, 14.0 - 7.0 * ray
    joints: list[tuple[float, float, float]]
    if ray == 0:
        joints = [(26, -8, 76), (40, -18, 112), (47, -22, 142), (50, -23, 166)]
    else:
        length = (60.0, 66.0, 60.0, 54.0)[ray - 1]
        joints = [
            (x + 2, 1, 78),
            (x + 0.5 * fan, 2, 78 + length),
            (x + 0.9 * fan, -4, 78 + 1.7 * length),
            (x + 1.1 * fan, -10, 78 + 2.1 * length),
            (x + 1.2 * fan, -14, 78 + 2.4 * length),
        ]
    for part in range(len(joints) - 1):
        start, end = np.asarray(joints[part], float), np.asarray(joints[part + 1], float)
        gap = 0.8 * (end - start) / np.linalg.norm(end - start)
        thick = (5.2, 5.0, 4.2, 3.4)[part] * (1.15 if ray == 0 else 1.0)
        paint_small_long_bone(section, quality, [start + gap, end - gap], thick, 30 + 4 * ray + part)
