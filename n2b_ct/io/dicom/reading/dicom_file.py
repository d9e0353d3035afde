"""One file to one pydicom Dataset: recognised by its first bytes, never by its name, then read with or without pixels.

Everything that pydicom or the file system throws becomes a SeriesError here.
"""

from __future__ import annotations

import codecs
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal

from pydicom.charset import python_encoding
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filereader import data_element_generator
from pydicom.filereader import read_dataset as parse_elements
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pydicom.valuerep import VR

from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.dicom.elements import quiet_pydicom, text
from n2b_ct.io.dicom.reading.element_layout import PIXEL_TAGS, Layout, header_layout, meta_layout

N_PIXEL_BYTES_MAX = 128 * 2**20  # 4096² words of 16 bits, four times over
N_INFLATED_BYTES_MAX = 96 * 2**20  # 4096² words of 16 bits, three times over
N_HEAD_BYTES = 1024
PREAMBLE_END, PREFIX_END = 128, 132
SYNTAX_ASSUMED = "transfer_syntax_assumed"
ASSUMED_HU = "assumed_hu"

_PIXEL_DATA = 0x7FE00010
_N_ELEMENT_HEAD_BYTES = 12
_FRAGMENT = b"\xfe\xff\x00\xe0"
_SEQUENCE_DELIMITER = b"\xfe\xff\xdd\xe0"
_UNDEFINED_LENGTH = 0xFFFFFFFF
_KNOWN_VRS = frozenset(vr.value.encode() for vr in VR if len(vr.value) == 2)
_ARCHIVES = {
    "zip": (0, b"PK\x03\x04"),
    "empty zip": (0, b"PK\x05\x06"),
    "gzip": (0, b"\x1f\x8b"),
    "bzip2": (4, b"1AY&SY"),
    "xz": (0, b"\xfd7zXZ\x00"),
    "zstandard": (0, b"\x28\xb5\x2f\xfd"),
    "7z": (0, b"7z\xbc\xaf\x27\x1c"),
    "rar": (0, b"Rar!\x1a\x07"),
    "tar": (257, b"ustar"),
}
_COMPRESSED_VOLUMES = (".nii.gz",)
_STORED_WORDS_ARE_HU = {"RescaleSlope": "1", "RescaleIntercept": "0"}


@dataclass(frozen=True, slots=True)
class DicomFile:
    """A parsed file.

    Attributes:
        path: The file.
        dataset: Its elements up to the pixels, and the pixels if asked for; what follows them is left out.
        n_pixel_bytes: Bytes of PixelData that the file really holds, 0 if it has none.
        is_cut: The pixels end before their declared length or their delimiter, and were not read.
        is_header_cut: The file ends inside its header.
        pixel_offset: Where in the file, or in its inflated content, the PixelData element starts.
        frame_number: Number of the frame that this is, from 1, where the file holds many.
        n_frames: How many it holds.
        extended_offsets: Of the frame, its entries in the Extended Offset Table and in that of the lengths (PS3.3
            C.7.6.3.1.8), where the file has them.
        notes: Problem codes met on the way.
    """

    path: Path
    dataset: FileDataset
    n_pixel_bytes: int
    is_cut: bool
    is_header_cut: bool = False
    pixel_offset: int = 0
    frame_number: int | None = None
    n_frames: int = 1
    extended_offsets: tuple[bytes, bytes] | None = None
    notes: tuple[str, ...] = ()

    @property
    def transfer_syntax(self) -> str:
        """TransferSyntaxUID as text."""
        return text(self.dataset.file_meta, "TransferSyntaxUID")


def load_character_sets() -> None:
    """Load the codecs of all character sets, which Python loads when it meets them; for those whose time is limited."""
    for name in filter(None, python_encoding.values()):
        codecs.lookup(name)


def parse_file(path: Path, *, with_pixels: bool) -> DicomFile:
    """Read one DICOM file.

    Raises:
        SeriesError: ``empty``, ``archive``, ``not_dicom``, ``deflated_too_large``, ``header_too_large``,
            ``too_large``, ``nested_too_deep``, ``not_regular`` or ``unreadable``.
        MemoryError: For the sandbox to tell.
    """
    with open_dicom(path) as file:
        return _parse_open_file(path, file, with_pixels=with_pixels)


@contextmanager
def open_dicom(path: Path) -> Iterator[BinaryIO]:
    """Open a file for pydicom, and word whatever it or the file system throws meanwhile.

    Raises:
        SeriesError: ``not_regular``, ``nested_too_deep`` or ``unreadable``.
        MemoryError: For the sandbox to tell.
    """
    try:
        with open(path, "rb", opener=_regular) as file, quiet_pydicom():
            yield file
    except (SeriesError, MemoryError):
        raise
    except RecursionError as error:
        message = explain(path.name, "must be readable without recursion", "too much of it", "leave it out")
        raise SeriesError("nested_too_deep", message) from error
    except Exception as error:
        message = explain(path.name, "must be readable DICOM", type(error).__name__, "replace the file or leave it out")
        raise SeriesError("unreadable", message) from error


