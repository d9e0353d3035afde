"""Pixels turned white or black."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import numpy as np

from n2b_ct.config.noise import LevelOrRange, NoiseConfig, within
from n2b_ct.noises.noise import (
    UNIT_WHITE,
    Corruption,
    Level,
    as_floating,
    draw_level,
    require_cover,
    require_image_shape,
    require_level,
    require_probability,
    require_white,
)
from n2b_ct.registry import NOISES

_Probability = Annotated[LevelOrRange, within("must be from 0 to 1", lambda level: 0 <= level <= 1)]


def draw_salt_and_pepper(shape: tuple[int, ...], probability: float, rng: np.random.Generator) -> np.ndarray:
    """Draw which pixels turn white or black.

    Args:
        shape: ``[rows, cols]`` or ``[rows, cols, channels]``; channels share their pixel's fate.
        probability: p of a pixel to be changed, from 0 to 1.
        rng: Source of the noise.

    Returns:
        int8 ``[rows, cols]``: 1 salt, −1 pepper, 0 untouched.

    Raises:
        DataError: ``probability`` is no probability, or the shape is not an image's.
    """
    require_probability(probability)
    require_image_shape(shape)
    chance = rng.random(shape[:2])
    salt, pepper = chance < probability / 2, (chance >= probability / 2) & (chance < probability)
    return salt.astype(np.int8) - pepper.astype(np.int8)


def apply_salt_and_pepper(image: np.ndarray, grains: np.ndarray, white: float = UNIT_WHITE) -> np.ndarray:
    """Set salt to white and pepper to 0, the scale's maximum and minimum.

    Args:
        image: ``[rows, cols]`` or ``[rows, cols, channels]``.
        grains: ``[rows, cols]`` of :func:`draw_salt_and_pepper`.
        white: White of the image's scale.

    Raises:
        DataError: ``grains`` do not cover the image, or ``white`` is not above 0.
    """
    require_white(white)
    require_cover(image, grains)
    noisy = as_floating(image).copy()
    noisy[grains > 0] = white
    noisy[grains < 0] = 0.0
    return noisy


@dataclass(frozen=True, slots=True)
class SaltAndPepperNoise:
    """Pixels turned white or black.

    Attributes:
        probability: p of a pixel, or its range.
        white: White of the image's scale: 1, 255 or 65535.
    """

    probability: Level
    white: float = UNIT_WHITE

    def __post_init__(self) -> None:
        require_level("noise.probability", self.probability, require_probability)
        require_white(self.white)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Corruption:
        """Draw p, then the grains."""
        grains = draw_salt_and_pepper(shape, draw_level(self.probability, rng), rng)
        return partial(apply_salt_and_pepper, grains=grains, white=self.white)


@NOISES.register("salt_and_pepper")
class SaltAndPepperNoiseConfig(NoiseConfig):
    """Pixels turned white or black."""

    title = "salt and pepper"
    kind: Literal["salt_and_pepper"] = "salt_and_pepper"
    probability: _Probability
    """Probability p of a pixel to be changed, or its range."""

    def noise(self) -> SaltAndPepperNoise:
        """Return the noise for images on [0, 1]."""
        return SaltAndPepperNoise(self.probability)
