"""The words of a volume, raw or compressed, read within bounds and encoded again.

A header is believed only as far as the files bear it out: declared sizes meet a cap and the length of the file before
anything is read, and what is inflated never grows beyond what was declared.
"""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from n2b_ct.errors import SeriesError
from n2b_ct.io.volume_formats.data_files import file_size
from n2b_ct.io.volume_formats.header import Encoding, VolumeHeader, refused

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_HEADER_BYTES = 2**26
"""A header with all its extensions."""
MAX_INFLATION = 250
"""How many times larger than its file a large volume may become: real CT has noise and shrinks by two to five."""
_ALWAYS_INFLATED_BYTES = 2**28
_CHUNK_BYTES = 2**20
_PIECE_WORDS = 2**20
_COMPRESSION_LEVEL = 6
_ZLIB_OR_GZIP = 47  # zlib's window bits: 15, plus 32 to detect either header


def require_lengths(header: VolumeHeader) -> None:
    """Compare what the header declares with the files.

    Raises:
        SeriesError: ``bad_value``, ``pixel_truncated`` or ``too_large``.
    """
    if prod(header.shape) % len(header.data_paths):
        got = f"{header.shape} in {len(header.data_paths)} files"
        raise refused("bad_value", header.path, "must share its voxels out evenly", got, "correct its header")
    available = sum(max(file_size(part, header.path) - header.data_offset, 0) for part in header.data_paths)
    needed = header.n_bytes + header.n_skipped_bytes * len(header.data_paths)
    if header.encoding == "raw" and available < needed:
        raise _truncated(header, f"{available} bytes")
    if header.encoding != "raw" and needed > max(_ALWAYS_INFLATED_BYTES, available * MAX_INFLATION):
        remedy = "decompress it first if it is right"
        raise refused("too_large", header.path, f"must not grow {MAX_INFLATION} times", f"{needed} bytes", remedy)


def stream_words(header: VolumeHeader) -> Iterator[np.ndarray]:
    """Read all words in pieces, flat, in the file's type and byte order; what is read is never held as a whole.

    Raises:
        SeriesError: ``pixel_truncated``, ``too_large`` or ``unreadable``.
    """
    require_lengths(header)
    n_bytes = header.n_bytes // len(header.data_paths)
    try:
        for part in header.data_paths:
            yield from _pieces(header, part, n_bytes)
    except (OSError, zlib.error) as error:
        message = f"damaged data ({type(error).__name__})"
        raise refused(
            "unreadable", header.path, f"must be a readable {header.format_name} file", message, "replace it"
        ) from error


def _pieces(header: VolumeHeader, part: Path, n_bytes: int) -> Iterator[np.ndarray]:
    """Read one part; reading on to the end makes gzip, zlib and bzip2 compare their checksums."""
    n_left = n_bytes
    with ExitStack() as stack:
        stream = _opened(header, part, stack)
        try:
            _pass_over(stream, header.n_skipped_bytes)
            while n_left:
                piece = _filled(stream, min(n_left, _PIECE_WORDS * header.dtype.itemsize))
                n_left -= piece.size
                if piece.size % header.dtype.itemsize or not piece.size:
                    raise _truncated(header, f"{n_bytes - n_left} bytes")
                yield piece.view(header.dtype)
            stream.read(1)
        except EOFError as error:
            raise _truncated(header, "a stream that ends early") from error


def _filled(stream: BinaryIO, n_bytes: int) -> np.ndarray:
    """Read bytes into a buffer of their own; fewer come back only where the stream ends."""
    buffer, n_read = np.empty(n_bytes, dtype=np.uint8), 0
    while n_read < n_bytes and (n_more := stream.readinto(buffer.data[n_read : n_read + _CHUNK_BYTES])):  # type: ignore[attr-defined]
        n_read += n_more
    return buffer[:n_read]


def _opened(header: VolumeHeader, part: Path, stack: ExitStack) -> BinaryIO:
    file = stack.enter_context(part.open("rb"))
    file.seek(header.data_offset)
    if header.encoding == "gzip":
        return stack.enter_context(gzip.GzipFile(fileobj=file))  # type: ignore[return-value]
    if header.encoding == "bzip2":
        return stack.enter_context(bz2.BZ2File(file))  # type: ignore[return-value]
    if header.encoding == "zlib":
        return stack.enter_context(io.BufferedReader(_Inflated(file), _CHUNK_BYTES))
    return file


class _Inflated(io.RawIOBase):
    """A deflated stream, with zlib's header or gzip's, inflated no further than it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._inflater, self._pending = file, zlib.decompressobj(_ZLIB_OR_GZIP), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        while not self._inflater.eof:
            self._pending = self._pending or self._file.read(_CHUNK_BYTES)
            content = self._inflater.decompress(self._pending, len(view))
            is_at_end = not self._pending
            self._pending = self._inflater.unconsumed_tail
            if content or is_at_end:
                view[: len(content)] = content
                return len(content)
        return 0


def _pass_over(stream: BinaryIO, n_bytes: int) -> None:
    while n_bytes > 0 and (passed := stream.read(min(n_bytes, _CHUNK_BYTES))):
        n_bytes -= len(passed)


def _truncated(header: VolumeHeader, got: str) -> SeriesError:
    return refused("pixel_truncated", header.path, f"must hold {header.n_bytes} bytes of voxels", got, "copy it again")


def encoded(words: np.ndarray, encoding: Encoding) -> bytes:
    """Encode words, i fastest; without a time stamp, so that the same volume twice is the same file."""
    content = words.tobytes(order="F")
    if encoding == "gzip":
        return gzip.compress(content, _COMPRESSION_LEVEL, mtime=0)
    if encoding == "bzip2":
        return bz2.compress(content)
    return zlib.compress(content, _COMPRESSION_LEVEL) if encoding == "zlib" else content
