"""Multiplicative noise, x = y + n · y, and the logarithm in which it is additive."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import numpy as np

from n2b_ct.config.noise import LevelOrRange, NoiseConfig, within
from n2b_ct.errors import DataError, explain
from n2b_ct.noises.noise import (
    UNIT_WHITE,
    Corruption,
    Level,
    as_floating,
    draw_level,
    require_image_shape,
    require_level,
    require_same_shape,
    require_white,
)
from n2b_ct.registry import NOISES

SPECKLE_VARIANCE_LIMIT = 1.0 / 3.0
"""From here on n would reach −1, and x = y + n · y would turn black or negative."""

_GREY_LEVELS = 255.0
"""The logarithm's offset is white over this, one grey level of an 8-bit image: black has a logarithm."""
_Variance = Annotated[
    LevelOrRange, within("must be 0 or more and below 1/3", lambda level: 0 <= level < SPECKLE_VARIANCE_LIMIT)
]


def draw_speckle(shape: tuple[int, ...], variance: float, rng: np.random.Generator) -> np.ndarray:
    """Draw the relative noise of speckle, uniform with mean 0.

    Args:
        shape: ``[rows, cols]`` or ``[rows, cols, channels]``.
        variance: v, from 0 to below 1/3; relative to the image, so free of its scale.
        rng: Source of the noise.

    Returns:
        n, float32 of ``shape``, within ±√(3v).

    Raises:
        DataError: ``variance`` is out of range, or the shape is not an image's.
    """
    require_speckle_variance(variance)
    require_image_shape(shape)
    half_width = np.float32(math.sqrt(3.0 * variance))
    return half_width * (2.0 * rng.random(shape, dtype=np.float32) - 1.0)


def apply_speckle(image: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Apply multiplicative noise: x = y + n · y.

    Raises:
        DataError: The shapes differ.
    """
    require_same_shape(image, noise)
    clean = as_floating(image)
    return clean + noise.astype(clean.dtype) * clean


def speckle_logarithm(image: np.ndarray, white: float = UNIT_WHITE) -> np.ndarray:
    """Turn speckle into additive noise before denoising: ln(y + n·y) = ln y + ln(1 + n).

    One 8-bit grey level is added first, so that black stays finite: noise is additive where the
    image is well above it. Undone by :func:`speckle_exponential`; the paper couples the two.

    Args:
        image: Any shape, not negative.
        white: White of its scale.

    Returns:
        Same shape; black is 0 and white is 1.
    """
    require_white(white)
    offset = white / _GREY_LEVELS
    return np.log1p(as_floating(image) / offset) / math.log1p(_GREY_LEVELS)


def speckle_exponential(logarithm: np.ndarray, white: float = UNIT_WHITE) -> np.ndarray:
    """Undo :func:`speckle_logarithm` after denoising."""
    require_white(white)
    offset = white / _GREY_LEVELS
    return np.expm1(as_floating(logarithm) * math.log1p(_GREY_LEVELS)) * offset


def require_speckle_variance(variance: float) -> None:
    """Raise a DataError unless n stays above −1."""
    if not 0.0 <= variance < SPECKLE_VARIANCE_LIMIT:
        requirement = "must be 0 or more and below 1/3"
        raise DataError(explain("noise.variance", requirement, variance, "use 0.1 as the paper's test does"))


@dataclass(frozen=True, slots=True)
class SpeckleNoise:
    """Multiplicative noise, x = y + n · y, n uniform.

    Attributes:
        variance: v of n, or its range; below 1/3.
    """

    variance: Level

    def __post_init__(self) -> None:
        require_level("noise.variance", self.variance, require_speckle_variance)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Corruption:
        """Draw v, then n."""
        return partial(apply_speckle, noise=draw_speckle(shape, draw_level(self.variance, rng), rng))


@NOISES.register("speckle")
class SpeckleNoiseConfig(NoiseConfig):
    """Multiplicative noise, x = y + n · y, n uniform."""

    title = "speckle"
    kind: Literal["speckle"] = "speckle"
    variance: _Variance
    """Variance v of n, or its range; below 1/3, where n reaches −1."""

    def noise(self) -> SpeckleNoise:
        """Return the noise for images on [0, 1]."""
        return SpeckleNoise(self.variance)
