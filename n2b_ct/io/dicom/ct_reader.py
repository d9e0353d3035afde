"""CT slices and series as HU: every slice by its own rescale, padding marked, nothing guessed.

Workers decode compressed pixels: a decoder is foreign code that reads what somebody sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from n2b_ct.errors import SeriesError, explain
from n2b_ct.hu import stored_to_hu
from n2b_ct.io.dicom.elements import lenient_number, numbers, quiet_pydicom, text
from n2b_ct.io.dicom.reading.codestreams import load_imagecodecs
from n2b_ct.io.dicom.reading.dicom_file import DicomFile, load_character_sets, parse_file, with_assumed_hu
from n2b_ct.io.dicom.reading.enhanced_ct import encapsulated_pixels, open_frames
from n2b_ct.io.dicom.reading.slice_checks import KIND_CHECKS, PIXEL_CHECKS, is_enhanced
from n2b_ct.io.dicom.reading.slice_geometry import volume_affine
from n2b_ct.io.dicom.reading.stored_words import (
    described_pixels,
    padding_mask,
    pixel_description,
    rescale_of,
    stored_values,
)
from n2b_ct.io.dicom.reading.transfer_syntaxes import NATIVE
from n2b_ct.io.progress import Progress
from n2b_ct.io.sandbox.messages import Answer
from n2b_ct.io.sandbox.pool import Outcome, shared_sandbox
from n2b_ct.io.series import CTSeries, CTSlice, FileRecord, InstanceRef, SeriesRef, with_file_name

__all__ = ["decodable", "read_series", "read_slice", "read_slices", "stored_values"]

DECODE = f"{__name__}:decode"


def read_slice(source: Path | InstanceRef) -> CTSlice:
    """Read one CT slice.

    Args:
        source: A slice that a scan found, or a file that holds only one.

    Returns:
        HU float32 ``[rows, cols]``, the padding mask, the stored words and the data set.

    Raises:
        SeriesError: The slice cannot be trusted; ``reason`` is a code of :mod:`n2b_ct.io.dicom.reasons`.
    """
    if isinstance(source, InstanceRef):
        outcome = next(read_slices([source]))
        if isinstance(outcome, SeriesError):
            raise outcome
        return outcome
    return _read_file(Path(source))


def read_slices(instances: Sequence[InstanceRef]) -> Iterator[CTSlice | SeriesError]:
    """Read slices one after the other; workers decode the compressed ones ahead.

    Args:
        instances: Slices that a scan found.

    Yields:
        Each slice, or the error that says why it cannot be trusted.
    """
    compressed = _decoded([instance for instance in instances if instance.is_compressed])
    for instance in instances:
        try:
            yield next(compressed) if instance.is_compressed else _native(instance)
        except SeriesError as error:
            yield with_file_name(instance.path, error)


def decodable(series: SeriesRef, refused: Sequence[FileRecord] = ()) -> tuple[SeriesRef, tuple[FileRecord, ...]]:
    """Decode the compressed slices of a series once, and leave out those whose pixels are damaged.

    Args:
        series: As a scan found it, which checked native pixels already.
        refused: Files that the scan refused.

    Returns:
        The series without them, and the records of all files that are left out.

    Raises:
        SeriesError: None can be decoded.
    """
    compressed = [one for one in series.instances if one.is_compressed]
    found = zip(compressed, read_slices(compressed), strict=True)
    errors = {one: error for one, error in found if isinstance(error, SeriesError)}
    records = [FileRecord.refusal(one.path, error, series) for one, error in errors.items()]
    if len(errors) == len(series):
        raise next(iter(errors.values()))
    kept = tuple(one for one in series.instances if one not in errors)
    return replace(series, instances=kept), (*refused, *records)


def read_series(series: SeriesRef, indices: Sequence[int] | None = None, progress: Progress | None = None) -> CTSeries:
    """Read a series, or some of its slices in the order asked for.

    Args:
        series: As found by :func:`n2b_ct.io.dicom.scan.scan`.
        indices: Places in ``series.instances``; all by default.
        progress: Called with (done, total, what) after each slice.

    Returns:
        HU float32 ``[slices, rows, cols]``. The affine steps evenly from the first to the last slice
        read, which is only an average where the spacing varies.

    Raises:
        SeriesError: A slice cannot be trusted, or no slice was asked for.
    """
    wanted = list(range(len(series))) if indices is None else list(indices)
    if not wanted:
        message = explain(f"series {series.short_uid}", "at least one slice must be read", "none", "ask for some")
        raise SeriesError("no_slices", message)
    hu = np.empty((len(wanted), series.rows, series.cols), np.float32)
    is_padding = np.empty(hu.shape, dtype=bool)
    ends: list[CTSlice] = []
    for place, ct_slice in enumerate(read_slices([series.instances[index] for index in wanted])):
        if isinstance(ct_slice, SeriesError):
            raise ct_slice
        _require_size(series, ct_slice)
        hu[place], is_padding[place] = ct_slice.hu, ct_slice.is_padding
        if place in (0, len(wanted) - 1):
            ends.append(ct_slice)
        if progress is not None:
            progress(place + 1, len(wanted), "reading slices")
    affine_lps_mm = _affine(series, ends[0], ends[-1], len(wanted))
    return CTSeries(hu, is_padding, affine_lps_mm, series, series.problems)


def _read_file(path: Path) -> CTSlice:
    """Read a file that holds one slice; native pixels here, compressed ones in a worker."""
    parsed = parse_slice(path, with_pixels=True)
    with quiet_pydicom():
        require_slice(parsed)
        if parsed.transfer_syntax in NATIVE:
            return _to_slice(parsed, sized_words(parsed.dataset, path.name))
        return _to_slice(parsed, decoded_words(shared_sandbox().ask(DECODE, **decoding(parsed))))


def _native(instance: InstanceRef) -> CTSlice:
    parsed = _trusted(instance, with_pixels=True)
    with quiet_pydicom():
        return _to_slice(parsed, sized_words(parsed.dataset, instance.path.name))


def _decoded(instances: Sequence[InstanceRef]) -> Iterator[CTSlice | SeriesError]:
    """Read compressed slices: headers here, a little ahead of the words, which workers decode."""
    headers: deque[DicomFile | SeriesError] = deque()
    for outcome in shared_sandbox().ask_each(DECODE, _to_decode(instances, headers)) if instances else ():
        while isinstance(header := headers.popleft(), SeriesError):
            yield header
        yield _joined(header, outcome)
    yield from (one for one in headers if isinstance(one, SeriesError))


def _joined(header: DicomFile, outcome: Outcome) -> CTSlice | SeriesError:
    """Make a slice of its header and of what a worker answered."""
    try:
        if isinstance(outcome, SeriesError):
            raise outcome
        with quiet_pydicom():
            return _to_slice(header, decoded_words(outcome))
    except SeriesError as error:
        return with_file_name(header.path, error)


def _to_decode(instances: Sequence[InstanceRef], headers: deque[DicomFile | SeriesError]) -> Iterator[dict[str, Any]]:
    """What to ask of workers for each slice that can be trusted; appends the header of each, or its error."""
    for instance in instances:
        try:
            header = _trusted(instance, with_pixels=False)
            request = decoding(header)
        except SeriesError as error:
            headers.append(with_file_name(instance.path, error))
        else:
            headers.append(header)
            yield request


def _trusted(instance: InstanceRef, *, with_pixels: bool) -> DicomFile:
    """Parse a slice that a scan found, and check it."""
    parsed = parse_slice(instance.path, instance.frame_number, with_pixels=with_pixels)
    parsed = with_assumed_hu(parsed) if instance.assumes_hu else parsed
    with quiet_pydicom():
        require_slice(parsed)
    _require_scanned(instance, parsed.dataset)
    return parsed


def _require_scanned(instance: InstanceRef, dataset: Dataset) -> None:
    """Refuse another image that has come into a file's place since the scan; a blank UID was repaired by then."""
    with quiet_pydicom():
        found = text(dataset, "SOPInstanceUID")
    if found not in ("", instance.sop_instance_uid):
        requirement, remedy = "must be the image that was scanned", "scan the folder again: it has changed"
        raise SeriesError("bad_value", explain(instance.path.name, requirement, "another", remedy))


