"""The stretches of arms and legs: flesh, vessels, tendons and bones of each.

Coordinates are a left limb's own: x towards the patient's left (away from the body), y towards the back, z along it,
0 at the stretch's upper end, millimetres of an average adult.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.human.long_bones import (
    CARTILAGE,
    JOINT_FLUID,
    MENISCUS,
    BoneQuality,
    paint_bone,
    paint_growth_plate,
    paint_long_bone,
)
from n2b_ct.phantom.human.muscles import FAT
from n2b_ct.phantom.human.section import Cut, Section
from n2b_ct.phantom.human.solids import Blob, Rods, Solid, curved

Path = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Stretch:
    """One stretch of a limb.

    Attributes:
        length_mm: From its upper to its lower end.
        back_mm: From its axis to its back.
        flesh: What the muscles' outline is drawn around.
        vessels: Paths of arteries with their radii; a vein runs beside each.
        tendons: Tendons and ligaments.
        paint_bones: Paints its bones and joints.
        muscle_until_mm: Where muscles thin out along it: from, to; beyond it there is fat and tendon.
        n_muscles: Number of compartments.
        paired: How often both limbs are on the picture.
        fatness: Thickness of its fat beside a thigh's.
        blend_mm: Fillet of its flesh.
        sheath_mm: How deep below the flesh' outline muscles begin.
    """

    length_mm: float
    back_mm: float
    flesh: tuple[Solid, ...]
    vessels: tuple[tuple[Path, float], ...]
    tendons: tuple[Solid, ...]
    paint_bones: Callable[[Section, BoneQuality], None]
    muscle_until_mm: tuple[float, float]
    n_muscles: int
    paired: float = 0.5
    fatness: float = 1.0
    blend_mm: float = 10.0
    sheath_mm: float = 1.0

    def muscle_share(self, z_mm: np.ndarray) -> np.ndarray:
        """Say how much muscle there is at heights, 0 to 1."""
        start, stop = self.muscle_until_mm
        share = np.clip((np.float32(stop) - z_mm) / np.float32(stop - start), 0.0, 1.0)
        return np.asarray(share, np.float32)


def _thigh_bones(section: Section, quality: BoneQuality) -> None:
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
    _plate(section, quality, (-36.0, -6.0, 8.0), 14.0, (0.7, 0.0, -0.7), head)


def _knee_bones(section: Section, quality: BoneQuality) -> None:
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
    _plate(section, quality, (0.0, 0.0, 76.0), 45.0, (0.0, 0.0, 1.0), *condyles)
    _plate(section, quality, (0.0, 4.0, 150.0), 40.0, (0.0, 0.0, 1.0), *plateau)


def _shin_bones(section: Section, quality: BoneQuality) -> None:
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


def _foot_bones(section: Section, quality: BoneQuality) -> None:
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
        _small_long_bone(section, quality, [start, knuckle], thick, 20 + 3 * ray)
        tips = [
            (knuckle[0], knuckle[1] - 3, 92),
            (knuckle[0] + 0.2 * spread, knuckle[1] - 28, 90),
            (knuckle[0] + 0.2 * spread, knuckle[1] - 44, 95),
        ]
        for part in range(2 if ray == 0 else 3):
            end = tips[min(part + 1, 2)] if part < 2 else (tips[2][0], tips[2][1] - 9, 95)
            _small_long_bone(
                section, quality, [tips[part], end], 0.75 * thick * (1.0 - 0.12 * part), 21 + 3 * ray + part
            )
    _plate(section, quality, (0.0, 0.0, 18.0), 26.0, (0.0, 0.0, 1.0), Rods.along(tibia[2:], 22.0))


def _upper_arm_bones(section: Section, quality: BoneQuality) -> None:
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
    _plate(section, quality, (0.0, 0.0, 32.0), 22.0, (0.2, 0.0, 1.0), head, tubercle)


def _elbow_bones(section: Section, quality: BoneQuality) -> None:
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


def _hand_bones(section: Section, quality: BoneQuality) -> None:
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
    _plate(section, quality, (12.0, 0.0, 24.0), 14.0, (0.0, 0.0, 1.0), Rods.along(radius[2:], 14.5))


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
        _small_long_bone(section, quality, [start + gap, end - gap], thick, 30 + 4 * ray + part)


def _small_long_bone(
    section: Section, quality: BoneQuality, ends: Sequence[Sequence[float] | np.ndarray], thick_mm: float, number: int
) -> None:
    """Paint a bone of palm, instep, finger or toe: waisted, its ends spongy."""
    start, end = np.asarray(ends[0], float), np.asarray(ends[1], float)
    middle = 0.5 * (start + end)
    outline = Rods.along(
        np.stack([start, 0.6 * middle + 0.4 * start, 0.6 * middle + 0.4 * end, end]),
        (thick_mm, 0.72 * thick_mm, 0.72 * thick_mm, 1.05 * thick_mm),
    )
    cut = paint_bone(section, quality, outline, cortex_mm=0.9, number=number)
    if cut is not None:
        canal = Rods.along(0.5 * np.stack([middle + start, middle + end]), 0.34 * thick_mm)
        shell = Rods.along(np.stack([0.6 * middle + 0.4 * start, 0.6 * middle + 0.4 * end]), 0.6 * thick_mm)
        section.draw(quality.compact, shell)
        section.draw(FAT, canal)


def _plate(
    section: Section,
    quality: BoneQuality,
    centre: Sequence[float],
    reach_mm: float,
    normal: Sequence[float],
    *bone: Solid,
) -> None:
    """Cross a growing bone's end with its plate."""
    if not quality.is_growing:
        return
    cut = section.cut(*bone, blend_mm=5.0)
    if cut is None or section.near((centre[0], centre[1], centre[2]), reach_mm) is None:
        return
    along = np.zeros_like(cut.distance_mm)
    axis = np.asarray(normal, float) / np.linalg.norm(normal)
    for values, middle, share in zip((section.x, section.y, section.z), centre, axis, strict=True):
        along += np.float32(share) * (values[cut.where] - np.float32(middle))
    paint_growth_plate(section, cut, along * np.float32(section.pose.size), 2.0)


