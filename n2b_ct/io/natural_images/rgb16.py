"""RGB of 16 bits, which Pillow cannot hold: SimpleITK reads it and writes PNG, tifffile writes TIFF."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np

from n2b_ct.errors import DataError, explain
from n2b_ct.io.natural_images.headers import Header

_IMAGE_IO = {"png": "PNGImageIO", "tiff": "TIFFImageIO"}
_PNG_HEADER_BYTES = 33
"""Signature and IHDR; a colour profile comes behind them (PNG, third edition, 5.6)."""


def decode_rgb16(content: bytes, header: Header, subject: str) -> np.ndarray:
    """Decode a PNG or TIFF.

    Returns:
        uint16 ``[rows, cols, 3]``.

    Raises:
        DataError: It must be turned first, or is stored channel by channel.
    """
    import SimpleITK

    if header.orientation != 1:
        raise DataError(
            explain(subject, "must be stored upright at 16 bits", f"orientation {header.orientation}", "turn it")
        )
    SimpleITK.ProcessObject.GlobalWarningDisplayOff()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"image.{header.form}"
        path.write_bytes(content)
        words = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path), imageIO=_IMAGE_IO[header.form]))
    if words.dtype != np.uint16 or words.shape != (*header.size_px, 3):
        raise DataError(explain(subject, "must store RGB pixel by pixel", "another layout", "save it contiguous"))
    return np.asarray(words)


def encode_rgb16_png(words: np.ndarray, colour_profile: bytes | None) -> bytes:
    """Encode uint16 ``[rows, cols, 3]`` as PNG."""
    import SimpleITK

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.png"
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(words, isVector=True), str(path))
        content = path.read_bytes()
    if colour_profile is None:
        return content
    return content[:_PNG_HEADER_BYTES] + _profile_chunk(colour_profile) + content[_PNG_HEADER_BYTES:]


def encode_rgb16_tiff(words: np.ndarray, colour_profile: bytes | None) -> bytes:
    """Encode uint16 ``[rows, cols, 3]`` as TIFF."""
    import tifffile

    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        words,
        photometric="rgb",
        compression="zlib",
        iccprofile=colour_profile,
        metadata=None,
        software=False,
    )
    return buffer.getvalue()


def _profile_chunk(colour_profile: bytes) -> bytes:
    """Wrap an ICC profile as PNG's chunk iCCP."""
    body = b"iCCP" + b"ICC profile\0\0" + zlib.compress(colour_profile)
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
