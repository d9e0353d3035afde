"""Read an image file, or say in one line why not."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from n2b_ct.errors import DataError, N2BError, explain
from n2b_ct.io.natural_images.headers import PILLOW_FORMATS, Header, understand
from n2b_ct.io.natural_images.natural_image import NaturalImage
from n2b_ct.io.natural_images.rgb16 import decode_rgb16

_READABLE = "must be a whole PNG, TIFF, BMP, JPEG or WebP image"
_SMALLEST_PX = 2


def read_natural_image(path: Path, subject: str | None = None) -> NaturalImage:
    """Read a gray or RGB image of 8 or 16 bits; one that a camera turned comes back upright.

    Args:
        path: The file.
        subject: How messages name it; None: by its name.

    Returns:
        The image on [0, 1].

    Raises:
        DataError: It is no image, damaged, too large or too small, or of a kind that could not be written back:
            a palette, an alpha channel, bilevel, CMYK, floating point, several pages.
    """
    named = subject or f"image {path.name}"
    with _worded(named), _opened(path, named) as (image, header, content):
        if header.form == "png":
            _verify_checksums(content)
        words = _words(image, header, content, named)
        pixels = words.astype(np.float32) / np.float32(2**header.bit_depth - 1)
        return NaturalImage(pixels, header.bit_depth, header.form, header.colour_profile)


def read_header(path: Path, subject: str | None = None) -> Header:
    """Read what an image's header says, and refuse what :func:`read_natural_image` would, short of damaged pixels.

    Raises:
        DataError: As there.
    """
    named = subject or f"image {path.name}"
    with _worded(named), _opened(path, named) as (_, header, _):
        return header


@contextmanager
def _worded(subject: str) -> Iterator[None]:
    """Turn whatever the libraries raise over a file into one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of what is refused, or harmless, here
            yield
    except N2BError:
        raise
    except Image.DecompressionBombError as error:
        limit = f"must have at most {2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} million pixels"
        raise DataError(explain(subject, limit, "more", "cut it into parts")) from error
    except MemoryError as error:
        raise DataError(explain(subject, "must fit into memory", "more than there is", "cut it into parts")) from error
    except Exception as error:  # malformed files make their decoders fail in any way: struct.error, KeyError ...
        raise DataError(explain(subject, _READABLE, _fault(error), "replace it or leave it out")) from error


@contextmanager
def _opened(path: Path, subject: str) -> Iterator[tuple[Image.Image, Header, bytes]]:
    if not path.is_file():
        raise DataError(explain(subject, _READABLE, "no such file", "check the path"))
    content = path.read_bytes()
    with Image.open(io.BytesIO(content), formats=PILLOW_FORMATS) as image:
        header = understand(image, content, path, subject)
        if min(header.size_px) < _SMALLEST_PX:
            need = f"must be at least {_SMALLEST_PX}x{_SMALLEST_PX} pixels"
            raise DataError(explain(subject, need, "x".join(map(str, header.size_px)), "leave it out"))
        yield image, header, content


def _words(image: Image.Image, header: Header, content: bytes, subject: str) -> np.ndarray:
    """Decode the stored values, ``[rows, cols]`` or ``[rows, cols, 3]``, upright."""
    if header.is_rgb16:
        return decode_rgb16(content, header, subject)
    return np.asarray(ImageOps.exif_transpose(image))


def _verify_checksums(content: bytes) -> None:
    """Pillow decodes a PNG's pixels without a look at their checksums, unless it is asked."""
    with Image.open(io.BytesIO(content), formats=PILLOW_FORMATS) as image:
        image.verify()


def _fault(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "something else"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "a damaged file"