def _to_slice(parsed: DicomFile, stored: np.ndarray) -> CTSlice:
    hu = stored_to_hu(stored, *rescale_of(parsed.dataset))
    return CTSlice(hu, padding_mask(parsed.dataset, stored), stored, parsed.dataset, parsed.frame_number)


def _require_size(series: SeriesRef, ct_slice: CTSlice) -> None:
    if ct_slice.hu.shape != (series.rows, series.cols):
        got = "x".join(map(str, ct_slice.hu.shape))
        requirement = f"slices must be {series.rows}x{series.cols}"
        message = explain(f"series {series.short_uid}", requirement, got, "scan the folder again: it has changed")
        raise SeriesError("bad_value", message)


def _affine(series: SeriesRef, first: CTSlice, last: CTSlice, n_slices: int) -> np.ndarray:
    """The affine of the slices read; missing sizes count as 1 mm (``pixel_spacing_missing`` tells)."""
    with quiet_pydicom():
        ends_mm = [numbers(one.dataset, "ImagePositionPatient", 3) or (0.0,) * 3 for one in (first, last)]
        thickness_mm = lenient_number(first.dataset, "SliceThickness") or 1.0
    spacing_mm = series.pixel_spacing_mm or (1.0, 1.0)
    return volume_affine(ends_mm[0], ends_mm[1], n_slices, series.orientation, spacing_mm, thickness_mm)


