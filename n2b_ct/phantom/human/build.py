"""A patient's proportions: size, width, depth, fat, muscle, bone, and where the arms lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Build:
    """One patient's proportions.

    All shapes are drawn in the millimetres of an average adult; ``scale`` makes the patient's of them.

    Attributes:
        scale: Size, 1 for an average adult.
        width: Stretch of the trunk from side to side.
        depth: Stretch from back to front.
        fat_mm: Subcutaneous fat of the trunk on average, in an adult's millimetres.
        visceral_fat: 0 to 1: how much fat parts the organs.
        muscle: Thickness of muscles, 1 on average.
        fat_in_muscle: 0 to 1: how much fat streaks the muscles.
        bone: Density of bone, 1 on average.
        calcification: 0 to 1: how likely and how large calcified plaques are.
        is_female: Breasts and uterus, or prostate.
        are_arms_down: The arms lie beside the trunk, not above the head.
        breath: 0 for expiration, 1 for inspiration.
    """

    scale: float
    width: float
    depth: float
    fat_mm: float
    visceral_fat: float
    muscle: float
    fat_in_muscle: float
    bone: float
    calcification: float
    is_female: bool
    are_arms_down: bool
    breath: float

    def thin_mm(self, millimetres: float) -> float:
        """Convert a thickness that hardly grows with the body, such as skin or a fissure, to an adult's millimetres."""
        return millimetres / self.scale**0.7


_SCALE = {"adult": (0.9, 1.12), "child": (0.5, 0.88), "infant": (0.3, 0.48)}
_FAT_MM = {"adult": (3.0, 58.0), "child": (3.0, 35.0), "infant": (6.0, 18.0)}
_DEPTH = {"adult": (0.88, 1.12), "child": (0.86, 1.05), "infant": (0.95, 1.18)}


def draw_build(rng: np.random.Generator, age_group: str) -> Build:
    """Draw proportions: slim to obese, weak to strong, of one age group."""
    is_adult = age_group == "adult"
    leanest, fattest = _FAT_MM[age_group]
    fatness = float(rng.beta(1.4, 1.5))
    years = float(rng.uniform(0.2, 1.0)) if is_adult else 0.0
    return Build(
        scale=float(rng.uniform(*_SCALE[age_group])),
        width=float(rng.uniform(0.92, 1.08)),
        depth=float(rng.uniform(*_DEPTH[age_group])),
        fat_mm=leanest * (fattest / leanest) ** fatness,
        visceral_fat=float(np.clip(0.25 + 0.7 * fatness + rng.normal(0.0, 0.15), 0.05, 1.0)) if is_adult else 0.12,
        muscle=float(rng.uniform(0.75, 1.25)),
        fat_in_muscle=float(rng.uniform(0.1, 1.0)) * (0.3 + 0.7 * years),
        bone=float(rng.uniform(0.6, 1.25)) * (1.0 if is_adult else 1.2),
        calcification=years**2 * float(rng.random()),
        is_female=bool(rng.random() < 0.5),
        are_arms_down=bool(rng.random() < 0.35),
        breath=float(rng.uniform(0.0, 1.0)),
    )
