"""Arms and legs: one stretch of one limb, or of both side by side, of an adult, a child or an infant.

Coordinates are those of :mod:`n2b_ct.phantom.human.region`; z is 0 at the stretch's upper end. A limb's own x points
towards the patient's left, its y towards the back, and z along it, before it is posed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from n2b_ct.phantom.body import SKIN
from n2b_ct.phantom.human.implants import Part, paint_parts
from n2b_ct.phantom.human.limbs import STRETCHES, Stretch
from n2b_ct.phantom.human.long_bones import BoneQuality, draw_bone_quality
from n2b_ct.phantom.human.muscles import FAT, STRAND, Compartments, draw_compartments, paint_compartments
from n2b_ct.phantom.human.section import Pose, Section
from n2b_ct.phantom.human.solids import Rods, Solid
from n2b_ct.phantom.human.surgery import limb_implants
from n2b_ct.phantom.shapes import Canvas, Tissue

_STREAM = 403
_SIZES = {"adult": (0.9, 1.1), "child": (0.55, 0.82), "infant": (0.3, 0.42)}


@dataclass(frozen=True, slots=True)
class Limb:
    """One limb's soft parts.

    Attributes:
        pose: How it lies.
        is_mirrored: It is a right one.
        muscles: Its compartments.
        implants: What surgeons left.
    """

    pose: Pose
    is_mirrored: bool
    muscles: Compartments
    implants: tuple[Part, ...]


@dataclass(frozen=True)
class Extremities:
    """One stretch of one or two limbs.

    Attributes:
        seed: Names the patient.
        z_range_mm: Upper and lower end.
        back_mm: y of what the limbs lie on.
        kind: Which stretch, a key of :data:`STRETCHES`.
        limbs: One or two.
        fat_mm: Thickness of the fat below the skin.
        bulk: Thickness of the muscles, 1 being the average.
        artery_hu: Blood in arteries.
        vein_hu: Blood in veins.
        calcified: How much of the arteries' wall is calcified, 0 to 1.
        swelling: Fluid in the fat, 0 to 1.
        quality: The bone's.
    """

    seed: int
    z_range_mm: tuple[float, float]
    back_mm: float
    kind: str
    limbs: tuple[Limb, ...]
    fat_mm: float
    bulk: float
    artery_hu: float
    vein_hu: float
    calcified: float
    swelling: float
    quality: BoneQuality

    @classmethod
    def draw(cls, seed: int, age_group: str) -> Extremities:
        """Draw a stretch; equal seeds, equal stretches."""
        rng = np.random.default_rng(np.random.SeedSequence([seed, _STREAM, len(age_group)]))
        kind = str(rng.choice(sorted(STRETCHES)))
        stretch, size = STRETCHES[kind], float(rng.uniform(*_SIZES[age_group]))
        quality = draw_bone_quality(rng, age_group)
        contrast = float(rng.choice([0.0, 0.0, 1.0]) * rng.uniform(80.0, 420.0))
        bulk = float(np.clip(rng.normal(1.0, 0.12), 0.72, 1.3))
        fat_mm = (float(rng.gamma(2.5, 2.6)) + 2.0) * stretch.fatness * (1.5 if age_group == "infant" else 1.0)
        limbs = _draw_limbs(rng, kind, age_group, size, bulk)
        last = stretch.length_mm * size
        return cls(
            seed=seed,
            z_range_mm=(0.0, last),
            back_mm=float(max(limb.pose.origin_mm[1] for limb in limbs) + (stretch.back_mm * bulk + fat_mm) * size),
            kind=kind,
            limbs=limbs,
            fat_mm=fat_mm,
            bulk=bulk,
            artery_hu=float(rng.uniform(38.0, 52.0)) + contrast,
            vein_hu=float(rng.uniform(38.0, 52.0)) + contrast * float(rng.choice([0.1, 0.8])),
            calcified=max(0.0, float(rng.normal(0.0, 0.6))) if age_group == "adult" else 0.0,
            swelling=float(rng.beta(0.5, 3.0)),
            quality=quality,
        )

    def paint(self, canvas: Canvas) -> None:
        """Paint every limb from the outside to the inside."""
        for number, limb in enumerate(self.limbs):
            section = LimbSection(canvas, limb.pose, (self.seed, _STREAM, number), limb.is_mirrored)
            self._paint_limb(section, limb)

    def _paint_limb(self, section: LimbSection, limb: Limb) -> None:
        """Paint skin, fat with veins, muscles, vessels and nerves, tendons, bones."""
        stretch = STRETCHES[self.kind]
        flesh = self._paint_flesh(section, limb, stretch)
        if flesh is None:
            return
        for path, radius in stretch.vessels:
            vessel = Rods.along(path, radius)
            beside = Rods.along(np.asarray(path) + np.array([1.8 * radius, 1.2 * radius, 0.0]), 1.15 * radius)
            section.draw(FAT, vessel, beside, grow_mm=2.4, soft_mm=2.4, within=flesh)
            section.draw(Tissue(self.vein_hu), beside, within=flesh)
            section.draw(Tissue(self.artery_hu), vessel, within=flesh)
            self._paint_plaques(section, vessel)
        for tendon in stretch.tendons:
            section.draw(Tissue(98.0, 6.0, 4.0), tendon, within=flesh)
        stretch.paint_bones(section, self.quality)
        paint_parts(section, limb.implants)

    def _paint_plaques(self, section: LimbSection, vessel: Rods) -> None:
        """Calcify an artery's wall in patches."""
        cut = section.cut(vessel) if self.calcified > 0.1 else None
        if cut is not None:
            patches = np.clip(section.field(220, 5.0, cut.where) + np.float32(self.calcified - 0.9), 0.0, 1.0)
            section.paint(section.sheet(cut.distance_mm, 1.0) * patches, Tissue(900.0, 100.0), cut.where)

    def _paint_flesh(self, section: LimbSection, limb: Limb, stretch: Stretch) -> np.ndarray | None:
        """Paint skin, fat and muscles; give what lies under the skin, ``[rows, cols]``, None where nothing does."""
        size = np.float32(limb.pose.size)
        core = [_grown(solid, self.bulk) for solid in stretch.flesh]
        cut = section.cut(*core, blend_mm=stretch.blend_mm, margin_mm=self.fat_mm + 8.0)
        if cut is None:
            return None
        where = cut.where
        waves = np.clip(1.0 + 0.35 * section.field(221, 28.0, where), 0.35, 2.0)
        fat = np.float32(self.fat_mm) * waves * size
        bottom = section.row_mm[where[0]][:, None].astype(np.float32) - np.float32(self.back_mm - 0.5)
        outline = np.maximum(cut.distance_mm - fat - np.float32(1.5) * size, bottom)
        section.paint(section.cover(outline), SKIN, where)
        under_skin = section.cover(outline + np.float32(1.5) * size)
        section.paint(under_skin, FAT, where)
        self._paint_strands(section, under_skin, where)
        core_mm = np.maximum(cut.distance_mm, outline + np.float32(2.5) * size)
        muscle = core_mm + np.float32(stretch.sheath_mm) * size
        section.paint(section.cover(core_mm) * np.float32(0.7), STRAND, where)
        section.paint(section.cover(core_mm + np.float32(0.7)), FAT, where)
        amount = stretch.muscle_share(section.z[where])
        paint_compartments(section, limb.muscles, section.cover(muscle) * amount, where)
        flesh = np.zeros_like(section.x)
        flesh[where] = under_skin
        return flesh

    def _paint_strands(self, section: LimbSection, fat: np.ndarray, where: tuple[slice, slice]) -> None:
        """Lay strands, small veins and swelling into the fat."""
        fine, coarse = section.sheets(222, 5.0, 0.10, where), section.sheets(224, 10.0, 0.07, where)
        wet = np.float32(self.swelling) * np.clip(0.5 + section.field(226, 9.0, where), 0.0, 1.0)
        section.paint(fat * np.clip(0.4 * fine + 0.5 * coarse + 0.8 * wet * fine, 0.0, 1.0), STRAND, where)
        spots = np.clip(3.0 * (section.field(227, 4.0, where) - np.float32(2.1)), 0.0, 1.0)
        section.paint(fat * spots, Tissue(self.vein_hu), where)