def prepare() -> None:
    """Load what is loaded late otherwise: in a worker, before any slice's time runs."""
    load_character_sets()
    load_imagecodecs()


def decoding(parsed: DicomFile) -> dict[str, Any]:
    """Say what :func:`decode` must know of a checked file, as JSON values, so that no worker parses its header again.

    Raises:
        SeriesError: ``bad_value``.
    """
    is_implicit, _ = parsed.dataset.original_encoding
    with quiet_pydicom():
        return {
            "path": str(parsed.path),
            "pixel_offset": parsed.pixel_offset,
            "is_implicit": bool(is_implicit),
            "frame_number": parsed.frame_number,
            "n_frames": parsed.n_frames,
            "extended_offsets": parsed.extended_offsets and [one.hex() for one in parsed.extended_offsets],
            "description": pixel_description(parsed.dataset),
        }


def decode(path: str, description: dict[str, Any], extended_offsets: list[str] | None, **where: Any) -> Answer:
    """Decode the stored words of one slice, as a task of the sandbox; :func:`decoded_words` reads the answer.

    Args:
        path: The file.
        description: As :func:`decoding` says; so are all others.
        extended_offsets: In hexadecimal.
        where: Where in the file the pixels lie.

    Raises:
        SeriesError: The pixels cannot be decoded.
    """
    offsets = extended_offsets and (bytes.fromhex(extended_offsets[0]), bytes.fromhex(extended_offsets[1]))
    pixels = encapsulated_pixels(Path(path), extended_offsets=offsets or None, **where)
    with quiet_pydicom():
        dataset = described_pixels(description, pixels)
    words = np.ascontiguousarray(sized_words(dataset, Path(path).name))
    return Answer({"dtype": words.dtype.str, "shape": words.shape}, words.data)


def decoded_words(answer: Answer) -> np.ndarray:
    """Stored words, integer ``[rows, cols]``, read-only."""
    words = np.frombuffer(answer.payload, np.dtype(answer.note["dtype"])).reshape(answer.note["shape"])
    words.flags.writeable = False
    return words


def require_slice(parsed: DicomFile) -> None:
    """Put a parsed file through all checks that its pixels depend on.

    Raises:
        SeriesError: The first that fails.
    """
    for check in (*KIND_CHECKS, *PIXEL_CHECKS):
        check(parsed)


def sized_words(dataset: Dataset, name: str) -> np.ndarray:
    """Stored words, integer ``[rows, cols]``, as many as the header of the file called ``name`` says.

    Raises:
        SeriesError: ``decoder_missing`` or ``pixel_undecodable``.
    """
    stored = stored_values(dataset)
    n_expected = (int(dataset.Rows), int(dataset.Columns))
    if stored.shape != n_expected:
        message = explain(name, f"pixels must be {n_expected}", stored.shape, "send the file again")
        raise SeriesError("pixel_undecodable", message)
    return stored


def parse_slice(path: Path, frame_number: int | None = None, *, with_pixels: bool) -> DicomFile:
    """Read one slice: a single-frame file, or a frame of a multi-frame one.

    Args:
        path: The file.
        frame_number: From 1; may be left out where the file has only one.
        with_pixels: Read the pixels too; of a multi-frame file only this frame's.

    Raises:
        SeriesError: As :func:`~n2b_ct.io.dicom.reading.dicom_file.parse_file` and
            :class:`~n2b_ct.io.dicom.reading.enhanced_ct.Frames`; ``no_slices`` where
            a frame would have to be named.
    """
    if frame_number is None:
        parsed = parse_file(path, with_pixels=with_pixels)
        if not is_enhanced(parsed):
            return parsed
    with quiet_pydicom():
        frames = open_frames(path)
        if frame_number is None and len(frames) > 1:
            got, remedy = f"{len(frames)} frames and no choice", "scan the file and read its instances"
            raise SeriesError("no_slices", explain(path.name, "one frame must be named", got, remedy))
        number = 1 if frame_number is None else frame_number
        return frames.with_pixels(number) if with_pixels else frames.header(number)
