"""Stored words: sign, unused bits, padding beyond BitsStored, and the decoders that pydicom lacks."""

from __future__ import annotations

import tomllib
import zlib

import numpy as np
import pytest
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from n2b_ct.errors import SeriesError
from n2b_ct.io.dicom.ct_reader import read_slice
from n2b_ct.io.dicom.reading.dicom_file import parse_file
from n2b_ct.io.dicom.reading.slice_checks import require_known_syntax
from n2b_ct.io.dicom.reading.stored_words import stored_values
from n2b_ct.io.dicom.reading.transfer_syntaxes import (
    DEFLATED_FRAMES,
    ENCAPSULATED_UNCOMPRESSED,
    JPEG_FULL_PROGRESSION,
    JPEG_SPECTRAL_SELECTION,
    how_to_install,
    is_supported,
    lossy_method,
)
from tests.conftest import REPOSITORY
from tests.encodings import encoded_dataset, imagecodecs, lossy_jpeg, rle_of_literals, save_encoded, with_frame
from tests.helpers import assert_hu_roundtrip, derive_file, make_ct_dataset, save

SIZE = (64, 64)
PADDING_AT = (slice(0, 5), slice(0, 64))
WHOLE_WORD_SYNTAXES = (ExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless, JPEGLosslessSV1, JPEG2000Lossless)


def j2k(samples: np.ndarray, n_bits: int) -> bytes:
    encoded: bytes = imagecodecs().jpeg2k_encode(samples, reversible=True, codecformat="j2k", bitspersample=n_bits)
    return encoded


def smooth_words(highest: int = 4095) -> np.ndarray:
    rows, cols = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.rint(highest / 2 * (1 + 0.8 * np.sin(rows / 20) * np.cos(cols / 25))).astype(int)


@pytest.mark.parametrize("n_bits", [12, 13, 16])
def test_an_unsigned_jpeg_2000_codestream_of_signed_words_is_read_signed(n_bits):
    words = np.random.default_rng(1).integers(-2000, 2000, SIZE)
    frame = j2k((words & ((1 << n_bits) - 1)).astype("u2"), n_bits)
    dataset = with_frame(make_ct_dataset(stored=words, bits_stored=n_bits, is_signed=True), JPEG2000Lossless, frame)
    np.testing.assert_array_equal(stored_values(dataset), words)


def test_a_signed_jpeg_2000_codestream_of_unsigned_words_is_read_unsigned():
    words = np.random.default_rng(1).integers(0, 1 << 16, SIZE)
    frame = j2k(words.astype("u2").view("i2"), 16)
    dataset = with_frame(make_ct_dataset(stored=words, bits_stored=16), JPEG2000Lossless, frame)
    found = stored_values(dataset)
    np.testing.assert_array_equal(found, words)
    assert found.dtype == np.uint16


@pytest.mark.parametrize("syntax", WHOLE_WORD_SYNTAXES)
@pytest.mark.parametrize("is_signed", [False, True])
def test_bits_outside_bits_stored_do_not_count(syntax, is_signed, tmp_path):
    lowest = -2048 if is_signed else 0
    words = np.random.default_rng(2).integers(lowest, lowest + 4096, SIZE)
    whole = (words & 0x0FFF) | (np.random.default_rng(3).integers(0, 16, SIZE) << 12)
    whole_words = whole.astype("u2").view("i2").astype(int) if is_signed else whole
    dataset = encoded_dataset(syntax, whole_words, bits_stored=16, is_signed=is_signed)
    dataset.BitsStored, dataset.HighBit = 12, 11
    np.testing.assert_array_equal(read_slice(save(dataset, tmp_path / "slice")).stored, words)


def padded_words(padding_word: int) -> np.ndarray:
    words = smooth_words()
    words[PADDING_AT] = padding_word
    return words


@pytest.mark.parametrize("syntax", WHOLE_WORD_SYNTAXES)
@pytest.mark.parametrize(("vr", "value"), [("US", 63536), ("SS", -2000)])
def test_padding_that_bits_stored_cannot_hold_is_found_and_written_back(syntax, vr, value, tmp_path):
    dataset = encoded_dataset(syntax, padded_words(63536), bits_stored=16, is_signed=False)
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.add_new("PixelPaddingValue", vr, value)
    path = save(dataset, tmp_path / "slice")
    found = read_slice(path)
    assert found.is_padding[PADDING_AT].all()
    assert not found.is_padding[5:].any()
    np.testing.assert_array_equal(found.stored, padded_words(63536))
    written = derive_file(path, tmp_path / "derived", lambda ct_slice: ct_slice.hu + 1)
    words = np.frombuffer(written.PixelData, "<u2").reshape(SIZE)
    assert (words[PADDING_AT] == 63536).all()
    np.testing.assert_array_equal(words[5:], smooth_words()[5:] + 1)


