"""The proportions of a face, its outline, and the solids that shrink with it.

Coordinates as in :mod:`n2b_ct.phantom.human.brain`. A child's face is smaller beside its brain than an adult's: face
solids shrink towards :data:`ANCHOR`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from n2b_ct.phantom.human.solids import Blob, Point, Rods, Solid, both

ANCHOR = np.array([0.0, -35.0, 14.0])


@dataclass(frozen=True, slots=True)
class FaceBuild:
    """One face.

    Attributes:
        size: Size beside the brain, 1 being an adult's.
        jaw_open_mm: How far the mouth is open.
        teeth: For each of 32 places, upper then lower, right to left: 0 missing, 1 natural, 2 filled, 3 crowned.
        enamel_hu: HU of enamel.
        metal_hu: HU of fillings and crowns.
        mucosa_mm: Thickness of the sinuses' lining, ``(right, left)``.
        level_mm: How deep secretion stands in the jaw's sinuses, ``(right, left)``.
        septum_mm: How far the nose's septum bends.
        turbinate_mm: Thickness of the turbinates.
        gaze_deg: Where the eyes look.
    """

    size: float
    jaw_open_mm: float
    teeth: tuple[int, ...]
    enamel_hu: float
    metal_hu: float
    mucosa_mm: tuple[float, float]
    level_mm: tuple[float, float]
    septum_mm: float
    turbinate_mm: float
    gaze_deg: float


def draw_face(rng: np.random.Generator, age_group: str) -> FaceBuild:
    """Draw a face."""
    size = {"adult": (0.94, 1.06), "child": (0.74, 0.9), "infant": (0.58, 0.68)}[age_group]
    mucosa = np.clip(rng.normal(0.3, 1.2, 2), 0.0, 6.0)
    level = np.clip(rng.normal(-10.0, 14.0, 2), 0.0, 26.0)
    return FaceBuild(
        size=float(rng.uniform(*size)),
        jaw_open_mm=float(rng.choice([0.0, 0.0, 3.0, 10.0]) * rng.uniform(0.6, 1.2)),
        teeth=_draw_teeth(rng, age_group),
        enamel_hu=float(rng.uniform(2300.0, 3050.0)),
        metal_hu=float(rng.choice([3500.0, 6000.0, 9000.0, 14000.0]) * rng.uniform(0.9, 1.2)),
        mucosa_mm=(float(mucosa[0]), float(mucosa[1])),
        level_mm=(float(level[0]), float(level[1])),
        septum_mm=float(rng.normal(0.0, 2.2)),
        turbinate_mm=float(rng.uniform(1.5, 3.4)),
        gaze_deg=float(rng.normal(0.0, 12.0)),
    )


def _draw_teeth(rng: np.random.Generator, age_group: str) -> tuple[int, ...]:
    """Draw a set of teeth: gaps, fillings and crowns come with age."""
    if age_group == "infant":
        return (0,) * 32
    missing, filled, crowned = (float(rng.random() ** 3) * most for most in (0.7, 0.4, 0.3))
    if age_group == "child":
        missing, filled, crowned = 0.15, 0.3 * filled, 0.0
    chances = np.array([missing, max(0.05, 1.0 - missing - filled - crowned), filled, crowned])
    drawn = rng.choice(4, size=32, p=chances / chances.sum())
    return tuple(int(kind) for kind in drawn)


@dataclass(frozen=True, slots=True)
class FaceShape:
    """Makes solids of a face.

    Attributes:
        size: The face's, beside an average adult's.
    """

    size: float

    def point(self, p: Sequence[float]) -> Point:
        """Move a point of an average adult's face."""
        x, y, z = ANCHOR + (np.asarray(p, float) - ANCHOR) * self.size
        return float(x), float(y), float(z)

    def blob(self, centre: Sequence[float], radii: Sequence[float], turn: Point = (0.0, 0.0, 0.0)) -> Blob:
        """Make an ellipsoid."""
        rx, ry, rz = (self.size * r for r in radii)
        return Blob(self.point(centre), (rx, ry, rz), turn)

    def rods(self, points: Sequence[Sequence[float]], radii: Sequence[float] | float) -> Rods:
        """Make rods along a path."""
        return Rods.along([self.point(p) for p in points], (self.size * np.asarray(radii)).tolist())


@lru_cache(maxsize=4)
def outline_solids(size: float) -> tuple[Solid, ...]:
    """Make what the skin of the face and the neck is drawn around."""
    make = FaceShape(size)
    return (
        make.blob((0, -42, 52), (61, 56, 60)),
        make.blob((0, -50, 98), (61, 50, 46)),
        make.blob((0, -84, 116), (24, 18, 17)),
        *both(make.rods([(52, -6, 62), (50, -20, 98), (28, -72, 122)], (20, 20, 13))),
        *both(make.blob((34, -74, 70), (20, 20, 24))),
        *both(make.rods([(12, -88, 14), (34, -84, 12), (56, -64, 18)], (8, 9, 10))),
        Rods.along([(0, 22, 50), (0, 26, 90), (0, 30, 190)], (58.0, 58.0, 60.0)),
        Blob((0.0, 40.0, 78.0), (56.0, 46.0, 60.0)),
        *both(Blob((50.0, 24.0, 48.0), (29.0, 30.0, 38.0))),
    )


@lru_cache(maxsize=4)
def nose_solids(size: float) -> tuple[Solid, ...]:
    """Make the nose."""
    make = FaceShape(size)
    return make.rods([(0, -94, 24), (0, -104, 44), (0, -116, 60)], (6, 7.5, 9)), *both(
        make.blob((9, -104, 63), (8, 9, 7))
    )


@lru_cache(maxsize=4)
def ear_solids() -> tuple[Solid, ...]:
    """Make the rims of the ears."""
    rim = [(74, 4, 54), (78, 10, 40), (83, 18, 22), (86, 27, 20), (88, 33, 32), (85, 28, 48), (79, 15, 62), (74, 8, 66)]
    shell = Blob((80.0, 20.0, 42.0), (1.8, 13.0, 24.0), (0.0, 0.0, -28.0))
    return both(
        Rods.along(rim, (3.2, 2.6, 2.3, 2.3, 2.5, 2.5, 3.4, 4.2)), shell, Rods.along([(70, 6, 46), (78, 14, 44)], 3.0)
    )
