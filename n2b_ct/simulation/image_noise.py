"""The papers' noises for natural images, one pair of pure functions per noise: draw, then apply.

::

    y    the clean image, [rows, cols] or [rows, cols, channels]
    x    the noisy image
    Gaussian          x = y + n,       n ~ N(0, σ²), σ fixed or drawn from a range
    speckle           x = y + n · y,   n ~ U(−√(3v), √(3v)): mean 0, variance v
    salt and pepper   x = 0 or white with probability p, half of the times each; y elsewhere
    correlated        x = y + k ∗ n,   k a Gaussian, scaled so that the sum keeps the variance σ²

The first three are those of Lin et al. 2019, section 4.1; text is in :mod:`n2b_ct.simulation.text_noise`.
Images may be on any scale: σ is in the image's own grey levels (25 of 255 is 25/255 on [0, 1]), and
where black and white matter, ``white`` says which scale it is. Channels get independent noise, except for
salt and pepper, which change a pixel as a whole, as the paper words it. Nothing is clipped or rounded:
that would bend the noise near black and white. Floating point keeps its type, integers become float32.

References:
    Lin, Zhuang, Huang, Ding, Yang, Huang 2019, "Noise2Blur: Online Noise Extraction and Denoising",
    arXiv 1912.01158.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from n2b_ct.errors import DataError, explain

UNIT_WHITE = 1.0
"""White of images on [0, 1]."""
WHITE_8_BIT = 255.0
"""White of 8-bit images."""
WHITE_16_BIT = 65535.0
"""White of 16-bit images."""

SPECKLE_VARIANCE_LIMIT = 1.0 / 3.0
"""From here on n would reach −1, and x = y + n · y would turn black or negative."""

_GREY_LEVELS = 255.0
"""The logarithm's offset is white over this, one grey level of an 8-bit image: black has a logarithm."""
_KERNEL_REACH = 4.0
"""The correlation's Gaussian is cut off at this many standard deviations."""

Level = float | tuple[float, float]
"""One noise level, or the lowest and highest of a range that every image draws its own from."""


def draw_level(level: Level, rng: np.random.Generator) -> float:
    """Return a fixed level as it is, and draw uniformly from a range (the papers' blind setting)."""
    if isinstance(level, tuple):
        return float(rng.uniform(*level))
    return float(level)


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


def add_noise(image: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Apply additive noise: x = y + n.

    Raises:
        DataError: The shapes differ.
    """
    require_same_shape(image, noise)
    return as_floating(image) + noise.astype(as_floating(image).dtype)


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


def as_floating(image: np.ndarray) -> np.ndarray:
    """Return floating point as it is and integers as float32."""
    return image if np.issubdtype(image.dtype, np.floating) else image.astype(np.float32)


# ── What is in range ──


def require_image_shape(shape: tuple[int, ...]) -> None:
    """Raise a DataError unless ``shape`` is ``[rows, cols]`` or ``[rows, cols, channels]``."""
    if len(shape) not in (2, 3) or min(shape) < 1:
        size = "x".join(map(str, shape)) or "a single number"
        raise DataError(explain("image", "must be rows x cols or rows x cols x channels", size, "reshape it"))


def require_same_shape(image: np.ndarray, noise: np.ndarray) -> None:
    """Raise a DataError unless the noise was drawn for an image of this shape."""
    if image.shape != noise.shape:
        _refuse_shapes(image, noise)


def require_cover(image: np.ndarray, mask: np.ndarray) -> None:
    """Raise a DataError unless ``mask`` has the image's rows and columns."""
    if image.shape[:2] != mask.shape:
        _refuse_shapes(image, mask)


def require_sigma(sigma: float) -> None:
    """Raise a DataError unless σ is finite and not negative."""
    if not 0.0 <= sigma < math.inf:
        raise DataError(explain("noise.sigma", "must be 0 or more", sigma, "set it in the image's grey levels"))


def require_correlation(correlation_px: float) -> None:
    """Raise a DataError unless the correlation length is finite and above 0."""
    if not 0.0 < correlation_px < math.inf:
        raise DataError(
            explain("noise.correlation_px", "must be above 0", correlation_px, "use 0.6, or Gaussian noise")
        )


def require_speckle_variance(variance: float) -> None:
    """Raise a DataError unless n stays above −1."""
    if not 0.0 <= variance < SPECKLE_VARIANCE_LIMIT:
        requirement = "must be 0 or more and below 1/3"
        raise DataError(explain("noise.variance", requirement, variance, "use 0.1 as the paper's test does"))


def require_probability(probability: float) -> None:
    """Raise a DataError unless it is a probability."""
    if not 0.0 <= probability <= 1.0:
        raise DataError(explain("noise.probability", "must be from 0 to 1", probability, "write 15 % as 0.15"))


def require_white(white: float) -> None:
    """Raise a DataError unless white is finite and above 0."""
    if not 0.0 < white < math.inf:
        raise DataError(explain("noise.white", "must be above 0", white, "use 1, 255 or 65535"))


def _refuse_shapes(image: np.ndarray, noise: np.ndarray) -> None:
    sizes = " and ".join("x".join(map(str, array.shape)) for array in (image, noise))
    raise DataError(explain("noise", "must be drawn for an image of the same size", sizes, "draw it anew"))
