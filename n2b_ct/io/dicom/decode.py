"""Compressed pixels, decoded by a worker: a decoder is foreign code that reads what somebody sent."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.dicom.frames.enhanced import parse_slice
from n2b_ct.io.dicom.pixels.decoders import load_imagecodecs
from n2b_ct.io.dicom.pixels.stored import stored_values
from n2b_ct.io.dicom.reading.checks import KIND_CHECKS, PIXEL_CHECKS
from n2b_ct.io.dicom.reading.parse import Parsed, load_character_sets
from n2b_ct.io.dicom.reading.vouch import with_assumed_hu
from n2b_ct.io.dicom.values import quiet_pydicom
from n2b_ct.io.sandbox.frames import Answer

DECODE = f"{__name__}:decode"


def prepare() -> None:
    """Load what is loaded late otherwise: in a worker, before any slice's time runs."""
    load_character_sets()
    load_imagecodecs()


def decode(path: str, frame_number: int | None = None, assume_hu: bool = False) -> Answer:
    """Decode the stored words of one slice, as a task of the sandbox; :func:`decoded_words` reads the answer.

    Args:
        path: The file.
        frame_number: Which of its frames, from 1, where it holds many.
        assume_hu: Take the values for HU where the file does not say so.

    Raises:
        SeriesError: The slice cannot be trusted.
    """
    parsed = parse_slice(Path(path), frame_number, with_pixels=True)
    parsed = with_assumed_hu(parsed) if assume_hu else parsed
    with quiet_pydicom():
        require_slice(parsed)
        words = np.ascontiguousarray(sized_words(parsed))
    return Answer({"dtype": words.dtype.str, "shape": words.shape}, words.data)


def decoded_words(answer: Answer) -> np.ndarray:
    """Stored words, integer ``[rows, cols]``, read-only."""
    words = np.frombuffer(answer.payload, np.dtype(answer.note["dtype"])).reshape(answer.note["shape"])
    words.flags.writeable = False
    return words


def require_slice(parsed: Parsed) -> None:
    """Put a parsed file through all checks that its pixels depend on.

    Raises:
        SeriesError: The first that fails.
    """
    for check in (*KIND_CHECKS, *PIXEL_CHECKS):
        check(parsed)


def sized_words(parsed: Parsed) -> np.ndarray:
    """Stored words, integer ``[rows, cols]``, as many as the header says.

    Raises:
        SeriesError: ``decoder_missing`` or ``pixel_undecodable``.
    """
    stored = stored_values(parsed.dataset)
    n_expected = (int(parsed.dataset.Rows), int(parsed.dataset.Columns))
    if stored.shape != n_expected:
        message = explain(parsed.path.name, f"pixels must be {n_expected}", stored.shape, "send the file again")
        raise SeriesError("pixel_undecodable", message)
    return stored
