"""The data files of a volume: where a header may say that they lie, and how they are written beside it."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath

from n2b_ct.errors import OutputError, SeriesError, explain
from n2b_ct.io.atomic import remove_partials, sync, write_atomically
from n2b_ct.io.volume_formats.header import refused


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
    """Return the length of a regular file.

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


def offset_from_end(header: Path, paths: tuple[Path, ...], n_bytes: int) -> int:
    """Return where data start that end with their file, as a header says with -1."""
    return max(min(file_size(path, header) for path in paths) - n_bytes // len(paths), 0)


def write_header_and_data(out: Path, header: bytes, data_path: Path | None, data: bytes) -> None:
    """Write both into one file, or a data file and then the header that names it: a header that is there has its data.

    Args:
        out: The header's file.
        header: Its bytes.
        data_path: The data's own file; None: they follow the header.
        data: Their bytes.

    Raises:
        OutputError: Either cannot be written.
    """
    if data_path is None:
        write_atomically(out, lambda file: file.write(header + data))
        return
    try:
        remove_partials(data_path)  # of a run that was killed
        out.unlink(missing_ok=True)  # an old header must not find new data
        sync(out.parent)
    except OSError as error:
        raise OutputError(explain(str(out), "must be writable", error.strerror, "choose another place")) from error
    write_atomically(data_path, lambda file: file.write(data))
    write_atomically(out, lambda file: file.write(header))
