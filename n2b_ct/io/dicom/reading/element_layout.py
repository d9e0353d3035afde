"""How a file's elements lie, found before anything is built from them: where they end, how many, how deep.

pydicom reads a sequence of undefined length by calling itself, and the others when they are looked at; a file of
60 KB can make that take minutes or the whole memory. This walk has its own stack, builds nothing and follows
pydicom's reading of malformed input: whatever stands where an item should be is an item (PS3.5 7.5).
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO

from pydicom._dicom_dict import DicomDictionary
from pydicom.uid import ExplicitVRBigEndian
from pydicom.valuerep import VR

from n2b_ct.errors import SeriesError, explain

N_NESTED_SEQUENCES_MAX = 32
N_ELEMENTS_MAX = 500_000
N_HEADER_BYTES_MAX = 64 * 2**20
PIXEL_TAGS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))

_N_BUFFER_BYTES = 16 * 1024
_N_SHORTEST_HEAD_BYTES, _N_LONGEST_HEAD_BYTES = 8, 12
_META_GROUP, _PIXEL_GROUP = 0x0002, 0x7FE0
_UNDEFINED_LENGTH = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_ITEM_STARTS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
_TRANSFER_SYNTAX_UID = 0x00020010
_LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SHORT_VRS = frozenset(vr.value.encode() for vr in VR if len(vr.value) == 2) - _LONG_VRS
_EXPLICIT = {True: Struct("<HH2sHI").unpack_from, False: Struct(">HH2sHI").unpack_from}
_IMPLICIT = {True: Struct("<HHI").unpack_from, False: Struct(">HHI").unpack_from}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a file's parts lie.

    Attributes:
        transfer_syntax: TransferSyntaxUID of the file meta information, empty if there is none.
        end: First byte after what was walked whole: where the file ends inside an element, its start.
        is_implicit, is_little_endian: How the elements are written.
        is_cut: The file ends inside an element, or before a sequence does.
    """

    transfer_syntax: str
    end: int
    is_implicit: bool
    is_little_endian: bool
    is_cut: bool


def meta_layout(name: str, stream: BinaryIO, start: int) -> Layout:
    """Walk the file meta information, group 0002 (PS3.10 7.1), which may be absent.

    Raises:
        SeriesError: ``header_too_large`` or ``nested_too_deep``.
    """
    walk = _Walk(name, stream, start, is_little_endian=True)
    walk.run(last_group=_META_GROUP)
    return Layout(walk.transfer_syntax, walk.end, walk.is_implicit, True, walk.is_cut)


def header_layout(name: str, stream: BinaryIO, start: int, transfer_syntax: str) -> Layout:
    """Walk the data set up to its pixels, or to its end where it has none.

    Raises:
        SeriesError: ``header_too_large`` or ``nested_too_deep``.
    """
    walk = _Walk(name, stream, start, is_little_endian=_is_little_endian(stream, start, transfer_syntax))
    walk.run(last_group=0xFFFF)
    return Layout(transfer_syntax, walk.end, walk.is_implicit, walk.is_little_endian, walk.is_cut)


def _is_little_endian(stream: BinaryIO, start: int, transfer_syntax: str) -> bool:
    """Without a transfer syntax, a first group that only makes sense the other way round tells."""
    if transfer_syntax:
        return transfer_syntax != ExplicitVRBigEndian
    stream.seek(start)
    head = stream.read(6)
    return not (_is_vr(head[4:6]) and int.from_bytes(head[:2], "little") >= 0x0400)


def _is_vr(two_bytes: bytes) -> bool:
    return len(two_bytes) == 2 and two_bytes.isalpha() and two_bytes.isupper()


@dataclass(slots=True)
class _Open:
    """A sequence or one of its items that the walk is inside of; ``end`` is infinite for undefined length."""

    end: float
    holds_items: bool
    is_implicit: bool