def _distance(section: Section, solid: Blob, cut: Cut) -> np.ndarray:
    """Measure another solid's distance on a cut's window."""
    x, y, z = (values[cut.where] for values in (section.x, section.y, section.z))
    return solid.distance(0, x, y, z) * np.float32(section.pose.size)


THIGH = Stretch(
    length_mm=300.0,
    back_mm=80.0,
    flesh=(
        Rods.along([(-6, 4, -80), (-8, 4, 60), (-6, 4, 180), (-4, 6, 320)], (90.0, 84.0, 72.0, 56.0)),
        Blob((-20.0, 50.0, -10.0), (70.0, 60.0, 70.0)),
    ),
    vessels=(
        ([(-30, -46, -20), (-34, -28, 100), (-30, 0, 220), (-18, 26, 330)], 4.2),
        ([(-20, -40, 10), (-14, -12, 120), (-10, 18, 240)], 2.4),
        ([(-20, -30, 60), (-40, -40, 200)], 1.2),
    ),
    tendons=(
        Rods.along([(-8, 42, 0), (-8, 34, 120), (-10, 34, 300)], 3.4),
        Rods.along([(-34, 50, 120), (-40, 44, 330)], 2.6),
    ),
    paint_bones=_thigh_bones,
    muscle_until_mm=(900.0, 1000.0),
    n_muscles=20,
)

KNEE = Stretch(
    length_mm=220.0,
    back_mm=58.0,
    flesh=(
        Rods.along([(0, 6, -60), (0, 4, 40), (0, 2, 100), (0, 6, 160), (0, 14, 260)], (58.0, 52.0, 48.0, 45.0, 52.0)),
        Blob((0.0, -34.0, 90.0), (28.0, 17.0, 36.0)),
    ),
    vessels=(
        ([(-6, 34, -40), (0, 36, 60), (2, 34, 130), (4, 26, 260)], 3.2),
        ([(10, 40, 20), (8, 42, 120), (0, 40, 260)], 1.2),
    ),
    tendons=(
        Rods.along([(0, -40, 106), (0, -34, 150)], (5.0, 4.0)),
        Rods.along([(0, -34, 0), (0, -38, 66)], (6.0, 5.0)),
        Rods.along([(-34, 30, 20), (-34, 28, 90), (-26, 6, 180)], 3.0),
        Rods.along([(36, 22, 20), (34, 20, 120)], 4.0),
        Rods.along([(-40, 4, 80), (-36, 0, 160)], 2.2),
    ),
    paint_bones=_knee_bones,
    muscle_until_mm=(900.0, 1000.0),
    n_muscles=16,
    fatness=0.8,
)

