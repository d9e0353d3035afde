"""Compressed frames: what they say of themselves before a decoder sees them, and decoders where pydicom has none.

A header of a few bytes can promise gigabytes, and the data set around it need not agree: both must name the same image,
and one that fits.

imagecodecs decodes 12-bit JPEG and JPEG XL. It is no dependency but an extra (``pip install 'n2b-ct[jpeg12]'``). Its
code is BSD-3-Clause; its Linux wheel (2026.3.6) carries 45 compiled libraries under their own licences and without the
licence texts, among them libgomp (GPL-3.0 with the GCC runtime exception). Two of them are called here: libjpeg-turbo
(IJG and BSD-3-Clause) and libjxl (BSD-3-Clause).
"""

from __future__ import annotations

import importlib.util
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame

from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.dicom.elements import integer, text
from n2b_ct.io.dicom.reading.transfer_syntaxes import Family, family

N_PIXELS_MAX = 4096 * 4096
N_TILES_MAX = 4096
IMAGECODECS = "imagecodecs"

_START_OF_IMAGE, _END_OF_IMAGE = b"\xff\xd8", b"\xff\xd9"
_JPEG_FRAMES = frozenset((0xC0, 0xC1, 0xC2, 0xC3))  # baseline, extended, progressive, lossless: Huffman coding
_JPEG_LS_FRAMES = frozenset((0xF7,))
_SCAN_OR_END = frozenset((0xDA, 0xD9))
_J2K_START, _J2K_BOX = b"\xff\x4f\xff\x51", b"jp2c"
_JP2_START = b"\x00\x00\x00\x0cjP  "
_N_HEADER_BYTES_MAX = 2**20
_RLE_HEADER = struct.Struct("<16I")
_N_PIXELS_PER_BYTE = 64  # the longest PackBits run: two bytes become 128

# JPEG XL
_CODESTREAM_START = b"\xff\x0a"
_CONTAINER_START = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
_N_JPEG_XL_HEADER_BYTES = 64  # more than the part that is read here can take
_N_PART_NUMBER_BYTES = 4
_GREY = 1
_WIDTH_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}

_Choice = tuple[int, int]  # a value, and how many bits are added to it


@dataclass(frozen=True, slots=True)
class Codestream:
    """The image that a codestream holds.

    Attributes:
        rows, cols: Its size.
        n_bits: Precision of a sample.
        n_components: Samples of a pixel.
        n_tiles: Parts that are coded apart (JPEG 2000).
    """

    rows: int
    cols: int
    n_bits: int
    n_components: int
    n_tiles: int = 1


def require_codestream(dataset: Dataset) -> bytes:
    """Compare a compressed frame with the data set before it is decoded.

    Args:
        dataset: One frame, encapsulated, whose pixel description was checked.

    Returns:
        The frame's bytes, as a decoder takes them.

    Raises:
        SeriesError: ``too_large``, ``pixel_truncated``, or ``pixel_undecodable`` where there is no frame,
            no header that can be read, or one of another image.
    """
    frame = _frame(dataset)
    kind = family(text(dataset.file_meta, "TransferSyntaxUID"))
    if kind == "rle":
        _require_rle(frame, dataset)
    elif kind in _READERS:
        _require_agreement(read_codestream(kind, frame), dataset)
    return frame


def read_codestream(kind: Family, frame: bytes) -> Codestream:
    """Read the header of a JPEG, JPEG-LS, JPEG 2000 or JPEG XL frame.

    Raises:
        SeriesError: ``pixel_undecodable``, there is none; ``pixel_truncated``, the image has no end.
    """
    try:
        return _READERS[kind](frame)
    except (struct.error, OverflowError) as error:  # the latter from a box longer than any file
        raise _undecodable("must start with the header of an image", "a header cut short") from error


def _frame(dataset: Dataset) -> bytes:
    """The frame of encapsulated pixels; its fragments are joined (PS3.5 A.4)."""
    try:
        return get_frame(dataset.PixelData, 0, number_of_frames=1)
    except Exception as error:
        raise _undecodable("must be frames of fragments", type(error).__name__) from error


def _read_jpeg(frame: bytes) -> Codestream:
    return _read_marker_segments(frame, _JPEG_FRAMES)


def _read_jpeg_ls(frame: bytes) -> Codestream:
    return _read_marker_segments(frame, _JPEG_LS_FRAMES)


