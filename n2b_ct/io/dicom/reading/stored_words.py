"""Stored words: decoded, described, where the scanner padded them, and made of HU again.

What was not changed comes back bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.decoders.base import get_decoder

from n2b_ct.errors import SeriesError, explain
from n2b_ct.hu import hu_to_stored
from n2b_ct.io.dicom.elements import integer, number, quiet_pydicom, text
from n2b_ct.io.dicom.reading.codestreams import IMAGECODECS, decode_frame, is_imagecodecs_installed, require_codestream
from n2b_ct.io.dicom.reading.transfer_syntaxes import decoder_name, family, how_to_install, lossy_method
from n2b_ct.io.series import CTSlice

# What a decoder has to know of the pixels
_DESCRIBING = frozenset(
    (
        *("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
        *("PixelPaddingValue", "PixelPaddingRangeLimit"),
    )
)
_COLOURS, _SYNTAX, _EMBEDDED_OVERLAY = "PhotometricInterpretation", "TransferSyntaxUID", "has_embedded_overlay"
_OVERLAY_GROUP, _OVERLAY_BIT_POSITION = 0x6000, 0x0102
_N_OVERLAY_PLANES = 16
_RUST_PANIC = "PanicException"  # what a decoder written in Rust raises when it gives up; no Exception by ancestry


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


def pixel_description(dataset: Dataset) -> dict[str, Any]:
    """Take out of a checked data set what :func:`stored_values` needs to know beside the pixels, as JSON values.

    Raises:
        SeriesError: ``bad_value``.
    """
    found = {keyword: integer(dataset, keyword) for keyword in _DESCRIBING}
    return {
        **{keyword: value for keyword, value in found.items() if value is not None},
        _COLOURS: text(dataset, _COLOURS),
        _SYNTAX: text(dataset.file_meta, _SYNTAX),
        _EMBEDDED_OVERLAY: _has_embedded_overlay(dataset),
    }


def described_pixels(description: dict[str, Any], pixels: DataElement | RawDataElement) -> Dataset:
    """Make a data set of PixelData and of what :func:`pixel_description` found; it holds nothing else."""
    dataset = Dataset()
    for keyword in description.keys() & _DESCRIBING:
        setattr(dataset, keyword, description[keyword])
    if description[_COLOURS]:
        dataset.PhotometricInterpretation = description[_COLOURS]
    if description[_EMBEDDED_OVERLAY]:
        dataset.add_new((_OVERLAY_GROUP, _OVERLAY_BIT_POSITION), "US", 1)
    dataset[pixels.tag] = pixels
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = description[_SYNTAX]
    return dataset


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


def stored_values(dataset: Dataset) -> np.ndarray:
    """Decode the stored words, integer ``[rows, cols]``, read-only.

    Bits outside BitsStored do not count: they are masked and the sign is extended (PS3.5 8.1.1). What lossy
    compression threw beyond BitsStored is clipped to it. Words that hold a padding value which BitsStored
    cannot hold stay as they are, so that padding is recognised and can be written back.

    Args:
        dataset: One frame, whose pixel description was checked.

    Raises:
        SeriesError: ``decoder_missing``, ``too_large``, ``pixel_truncated`` or ``pixel_undecodable``.
    """
    syntax = text(dataset.file_meta, "TransferSyntaxUID")
    _require_decoder(syntax)
    try:
        with quiet_pydicom():
            whole = _whole_words(dataset, syntax)
    except (SeriesError, MemoryError):
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != _RUST_PANIC:
            raise
        message = explain("pixels", "must decode", type(error).__name__, "replace the file or leave it out")
        raise SeriesError("pixel_undecodable", message) from error
    words = _within_bits_stored(dataset, whole, is_lossy=lossy_method(syntax) != "")
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


def _require_decoder(syntax: str) -> None:
    decoder = decoder_name(syntax)
    if not decoder or (decoder == IMAGECODECS and is_imagecodecs_installed()):
        return
    if decoder != IMAGECODECS and decoder in get_decoder(syntax).available_plugins:
        return
    remedy = how_to_install(decoder)
    message = explain("pixels", f"need the decoder {decoder}", "an installation without it", remedy)
    raise SeriesError("decoder_missing", message)


def _whole_words(dataset: Dataset, syntax: str) -> np.ndarray:
    """Decode words with all their allocated bits, ``[rows, cols]``, in the machine's byte order."""
    decoder, kind = decoder_name(syntax), family(syntax)
    frame = None if kind is None else require_codestream(dataset)
    if frame is None or kind is None or decoder not in ("", IMAGECODECS):
        options: dict[str, Any] = {"bits_stored": int(dataset.BitsAllocated), "decoding_plugin": decoder}
        words, _ = get_decoder(syntax).as_array(dataset, index=0, raw=True, **options)
    else:
        layout, shape = word_format(dataset), (int(dataset.Rows), int(dataset.Columns))
        word_type = np.dtype(f"<{'i' if layout.is_signed else 'u'}{layout.n_bits_allocated // 8}")
        words = decode_frame(kind, frame, shape[0] * shape[1], word_type).reshape(shape)
    return words.astype(words.dtype.newbyteorder("="), copy=False)


