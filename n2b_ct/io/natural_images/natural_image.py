"""A natural image in memory: pixels, bit depth, form and colour profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Colour = Literal["gray", "rgb"]
Form = Literal["png", "tiff", "bmp", "jpeg", "webp"]
BitDepth = Literal[8, 16]


@dataclass(frozen=True, slots=True)
class NaturalImage:
    """An image and what writing it back needs.

    Attributes:
        pixels: float32 ``[rows, cols]`` gray or ``[rows, cols, 3]`` RGB, 0 black and 1 white.
        bit_depth: Bits of a stored value.
        form: What kind of file it came from.
        colour_profile: Its ICC profile, which says what its colours mean.
    """

    pixels: np.ndarray
    bit_depth: BitDepth = 8
    form: Form = "png"
    colour_profile: bytes | None = None

    @property
    def colour(self) -> Colour:
        """Gray or RGB."""
        return colour_of(self.pixels)

    @property
    def smallest_px(self) -> int:
        """The shorter side."""
        return min(self.pixels.shape[:2])

    @property
    def size(self) -> str:
        """Rows and columns, for people."""
        return f"{self.pixels.shape[0]}x{self.pixels.shape[1]}"


def colour_of(pixels: np.ndarray) -> Colour:
    """Tell gray ``[rows, cols]`` from RGB ``[rows, cols, 3]``."""
    return "gray" if pixels.ndim == 2 else "rgb"
