"""The skull: two compact tables around diploë, sutures, the base with its air cells and sinuses.

Coordinates as in :mod:`n2b_ct.phantom.human.brain`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.human.long_bones import BoneQuality, fill_spongy
from n2b_ct.phantom.human.section import Cut, Section, Window, joined
from n2b_ct.phantom.human.solids import Blob, Rods, Solid, both, mirrored
from n2b_ct.phantom.shapes import Tissue

AIR = Tissue(-1000.0)
MUCOSA = Tissue(38.0, 6.0, 4.0)
SECRETION = Tissue(18.0, 4.0)
INNER_EAR = Tissue(30.0, 10.0)

VAULT = Blob((0.0, 0.0, -10.0), (67.0, 84.0, 66.0))
TEMPLES = both(Blob((40.0, -10.0, 18.0), (25.0, 37.0, 24.0)))
HIND = Blob((0.0, 44.0, 34.0), (51.0, 37.0, 33.0))
CANAL = Rods.along([(0, 14, 26), (0, 24, 60), (0, 27, 82), (0, 27, 130)], (14.0, 15.0, 10.5, 9.0))

_PETROUS = Rods.along([(60, 26, 38), (42, 15, 34), (22, 3, 33), (11, -4, 35)], (11.0, 10.5, 8.0, 5.0))
MASTOIDS = both(Blob((57.0, 27.0, 52.0), (12.0, 15.0, 24.0), (8.0, 0.0, 0.0)))
SMALL_MASTOIDS = both(Blob((55.0, 26.0, 44.0), (8.0, 11.0, 12.0)))
SPHENOID = (
    Blob((0.0, -20.0, 30.0), (18.0, 17.0, 14.0)),
    Rods.along([(0, -12, 30), (0, 2, 48), (0, 10, 58)], (9, 7, 5)),
)
WINGS = both(
    Rods.along([(14, -24, 22), (34, -36, 18), (52, -42, 10)], (5.0, 2.5, 3.0)),
    Rods.along([(16, -20, 40), (34, -24, 44), (52, -14, 38), (60, 4, 36)], (6.0, 4.0, 4.0, 6.0)),
    Rods.along([(14, -24, 44), (16, -26, 72)], (4.0, 2.5)),
    Blob((14.0, 22.0, 66.0), (8.0, 13.0, 8.0)),
)
DORSUM = (Rods.along([(-8, -2, 15), (8, -2, 15)], 1.6), *both(Rods.along([(9, -24, 15), (10, -17, 14)], 1.8)))
EARS_INSIDE = both(
    Blob((27.0, 5.0, 35.0), (3.2, 3.2, 2.6)),
    Rods.along([(10, 2, 34), (22, 7, 34)], 2.2),
    Rods.along([(33, 9, 30), (36, 14, 31), (33, 17, 36)], 0.6),
    Rods.along([(30, 12, 35), (38, 16, 37)], 0.6),
)
EAR_CANALS = both(Rods.along([(42, 8, 42), (54, 9, 42), (74, 10, 42)], (4.0, 3.2, 4.0)))
OSSICLES = both(Rods.along([(41, 7, 38), (42, 10, 41)], 1.0))


@dataclass(frozen=True, slots=True)
class SkullBuild:
    """One skull.

    Attributes:
        thickness_mm: Of the vault.
        suture_mm: Width of the sutures; 0 where they have closed.
        fontanelle_mm: Radius of the front fontanelle; 0 where it has closed.
        mastoid_air: How much of the mastoids is aerated, 0 to 1.
        opaque: Share of the air cells that hold fluid.
        hyperostosis_mm: How much the frontal bone's inner table bulges.
        sinus: Size of the sinuses, 1 being an adult's.
        quality: The bone's.
    """

    thickness_mm: float
    suture_mm: float
    fontanelle_mm: float
    mastoid_air: float
    opaque: float
    hyperostosis_mm: float
    sinus: float
    quality: BoneQuality


def draw_skull(rng: np.random.Generator, age_group: str, quality: BoneQuality) -> SkullBuild:
    """Draw a skull: thin and open in infants, thick and closed in adults."""
    is_infant, is_adult = age_group == "infant", age_group == "adult"
    thickness = {"adult": (4.5, 10.0), "child": (3.0, 5.5), "infant": (1.6, 3.2)}[age_group]
    return SkullBuild(
        thickness_mm=float(rng.uniform(*thickness)),
        suture_mm=float(rng.uniform(1.5, 4.5)) if is_infant else float(rng.uniform(0.0, 1.1)),
        fontanelle_mm=float(rng.uniform(5.0, 18.0)) if is_infant else 0.0,
        mastoid_air=float(rng.uniform(0.0, 0.15)) if is_infant else float(rng.uniform(0.2, 1.0)),
        opaque=float(rng.choice([0.0, 0.15, 0.7], p=[0.6, 0.25, 0.15])),
        hyperostosis_mm=float(max(0.0, rng.normal(-1.0, 2.5))) if is_adult else 0.0,
        sinus={"adult": float(rng.uniform(0.75, 1.2)), "child": float(rng.uniform(0.4, 0.8)), "infant": 0.2}[age_group],
        quality=quality,
    )


def cavity_distance(section: Section) -> np.ndarray:
    """Measure the signed distance to the inside of the skull, own millimetres, float32 ``[rows, cols]``."""
    x, y, z = section.x, section.y, section.z
    vault = VAULT.distance(0, x, y, z)
    floor = np.float32(13.0) + np.float32(6.0) * np.clip((y + np.float32(22.0)) / 14.0, -1.0, 1.0)
    floor = floor + np.float32(4.0) - np.float32(0.25) * np.minimum(np.abs(x), 30.0)
    whole = np.maximum(vault, np.float32(0.9) * (z - floor))
    for solid in (*TEMPLES, HIND):
        whole = joined(whole, solid.distance(0, x, y, z), 8.0)
    for index in range(len(CANAL.points_mm) - 1):
        whole = joined(whole, CANAL.distance(index, x, y, z), 5.0)
    for petrous in (_PETROUS, mirrored(_PETROUS)):
        for index in range(1, len(_PETROUS.points_mm) - 1):
            ridge = petrous.distance(index, x, y, z) - np.float32(0.5)
            whole = -joined(-whole, ridge, 3.0)
    return whole


def thickness_mm(section: Section, build: SkullBuild) -> np.ndarray:
    """Give the vault's thickness everywhere, own millimetres, float32 ``[rows, cols]``."""
    waves = section.field(100, 26.0)
    base = np.clip((section.z - np.float32(4.0)) / np.float32(40.0), 0.0, 1.0)
    back = np.clip((section.y - np.float32(60.0)) / np.float32(20.0), 0.0, 1.0)
    thin_temple = np.clip((np.abs(section.x) - np.float32(52.0)) / np.float32(12.0), 0.0, 1.0) * base
    relative = np.float32(1.0) + np.float32(0.12) * waves + np.float32(0.35) * back - np.float32(0.4) * thin_temple
    brow = np.clip((-section.y - np.float32(62.0)) / np.float32(10.0), 0.0, 1.0)
    brow = brow * np.exp(
        -((section.x / np.float32(26.0)) ** 2) - ((section.z - np.float32(6.0)) / np.float32(13.0)) ** 2
    )
    thickness = np.float32(build.thickness_mm) * np.clip(relative, 0.35, 1.9)
    return np.asarray(thickness + np.float32(9.0 * min(1.0, build.sinus)) * brow, np.float32)


