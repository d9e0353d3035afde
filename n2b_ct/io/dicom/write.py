"""Derived series on disk: a whole folder at once, or nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType

import numpy as np
from pydicom.dataset import Dataset

from n2b_ct.errors import OutputError, SeriesError, explain
from n2b_ct.io.atomic import PARTIAL_PREFIX, REPLACED_PREFIX, sync_folder, write_atomically
from n2b_ct.io.dicom.derive import Derivation, SeriesContext, derive_slice
from n2b_ct.io.dicom.values import quiet_pydicom
from n2b_ct.io.series import CTSlice, SeriesRef

_N_DIGEST_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class WriteStats:
    """What writing one slice did; ``n_clipped`` pixels did not fit in BitsStored."""

    n_clipped: int


class DerivedSeriesWriter:
    """Write the derived series of one source series; a context manager.

    Slices go to a hidden folder beside the target. Leaving the block renames it to the target;
    leaving it by an exception removes it.

    Args:
        source: The source series.
        target_dir: Folder of the derived series; files keep the names of their sources.
        derivation: What was done.
        overwrite: Replace an existing target.

    Example::

        with DerivedSeriesWriter(series, target_dir, derivation) as writer:
            for instance in series.instances:
                ct_slice = read_slice(instance)
                writer.add(ct_slice, denoise(ct_slice.hu))
    """

    def __init__(self, source: SeriesRef, target_dir: Path, derivation: Derivation, overwrite: bool = False) -> None:
        self._target_dir = Path(target_dir)
        self._derivation = derivation
        self._overwrite = overwrite
        self._context = SeriesContext.of(source, derivation)
        self._names = _relative_names(source)
        self._partial_dir = self._beside(PARTIAL_PREFIX)
        self._written: set[Path] = set()
        _require_apart(source, self._target_dir)

    def __enter__(self) -> DerivedSeriesWriter:
        """Make the hidden folder; one that an interrupted run left is replaced.

        Raises:
            OutputError: The target exists and may not be replaced, or cannot be made.
        """
        if self._target_dir.exists() and not self._overwrite:
            raise OutputError(
                explain(str(self._target_dir), "must not exist yet", "a folder", "skip it or pass overwrite")
            )
        try:
            shutil.rmtree(self._partial_dir, ignore_errors=True)
            self._partial_dir.mkdir(parents=True)
        except OSError as error:
            raise _unwritable(self._target_dir, error) from error
        return self

    def add(self, ct_slice: CTSlice, hu: np.ndarray, neighbour_uids: Sequence[str] = ()) -> WriteStats:
        """Write one derived slice.

        Args:
            ct_slice: A slice of the source series.
            hu: Its new HU, float ``[rows, cols]``.
            neighbour_uids: SOPInstanceUIDs of other slices that influenced this one.

        Raises:
            SeriesError: The HU are not finite or have another shape.
            OutputError: The slice is not of this series, comes twice, or cannot be written.
        """
        name = self._names.get(str(ct_slice.dataset.filename))
        if name is None or name in self._written:
            got = "a slice of another one" if name is None else "a slice twice"
            raise OutputError(explain("derived series", "takes each slice of its source once", got, "check the loop"))
        derived = derive_slice(ct_slice, hu, self._derivation, self._context, neighbour_uids)
        path = self._partial_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_dataset_atomically(derived.dataset, path)
        self._written.add(name)
        return WriteStats(derived.n_clipped)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Rename the hidden folder to the target, or remove it.

        Raises:
            OutputError: Nothing was written, or the target cannot be replaced.
        """
        try:
            if kind is None:
                self._finish()
        finally:
            shutil.rmtree(self._partial_dir, ignore_errors=True)

    def _finish(self) -> None:
        if not self._written:
            requirement = "must get at least one slice"
            raise OutputError(explain(str(self._target_dir), requirement, "none", "add slices before leaving"))
        replaced_dir = self._beside(REPLACED_PREFIX)
        try:
            if self._target_dir.exists():
                shutil.rmtree(replaced_dir, ignore_errors=True)
                self._target_dir.replace(replaced_dir)
            self._partial_dir.replace(self._target_dir)
            sync_folder(self._target_dir.parent)
        except OSError as error:
            if replaced_dir.exists() and not self._target_dir.exists():
                replaced_dir.replace(self._target_dir)
            raise _unwritable(self._target_dir, error) from error
        shutil.rmtree(replaced_dir, ignore_errors=True)

    def _beside(self, prefix: str) -> Path:
        """A hidden sibling of the target, named after what is made of which series."""
        mark = f"{self._target_dir.name}/{self._context.derived_series_uid}"
        digest = hashlib.sha256(mark.encode()).hexdigest()[:_N_DIGEST_CHARACTERS]
        return self._target_dir.parent / f"{prefix}{digest}"


def write_dataset_atomically(dataset: Dataset, path: Path) -> None:
    """Write a data set with its file meta information; the file is there whole or not at all.

    Raises:
        OutputError: The place cannot be written.
        SeriesError: ``header_unwritable``, an element that was copied cannot be encoded.
    """

    content = BytesIO()
    try:
        with quiet_pydicom():
            dataset.save_as(content, enforce_file_format=True)
    except Exception as error:
        message = explain(path.name, "header must be valid DICOM", type(error).__name__, "correct the source")
        raise SeriesError("header_unwritable", message) from error
    write_atomically(path, lambda file: file.write(content.getbuffer()))


def _relative_names(source: SeriesRef) -> dict[str, Path]:
    """Names of the source's files below the folder that they share."""
    shared_dir = os.path.commonpath([instance.path.parent for instance in source.instances])
    return {str(one.path): one.path.relative_to(shared_dir) for one in source.instances}


def _require_apart(source: SeriesRef, target_dir: Path) -> None:
    """Replacing the target must not touch a source file."""
    target = target_dir.resolve()
    if any(target in instance.path.resolve().parents for instance in source.instances):
        remedy = "choose a folder apart from the input"
        raise OutputError(explain(str(target_dir), "must not hold the source", "its folder", remedy))


def _unwritable(place: Path, error: OSError) -> OutputError:
    return OutputError(explain(str(place), "must be writable", error.strerror, "choose another place"))
