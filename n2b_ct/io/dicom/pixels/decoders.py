"""Decoders for what pydicom has none: 12-bit JPEG and JPEG XL by imagecodecs, deflated and plain frames here.

imagecodecs is no dependency but an extra (``pip install 'n2b-ct[jpeg12]'``). Its code is BSD-3-Clause; its Linux
wheel (2026.3.6) carries 45 compiled libraries under their own licences and without the licence texts, among them
libgomp (GPL-3.0 with the GCC runtime exception). Two of them are called here: libjpeg-turbo (IJG and BSD-3-Clause)
and libjxl (BSD-3-Clause).
"""

from __future__ import annotations

import importlib.util
import zlib
from collections.abc import Callable

import numpy as np

from n2b_ct.io.dicom.pixels.codestream import read_codestream
from n2b_ct.io.dicom.pixels.syntaxes import Family

IMAGECODECS = "imagecodecs"


def is_imagecodecs_installed() -> bool:
    """Say whether the extra is there, without loading it."""
    return importlib.util.find_spec(IMAGECODECS) is not None


def load_imagecodecs() -> None:
    """Load the extra's decoders, if it is there and whole; one that is not says so when a slice needs it."""
    try:
        import imagecodecs

        _ = imagecodecs.jpeg8_decode, imagecodecs.jpegxl_decode
    except Exception:  # noqa: S110 (a slice that needs it has a better error)
        pass


def decode_frame(kind: Family, frame: bytes, n_pixels: int, word_type: np.dtype) -> np.ndarray:
    """Decode one frame of one sample a pixel, whose header was checked.

    Args:
        kind: What the frame holds.
        frame: As :func:`n2b_ct.io.dicom.pixels.codestream.require_codestream` returns it.
        n_pixels: Pixels of the image.
        word_type: Little-endian integers of BitsAllocated bits, signed as PixelRepresentation says.

    Returns:
        The words in order, ``[n_pixels]``.

    Raises:
        Exception: Whatever the decoder says of a damaged frame.
    """
    if kind == "bytes":
        return _plain(frame, n_pixels, word_type)
    if kind == "deflated":
        return _plain(_inflated(frame, n_pixels * word_type.itemsize), n_pixels, word_type)
    return _extended(_DECODERS[kind](frame), read_codestream(kind, frame).n_bits, word_type)


def _plain(content: bytes, n_pixels: int, word_type: np.dtype) -> np.ndarray:
    """Words as they are; one byte may follow, for frames have an even size (PS3.5 A.4)."""
    n_bytes = n_pixels * word_type.itemsize
    if not n_bytes <= len(content) <= n_bytes + 1:
        raise ValueError("the frame has another size than its words")
    return np.frombuffer(content, word_type, n_pixels)


def _inflated(frame: bytes, n_bytes: int) -> bytes:
    """Inflate hardly further than the words go (PS3.5 8.2.16)."""
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(frame, n_bytes + 2)


def _jpeg(frame: bytes) -> np.ndarray:
    import imagecodecs

    return imagecodecs.jpeg8_decode(frame)


def _jpeg_xl(frame: bytes) -> np.ndarray:
    import imagecodecs

    return imagecodecs.jpegxl_decode(frame, numthreads=1)


_DECODERS: dict[Family, Callable[[bytes], np.ndarray]] = {"jpeg": _jpeg, "jpeg_xl": _jpeg_xl}


def _extended(decoded: np.ndarray, n_bits: int, word_type: np.dtype) -> np.ndarray:
    """Bring samples to the width of a word: these codestreams know no sign, so it is the sample's highest bit."""
    n_above = 8 * word_type.itemsize - n_bits
    return (np.ravel(decoded).astype(word_type) << n_above) >> n_above
