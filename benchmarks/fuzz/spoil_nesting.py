"""Sequences within sequences, up to 3000 levels: a small file that a recursive reader cannot survive."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from benchmarks.fuzz.anatomy import UNDEFINED_LENGTH, Anatomy, Element, Encoding

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_TAGS = (0x00081140, 0x00082112, 0x0040A730, 0x00091010, 0x52009230, 0x00020010)
_N_LEVELS_MAX = 3000


def nest_explicitly(draw: Random, seed: Anatomy) -> bytes:
    """Nest with lengths that add up."""
    tag, encoding = draw.choice(_TAGS), seed.encoding
    heads: list[bytes] = []
    n_bytes = 0
    for _ in range(_n_levels(draw)):
        heads += [encoding.head(_ITEM, "", n_bytes), encoding.head(tag, "SQ", n_bytes + 8)]
        n_bytes += len(heads[-1]) + 8
    return _inserted(seed, tag, heads[-1], b"".join(reversed(heads[:-1])))


def nest_undefined(draw: Random, seed: Anatomy) -> bytes:
    """Nest with undefined lengths, closed or left open."""
    tag, encoding = draw.choice(_TAGS), seed.encoding
    n_levels = _n_levels(draw)
    vr = draw.choice(["SQ", "SQ", "UN"])
    opening = encoding.head(tag, vr, UNDEFINED_LENGTH) + encoding.head(_ITEM, "", UNDEFINED_LENGTH)
    closing = encoding.head(_ITEM_END, "", 0) + encoding.head(_SEQUENCE_END, "", 0)
    n_closed = draw.choice([n_levels, n_levels, n_levels, 0, draw.randrange(n_levels)])
    return _inserted(seed, tag, b"", opening * n_levels + closing * n_closed)


def nest_mixed(draw: Random, seed: Anatomy) -> bytes:
    """Nest with defined and undefined lengths in turn, and a text inside every item."""
    tag, encoding = draw.choice(_TAGS), seed.encoding
    inner = b""
    for level in range(min(_n_levels(draw), 500)):
        text = encoding.element(0x00080104, "LO", b"ab")
        inner = _level(encoding, tag, text + inner, is_defined=bool(level % 2))
    return _inserted(seed, tag, b"", inner)


def many_items(draw: Random, seed: Anatomy) -> bytes:
    """Put very many items in one sequence, empty or full, with a wrong total at times."""
    tag, encoding = draw.choice(_TAGS), seed.encoding
    content = draw.choice([b"", encoding.element(0x00080100, "SH", b"12")])
    items = encoding.element(_ITEM, "", content) * draw.choice([10, 1000, 30000])
    n_bytes = draw.choice([len(items), len(items), len(items) - 1, len(items) + 3, UNDEFINED_LENGTH])
    return _inserted(seed, tag, encoding.head(tag, "SQ", n_bytes), items)


def stray_delimiters(draw: Random, seed: Anatomy) -> bytes:
    """Scatter item heads and delimiters between the elements."""
    elements = list(seed.elements)
    for _ in range(draw.randint(1, 5)):
        tag = draw.choice([_ITEM, _ITEM_END, _SEQUENCE_END])
        head = seed.encoding.head(tag, "", draw.choice([0, 0, 4, UNDEFINED_LENGTH]))
        elements.insert(draw.randrange(len(elements) + 1), Element(tag, "", head, b""))
    return seed.with_elements(*elements).content


def _n_levels(draw: Random) -> int:
    """Depths from 1 to 3000, each order of magnitude as often as the others; the deepest now and then."""
    return draw.choice([_N_LEVELS_MAX, *(int(_N_LEVELS_MAX ** draw.random()) for _ in range(6))])


def _level(encoding: Encoding, tag: int, content: bytes, *, is_defined: bool) -> bytes:
    if is_defined:
        return encoding.element(tag, "SQ", encoding.element(_ITEM, "", content))
    parts: Sequence[bytes] = (
        encoding.head(tag, "SQ", UNDEFINED_LENGTH),
        encoding.head(_ITEM, "", UNDEFINED_LENGTH),
        content,
        encoding.head(_ITEM_END, "", 0),
        encoding.head(_SEQUENCE_END, "", 0),
    )
    return b"".join(parts)


def _inserted(seed: Anatomy, tag: int, head: bytes, value: bytes) -> bytes:
    return seed.put(Element(tag, "SQ", head, value)).content


MUTATORS = {
    f"nesting: {mutator.__name__.replace('_', ' ')}": mutator
    for mutator in (nest_explicitly, nest_undefined, nest_mixed, many_items, stray_delimiters)
}
