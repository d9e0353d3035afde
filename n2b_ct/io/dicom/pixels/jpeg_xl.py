"""The header of a JPEG XL image (ISO/IEC 18181-1), as far as size, depth and colours; bits come lowest first."""

from __future__ import annotations

import struct

_CODESTREAM_START = b"\xff\x0a"
_CONTAINER_START = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
_N_HEADER_BYTES = 64  # more than the part that is read here can take
_N_PART_NUMBER_BYTES = 4
_GREY = 1
_WIDTH_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}

Choice = tuple[int, int]  # a value, and how many bits are added to it


class _Bits:
    """Takes numbers off the front of a few bytes."""

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

    def choose(self, choices: tuple[Choice, Choice, Choice, Choice]) -> int:
        """Take two bits that say how the number is written, then the number."""
        base, n_bits = choices[self.take(2)]
        return base + self.take(n_bits)


def image_codestream(frame: bytes) -> bytes | None:
    """Find the start of the codestream, bare or in the boxes of a container; None if there is none.

    Raises:
        struct.error: A box is cut short.
    """
    if frame.startswith(_CODESTREAM_START):
        return frame[: len(_CODESTREAM_START) + _N_HEADER_BYTES]
    place = 0
    while frame.startswith(_CONTAINER_START):
        length, kind = struct.unpack_from(">I4s", frame, place)
        n_head = 8
        if length == 1:
            (length,), n_head = struct.unpack_from(">Q", frame, place + 8), 16
        if kind in (b"jxlc", b"jxlp"):
            start = place + n_head + (_N_PART_NUMBER_BYTES if kind == b"jxlp" else 0)
            content = frame[start : start + len(_CODESTREAM_START) + _N_HEADER_BYTES]
            return content if content.startswith(_CODESTREAM_START) else None
        if length < n_head:
            break
        place += length
    return None


def image_header(content: bytes) -> tuple[int, int, int, int]:
    """Read rows, columns, bits of a sample and samples of a pixel.

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
