"""How a volume lies in its files, and its words read within bounds and written back.

A header is believed only as far as the files bear it out: declared sizes meet a cap and the length of the file before
anything is read, and what is inflated never grows beyond what was declared.
"""

from __future__ import annotations

import bz2
import gzip
import io
import os
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np

from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.voxels import Scale

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Encoding = Literal["raw", "gzip", "zlib", "bzip2"]

MAX_VOXELS = 2**31
"""More than any CT: 1024 x 1024 pixels and two thousand slices."""
MAX_HEADER_BYTES = 2**26
"""A header with all its extensions."""
MAX_INFLATION = 250
"""How many times larger than its file a large volume may become: real CT has noise and shrinks by two to five."""
_ALWAYS_INFLATED_BYTES = 2**28
_CHUNK_BYTES = 2**20
_PIECE_WORDS = 2**20
_COMPRESSION_LEVEL = 6
_ZLIB_OR_GZIP = 47  # zlib's window bits: 15, plus 32 to detect either header


@dataclass(frozen=True, slots=True)
class VoxelFile:
    """A volume's header, understood.

    Attributes:
        path: The file with the header.
        form: ``NIfTI``, ``NRRD`` or ``MetaImage``.
        head: The header's bytes, for writing the like.
        dtype: Type and byte order of a word.
        shape: ``(i, j, k)``, i fastest in the file.
        affine_ras_mm: ``[4, 4]``, voxel index (i, j, k) to RAS+ millimetres.
        scale: From words to HU.
        parts: The files that hold the words, in order; usually one.
        encoding: How every part is compressed.
        start: Bytes of a part ahead of the encoded stream.
        skip: Decoded bytes ahead of the words.
        remarks: Texts of the header that may say what the volume shows.
        problems: Codes of what is odd about the header.
    """

    path: Path
    form: str
    head: bytes
    dtype: np.dtype
    shape: tuple[int, int, int]
    affine_ras_mm: np.ndarray
    scale: Scale
    parts: tuple[Path, ...]
    encoding: Encoding = "raw"
    start: int = 0
    skip: int = 0
    remarks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def n_bytes(self) -> int:
        """Length of all words."""
        return prod(self.shape) * self.dtype.itemsize


def refused(reason: str, path: Path, requirement: str, got: object, remedy: str) -> SeriesError:
    """Word what is wrong with a volume."""
    return SeriesError(reason, explain(path.name, requirement, got, remedy))


def require_size(path: Path, shape: Sequence[int]) -> None:
    """Refuse a size that no CT has, before anything is computed from it.

    Raises:
        SeriesError: ``bad_value`` or ``too_large``.
    """
    if not shape or min(shape) < 1:
        raise refused("bad_value", path, "must have a positive size", tuple(shape), "correct its header")
    if prod(shape) > MAX_VOXELS:
        raise refused("too_large", path, f"must have at most {MAX_VOXELS} voxels", tuple(shape), "crop it")


def local_file(header: Path, name: str) -> Path:
    """Find the data file that a header names; it must lie in the header's own folder or below it, links followed.

    A hard link cannot be told from the file itself.

    Raises:
        SeriesError: ``data_file_refused``.
    """
    places = PurePosixPath(name), PureWindowsPath(name)
    if not name or any(place.is_absolute() or place.drive or ".." in place.parts for place in places) or "\0" in name:
        raise _outside(header, "an absolute path or a way out of it")
    place = header.parent / name
    if not Path(os.path.realpath(place)).is_relative_to(os.path.realpath(header.parent)):
        raise _outside(header, "a link out of it")
    return place


def _outside(header: Path, got: str) -> SeriesError:
    remedy = "put the data into it"
    return refused("data_file_refused", header, "must name a data file in its own folder", got, remedy)


def file_size(path: Path, header: Path) -> int:
    """Length of a regular file.

    Raises:
        SeriesError: ``unreadable``, it is absent or no regular file.
    """
    try:
        status = path.stat()
    except OSError as error:
        subject = "be there" if path == header else "have its data file"
        got = f"none that can be opened ({error.strerror})"
        raise refused("unreadable", header, f"must {subject}", got, "put the files together") from error
    if not stat.S_ISREG(status.st_mode):
        subject = "be a regular file" if path == header else "have a regular data file"
        raise refused("not_regular", header, f"must {subject}", "something else", "leave it out")
    return status.st_size


def check_lengths(volume: VoxelFile) -> None:
    """Compare what the header declares with the files.

    Raises:
        SeriesError: ``bad_value``, ``pixel_truncated`` or ``too_large``.
    """
    if prod(volume.shape) % len(volume.parts):
        got = f"{volume.shape} in {len(volume.parts)} files"
        raise refused("bad_value", volume.path, "must share its voxels out evenly", got, "correct its header")
    available = sum(max(file_size(part, volume.path) - volume.start, 0) for part in volume.parts)
    needed = volume.n_bytes + volume.skip * len(volume.parts)
    if volume.encoding == "raw" and available < needed:
        raise _truncated(volume, f"{available} bytes")
    if volume.encoding != "raw" and needed > max(_ALWAYS_INFLATED_BYTES, available * MAX_INFLATION):
        remedy = "decompress it first if it is right"
        raise refused("too_large", volume.path, f"must not grow {MAX_INFLATION} times", f"{needed} bytes", remedy)


