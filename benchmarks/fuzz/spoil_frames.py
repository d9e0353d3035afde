"""Encapsulated pixels (PS3.5 A.4) that lie: fragments, offset tables, and the codestream within."""

from __future__ import annotations

from functools import lru_cache
from random import Random

import numpy as np
from pydicom.uid import JPEGLSLossless

from benchmarks.fuzz.anatomy import PIXEL_DATA, UNDEFINED_LENGTH, Anatomy, Element
from benchmarks.fuzz.seeds import ct_dataset

_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"
_SIDES_PX = (0, 1, 31, 33, 4096, 16384, 30000, 65535)
_FRAME_MARKERS = (b"\xff\xc0", b"\xff\xc3", b"\xff\xf7")  # JPEG baseline, JPEG lossless, JPEG-LS
_SIZE_MARKER = b"\xff\x51"  # JPEG 2000
_N_BOMB_PX = 3000


def fragment_lengths(draw: Random, seed: Anatomy) -> bytes:
    """Give a fragment a wrong length."""
    table, fragments = _fragments(seed)
    place = draw.randrange(len(fragments))
    pieces = [_item(fragment) for fragment in fragments]
    length = draw.choice([0, 1, len(fragments[place]) + 2, 0x7FFFFFFF, UNDEFINED_LENGTH, draw.randrange(1 << 32)])
    pieces[place] = _ITEM + length.to_bytes(4, "little") + fragments[place]
    return _with_pixels(seed, _item(table) + b"".join(pieces) + _END)


def offset_table(draw: Random, seed: Anatomy) -> bytes:
    """Point the basic offset table at nothing, or make it huge."""
    _, fragments = _fragments(seed)
    offsets = [draw.choice([0, 1, 8, 0xFFFFFFFF, draw.randrange(1 << 32)]) for _ in range(draw.choice([1, 2, 3, 5000]))]
    table = b"".join(offset.to_bytes(4, "little") for offset in offsets)[: draw.choice([None, -1, -2])]
    return _with_pixels(seed, b"".join(map(_item, [table, *fragments])) + _END)


def fragments(draw: Random, seed: Anatomy) -> bytes:
    """Cut the codestream in pieces, add pieces, empty ones, none at all; close or do not."""
    table, found = _fragments(seed)
    stream = b"".join(found)
    cut = draw.randrange(len(stream) + 1)
    pieces = draw.choice(
        [[stream[:cut], stream[cut:]], [stream, stream], [stream, b""], [b"", stream], [], [b""], [stream] * 300]
    )
    return _with_pixels(
        seed, b"".join(map(_item, [table, *pieces])) + draw.choice([_END, _END, b"", _END * 2, _END[:6]])
    )


def codestream_bytes(draw: Random, seed: Anatomy) -> bytes:
    """Spoil 1 to 30 bytes of the codestream."""
    table, found = _fragments(seed)
    stream = bytearray(b"".join(found))
    for _ in range(draw.randint(1, 30)):
        stream[draw.randrange(len(stream))] = draw.randrange(256)
    return _with_stream(seed, table, bytes(stream))


def codestream_head(draw: Random, seed: Anatomy) -> bytes:
    """Spoil 1 to 6 bytes among the first hundred of the codestream, where its tables are."""
    table, found = _fragments(seed)
    stream = bytearray(b"".join(found))
    for _ in range(draw.randint(1, 6)):
        stream[draw.randrange(min(100, len(stream)))] = draw.choice([0, 1, 0x7F, 0xFF, draw.randrange(256)])
    return _with_stream(seed, table, bytes(stream))


def codestream_cut(draw: Random, seed: Anatomy) -> bytes:
    """Cut the codestream, or follow it with noise."""
    table, found = _fragments(seed)
    stream = b"".join(found)
    cut = stream[: draw.randrange(len(stream))]
    return _with_stream(seed, table, draw.choice([cut, stream + draw.randbytes(1000), cut + draw.randbytes(1000)]))


