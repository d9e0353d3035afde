"""HU back into stored words: the law that what was not changed comes back bit for bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.errors import SeriesError, explain
from n2b_ct.hu import hu_to_stored
from n2b_ct.io.dicom.pixels.stored import WordFormat, padding_range, rescale_of, word_format
from n2b_ct.io.series import CTSlice


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
