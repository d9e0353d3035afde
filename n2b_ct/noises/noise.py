"""The interface of noises of natural images: a validated level, and a way to draw the noise.

::

    noise = GaussianNoise(sigma=(0.0, 50 / 255))                  blind, for images on [0, 1]
    corruption = noise.draw(image.shape, np.random.default_rng(7))
    noisy = corruption(image)

All randomness lies in ``draw``: a corruption is a pure function, and gives one noise to as many images
of the shape as it is applied to.

::

    y    the clean image, [rows, cols] or [rows, cols, channels]
    x    the noisy image
    Gaussian          x = y + n,       n ~ N(0, σ²), σ fixed or drawn from a range
    speckle           x = y + n · y,   n ~ U(−√(3v), √(3v)): mean 0, variance v
    salt and pepper   x = 0 or white with probability p, half of the times each; y elsewhere
    correlated        x = y + k ∗ n,   k a Gaussian, scaled so that the sum keeps the variance σ²

The first three are those of Lin et al. 2019, section 4.1; text is in :mod:`n2b_ct.noises.text`.
Images may be on any scale: σ is in the image's own grey levels (25 of 255 is 25/255 on [0, 1]), and
where black and white matter, ``white`` says which scale it is. Channels get independent noise, except for
salt and pepper, which change a pixel as a whole, as the paper words it. Nothing is clipped or rounded:
that would bend the noise near black and white. Floating point keeps its type, integers become float32.

A pipeline's section is a :class:`n2b_ct.config.noise.NoiseConfig`, registered by ``@NOISES.register``.

References:
    Lin, Zhuang, Huang, Ding, Yang, Huang 2019, "Noise2Blur: Online Noise Extraction and Denoising",
    arXiv 1912.01158.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np

from n2b_ct.errors import DataError, explain
from n2b_ct.registry import blamed

UNIT_WHITE = 1.0
"""White of images on [0, 1]."""
WHITE_8_BIT = 255.0
"""White of 8-bit images."""
WHITE_16_BIT = 65535.0
"""White of 16-bit images."""

Level = float | tuple[float, float]
"""One noise level, or the lowest and highest of a range that every image draws its own from."""
Corruption = Callable[[np.ndarray], np.ndarray]
"""Makes a clean image noisy, always in the same way."""


class ImageNoise(Protocol):
    """A kind of noise with its level."""

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Corruption:
        """Draw one realisation for images ``[rows, cols]`` or ``[rows, cols, channels]``."""


def noisy_image(image: np.ndarray, noise: ImageNoise, rng: np.random.Generator) -> np.ndarray:
    """Draw a noise and lay it on an image, neither clipped nor rounded.

    Raises:
        DataError: The noise raised something, or returned another shape, NaN or infinity.
    """
    subject, requirement = f"noise {type(noise).__name__}", f"must return numbers of shape {list(image.shape)}"
    with blamed(subject, requirement):
        noisy = np.asarray(noise.draw(image.shape, rng)(image))
        is_finite = bool(np.isfinite(noisy).all())
    if noisy.shape != image.shape or not is_finite:
        got = "NaN or infinity" if not is_finite else f"shape {list(noisy.shape)}"
        raise DataError(explain(subject, requirement, got, "repair the noise, or choose another"))
    return noisy


def draw_level(level: Level, rng: np.random.Generator) -> float:
    """Return a fixed level as it is, and draw uniformly from a range (the papers' blind setting)."""
    if isinstance(level, tuple):
        return float(rng.uniform(*level))
    return float(level)


def on_unit_scale(sigma: Level) -> Level:
    """Return σ, or both ends of its range, for images on [0, 1] from 8-bit grey levels."""
    if isinstance(sigma, tuple):
        return (sigma[0] / WHITE_8_BIT, sigma[1] / WHITE_8_BIT)
    return sigma / WHITE_8_BIT


def add_noise(image: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Apply additive noise: x = y + n.

    Raises:
        DataError: The shapes differ.
    """
    require_same_shape(image, noise)
    return as_floating(image) + noise.astype(as_floating(image).dtype)


def as_floating(image: np.ndarray) -> np.ndarray:
    """Return floating point as it is and integers as float32."""
    return image if np.issubdtype(image.dtype, np.floating) else image.astype(np.float32)


# ── Validation ──


def require_level(key: str, level: Level, require: Callable[[float], None]) -> None:
    """Check a fixed level, or both ends of a range and their order."""
    if not isinstance(level, tuple):
        require(level)
        return
    for end in level:
        require(end)
    if len(level) != 2 or level[0] > level[1]:
        raise DataError(explain(key, "must be one level, or the lowest and the highest", list(level), "order them"))


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
