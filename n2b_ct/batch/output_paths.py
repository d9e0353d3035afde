"""Paths of the outputs: a mirror of the input tree, never inside it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from n2b_ct.errors import OutputError, explain
from n2b_ct.io.atomic import RECORDS_DIR, is_system_file
from n2b_ct.io.dicom.reading.grouping import identity
from n2b_ct.io.natural_images import written_name
from n2b_ct.io.natural_images.names import FORMS
from n2b_ct.io.series import SeriesRef, parent_folders
from n2b_ct.io.volumes import volume_suffixes

PART_FOLDERS = "series-????????"
"""Matches the folders of series that share theirs with others."""


def require_no_overlap(source: Path, output: Path) -> None:
    """Refuse an output folder that lies inside the input folder, is it, or holds it.

    Where the input is one file, the output may lie beside it, but must not be the file or a folder that holds it.

    Raises:
        OutputError: It does.
    """
    inside, outside = output.resolve(), source.resolve()
    within = outside.is_dir() and outside in inside.parents
    if inside == outside or within or inside in outside.parents:
        raise OutputError(
            explain(
                f"output {output}",
                "must lie outside the input folder",
                f"input {source}",
                "choose another output folder",
            )
        )


def mirrored_dirs(series: Sequence[SeriesRef], source: Path, output: Path, volumes: Sequence[Path] = ()) -> list[Path]:
    """Return a folder below ``output`` for every series, its own, mirroring where it lies below ``source``.

    A series that shares its folder with another or with a volume, or has one below it, gets a subfolder named after a
    digest of its UID: no path is ever made of a tag's text.
    """
    root = _root(source)
    folders = [one.shared_directory for one in series]
    n_in_folder = Counter(folders)
    n_of_uid = Counter(one.series_instance_uid for one in series)
    above = parent_folders([*n_in_folder, *volumes])
    targets = []
    for one, folder in zip(series, folders, strict=True):
        target = output / folder.relative_to(root)
        is_crowded = n_in_folder[folder] > 1 or folder in above
        is_part = n_of_uid[one.series_instance_uid] > 1
        targets.append(target / _subfolder(one, is_part) if is_crowded else target)
    return targets


def mirrored_dir(series: SeriesRef, source: Path, output: Path) -> Path:
    """Return the mirror of a series' folder: its output path where it has the folder to itself."""
    return output / series.shared_directory.relative_to(_root(source))


def mirrored_file(path: Path, source: Path, output: Path) -> Path:
    """Return a file's path below ``output``, mirroring where it lies below ``source``."""
    return output / (path.name if source.is_file() else path.relative_to(source))


def mirrored_images(paths: Sequence[Path], source: Path, output: Path) -> list[Path]:
    """Return the path of every image below ``output``.

    Where a JPEG's PNG would have the path of another image, it keeps its old suffix before the new one:
    ``a.jpg`` beside ``a.png`` becomes ``a.jpg.png``.
    """
    mirrored = [mirrored_file(path, source, output) for path in paths]
    plain = [path.with_name(written_name(path.name)) for path in mirrored]
    n_inputs = Counter(plain)
    return [
        path if n_inputs[path] == 1 or path == mirror else mirror.with_name(f"{mirror.name}{path.suffix}")
        for path, mirror in zip(plain, mirrored, strict=True)
    ]


def _root(source: Path) -> Path:
    return source if source.is_dir() else source.parent


def residual_path(target: Path) -> Path:
    """Return the path of the removed noise, beside the denoised series, volume or image."""
    target = target if target.name not in ("", "..") else target.resolve()
    stem = target.name
    for ending in (*volume_suffixes(), *FORMS):
        if stem.lower().endswith(ending):
            stem = stem[: -len(ending)]
            break
    return target.with_name(f"{stem}-residual{target.name[len(stem) :]}")


def is_occupied(target: Path) -> bool:
    """Return whether something exists there, apart from empty folders and the files of operating systems."""
    return target.is_file() or (target.is_dir() and not _is_almost_empty(target))


def remove_if_empty(target: Path) -> None:
    """Remove a folder that is empty but for the files of operating systems."""
    if target.is_dir() and not target.is_symlink() and _is_almost_empty(target):
        shutil.rmtree(target)


def _is_almost_empty(folder: Path) -> bool:
    """Whether it holds no file but those of operating systems, and records of outputs that are gone."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != RECORDS_DIR]
        if not all(map(is_system_file, names)) or any(Path(parent, name).is_symlink() for name in folders):
            return False
    return True


def _subfolder(series: SeriesRef, is_part: bool) -> str:
    """Return a folder's name, made of the series' UID, and its first slice or frame if others share the UID.

    Series that share slice UIDs too are told apart by the header values that separate them.
    """
    first = series.instances[0]
    mark = series.series_instance_uid + (f"/{first.sop_instance_uid}/{first.frame_number}" if is_part else "")
    if is_part and "sop_uid_repeated" in series.problems:
        mark = "/".join((mark, *identity(series)))
    return f"series-{hashlib.sha256(mark.encode()).hexdigest()[:8]}"
