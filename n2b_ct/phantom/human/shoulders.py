"""Shoulders as the lower neck shows them: collarbones, shoulder blades, upper arms, first ribs, lung tips, great veins.

Coordinates as in :mod:`n2b_ct.phantom.human.neck`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.human.long_bones import CARTILAGE, BoneQuality, paint_bone, paint_long_bone
from n2b_ct.phantom.human.muscles import FAT
from n2b_ct.phantom.human.section import Section
from n2b_ct.phantom.human.solids import Blob, Rods, Solid, both, curved
from n2b_ct.phantom.shapes import Tissue

LUNG = Tissue(-850.0, 22.0, 30.0)


@dataclass(frozen=True, slots=True)
class Shoulders:
    """One pair of shoulders.

    Attributes:
        drop_mm: How far they hang below the average, left and right.
        width: Breadth, 1 being the average.
        lung_top_mm: z of the lungs' tips.
        inflow_side: Side of the arm that contrast agent came in by, 1 left, -1 right.
        quality: The bone's.
    """

    drop_mm: tuple[float, float]
    width: float
    lung_top_mm: float
    inflow_side: float
    quality: BoneQuality


def draw_shoulders(rng: np.random.Generator, quality: BoneQuality) -> Shoulders:
    """Draw shoulders, hanging or drawn up."""
    both_drop = float(rng.normal(4.0, 12.0))
    drops = both_drop + rng.normal(0.0, 4.0, 2)
    return Shoulders(
        drop_mm=(float(drops[0]), float(drops[1])),
        width=float(rng.uniform(0.9, 1.1)),
        lung_top_mm=float(rng.uniform(118.0, 138.0)),
        inflow_side=float(rng.choice([-1.0, 1.0])),
        quality=quality,
    )


def shoulder_outline(shoulders: Shoulders, fat_mm: float) -> tuple[Solid, ...]:
    """Make what the skin of the shoulders is drawn around."""
    solids: list[Solid] = []
    for side, drop in zip((1.0, -1.0), shoulders.drop_mm, strict=True):
        w, z = side * shoulders.width, 120.0 + drop
        top = [
            (w * 20, 30, z + 22),
            (w * 90, 26, z + 22),
            (w * 150, 22, z + 20),
            (w * 172, 20, z + 50),
            (w * 182, 20, z + 160),
        ]
        solids.append(Rods.along(top, tuple(r + fat_mm for r in (46.0, 44.0, 42.0, 50.0, 44.0))))
        girdle = [(side * 14, -38, 142), (w * 50, -38, 132), (w * 95, -14, z), (w * 140, 4, z - 4), (w * 160, 24, z)]
        solids.append(Rods.along(girdle, 17.0 + fat_mm))
        solids.append(Rods.along([(w * 40, -18, z + 40), (w * 120, -10, z + 60)], (52.0 + fat_mm, 46.0 + fat_mm)))
    return tuple(solids)


def paint_shoulder_bones(section: Section, shoulders: Shoulders, vein_hu: float) -> None:
    """Paint lungs' tips, ribs, shoulder girdle, upper arms and subclavian vessels."""
    if section.z_mm < 60.0 * section.pose.size:
        return
    _paint_lungs(section, shoulders)
    for side, drop in zip((1.0, -1.0), shoulders.drop_mm, strict=True):
        _paint_ribs(section, shoulders, side)
        _paint_girdle(section, shoulders, side, drop)
        _paint_arm(section, shoulders, side, drop)
        is_inflow = side == shoulders.inflow_side
        vein = 8.0 * vein_hu if is_inflow and vein_hu > 100.0 else vein_hu
        path = curved([(side * 22, -26, 132), (side * 60, -18, 122), (side * 110, 0, 128 + drop)], 10)
        section.draw(FAT, Rods.along(path, 5.0), grow_mm=2.0, soft_mm=2.0)
        section.draw(Tissue(min(vein, 3000.0)), Rods.along(path, 5.0))
        artery = curved([(side * 20, -6, 140), (side * 45, -2, 118), (side * 105, 10, 126 + drop)], 10)
        section.draw(Tissue(max(45.0, 0.6 * min(vein_hu, 400.0))), Rods.along(artery, 3.4))