class _Walk:
    """The state of one walk."""

    def __init__(self, name: str, stream: BinaryIO, start: int, *, is_little_endian: bool) -> None:
        self._name, self._stream, self._start = name, stream, start
        self._n_bytes = stream.seek(0, os.SEEK_END)
        self._buffer, self._buffer_start, self._n_safe_bytes = b"", 0, -1
        self._n_elements, self._depth = 0, 0
        self._open: list[_Open] = []
        self.position = self._element_start = start
        self.is_little_endian = is_little_endian
        self._explicit, self._implicit = _EXPLICIT[is_little_endian], _IMPLICIT[is_little_endian]
        self.is_implicit = not _is_vr(self._bytes_at(start + 4, 2))
        self.transfer_syntax, self.is_cut = "", False

    def run(self, last_group: int) -> None:
        """Walk until the pixels, the end, or an element beyond ``last_group``."""
        is_stopped = False
        while not is_stopped and self._n_bytes - self.position >= _N_SHORTEST_HEAD_BYTES:
            if self._open and self._open[-1].holds_items:
                self._step_item()
            else:
                is_stopped = not self._step_element(last_group)
            if not self._open and last_group != _META_GROUP:
                self._pass_plain_elements()
            self._count()
            self._leave_finished()
        self.is_cut = not is_stopped and (bool(self._open) or self.position != self._n_bytes)

    @property
    def end(self) -> int:
        """Where the walk ended; before an element that the file ends in, for half a value says something else."""
        return self._element_start if self._open or self.position > self._n_bytes else self.position

    def _pass_plain_elements(self) -> None:
        """Pass top-level elements that hold no others, the great majority, without further ado."""
        self._head()
        length_of = self._plain_implicit if self.is_implicit else self._plain_explicit
        offset = self.position - self._buffer_start
        while offset <= self._n_safe_bytes and (length := length_of(self._buffer, offset)):
            self._element_start = self._buffer_start + offset
            offset += length
            self._n_elements += 1
        self.position = self._buffer_start + offset

    def _plain_explicit(self, buffer: bytes, offset: int) -> int:
        """Length of a whole element with a short VR, 0 for any other."""
        group, _, vr, length, _ = self._explicit(buffer, offset)
        return 8 + length if vr in _SHORT_VRS and _META_GROUP < group < _PIXEL_GROUP else 0

    def _plain_implicit(self, buffer: bytes, offset: int) -> int:
        """Length of a whole element that neither is known as a sequence nor starts like one, 0 for any other."""
        group, element, length = self._implicit(buffer, offset)
        if length == _UNDEFINED_LENGTH or not _META_GROUP < group < _PIXEL_GROUP:
            return 0
        known = DicomDictionary.get(group << 16 | element)
        is_plain = known[0] != "SQ" if known else buffer[offset + 8 : offset + 12] not in _ITEM_STARTS
        return 8 + length if is_plain else 0

    def _leave_finished(self) -> None:
        while self._open and self.position >= self._open[-1].end:
            closed = self._open.pop()
            self._depth -= closed.holds_items
            if closed.holds_items:
                self.position = int(closed.end)

    def _count(self) -> None:
        self._n_elements += 1
        n_bytes = min(self.position, self._n_bytes) - self._start
        if self._n_elements > N_ELEMENTS_MAX or n_bytes > N_HEADER_BYTES_MAX:
            got = f"{self._n_elements} elements in {n_bytes} bytes"
            message = explain(self._name, "must have a header of a CT slice's size", got, "leave it out")
            raise SeriesError("header_too_large", message)

    def _step_item(self) -> None:
        group, element, length = self._implicit(self._head(), self.position - self._buffer_start)
        self.position += 8
        if group << 16 | element == _SEQUENCE_END:
            self._open.pop()
            self._depth -= 1
            return
        is_implicit = self._open[-1].is_implicit or not _is_vr(self._bytes_at(self.position + 4, 2))
        self._enter(length, holds_items=False, is_implicit=is_implicit)

    def _step_element(self, last_group: int) -> bool:
        """Take one element; False where the walk ends before it."""
        buffer = self._head()
        is_implicit = self._open[-1].is_implicit if self._open else self.is_implicit
        group, element, vr, length, n_head = self._element(buffer, is_implicit=is_implicit)
        tag = group << 16 | element
        if not self._open and (group > last_group or tag in PIXEL_TAGS or tag == _ITEM_END):
            return False
        if not self._open:
            self._element_start = self.position
        self.position += n_head
        if tag == _ITEM_END:
            self._open.pop()
        elif length == _UNDEFINED_LENGTH and not self._is_sequence(tag, vr, length):
            self._skip_fragments()
        elif self._is_sequence(tag, vr, length):
            self._enter(length, holds_items=True, is_implicit=is_implicit)
        else:
            if tag == _TRANSFER_SYNTAX_UID:
                self.transfer_syntax = (
                    self._bytes_at(self.position, min(length, 66)).decode("ascii", "replace").strip(" \0")
                )
            self.position += length
        return True

    def _element(self, buffer: bytes, *, is_implicit: bool) -> tuple[int, int, bytes, int, int]:
        """Group, element, VR (empty if implicit), length of the value and of what stands before it."""
        offset = self.position - self._buffer_start
        if not is_implicit:
            group, element, vr, short, long = self._explicit(buffer, offset)
            if vr in _LONG_VRS:
                return group, element, vr, long, 12
            if _is_vr(vr):
                return group, element, vr, short, 8
        group, element, length = self._implicit(buffer, offset)
        return group, element, b"", length, 8

    def _is_sequence(self, tag: int, vr: bytes, length: int) -> bool:
        """SQ; or unknown and either of undefined length, known to be SQ, or starting like one."""
        if vr == b"SQ":
            return True
        if vr not in (b"", b"UN") or not length:
            return False
        known = DicomDictionary.get(tag, ("",))[0]
        if known == "SQ" or (vr == b"UN" and length == _UNDEFINED_LENGTH):
            return True
        is_like_one = self._bytes_at(self.position, 4) in _ITEM_STARTS
        return is_like_one and not (known and length == _UNDEFINED_LENGTH)

    def _tag_of(self, head: bytes) -> int:
        group, element, _ = self._implicit(head, 0)
        return group << 16 | element

    def _enter(self, length: int, *, holds_items: bool, is_implicit: bool) -> None:
        end = math.inf if length == _UNDEFINED_LENGTH else self.position + length
        self._open.append(_Open(min(end, self._open[-1].end) if self._open else end, holds_items, is_implicit))
        self._depth += holds_items
        if self._depth > N_NESTED_SEQUENCES_MAX:
            requirement = f"must nest at most {N_NESTED_SEQUENCES_MAX} sequences"
            raise SeriesError("nested_too_deep", explain(self._name, requirement, "more", "leave it out"))

    def _skip_fragments(self) -> None:
        """Pass an encapsulated value that is not the image itself, such as an icon (PS3.5 A.4)."""
        while self._n_bytes - self.position >= _N_SHORTEST_HEAD_BYTES:
            self._count()
            head = self._bytes_at(self.position, 8)
            length = int.from_bytes(head[4:], "little" if self.is_little_endian else "big")
            tag = self._tag_of(head)
            self.position += 8 + (length if tag == _ITEM else 0)
            if tag != _ITEM:
                return

    def _head(self) -> bytes:
        """A buffer that holds the longest head of an element at the current position."""
        offset = self.position - self._buffer_start
        if not 0 <= offset <= self._n_safe_bytes:
            self._fill(self.position)
        return self._buffer

    def _bytes_at(self, position: int, n: int) -> bytes:
        offset = position - self._buffer_start
        if not 0 <= offset <= self._n_safe_bytes - n:
            self._fill(position)
            offset = 0
        return self._buffer[offset : offset + n]

    def _fill(self, position: int) -> None:
        """Read ahead from a position; zeros behind the end of the file spare every reader a look at the length.

        Where the file goes on, no head may be read that lies across the end of what was read ahead.
        """
        self._stream.seek(position)
        content = self._stream.read(_N_BUFFER_BYTES)
        self._buffer, self._buffer_start = content + bytes(_N_LONGEST_HEAD_BYTES), position
        is_whole = position + len(content) >= self._n_bytes
        self._n_safe_bytes = len(content) - (0 if is_whole else _N_LONGEST_HEAD_BYTES)
