"""Small bones with a waist, and the growth plates of bones that grow.

Coordinates as in :mod:`n2b_ct.phantom.human.limbs`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from n2b_ct.phantom.human.long_bones import BoneQuality, paint_bone, paint_growth_plate
from n2b_ct.phantom.human.muscles import FAT
from n2b_ct.phantom.human.section import Section
from n2b_ct.phantom.human.solids import Rods, Solid


def paint_small_long_bone(
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


def paint_plate(
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
