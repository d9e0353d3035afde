"""What a network sees of an image on [0, 1]: the image itself or its logarithm, clipped or not."""

from __future__ import annotations

import numpy as np

from n2b_ct.simulation.image_noise import speckle_exponential, speckle_logarithm


def to_network(pixels: np.ndarray, *, logarithm: bool, clipped: bool = False) -> np.ndarray:
    """Turn an image into what the network sees; black stays 0 and white 1.

    Args:
        pixels: Any shape, 0 black and 1 white; noise may reach beyond.
        logarithm: The network sees the logarithm. Below black there is no light to take it of: such pixels count
            as black.
        clipped: The network sees nothing below black and above white.

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
