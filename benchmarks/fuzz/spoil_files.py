"""Whole files that are something else, have no pixels, are larger than they look, or are named to hurt."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from random import Random

from benchmarks.fuzz.anatomy import PIXEL_DATA, UNDEFINED_LENGTH, Anatomy, Encoding

_PREFIX = bytes(128) + b"DICM"
_DIRECTORY_STORAGE = b"1.2.840.10008.1.3.10"
_HEADS = (
    b"\x89PNG\r\n\x1a\n",
    b"%PDF-1.7\n",
    b"GIF89a",
    b"\xff\xd8\xff\xe0",
    b"\x7fELF",
    b"<html><body>",
    b'{"a": 1}',
    b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100",
    b"\x02\x00\x00\x00UL\x04\x00\xff\xff\xff\xff",
    b"\x08\x00\x08\x00\x02\x00\x00\x00CT",
)
_NAMES = (
    "two\nlines.dcm",
    "carriage\rreturn",
    "\x1b[31mred",
    "-rf",
    "%s{0}%n",
    "[bold]name",
    " ",
    "…",
    "a" * 255,
    "tab\t.dcm",
    "not\udcffutf8",
    ".hidden",
    "DICOMDIR",
    "slice.nii.gz",
    "slice.dcm.partial",
    "\u202egnp.mcd",
    "name\u2028line",
)
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Mutant:
    """A file to be written.

    Attributes:
        content: What it begins with.
        n_zeros: Zeros that follow, as a hole that takes no room on disk.
        name: Its name.
    """

    content: bytes
    n_zeros: int = 0
    name: str = "slice.dcm"


def no_dicom(draw: Random, seed: Anatomy) -> Mutant:
    """Write nothing, zeros, noise, text, an archive, or the head of another format."""
    content = draw.choice([_empty, _zeros, _noise, _text, _other_format, _gzipped, _zipped, _tarred])(draw, seed)
    return Mutant(content if draw.random() < 0.6 else _PREFIX + content)


def no_pixels(draw: Random, seed: Anatomy) -> Mutant:
    """Write PixelData of length zero, twice, or not at all."""
    place = seed.find(PIXEL_DATA)
    if place is None:
        return Mutant(seed.content)
    pixels = seed.elements[place]
    without = seed.with_elements(*seed.elements[:place], *seed.elements[place + 1 :])
    spoiled = draw.choice(
        [
            without,
            without.put(seed.made(PIXEL_DATA, "OW", b"")),
            seed.put(seed.made(PIXEL_DATA, "OW", pixels.value[: draw.randrange(len(pixels.value))])),
            seed.put(seed.made(PIXEL_DATA, "OW", pixels.value * 2)),
            seed.with_elements(*seed.elements, pixels),
            without.put(seed.made(draw.choice([0x7FE00008, 0x7FE00009]), "OF", pixels.value)),
        ]
    )
    return Mutant(spoiled.content)


def directory(draw: Random, seed: Anatomy) -> Mutant:
    """Write something like a DICOMDIR, or another SOP class around the same slice."""
    classes = [
        _DIRECTORY_STORAGE,
        b"1.2.840.10008.5.1.4.1.1.7",
        b"1.2.840.10008.5.1.4.1.1.4",
        b"1.2.840.10008.5.1.4.1.1.2.1",
        b"1.2.840.10008.5.1.4.1.1.2.2",
        b"1.2.840.10008.5.1.4.1.1.66.4",
        b"",
    ]
    value = draw.choice(classes)
    spoiled = seed.put(seed.made(0x00080016, "UI", value + b"\0" * (len(value) % 2)))
    item = seed.encoding.element(0xFFFEE000, "", seed.encoding.element(0x00041500, "CS", b"..\\.. "))
    return Mutant(spoiled.put(seed.made(0x00041220, "SQ", item * draw.choice([1, 100]))).content)


def huge_file(draw: Random, seed: Anatomy) -> Mutant:
    """Follow the header by gigabytes: as pixels, as a private element, as a fragment, or undeclared."""
    n_zeros = draw.choice([_GIB // 4, _GIB, 3 * _GIB, 5 * _GIB])
    declared = draw.choice([min(n_zeros, UNDEFINED_LENGTH - 1), UNDEFINED_LENGTH])
    tag = draw.choice([PIXEL_DATA, PIXEL_DATA, 0x00091010, 0x00420011])
    kept = seed.with_elements(*(one for one in seed.elements if one.tag < tag))
    head = seed.encoding.head(tag, "OB", declared)
    if draw.random() < 0.3:
        head += Encoding().element(0xFFFEE000, "", b"") + Encoding().head(0xFFFEE000, "", min(n_zeros, 2**32 - 2))
    if draw.random() < 0.2:
        return Mutant(seed.content, n_zeros)
    return Mutant(kept.content + head, n_zeros)


def odd_name(draw: Random, seed: Anatomy) -> Mutant:
    """Name a sound or a cut file so that a message, a log or a path could trip."""
    cut = draw.choice([len(seed.content), len(seed.content), draw.randrange(len(seed.content)), 0])
    return Mutant(seed.content[:cut], name=draw.choice(_NAMES))


def untouched(draw: Random, seed: Anatomy) -> Mutant:  # noqa: ARG001  (every mutator is called alike)
    """Change nothing: what must be used is seen to be used."""
    return Mutant(seed.content)


def _empty(draw: Random, seed: Anatomy) -> bytes:  # noqa: ARG001
    return b""


def _zeros(draw: Random, seed: Anatomy) -> bytes:  # noqa: ARG001
    return bytes(draw.choice([1, 131, 132, 133, 4096]))


def _noise(draw: Random, seed: Anatomy) -> bytes:  # noqa: ARG001
    return draw.randbytes(draw.randint(1, 5000))


def _text(draw: Random, seed: Anatomy) -> bytes:  # noqa: ARG001
    return "".join(chr(draw.choice([*range(32, 127), 10, 228])) for _ in range(draw.randint(1, 2000))).encode()


def _other_format(draw: Random, seed: Anatomy) -> bytes:  # noqa: ARG001
    return draw.choice(_HEADS) + draw.randbytes(draw.randint(0, 2000))


def _gzipped(draw: Random, seed: Anatomy) -> bytes:  # noqa: ARG001
    return gzip.compress(seed.content, mtime=0)


def _zipped(draw: Random, seed: Anatomy) -> bytes:  # noqa: ARG001
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(zipfile.ZipInfo("../../slice.dcm"), seed.content)
    return content.getvalue()


def _tarred(draw: Random, seed: Anatomy) -> bytes:  # noqa: ARG001
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        info = tarfile.TarInfo("slice.dcm")
        info.size = len(seed.content)
        archive.addfile(info, BytesIO(seed.content))
    return content.getvalue()


MUTATORS: dict[str, Callable[[Random, Anatomy], Mutant]] = {
    f"files: {mutator.__name__.replace('_', ' ')}": mutator
    for mutator in (no_dicom, no_pixels, directory, huge_file, odd_name, untouched)
}