SHIN = Stretch(
    length_mm=260.0,
    back_mm=52.0,
    flesh=(
        Rods.along(
            [(2, 14, -60), (2, 16, 40), (2, 14, 120), (0, 10, 220), (0, 6, 320)], (52.0, 54.0, 48.0, 36.0, 30.0)
        ),
    ),
    vessels=(
        ([(0, 14, -20), (-2, 18, 150), (-12, 20, 320)], 1.8),
        ([(8, 0, -10), (4, -10, 300)], 1.5),
        ([(16, 14, 30), (16, 14, 300)], 1.3),
    ),
    tendons=(
        Rods.along([(0, 44, 160), (0, 36, 240), (0, 32, 330)], (2.0, 5.5, 5.5)),
        Rods.along([(-10, 40, 80), (-24, 30, 200)], 1.2),
    ),
    paint_bones=_shin_bones,
    muscle_until_mm=(220.0, 340.0),
    n_muscles=14,
    fatness=0.7,
)

FOOT = Stretch(
    length_mm=118.0,
    back_mm=56.0,
    flesh=(
        Rods.along([(0, 6, -110), (0, 6, 10), (0, 4, 60)], (36.0, 31.0, 32.0)),
        Rods.along([(2, 34, 76), (2, 0, 84), (2, -60, 84), (2, -110, 94)], (27.0, 27.0, 25.0, 18.0)),
        Rods.along([(-4, -8, 56), (-12, -56, 68), (-8, -100, 84)], (25.0, 24.0, 17.0)),
        Rods.along([(-16, -50, 84), (-22, -120, 94), (-26, -166, 94)], (20.0, 16.0, 10.0)),
        Rods.along([(18, -30, 88), (24, -106, 96), (26, -136, 96)], (18.0, 13.0, 7.0)),
        Rods.along([(4, -118, 94), (6, -160, 94)], (13.0, 7.0)),
        Rods.along([(-8, -120, 94), (-10, -166, 94)], (12.0, 7.0)),
        Rods.along([(16, -116, 94), (17, -150, 94)], (11.0, 7.0)),
        Rods.along([(0, 36, -80), (0, 36, 40), (2, 44, 80)], (12.0, 11.0, 20.0)),
    ),
    vessels=(([(-14, 18, -80), (-16, 22, 40), (-8, 0, 100)], 1.3), ([(4, -20, -60), (2, -26, 40), (-4, -80, 58)], 1.1)),
    tendons=(
        Rods.along([(0, 38, -90), (0, 38, 40), (2, 50, 70)], (4.5, 4.5, 6.0)),
        Rods.along([(-14, -20, -60), (-16, -26, 40), (-20, -60, 58)], 3.0),
        Rods.along([(0, -24, -60), (0, -28, 40), (-10, -110, 80)], 2.4),
        Rods.along([(12, -22, -60), (12, -26, 40), (14, -100, 82)], 2.4),
        Rods.along([(26, 14, -60), (27, 16, 50), (26, -20, 90)], 2.6),
        Rods.along([(-18, 14, -60), (-24, 14, 50), (-18, -40, 76)], 2.8),
        Rods.along([(0, 30, 100), (-4, -40, 102), (-6, -120, 104)], 2.6),
    ),
    paint_bones=_foot_bones,
    muscle_until_mm=(-60.0, 110.0),
    n_muscles=13,
    paired=0.5,
    fatness=0.4,
    blend_mm=8.0,
)

