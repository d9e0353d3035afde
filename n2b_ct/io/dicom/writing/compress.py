"""Lossless transfer syntaxes for derived instances: smaller files, the same words."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from n2b_ct.errors import OutputError, explain
from n2b_ct.io.dicom.pixels.stored import stored_values
from n2b_ct.io.dicom.writing.options import Compression

# Transfer syntax, and pydicom's plugin that encodes and decodes it
_CODECS: dict[Compression, tuple[str, str]] = {
    "rle": (RLELossless, "pylibjpeg"),
    "jpeg-ls": (JPEGLSLossless, "pyjpegls"),
    "jpeg2000": (JPEG2000Lossless, "pylibjpeg"),
}


def require_encoder(compression: Compression) -> None:
    """Find out before any work whether a compression is possible here.

    Raises:
        OutputError: Its encoder is not installed.
    """
    if compression == "none":
        return
    syntax, plugin = _CODECS[compression]
    if plugin not in get_encoder(syntax).available_plugins:
        requirement = f"needs the encoder {plugin}"
        raise OutputError(explain(f"--compress {compression}", requirement, "none", f"install {plugin}"))


def compress(dataset: Dataset, words: np.ndarray, compression: Compression) -> None:
    """Encode a native instance's pixels; its SOPInstanceUID stays, for it is the same image (PS3.5 8.2).

    The result is decoded again: an encoder that loses a bit must not get away with it.

    Args:
        dataset: With file meta information, Explicit VR Little Endian.
        words: Its stored words ``[rows, cols]``.
        compression: How; ``none`` changes nothing.

    Raises:
        OutputError: The encoder fails, or its result holds other words.
    """
    if compression == "none":
        return
    syntax, plugin = _CODECS[compression]
    try:
        dataset.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
        is_same = np.array_equal(stored_values(dataset), words)
    except Exception as error:
        raise _unusable(compression, type(error).__name__) from error
    if not is_same:
        raise _unusable(compression, "other words")


def _unusable(compression: Compression, got: str) -> OutputError:
    return OutputError(explain(f"--compress {compression}", "must keep every word", got, "leave the option out"))
