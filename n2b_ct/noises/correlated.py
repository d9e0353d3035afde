"""Gaussian noise that neighbours share, as in CT: x = y + k ∗ n."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from pydantic import Field
from scipy import ndimage

from n2b_ct.config.noise import GreyLevels, NoiseConfig
from n2b_ct.errors import DataError, explain
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

_KERNEL_REACH = 4.0
"""The Gaussian is cut off at this many standard deviations."""


def draw_correlated_gaussian(
    shape: tuple[int, ...], sigma: float, correlation_px: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw normal numbers that resemble their neighbours: ρ(d) ≈ exp(−d² / (4 · correlation_px²)).

    The white noise under the filter reaches beyond the image, so that the border is like the rest.

    Args:
        shape: ``[rows, cols]`` or ``[rows, cols, channels]``.
        sigma: Standard deviation σ after filtering, grey levels.
        correlation_px: Standard deviation of the filter, pixels, above 0; noise of CT has about 0.3 to 0.9.
        rng: Source of the noise.

    Returns:
        k ∗ n, float32 of ``shape``; channels are independent.

    Raises:
        DataError: A parameter is out of range, or the shape is not an image's.
    """
    require_sigma(sigma)
    require_correlation(correlation_px)
    require_image_shape(shape)
    kernel = correlation_kernel(correlation_px)
    margin_px = len(kernel) // 2
    rows, cols, *channels = shape
    white_noise = rng.standard_normal((rows + 2 * margin_px, cols + 2 * margin_px, *channels), dtype=np.float32)
    for axis in (0, 1):
        white_noise = ndimage.convolve1d(white_noise, kernel, axis=axis)
    inside = slice(margin_px, -margin_px)
    return np.asarray(white_noise[inside, inside] * np.float32(sigma))


def correlation_kernel(correlation_px: float) -> np.ndarray:
    """Return the Gaussian along one axis, scaled to Σ k² = 1: filtering white noise keeps its variance."""
    reach_px = math.ceil(_KERNEL_REACH * correlation_px)
    distance_px = np.arange(-reach_px, reach_px + 1)
    kernel = np.exp(-0.5 * (distance_px / correlation_px) ** 2)
    return np.asarray(kernel / np.linalg.norm(kernel))


def require_correlation(correlation_px: float) -> None:
    """Raise a DataError unless the correlation length is finite and above 0."""
    if not 0.0 < correlation_px < math.inf:
        raise DataError(
            explain("noise.correlation_px", "must be above 0", correlation_px, "use 0.6, or Gaussian noise")
        )


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
        require_level("noise.sigma", self.sigma, require_sigma)
        require_correlation(self.correlation_px)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Corruption:
        """Draw σ, then n."""
        sigma = draw_level(self.sigma, rng)
        return partial(add_noise, noise=draw_correlated_gaussian(shape, sigma, self.correlation_px, rng))


@NOISES.register("correlated")
class CorrelatedNoiseConfig(NoiseConfig):
    """Gaussian noise that neighbours share, as in CT."""

    title = "correlated Gaussian noise"
    kind: Literal["correlated"] = "correlated"
    sigma: GreyLevels
    """Standard deviation in 8-bit grey levels, or its range."""
    correlation_px: float = Field(0.6, gt=0)
    """Standard deviation of the filter behind it."""

    def noise(self) -> CorrelatedNoise:
        """Return the noise for images on [0, 1]."""
        return CorrelatedNoise(on_unit_scale(self.sigma), self.correlation_px)