def paint_vault(section: Section, build: SkullBuild, distance: np.ndarray, thickness: np.ndarray) -> None:
    """Paint the vault: compact bone, diploë within, sutures across."""
    size = np.float32(section.pose.size)
    where = section.near((0.0, 0.0, 10.0), 125.0)
    if where is None:
        return
    inner, thick = distance[where], thickness[where]
    inner = inner + _inner_relief(section, build, where)
    outer = inner - thick
    bone = np.maximum(np.maximum(-inner, outer), -_foramen_distance(section, where)) * size
    cover = section.cover(bone)
    section.paint(cover, build.quality.compact, where)
    table = np.clip(np.float32(0.20) * thick, 0.6, 1.9) * np.clip(
        1.0 + 0.45 * section.field(101, 10.0, where), 0.4, 1.8
    )
    if build.thickness_mm > 2.6:
        diploe = Cut(where, bone + table * size)
        fill_spongy(section, build.quality, diploe, 7, density=1.1)
        rich = np.clip(0.8 + 0.8 * section.field(102, 7.0, where), 0.0, 2.2)
        section.canvas.hu[where] += section.cover(diploe.distance_mm) * rich * np.float32(1.3 * build.quality.spongy_hu)
    _paint_sutures(section, build, where, cover)


def _foramen_distance(section: Section, where: Window) -> np.ndarray:
    """Measure the distance to where the skull has no bone: its great hole, and all that lies below it."""
    around = np.hypot(section.x[where], section.y[where] - np.float32(26.0)) - np.float32(19.0)
    hole = np.maximum(np.float32(0.9) * (np.float32(60.0) - section.z[where]), around)
    return np.asarray(np.minimum(hole, np.float32(82.0) - section.z[where]), np.float32)


def _inner_relief(section: Section, build: SkullBuild, where: Window) -> np.ndarray:
    """Shape the inner table: gyral marks, pits beside the midline, overgrowth behind the forehead."""
    x, y = section.x[where], section.y[where]
    relief = np.float32(0.35) * section.field(103, 8.0, where)
    pits = np.clip(section.field(104, 3.2, where) - np.float32(1.7), 0.0, 1.0) * (np.abs(x) < 22.0)
    front = np.clip((-y - np.float32(42.0)) / np.float32(25.0), 0.0, 1.0) * np.clip(
        np.abs(x) / np.float32(9.0), 0.0, 1.0
    )
    bulge = np.clip(0.5 + section.field(105, 6.0, where), 0.0, 1.6)
    return np.asarray(relief - np.float32(2.4) * pits + np.float32(build.hyperostosis_mm) * front * bulge, np.float32)


