"""Stored words: decoded, described, and where the scanner padded them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder

from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.dicom.syntaxes import NATIVE, decoder_name
from n2b_ct.io.dicom.values import integer, number, quiet_pydicom, text


@dataclass(frozen=True, slots=True)
class WordFormat:
    """How one pixel is stored (PS3.5 8.1.1).

    Attributes:
        n_bits_allocated: Bits of a word in the file, 8 or 16.
        n_bits_stored: Bits of it that hold the value.
        is_signed: Two's complement (PixelRepresentation 1).
    """

    n_bits_allocated: int
    n_bits_stored: int
    is_signed: bool

    @property
    def lowest(self) -> int:
        """Smallest value that BitsStored can hold."""
        return -(1 << (self.n_bits_stored - 1)) if self.is_signed else 0

    @property
    def highest(self) -> int:
        """Largest value that BitsStored can hold."""
        return self.lowest + (1 << self.n_bits_stored) - 1

    @property
    def dtype(self) -> np.dtype:
        """The 16-bit little-endian type in which words are written."""
        return np.dtype("<i2" if self.is_signed else "<u2")

    def wrap(self, value: int) -> int:
        """Read a number as a word of this signedness, whatever VR it was written in: 63536 is -2000."""
        n_words = 1 << self.n_bits_allocated
        wrapped = value % n_words
        return wrapped - n_words if self.is_signed and wrapped >= n_words // 2 else wrapped


def word_format(dataset: Dataset) -> WordFormat:
    """Read the word layout of a checked data set."""
    return WordFormat(
        int(dataset.BitsAllocated), int(dataset.BitsStored), is_signed=int(dataset.PixelRepresentation) == 1
    )


def rescale_of(dataset: Dataset) -> tuple[float, float]:
    """Read RescaleSlope and RescaleIntercept.

    Raises:
        SeriesError: ``bad_value``, or ``bad_rescale`` where one is missing.
    """
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    if slope is None or intercept is None:
        message = explain("slice", "must have RescaleSlope and RescaleIntercept", "none", "correct the header")
        raise SeriesError("bad_rescale", message)
    return slope, intercept


def name_decoder(dataset: Dataset) -> None:
    """Tell pydicom which decoder to use, before the first decoding."""
    syntax = text(dataset.file_meta, "TransferSyntaxUID")
    dataset.pixel_array_options(raw=True, decoding_plugin=decoder_name(syntax))


def stored_values(dataset: Dataset) -> np.ndarray:
    """Decode the stored words, integer ``[rows, cols]``, read-only; pydicom keeps them for the next call.

    Bits outside BitsStored are masked and the sign is extended.

    Raises:
        SeriesError: ``decoder_missing`` or ``pixel_undecodable``.
    """
    syntax = text(dataset.file_meta, "TransferSyntaxUID")
    plugin = decoder_name(syntax)
    _require_decoder(syntax, plugin)
    try:
        with quiet_pydicom():
            words = dataset.pixel_array
    except Exception as error:
        message = explain("pixels", "must decode", type(error).__name__, "replace the file or leave it out")
        raise SeriesError("pixel_undecodable", message) from error
    words = words.astype(words.dtype.newbyteorder("="), copy=False).view()
    words.flags.writeable = False
    return words


def padding_range(dataset: Dataset, words: WordFormat) -> tuple[int, int] | None:
    """Lowest and highest padding word, or None (PS3.3 C.7.5.1.1.2)."""
    value = integer(dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = integer(dataset, "PixelPaddingRangeLimit")
    ends = sorted(words.wrap(end) for end in (value, value if limit is None else limit))
    return ends[0], ends[1]


def padding_mask(dataset: Dataset, stored: np.ndarray) -> np.ndarray:
    """Mark the pixels that the scanner padded, bool ``[rows, cols]``."""
    padding = padding_range(dataset, word_format(dataset))
    if padding is None:
        return np.zeros(stored.shape, dtype=bool)
    return np.asarray((stored >= padding[0]) & (stored <= padding[1]))


def _require_decoder(syntax: str, plugin: str) -> None:
    if syntax in NATIVE or plugin in get_decoder(syntax).available_plugins:
        return
    message = explain("pixels", f"need the decoder {plugin}", "an installation without it", f"install {plugin}")
    raise SeriesError("decoder_missing", message)
