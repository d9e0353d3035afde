"""Every noise of the papers as a value: its level, checked once, and one way to draw it.

::

    noise = GaussianNoise(sigma=(0.0, 50 / 255))                  blind, for images on [0, 1]
    corruption = noise.draw(image.shape, np.random.default_rng(7))
    noisy = corruption(image)

All randomness lies in ``draw``: a corruption is a pure function, and gives one noise to as many images
of the shape as it is applied to. The equations are in :mod:`n2b_ct.simulation.image_noise` and
:mod:`n2b_ct.simulation.text_noise`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from n2b_ct.errors import DataError, explain
from n2b_ct.simulation.image_noise import (
    UNIT_WHITE,
    Level,
    add_noise,
    apply_salt_and_pepper,
    apply_speckle,
    draw_correlated_gaussian,
    draw_gaussian,
    draw_level,
    draw_salt_and_pepper,
    draw_speckle,
    require_correlation,
    require_probability,
    require_sigma,
    require_speckle_variance,
    require_white,
)
from n2b_ct.simulation.text_noise import (
    FONT_SIZE_PX,
    apply_text,
    draw_text,
    require_font_size,
    require_text_probability,
)

Corruption = Callable[[np.ndarray], np.ndarray]
"""Makes a clean image noisy, always in the same way."""


class ImageNoise(Protocol):
    """A kind of noise with its level."""

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Corruption:
        """Draw one realisation for images ``[rows, cols]`` or ``[rows, cols, channels]``."""


@dataclass(frozen=True, slots=True)
class GaussianNoise:
    """White Gaussian noise, x = y + n.

    Attributes:
        sigma: Standard deviation in the image's grey levels, or its range.
    """

    sigma: Level

    def __post_init__(self) -> None:
        _require_level("noise.sigma", self.sigma, require_sigma)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Corruption:
        """Draw σ, then n."""
        return partial(add_noise, noise=draw_gaussian(shape, draw_level(self.sigma, rng), rng))


@dataclass(frozen=True, slots=True)
class CorrelatedNoise:
    """Gaussian noise that resembles its neighbours, as that of CT does.

    Attributes:
        sigma: Standard deviation in the image's grey levels, or its range.
        correlation_px: Standard deviation of the filter behind it.
    """

    sigma: Level
    correlation_px: float

    def __post_init__(self) -> None:
        _require_level("noise.sigma", self.sigma, require_sigma)
        require_correlation(self.correlation_px)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Corruption:
        """Draw σ, then n."""
        sigma = draw_level(self.sigma, rng)
        return partial(add_noise, noise=draw_correlated_gaussian(shape, sigma, self.correlation_px, rng))


@dataclass(frozen=True, slots=True)
class SpeckleNoise:
    """Multiplicative noise, x = y + n · y, n uniform.

    Attributes:
        variance: v of n, or its range; below 1/3.
    """

    variance: Level

    def __post_init__(self) -> None:
        _require_level("noise.variance", self.variance, require_speckle_variance)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Corruption:
        """Draw v, then n."""
        return partial(apply_speckle, noise=draw_speckle(shape, draw_level(self.variance, rng), rng))


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
        _require_level("noise.probability", self.probability, require_probability)
        require_white(self.white)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Corruption:
        """Draw p, then the grains."""
        grains = draw_salt_and_pepper(shape, draw_level(self.probability, rng), rng)
        return partial(apply_salt_and_pepper, grains=grains, white=self.white)


@dataclass(frozen=True, slots=True)
class TextNoise:
    """Random strings over the image.

    Attributes:
        probability: p of a pixel to be covered, or its range; up to 0.9.
        white: White of the image's scale: 1, 255 or 65535.
        size_px: Smallest and largest font size.
    """

    probability: Level
    white: float = UNIT_WHITE
    size_px: tuple[int, int] = FONT_SIZE_PX

    def __post_init__(self) -> None:
        _require_level("noise.probability", self.probability, require_text_probability)
        require_white(self.white)
        require_font_size(self.size_px)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Corruption:
        """Draw p, then the strings."""
        overlay = draw_text(shape, draw_level(self.probability, rng), rng, self.size_px)
        return partial(apply_text, overlay=overlay, white=self.white)


def _require_level(key: str, level: Level, require: Callable[[float], None]) -> None:
    """Check a fixed level, or both ends of a range and their order."""
    if not isinstance(level, tuple):
        require(level)
        return
    for end in level:
        require(end)
    if len(level) != 2 or level[0] > level[1]:
        raise DataError(explain(key, "must be one level, or the lowest and the highest", list(level), "order them"))
