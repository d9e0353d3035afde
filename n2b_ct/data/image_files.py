"""Files of natural images: found by their headers in folders or by patterns, whole or in crops, alone or in pairs.

A crop is read with its picture. The two pictures read last are kept decoded, for crops of a picture follow each other,
and those of a noisy picture and of its truth take turns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np

from n2b_ct.config.natural_images import ImageFolder
from n2b_ct.errors import DataError, explain
from n2b_ct.io.natural_images import (
    Colour,
    in_natural_order,
    is_natural_image,
    list_natural_images,
    read_header,
    read_natural_image,
)

_WILDCARD = re.compile(r"[*?\[]")
_IMAGES = "images (png, tif, bmp, jpg, webp)"
_Status = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image whose header is known: a whole picture, or a crop of one.

    Attributes:
        path: The file.
        picture_px: Rows and columns of the picture, upright.
        subject: How messages name it: the pipeline's key and the file's name.
        name: How tables name it: its path in the folder, without the ending, and a crop's first row and column.
        corner_px: First row and column of a crop; None: the whole picture.
        crop_px: Side of a crop.
    """

    path: Path
    picture_px: tuple[int, int]
    subject: str
    name: str
    corner_px: tuple[int, int] | None = None
    crop_px: int = 0

    @property
    def size_px(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        return self.picture_px if self.corner_px is None else (self.crop_px, self.crop_px)

    @property
    def status(self) -> _Status | None:
        """What changes with the file; None where there is none, which reading it will say."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino

    def read(self) -> np.ndarray:
        """Read it, float32 ``[rows, cols]`` or ``[rows, cols, 3]`` on [0, 1].

        Raises:
            DataError: It is damaged, or has changed since its header was read.
        """
        read = _picture if self.corner_px is None else _kept_picture
        pixels = read(self.path, self.subject, self.status)
        if pixels.shape[:2] != self.picture_px:
            got, wanted = _size(pixels.shape), _size(self.picture_px)
            need, remedy = f"must still be {wanted}, as its header said", "do not change the folder while it is in use"
            raise DataError(explain(self.subject, need, got, remedy))
        if self.corner_px is None:
            return pixels
        row, col = self.corner_px
        return pixels[row : row + self.crop_px, col : col + self.crop_px].copy()


def _picture(path: Path, subject: str, status: _Status | None) -> np.ndarray:  # noqa: ARG001 (part of a key)
    return read_natural_image(path, subject).pixels


_kept_picture = lru_cache(maxsize=2)(_picture)


def find_natural_images(folder: ImageFolder, root: Path, colour: Colour, key: str) -> list[ImageFile]:
    """Find the images of a folder that its section selects, by their headers alone.

    Args:
        folder: Which of them; ``select`` chooses pictures, ``count`` crops where pictures are cut.
        root: What its name is relative to.
        colour: What all must be.
        key: The section's place in its pipeline, such as ``data.noisy``.

    Raises:
        DataError: The folder is missing, nothing in it is selected, or a file is no image of that colour, or smaller
            than a crop.
    """
    base, found = _listed(folder, root, key)
    chosen = found[folder.chosen]
    if not chosen:
        need = f"must hold {_IMAGES}" if not found else f"must hold {key}.select's images"
        raise DataError(explain(f"{key}.folder {root / folder.folder}", need, f"{len(found)} images", "name another"))
    return list(islice(_opened(chosen, base, folder.crop_px, colour, key), folder.count))


def find_pairs(
    folder: ImageFolder, key: str, other: str, other_key: str, root: Path, colour: Colour
) -> tuple[list[ImageFile], list[ImageFile]]:
    """Find the images of a folder and their counterparts, one for one in the order of their names.

    Args:
        folder: Which images, and the crops of both.
        key: Its place in its file.
        other: Folder or pattern of the counterparts.
        other_key: Its place.
        root: What names are relative to.
        colour: What all must be.

    Raises:
        DataError: As :func:`find_natural_images`, or a picture has no counterpart of its size and, where patterns name
            several folders, in a folder of its name.
    """
    others = folder.model_copy(update={"folder": other})
    n_first, n_second = (len(_listed(one, root, at)[1]) for one, at in ((folder, key), (others, other_key)))
    if n_first != n_second:
        need, got = f"must hold as many images as {folder.folder}", f"{n_second} and {n_first}"
        raise DataError(explain(other_key, need, got, "give every noisy image its truth, in the same order"))
    first, second = (find_natural_images(one, root, colour, at) for one, at in ((folder, key), (others, other_key)))
    for one, counterpart in zip(first, second, strict=False):
        _require_pair(one, counterpart, folder.folder, other)
    return first, second


def _require_pair(one: ImageFile, counterpart: ImageFile, pattern: str, other: str) -> None:
    folders = [_matched_folders(found, text) for found, text in ((one, pattern), (counterpart, other))]
    if folders[0] != folders[1]:
        need, got = f"must lie in a folder named like that of {one.name}, {folders[0]}", folders[1]
        raise DataError(explain(counterpart.subject, need, got, "give every noisy image its truth, folder by folder"))
    if one.picture_px != counterpart.picture_px:
        need = f"must be as large as {one.path.name}, {_size(one.picture_px)}"
        raise DataError(explain(counterpart.subject, need, _size(counterpart.picture_px), "pair images of one scene"))


def _matched_folders(file: ImageFile, pattern: str) -> str:
    """Return which folders a pattern's wildcards stand for."""
    if not _WILDCARD.search(pattern):
        return ""
    return "/".join(part for part in Path(file.name).parent.parts if part not in Path(pattern).parts)


def _listed(folder: ImageFolder, root: Path, key: str) -> tuple[Path, list[Path]]:
    """List the images of a folder or a pattern in natural order, below what has no wildcards."""
    whole = root / folder.folder
    n_plain = next((k for k, part in enumerate(whole.parts) if _WILDCARD.search(part)), len(whole.parts))
    is_pattern = n_plain < len(whole.parts) and not whole.exists()
    base = Path(*whole.parts[:n_plain]) if is_pattern else whole
    if not base.is_dir():
        got = "a file" if base.exists() else "nothing there"
        raise DataError(explain(f"{key}.folder {base}", "must be a folder of images", got, "check the path"))
    if not is_pattern:
        return base, list_natural_images(base)
    matched = base.glob(str(Path(*whole.parts[n_plain:])))
    return base, in_natural_order(path for path in matched if is_natural_image(path) and path.is_file())


def _opened(paths: list[Path], base: Path, crop_px: int | None, colour: Colour, key: str) -> Iterator[ImageFile]:
    """Read the headers, and yield every picture or its crops."""
    for n_before, path in enumerate(paths):
        subject = f"{key}.folder: {path.name}"
        header = read_header(path, subject)
        if header.colour != colour:
            raise _other_colour(subject, header.colour, colour, n_before)
        whole = ImageFile(path, header.size_px, subject, path.relative_to(base).with_suffix("").as_posix())
        if crop_px is None:
            yield whole
        else:
            yield from _crops(whole, crop_px, key)


def _crops(whole: ImageFile, crop_px: int, key: str) -> Iterator[ImageFile]:
    """Yield crops side by side from the first corner; what is left at the right and below is not used."""
    rows, cols = whole.picture_px
    if min(rows, cols) < crop_px:
        need = f"must be at least {key}.crop_px = {crop_px} wide and high"
        raise DataError(explain(whole.subject, need, _size(whole.picture_px), "leave it out, or use a smaller crop_px"))
    for row in range(0, rows - crop_px + 1, crop_px):
        for col in range(0, cols - crop_px + 1, crop_px):
            name = f"{whole.name} {row},{col}"
            yield ImageFile(whole.path, whole.picture_px, whole.subject, name, (row, col), crop_px)


def _other_colour(subject: str, got: Colour, expected: Colour, n_before: int) -> DataError:
    if n_before:
        remedy = "keep images of one colour in the folder"
        return DataError(explain(subject, f"must be {expected} like the {n_before} before it", got, remedy))
    return DataError(explain(subject, f"must be {expected} (data.colour)", got, f"set data.colour: {got}"))


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape[:2]))