def _read_marker_segments(frame: bytes, wanted: frozenset[int]) -> Codestream:
    """Step from marker to marker up to the frame header (ISO/IEC 10918-1 B.2.2, 14495-1 C.2.2)."""
    place = len(_START_OF_IMAGE)
    while frame.startswith(_START_OF_IMAGE) and place < _N_HEADER_BYTES_MAX:
        prefix, marker, length = struct.unpack_from(">BBH", frame, place)
        if prefix != 0xFF or marker in _SCAN_OR_END:
            break
        if marker == 0xFF:  # a fill byte
            place += 1
        elif marker in wanted:
            n_bits, rows, cols, n_components = struct.unpack_from(">BHHB", frame, place + 4)
            if frame.rfind(_END_OF_IMAGE) < place:
                message = explain("pixels", "must have the end of their image", "none", "send the file again")
                raise SeriesError("pixel_truncated", message)
            return Codestream(rows, cols, n_bits, n_components)
        else:
            place += 2 + max(length, 2)
    raise _undecodable("must start with the header of an image", "something else")


def _read_jpeg_2000(frame: bytes) -> Codestream:
    """Read the SIZ marker segment (ISO/IEC 15444-1 A.5.1), which must be the first."""
    start = _jp2_codestream(frame) if frame.startswith(_JP2_START) else 0
    if not frame.startswith(_J2K_START, start):
        raise _undecodable("must start with the header of an image", "something else")
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, n_components = struct.unpack_from(
        ">8IH", frame, start + 8
    )
    depth, step_x, step_y = struct.unpack_from(">BBB", frame, start + 42)
    if not (tile_width and tile_height and step_x and step_y):
        raise _undecodable("must have tiles and samples of some size", "none")
    return Codestream(
        rows=_ceil_div(bottom, step_y) - _ceil_div(top, step_y),
        cols=_ceil_div(right, step_x) - _ceil_div(left, step_x),
        n_bits=(depth & 0x7F) + 1,
        n_components=n_components,
        n_tiles=_ceil_div(right - tile_left, tile_width) * _ceil_div(bottom - tile_top, tile_height),
    )


def _jp2_codestream(frame: bytes) -> int:
    """Find the codestream in the boxes of a JP2 file (ISO/IEC 15444-1 I.4), which some writers leave around it."""
    place = 0
    while True:
        length, kind = struct.unpack_from(">I4s", frame, place)
        n_head = 8
        if length == 1:
            (length,), n_head = struct.unpack_from(">Q", frame, place + 8), 16
        if kind == _J2K_BOX:
            return place + n_head
        if length < n_head:
            raise _undecodable("must start with the header of an image", "boxes without one")
        place += length


def _read_jpeg_xl(frame: bytes) -> Codestream:
    content = _jpeg_xl_codestream(frame)
    if content is None:
        raise _undecodable("must start with the header of an image", "something else")
    rows, cols, n_bits, n_components = _jpeg_xl_header(content)
    return Codestream(rows, cols, n_bits, n_components)


_READERS: dict[Family, Callable[[bytes], Codestream]] = {
    "jpeg": _read_jpeg,
    "jpeg_ls": _read_jpeg_ls,
    "jpeg_2000": _read_jpeg_2000,
    "jpeg_xl": _read_jpeg_xl,
}


def _require_agreement(found: Codestream, dataset: Dataset) -> None:
    """Same image in codestream and data set, of a size that a CT slice can have."""
    rows, cols = int(dataset.Rows), int(dataset.Columns)
    got = f"{found.rows}x{found.cols}"
    if found.rows * found.cols > N_PIXELS_MAX or found.n_tiles > N_TILES_MAX:
        requirement = f"must decode to at most {N_PIXELS_MAX} pixels in {N_TILES_MAX} tiles"
        message = explain("pixels", requirement, f"{got} in {found.n_tiles}", "leave the file out")
        raise SeriesError("too_large", message)
    if (found.rows, found.cols) != (rows, cols):
        raise _undecodable(f"must decode to {rows}x{cols}", got)
    n_samples = integer(dataset, "SamplesPerPixel") or 1
    if found.n_components != n_samples:
        raise _undecodable(f"must decode to {n_samples} sample(s) a pixel", found.n_components)
    n_bits_allocated = int(dataset.BitsAllocated)
    if not 0 < found.n_bits <= n_bits_allocated:
        raise _undecodable(f"must decode to 1 to {n_bits_allocated} bits", found.n_bits)