UPPER_ARM = Stretch(
    length_mm=240.0,
    back_mm=50.0,
    flesh=(
        Rods.along([(-6, 2, -30), (-2, 2, 40), (0, 4, 120), (0, 4, 300)], (52.0, 50.0, 42.0, 40.0)),
        Rods.along([(-30, 6, 0), (-60, 16, 10)], (46.0, 50.0)),
    ),
    vessels=(([(-36, -12, 30), (-26, -4, 120), (-22, -10, 300)], 2.6), ([(20, -30, 40), (22, -30, 300)], 1.4)),
    tendons=(Rods.along([(10, -18, 10), (8, -20, 80)], 2.4),),
    paint_bones=_upper_arm_bones,
    muscle_until_mm=(900.0, 1000.0),
    n_muscles=13,
    paired=0.15,
)

ELBOW = Stretch(
    length_mm=240.0,
    back_mm=44.0,
    flesh=(
        Rods.along([(0, 4, -80), (0, 4, 20), (0, 2, 60), (0, 0, 110), (0, 2, 300)], (40.0, 38.0, 36.0, 40.0, 28.0)),
        Blob((0.0, 0.0, 70.0), (44.0, 30.0, 50.0)),
    ),
    vessels=(
        ([(-12, -18, -40), (-4, -20, 60), (10, -14, 140), (16, -12, 300)], 1.7),
        ([(-8, -16, 70), (-14, -8, 300)], 1.6),
        ([(-26, -28, -20), (-26, -26, 280)], 1.5),
    ),
    tendons=(Rods.along([(2, -20, 30), (6, -10, 88)], 3.4), Rods.along([(-6, 28, -20), (-10, 24, 40)], 4.0)),
    paint_bones=_elbow_bones,
    muscle_until_mm=(220.0, 400.0),
    n_muscles=15,
    paired=0.25,
    fatness=0.6,
)

HAND = Stretch(
    length_mm=236.0,
    back_mm=26.0,
    flesh=(
        Rods.along([(0, 1, -90), (0, 1, 20), (0, 0, 60)], (27.0, 25.0, 23.0)),
        Rods.along([(14, 1, -90), (15, 0, 50), (20, -4, 100), (22, -1, 136)], (17.0, 15.0, 15.0, 11.5)),
        Rods.along([(-16, 1, -90), (-17, 0, 60), (-16, -3, 130)], (16.0, 15.0, 12.5)),
        Rods.along([(6, 0, 70), (6, -1, 142)], (16.0, 12.5)),
        Rods.along([(-6, 0, 70), (-6, -1, 138)], (16.0, 12.5)),
        Rods.along([(22, -8, 70), (40, -18, 112), (47, -22, 142), (51, -23, 172)], (14.0, 13.5, 10.0, 8.0)),
        *(
            Rods.along(
                [
                    (24 - 10 * r + 0.5 * f, 0, 78 + n),
                    (24 - 10 * r + 0.9 * f, -5, 78 + 1.7 * n),
                    (24 - 10 * r + 1.2 * f, -15, 80 + 2.4 * n),
                ],
                (9.5, 8.6, 6.8),
            )
            for r, f, n in ((1, 7.0, 60.0), (2, 0.0, 66.0), (3, -7.0, 60.0), (4, -14.0, 54.0))
        ),
    ),
    vessels=(
        ([(18, -10, -80), (20, -9, 50), (14, -10, 110)], 1.1),
        ([(-16, -10, -80), (-16, -10, 70), (-8, -12, 120)], 1.0),
    ),
    tendons=tuple(
        Rods.along([(x, y, -70), (0.8 * x, y, 30), (2.2 * x, y + 0.2 * abs(x), 130)], 1.5)
        for x, y in (
            (-8, -12),
            (-3, -13),
            (3, -13),
            (8, -12),
            (-5, -9),
            (1, -9),
            (6, -9),
            (-8, 12),
            (-3, 13),
            (3, 13),
            (8, 12),
        )
    ),
    paint_bones=_hand_bones,
    muscle_until_mm=(-70.0, 170.0),
    n_muscles=12,
    paired=0.35,
    fatness=0.25,
    blend_mm=3.0,
    sheath_mm=1.5,
)

STRETCHES = {
    "thigh": THIGH,
    "knee": KNEE,
    "lower leg": SHIN,
    "foot": FOOT,
    "upper arm": UPPER_ARM,
    "forearm": ELBOW,
    "hand": HAND,
}
"""The stretches by name."""
