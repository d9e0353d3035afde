"""The trunk: thorax, abdomen and pelvis are three windows on one patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from n2b_ct.phantom.human.bones import BonePainter
from n2b_ct.phantom.human.build import Build, draw_build
from n2b_ct.phantom.human.contrast_agent import Enhancement, draw_enhancement
from n2b_ct.phantom.human.frame import body_plane, patient_back_mm
from n2b_ct.phantom.human.heart import Heart, draw_heart, paint_mediastinum
from n2b_ct.phantom.human.lungs import Lungs, draw_lungs, paint_lungs
from n2b_ct.phantom.human.rib_cage import RibCage, draw_rib_cage, paint_rib_cage
from n2b_ct.phantom.human.spine import paint_spine
from n2b_ct.phantom.human.wall import paint_wall
from n2b_ct.phantom.shapes import Canvas

_AGES = ("adult", "child", "infant")


@dataclass(frozen=True)
class Torso:
    """One patient's trunk between two heights.

    Attributes:
        seed: Names the patient.
        build: Proportions.
        enhancement: Contrast agent.
        heart: Its heart.
        lungs: Its lungs.
        rib_cage: Its bones around the chest.
    """

    seed: int
    build: Build
    enhancement: Enhancement
    heart: Heart
    lungs: Lungs
    rib_cage: RibCage

    adult_range_mm: ClassVar[tuple[float, float]] = (-40.0, 600.0)

    @classmethod
    def draw(cls, seed: int, age_group: str) -> Self:
        """Draw the patient; every part has its own stream of random numbers."""
        streams = np.random.SeedSequence([seed, _AGES.index(age_group)]).spawn(6)
        rngs = [np.random.default_rng(stream) for stream in streams]
        build = draw_build(rngs[0], age_group)
        return cls(
            seed=int(rngs[5].integers(2**31)),
            build=build,
            enhancement=draw_enhancement(rngs[1]),
            heart=draw_heart(rngs[2], build),
            lungs=draw_lungs(rngs[3], build),
            rib_cage=draw_rib_cage(rngs[4], build),
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
        """Paint from the outside to the inside."""
        canvas.plane = body_plane(canvas.plane, self.build, self.seed)
        bones = BonePainter(self.build, self.seed)
        body = paint_wall(canvas, self.build, self.enhancement, self.seed)
        if canvas.plane.z_mm < 330.0:
            paint_lungs(canvas, body, self.lungs, self.enhancement, self.seed)
        paint_mediastinum(canvas, body, self.heart, self.build, self.enhancement, self.seed)
        paint_rib_cage(canvas, self.rib_cage, self.build, bones, self.seed)
        paint_spine(canvas, body, bones)


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