def _require_rle(frame: bytes, dataset: Dataset) -> None:
    """One segment for each byte of a pixel, in order, none of which can grow far beyond the image (PS3.5 G)."""
    if len(frame) < _RLE_HEADER.size:
        raise _undecodable("must start with an RLE header", f"{len(frame)} bytes")
    n_segments, *offsets = _RLE_HEADER.unpack_from(frame)
    n_expected = int(dataset.BitsAllocated) // 8 * (integer(dataset, "SamplesPerPixel") or 1)
    if n_segments != n_expected or n_segments > len(offsets):
        raise _undecodable(f"must have {n_expected} RLE segment(s)", n_segments)
    ends = [*offsets[1:n_segments], len(frame)]
    lengths = [end - start for start, end in zip(offsets, ends, strict=False)]
    n_pixels = int(dataset.Rows) * int(dataset.Columns)
    shortest, longest = -(-n_pixels // _N_PIXELS_PER_BYTE), 2 * n_pixels + 1
    if offsets[0] < _RLE_HEADER.size or not all(shortest <= length <= longest for length in lengths):
        raise _undecodable(f"must have RLE segments of {shortest} to {longest} bytes", lengths)


def _ceil_div(number: int, divisor: int) -> int:
    return -(-number // divisor)


def _undecodable(requirement: str, got: object) -> SeriesError:
    return SeriesError("pixel_undecodable", explain("pixels", requirement, got, "replace the file or leave it out"))


class _Bits:
    """Takes numbers off the front of a JPEG XL header (ISO/IEC 18181-1), whose bits come lowest first."""

    def __init__(self, content: bytes) -> None:
        self._value = int.from_bytes(content, "little")
        self._n_left = 8 * len(content)

    def take(self, n_bits: int) -> int:
        """Take an unsigned number."""
        self._n_left -= n_bits
        if self._n_left < 0:
            raise struct.error("the header is cut short")
        taken = self._value & ((1 << n_bits) - 1)
        self._value >>= n_bits
        return taken

    def choose(self, choices: tuple[_Choice, _Choice, _Choice, _Choice]) -> int:
        """Take two bits that say how the number is written, then the number."""
        base, n_bits = choices[self.take(2)]
        return base + self.take(n_bits)


def _jpeg_xl_codestream(frame: bytes) -> bytes | None:
    """Find the start of a JPEG XL codestream, bare or in the boxes of a container; None if there is none.

    Raises:
        struct.error: A box is cut short.
    """
    if frame.startswith(_CODESTREAM_START):
        return frame[: len(_CODESTREAM_START) + _N_JPEG_XL_HEADER_BYTES]
    place = 0
    while frame.startswith(_CONTAINER_START):
        length, kind = struct.unpack_from(">I4s", frame, place)
        n_head = 8
        if length == 1:
            (length,), n_head = struct.unpack_from(">Q", frame, place + 8), 16
        if kind in (b"jxlc", b"jxlp"):
            start = place + n_head + (_N_PART_NUMBER_BYTES if kind == b"jxlp" else 0)
            content = frame[start : start + len(_CODESTREAM_START) + _N_JPEG_XL_HEADER_BYTES]
            return content if content.startswith(_CODESTREAM_START) else None
        if length < n_head:
            break
        place += length
    return None


def _jpeg_xl_header(content: bytes) -> tuple[int, int, int, int]:
    """Read rows, columns, bits of a sample and samples of a pixel of a JPEG XL image.

    Images with more than that (a preview, an animation, an alpha channel, floating point) count as having
    0 bits or too many samples, for no CT slice has them.

    Raises:
        struct.error: The header is cut short.
    """
    bits = _Bits(content[len(_CODESTREAM_START) :])
    rows, cols = _size(bits)
    if bits.take(1):  # all defaults: 8 bits, three colours
        return rows, cols, 8, 3
    has_more, is_float = bits.take(1), bits.take(1)
    if has_more or is_float:
        return rows, cols, 0, 1
    n_bits = bits.choose(((8, 0), (10, 0), (12, 0), (1, 6)))
    bits.take(1)  # whether 16-bit buffers suffice
    n_extra = bits.choose(((0, 0), (1, 0), (2, 4), (1, 12)))
    if n_extra:
        return rows, cols, n_bits, 1 + n_extra
    return rows, cols, n_bits, _n_colours(bits)


def _size(bits: _Bits) -> tuple[int, int]:
    is_in_eights = bool(bits.take(1))
    rows = _length(bits, is_in_eights)
    ratio = bits.take(3)
    if not ratio:
        return rows, _length(bits, is_in_eights)
    numerator, denominator = _WIDTH_RATIOS[ratio]
    return rows, rows * numerator // denominator


def _length(bits: _Bits, is_in_eights: bool) -> int:
    if is_in_eights:
        return 8 * (1 + bits.take(5))
    return bits.choose(((1, 9), (1, 13), (1, 18), (1, 30)))


def _n_colours(bits: _Bits) -> int:
    """Tell grey from colours: the encoding of colours starts with its kind."""
    bits.take(1)  # whether colours are coded as XYB
    if bits.take(1):  # all defaults: RGB
        return 3
    bits.take(1)  # whether a profile follows
    return 1 if bits.choose(((0, 0), (1, 0), (2, 4), (18, 6))) == _GREY else 3


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
        frame: As :func:`n2b_ct.io.dicom.reading.codestreams.require_codestream` returns it.
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
