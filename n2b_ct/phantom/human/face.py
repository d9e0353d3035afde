"""The face: orbits, nose, sinuses, jaws, throat, muscles of mastication, salivary glands.

Coordinates as in :mod:`n2b_ct.phantom.human.brain`.
"""

from __future__ import annotations

import numpy as np

from n2b_ct.phantom.body import FAT, MUSCLE, SKIN
from n2b_ct.phantom.human.face_build import FaceBuild, FaceShape
from n2b_ct.phantom.human.long_bones import paint_bone
from n2b_ct.phantom.human.section import Section
from n2b_ct.phantom.human.skull import AIR, MUCOSA, SECRETION, SkullBuild, paint_cells
from n2b_ct.phantom.human.solids import Blob, Point, Rods, both
from n2b_ct.phantom.human.teeth import paint_teeth
from n2b_ct.phantom.shapes import Tissue

VITREOUS = Tissue(9.0, 1.5)
SCLERA = Tissue(62.0, 6.0)
LENS = Tissue(85.0, 4.0)
NERVE = Tissue(32.0, 3.0)
GLAND = Tissue(12.0, 12.0, 8.0)
TONGUE = Tissue(50.0, 8.0, 5.0)


def paint_face(section: Section, skull: SkullBuild, face: FaceBuild) -> None:
    """Paint the face from the loosest to the firmest, then its air."""
    make = FaceShape(face.size)
    _paint_soft(section, make)
    _paint_jaws(section, skull, face, make)
    _paint_nose(section, skull, face, make)
    for number, side in enumerate((-1.0, 1.0)):
        _paint_orbit(section, face, make, side)
        _paint_antrum(section, skull, face, make, side, number)
    _paint_midline_sinuses(section, skull)
    paint_teeth(section, face, make)


def _paint_soft(section: Section, make: FaceShape) -> None:
    """Paint muscles, glands, tongue and throat."""
    muscle = Tissue(56.0, 6.0, 6.0)
    chewing = (
        make.rods([(56, -34, 56), (54, -22, 84), (50, -20, 106)], (7, 9, 7)),
        make.blob((34, -20, 62), (9, 14, 18)),
        make.blob((26, -22, 74), (7, 12, 18), (0, 0, 20)),
    )
    section.draw(muscle, *both(*chewing), blend_mm=1.0)
    section.draw(
        GLAND, *both(make.blob((58, 0, 72), (11, 16, 22), (0, 0, 20)), make.blob((28, -36, 118), (10, 15, 12)))
    )
    section.draw(TONGUE, make.blob((0, -46, 98), (23, 32, 20)), make.rods([(0, -40, 106), (0, -62, 118)], (15, 10)))
    section.draw(FAT, make.rods([(0, -70, 100), (0, -38, 104)], 1.1), soft_mm=1.5)
    section.draw(
        muscle,
        Rods.along([(8, 2, 60), (9, 6, 90), (9, 8, 140)], 6.0),
        Rods.along([(-8, 2, 60), (-9, 6, 90), (-9, 8, 140)], 6.0),
    )
    section.draw(MUCOSA, make.rods([(0, -18, 50), (0, -14, 76), (0, -10, 120)], (15, 14, 15)))
    throat = section.cut(
        make.blob((0, -20, 60), (12, 7, 14)),
        make.rods([(0, -16, 72), (0, -13, 94), (0, -13, 128)], (6, 7, 8)),
        blend_mm=3.0,
    )
    if throat is not None:
        section.paint(
            section.cover(throat.distance_mm + np.float32(1.4) * section.field(120, 5.0, throat.where)),
            AIR,
            throat.where,
        )


def _paint_jaws(section: Section, skull: SkullBuild, face: FaceBuild, make: FaceShape) -> None:
    """Paint cheekbones, upper jaw with palate, and the lower jaw."""
    quality, drop = skull.quality, face.jaw_open_mm
    arch = make.rods([(40, -70, 48), (56, -52, 46), (65, -28, 44), (65, -6, 42)], (5, 4, 2.6, 4))
    rim = make.rods(
        [(18, -80, 14), (36, -78, 10), (47, -66, 20), (44, -68, 36), (34, -74, 44), (20, -78, 40)],
        (3, 3.4, 3.4, 3.4, 3.2, 2.6),
    )
    paint_bone(section, quality, *both(arch, rim), cortex_mm=1.1, blend_mm=2.0, number=1)
    palate = make.blob((0, -54, 80), (19, 27, 2.0))
    alveolar = _arch(make, 24.0, 44.0, -42.0, 84.0, (5.0, 5.5))
    paint_bone(
        section,
        quality,
        palate,
        alveolar,
        *both(make.rods([(14, -82, 42), (20, -80, 74)], (2.2, 4.5))),
        cortex_mm=0.9,
        blend_mm=2.5,
        number=2,
    )
    body = _arch(make, 27.0, 46.0, -38.0, 110.0 + drop, (7.0, 6.5))
    ramus = make.rods([(44, -38, 108 + drop), (49, -16, 92 + 0.4 * drop), (51, -8, 60), (52, -5, 46)], (7, 5.5, 4, 5))
    coronoid = make.rods([(47, -30, 90 + 0.6 * drop), (48, -34, 60)], (4, 2.2))
    alveolus = _arch(make, 24.0, 43.0, -40.0, 101.0 + drop, (4.5, 5.0))
    paint_bone(section, quality, body, alveolus, *both(ramus, coronoid), cortex_mm=1.9, blend_mm=3.0, number=3)