@pytest.mark.parametrize("padding_word", [-32768, -3024])
def test_signed_padding_below_bits_stored_is_found(padding_word, tmp_path):
    words = np.random.default_rng(4).integers(-2048, 2048, SIZE)
    words[PADDING_AT] = padding_word
    dataset = make_ct_dataset(stored=words, bits_stored=12, is_signed=True, padding=padding_word)
    path = save(dataset, tmp_path / "slice")
    found = read_slice(path)
    np.testing.assert_array_equal(found.stored, words)
    np.testing.assert_array_equal(found.is_padding, words == padding_word)
    assert_hu_roundtrip(path, tmp_path / "derived")


def test_a_padding_range_may_begin_outside_bits_stored(tmp_path):
    words = np.random.default_rng(5).integers(-2048, 2048, SIZE)
    words[PADDING_AT] = -32768
    dataset = make_ct_dataset(stored=words, bits_stored=12, is_signed=True, padding=-32768, padding_limit=-2000)
    found = read_slice(save(dataset, tmp_path / "slice"))
    np.testing.assert_array_equal(found.stored, words)
    np.testing.assert_array_equal(found.is_padding, words <= -2000)


def test_an_overlay_in_the_unused_bits_is_no_padding(tmp_path):
    words = smooth_words()
    words[PADDING_AT] = 0
    whole = words.copy()
    whole[:10] |= 1 << 15
    dataset = make_ct_dataset(stored=whole, bits_stored=12, padding=1 << 15)
    dataset.add_new((0x6000, 0x0100), "US", 16)
    dataset.add_new((0x6000, 0x0102), "US", 15)
    np.testing.assert_array_equal(read_slice(save(dataset, tmp_path / "slice")).stored, words)


def test_what_lossy_compression_threw_beyond_bits_stored_is_clipped():
    words = smooth_words()
    words[0, :2] = -7, 4103
    frame = j2k(words.astype("i2"), 16)
    dataset = with_frame(make_ct_dataset(stored=words, is_signed=True, bits_stored=16), JPEG2000, frame)
    dataset.BitsStored, dataset.HighBit = 13, 12
    np.testing.assert_array_equal(stored_values(dataset), np.clip(words, -4096, 4095))


def test_near_lossless_words_stay_within_what_was_promised():
    words = np.random.default_rng(6).integers(-2000, 2000, SIZE)
    dataset = make_ct_dataset(stored=words, bits_stored=13, is_signed=True)
    dataset.compress(JPEGLSNearLossless, jls_error=2, generate_instance_uid=False)
    assert 0 < np.abs(stored_values(dataset) - words).max() <= 2


@pytest.mark.parametrize("syntax", [JPEGExtended12Bit, JPEG_SPECTRAL_SELECTION, JPEG_FULL_PROGRESSION])
def test_12_bit_jpeg_is_read_and_called_lossy(syntax, tmp_path):
    words = smooth_words()
    dataset = with_frame(make_ct_dataset(stored=words), syntax, lossy_jpeg(words, 12))
    path = save_encoded(dataset, tmp_path / "slice")
    found = read_slice(path)
    assert np.abs(found.stored.astype(int) - words).max() <= 8
    assert found.stored.dtype == np.uint16
    written = derive_file(path, tmp_path / "derived")
    np.testing.assert_array_equal(np.frombuffer(written.PixelData, "<u2").reshape(SIZE), found.stored)
    assert (written.LossyImageCompression, written.LossyImageCompressionMethod) == ("01", "ISO_10918_1")


def test_12_bit_jpeg_of_signed_words_gets_its_sign_back():
    words = smooth_words() - 2048
    samples = words & 0x0FFF
    frame = imagecodecs().jpeg8_encode(samples.astype("u2"), lossless=True, bitspersample=12, predictor=1)
    dataset = with_frame(make_ct_dataset(stored=words, is_signed=True), JPEGExtended12Bit, frame)
    np.testing.assert_array_equal(stored_values(dataset), words)


def test_8_bit_jpeg_in_either_syntax_gives_the_same_words():
    words = smooth_words(255)
    frame = lossy_jpeg(words, 8)
    layout = {"stored": words, "bits_allocated": 8, "bits_stored": 8}
    by_gdcm = stored_values(with_frame(make_ct_dataset(**layout), JPEGBaseline8Bit, frame))
    by_imagecodecs = stored_values(with_frame(make_ct_dataset(**layout), JPEGExtended12Bit, frame))
    np.testing.assert_array_equal(by_gdcm, by_imagecodecs)


