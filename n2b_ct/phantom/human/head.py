"""A head: scalp, skull, brain and face of an adult, a child or an infant.

Coordinates are those of :mod:`n2b_ct.phantom.human.region`; z is 0 in the middle of the brain. Heads nod, tilt and
turn, as under a gantry at an angle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.body import SKIN
from n2b_ct.phantom.human.brain import BrainBuild, draw_brain, paint_brain
from n2b_ct.phantom.human.cervical import SpineBuild, draw_spine, paint_spine
from n2b_ct.phantom.human.face import paint_face
from n2b_ct.phantom.human.face_build import FaceBuild, draw_face, ear_solids, nose_solids, outline_solids
from n2b_ct.phantom.human.implants import Part, paint_parts
from n2b_ct.phantom.human.long_bones import draw_bone_quality
from n2b_ct.phantom.human.muscles import FAT, MUSCLE, Compartments, draw_compartments, paint_compartments
from n2b_ct.phantom.human.section import Pose, Section, joined
from n2b_ct.phantom.human.skull import (
    SkullBuild,
    cavity_distance,
    draw_skull,
    paint_base,
    paint_vault,
    thickness_mm,
)
from n2b_ct.phantom.human.solids import FAR
from n2b_ct.phantom.human.surgery import head_implants
from n2b_ct.phantom.shapes import Canvas, Tissue

_STREAM = 401
_HALF_SITES = (
    (7, 30),
    (9, 62),
    (22, 48),
    (26, 70),
    (38, 40),
    (44, 60),
    (52, 24),
    (30, 24),
    (18, 84),
    (40, 78),
    (10, 4),
    (16, -8),
    (27, 0),
    (30, -22),
    (40, -8),
    (46, -34),
    (57, -18),
    (56, -44),
    (28, -40),
    (14, -46),
    (40, -62),
    (24, -70),
    (8, -88),
    (32, -86),
    (54, -60),
)
_SITES = np.array([(side * x, y) for side in (1.0, -1.0) for x, y in _HALF_SITES])
_SIZES = {"adult": (0.93, 1.06), "child": (0.84, 0.98), "infant": (0.58, 0.78)}


@dataclass(frozen=True)
class Head:
    """One head.

    Attributes:
        seed: Names the patient.
        z_range_mm: From above the crown to the chin.
        back_mm: y of what it rests on.
        pose: How it lies.
        scalp_mm: Thickness of the scalp's fat.
        muscles: The compartments of face and nape.
        muscle_mm: Thickness of the muscle at the temples and below the occiput.
        hair_mm: Thickness of the hair.
        brain: Its brain.
        skull: Its skull.
        face: Its face.
        spine: Its uppermost vertebrae.
        implants: What surgeons left.
    """

    seed: int
    z_range_mm: tuple[float, float]
    back_mm: float
    pose: Pose
    scalp_mm: float
    muscle_mm: float
    hair_mm: float
    muscles: Compartments
    brain: BrainBuild
    skull: SkullBuild
    face: FaceBuild
    spine: SpineBuild
    implants: tuple[Part, ...]

    @classmethod
    def draw(cls, seed: int, age_group: str) -> Head:
        """Draw a head; equal seeds, equal heads."""
        rng = np.random.default_rng(np.random.SeedSequence([seed, _STREAM, len(age_group)]))
        size = float(rng.uniform(*_SIZES[age_group]))
        nod, roll, turn = rng.normal(0.0, 1.0, 3) * np.array([11.0, 3.0, 7.0])
        shift = rng.normal(0.0, 6.0, 2)
        quality = draw_bone_quality(rng, age_group)
        brain = draw_brain(rng, age_group)
        return cls(
            seed=seed,
            z_range_mm=(-88.0 * size, 128.0 * size),
            back_mm=float(shift[1] + 122.0 * size),
            pose=Pose((float(shift[0]), float(shift[1]), 0.0), (float(nod), float(roll), float(turn)), size),
            scalp_mm=float(rng.uniform(2.0, 7.5)) * (1.0 if age_group == "adult" else 0.7),
            muscle_mm=float(rng.uniform(3.0, 11.0)),
            hair_mm=float(rng.choice([0.0, 0.0, 4.0, 12.0])),
            muscles=draw_compartments(rng, _SITES, jitter_mm=2.5),
            brain=brain,
            skull=draw_skull(rng, age_group, quality),
            face=draw_face(rng, age_group),
            spine=draw_spine(rng, (0.0, 27.0, 76.0), quality, age_group, brain.blood_hu),
            implants=head_implants(rng, age_group),
        )

    def paint(self, canvas: Canvas) -> None:
        """Paint from the outside to the inside."""
        section = Section(canvas, self.pose, (self.seed, _STREAM), (1.5, 0.45))
        distance, thickness = cavity_distance(section), thickness_mm(section, self.skull)
        self._paint_scalp(section, distance - thickness)
        section.draw(SKIN, *ear_solids(), blend_mm=1.0)
        paint_vault(section, self.skull, distance, thickness)
        paint_spine(section, self.spine, 1, 4)
        paint_base(section, self.skull)
        paint_face(section, self.skull, self.face)
        paint_brain(section, self.brain, -distance - np.float32(0.2), self.seed)
        paint_parts(section, self.implants)

    def _paint_scalp(self, section: Section, skull: np.ndarray) -> None:
        """Paint hair, skin, fat and muscle."""
        size = np.float32(self.pose.size)
        outline = self._outline(section, skull)
        if self.hair_mm > 0.0:
            hair = section.cover(outline - np.float32(self.hair_mm)) * (section.y > -70.0)
            share = np.clip(0.12 + 0.1 * section.field(140, 3.0), 0.0, 0.5)
            section.paint(hair * share, Tissue(-300.0, 60.0, 60.0))
        section.paint(section.cover(outline), SKIN)
        skin = np.float32(2.1) * size
        section.paint(section.cover(outline + skin), FAT)
        strands = section.sheets(141, 6.0, 0.10)
        section.paint(section.cover(outline + skin) * np.float32(0.5) * strands, Tissue(35.0, 8.0, 6.0))
        self._paint_muscle(section, outline + skin + np.float32(0.35 * self.scalp_mm) * size, skull * size)

    def _paint_muscle(self, section: Section, under_fat: np.ndarray, skull: np.ndarray) -> None:
        """Paint temporal muscles, the neck's below the occiput, and the galea over the rest."""
        x, y, z = np.abs(section.x), section.y, section.z
        temple = np.hypot((y + 14.0) / 46.0, (z - 2.0) / 52.0) - 1.0
        temple = np.maximum(np.float32(40.0) * temple, np.float32(40.0) - x)
        thick = np.float32(self.muscle_mm) * np.clip(1.3 + 0.3 * section.field(142, 14.0), 0.4, 2.0)
        chewing = np.maximum(np.maximum(temple.astype(np.float32), under_fat), skull - thick)
        galea = np.maximum(np.abs(skull - np.float32(1.6)) - np.float32(0.6), under_fat)
        streaks = np.clip(np.float32(1.0) - np.float32(0.85) * section.sheets(143, 9.0, 0.14), 0.0, 1.0)
        for distance in (galea, chewing):
            section.paint(section.cover(distance) * streaks, MUSCLE)
        cheek = np.clip((-y - np.float32(20.0)) / np.float32(40.0), 0.0, 1.0) * np.float32(14.0)
        below = np.maximum(np.float32(26.0) - z + np.float32(0.05) * y, -skull - np.float32(2.0))
        deep = np.maximum(below, under_fat + np.float32(2.0) + cheek)
        where = section.near((0.0, 0.0, 70.0), 130.0)
        if where is not None and self.pose.size * 24.0 < section.z_mm + 60.0:
            paint_compartments(section, self.muscles, section.cover(deep)[where], where)

    def _outline(self, section: Section, skull: np.ndarray) -> np.ndarray:
        """Measure the distance to the skin: skull and scalp, face, jaw and neck, joined smoothly."""
        size = np.float32(self.pose.size)
        cut = section.cut(*outline_solids(self.face.size), blend_mm=14.0)
        outline = (skull - np.float32(self.scalp_mm + 2.0)) * size
        if cut is not None:
            face = np.full_like(outline, FAR)
            face[cut.where] = cut.distance_mm
            outline = joined(outline, face, 14.0)
        nose = section.cut(*nose_solids(self.face.size), blend_mm=3.0)
        if nose is not None:
            outline[nose.where] = joined(outline[nose.where], nose.distance_mm, 5.0)
        return outline + np.float32(0.25) * section.field(145, 7.0)