def _arch(make: FaceShape, half_width: float, length: float, back: float, z: float, radii: tuple[float, float]) -> Rods:
    """Bend a rod into a dental arch."""
    angle = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 17)
    points = np.stack([half_width * np.sin(angle), back - length * np.cos(angle), 0 * angle + z], axis=1)
    return make.rods(points.tolist(), np.interp(np.abs(angle), [0, 1.57], radii).tolist())


def _paint_orbit(section: Section, face: FaceBuild, make: FaceShape, side: float) -> None:
    """Paint the orbit's thin walls, its fat, eye, muscles and nerve."""
    apex = (side * 9.0, -24.0, 22.0)
    cone = (
        make.blob((side * 31, -70, 24), (18, 14, 17)),
        make.rods([(side * 29, -66, 24), (side * 18, -44, 22), apex], (17, 11, 4)),
    )
    cut = section.cut(*cone, blend_mm=4.0)
    if cut is None:
        return
    open_front = np.clip((section.y[cut.where] - make.point((0, -84, 0))[1]) / np.float32(3.0), 0.0, 1.0)
    wall = section.sheet(cut.distance_mm - np.float32(0.5), 0.9) * open_front
    section.paint(wall, Tissue(900.0, 60.0, 60.0), cut.where)
    section.paint(section.cover(cut.distance_mm), Tissue(-95.0, 8.0, 5.0), cut.where)
    eye = make.point((side * 31.0, -76.0, 24.0))
    nerve = [make.point(p) for p in ((side * 29, -66, 24), (side * 25, -52, 25), (side * 17, -38, 22), apex)]
    section.draw(NERVE, Rods.along(nerve, 2.1))
    for dx, dz in ((9.5, 0), (-9.5, 0), (0, 9), (0, -9)):
        belly = make.rods(
            [(side * 31 + dx, -72, 24 + dz), (side * 25 + 0.9 * dx, -50, 24 + 0.9 * dz), apex], (1.1, 2.2, 1.2)
        )
        section.draw(MUSCLE, belly)
    section.draw(Tissue(45.0, 5.0, 4.0), make.blob((side * 42, -74, 14), (3, 7, 6)))
    _paint_eye(section, face, eye)


def _paint_eye(section: Section, face: FaceBuild, eye: Point) -> None:
    """Paint the globe with the lens in the direction of gaze."""
    radius = 12.2 * (0.55 + 0.45 * face.size)
    globe = Blob(eye, (radius, radius, radius))
    section.draw(SCLERA, globe)
    section.draw(VITREOUS, globe, grow_mm=-1.1)
    turn = np.deg2rad(face.gaze_deg)
    forward = 0.66 * radius
    lens = (eye[0] + forward * np.sin(turn), eye[1] - forward * np.cos(turn), eye[2])
    section.draw(LENS, Blob(lens, (4.6, 2.1, 4.6), (0.0, 0.0, face.gaze_deg)), soft_mm=0.6)
    lid = Blob((eye[0], eye[1] + 0.5, eye[2]), (radius + 2.5, radius + 2.4, radius + 2.5))
    cut = section.cut(lid)
    if cut is not None:
        is_front = np.clip((eye[1] - 0.55 * radius - section.y[cut.where]) / np.float32(2.0), 0.0, 1.0)
        section.paint(section.sheet(cut.distance_mm + np.float32(1.0), 1.8) * is_front, SKIN, cut.where)