def stream_words(volume: VoxelFile) -> Iterator[np.ndarray]:
    """Read all words in pieces, flat, in the file's type and byte order; what is read is never held as a whole.

    Raises:
        SeriesError: ``pixel_truncated``, ``too_large`` or ``unreadable``.
    """
    check_lengths(volume)
    n_bytes = volume.n_bytes // len(volume.parts)
    try:
        for part in volume.parts:
            yield from _pieces(volume, part, n_bytes)
    except (OSError, zlib.error) as error:
        message = f"damaged data ({type(error).__name__})"
        raise refused(
            "unreadable", volume.path, f"must be a readable {volume.form} file", message, "replace it"
        ) from error


def read_words(volume: VoxelFile, watch: Callable[[np.ndarray], object] | None = None) -> np.ndarray:
    """Read all words, ``[i, j, k]`` in the file's type and byte order.

    Args:
        volume: Its header, understood.
        watch: Is shown every piece, as :func:`stream_words` gives them.

    Raises:
        SeriesError: ``pixel_truncated``, ``too_large`` or ``unreadable``.
    """
    check_lengths(volume)
    try:
        words = np.empty(prod(volume.shape), dtype=volume.dtype)
    except MemoryError as error:
        raise refused("too_large", volume.path, "must fit into memory", volume.shape, "crop it") from error
    n_read = 0
    for piece in stream_words(volume):
        words[n_read : n_read + piece.size] = piece
        n_read += piece.size
        if watch is not None:
            watch(piece)
    return words.reshape(volume.shape, order="F")


def _pieces(volume: VoxelFile, part: Path, n_bytes: int) -> Iterator[np.ndarray]:
    """Read one part; reading on to the end makes gzip, zlib and bzip2 compare their checksums."""
    n_left = n_bytes
    with ExitStack() as stack:
        stream = _opened(volume, part, stack)
        try:
            _pass_over(stream, volume.skip)
            while n_left:
                piece = _filled(stream, min(n_left, _PIECE_WORDS * volume.dtype.itemsize))
                n_left -= piece.size
                if piece.size % volume.dtype.itemsize or not piece.size:
                    raise _truncated(volume, f"{n_bytes - n_left} bytes")
                yield piece.view(volume.dtype)
            stream.read(1)
        except EOFError as error:
            raise _truncated(volume, "a stream that ends early") from error


def _filled(stream: BinaryIO, n_bytes: int) -> np.ndarray:
    """Read bytes into a buffer of their own; fewer come back only where the stream ends."""
    buffer, n_read = np.empty(n_bytes, dtype=np.uint8), 0
    while n_read < n_bytes and (n_more := stream.readinto(buffer.data[n_read : n_read + _CHUNK_BYTES])):  # type: ignore[attr-defined]
        n_read += n_more
    return buffer[:n_read]


def _opened(volume: VoxelFile, part: Path, stack: ExitStack) -> BinaryIO:
    file = stack.enter_context(part.open("rb"))
    file.seek(volume.start)
    if volume.encoding == "gzip":
        return stack.enter_context(gzip.GzipFile(fileobj=file))  # type: ignore[return-value]
    if volume.encoding == "bzip2":
        return stack.enter_context(bz2.BZ2File(file))  # type: ignore[return-value]
    if volume.encoding == "zlib":
        return stack.enter_context(io.BufferedReader(_Inflated(file), _CHUNK_BYTES))
    return file


class _Inflated(io.RawIOBase):
    """A deflated stream, with zlib's header or gzip's, inflated no further than it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._inflater, self._waiting = file, zlib.decompressobj(_ZLIB_OR_GZIP), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        while not self._inflater.eof:
            self._waiting = self._waiting or self._file.read(_CHUNK_BYTES)
            content = self._inflater.decompress(self._waiting, len(view))
            is_at_end = not self._waiting
            self._waiting = self._inflater.unconsumed_tail
            if content or is_at_end:
                view[: len(content)] = content
                return len(content)
        return 0


def _pass_over(stream: BinaryIO, n_bytes: int) -> None:
    while n_bytes > 0 and (passed := stream.read(min(n_bytes, _CHUNK_BYTES))):
        n_bytes -= len(passed)


def _truncated(volume: VoxelFile, got: str) -> SeriesError:
    return refused("pixel_truncated", volume.path, f"must hold {volume.n_bytes} bytes of voxels", got, "copy it again")


def encoded(words: np.ndarray, encoding: Encoding) -> bytes:
    """Encode words, i fastest; without a time stamp, so that the same volume twice is the same file."""
    content = words.tobytes(order="F")
    if encoding == "gzip":
        return gzip.compress(content, _COMPRESSION_LEVEL, mtime=0)
    if encoding == "bzip2":
        return bz2.compress(content)
    return zlib.compress(content, _COMPRESSION_LEVEL) if encoding == "zlib" else content