class LimbSection(Section):
    """A slice of a limb, its left and right exchanged where it is a right one."""

    def __init__(self, canvas: Canvas, pose: Pose, key: tuple[int, ...], is_mirrored: bool) -> None:
        super().__init__(canvas, pose, key, (1.4, 0.5))
        self.is_mirrored = is_mirrored
        if is_mirrored:
            self.x = -self.x

    def near(self, centre_mm: tuple[float, float, float], reach_mm: float) -> tuple[slice, slice] | None:
        """Find the pixels that can see a ball; None where the slice misses it."""
        x, y, z = centre_mm
        return super().near((-x if self.is_mirrored else x, y, z), reach_mm)


def _draw_limbs(rng: np.random.Generator, kind: str, age_group: str, size: float, bulk: float) -> tuple[Limb, ...]:
    """Draw one limb or two, each turned and bent its own way."""
    stretch = STRETCHES[kind]
    sides = [1.0, -1.0] if rng.random() < stretch.paired else [float(rng.choice([-1.0, 1.0]))]
    apart = float(rng.uniform(0.9, 1.5)) * stretch.back_mm * bulk + 14.0
    limbs = []
    for side in sides:
        x = side * apart * size if len(sides) == 2 else float(rng.normal(0.0, 12.0))
        turn = rng.normal(0.0, 1.0, 3) * np.array([7.0, 6.0, 18.0])
        nod, roll, yaw = (float(t) for t in turn)
        pose = Pose((x, float(rng.normal(0.0, 8.0)), 0.0), (nod, roll, yaw), size)
        sites = _sites(rng, stretch.n_muscles, 46.0 * stretch.back_mm / 50.0)
        limbs.append(
            Limb(pose, side < 0.0, draw_compartments(rng, sites, jitter_mm=2.0), limb_implants(rng, kind, age_group))
        )
    return tuple(limbs)


def _sites(rng: np.random.Generator, number: int, radius_mm: float) -> np.ndarray:
    """Spread points over a disc as sunflower seeds, turned at random, ``[number, 2]``."""
    index = np.arange(number) + 0.5
    angle = 2.39996 * index + rng.uniform(0.0, 2.0 * np.pi)
    radius = radius_mm * np.sqrt(index / number)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _grown(solid: Solid, factor: float) -> Solid:
    """Thicken a solid of flesh."""
    if isinstance(solid, Rods):
        return solid.scaled(factor)
    rx, ry, rz = solid.radii_mm
    return replace(solid, radii_mm=(rx * factor, ry * factor, rz * factor))
