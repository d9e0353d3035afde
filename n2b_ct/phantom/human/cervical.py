"""The cervical spine: atlas, axis, the vertebrae below with their rings, discs, cord and vertebral arteries.

Coordinates are the owner's: x towards the left, y towards the back, z towards the feet, millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.human.long_bones import CARTILAGE, BoneQuality, fill_spongy, paint_bone
from n2b_ct.phantom.human.section import Cut, Section, Window
from n2b_ct.phantom.human.solids import Blob, Point, Rods, Solid, both
from n2b_ct.phantom.shapes import Tissue

CORD = Tissue(38.0, 2.0, 1.5)
FLUID = Tissue(8.0, 1.5)
EPIDURAL_FAT = Tissue(-60.0, 12.0)
DISC = Tissue(85.0, 8.0, 6.0)


@dataclass(frozen=True, slots=True)
class SpineBuild:
    """One cervical spine.

    Attributes:
        canal_mm: Middle of the spinal canal at the atlas.
        height_mm: Distance of neighbouring vertebrae.
        lordosis_mm: How far its middle bulges towards the front.
        spur_mm: Length of osteophytes.
        artery_hu: HU of the vertebral arteries.
        quality: The bone's.
    """

    canal_mm: Point
    height_mm: float
    lordosis_mm: float
    spur_mm: float
    artery_hu: float
    quality: BoneQuality

    def level(self, number: float) -> Point:
        """Find the canal's middle at a vertebra, 1 for the atlas."""
        x, y, z = self.canal_mm
        bulge = self.lordosis_mm * np.sin(np.pi * np.clip((number - 1.0) / 7.0, 0.0, 1.0))
        return x, float(y - bulge + 0.9 * max(0.0, number - 6.0) ** 2), z + self.height_mm * (number - 1.0)


def draw_spine(
    rng: np.random.Generator, canal_mm: Point, quality: BoneQuality, age_group: str, artery_hu: float
) -> SpineBuild:
    """Draw a cervical spine."""
    spur = max(0.0, float(rng.normal(0.0, 1.8))) if age_group == "adult" else 0.0
    height = float(rng.uniform(16.5, 19.0))
    return SpineBuild(canal_mm, height, float(rng.normal(4.0, 4.0)), spur, artery_hu, quality)


def paint_spine(section: Section, spine: SpineBuild, first: int, last: int) -> None:
    """Paint vertebrae ``first`` to ``last``, discs, and what the canal holds."""
    for number in range(first, last + 1):
        x, y, z = spine.level(number)
        if section.near((x, y, z), 48.0) is None:
            continue
        if number == 1:
            _paint_atlas(section, spine)
        else:
            _paint_vertebra(section, spine, number)
    canal = Rods.along([spine.level(k) for k in np.arange(first - 0.6, last + 0.61, 0.5)], 1.0)
    section.draw(EPIDURAL_FAT, canal.scaled(0.0, 8.2), soft_mm=1.5)
    section.draw(FLUID, canal.scaled(0.0, 7.4))
    section.draw(CORD, *_cord(canal))
    arteries = both(*(Rods.along([_beside(spine, k) for k in np.arange(max(first, 2), last, 0.5)], 1.7),))
    section.draw(Tissue(spine.artery_hu), *arteries)


def _cord(canal: Rods) -> tuple[Solid, ...]:
    """Make the cord, wider than deep."""
    x_shift = np.array([2.4, 0.0, 0.0])
    points = np.asarray(canal.points_mm)
    return Rods.along(points - x_shift, 3.6), Rods.along(points + x_shift, 3.6), Rods.along(points, 3.9)


def _beside(spine: SpineBuild, number: float) -> Point:
    x, y, z = spine.level(number)
    return x + 15.0, y - 13.0, z


def _paint_atlas(section: Section, spine: SpineBuild) -> None:
    """Paint the ring of the atlas and the tooth of the axis in it."""
    x, y, z = spine.level(1)
    angle = np.linspace(-0.35 * np.pi, 0.35 * np.pi, 9)
    front = np.stack([x + 22 * np.sin(angle), y - 9 - 15 * np.cos(angle), 0 * angle + z], axis=1)
    back = np.stack([x + 20 * np.sin(angle), y - 2 + 19 * np.cos(angle), 0 * angle + z], axis=1)
    masses = both(
        Blob((x + 18, y - 7, z), (8, 10, 9), (0, 0, 20)), Rods.along([(x + 22, y - 8, z), (x + 36, y - 6, z)], (5, 4))
    )
    paint_bone(
        section,
        spine.quality,
        Rods.along(front, 3.6),
        Rods.along(back, 3.4),
        *masses,
        cortex_mm=1.2,
        blend_mm=2.0,
        number=20,
    )
    section.draw(Tissue(spine.artery_hu), *both(Blob((x + 27, y - 7, z), (2.6, 2.6, 9))))
    tooth = Rods.along([(x, y - 16, z - 10), (x, y - 15, z + 18)], (4.4, 6.0))
    paint_bone(section, spine.quality, tooth, cortex_mm=1.3, number=23)


