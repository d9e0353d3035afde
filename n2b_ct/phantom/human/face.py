"""The face: orbits, nose, sinuses, jaws with teeth, throat, muscles of mastication, salivary glands.

Coordinates as in :mod:`n2b_ct.phantom.human.brain`. A child's face is smaller beside its brain than an adult's: face
solids shrink towards :data:`ANCHOR`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from n2b_ct.phantom.body import FAT, MUSCLE, SKIN
from n2b_ct.phantom.human.brain import both
from n2b_ct.phantom.human.long_bones import paint_bone
from n2b_ct.phantom.human.section import Section
from n2b_ct.phantom.human.skull import AIR, MUCOSA, SECRETION, SkullBuild, paint_cells
from n2b_ct.phantom.human.solids import Blob, Point, Rods, Solid
from n2b_ct.phantom.shapes import Tissue

ANCHOR = np.array([0.0, -35.0, 14.0])

VITREOUS = Tissue(9.0, 1.5)
SCLERA = Tissue(62.0, 6.0)
LENS = Tissue(85.0, 4.0)
NERVE = Tissue(32.0, 3.0)
GLAND = Tissue(12.0, 12.0, 8.0)
TONGUE = Tissue(50.0, 8.0, 5.0)
DENTINE = Tissue(1750.0, 60.0, 40.0)
PULP = Tissue(120.0)


@dataclass(frozen=True, slots=True)
class FaceBuild:
    """One face.

    Attributes:
        size: Size beside the brain, 1 being an adult's.
        jaw_open_mm: How far the mouth is open.
        teeth: For each of 32 places, upper then lower, right to left: 0 missing, 1 natural, 2 filled, 3 crowned.
        enamel_hu: HU of enamel.
        metal_hu: HU of fillings and crowns.
        mucosa_mm: Thickness of the sinuses' lining, ``(right, left)``.
        level_mm: How deep secretion stands in the jaw's sinuses, ``(right, left)``.
        septum_mm: How far the nose's septum bends.
        turbinate_mm: Thickness of the turbinates.
        gaze_deg: Where the eyes look.
    """

    size: float
    jaw_open_mm: float
    teeth: tuple[int, ...]
    enamel_hu: float
    metal_hu: float
    mucosa_mm: tuple[float, float]
    level_mm: tuple[float, float]
    septum_mm: float
    turbinate_mm: float
    gaze_deg: float


def draw_face(rng: np.random.Generator, age_group: str) -> FaceBuild:
    """Draw a face."""
    size = {"adult": (0.94, 1.06), "child": (0.74, 0.9), "infant": (0.58, 0.68)}[age_group]
    mucosa = np.clip(rng.normal(0.3, 1.2, 2), 0.0, 6.0)
    level = np.clip(rng.normal(-10.0, 14.0, 2), 0.0, 26.0)
    return FaceBuild(
        size=float(rng.uniform(*size)),
        jaw_open_mm=float(rng.choice([0.0, 0.0, 3.0, 10.0]) * rng.uniform(0.6, 1.2)),
        teeth=_draw_teeth(rng, age_group),
        enamel_hu=float(rng.uniform(2300.0, 3050.0)),
        metal_hu=float(rng.choice([3500.0, 6000.0, 9000.0, 14000.0]) * rng.uniform(0.9, 1.2)),
        mucosa_mm=(float(mucosa[0]), float(mucosa[1])),
        level_mm=(float(level[0]), float(level[1])),
        septum_mm=float(rng.normal(0.0, 2.2)),
        turbinate_mm=float(rng.uniform(1.5, 3.4)),
        gaze_deg=float(rng.normal(0.0, 12.0)),
    )


def _draw_teeth(rng: np.random.Generator, age_group: str) -> tuple[int, ...]:
    """Draw a set of teeth: gaps, fillings and crowns come with age."""
    if age_group == "infant":
        return (0,) * 32
    missing, filled, crowned = (float(rng.random() ** 3) * most for most in (0.7, 0.4, 0.3))
    if age_group == "child":
        missing, filled, crowned = 0.15, 0.3 * filled, 0.0
    chances = np.array([missing, max(0.05, 1.0 - missing - filled - crowned), filled, crowned])
    drawn = rng.choice(4, size=32, p=chances / chances.sum())
    return tuple(int(kind) for kind in drawn)


@dataclass(frozen=True, slots=True)
class _Shaped:
    """Makes solids of a face of some size."""

    size: float

    def point(self, p: Sequence[float]) -> Point:
        x, y, z = ANCHOR + (np.asarray(p, float) - ANCHOR) * self.size
        return float(x), float(y), float(z)

    def blob(self, centre: Sequence[float], radii: Sequence[float], turn: Point = (0.0, 0.0, 0.0)) -> Blob:
        rx, ry, rz = (self.size * r for r in radii)
        return Blob(self.point(centre), (rx, ry, rz), turn)

    def rods(self, points: Sequence[Sequence[float]], radii: Sequence[float] | float) -> Rods:
        return Rods.along([self.point(p) for p in points], (self.size * np.asarray(radii)).tolist())


@lru_cache(maxsize=4)
def outline_solids(size: float) -> tuple[Solid, ...]:
    """Make what the skin of the face and the neck is drawn around."""
    make = _Shaped(size)
    return (
        make.blob((0, -42, 52), (61, 56, 60)),
        make.blob((0, -50, 98), (61, 50, 46)),
        make.blob((0, -84, 116), (24, 18, 17)),
        *both(make.rods([(52, -6, 62), (50, -20, 98), (28, -72, 122)], (20, 20, 13))),
        *both(make.blob((34, -74, 70), (20, 20, 24))),
        *both(make.rods([(12, -88, 14), (34, -84, 12), (56, -64, 18)], (8, 9, 10))),
        Rods.along([(0, 22, 50), (0, 26, 90), (0, 30, 190)], (58.0, 58.0, 60.0)),
        Blob((0.0, 40.0, 78.0), (56.0, 46.0, 60.0)),
        *both(Blob((50.0, 24.0, 48.0), (29.0, 30.0, 38.0))),
    )


@lru_cache(maxsize=4)
def nose_solids(size: float) -> tuple[Solid, ...]:
    """Make the nose."""
    make = _Shaped(size)
    return make.rods([(0, -94, 24), (0, -104, 44), (0, -116, 60)], (6, 7.5, 9)), *both(
        make.blob((9, -104, 63), (8, 9, 7))
    )


@lru_cache(maxsize=4)
def ear_solids() -> tuple[Solid, ...]:
    """Make the rims of the ears."""
    rim = [(74, 4, 54), (78, 10, 40), (83, 18, 22), (86, 27, 20), (88, 33, 32), (85, 28, 48), (79, 15, 62), (74, 8, 66)]
    shell = Blob((80.0, 20.0, 42.0), (1.8, 13.0, 24.0), (0.0, 0.0, -28.0))
    return both(
        Rods.along(rim, (3.2, 2.6, 2.3, 2.3, 2.5, 2.5, 3.4, 4.2)), shell, Rods.along([(70, 6, 46), (78, 14, 44)], 3.0)
    )


def paint_face(section: Section, skull: SkullBuild, face: FaceBuild) -> None:
    """Paint the face from the loosest to the firmest, then its air."""
    make = _Shaped(face.size)
    _paint_soft(section, make)
    _paint_jaws(section, skull, face, make)
    _paint_nose(section, skull, face, make)
    for number, side in enumerate((-1.0, 1.0)):
        _paint_orbit(section, face, make, side)
        _paint_antrum(section, skull, face, make, side, number)
    _paint_midline_sinuses(section, skull)
    _paint_teeth(section, face, make)


def _paint_soft(section: Section, make: _Shaped) -> None:
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


def _paint_jaws(section: Section, skull: SkullBuild, face: FaceBuild, make: _Shaped) -> None:
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


def _arch(make: _Shaped, half_width: float, length: float, back: float, z: float, radii: tuple[float, float]) -> Rods:
    """Bend a rod into a dental arch."""
    angle = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 17)
    points = np.stack([half_width * np.sin(angle), back - length * np.cos(angle), 0 * angle + z], axis=1)
    return make.rods(points.tolist(), np.interp(np.abs(angle), [0, 1.57], radii).tolist())


def _paint_teeth(section: Section, face: FaceBuild, make: _Shaped) -> None:
    """Paint dentine, pulp, enamel, and what dentists added."""
    if abs(section.z_mm - section.pose.to_world(make.point((0, -70, 95)))[2]) > 75.0:
        return
    for number, kind in enumerate(face.teeth):
        if kind:
            _paint_tooth(section, face, make, number, kind)


def _paint_tooth(section: Section, face: FaceBuild, make: _Shaped, number: int, kind: int) -> None:
    """Paint one tooth; molars are thick, incisors thin."""
    is_upper, place = number < 16, number % 16 - 7.5
    angle = place / 8.0 * 0.5 * np.pi
    x, y = 24.0 * np.sin(angle), -41.0 - 43.0 * np.cos(angle)
    bite = 92.0 if is_upper else 92.6 + face.jaw_open_mm
    towards = -1.0 if is_upper else 1.0
    thick = 2.6 + 1.9 * min(1.0, max(0.0, abs(place) - 2.0) / 3.0)
    root, neck = bite + towards * (19.0 - 0.3 * thick), bite + towards * 7.0
    body = make.rods(
        [(x, y, root), (x, y, neck), (x, y, bite + towards * 1.2)], (0.35 * thick, 0.85 * thick, 0.9 * thick)
    )
    crown = make.rods([(x, y, neck - towards * 1.0), (x, y, bite + towards * 1.5)], (0.95 * thick, 1.05 * thick))
    section.draw(Tissue(60.0), body, grow_mm=0.35)
    section.draw(Tissue(0.92 * face.enamel_hu if kind == 3 else face.enamel_hu, 60.0, 40.0), crown)
    section.draw(DENTINE, body, grow_mm=-0.1 * thick)
    section.draw(PULP, make.rods([(x, y, root), (x, y, neck)], (0.2, 0.22 * thick)))
    metal = Tissue(face.metal_hu)
    if kind == 2:
        offset = 0.4 * thick * np.sin(3.0 * number)
        section.draw(metal, make.blob((x + offset, y, bite + towards * 2.2), (0.6 * thick, 0.5 * thick, 1.8)))
    elif kind == 3:
        section.draw(metal, crown, grow_mm=0.3)
        section.draw(DENTINE, crown, grow_mm=-0.7)


def _paint_orbit(section: Section, face: FaceBuild, make: _Shaped, side: float) -> None:
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
    section: Section, skull: SkullBuild, face: FaceBuild, make: _Shaped, side: float, number: int
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


def _paint_nose(section: Section, skull: SkullBuild, face: FaceBuild, make: _Shaped) -> None:
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
