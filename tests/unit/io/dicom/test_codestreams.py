"""A compressed frame is compared with its data set by its own header, before a decoder sees it."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pydicom.uid import (
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from n2b_ct.errors import SeriesError
from n2b_ct.io.dicom.reading.codestreams import N_PIXELS_MAX, Codestream, read_codestream, require_codestream
from n2b_ct.io.dicom.reading.stored_words import stored_values
from n2b_ct.io.dicom.reading.transfer_syntaxes import JPEG_XL_LOSSLESS, family
from tests.encodings import encoded_dataset, imagecodecs, lossy_jpeg, rle_of_literals, with_frame
from tests.helpers import make_ct_dataset

HEADED = (JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless, JPEG_XL_LOSSLESS)
SIZES = [(64, 64), (65, 97), (128, 256), (120, 100), (90, 120), (80, 128), (81, 144), (512, 512), (257, 771)]


def random_words(shape: tuple[int, int], n_bits: int = 12) -> np.ndarray:
    return np.random.default_rng(shape[0]).integers(1, 1 << n_bits, shape)


def frame_of(syntax: str, shape: tuple[int, int] = (64, 64), n_bits: int = 12, **options: object) -> bytes:
    words = random_words(shape, n_bits)
    return require_codestream(encoded_dataset(syntax, words, bits_stored=n_bits, is_signed=False, **options))


def dataset_of(syntax: str, frame: bytes, shape: tuple[int, int] = (64, 64), **options: object):
    return with_frame(make_ct_dataset(stored=np.zeros(shape, int), **options), syntax, frame)


@pytest.mark.parametrize("syntax", HEADED)
@pytest.mark.parametrize("shape", SIZES)
def test_the_header_tells_the_size(syntax, shape):
    found = read_codestream(family(syntax), frame_of(syntax, shape))
    n_bits = 16 if syntax == HTJ2KLossless else 12  # its encoder here fills whole words
    assert found == Codestream(*shape, n_bits=n_bits, n_components=1)


@pytest.mark.parametrize("syntax", HEADED)
@pytest.mark.parametrize("n_bits", [8, 10, 13, 14, 16])
def test_the_header_tells_the_depth(syntax, n_bits):
    n_coded = 16 if syntax == HTJ2KLossless else n_bits
    assert read_codestream(family(syntax), frame_of(syntax, n_bits=n_bits)).n_bits == n_coded


@pytest.mark.parametrize(("name", "options"), [("jpeg8", {}), ("jpegls", {}), ("jpegxl", {"lossless": True})])
def test_colours_are_counted(name, options):
    colours = np.random.default_rng(0).integers(0, 256, (64, 48, 3)).astype("u1")
    frame = getattr(imagecodecs(), f"{name}_encode")(colours, **options)
    kind = {"jpeg8": "jpeg", "jpegls": "jpeg_ls", "jpegxl": "jpeg_xl"}[name]
    assert read_codestream(kind, frame).n_components == 3


@pytest.mark.parametrize("syntax", [*HEADED, JPEGExtended12Bit])
def test_another_size_than_the_data_set_is_refused_before_decoding(syntax, monkeypatch):
    frame = lossy_jpeg(random_words((64, 64)), 12) if syntax == JPEGExtended12Bit else frame_of(syntax)
    monkeypatch.setattr(
        "n2b_ct.io.dicom.reading.stored_words.get_decoder", lambda uid: pytest.fail("a decoder was asked for")
    )
    monkeypatch.setattr(
        "n2b_ct.io.dicom.reading.stored_words.decode_frame", lambda *_: pytest.fail("a decoder was asked")
    )
    monkeypatch.setattr("n2b_ct.io.dicom.reading.stored_words._require_decoder", lambda syntax: None)
    with pytest.raises(SeriesError, match="pixels: must decode to 64x63, got 64x64") as caught:
        stored_values(dataset_of(syntax, frame, (64, 63)))
    assert caught.value.reason == "pixel_undecodable"


def grown(syntax: str, frame: bytes, rows: int, cols: int) -> bytes:
    """Write another size into a header."""
    if syntax in (JPEG2000Lossless, HTJ2KLossless):
        return frame[:8] + struct.pack(">II", cols, rows) + frame[16:]
    marker = b"\xff\xf7" if syntax == JPEGLSLossless else b"\xff\xc3"
    place = frame.index(marker) + 5
    return frame[:place] + struct.pack(">HH", rows, cols) + frame[place + 4 :]


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless])
def test_a_header_that_promises_gigabytes_is_too_large(syntax):
    frame = grown(syntax, frame_of(syntax), 60000, 60000)
    with pytest.raises(SeriesError, match=f"at most {N_PIXELS_MAX} pixels in 4096 tiles, got 60000x60000") as caught:
        require_codestream(dataset_of(syntax, frame))
    assert caught.value.reason == "too_large"


def test_an_image_of_countless_tiles_is_too_large():
    frame = frame_of(JPEG2000Lossless, (128, 128))
    one_pixel_tiles = frame[:24] + struct.pack(">II", 1, 1) + frame[32:]
    with pytest.raises(SeriesError, match="got 128x128 in 16384") as caught:
        require_codestream(dataset_of(JPEG2000Lossless, one_pixel_tiles, (128, 128)))
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("place", [24, 28, 43, 44])
def test_tiles_and_samples_of_no_size_are_refused(place):
    frame = bytearray(frame_of(JPEG2000Lossless))
    n_bytes = 4 if place < 40 else 1
    frame[place : place + n_bytes] = bytes(n_bytes)
    with pytest.raises(SeriesError, match="must have tiles and samples of some size"):
        require_codestream(dataset_of(JPEG2000Lossless, bytes(frame)))


def test_an_offset_image_counts_from_its_offset():
    frame = frame_of(JPEG2000Lossless)
    shifted = frame[:8] + struct.pack(">4I", 1064, 2064, 1000, 2000) + frame[24:]
    found = read_codestream("jpeg_2000", shifted)
    assert (found.rows, found.cols) == (64, 64)


def test_more_bits_than_a_word_has_are_refused():
    frame = frame_of(JPEGLSLossless)
    with pytest.raises(SeriesError, match="must decode to 1 to 8 bits, got 12"):
        require_codestream(dataset_of(JPEGLSLossless, frame, bits_allocated=8, bits_stored=8))


def test_more_samples_than_the_data_set_has_are_refused():
    colours = imagecodecs().jpeg8_encode(np.zeros((64, 64, 3), "u1"))
    dataset = dataset_of(JPEGBaseline8Bit, colours, bits_allocated=8, bits_stored=8)
    with pytest.raises(SeriesError, match=r"must decode to 1 sample\(s\) a pixel, got 3"):
        require_codestream(dataset)


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless])
def test_an_image_without_its_end_is_cut_short(syntax):
    frame = frame_of(syntax)
    without_end = frame[: frame.rindex(b"\xff\xd9")]
    with pytest.raises(SeriesError, match="must have the end of their image") as caught:
        require_codestream(dataset_of(syntax, without_end))
    assert caught.value.reason == "pixel_truncated"


def test_fill_bytes_and_other_segments_before_the_frame_header_are_stepped_over():
    frame = frame_of(JPEGLSLossless)
    comment = b"\xff\xff\xff\xfe" + struct.pack(">H", 8) + b"\xff\xf7\xff\xd9\0\0"
    found = read_codestream("jpeg_ls", frame[:2] + comment + frame[2:])
    assert (found.rows, found.cols) == (64, 64)


def test_a_jp2_file_is_stepped_through_box_by_box():
    frame = frame_of(JPEG2000Lossless)
    decoy = grown(JPEG2000Lossless, frame, 8, 8)
    boxes = [(b"jP  ", b"\r\n\x87\n"), (b"ftyp", b"jp2 \0\0\0\0jp2 "), (b"xml ", decoy), (b"jp2c", frame)]
    content = b"".join(struct.pack(">I4s", 8 + len(body), kind) + body for kind, body in boxes)
    assert read_codestream("jpeg_2000", content) == read_codestream("jpeg_2000", frame)
    with pytest.raises(SeriesError, match="boxes without one"):
        read_codestream("jpeg_2000", content[:12] + struct.pack(">I4s", 0, b"xml "))


@pytest.mark.parametrize("kind", ["jpeg_2000", "jpeg_xl"])
def test_a_box_longer_than_any_file_is_refused(kind):
    start = {"jpeg_2000": b"\0\0\0\x0cjP  \r\n\x87\n", "jpeg_xl": b"\0\0\0\x0cJXL \r\n\x87\n"}[kind]
    with pytest.raises(SeriesError, match="got a header cut short"):
        read_codestream(kind, start + struct.pack(">I4sQ", 1, b"xml ", 2**64 - 1))


def test_a_header_of_nothing_but_fill_bytes_is_given_up():
    with pytest.raises(SeriesError, match="got something else"):
        read_codestream("jpeg", b"\xff\xd8" + b"\xff" * 2**21)


def test_a_jpeg_xl_container_is_stepped_through_box_by_box():
    frame = frame_of(JPEG_XL_LOSSLESS, n_bits=16)
    assert frame.startswith(b"\x00\x00\x00\x0cJXL ")
    bare = frame[frame.index(b"\xff\x0a") :]
    assert read_codestream("jpeg_xl", bare) == read_codestream("jpeg_xl", frame)
    with pytest.raises(SeriesError, match="got something else"):
        read_codestream("jpeg_xl", frame[:12] + struct.pack(">I4s", 0, b"xml ") + frame)


@pytest.mark.parametrize(
    ("header", "match"),
    [
        ((1, 64), r"must have 2 RLE segment\(s\), got 1"),
        ((15, *range(64, 79)), r"must have 2 RLE segment\(s\), got 15"),
        ((2, 64, 64), "must have RLE segments of 64 to 8193 bytes"),
        ((2, 2112, 64), "must have RLE segments of 64 to 8193 bytes"),
        ((2, 0, 2112), "must have RLE segments of 64 to 8193 bytes"),
        ((2, 64, 2**32 - 1), "must have RLE segments of 64 to 8193 bytes"),
    ],
)
def test_rle_segments_must_be_as_many_as_bytes_and_in_order(header, match):
    frame = rle_of_literals(np.zeros((64, 64), "<u2"))
    forged = struct.pack("<16I", *header, *[0] * (16 - len(header))) + frame[64:]
    with pytest.raises(SeriesError, match=match) as caught:
        require_codestream(dataset_of(RLELossless, forged))
    assert caught.value.reason == "pixel_undecodable"


def test_rle_without_its_header_is_refused():
    with pytest.raises(SeriesError, match="must start with an RLE header, got 10 bytes"):
        require_codestream(dataset_of(RLELossless, bytes(10)))


def test_pixels_that_are_no_fragments_are_refused():
    dataset = dataset_of(RLELossless, b"\0\0")
    dataset.PixelData = b"no fragments here at all"
    with pytest.raises(SeriesError, match="must be frames of fragments"):
        require_codestream(dataset)


@pytest.mark.parametrize("syntax", [*HEADED, RLELossless])
def test_random_damage_gives_nothing_but_series_errors(syntax):
    frame = frame_of(syntax)
    rng = np.random.default_rng(3)
    reasons = []
    for _ in range(400):
        damaged = bytearray(frame[: rng.integers(len(frame))] if rng.random() < 0.5 else frame)
        for place in rng.integers(0, min(len(damaged), 90) or 1, rng.integers(1, 5)):
            damaged[place : place + 1] = rng.bytes(1)
        try:
            require_codestream(dataset_of(syntax, bytes(damaged)))
        except SeriesError as error:
            reasons.append(error.reason)
    assert 40 < len(reasons) < 400
    assert set(reasons) <= {"pixel_undecodable", "pixel_truncated", "too_large"}
