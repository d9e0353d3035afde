"""Write an image in the form, depth and colour of the one it was made from, whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from n2b_ct.errors import DataError, explain
from n2b_ct.io.atomic import write_atomically
from n2b_ct.io.natural_images.names import LOSSY
from n2b_ct.io.natural_images.natural_image import Form, NaturalImage
from n2b_ct.io.natural_images.rgb16 import encode_rgb16_png, encode_rgb16_tiff

_PILLOW_SAVES: dict[Form, dict[str, str]] = {
    "png": {"format": "PNG"},
    "tiff": {"format": "TIFF", "compression": "tiff_adobe_deflate"},
    "bmp": {"format": "BMP"},
}


def write_natural_image(path: Path, pixels: np.ndarray, like: NaturalImage) -> None:
    """Write pixels as the file that ``like`` came from would hold them; JPEG and WebP become PNG.

    Values are rounded to the nearest that the depth has, and clipped to black and white. The colour profile stays;
    other remarks (camera, place, time) do not.

    Args:
        path: The final place; its folder must exist.
        pixels: ``[rows, cols]`` or ``[rows, cols, 3]`` on [0, 1].
        like: Says form, depth and colour profile.

    Raises:
        DataError: A pixel is NaN or infinite.
        OutputError: The path cannot be written.
    """
    if not np.isfinite(pixels).all():
        raise DataError(explain(f"image {path.name}", "must hold finite pixels", "NaN or infinity", "check the model"))
    content = _encode(to_words(pixels, like.bit_depth), like)
    write_atomically(path, lambda file: file.write(content))


def to_words(pixels: np.ndarray, bit_depth: int) -> np.ndarray:
    """Round pixels on [0, 1] to stored values, uint8 or uint16."""
    white = 2**bit_depth - 1
    words = np.rint(np.clip(pixels, 0, 1).astype(np.float64) * white)
    return words.astype(np.uint8 if bit_depth == 8 else np.uint16)


def _encode(words: np.ndarray, like: NaturalImage) -> bytes:
    form: Form = "png" if like.form in LOSSY else like.form
    if words.ndim == 3 and words.dtype == np.uint16:
        encode = encode_rgb16_tiff if form == "tiff" else encode_rgb16_png
        return encode(words, like.colour_profile)
    how: dict[str, Any] = dict(_PILLOW_SAVES[form])
    if like.colour_profile is not None and form != "bmp":
        how["icc_profile"] = like.colour_profile
    buffer = io.BytesIO()
    Image.fromarray(words).save(buffer, **how)
    return buffer.getvalue()