def _regular(path: str, flags: int) -> int:
    """Open a file, and never wait for a pipe that has come into its place since it was listed."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise SeriesError(
        "not_regular", explain(Path(path).name, "must be a regular file", "something else", "leave it out")
    )


def _parse_open_file(path: Path, file: BinaryIO, *, with_pixels: bool) -> DicomFile:
    head = file.read(N_HEAD_BYTES)
    start = data_start(path, head)
    of_meta = meta_layout(path.name, file, start)
    meta = _meta(file, start, of_meta.end)
    is_deflated = of_meta.transfer_syntax == DeflatedExplicitVRLittleEndian
    stream, data_offset = (_inflated(path, file, of_meta.end), 0) if is_deflated else (file, of_meta.end)
    layout = header_layout(path.name, stream, data_offset, of_meta.transfer_syntax)
    dataset = FileDataset(
        str(path),
        _elements(path, stream, data_offset, layout),
        head[:PREAMBLE_END] if start else None,
        meta,
        layout.is_implicit,
        layout.is_little_endian,
    )
    n_pixel_bytes, is_cut = _pixels_ahead(stream, layout)
    if with_pixels and n_pixel_bytes and not is_cut:
        require_few_pixel_bytes(path.name, n_pixel_bytes)
        _add_pixels(dataset, stream, layout)
    return DicomFile(
        path,
        dataset,
        n_pixel_bytes,
        is_cut,
        is_header_cut=of_meta.is_cut or layout.is_cut or not len(dataset),
        pixel_offset=layout.end,
        notes=_settle_transfer_syntax(dataset, layout),
    )


def _meta(file: BinaryIO, start: int, end: int) -> FileMetaDataset:
    """Read group 0002, which the walk has passed already."""
    file.seek(start)
    content = BytesIO(file.read(end - start))
    return FileMetaDataset(parse_elements(content, False, True))


def _inflated(path: Path, file: BinaryIO, offset: int) -> BinaryIO:
    """Inflate with a limit (PS3.5 A.5): a small file must not fill the memory."""
    file.seek(offset)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    content = inflater.decompress(file.read(N_INFLATED_BYTES_MAX), N_INFLATED_BYTES_MAX)
    if len(content) >= N_INFLATED_BYTES_MAX:
        got = f"more than {N_INFLATED_BYTES_MAX} bytes"
        message = explain(path.name, "must inflate to the size of a CT slice", got, "leave it out")
        raise SeriesError("deflated_too_large", message)
    return BytesIO(content)


def _elements(path: Path, stream: BinaryIO, start: int, layout: Layout) -> Dataset:
    """Read the elements that were walked; two readings that end at different offsets are no reading."""
    stream.seek(start)
    n_bytes = layout.end - start
    content = BytesIO(stream.read(n_bytes + (0 if layout.is_cut else _N_ELEMENT_HEAD_BYTES)))
    found = parse_elements(content, layout.is_implicit, layout.is_little_endian, stop_when=_is_pixels)
    if not layout.is_cut and content.tell() != n_bytes:
        message = explain(path.name, "must have sequences that end where they say", "others", "send the file again")
        raise SeriesError("unreadable", message)
    return found


def _is_pixels(tag: int, *_: object) -> bool:
    return tag in PIXEL_TAGS


def _pixels_ahead(stream: BinaryIO, layout: Layout) -> tuple[int, bool]:
    """Look at the PixelData element behind the header, without reading it.

    Returns:
        Bytes that the file really holds, 0 if there is no such element; and whether the pixels end before
        their declared length, or before their delimiter where they are encapsulated.
    """
    n_left = stream.seek(0, os.SEEK_END) - layout.end
    stream.seek(layout.end)
    start = stream.read(_N_ELEMENT_HEAD_BYTES)
    order: Literal["little", "big"] = "little" if layout.is_little_endian else "big"
    length, n_head = _pixel_length(start, order, is_implicit=layout.is_implicit)
    is_cut = not _has_all_fragments(stream) if length == _UNDEFINED_LENGTH else length > n_left - n_head
    return max(min(length, n_left - n_head), 0), is_cut


def _pixel_length(start: bytes, order: Literal["little", "big"], *, is_implicit: bool) -> tuple[int, int]:
    """Length that a PixelData element declares and the size of its own head (PS3.5 7.1); 0 for any other."""
    tag = int.from_bytes(start[:2], order) << 16 | int.from_bytes(start[2:4], order)
    if tag != _PIXEL_DATA:
        return 0, 0
    if is_implicit:
        return int.from_bytes(start[4:8], order), 8
    return int.from_bytes(start[8:12], order), _N_ELEMENT_HEAD_BYTES


def _has_all_fragments(stream: BinaryIO) -> bool:
    """Step from fragment to fragment up to the delimiter (PS3.5 A.4)."""
    while len(head := stream.read(8)) == 8:
        if head[:4] == _SEQUENCE_DELIMITER:
            return True
        if head[:4] != _FRAGMENT:
            return False
        stream.seek(int.from_bytes(head[4:], "little"), os.SEEK_CUR)
    return False


def require_few_pixel_bytes(name: str, n_pixel_bytes: int) -> None:
    """Refuse pixels of more bytes than any CT slice has, before they are read.

    Raises:
        SeriesError: ``too_large``.
    """
    if n_pixel_bytes > N_PIXEL_BYTES_MAX:
        requirement = f"must have at most {N_PIXEL_BYTES_MAX} bytes of pixels"
        raise SeriesError("too_large", explain(name, requirement, n_pixel_bytes, "leave it out"))


def _add_pixels(dataset: FileDataset, stream: BinaryIO, layout: Layout) -> None:
    """Read PixelData alone: behind it lie padding, signatures of the old pixels, or garbage."""
    stream.seek(layout.end)
    encoding = layout.is_implicit, layout.is_little_endian
    dataset[_PIXEL_DATA] = next(data_element_generator(stream, *encoding))


def _settle_transfer_syntax(dataset: FileDataset, layout: Layout) -> tuple[str, ...]:
    """Name the native encoding that was recognised, where the file itself names none."""
    if text(dataset.file_meta, "TransferSyntaxUID"):
        return ()
    explicit = ExplicitVRLittleEndian if layout.is_little_endian else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if layout.is_implicit else explicit
    return (SYNTAX_ASSUMED,)


def data_start(path: Path, head: bytes) -> int:
    """Find where the elements start: behind the ``DICM`` prefix, or at 0 where a file has none (PS3.10 7.1).

    Args:
        path: The file.
        head: Its first bytes, ``N_HEAD_BYTES`` of them if it has so many.

    Raises:
        SeriesError: ``empty``, ``archive`` or ``not_dicom``.
    """
    if not head:
        raise SeriesError("empty", explain(path.name, "must hold DICOM", "0 bytes", "copy the file again"))
    if head[PREAMBLE_END:PREFIX_END] == b"DICM":
        return PREFIX_END
    if _starts_like_a_dataset(head):
        return 0
    if kind := _archive_kind(path, head):
        got = f"an archive ({kind})"
        raise SeriesError("archive", explain(path.name, "must hold DICOM", got, "unpack it and name the folder"))
    raise SeriesError("not_dicom", explain(path.name, "must hold DICOM", "other content", "leave it out"))


def _starts_like_a_dataset(head: bytes) -> bool:
    """First tag in group 0002 or 0008, with a known VR or a short implicit length (PS3.5 7.1)."""
    group, element = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:4], "little")
    is_known_vr = head[4:6] in _KNOWN_VRS
    is_short_implicit = 0 < int.from_bytes(head[4:8], "little") <= N_HEAD_BYTES
    return group in (0x0002, 0x0008) and element <= 0x0070 and (is_known_vr or is_short_implicit)


def _archive_kind(path: Path, head: bytes) -> str:
    """Name the kind of an archive, empty for anything else; a compressed volume is none."""
    if path.name.lower().endswith(_COMPRESSED_VOLUMES):
        return ""
    return next((kind for kind, (offset, magic) in _ARCHIVES.items() if head[offset:].startswith(magic)), "")


def with_assumed_hu(parsed: DicomFile) -> DicomFile:
    """Take the values for HU: fill in a missing rescale, and replace another RescaleType (PS3.3 C.8.2.1).

    Values that are there stay, whatever they say; they are checked as always. What is filled in is written to
    derived images too, so that these say what was assumed.

    Returns:
        The same file, with a note if anything had to be assumed.
    """
    with quiet_pydicom():
        changes = {
            keyword: value for keyword, value in _STORED_WORDS_ARE_HU.items() if not text(parsed.dataset, keyword)
        }
        if text(parsed.dataset, "RescaleType") not in ("", "HU"):
            changes["RescaleType"] = "HU"
        for keyword, value in changes.items():
            setattr(parsed.dataset, keyword, value)
    return replace(parsed, notes=(*parsed.notes, ASSUMED_HU)) if changes else parsed
