"""Natural images: corrupted by the noise protocol, scaled for a network.

The k-th image of a folder, after sorting and selecting, gets the noise of ``default_rng([seed, k, stream])``: a
change of training, method or batch size does not change the noisy images. Training, a second realisation, validation
and test have streams of their own, so equal seeds never mean equal noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from n2b_ct.io.natural_images import Colour
from n2b_ct.noises.noise import ImageNoise, noisy_image
from n2b_ct.noises.speckle import speckle_exponential, speckle_logarithm


class Stream(IntEnum):
    """Purpose of a noise; no two share random numbers."""

    TRAINING = 0
    SECOND_REALISATION = 1
    VALIDATION = 2
    TEST = 3


def corrupted(
    image: np.ndarray, noise: ImageNoise, seed: int, index: int, stream: Stream = Stream.TRAINING
) -> np.ndarray:
    """Add the noise of the ``index``-th image, neither clipped nor rounded.

    Args:
        image: ``[rows, cols]`` or ``[rows, cols, 3]`` on [0, 1].
        noise: Kind and level.
        seed: Seed of the noise of a whole folder.
        index: k.
        stream: Whose noise.
    """
    generator = np.random.default_rng([seed, index, stream])
    return noisy_image(image, noise, generator).astype(np.float32)


@dataclass(frozen=True, slots=True)
class NaturalImageScale:
    """The scale of natural images for a network: black is 0, white is 1.

    Attributes:
        colour: What it was trained on.
        logarithm: The network gets the logarithm, where speckle is additive.
        clipped: The network gets noisy images clipped to black and white.
    """

    colour: Colour
    logarithm: bool = False
    clipped: bool = False

    @property
    def n_channels(self) -> int:
        """1, or 3 for RGB."""
        return 3 if self.colour == "rgb" else 1


def to_network(pixels: np.ndarray, *, logarithm: bool, clipped: bool = False) -> np.ndarray:
    """Convert an image to the network's scale; black stays 0 and white 1.

    Args:
        pixels: Any shape, 0 black and 1 white; noise may reach beyond.
        logarithm: Take the logarithm; pixels below black count as black.
        clipped: Clip to black and white.

    Returns:
        float32 of the same shape.
    """
    if clipped:
        pixels = np.clip(pixels, 0, 1)
    if logarithm:
        pixels = speckle_logarithm(np.maximum(pixels, 0))
    return np.ascontiguousarray(pixels, dtype=np.float32)


def from_network(values: np.ndarray, *, logarithm: bool) -> np.ndarray:
    """Undo :func:`to_network`, but for what was clipped."""
    return np.asarray(speckle_exponential(values) if logarithm else values, dtype=np.float32)


def channels_first(pixels: np.ndarray) -> np.ndarray:
    """Turn ``[rows, cols]`` or ``[rows, cols, channels]`` into ``[channels, rows, cols]``."""
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


def channels_last(image: np.ndarray) -> np.ndarray:
    """Undo :func:`channels_first`; a single channel becomes ``[rows, cols]``."""
    return image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