def test_a_12_bit_jpeg_without_its_decoder_names_the_extra(monkeypatch):
    words = smooth_words()
    dataset = with_frame(make_ct_dataset(stored=words), JPEGExtended12Bit, lossy_jpeg(words, 12))
    monkeypatch.setattr("n2b_ct.io.dicom.reading.stored_words.is_imagecodecs_installed", lambda: False)
    with pytest.raises(SeriesError, match=r"need the decoder imagecodecs.*pip install 'n2b-ct\[jpeg12\]'") as caught:
        stored_values(dataset)
    assert caught.value.reason == "decoder_missing"


def test_the_extra_that_is_named_exists():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert [one.split(">")[0] for one in project["optional-dependencies"]["jpeg12"]] == ["imagecodecs"]
    assert how_to_install("imagecodecs") == "pip install 'n2b-ct[jpeg12]'"
    assert how_to_install("gdcm") == "pip install python-gdcm"


@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        (ENCAPSULATED_UNCOMPRESSED, lambda content: content),
        (DEFLATED_FRAMES, lambda content: zlib.compress(content, wbits=-15)),
    ],
)
@pytest.mark.parametrize("n_bytes_more", [-2, 4, 100_000_000])
def test_plain_frames_must_hold_the_image_and_no_more(syntax, encode, n_bytes_more):
    n_bytes = 2 * 64 * 64
    frame = encode(bytes(n_bytes + min(n_bytes_more, 10_000_000)))
    dataset = with_frame(make_ct_dataset(stored=np.zeros(SIZE, int)), syntax, frame)
    with pytest.raises(SeriesError, match="pixels: must decode, got ValueError"):
        stored_values(dataset)


def test_a_decoder_that_panics_costs_one_slice(capfd):
    frame = rle_of_literals(np.zeros(SIZE, "<u2"))
    n_kept = len(frame) - 129
    run_over_the_end = bytes([126]) + bytes(127) + b"\x81\x00"  # 127 pixels, then 128 where one is left
    with pytest.raises(SeriesError, match="pixels: must decode, got PanicException"):
        stored_values(
            with_frame(make_ct_dataset(stored=np.zeros(SIZE, int)), RLELossless, frame[:n_kept] + run_over_the_end)
        )
    capfd.readouterr()  # Rust tells of the panic on standard error


@pytest.mark.parametrize(
    "syntax",
    [
        "1.2.840.10008.1.2.4.52",  # JPEG extended, arithmetic coding
        "1.2.840.10008.1.2.4.92",  # JPEG 2000 part 2, lossless
        "1.2.840.10008.1.2.4.93",
        "1.2.840.10008.1.2.4.94",  # JPIP
        "1.2.840.10008.1.2.4.102",  # MPEG-4
        "1.2.840.10008.1.2.4.111",  # JPEG XL around a JPEG
        "1.2.840.10008.1.2.4.204",  # HTJ2K by JPIP
        "1.2.840.113619.5.2",  # GE private
    ],
)
def test_other_syntaxes_are_refused_by_name(syntax, tmp_path):
    dataset = make_ct_dataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    parsed = parse_file(save(make_ct_dataset(), tmp_path / "slice"), with_pixels=False)
    parsed.dataset.file_meta.TransferSyntaxUID = UID(syntax)
    with pytest.raises(SeriesError, match=f"must have a known transfer syntax, got {syntax}") as caught:
        require_known_syntax(parsed)
    assert caught.value.reason == "unsupported_transfer_syntax"


@pytest.mark.parametrize(
    ("syntax", "method"),
    [
        (JPEGBaseline8Bit, "ISO_10918_1"),
        (JPEGExtended12Bit, "ISO_10918_1"),
        (JPEG_FULL_PROGRESSION, "ISO_10918_1"),
        (JPEGLSNearLossless, "ISO_14495_1"),
        (JPEG2000, "ISO_15444_1"),
        ("1.2.840.10008.1.2.4.112", "ISO_18181_1"),
        (JPEGLSLossless, ""),
        (ExplicitVRLittleEndian, ""),
        (ENCAPSULATED_UNCOMPRESSED, ""),
    ],
)
def test_lossy_methods_are_those_of_the_standard(syntax, method):
    assert is_supported(syntax)
    assert lossy_method(syntax) == method


def test_a_decoder_that_aborts_costs_one_slice(tmp_path):
    words = smooth_words()
    dataset = encoded_dataset(JPEGLosslessSV1, words, bits_stored=12, is_signed=False)
    good = save(dataset, tmp_path / "good")
    content = good.read_bytes()
    tables = content.index(b"\xff\xc4", content.index(b"\xff\xc3"))
    damaged = tmp_path / "damaged"
    damaged.write_bytes(content[:tables] + b"\x94" + content[tables + 1 :])
    with pytest.raises(SeriesError, match=r"got a crash of its decoder|pixels: must decode"):
        read_slice(damaged)  # gdcm 3.2.6 ends the process that it runs in
    np.testing.assert_array_equal(read_slice(good).stored, words)
