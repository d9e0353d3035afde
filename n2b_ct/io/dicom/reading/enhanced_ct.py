"""Enhanced CT: one file, many frames, each read as a slice by its own functional groups.

Covers Enhanced CT Image Storage and Legacy Converted Enhanced CT Image Storage (PS3.3 A.38, A.70). A frame comes out
as a parsed file of its own that holds a single-frame CT image, so all that holds for slices holds for frames.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.filereader import data_element_generator
from pydicom.uid import DeflatedExplicitVRLittleEndian

from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.dicom.elements import integer, lenient_integer, quiet_pydicom, text
from n2b_ct.io.dicom.reading.dicom_file import DicomFile, open_dicom, parse_file
from n2b_ct.io.dicom.reading.functional_groups import N_FRAMES_MAX, frame_dataset, groups_of, image_elements
from n2b_ct.io.dicom.reading.slice_checks import is_enhanced
from n2b_ct.io.dicom.reading.transfer_syntaxes import NATIVE
from n2b_ct.io.dicom.reasons import action_of

T = TypeVar("T")

_PIXEL_DATA = 0x7FE00010
_N_OFFSET_BYTES = 8
_SHARED, _PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"


class Frames:
    """The frames of one multi-frame file: its header in memory, pixels read one frame at a time.

    Args:
        parsed: The file, without its pixels unless they are deflated.

    Raises:
        SeriesError: ``header_incomplete``, ``bad_value`` or ``too_large``: it does not say what its frames are, or
            contradicts itself, or has more than any CT.
    """

    def __init__(self, parsed: DicomFile) -> None:
        self._parsed = parsed
        with _translated(parsed):
            self._items = _per_frame_items(parsed)
            self._elements = image_elements(parsed.dataset)
            shared = parsed.dataset.get(_SHARED) or ()
            self._shared = groups_of(shared[0]) if shared else {}

    def __len__(self) -> int:
        return len(self._items)

    def header(self, number: int) -> DicomFile:
        """Make one frame a file of its own, without pixels.

        Args:
            number: From 1.

        Raises:
            SeriesError: ``bad_value`` where there is no such frame; ``unreadable`` where its groups are damaged;
                ``not_grayscale`` where its words are colours (PS3.3 C.8.16.2.1).
        """
        if not 1 <= number <= len(self):
            raise self._refusal("bad_value", f"must have frame {number}", f"{len(self)} frames", "scan it again")
        with _translated(self._parsed):
            groups = {**self._shared, **groups_of(self._items[number - 1])}
            frame = frame_dataset(self._parsed.path, self._parsed.dataset, self._elements, groups, number)
            presentation = text(frame, "PixelPresentation")
        if presentation not in ("", "MONOCHROME"):
            raise self._refusal("not_grayscale", "must be monochrome", presentation[:16], "leave it out")
        frame.pop("PixelPresentation", None)
        n_bytes = self._parsed.n_pixel_bytes if self._is_encapsulated else self._native_span(number)[1]
        return replace(
            self._parsed,
            dataset=frame,
            n_pixel_bytes=n_bytes,
            frame_number=number,
            n_frames=len(self),
            extended_offsets=_extended_offsets(self._parsed.dataset, number),
        )

    def with_pixels(self, number: int) -> DicomFile:
        """Make one frame a file of its own, with its pixels as they are encoded.

        Raises:
            SeriesError: As :meth:`header`, and ``pixel_undecodable`` where no such frame is found among the pixels.
        """
        one = self.header(number)
        if not one.n_pixel_bytes or one.is_cut:
            return one
        if self._is_encapsulated:
            with _pixel_value(self._parsed) as stream:
                element = _encapsulated_frame(stream, one.path, number, one.n_frames, one.extended_offsets)
        else:
            element = DataElement(_PIXEL_DATA, "OW", self._native_words(number))
        one.dataset[_PIXEL_DATA] = element
        return replace(one, n_pixel_bytes=len(element.value))

    def each(self, examine: Callable[[DicomFile], T]) -> list[T]:
        """Examine the header of every frame; frames that never were slices, such as localizers, are left out.

        Raises:
            SeriesError: For the first frame that cannot be trusted, because half a series misleads; or for the first
                of all, where none is a slice.
        """
        found: list[T] = []
        passed_over: list[SeriesError] = []
        for number in range(1, len(self) + 1):
            try:
                found.append(examine(self.header(number)))
            except SeriesError as error:
                if action_of(error.reason) == "error":
                    raise SeriesError(error.reason, f"frame {number} of {error}") from error
                passed_over.append(error)
        if not found:
            raise passed_over[0]
        return found

    @property
    def _is_encapsulated(self) -> bool:
        return self._parsed.transfer_syntax not in NATIVE

    def _native_span(self, number: int) -> tuple[int, int]:
        """Where a native frame starts among the pixels, and how many of its bytes are there (PS3.5 8.1.1)."""
        keywords = ("Rows", "Columns", "BitsAllocated")
        rows, cols, n_bits = (lenient_integer(self._parsed.dataset, keyword) or 0 for keyword in keywords)
        n_frame_bytes = rows * cols * n_bits // 8
        start = (number - 1) * n_frame_bytes
        return start, max(0, min(n_frame_bytes, self._parsed.n_pixel_bytes - start))

    def _native_words(self, number: int) -> bytes:
        start, n_bytes = self._native_span(number)
        with _pixel_value(self._parsed) as stream:
            stream.seek(start, os.SEEK_CUR)
            return stream.read(n_bytes)

    def _refusal(self, reason: str, requirement: str, got: object, remedy: str) -> SeriesError:
        return SeriesError(reason, explain(self._parsed.path.name, requirement, got, remedy))


def open_frames(path: Path) -> Frames:
    """Parse a multi-frame file; the two parsed last are kept for their next frames.

    Raises:
        SeriesError: As :func:`~n2b_ct.io.dicom.reading.dicom_file.parse_file` and :class:`Frames`; ``bad_value`` where
            it is no multi-frame CT, or ``unreadable``.
    """
    try:
        status = path.stat()
    except OSError as error:
        message = explain(path.name, "must be readable", error.strerror, "scan the folder again")
        raise SeriesError("unreadable", message) from error
    return _open_frames(path, status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


@lru_cache(maxsize=2)
def _open_frames(path: Path, *_version: int) -> Frames:
    parsed = parse_file(path, with_pixels=False)
    if not is_enhanced(parsed):
        message = explain(path.name, "must be multi-frame CT", "another file", "scan the folder again: it has changed")
        raise SeriesError("bad_value", message)
    if parsed.transfer_syntax == DeflatedExplicitVRLittleEndian:
        parsed = parse_file(path, with_pixels=True)
    return Frames(parsed)


def _per_frame_items(parsed: DicomFile) -> list[Dataset]:
    """One item for every frame; a single frame may keep all its groups in the shared sequence."""
    n_frames = integer(parsed.dataset, "NumberOfFrames")
    items = list(parsed.dataset.get(_PER_FRAME) or ())
    name = parsed.path.name
    if n_frames is None or not (items or n_frames == 1):
        missing = "NumberOfFrames" if n_frames is None else _PER_FRAME
        raise SeriesError("header_incomplete", explain(name, f"must have {missing}", "none", "send the file again"))
    if n_frames > N_FRAMES_MAX:
        requirement = f"must have at most {N_FRAMES_MAX} frames"
        raise SeriesError("too_large", explain(name, requirement, n_frames, "split it"))
    items = items or [Dataset()]
    if len(items) != n_frames:
        got = f"{len(items)} for {n_frames} frames"
        message = explain(name, "must have an item of functional groups for every frame", got, "send the file again")
        raise SeriesError("bad_value", message)
    return items


def encapsulated_pixels(
    path: Path,
    pixel_offset: int,
    *,
    is_implicit: bool,
    frame_number: int | None,
    n_frames: int,
    extended_offsets: tuple[bytes, bytes] | None,
) -> DataElement | RawDataElement:
    """Read the compressed pixels of one slice; the arguments are what a :class:`DicomFile` says of it.

    Raises:
        SeriesError: ``unreadable`` or ``not_regular``; ``pixel_undecodable`` where a frame is not found.
    """
    with open_dicom(path) as file:
        file.seek(pixel_offset)
        if frame_number is None:
            return next(data_element_generator(file, is_implicit, True))
        file.seek(_n_head_bytes(is_implicit), os.SEEK_CUR)
        return _encapsulated_frame(file, path, frame_number, n_frames, extended_offsets)


def _encapsulated_frame(
    stream: BinaryIO, path: Path, number: int, n_frames: int, extended_offsets: tuple[bytes, bytes] | None
) -> DataElement:
    """PixelData with one frame alone (PS3.5 A.4), from a stream that stands where the value of all frames starts."""
    index = number - 1 if extended_offsets is None else 0
    try:
        frame = get_frame(stream, index, extended_offsets=extended_offsets, number_of_frames=n_frames)
        content = encapsulate([frame])
    except MemoryError:
        raise
    except Exception as error:
        message = explain(path.name, f"must hold frame {number}", type(error).__name__, "send it again")
        raise SeriesError("pixel_undecodable", message) from error
    return DataElement(_PIXEL_DATA, "OB", content, is_undefined_length=True)


def _n_head_bytes(is_implicit: bool) -> int:
    """Bytes of the PixelData element before its value (PS3.5 7.1)."""
    return 8 if is_implicit else 12


@contextmanager
def _pixel_value(parsed: DicomFile) -> Iterator[BinaryIO]:
    """A stream that stands where the value of PixelData starts."""
    if "PixelData" in parsed.dataset:
        yield BytesIO(parsed.dataset.PixelData)
        return
    is_implicit, _ = parsed.dataset.original_encoding
    with open_dicom(parsed.path) as file:
        file.seek(parsed.pixel_offset + _n_head_bytes(bool(is_implicit)))
        yield file


def _extended_offsets(dataset: Dataset, number: int) -> tuple[bytes, bytes] | None:
    """A frame's entries in the Extended Offset Table and that of the lengths, where there are some."""
    if "ExtendedOffsetTable" not in dataset or "ExtendedOffsetTableLengths" not in dataset:
        return None
    offsets, lengths = (
        _entry(table, number) for table in (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths)
    )
    return offsets, lengths


def _entry(table: object, number: int) -> bytes:
    """A frame's 64 bits of a table; none where there are none, which no frame is found by."""
    return table[_N_OFFSET_BYTES * (number - 1) : _N_OFFSET_BYTES * number] if isinstance(table, bytes) else b""


@contextmanager
def _translated(parsed: DicomFile) -> Iterator[None]:
    """Word whatever pydicom throws at damaged sequences."""
    try:
        with quiet_pydicom():
            yield
    except (SeriesError, MemoryError):
        raise
    except Exception as error:
        message = explain(parsed.path.name, "functional groups must be readable", type(error).__name__, "send it again")
        raise SeriesError("unreadable", message) from error
