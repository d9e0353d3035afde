"""Names of image files: which are images, in which order, and what their written counterparts are called."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePath

from n2b_ct.io.natural_images.natural_image import Form

FORMS: dict[str, Form] = {
    ".png": "png",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".bmp": "bmp",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".webp": "webp",
}
"""A file's form by the ending of its name."""
LOSSY: tuple[Form, ...] = ("jpeg", "webp")
"""Read only: writing them would add noise of their own, so they become PNG."""

_DIGITS = re.compile(r"(\d+)")


def is_natural_image(path: Path) -> bool:
    """Say whether a file's name is an image's, and not hidden."""
    return not path.name.startswith(".") and path.suffix.lower() in FORMS


def list_natural_images(folder: Path) -> list[Path]:
    """List the images of one folder in natural order: ``p2.png`` before ``p10.png``."""
    return in_natural_order(path for path in folder.iterdir() if is_natural_image(path) and path.is_file())


def in_natural_order(paths: Iterable[Path]) -> list[Path]:
    """Sort by path, numbers by their value and letters without case."""
    return sorted(paths, key=_natural_key)


def written_name(name: str) -> str:
    """Name the file that an image is written back as: its own name, or a PNG's where its form is lossy."""
    path = PurePath(name)
    return f"{path.stem}.png" if FORMS[path.suffix.lower()] in LOSSY else name


def _natural_key(path: Path) -> tuple[list[list[tuple[int, str]]], str]:
    return [[_part_key(part) for part in _DIGITS.split(step)] for step in path.parts], str(path)


def _part_key(part: str) -> tuple[int, str]:
    """Digits by value, before letters; what Unicode calls a digit is one."""
    return (int(part), "") if part.isdecimal() else (-1 if not part else 2**63, part.casefold())