def _within_bits_stored(dataset: Dataset, whole: np.ndarray, *, is_lossy: bool) -> np.ndarray:
    layout = word_format(dataset)
    n_unused = layout.n_bits_allocated - layout.n_bits_stored
    if not n_unused:
        return whole.view()
    words = np.clip(whole, layout.lowest, layout.highest) if is_lossy else (whole << n_unused) >> n_unused
    padding = padding_range(dataset, layout)
    if padding is None or (layout.lowest <= padding[0] and padding[1] <= layout.highest):
        return words
    is_padding = (whole >= padding[0]) & (whole <= padding[1])
    return np.where(is_padding & ~_has_embedded_overlay(dataset), whole, words)


def _has_embedded_overlay(dataset: Dataset) -> bool:
    """Say whether an overlay lies in the unused bits, where it could pass for padding (retired, PS3.3 C.9.2.1.1)."""
    positions = [dataset.get((_OVERLAY_GROUP + 2 * plane, _OVERLAY_BIT_POSITION)) for plane in range(_N_OVERLAY_PLANES)]
    return any(position is not None and position.value not in (None, 0) for position in positions)


@dataclass(frozen=True, slots=True)
class StoredWords:
    """Words ready to be written.

    Attributes:
        words: ``[rows, cols]``, 16 bits little-endian.
        layout: How they are to be described; 8-bit sources are widened to 16 (PS3.3 C.8.2.1.1.4).
        n_clipped: Pixels that BitsStored could not hold.
    """

    words: np.ndarray
    layout: WordFormat
    n_clipped: int


def stored_words(ct_slice: CTSlice, hu: np.ndarray, *, widen: bool = False) -> StoredWords:
    """Turn a slice's new HU into words of its own layout and rescale.

    Pixels whose HU is unchanged, and padded ones, keep their word. Others are rounded to nearest, clipped
    to BitsStored, and moved by one where they would read as padding (PS3.3 C.7.5.1.1.2: no native pixel
    has the padding value).

    Args:
        ct_slice: The source slice.
        hu: Its new HU, float ``[rows, cols]``.
        widen: Use all 16 bits, whatever BitsStored the source has.

    Raises:
        SeriesError: ``bad_shape``, or ``not_finite`` outside the padding.
    """
    _require_hu(ct_slice, hu)
    layout = _written_layout(word_format(ct_slice.dataset), widen)
    is_kept = ct_slice.is_padding | (hu == ct_slice.hu)
    wanted = hu_to_stored(np.where(is_kept, ct_slice.hu, hu), *rescale_of(ct_slice.dataset))
    is_clipped = ((wanted < layout.lowest) | (wanted > layout.highest)) & ~is_kept
    native = np.clip(wanted, layout.lowest, layout.highest, out=wanted).astype(layout.dtype)
    words = _off_padding(native, padding_range(ct_slice.dataset, word_format(ct_slice.dataset)), layout)
    np.copyto(words, ct_slice.stored, where=is_kept, casting="unsafe")
    return StoredWords(words, layout, int(np.count_nonzero(is_clipped)))


def _require_hu(ct_slice: CTSlice, hu: np.ndarray) -> None:
    if hu.shape != ct_slice.hu.shape:
        message = explain("denoised slice", f"must be {ct_slice.hu.shape}", hu.shape, "return the input's size")
        raise SeriesError("bad_shape", message)
    n_bad = int(np.count_nonzero(~np.isfinite(hu) & ~ct_slice.is_padding))
    if n_bad:
        message = explain("denoised slice", "must be finite HU", f"{n_bad} pixels that are not", "check the model")
        raise SeriesError("not_finite", message)


def _written_layout(source: WordFormat, widen: bool) -> WordFormat:
    """The CT image module allows 16 allocated bits only; an 8-bit source gets all of them."""
    if source.n_bits_allocated == 16 and not widen:
        return source
    return WordFormat(16, 16, source.is_signed)


def _off_padding(words: np.ndarray, padding: tuple[int, int] | None, layout: WordFormat) -> np.ndarray:
    """Move words out of the padding range, to the nearer side that the layout can hold."""
    if padding is None:
        return words
    is_padding_word = (words >= padding[0]) & (words <= padding[1])
    if not is_padding_word.any():
        return words
    below, above = padding[0] - 1, padding[1] + 1
    caught = words[is_padding_word].astype(np.int64)
    goes_below = caught - below < above - caught
    if below < layout.lowest or above > layout.highest:
        goes_below = np.full(caught.shape, above > layout.highest)
    moved = words.copy()
    moved[is_padding_word] = np.where(goes_below, below, above)
    return moved
