"""What file names tell of slices: which are named alike, and in which order they come."""

from __future__ import annotations

import re
from pathlib import Path

NUMBER, HASH = "#", "~"
_HASHES = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(?<![0-9a-z])(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,}(?![0-9a-z])"
)
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_N_ENDING_CHARACTERS_MAX = 8
_OTHER_ENDINGS = frozenset(
    (
        *("txt", "md", "rtf", "pdf", "doc", "docx", "odt", "xls", "xlsx", "ods", "ppt", "pptx", "csv", "tsv", "log"),
        *("json", "xml", "html", "htm", "css", "js", "yaml", "yml", "toml", "ini", "cfg", "conf", "inf", "db", "sql"),
        *("png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp", "svg", "ico", "avi", "mov", "mp4", "mpg", "wav"),
        *("zip", "gz", "bz2", "xz", "zst", "tar", "tgz", "7z", "rar", "iso", "exe", "dll", "so", "bat", "sh", "py"),
        *("nii", "nrrd", "nhdr", "mha", "mhd", "raw", "npy", "npz", "h5", "mat", "stl", "vtk", "pt", "md5", "sha256"),
    )
)
"""Endings of other kinds of files: nothing that bears one was to be a slice, unless slices are named just so."""


def shape(path: Path) -> str:
    """A name with every number as ``#`` and every hash as ``~``: the slices of a series mostly share one."""
    return _NUMBERS.sub(NUMBER, _HASHES.sub(HASH, path.name.casefold()))


def numbers_of(path: Path) -> tuple[int, ...]:
    """The numbers in a name, which order names of one shape as people do: ``IM9`` before ``IM10``."""
    return tuple(map(int, re.findall(r"[0-9]+", path.name)))


def ending(path: Path) -> str:
    """A name's ending without the dot, as far as it says a kind; empty for ``I10``, ``1.2.840.31`` and the like."""
    found = path.suffix[1:].casefold()
    is_kind = len(found) <= _N_ENDING_CHARACTERS_MAX and any(one.isalpha() for one in found)
    return found if is_kind else ""


def is_of_another_kind(path: Path) -> bool:
    """Say whether a name is hidden, or ends as another kind of file does."""
    return path.name.startswith(".") or ending(path) in _OTHER_ENDINGS
