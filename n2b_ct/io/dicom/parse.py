"""One file to one pydicom Dataset: sniffed by content, with or without its pixels.

Everything that pydicom or the file system throws becomes a SeriesError here.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_dataset as parse_elements
from pydicom.filereader import read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pydicom.valuerep import VR

from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.dicom.values import quiet_pydicom, text

N_INFLATED_BYTES_MAX = 96 * 2**20  # 4096² words of 16 bits, three times over
_N_HEAD_BYTES = 1024  # file meta information lies in here
_PREAMBLE_END = 128
_PREFIX_END = 132
_PIXEL_DATA = 0x7FE00010
_N_ELEMENT_HEAD_BYTES = 12
_FRAGMENT = b"\xfe\xff\x00\xe0"
_SEQUENCE_DELIMITER = b"\xfe\xff\xdd\xe0"
_KNOWN_VRS = frozenset(vr.value.encode() for vr in VR if len(vr.value) == 2)
_UNDEFINED_LENGTH = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed file.

    Attributes:
        path: The file.
        dataset: Its elements; without PixelData if only the header was read.
        n_pixel_bytes: Bytes of PixelData that the file really holds, 0 if it has none.
        is_cut: Encapsulated pixels end before their delimiter, and were not read.
        notes: Problem codes met on the way.
    """

    path: Path
    dataset: FileDataset
    n_pixel_bytes: int
    is_cut: bool
    notes: tuple[str, ...] = ()

    @property
    def transfer_syntax(self) -> str:
        """TransferSyntaxUID as text."""
        return text(self.dataset.file_meta, "TransferSyntaxUID")


def parse_file(path: Path, *, with_pixels: bool) -> Parsed:
    """Read one DICOM file.

    Raises:
        SeriesError: ``empty``, ``not_dicom``, ``deflated_too_large`` or ``unreadable``.
    """
    try:
        with path.open("rb") as file, quiet_pydicom():
            return _parse_open_file(path, file, with_pixels)
    except SeriesError:
        raise
    except Exception as error:
        message = explain(path.name, "must be readable DICOM", type(error).__name__, "replace the file or leave it out")
        raise SeriesError("unreadable", message) from error


def _parse_open_file(path: Path, file: BinaryIO, with_pixels: bool) -> Parsed:
    head = file.read(_N_HEAD_BYTES)
    has_prefix = _require_dicom(path, head)
    file.seek(0)
    if has_prefix and DeflatedExplicitVRLittleEndian.encode() in head:
        dataset, stream = _parse_deflated(path, file)
    else:
        dataset, stream = pydicom.dcmread(file, stop_before_pixels=True, force=not has_prefix), file
    n_pixel_bytes, is_cut = _pixels_ahead(stream, dataset)
    if with_pixels and n_pixel_bytes and not is_cut:
        _add_pixels(dataset, stream)
    dataset.filename = str(path)
    return Parsed(path, dataset, n_pixel_bytes, is_cut, _settle_transfer_syntax(dataset))


def _require_dicom(path: Path, head: bytes) -> bool:
    """Return whether the ``DICM`` prefix is there; files without it must start like a data set."""
    if not head:
        raise SeriesError("empty", explain(path.name, "must hold DICOM", "0 bytes", "copy the file again"))
    if head[_PREAMBLE_END:_PREFIX_END] == b"DICM":
        return True
    if not _starts_like_a_dataset(head):
        raise SeriesError("not_dicom", explain(path.name, "must hold DICOM", "other content", "leave it out"))
    return False


def _starts_like_a_dataset(head: bytes) -> bool:
    """First tag in group 0002 or 0008, with a known VR or a short implicit length (PS3.5 7.1)."""
    group, element = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:4], "little")
    is_known_vr = head[4:6] in _KNOWN_VRS
    is_short_implicit = 0 < int.from_bytes(head[4:8], "little") <= _N_HEAD_BYTES
    return group in (0x0002, 0x0008) and element <= 0x0070 and (is_known_vr or is_short_implicit)


def _parse_deflated(path: Path, file: BinaryIO) -> tuple[FileDataset, BinaryIO]:
    """Inflate with a limit (PS3.5 A.5): a small file must not fill the memory."""
    meta = read_file_meta_info(path)
    file.seek(_PREFIX_END + 12 + int(meta.FileMetaInformationGroupLength))
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    content = inflater.decompress(file.read(), N_INFLATED_BYTES_MAX)
    if len(content) >= N_INFLATED_BYTES_MAX:
        got = f"more than {N_INFLATED_BYTES_MAX} bytes"
        message = explain(path.name, "must inflate to the size of a CT slice", got, "leave it out")
        raise SeriesError("deflated_too_large", message)
    stream = BytesIO(content)
    elements = parse_elements(stream, False, True, stop_when=lambda tag, *_: bool(tag == _PIXEL_DATA))
    return FileDataset(str(path), elements, b"\0" * 128, meta, False, True), stream


def _pixels_ahead(stream: BinaryIO, dataset: Dataset) -> tuple[int, bool]:
    """Look at the PixelData element where header reading stopped, without reading it.

    Returns:
        Bytes that the file really holds, 0 if there is no such element; and whether encapsulated
        pixels end before their delimiter.
    """
    place = stream.tell()
    n_left = stream.seek(0, os.SEEK_END) - place
    stream.seek(place)
    start = stream.read(_N_ELEMENT_HEAD_BYTES)
    order: Literal["little", "big"] = "little" if dataset.original_encoding[1] else "big"
    length, n_head = _pixel_length(start, order, is_implicit=bool(dataset.original_encoding[0]))
    is_cut = length == _UNDEFINED_LENGTH and not _has_all_fragments(stream)
    stream.seek(place)
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


def _add_pixels(dataset: FileDataset, stream: BinaryIO) -> None:
    """Read on from where header reading stopped."""
    is_implicit, is_little_endian = dataset.original_encoding
    rest = parse_elements(stream, bool(is_implicit), bool(is_little_endian))
    for tag in rest.keys():  # noqa: SIM118  (a data set iterates over its elements)
        dataset[tag] = rest.get_item(tag)


def _settle_transfer_syntax(dataset: FileDataset) -> tuple[str, ...]:
    """Name the native encoding that was recognised, where the file itself names none."""
    if text(dataset.file_meta, "TransferSyntaxUID"):
        return ()
    is_implicit, _ = dataset.original_encoding
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if is_implicit else ExplicitVRLittleEndian
    return ("transfer_syntax_assumed",)