def _paint_sutures(section: Section, build: SkullBuild, where: Window, bone: np.ndarray) -> None:
    """Cut coronal, sagittal and lambdoid sutures, jagged in adults, and the fontanelle."""
    if build.suture_mm <= 0.05:
        return
    x, y, z = section.x[where], section.y[where], section.z[where]
    jag = np.float32(1.3 if build.fontanelle_mm == 0.0 else 0.5) * section.field(106, 2.0, where)
    coronal = np.where(z < 10.0, y + 14.0 - 0.35 * (z + 60.0), 99.0)
    sagittal = np.where((y > -28.0) & (y < 52.0) & (z < 0.0), x, 99.0)
    lambdoid = np.where((y > 25.0) & (z < 30.0), 0.7 * (y - 64.0 + 0.62 * np.abs(x) + 0.3 * (z + 30.0)), 99.0)
    gap = np.zeros_like(bone)
    for line in (coronal, sagittal, lambdoid):
        gap = np.maximum(gap, section.sheet(line.astype(np.float32) + jag, build.suture_mm))
    if build.fontanelle_mm > 0.0:
        hole = np.hypot(x, y + 28.0) - np.float32(build.fontanelle_mm)
        gap = np.maximum(gap, section.cover(hole) * (z < -20.0))
    strength = np.float32(0.95 if build.fontanelle_mm > 0.0 else 0.55)
    section.paint(strength * gap * bone, Tissue(48.0, 6.0, 5.0), where)


def paint_base(section: Section, build: SkullBuild) -> None:
    """Paint the base: sphenoid, wings, petrous bones with the ear in them, mastoids with their cells, sinuses."""
    quality = build.quality
    mastoids = MASTOIDS if build.mastoid_air > 0.16 else SMALL_MASTOIDS
    for number, parts in enumerate((SPHENOID, WINGS, mastoids)):
        cut = section.cut(*parts, blend_mm=4.0)
        if cut is not None:
            section.paint(section.cover(cut.distance_mm), quality.compact, cut.where)
            fill_spongy(section, quality, Cut(cut.where, cut.distance_mm + np.float32(1.3)), 10 + 3 * number)
    dense = Tissue(1.15 * quality.compact_hu, 120.0, 80.0)
    section.draw(dense, *both(_PETROUS), blend_mm=3.0)
    section.draw(quality.compact, *DORSUM)
    section.draw(INNER_EAR, *EARS_INSIDE)
    _paint_mastoid_cells(section, build)
    section.draw(Tissue(30.0, 5.0), *EAR_CANALS, grow_mm=1.2)
    section.draw(AIR, *EAR_CANALS)
    section.draw(AIR, *both(Blob((42.0, 9.0, 40.0), (3.0, 5.0, 6.0))))
    section.draw(quality.compact, *OSSICLES)


def _paint_mastoid_cells(section: Section, build: SkullBuild) -> None:
    """Hollow the mastoids into cells, some of them full of fluid."""
    for side in (1.0, -1.0):
        solids: tuple[Solid, ...] = (
            Blob((side * 57.0, 28.0, 51.0), (9.5, 12.5, 20.0 * (0.6 + 0.4 * build.mastoid_air))),
            Rods.along([(side * 55, 24, 40), (side * 44, 15, 37)], (8.0, 4.0)),
        )
        cut = section.cut(*solids, blend_mm=3.0)
        if cut is None:
            continue
        spread = np.float32(7.0 * (build.mastoid_air - 0.85)) + np.float32(1.5) * section.field(110, 8.0, cut.where)
        paint_cells(section, Cut(cut.where, cut.distance_mm - spread + np.float32(1.0)), 111, 2.9, build)


def paint_cells(section: Section, cut: Cut, number: int, lattice_mm: float, build: SkullBuild) -> None:
    """Fill a cut with air cells between thin walls; some cells hold fluid."""
    inside = section.cover(cut.distance_mm)
    if not inside.any():
        return
    first, second = section.field(number, lattice_mm, cut.where), section.field(number + 1, lattice_mm, cut.where)
    wall = np.exp(-((first / np.float32(0.30)) ** 2)) + np.exp(-((second / np.float32(0.22)) ** 2))
    full = np.clip(
        np.float32(4.0) * (section.field(number + 2, 9.0, cut.where) + np.float32(2.6 * build.opaque - 2.0)), 0, 1
    )
    bone = Tissue(0.75 * build.quality.compact_hu, 60.0, 60.0)
    section.paint(inside, AIR, cut.where)
    section.paint(inside * full, SECRETION, cut.where)
    section.paint(inside * np.clip(np.float32(0.9) * wall, 0.0, 1.0), bone, cut.where)
