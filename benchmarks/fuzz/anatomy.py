"""A DICOM file taken apart into the bytes of its top-level elements, so that one of them can be spoiled alone."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Literal

from pydicom.dataelem import RawDataElement
from pydicom.filereader import data_element_generator, dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

PIXEL_DATA = 0x7FE00010
UNDEFINED_LENGTH = 0xFFFFFFFF
_GROUP_LENGTH, _TRANSFER_SYNTAX = 0x00020000, 0x00020010
_PREFIX_END = 132
_GROUP_LENGTH_END = 12


@dataclass(frozen=True, slots=True)
class Encoding:
    """How elements are written (PS3.5 7.1, 7.3)."""

    is_implicit: bool = False
    order: Literal["little", "big"] = "little"

    def number(self, value: int, n_bytes: int) -> bytes:
        """Write a number."""
        return (value % (1 << 8 * n_bytes)).to_bytes(n_bytes, self.order)

    def tag(self, tag: int) -> bytes:
        """Write a tag."""
        return self.number(tag >> 16, 2) + self.number(tag & 0xFFFF, 2)

    def head(self, tag: int, vr: str, length: int) -> bytes:
        """Write what stands before a value; a length that is too long for its VR wraps."""
        if self.is_implicit or tag >> 16 == 0xFFFE:
            return self.tag(tag) + self.number(length, 4)
        if vr in EXPLICIT_VR_LENGTH_32:
            return self.tag(tag) + vr.encode() + b"\0\0" + self.number(length, 4)
        return self.tag(tag) + vr.encode() + self.number(length, 2)

    def element(self, tag: int, vr: str, value: bytes) -> bytes:
        """Write an element with the length that its value has."""
        return self.head(tag, vr, len(value)) + value


@dataclass(frozen=True, slots=True)
class Element:
    """One top-level element: head and value as they stand in the file, or as a mutator left them."""

    tag: int
    vr: str
    head: bytes
    value: bytes

    @property
    def content(self) -> bytes:
        """Its bytes."""
        return self.head + self.value


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A file in parts.

    Attributes:
        name: Which seed it is.
        meta: Preamble, prefix and file meta information.
        elements: The data set, inflated if the file is deflated.
        encoding: How the elements are written.
        is_deflated: The data set is deflated when the file is put together.
    """

    name: str
    meta: bytes
    elements: tuple[Element, ...]
    encoding: Encoding = Encoding()
    is_deflated: bool = False

    def with_elements(self, *elements: Element) -> Anatomy:
        """Exchange the data set."""
        return replace(self, elements=elements)

    def find(self, tag: int) -> int | None:
        """Place of an element in the data set."""
        return next((place for place, one in enumerate(self.elements) if one.tag == tag), None)

    def made(self, tag: int, vr: str, value: bytes) -> Element:
        """Make an element in this file's encoding."""
        return Element(tag, vr, self.encoding.head(tag, vr, len(value)), value)

    def put(self, element: Element) -> Anatomy:
        """Replace the element of this tag, or insert one where its tag belongs."""
        place = self.find(element.tag)
        if place is not None:
            return self.with_elements(*self.elements[:place], element, *self.elements[place + 1 :])
        before = [one for one in self.elements if one.tag < element.tag]
        after = [one for one in self.elements if one.tag > element.tag]
        return self.with_elements(*before, element, *after)

    def with_syntax(self, transfer_syntax: str) -> Anatomy:
        """Name another transfer syntax; the data set stays as it is written."""
        value = transfer_syntax.encode()
        renamed = Encoding().element(_TRANSFER_SYNTAX, "UI", value + b"\0" * (len(value) % 2))
        start = self.meta.find(Encoding().tag(_TRANSFER_SYNTAX) + b"UI")
        if start < 0:
            return self
        end = start + 8 + int.from_bytes(self.meta[start + 6 : start + 8], "little")
        group = self.meta[_PREFIX_END + _GROUP_LENGTH_END : start] + renamed + self.meta[end:]
        length = Encoding().element(_GROUP_LENGTH, "UL", Encoding().number(len(group), 4))
        return replace(self, meta=self.meta[:_PREFIX_END] + length + group)

    @property
    def content(self) -> bytes:
        """The whole file."""
        body = b"".join(one.content for one in self.elements)
        return self.meta + (deflated(body) if self.is_deflated else body)


def take_apart(name: str, content: bytes) -> Anatomy:
    """Split a sound file; what has no file meta information stays in one piece.

    Raises:
        ValueError: pydicom cannot find its elements.
    """
    try:
        meta = dcmread(BytesIO(content), stop_before_pixels=True).file_meta
        n_meta = _PREFIX_END + _GROUP_LENGTH_END + int(meta.FileMetaInformationGroupLength)
        return _split(name, content[:n_meta], content[n_meta:], str(meta.TransferSyntaxUID))
    except Exception as error:
        msg = f"{name} cannot be taken apart: {type(error).__name__}"
        raise ValueError(msg) from error


def deflated(body: bytes) -> bytes:
    """Deflate without a header (PS3.5 A.5)."""
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeezer.compress(body) + squeezer.flush()


def _split(name: str, meta: bytes, body: bytes, transfer_syntax: str) -> Anatomy:
    is_deflated = transfer_syntax == DeflatedExplicitVRLittleEndian
    if is_deflated:
        body = zlib.decompress(body, -zlib.MAX_WBITS)
    is_big_endian = transfer_syntax == ExplicitVRBigEndian
    encoding = Encoding(transfer_syntax == ImplicitVRLittleEndian, "big" if is_big_endian else "little")
    starts = list(_starts(body, encoding))
    ends = [*(start for *_, start, _ in starts[1:]), len(body)]
    elements = [
        Element(tag, vr, body[start : start + n_head], body[start + n_head : end])
        for (tag, vr, start, n_head), end in zip(starts, ends, strict=True)
    ]
    return Anatomy(name, meta, tuple(elements), encoding, is_deflated)


def _starts(body: bytes, encoding: Encoding) -> Iterator[tuple[int, str, int, int]]:
    """Tag, VR, start and length of the head of each element, in the order of the file."""
    for raw in data_element_generator(BytesIO(body), encoding.is_implicit, encoding.order == "little"):
        vr = str(raw.VR or "UN")
        n_head = 8 if encoding.is_implicit or vr not in EXPLICIT_VR_LENGTH_32 else 12
        value_start = raw.value_tell if isinstance(raw, RawDataElement) else int(raw.file_tell or 0)
        yield int(raw.tag), vr, value_start - n_head, n_head
