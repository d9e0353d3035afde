"""HU back to words: what was not changed is exact, what was is rounded, clipped and kept off the padding."""

from __future__ import annotations

import numpy as np
import pytest

from n2b_ct.errors import SeriesError
from n2b_ct.io.dicom.ct_reader import read_slice
from n2b_ct.io.dicom.reading.stored_words import WordFormat, stored_words
from n2b_ct.io.series import CTSlice
from tests.helpers import make_ct_dataset, save, water_ramp


@pytest.fixture
def slice_of(tmp_path):
    def make(**options) -> CTSlice:
        return read_slice(save(make_ct_dataset(**options), tmp_path / "slice"))

    return make


@pytest.mark.parametrize(
    ("word_format", "lowest", "highest"),
    [
        (WordFormat(16, 12, is_signed=False), 0, 4095),
        (WordFormat(16, 12, is_signed=True), -2048, 2047),
        (WordFormat(16, 16, is_signed=False), 0, 65535),
        (WordFormat(16, 16, is_signed=True), -32768, 32767),
        (WordFormat(8, 8, is_signed=False), 0, 255),
    ],
)
def test_the_range_of_a_word_follows_bits_stored(word_format, lowest, highest):
    assert (word_format.lowest, word_format.highest) == (lowest, highest)


def test_a_number_is_wrapped_into_the_signedness_of_the_words():
    assert WordFormat(16, 16, is_signed=True).wrap(63536) == -2000
    assert WordFormat(16, 16, is_signed=False).wrap(-2000) == 63536
    assert WordFormat(16, 12, is_signed=True).wrap(-2000) == -2000
    assert WordFormat(8, 8, is_signed=True).wrap(255) == -1


def test_changed_hu_are_rounded_to_nearest(slice_of):
    ct_slice = slice_of(stored=np.full((1, 5), 1000), slope="2", intercept="-1000")
    words = stored_words(ct_slice, np.array([[0.9, 1.1, -0.9, -1.1, 3.0]])).words
    # (hu + 1000) / 2 = 500.45, 500.55, 499.55, 499.45, 501.5 -> ties to even
    np.testing.assert_array_equal(words, [[500, 501, 500, 499, 502]])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"bits_stored": 12}, [0, 4095]),
        ({"bits_stored": 12, "is_signed": True}, [-2048, 2047]),
        ({"bits_stored": 16}, [0, 65535]),
        ({"bits_stored": 16, "is_signed": True}, [-32768, 32767]),
        ({"bits_stored": 14, "is_signed": True}, [-8192, 8191]),
    ],
)
def test_values_beyond_bits_stored_are_clipped_and_counted(slice_of, options, expected):
    ct_slice = slice_of(stored=np.array([[7, 8, 9]]), **options)
    found = stored_words(ct_slice, np.array([[-1e6, 1e6, ct_slice.hu[0, 2]]], np.float32))
    np.testing.assert_array_equal(found.words[0, :2], expected)
    assert found.words[0, 2] == 9
    assert found.n_clipped == 2


def test_padded_pixels_keep_their_word_whatever_the_model_says(slice_of):
    ct_slice = slice_of(stored=np.array([[-2000, 10, 20]]), is_signed=True, bits_stored=16, padding=-2000)
    found = stored_words(ct_slice, np.array([[np.nan, 0.0, 1.0]], np.float32))
    np.testing.assert_array_equal(found.words, [[-2000, 1024, 1025]])
    assert found.n_clipped == 0


@pytest.mark.parametrize(("hu", "expected"), [(-1500.2, -1499), (-1499.8, -1499), (-1500.0, -1499), (-1501.0, -1501)])
def test_a_native_pixel_never_gets_the_padding_word(slice_of, hu, expected):
    ct_slice = slice_of(stored=np.array([[-1500, 10]]), is_signed=True, bits_stored=16, intercept="0", padding=-1500)
    assert stored_words(ct_slice, np.array([[0.0, hu]])).words[0, 1] == expected


@pytest.mark.parametrize(("hu", "expected"), [(100, 99), (103, 99), (106, 111), (110, 111), (99, 99), (111, 111)])
def test_a_native_pixel_leaves_a_padding_range_by_the_nearer_side(slice_of, hu, expected):
    ct_slice = slice_of(stored=np.array([[5, 200]]), intercept="0", padding=100, padding_limit=110)
    assert stored_words(ct_slice, np.array([[5.0, hu]])).words[0, 1] == expected


@pytest.mark.parametrize(("padding", "hu", "expected"), [(0, -3.0, 1), (4095, 9999.0, 4094)])
def test_a_native_pixel_leaves_padding_at_the_end_of_the_range_inwards(slice_of, padding, hu, expected):
    ct_slice = slice_of(stored=np.array([[5, 200]]), intercept="0", padding=padding)
    assert stored_words(ct_slice, np.array([[5.0, hu]])).words[0, 1] == expected


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_hu_that_are_not_finite_are_refused(slice_of, bad):
    ct_slice = slice_of()
    hu = ct_slice.hu.copy()
    hu[3, 4] = bad
    with pytest.raises(SeriesError, match="must be finite HU, got 1 pixels") as caught:
        stored_words(ct_slice, hu)
    assert caught.value.reason == "not_finite"


def test_another_size_is_refused(slice_of):
    with pytest.raises(SeriesError, match=r"must be \(24, 32\), got \(8, 8\)"):
        stored_words(slice_of(), np.zeros((8, 8)))


def test_an_extreme_rescale_does_not_cost_a_bit(slice_of):
    words = water_ramp()
    ct_slice = slice_of(stored=words, slope="0.001", intercept="-8388608.5", bits_stored=16)
    np.testing.assert_array_equal(stored_words(ct_slice, ct_slice.hu).words, words)


def test_an_8_bit_slice_is_widened_to_16_bits(slice_of):
    words = np.arange(256).reshape(16, 16)
    ct_slice = slice_of(stored=words, bits_allocated=8, bits_stored=8, slope="32", intercept="-4000")
    hu = ct_slice.hu.copy()
    hu[0, 0] = 20000.0
    found = stored_words(ct_slice, hu)
    assert found.layout == WordFormat(16, 16, is_signed=False)
    assert found.n_clipped == 0
    assert found.words[0, 0] == 750
    np.testing.assert_array_equal(found.words.flat[1:], words.flat[1:])
