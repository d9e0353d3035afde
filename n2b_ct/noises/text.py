"""Text over images (Lin et al. 2019, section 4.3): random strings, sizes, colours and places.

A pixel is covered with probability p. Strings are laid until p of the image is covered; the last one,
which crosses that mark, stays with the probability that makes the expected share exactly p. Strings may
hang over the border as often as not, so that every pixel is as likely to be hit as any other. Glyphs have
hard edges: a pixel is replaced or untouched, never mixed. The font is the one that Pillow carries.

References:
    Lin et al. 2019, arXiv 1912.01158.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Annotated, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydantic import Field, field_validator

from n2b_ct.config.noise import LevelOrRange, NoiseConfig, within
from n2b_ct.errors import DataError, explain
from n2b_ct.noises.noise import (
    UNIT_WHITE,
    Corruption,
    Level,
    as_floating,
    draw_level,
    require_cover,
    require_image_shape,
    require_level,
    require_white,
)
from n2b_ct.registry import NOISES

TEXT_PROBABILITY_LIMIT = 0.9
"""Covering the rest takes ever more strings and leaves no image; the paper goes to 0.2."""
FONT_SIZE_PX = (10, 40)
"""Smallest and largest font size, as tall as a line of print and a headline in an image of a few hundred pixels."""

_N_LETTERS = (3, 12)
_LETTERS = string.ascii_letters + string.digits
_Probability = Annotated[
    LevelOrRange,
    within(f"must be from 0 to {TEXT_PROBABILITY_LIMIT:g}", lambda level: 0 <= level <= TEXT_PROBABILITY_LIMIT),
]


@dataclass(frozen=True, slots=True)
class TextOverlay:
    """Strings in their places.

    Attributes:
        is_covered: Bool ``[rows, cols]``.
        colour: Float32 of the image's shape, in [0, 1]; 0 where nothing is covered.
    """

    is_covered: np.ndarray
    colour: np.ndarray


def draw_text(
    shape: tuple[int, ...],
    probability: float,
    rng: np.random.Generator,
    size_px: tuple[int, int] = FONT_SIZE_PX,
) -> TextOverlay:
    """Lay random strings until the image is covered with probability ``probability``.

    Args:
        shape: ``[rows, cols]`` or ``[rows, cols, channels]``; each string has one colour.
        probability: p of a pixel to be covered, from 0 to 0.9.
        rng: Source of strings, sizes, colours and places.
        size_px: Smallest and largest font size.

    Returns:
        The overlay; its share of covered pixels is p on average and off by less than one string.

    Raises:
        DataError: A parameter is out of range, or the shape is not an image's.
    """
    require_text_probability(probability)
    require_font_size(size_px)
    require_image_shape(shape)
    is_covered, colour = np.zeros(shape[:2], bool), np.zeros(shape, np.float32)
    wanted = probability * is_covered.size
    while (n_before := np.count_nonzero(is_covered)) < wanted:
        place, glyphs = _draw_string(shape[:2], size_px, rng)
        n_new = np.count_nonzero(glyphs & ~is_covered[place])
        # From here to ``wanted`` is less than one string: it stays as often as the share demands.
        if n_before + n_new > wanted and rng.random() >= (wanted - n_before) / n_new:
            break
        is_covered[place] |= glyphs
        colour[place][glyphs] = rng.random(shape[2:], dtype=np.float32)
    return TextOverlay(is_covered, colour)


def apply_text(image: np.ndarray, overlay: TextOverlay, white: float = UNIT_WHITE) -> np.ndarray:
    """Replace the covered pixels by the strings' colours.

    Args:
        image: ``[rows, cols]`` or ``[rows, cols, channels]``.
        overlay: Drawn for this shape.
        white: White of the image's scale.

    Raises:
        DataError: The overlay is of another shape, or ``white`` is not above 0.
    """
    require_white(white)
    require_cover(image, overlay.is_covered)
    noisy = as_floating(image).copy()
    noisy[overlay.is_covered] = white * overlay.colour[overlay.is_covered]
    return noisy


def require_text_probability(probability: float) -> None:
    """Raise a DataError unless so much of an image can be covered."""
    if not 0.0 <= probability <= TEXT_PROBABILITY_LIMIT:
        requirement = f"must be from 0 to {TEXT_PROBABILITY_LIMIT:g} for text"
        raise DataError(explain("noise.probability", requirement, probability, "use 0.1 as the paper's test does"))


def require_font_size(size_px: tuple[int, int]) -> None:
    """Raise a DataError unless the sizes are a range that glyphs can be drawn in."""
    smallest_px, largest_px = size_px
    if not 4 <= smallest_px <= largest_px:
        requirement = "must be a size of 4 or more and one at least as large"
        raise DataError(explain("noise.size_px", requirement, list(size_px), "write [10, 40]"))


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
        require_level("noise.probability", self.probability, require_text_probability)
        require_white(self.white)
        require_font_size(self.size_px)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Corruption:
        """Draw p, then the strings."""
        overlay = draw_text(shape, draw_level(self.probability, rng), rng, self.size_px)
        return partial(apply_text, overlay=overlay, white=self.white)


@NOISES.register("text")
class TextNoiseConfig(NoiseConfig):
    """Random strings over the image."""

    title = "text"
    kind: Literal["text"] = "text"
    probability: _Probability
    """Probability p of a pixel to be covered, or its range."""
    size_px: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = FONT_SIZE_PX
    """Smallest and largest font size."""

    @field_validator("size_px")
    @classmethod
    def _smallest_first(cls, value: tuple[int, int]) -> tuple[int, int]:
        if value[0] > value[1]:
            msg = "must be the smallest and then the largest"
            raise ValueError(msg)
        return value

    def noise(self) -> TextNoise:
        """Return the noise for images on [0, 1]."""
        return TextNoise(self.probability, size_px=self.size_px)


def _draw_string(
    shape: tuple[int, ...], size_px: tuple[int, int], rng: np.random.Generator
) -> tuple[tuple[slice, ...], np.ndarray]:
    """Draw one string and its place; return the part of the image it hits and its glyphs there."""
    letters = rng.choice(list(_LETTERS), rng.integers(*_N_LETTERS, endpoint=True))
    glyphs = _render("".join(letters), int(rng.integers(*size_px, endpoint=True)))
    place, part = zip(*_overlaps(shape, glyphs.shape, rng), strict=True)
    return place, glyphs[part]


def _overlaps(
    shape: tuple[int, ...], glyphs_shape: tuple[int, ...], rng: np.random.Generator
) -> Iterator[tuple[slice, slice]]:
    """Yield per axis where in the image a string lies and which part of the string that is."""
    for length, extent in zip(shape, glyphs_shape, strict=True):
        start = int(rng.integers(1 - extent, length))
        first, last = max(start, 0), min(start + extent, length)
        yield slice(first, last), slice(first - start, last - start)


def _render(content: str, size_px: int) -> np.ndarray:
    """Draw a string as tight as its glyphs, bool ``[rows, cols]``."""
    font = _font(size_px)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(content, mode="1"))
    canvas = Image.new("1", (right - left, bottom - top))
    ImageDraw.Draw(canvas).text((-left, -top), content, fill=1, font=font)
    return np.asarray(canvas, dtype=bool)


@lru_cache(maxsize=64)
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size_px)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise DataError(
            explain("noise.text", "needs Pillow with FreeType", "one without", "install Pillow's own wheel")
        )
    return font
