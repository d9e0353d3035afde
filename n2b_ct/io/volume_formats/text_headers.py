"""What MetaImage and NRRD share: a header of text lines, its numbers, and the data files that it names."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from n2b_ct.io.volume_formats.data_files import file_size, local_file
from n2b_ct.io.volume_formats.header import refused, require_size
from n2b_ct.io.volume_orientation import RAS_TO_LPS

ENCODING = "latin-1"  # every byte is a character, so what is not understood travels on unharmed
_MAX_HEADER_BYTES = 2**20
_MAX_FILES = 2**16
_PATTERN = re.compile(r"%0?\d{0,2}d")


def leading_lines(path: Path, ends: re.Pattern[bytes]) -> tuple[list[str], int]:
    """Read the lines of a header, up to and with the one that ends it.

    Args:
        path: The file.
        ends: Matches what ends the header.

    Returns:
        The lines without their line ends, and where the data would start.

    Raises:
        SeriesError: ``unreadable``; the header does not end.
    """
    file_size(path, path)
    try:
        with path.open("rb") as file:
            start = file.read(_MAX_HEADER_BYTES)
            is_whole = not file.read(1)
    except OSError as error:
        raise refused("unreadable", path, "must be readable", error.strerror, "check the permissions") from error
    end = ends.search(start)
    if end is None and not is_whole:
        raise refused("unreadable", path, "must have a header that ends", "none", "replace the file")
    n_bytes = end.end() if end else len(start)
    return start[:n_bytes].decode(ENCODING).replace("\r\n", "\n").split("\n"), n_bytes


def whole_numbers(path: Path, key: str, value: str) -> tuple[int, ...]:
    """Parse whole numbers.

    Raises:
        SeriesError: ``bad_value``.
    """
    if not re.fullmatch(r"[-+]?\d{1,18}(\s+[-+]?\d{1,18})*", value.strip()):
        raise refused("bad_value", path, f"{key} must be whole numbers", shown(value), "correct its header")
    return tuple(int(word) for word in value.split())


def real_numbers(path: Path, key: str, value: str, n_wanted: int) -> list[float]:
    """Parse finite numbers.

    Raises:
        SeriesError: ``bad_value``.
    """
    try:
        found = [float(word) for word in value.split()]
    except ValueError:
        found = []
    if len(found) != n_wanted or not all(map(math.isfinite, found)):
        raise refused("bad_value", path, f"{key} must be {n_wanted} numbers", shown(value), "correct its header")
    return found


def three_axes(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Take a size as ``(i, j, k)``; a plane gets a third axis.

    Raises:
        SeriesError: ``not_3d``, ``bad_value`` or ``too_large``.
    """
    require_size(path, shape)
    if len(shape) not in (2, 3):
        raise refused("not_3d", path, "must be one volume", f"shape {shape}", "split it first")
    return (*shape, 1)[:3]  # type: ignore[return-value]


def affine_ras(columns_lps_mm: np.ndarray, origin_lps_mm: np.ndarray) -> np.ndarray:
    """Put the steps of the axes and the first voxel's place into one affine to RAS+.

    Args:
        columns_lps_mm: Step of every axis as a column, ``[2 or 3, same]``.
        origin_lps_mm: The first voxel's centre.
    """
    n = len(origin_lps_mm)
    affine = np.eye(4)
    affine[:n, : columns_lps_mm.shape[1]] = columns_lps_mm
    affine[:n, 3] = origin_lps_mm
    return RAS_TO_LPS @ affine


def numbered_files(header: Path, value: str) -> tuple[Path, ...]:
    """Find the data files that a text header names: one, or a numbered row ``name_%03d.raw first last step``.

    Raises:
        SeriesError: ``data_file_refused``: a list, a way out of the folder, or a pattern that is none.
    """
    words = value.split()
    if words and words[0].upper() == "LIST":
        raise refused("data_file_refused", header, "must name its data file", "a list of files", "join them first")
    if "%" not in value:
        return (local_file(header, value.strip()),)
    if len(words) != 4 or len(_PATTERN.findall(words[0])) != 1 or words[0].count("%") != 1:
        raise refused("data_file_refused", header, "must number its data files", shown(value), "join them first")
    first, last, step = whole_numbers(header, "data file", " ".join(words[1:]))
    numbers = range(first, last + 1, step) if step > 0 else range(0)
    if not 1 <= len(numbers) <= _MAX_FILES:
        raise refused("data_file_refused", header, "must number its data files", shown(value), "correct its header")
    return tuple(local_file(header, words[0] % number) for number in numbers)


def shown(value: str) -> str:
    """Shorten a header's text for a message."""
    text = " ".join(value.split())
    return repr(text if len(text) <= 40 else f"{text[:40]}…")
