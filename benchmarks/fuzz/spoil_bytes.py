"""Bytes that went wrong anywhere in a file, as a bad disk or a broken line leaves them."""

from __future__ import annotations

from random import Random

from benchmarks.fuzz.anatomy import Anatomy

_INTERESTING = (b"\x00", b"\xff", b"\x7f", b"\xff\xff", b"\xff\xff\xff\xff", b"\xfe\xff\x00\xe0", b"SQ\x00\x00", b"UN")


def flip_bits(draw: Random, seed: Anatomy) -> bytes:
    """Flip 1 to 64 bits."""
    content = bytearray(seed.content)
    for _ in range(_few(draw, 64)):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return bytes(content)


def flip_header_bits(draw: Random, seed: Anatomy) -> bytes:
    """Flip 1 to 16 bits before the pixels, past the preamble."""
    content = bytearray(seed.content)
    n_header = max(len(content) - len(seed.elements[-1].value), 140) if seed.elements else len(content)
    for _ in range(_few(draw, 16)):
        content[draw.randrange(min(128, n_header - 1), n_header)] ^= 1 << draw.randrange(8)
    return bytes(content)


def overwrite(draw: Random, seed: Anatomy) -> bytes:
    """Overwrite a block with noise, zeros or ones."""
    content = seed.content
    start, end = _block(draw, content)
    n_bytes = end - start
    filling = draw.choice([draw.randbytes(n_bytes), bytes(n_bytes), b"\xff" * n_bytes])
    return content[:start] + filling + content[end:]


def interesting(draw: Random, seed: Anatomy) -> bytes:
    """Overwrite a few places with bytes that mean something to a parser."""
    content = bytearray(seed.content)
    for _ in range(_few(draw, 8)):
        piece = draw.choice(_INTERESTING)
        place = draw.randrange(128, len(content))
        content[place : place + len(piece)] = piece
    return bytes(content)


def truncate(draw: Random, seed: Anatomy) -> bytes:
    """Cut the file anywhere."""
    return seed.content[: draw.randrange(len(seed.content))]


def insert(draw: Random, seed: Anatomy) -> bytes:
    """Insert noise."""
    content = seed.content
    place = draw.randrange(len(content))
    return content[:place] + draw.randbytes(_few(draw, 512)) + content[place:]


def duplicate(draw: Random, seed: Anatomy) -> bytes:
    """Repeat a block, once or many times."""
    content = seed.content
    start, end = _block(draw, content)
    return content[:start] + content[start:end] * _few(draw, 20) + content[end:]


def remove(draw: Random, seed: Anatomy) -> bytes:
    """Leave a block out."""
    content = seed.content
    start, end = _block(draw, content)
    return content[:start] + content[end:]


def splice(draw: Random, seed: Anatomy) -> bytes:
    """Move a block elsewhere."""
    content = seed.content
    start, end = _block(draw, content)
    rest = content[:start] + content[end:]
    place = draw.randrange(len(rest) + 1)
    return rest[:place] + content[start:end] + rest[place:]


def _few(draw: Random, at_most: int) -> int:
    """A count, small ones more often."""
    return min(int(2 ** draw.uniform(0, at_most.bit_length())), at_most)


def _block(draw: Random, content: bytes) -> tuple[int, int]:
    start = draw.randrange(len(content))
    return start, min(start + _few(draw, 4096), len(content))


MUTATORS = {
    f"bytes: {mutator.__name__.replace('_', ' ')}": mutator
    for mutator in (
        flip_bits,
        flip_header_bits,
        overwrite,
        interesting,
        truncate,
        insert,
        duplicate,
        remove,
        splice,
    )
}
