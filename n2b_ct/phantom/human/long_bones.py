"""Bone: compact shells, trabeculae down to the pixel, marrow; long bones, short bones and vertebrae."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from n2b_ct.phantom.human.section import Cut, Section
from n2b_ct.phantom.human.solids import Rods, Solid
from n2b_ct.phantom.shapes import Tissue

COMPACT = Tissue(1450.0, 90.0, 60.0)
YELLOW_MARROW = Tissue(-75.0, 12.0, 8.0)
CARTILAGE = Tissue(105.0, 5.0, 4.0)
MENISCUS = Tissue(92.0, 4.0, 3.0)
JOINT_FLUID = Tissue(14.0, 3.0)
GROWTH_PLATE = Tissue(115.0, 10.0)


@dataclass(frozen=True, slots=True)
class BoneQuality:
    """What a person's skeleton is like.

    Attributes:
        compact_hu: HU of compact bone.
        spongy_hu: Mean HU of spongy bone.
        trabecula_hu: How far its trabeculae stand out.
        cortex: Thickness of shells, 1 being the average.
        is_growing: Growth plates are open.
    """

    compact_hu: float = 1450.0
    spongy_hu: float = 200.0
    trabecula_hu: float = 330.0
    cortex: float = 1.0
    is_growing: bool = False

    @property
    def compact(self) -> Tissue:
        """Compact bone."""
        return replace(COMPACT, hu=self.compact_hu)

    @property
    def spongy(self) -> Tissue:
        """What lies between trabeculae, and their finest share as grain."""
        return Tissue(max(-50.0, self.spongy_hu - 0.3 * self.trabecula_hu), 25.0, 0.12 * self.trabecula_hu)


def draw_bone_quality(rng: np.random.Generator, age_group: str) -> BoneQuality:
    """Draw a skeleton: dense in youth, thin in old age, soft in infants."""
    density = float(rng.uniform(0.55, 1.25))
    young = {"adult": 1.0, "child": 0.85, "infant": 0.62}[age_group]
    return BoneQuality(
        compact_hu=float(rng.uniform(1250.0, 1850.0)) * young,
        spongy_hu=210.0 * density,
        trabecula_hu=float(rng.uniform(220.0, 480.0)) * young,
        cortex=float(rng.uniform(0.7, 1.25)) * (0.75 + 0.25 * density),
        is_growing=age_group != "adult",
    )


def paint_bone(
    section: Section,
    quality: BoneQuality,
    *solids: Solid,
    cortex_mm: float = 1.2,
    blend_mm: float = 0.0,
    number: int = 0,
    within: np.ndarray | None = None,
) -> Cut | None:
    """Paint a shell that varies in thickness around spongy bone; give its cut."""
    cut = section.cut(*solids, blend_mm=blend_mm)
    if cut is None:
        return None
    mask = np.ones_like(cut.distance_mm) if within is None else within[cut.where]
    section.paint(section.cover(cut.distance_mm) * mask, quality.compact, cut.where)
    waves = section.field(40 + number, 9.0, cut.where)
    thickness = np.float32(cortex_mm * quality.cortex) * np.clip(1.0 + 0.35 * waves, 0.35, 2.0)
    fill_spongy(section, quality, Cut(cut.where, cut.distance_mm + thickness), number, mask)
    return cut


def fill_spongy(
    section: Section,
    quality: BoneQuality,
    cut: Cut,
    number: int = 0,
    mask: np.ndarray | float = 1.0,
    density: float | np.ndarray = 1.0,
) -> None:
    """Fill a cut with spongy bone: struts and plates a pixel or two wide, with gaps."""
    inside = section.cover(cut.distance_mm) * np.asarray(mask, np.float32)
    if not inside.any():
        return
    section.paint(inside, quality.spongy, cut.where)
    struts = trabeculae(section, number, cut)
    lift = np.float32(quality.trabecula_hu) * np.asarray(density, np.float32)
    section.canvas.hu[cut.where] += inside * lift * struts


def trabeculae(section: Section, number: int, cut: Cut) -> np.ndarray:
    """Draw a network of struts: zero lines of narrow fields, thicker and thinner by a broad one."""
    fine = section.field(60 + number, 1.15, cut.where, (1.0, 1.6))
    coarse = section.field(61 + number, 2.3, cut.where, (1.7, 1.0))
    patches = section.field(62 + number, 8.0, cut.where)
    net = np.exp(-((fine / np.float32(0.45)) ** 2)) + np.float32(0.7) * np.exp(-((coarse / np.float32(0.3)) ** 2))
    return np.asarray(net * np.clip(np.float32(0.9) + np.float32(0.45) * patches, 0.1, 2.0), np.float32)


def paint_long_bone(
    section: Section,
    quality: BoneQuality,
    path_mm: np.ndarray,
    outer_mm: Sequence[float],
    core_mm: Sequence[float],
    heads: Sequence[Solid] = (),
    *,
    blend_mm: float = 5.0,
    number: int = 0,
) -> None:
    """Paint a shaft whose compact wall is the difference of two radii, with spongy ends and fatty marrow between.

    Args:
        section: Where.
        quality: The skeleton's.
        path_mm: Axis, ``[n, 3]``, from end to end.
        outer_mm: Outer radius at every point.
        core_mm: Radius of what the compact bone encloses.
        heads: Solids joined to its ends: condyles, trochanters, heads.
        blend_mm: Fillet where they join.
        number: Tells its fields from other bones'.
    """
    shaft = Rods.along(path_mm, outer_mm)
    cut = section.cut(shaft, *heads, blend_mm=blend_mm)
    if cut is None:
        return
    section.paint(section.cover(cut.distance_mm), quality.compact, cut.where)
    waves = section.field(40 + number, 9.0, cut.where)
    thin = cut.distance_mm + np.float32(1.1 * quality.cortex) * np.clip(1.0 + 0.3 * waves, 0.4, 2.0)
    core = _core_distance(section, cut, path_mm, outer_mm, core_mm)
    inner = Cut(cut.where, np.maximum(thin, core))
    shaftness = _shaftness(section, cut, path_mm)
    fill_spongy(section, quality, inner, number, density=1.0 - 0.8 * shaftness)
    patches = np.clip(0.85 + 0.3 * waves, 0.0, 1.0)
    section.paint(section.cover(inner.distance_mm + np.float32(0.4)) * shaftness * patches, YELLOW_MARROW, cut.where)


def paint_growth_plate(section: Section, bone: Cut, along_mm: np.ndarray, thickness_mm: float) -> None:
    """Cross a growing bone with a wavy plate of cartilage between two dense lines; ``along_mm`` is 0 in the plate."""
    waves = np.float32(0.9) * section.field(70, 6.0, bone.where)
    distance = along_mm + waves
    inside = section.cover(bone.distance_mm)
    section.paint(inside * section.sheet(distance, thickness_mm + 2.2), Tissue(900.0, 60.0, 60.0), bone.where)
    section.paint(inside * section.sheet(distance, thickness_mm), GROWTH_PLATE, bone.where)


def _core_distance(
    section: Section, cut: Cut, path_mm: np.ndarray, outer_mm: Sequence[float], core_mm: Sequence[float]
) -> np.ndarray:
    """Measure the distance to the core; heads beyond the shaft are all core."""
    x, y, z = section.x[cut.where], section.y[cut.where], section.z[cut.where]
    share = _share(path_mm, x, y, z)
    wall = np.interp(share, np.linspace(0.0, 1.0, len(outer_mm)), np.asarray(outer_mm) - np.asarray(core_mm))
    return np.asarray(cut.distance_mm + np.float32(section.pose.size) * wall.astype(np.float32), np.float32)


def _shaftness(section: Section, cut: Cut, path_mm: np.ndarray) -> np.ndarray:
    """Rise from 0 at a bone's ends to 1 in its shaft."""
    share = _share(path_mm, section.x[cut.where], section.y[cut.where], section.z[cut.where])
    length = float(np.linalg.norm(np.diff(path_mm, axis=0), axis=1).sum())
    from_end = np.minimum(share, 1.0 - share) * length
    return np.asarray(np.clip((from_end - 25.0) / 30.0, 0.0, 1.0), np.float32)


def _share(path_mm: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Say how far along the straight line from end to end a point lies, in [0, 1]."""
    start, axis = path_mm[0], path_mm[-1] - path_mm[0]
    along = (x - start[0]) * axis[0] + (y - start[1]) * axis[1] + (z - start[2]) * axis[2]
    return np.clip(along / float(axis @ axis), 0.0, 1.0)