def codestream_size(draw: Random, seed: Anatomy) -> bytes:
    """Let the codestream claim another size than the header does."""
    table, found = _fragments(seed)
    stream = _resized(b"".join(found), draw.choice(_SIDES_PX), draw.choice(_SIDES_PX))
    if draw.random() < 0.3:
        for keyword_tag in (0x00280010, 0x00280011):
            seed = seed.put(seed.made(keyword_tag, "US", seed.encoding.number(draw.choice(_SIDES_PX), 2)))
    return _with_stream(seed, table, stream)


def decompression_bomb(draw: Random, seed: Anatomy) -> bytes:
    """Hide a large flat image, a few kB when compressed, behind whatever size the header tells."""
    syntax, stream = _flat_image()
    if draw.random() < 0.5:
        side = seed.encoding.number(_N_BOMB_PX, 2)
        seed = seed.put(seed.made(0x00280010, "US", side)).put(seed.made(0x00280011, "US", side))
    return _with_stream(seed.with_syntax(syntax), b"", stream)


def native_as_encapsulated(draw: Random, seed: Anatomy) -> bytes:
    """Write native words where fragments should be, or the other way round."""
    value = draw.randbytes(2560)
    encoding = seed.encoding
    length = draw.choice([len(value), UNDEFINED_LENGTH])
    return seed.put(
        Element(PIXEL_DATA, "OW", encoding.head(PIXEL_DATA, draw.choice(["OW", "OB"]), length), value)
    ).content


def _fragments(seed: Anatomy) -> tuple[bytes, list[bytes]]:
    """The offset table and the fragments; native pixels count as one fragment."""
    place = seed.find(PIXEL_DATA)
    value = b"" if place is None else seed.elements[place].value
    table, *found = _pieces(value) or [b"", value]
    return table, [one for one in found if one] or [b"\0\0"]


def _pieces(value: bytes) -> list[bytes]:
    """What the items of encapsulated pixels hold."""
    pieces: list[bytes] = []
    start = 0
    while value[start : start + 4] == _ITEM:
        end = start + 8 + int.from_bytes(value[start + 4 : start + 8], "little")
        pieces.append(value[start + 8 : end])
        start = end
    return pieces


def _item(content: bytes) -> bytes:
    return _ITEM + len(content).to_bytes(4, "little") + content


def _with_stream(seed: Anatomy, table: bytes, stream: bytes) -> bytes:
    return _with_pixels(seed, _item(table) + _item(stream) + _END)


def _with_pixels(seed: Anatomy, value: bytes) -> bytes:
    head = seed.encoding.head(PIXEL_DATA, "OB", UNDEFINED_LENGTH)
    return seed.put(Element(PIXEL_DATA, "OB", head, value)).content


def _resized(stream: bytes, rows: int, cols: int) -> bytes:
    """Overwrite the size in a JPEG, JPEG-LS or JPEG 2000 head; RLE has none, so its segment table is spoiled."""
    size = rows.to_bytes(2, "big") + cols.to_bytes(2, "big")
    for marker in _FRAME_MARKERS:
        place = stream.find(marker)
        if 0 <= place < 1000:
            return stream[: place + 5] + size + stream[place + 9 :]
    place = stream.find(_SIZE_MARKER)
    if 0 <= place < 1000:
        wide = cols.to_bytes(4, "big") + rows.to_bytes(4, "big")
        return stream[: place + 6] + wide + stream[place + 14 :]
    return rows.to_bytes(4, "little") + cols.to_bytes(4, "little") + stream[8:]


@lru_cache(maxsize=1)
def _flat_image() -> tuple[str, bytes]:
    """A JPEG-LS codestream of one value, 3000 pixels a side."""
    dataset = ct_dataset(Rows=_N_BOMB_PX, Columns=_N_BOMB_PX, PixelData=bytes(2 * _N_BOMB_PX**2))
    words = np.zeros((_N_BOMB_PX, _N_BOMB_PX), np.uint16)
    dataset.compress(JPEGLSLossless, words, encoding_plugin="pyjpegls", generate_instance_uid=False)
    return JPEGLSLossless, _pieces(dataset.PixelData)[1]


MUTATORS = {
    f"frames: {mutator.__name__.replace('_', ' ')}": mutator
    for mutator in (
        fragment_lengths,
        offset_table,
        fragments,
        codestream_bytes,
        codestream_head,
        codestream_cut,
        codestream_size,
        decompression_bomb,
        native_as_encapsulated,
    )
}
