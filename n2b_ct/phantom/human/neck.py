"""A neck, from below the jaw to the shoulders, of an adult, a child or an infant.

Coordinates are those of :mod:`n2b_ct.phantom.human.region`; z is 0 at the third cervical vertebra.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.body import SKIN
from n2b_ct.phantom.human.cervical import SpineBuild, draw_spine, paint_spine
from n2b_ct.phantom.human.implants import Part, paint_parts
from n2b_ct.phantom.human.long_bones import draw_bone_quality
from n2b_ct.phantom.human.muscles import FAT, STRAND, Compartments, draw_compartments, paint_compartments
from n2b_ct.phantom.human.section import Pose, Section
from n2b_ct.phantom.human.shoulders import Shoulders, draw_shoulders, paint_shoulder_bones, shoulder_outline
from n2b_ct.phantom.human.solids import FAR, Blob, Rods, both
from n2b_ct.phantom.human.surgery import neck_implants
from n2b_ct.phantom.human.throat import (
    Throat,
    draw_throat,
    paint_airway,
    paint_glands,
    paint_larynx,
    paint_neck_vessels,
)
from n2b_ct.phantom.shapes import Canvas, Tissue

_STREAM = 402
_SIZES = {"adult": (0.92, 1.1), "child": (0.62, 0.82), "infant": (0.42, 0.52)}

_HALF_SITES = (
    (8, 62),
    (11, 78),
    (20, 55),
    (24, 70),
    (33, 50),
    (36, 66),
    (44, 40),
    (48, 56),
    (28, 38),
    (40, 26),
    (20, 92),
    (52, 22),
    (56, 40),
    (8, 3),
    (22, 18),
    (30, 12),
)
_OUTER_SITES = (
    (75, 30),
    (95, 48),
    (80, 60),
    (110, 20),
    (120, 50),
    (140, 10),
    (150, 60),
    (165, -10),
    (180, 20),
    (190, 45),
    (170, 62),
    (105, -5),
    (70, 5),
    (60, 70),
    (85, -15),
    (130, -20),
    (200, 5),
)
_SITES = np.array([(s * x, y) for s in (1.0, -1.0) for x, y in _HALF_SITES + _OUTER_SITES])


@dataclass(frozen=True)
class Neck:
    """One neck.

    Attributes:
        seed: Names the patient.
        z_range_mm: From the third cervical to the second thoracic vertebra.
        back_mm: y of what it lies on.
        pose: How it lies.
        girth: Thickness, 1 being the average.
        fat_mm: Thickness of the fat below the skin.
        shoulders: The shoulders.
        muscles: Its muscles.
        spine: Its spine.
        throat: What lies before the spine.
        implants: What surgeons and nurses left.
    """

    seed: int
    z_range_mm: tuple[float, float]
    back_mm: float
    pose: Pose
    girth: float
    fat_mm: float
    shoulders: Shoulders
    muscles: Compartments
    spine: SpineBuild
    throat: Throat
    implants: tuple[Part, ...]

    @classmethod
    def draw(cls, seed: int, age_group: str) -> Neck:
        """Draw a neck; equal seeds, equal necks."""
        rng = np.random.default_rng(np.random.SeedSequence([seed, _STREAM, len(age_group)]))
        size = float(rng.uniform(*_SIZES[age_group]))
        nod, roll, turn = rng.normal(0.0, 1.0, 3) * np.array([8.0, 3.0, 4.0])
        shift = rng.normal(0.0, 8.0, 2)
        quality = draw_bone_quality(rng, age_group)
        throat = draw_throat(rng, age_group)
        girth = float(rng.uniform(0.88, 1.18))
        last = 162.0 if age_group == "adult" else 148.0
        return cls(
            seed=seed,
            z_range_mm=(-4.0 * size, last * size),
            back_mm=float(shift[1] + 100.0 * size * girth),
            pose=Pose((float(shift[0]), float(shift[1]), 0.0), (float(nod), float(roll), float(turn)), size),
            girth=girth,
            fat_mm=float(rng.gamma(3.0, 2.2)) + 1.5,
            shoulders=draw_shoulders(rng, quality),
            muscles=draw_compartments(rng, _SITES, jitter_mm=3.0),
            spine=draw_spine(rng, (0.0, 28.0, -36.0), quality, age_group, throat.artery_hu),
            throat=throat,
            implants=neck_implants(rng, age_group),
        )

    def paint(self, canvas: Canvas) -> None:
        """Paint from the outside to the inside."""
        section = Section(canvas, self.pose, (self.seed, _STREAM), (1.6, 0.5))
        self._paint_body(section)
        paint_shoulder_bones(section, self.shoulders, self.throat.vein_hu)
        paint_glands(section, self.throat)
        paint_spine(section, self.spine, 2, 13)
        paint_neck_vessels(section, self.throat)
        paint_larynx(section, self.throat)
        paint_airway(section, self.throat)
        paint_parts(section, self.implants)

    def _paint_body(self, section: Section) -> None:
        """Paint skin, fat, muscles and the loose tissue of the throat."""
        size = np.float32(self.pose.size)
        outline = self._outline(section)
        section.paint(section.cover(outline), SKIN)
        under_skin = section.cover(outline + np.float32(1.9) * size)
        section.paint(under_skin, FAT)
        section.paint(under_skin * np.float32(0.45) * section.sheets(180, 8.0, 0.09), STRAND)
        waves = np.clip(1.0 + 0.4 * section.field(181, 22.0), 0.3, 2.2)
        nape = np.clip(section.y / np.float32(80.0), 0.0, 1.0)
        fat = np.float32(self.fat_mm + 1.9) * (np.float32(0.6) * waves + np.float32(0.8) * nape) * size
        front = np.float32(9.0) - section.y - np.float32(0.22) * np.abs(section.x)
        inner = np.maximum(outline + fat, front * size)
        rows, columns = np.flatnonzero((inner < 1).any(axis=1)), np.flatnonzero((inner < 1).any(axis=0))
        if len(rows) and len(columns):
            where = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            paint_compartments(section, self.muscles, section.cover(inner[where]), where)
        self._paint_long_muscles(section, section.cover(outline + np.float32(0.5) * fat))

    def _paint_long_muscles(self, section: Section, within: np.ndarray) -> None:
        """Paint the muscles that run along the throat."""
        muscle = Tissue(self.muscles.hu, 4.5, 3.5)
        mastoid = [(50, 8, -10), (44, -8, 40), (34, -26, 80), (20, -38, 125)]
        straps = (
            Rods.along(mastoid, (9.5, 11.0, 9.0, 6.5)),
            Rods.along([(50, 14, -10), (46, -2, 40), (40, -20, 80), (32, -32, 125)], (7.0, 8.0, 7.0, 5.0)),
            Rods.along([(8, -50, 22), (12, -48, 60), (14, -44, 130)], 3.6),
            Rods.along([(16, -46, 30), (20, -44, 60), (20, -40, 130)], 3.2),
            Rods.along([(8, -3, -20), (10, -4, 40), (10, 0, 120)], (6.0, 6.5, 6.0)),
            Rods.along([(26, 4, 30), (34, 4, 80), (42, 0, 120)], (7.0, 9.0, 8.0)),
        )
        for solid in straps:
            section.draw(muscle, *both(solid), grow_mm=0.2, within=within)
        section.draw(Tissue(50.0, 6.0, 5.0), Blob((0.0, -40.0, -2.0), (22.0, 24.0, 22.0)), within=within)

    def _outline(self, section: Section) -> np.ndarray:
        """Measure the distance to the skin, world millimetres."""
        girth, fat = self.girth, 0.6 * self.fat_mm
        neck = (
            Rods.along(
                [(0, 24, -60), (0, 26, 60), (0, 30, 260)], (60 * girth + fat, 58 * girth + fat, 66 * girth + fat)
            ),
            Rods.along(
                [(0, -8, -30), (0, -12, 60), (0, -10, 220)], (52 * girth + fat, 44 * girth + fat, 54 * girth + fat)
            ),
            Blob((0.0, -40.0, -32.0), (50.0, 46.0, 42.0)),
        )
        cut = section.cut(*neck, *shoulder_outline(self.shoulders, fat), blend_mm=26.0, margin_mm=14.0)
        outline = np.full(section.x.shape, FAR)
        if cut is not None:
            outline[cut.where] = cut.distance_mm
        bottom = section.canvas.plane.row_mm[:, None] - np.float32(self.back_mm - 0.5)
        return np.maximum(outline, bottom.astype(np.float32)) + np.float32(0.3) * section.field(182, 8.0)
