"""White Gaussian noise, x = y + n."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from n2b_ct.config.noise import GreyLevels, NoiseConfig
from n2b_ct.noises.noise import (
    Corruption,
    Level,
    add_noise,
    draw_level,
    on_unit_scale,
    require_image_shape,
    require_level,
    require_sigma,
)
from n2b_ct.registry import NOISES


def draw_gaussian(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Draw independent normal numbers.

    Args:
        shape: ``[rows, cols]`` or ``[rows, cols, channels]``.
        sigma: Standard deviation σ, grey levels of the image's scale, 0 or more.
        rng: Source of the noise.

    Returns:
        n, float32 of ``shape``.

    Raises:
        DataError: ``sigma`` is negative or not finite, or the shape is not an image's.
    """
    require_sigma(sigma)
    require_image_shape(shape)
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(sigma)


@dataclass(frozen=True, slots=True)
class GaussianNoise:
    """White Gaussian noise, x = y + n.

    Attributes:
        sigma: Standard deviation in the image's grey levels, or its range.
    """

    sigma: Level

    def __post_init__(self) -> None:
        require_level("noise.sigma", self.sigma, require_sigma)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Corruption:
        """Draw σ, then n."""
        return partial(add_noise, noise=draw_gaussian(shape, draw_level(self.sigma, rng), rng))


@NOISES.register("gaussian")
class GaussianNoiseConfig(NoiseConfig):
    """White Gaussian noise, x = y + n."""

    title = "Gaussian noise"
    kind: Literal["gaussian"] = "gaussian"
    sigma: GreyLevels
    """Standard deviation in 8-bit grey levels, or the range that every image draws its own from."""

    @property
    def known_sigma(self) -> float | None:
        """σ in 8-bit grey levels, where all images have the same."""
        return None if isinstance(self.sigma, tuple) else self.sigma

    def noise(self) -> GaussianNoise:
        """Return the noise for images on [0, 1]."""
        return GaussianNoise(on_unit_scale(self.sigma))