def _paint_antrum(
    section: Section, skull: SkullBuild, face: FaceBuild, make: FaceShape, side: float, number: int
) -> None:
    """Paint the sinus of the upper jaw: thin wall, lining, a level of secretion towards the back."""
    size = skull.sinus
    centre = make.point((side * 29.0, -58.0, 60.0))
    antrum = (
        Blob(centre, (14.5 * size, 18.0 * size, 17.0 * size), (0.0, 0.0, side * 20.0)),
        Blob((centre[0], centre[1] - 3.0, centre[2] + 9.0 * size), (11.0 * size, 13.0 * size, 9.0 * size)),
    )
    cut = section.cut(*antrum, blend_mm=4.0, margin_mm=1.5)
    if cut is None:
        return
    bumpy = cut.distance_mm + np.float32(1.5) * section.field(124, 8.0, cut.where)
    section.paint(section.cover(bumpy - np.float32(0.9)), skull.quality.compact, cut.where)
    section.paint(section.cover(bumpy), MUCOSA, cut.where)
    swollen = np.float32(face.mucosa_mm[number]) * np.clip(1.0 + section.field(125, 6.0, cut.where), 0.0, 2.5)
    lumen = section.cover(bumpy + np.float32(0.4) + swollen)
    section.paint(lumen, AIR, cut.where)
    level = np.float32(centre[1] + 18.0 * size - face.level_mm[number])
    if face.level_mm[number] > 0.5:
        section.paint(lumen * section.cover(level - section.y[cut.where]), SECRETION, cut.where)


def _paint_nose(section: Section, skull: SkullBuild, face: FaceBuild, make: FaceShape) -> None:
    """Paint the nasal cavity with septum and turbinates, and the ethmoid cells above it."""
    cavity = (make.blob((0, -64, 58), (15, 32, 22)), make.rods([(0, -100, 60), (0, -108, 66)], (8, 7)))
    cut = section.cut(*cavity, blend_mm=4.0)
    if cut is not None:
        x, y = section.x[cut.where], section.y[cut.where]
        bone = section.sheet(cut.distance_mm - np.float32(0.5), 1.2) * (y > make.point((0, -92, 0))[1])
        section.paint(bone, skull.quality.compact, cut.where)
        inside = section.cover(cut.distance_mm)
        section.paint(inside, MUCOSA, cut.where)
        middle = x - np.float32(face.septum_mm) * np.sin((y + 64.0) / 12.0)
        beside = np.abs(middle)
        scroll = section.field(126, 5.5, cut.where, (2.2, 1.0))
        lumen = np.minimum(np.abs(beside - 2.6) - 0.9, np.float32(face.turbinate_mm) - np.float32(4.5) * np.abs(scroll))
        lumen = np.maximum(lumen, np.float32(1.1) - beside)
        section.paint(inside * section.cover(np.maximum(lumen, cut.distance_mm + 0.8)), AIR, cut.where)
        section.paint(inside * section.sheet(middle, 0.8) * (y > -90.0), Tissue(420.0, 80.0, 60.0), cut.where)
    cells = section.cut(make.blob((0, -58, 30), (14.5, 26, 14)), blend_mm=2.0)
    if cells is not None:
        section.paint(section.cover(cells.distance_mm - np.float32(0.6)), Tissue(850.0, 60.0, 60.0), cells.where)
        paint_cells(section, cells, 127, 4.2, skull)
        section.paint(
            section.cover(cells.distance_mm) * section.sheet(section.x[cells.where], 1.0), Tissue(700.0), cells.where
        )
    nostrils = both(make.rods([(5, -108, 70), (6, -98, 62)], 3.2))
    section.draw(AIR, *nostrils)


def _paint_midline_sinuses(section: Section, skull: SkullBuild) -> None:
    """Paint the sinuses of sphenoid and forehead, each with a septum off the middle."""
    size = skull.sinus
    if size < 0.35:
        return
    sphenoid = Blob((0.0, -24.0, 30.0), (13.0 * size, 14.0 * size, 11.0 * size))
    frontal = (
        Blob((9.0, -88.0, 4.0), (14.0 * size, 4.5 * size, 13.0 * size)),
        Blob((-8.0, -88.0, 6.0), (11.0 * size, 4.0 * size, 11.0 * size)),
    )
    for number, solids in enumerate(((sphenoid,), frontal)):
        cut = section.cut(*solids, blend_mm=2.0)
        if cut is None:
            continue
        distance = cut.distance_mm + np.float32(1.6) * section.field(131 + number, 7.0, cut.where)
        section.paint(section.cover(distance - np.float32(1.0)), skull.quality.compact, cut.where)
        section.paint(section.cover(distance), MUCOSA, cut.where)
        section.paint(section.cover(distance + np.float32(0.5)), AIR, cut.where)
        septum = section.x[cut.where] - np.float32(2.0) - np.float32(2.5) * section.field(133, 12.0, cut.where)
        section.paint(section.cover(distance) * section.sheet(septum, 0.9), skull.quality.compact, cut.where)
