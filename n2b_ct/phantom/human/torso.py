"""The trunk: thorax, abdomen and pelvis are three windows on one patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from n2b_ct.phantom.human.bones import BonePainter
from n2b_ct.phantom.human.bowel import Bowel, draw_bowel, paint_bowel
from n2b_ct.phantom.human.build import Build, draw_build
from n2b_ct.phantom.human.contrast_agent import Enhancement, draw_enhancement
from n2b_ct.phantom.human.frame import body_plane, patient_back_mm
from n2b_ct.phantom.human.heart import Heart, draw_heart, paint_mediastinum
from n2b_ct.phantom.human.kidneys import Kidney, draw_kidneys, paint_back
from n2b_ct.phantom.human.liver import UpperOrgans, draw_upper_organs, paint_liver, paint_spleen_and_pancreas
from n2b_ct.phantom.human.lungs import Lungs, draw_lungs, paint_lungs
from n2b_ct.phantom.human.pelvic_bones import paint_pelvic_bones
from n2b_ct.phantom.human.pelvic_organs import (
    PelvicOrgans,
    draw_pelvic_organs,
    paint_leg_vessels,
    paint_pelvic_organs,
)
from n2b_ct.phantom.human.rib_cage import RibCage, draw_rib_cage, paint_rib_cage
from n2b_ct.phantom.human.small_vessels import draw_small_vessels, paint_small_vessels
from n2b_ct.phantom.human.spine import paint_spine
from n2b_ct.phantom.human.thin_tubes import draw_thin_tubes
from n2b_ct.phantom.human.tissues import CALCIFICATION
from n2b_ct.phantom.human.wall import Body, paint_wall
from n2b_ct.phantom.shapes import Canvas, Tubes

_AGES = ("adult", "child", "infant")
CHEST_END_MM = 330.0
ABDOMEN_START_MM = 176.0


@dataclass(frozen=True)
class Torso:
    """One patient's trunk between two heights.

    Attributes:
        seed: Names the patient.
        build: Proportions.
        enhancement: Contrast agent.
        rib_cage: The bones around the chest.
        heart: The heart.
        lungs: The lungs; ``None`` where the region lies below them.
        upper_organs: Liver, spleen, pancreas.
        kidneys: The right and the left one.
        bowel: The gut.
        pelvic_organs: Bladder and its neighbours.
        small_vessels: Of skin and muscles.
        specks: Small calcifications: granulomas, phleboliths, calcified nodes.
    """

    seed: int
    build: Build
    enhancement: Enhancement
    rib_cage: RibCage
    heart: Heart
    lungs: Lungs | None
    upper_organs: UpperOrgans
    kidneys: tuple[Kidney, Kidney]
    bowel: Bowel
    pelvic_organs: PelvicOrgans
    small_vessels: Tubes
    specks: Tubes

    adult_range_mm: ClassVar[tuple[float, float]] = (-40.0, 600.0)

    @classmethod
    def draw(cls, seed: int, age_group: str) -> Self:
        """Draw the patient; every part has its own stream of random numbers."""
        streams = np.random.SeedSequence([seed, _AGES.index(age_group)]).spawn(12)
        rngs = [np.random.default_rng(stream) for stream in streams]
        build, enhancement = draw_build(rngs[0], age_group), draw_enhancement(rngs[1])
        return cls(
            seed=int(rngs[2].integers(2**31)),
            build=build,
            enhancement=enhancement,
            rib_cage=draw_rib_cage(rngs[3], build),
            heart=draw_heart(rngs[4], build),
            lungs=draw_lungs(rngs[5], build) if cls.adult_range_mm[0] < CHEST_END_MM else None,
            upper_organs=draw_upper_organs(rngs[6]),
            kidneys=draw_kidneys(rngs[7], build),
            bowel=draw_bowel(rngs[8], build, enhancement),
            pelvic_organs=draw_pelvic_organs(rngs[9], build, enhancement),
            small_vessels=draw_small_vessels(rngs[11], build),
            specks=_draw_specks(rngs[10], build),
        )

    @property
    def z_range_mm(self) -> tuple[float, float]:
        """First and last height that can be painted."""
        first, last = self.adult_range_mm
        return self.build.scale * first, self.build.scale * last

    @property
    def back_mm(self) -> float:
        """Height of the table's top."""
        return patient_back_mm(self.build)

    def paint(self, canvas: Canvas) -> None:
        """Paint from the outside to the inside, and from what gives way to what does not."""
        canvas.plane = body_plane(canvas.plane, self.build, self.seed)
        z_mm, bones = canvas.plane.z_mm, BonePainter(self.build, self.seed)
        body = paint_wall(canvas, self.build, self.enhancement, self.seed)
        paint_small_vessels(canvas, body, self.small_vessels, self.enhancement)
        hollow = body.cavity
        if self.lungs is not None and z_mm < CHEST_END_MM:
            hollow = paint_lungs(canvas, body, self.lungs, self.enhancement, self.seed)
        if z_mm > ABDOMEN_START_MM:
            self._paint_abdomen(canvas, body, hollow)
        paint_mediastinum(canvas, body, self.heart, self.build, self.enhancement, self.seed)
        paint_leg_vessels(canvas, body, self.build, self.enhancement, self.seed)
        draw_thin_tubes(canvas, self.specks, CALCIFICATION, within=body.muscle)
        paint_rib_cage(canvas, body, self.rib_cage, self.build, bones, self.seed)
        paint_pelvic_bones(canvas, bones)
        paint_spine(canvas, body, bones)

    def _paint_abdomen(self, canvas: Canvas, body: Body, hollow: np.ndarray) -> None:
        """Paint what lies in the abdomen and behind the peritoneum."""
        enhancement, seed = self.enhancement, self.seed
        paint_bowel(canvas, self.bowel, hollow, enhancement, seed)
        paint_spleen_and_pancreas(canvas, hollow, self.upper_organs, enhancement, seed)
        paint_liver(canvas, body, hollow, self.upper_organs, enhancement, seed)
        for organ in self.bowel.stomach:
            organ.paint(canvas, hollow, enhancement, seed)
        paint_back(canvas, body, self.kidneys, self.build, enhancement, seed)
        paint_pelvic_organs(canvas, body, self.pelvic_organs, enhancement)


@dataclass(frozen=True)
class Thorax(Torso):
    """From the shoulders to the domes of the diaphragm."""

    adult_range_mm: ClassVar[tuple[float, float]] = (-40.0, 245.0)


@dataclass(frozen=True)
class Abdomen(Torso):
    """From the domes of the diaphragm to the crests of the ilium."""

    adult_range_mm: ClassVar[tuple[float, float]] = (185.0, 405.0)


@dataclass(frozen=True)
class Pelvis(Torso):
    """From the crests of the ilium to the thighs."""

    adult_range_mm: ClassVar[tuple[float, float]] = (380.0, 600.0)


def _draw_specks(rng: np.random.Generator, build: Build) -> Tubes:
    """Scatter calcified specks of 0.5 to 2.5 mm radius, more of them in the old."""
    number = int(rng.integers(0, 8)) + int(60.0 * build.calcification)
    centres = rng.uniform((-120.0, -80.0, -10.0), (120.0, 75.0, 590.0), (number, 3))
    half = rng.normal(0.0, 1.0, (number, 3))
    radii = np.exp(rng.uniform(np.log(0.5), np.log(2.5), number))
    return Tubes(centres - half, centres + half, radii, radii)