def _paint_vertebra(section: Section, spine: SpineBuild, number: int) -> None:
    """Paint body, disc, arch, joints and processes of one vertebra."""
    x, y, z = spine.level(number)
    _, next_y, _ = spine.level(number + 1)
    half = 0.5 * spine.height_mm - 2.2
    slope = (next_y - y) / spine.height_mm
    body_y, wide = y - 17.0, 8.5 + 0.35 * number
    plates = (
        Blob((x + 4, body_y, z), (wide, 7.8, 2.2 * half)),
        Blob((x - 4, body_y, z), (wide, 7.8, 2.2 * half)),
        Blob((x, body_y - 1, z), (wide + 2, 8.0, 2.2 * half)),
    )
    cut = section.cut(*plates, blend_mm=3.0)
    if cut is not None:
        along = section.z[cut.where] - np.float32(z) - np.float32(slope) * (section.y[cut.where] - np.float32(body_y))
        ends = np.abs(along) - np.float32(half) - np.float32(0.5) * section.field(170, 6.0, cut.where)
        size = np.float32(section.pose.size)
        section.paint(section.cover(np.maximum(cut.distance_mm, (ends - np.float32(4.6)) * size)), DISC, cut.where)
        _paint_block(section, spine, cut.where, cut.distance_mm, ends * size)
    _paint_arch(section, spine, number)


def _paint_block(section: Section, spine: SpineBuild, where: Window, side: np.ndarray, ends: np.ndarray) -> None:
    """Paint a body: dense end plates, thin walls, spongy bone, spurs at the rims."""
    spur = (
        np.float32(spine.spur_mm)
        * np.clip(1.0 + ends / np.float32(3.0), 0.0, 1.0)
        * np.clip(section.field(171, 5.0, where), 0.0, 2.0)
    )
    distance = np.maximum(side - spur, ends)
    section.paint(section.cover(distance), spine.quality.compact, where)
    inner = np.maximum(side - spur + np.float32(0.9), ends + np.float32(1.0))
    fill_spongy(section, spine.quality, Cut(where, inner), 26)


def _paint_arch(section: Section, spine: SpineBuild, number: int) -> None:
    """Paint pedicles, joints, laminae, spinous and transverse processes."""
    x, y, z = spine.level(number)
    reach = 22.0 + (14.0 if number >= 7 else 0.0) + (6.0 if number == 2 else 0.0)
    fork = 3.0 if 2 < number < 7 else 0.3
    top = 5.0
    parts: list[Solid] = [
        *both(
            Rods.along([(x + 9, y - 12, z - 1), (x + 15, y - 5, z - 1)], 3.0),
            Rods.along([(x + 17, y - 3, z - 7), (x + 18, y + 2, z + 8)], (5.0, 5.0)),
            Rods.along([(x + 16, y + 1, z + 1), (x + 9, y + 10, z + 3), (x, y + 13, z + 4)], (3.0, 2.6, 3.2)),
            Rods.along([(x, y + 13, z + top), (x + fork, y + reach, z + 11)], (3.0, 2.4)),
        ),
    ]
    paint_bone(section, spine.quality, *parts, cortex_mm=1.0, blend_mm=2.0, number=29)
    if number <= 6:
        ring = both(Blob((x + 15.0, y - 13.0, z), (5.4, 5.0, 4.5)))
        holes = both(Blob((x + 15.0, y - 13.0, z), (3.4, 3.2, 20.0)))
        section.draw(
            spine.quality.compact, *ring, *both(Rods.along([(x + 17, y - 12, z), (x + 25, y - 9, z + 2)], (2.5, 2.2)))
        )
        section.draw(EPIDURAL_FAT, *holes)
    else:
        wing = both(Rods.along([(x + 15, y - 3, z), (x + 34, y + 3, z - 2)], (4.2, 4.6)))
        paint_bone(section, spine.quality, *wing, cortex_mm=1.0, number=32)
    section.draw(CARTILAGE, *both(Blob((x + 17.5, y + 0.5, z + 8.5), (4.5, 4.0, 0.8), (35.0, 0.0, 0.0))))