def _paint_lungs(section: Section, shoulders: Shoulders) -> None:
    """Paint the lungs' tips with small vessels."""
    top = shoulders.lung_top_mm
    tips = both(Blob((40.0, 8.0, top + 62.0), (34.0, 44.0, 62.0)))
    cut = section.cut(*tips)
    if cut is not None:
        inside = section.cover(cut.distance_mm)
        section.paint(inside, LUNG, cut.where)
        spots = np.clip(2.0 * section.field(190, 2.6, cut.where) - np.float32(3.4), 0.0, 1.0)
        section.paint(inside * spots, Tissue(20.0), cut.where)


def _paint_ribs(section: Section, shoulders: Shoulders, side: float) -> None:
    """Paint the first three ribs."""
    top = shoulders.lung_top_mm
    for number, (reach, start) in enumerate(((40.0, top - 6.0), (46.0, top + 16.0), (50.0, top + 36.0))):
        turn = np.linspace(0.05, 0.95, 14)
        x, y = side * (14.0 + reach * np.sin(np.pi * turn)), 8.0 + 46.0 * np.cos(np.pi * turn)
        path = np.stack([x, y, start + 34.0 * turn], axis=1)
        paint_bone(section, shoulders.quality, Rods.along(path, 4.6), cortex_mm=1.0, number=number)


def _paint_girdle(section: Section, shoulders: Shoulders, side: float, drop: float) -> None:
    """Paint collarbone and shoulder blade."""
    w, z = side * shoulders.width, 120.0 + drop
    clavicle = curved([(side * 14, -42, 142), (w * 50, -44, 132), (w * 95, -16, z), (w * 140, 4, z - 8)], 14)
    paint_bone(
        section, shoulders.quality, Rods.along(clavicle, np.linspace(8.0, 5.5, 14).tolist()), cortex_mm=1.8, number=4
    )
    spine = Rods.along(
        [(w * 78, 66, z + 44), (w * 120, 58, z + 18), (w * 160, 40, z - 4), (w * 164, 12, z - 6)], (3.0, 4.5, 5.5, 5.5)
    )
    neck = Rods.along([(w * 138, 24, z + 28), (w * 124, 36, z + 34)], (13.0, 8.0))
    beak = Rods.along([(w * 130, 22, z + 18), (w * 128, -4, z + 12), (w * 138, -16, z + 18)], (6.0, 6.0, 5.0))
    paint_bone(section, shoulders.quality, spine, neck, beak, cortex_mm=1.2, blend_mm=3.0, number=5)
    plate = Rods.along([(w * 122, 38, z + 40), (w * 96, 60, z + 60), (w * 74, 70, z + 70)], (4.0, 2.2, 2.8))
    lower = Rods.along([(w * 122, 40, z + 60), (w * 98, 62, z + 80), (w * 76, 72, z + 90)], (4.0, 2.2, 2.8))
    paint_bone(section, shoulders.quality, plate, lower, cortex_mm=1.1, number=6)


def _paint_arm(section: Section, shoulders: Shoulders, side: float, drop: float) -> None:
    """Paint the upper arm's head and shaft."""
    w, z = side * shoulders.width, 120.0 + drop
    head: tuple[Solid, ...] = (
        Blob((w * 158.0, 20.0, z + 24.0), (24.0, 24.0, 24.0)),
        Blob((w * 172.0, 14.0, z + 28.0), (13.0, 17.0, 20.0)),
    )
    path = np.array([(w * 165, 18, z + 20), (w * 170, 18, z + 60), (w * 174, 18, z + 180), (w * 174, 18, z + 310)])
    section.draw(CARTILAGE, head[0], grow_mm=1.6)
    paint_long_bone(section, shoulders.quality, path, (20.0, 15.0, 12.0, 14.0), (18.5, 11.0, 6.0, 11.0), head, number=7)
