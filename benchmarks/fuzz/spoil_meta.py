"""File meta information (PS3.10 7.1) that misleads, and deflated data sets that burst."""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import lru_cache
from random import Random

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from benchmarks.fuzz.anatomy import PIXEL_DATA, UNDEFINED_LENGTH, Anatomy, Encoding, deflated

_SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEG2000Lossless,
    JPEG2000,
    HTJ2KLossless,
    HTJ2K,
    "1.2.840.10008.1.2.4.100",  # MPEG-2
    "1.2.840.10008.1.2.4.999",
    "1.2.840.10008.1.2.1.98",
    "",
    "x",
    "1.2.840.10008.1.2\\1.2.840.10008.1.2.1",
    "1" * 65,
)
_GROUP_LENGTH_VALUE = slice(140, 144)
_CHUNK = 2**24


def another_syntax(draw: Random, seed: Anatomy) -> bytes:
    """Name a transfer syntax that the data set is not in."""
    return seed.with_syntax(draw.choice(_SYNTAXES)).content


def group_length(draw: Random, seed: Anatomy) -> bytes:
    """Count the bytes of group 2 wrongly."""
    true = int.from_bytes(seed.meta[_GROUP_LENGTH_VALUE], "little")
    wrong = draw.choice([0, true - 1, true + 1, true + 200, 0x7FFFFFFF, UNDEFINED_LENGTH, draw.randrange(1 << 32)])
    return _with_meta(seed, seed.meta[:140] + Encoding().number(wrong, 4) + seed.meta[144:])


def parts_missing(draw: Random, seed: Anatomy) -> bytes:
    """Leave out the preamble, the prefix, group 2, or parts of them."""
    start, end = draw.choice([(0, 128), (0, 132), (128, 132), (132, 144), (132, len(seed.meta)), (0, len(seed.meta))])
    if draw.random() < 0.3:
        start = draw.randrange(len(seed.meta))
        end = draw.randrange(start, len(seed.meta)) + 1
    return _with_meta(seed, seed.meta[:start] + seed.meta[end:])


def repeated(draw: Random, seed: Anatomy) -> bytes:
    """Write the head of the file twice, or group 2 once more."""
    return _with_meta(seed, seed.meta + seed.meta[draw.choice([0, 128, 132]) :])


def another_encoding(draw: Random, seed: Anatomy) -> bytes:
    """Write the data set in another encoding than the one named."""
    encoding = draw.choice([Encoding(True), Encoding(False), Encoding(False, "big"), Encoding(True, "big")])
    elements = [replace(one, head=encoding.head(one.tag, one.vr, len(one.value))) for one in seed.elements]
    n_changed = draw.choice([len(elements), len(elements), draw.randrange(len(elements) + 1)])
    return seed.with_elements(*elements[:n_changed], *seed.elements[n_changed:]).content


def deflate_bomb(draw: Random, seed: Anatomy) -> bytes:
    """Inflate from some kB to as much as 2 GiB of zeros, in one element, in pixels or in very many elements."""
    n_chunks = draw.choice([1, 4, 16, 128])
    zeros = _deflated_chunk() * n_chunks
    tag = draw.choice([0x00091010, PIXEL_DATA, 0x00420011, None])
    small = [one for one in seed.elements if one.tag < (tag or 0)]
    head = b"" if tag is None else Encoding().head(tag, "OB", min(n_chunks * _CHUNK, UNDEFINED_LENGTH - 1))
    beginning = b"".join(one.content for one in small) + head
    return seed.with_syntax(DeflatedExplicitVRLittleEndian).meta + _flushed(beginning) + zeros + b"\x03\x00"


def deflated_damage(draw: Random, seed: Anatomy) -> bytes:
    """Spoil, cut or follow a deflated stream."""
    stream = deflated(b"".join(one.content for one in seed.elements))
    place = draw.randrange(len(stream))
    spoiled = stream[:place] + draw.randbytes(3) + stream[place + 3 :]
    damaged = draw.choice([stream[:place], spoiled, stream + draw.randbytes(9), zlib.compress(stream), b""])
    return seed.with_syntax(DeflatedExplicitVRLittleEndian).meta + damaged


def _with_meta(seed: Anatomy, meta: bytes) -> bytes:
    return replace(seed, meta=meta).content


@lru_cache(maxsize=1)
def _deflated_chunk() -> bytes:
    return _flushed(bytes(_CHUNK))


def _flushed(content: bytes) -> bytes:
    """Deflate into blocks that others may follow."""
    squeezer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    return squeezer.compress(content) + squeezer.flush(zlib.Z_FULL_FLUSH)


MUTATORS = {
    f"meta: {mutator.__name__.replace('_', ' ')}": mutator
    for mutator in (
        another_syntax,
        group_length,
        parts_missing,
        repeated,
        another_encoding,
        deflate_bomb,
        deflated_damage,
    )
}
