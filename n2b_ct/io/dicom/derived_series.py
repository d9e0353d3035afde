"""Derived series on disk: written atomically as a folder, and the listing of existing ones.

Existing files are untrusted: worker processes read them, like any input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType

import numpy as np
from pydicom.dataset import Dataset

from n2b_ct.errors import OutputError, SeriesError, explain
from n2b_ct.io.atomic import (
    AtomicFolder,
    is_system_file,
    require_free_space,
    unwritable,
    write_atomically,
    write_unsynced,
)
from n2b_ct.io.dicom.elements import lenient_integer, lenient_text, quiet_pydicom
from n2b_ct.io.dicom.reading.dicom_file import DicomFile, parse_file
from n2b_ct.io.dicom.reading.listing import Listing, list_files
from n2b_ct.io.dicom.reading.slice_checks import (
    CT_IMAGE_STORAGE,
    Check,
    require_pixel_description,
    require_pixels,
    require_whole_header,
)
from n2b_ct.io.dicom.reading.slice_header import patient_key
from n2b_ct.io.dicom.writing.derivation import SourceImage
from n2b_ct.io.dicom.writing.derived_slice import Derivation, DerivedSlice, SeriesContext, derive_slice, require_encoder
from n2b_ct.io.sandbox.messages import Answer
from n2b_ct.io.sandbox.pool import Outcome, shared_sandbox
from n2b_ct.io.series import CTSlice, InstanceRef, SeriesRef

IDENTIFY = f"{__name__}:identify"

_N_HEADER_BYTES = 8 * 1024
_N_WORD_BYTES = 2
_COMPRESSED_SHARE = 0.5  # lossless coding of CT noise rarely does worse

_N_FILES_TOGETHER = 32
_WHOLENESS: tuple[Check, ...] = (require_whole_header, require_pixel_description, require_pixels)

SliceKey = tuple[str, int | None]
"""A slice of a series: its file, and the frame where the file holds many."""


class DerivedSeriesWriter:
    """Write the derived series of one source series; a context manager.

    Slices go to a hidden folder beside the target. Leaving the block renames it to the target;
    leaving it by an exception removes it.

    Args:
        source: The source series.
        target_dir: Folder of the derived series. Files keep the names of their sources; the frames of ``x.dcm`` become
            ``x/frame-0001.dcm`` and so on.
        derivation: What was done.
        overwrite: Replace an existing target.

    Attributes:
        written: SOPInstanceUID of every slice so far, by its file's path relative to the target.

    Example::

        with DerivedSeriesWriter(series, target_dir, derivation) as writer:
            for instance in series.instances:
                ct_slice = read_slice(instance)
                writer.add(ct_slice, denoise(ct_slice.hu))
    """

    def __init__(self, source: SeriesRef, target_dir: Path, derivation: Derivation, overwrite: bool = False) -> None:
        self._derivation = derivation
        self._context = SeriesContext.of(source, derivation)
        self._names = slice_names(source)
        self._folder = AtomicFolder(Path(target_dir), overwrite)
        self.written: dict[Path, str] = {}
        self.n_bytes_expected = _n_bytes_expected(source, derivation)
        _require_apart(source, Path(target_dir))

    def __enter__(self) -> DerivedSeriesWriter:
        """Make the hidden folder; one that an interrupted run left is replaced.

        Raises:
            OutputError: The target exists and may not be replaced, cannot be made, or does not fit on the disk; or the
                encoder asked for is not installed.
        """
        require_encoder(self._derivation.options.compression)
        require_free_space(self._folder.target, self.n_bytes_expected)
        self._folder.begin()
        return self

    def add(self, ct_slice: CTSlice, hu: np.ndarray, neighbours: Sequence[InstanceRef] = ()) -> DerivedSlice:
        """Write one derived slice, and return it.

        Args:
            ct_slice: A slice of the source series.
            hu: Its new HU, float ``[rows, cols]``.
            neighbours: Other slices of the series that influenced this one.

        Raises:
            SeriesError: The HU are not finite or have another shape, or the header cannot be copied.
            OutputError: The slice is not of this series, comes twice, or cannot be written.
        """
        name = self._names.get((str(ct_slice.dataset.filename), ct_slice.frame_number))
        if name is None or name in self.written:
            got = "a slice of another one" if name is None else "a slice twice"
            raise OutputError(explain("derived series", "takes each slice of its source once", got, "check the loop"))
        derived = derive_slice(ct_slice, hu, self._derivation, self._context, neighbours)
        path = self._folder.partial / name
        _make_folder(path.parent)
        write_unsynced(path, encoded(derived.dataset, path.name))
        self.written[name] = str(derived.dataset.SOPInstanceUID)
        return derived

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
            self._folder.discard()

    def _finish(self) -> None:
        if not self.written:
            requirement = "must get at least one slice"
            raise OutputError(explain(str(self._folder.target), requirement, "none", "add slices before leaving"))
        n_gone = sum(not (self._folder.partial / name).is_file() for name in self.written)
        if n_gone:
            got, remedy = f"{n_gone} files gone", "let one run at a time write there"
            raise OutputError(explain(str(self._folder.target), "must not change while it is made", got, remedy))
        self._folder.commit()


def write_dataset_atomically(dataset: Dataset, path: Path) -> None:
    """Write a data set with its file meta information; the file is there whole or not at all.

    Raises:
        OutputError: The path cannot be written.
        SeriesError: ``header_unwritable``, an element that was copied cannot be encoded.
    """
    content = encoded(dataset, path.name)
    write_atomically(path, lambda file: file.write(content))


def encoded(dataset: Dataset, name: str) -> memoryview:
    """Encode a data set with its file meta information; ``name`` is what messages call it.

    Raises:
        SeriesError: ``header_unwritable``, an element that was copied cannot be encoded.
    """
    content = BytesIO()
    try:
        with quiet_pydicom():
            dataset.save_as(content, enforce_file_format=True)
    except Exception as error:
        message = explain(name, "header must be valid DICOM", type(error).__name__, "correct the source")
        raise SeriesError("header_unwritable", message) from error
    return content.getbuffer()


def slice_names(source: SeriesRef) -> dict[SliceKey, Path]:
    """Name the derived file of every slice, relative to the folder that all of the series share.

    Names are made of the sources' file names and of frame numbers, never of a tag's text.
    """
    shared_dir = source.shared_directory
    stems = Counter(path.with_suffix("") for path in {one.path for one in source.instances})
    names: dict[SliceKey, Path] = {}
    for one in source.instances:
        name = one.path.relative_to(shared_dir)
        if one.frame_number is not None:
            is_alone = stems[one.path.with_suffix("")] == 1
            name = (name.with_suffix("") if is_alone else name) / f"frame-{one.frame_number:04d}.dcm"
        names[str(one.path), one.frame_number] = name
    return names


def derived_uids(source: SeriesRef, derivation: Derivation) -> dict[Path, str]:
    """Name the file and the SOPInstanceUID of every derived slice, before anything is derived.

    Returns:
        UID by path relative to the derived series' folder, in the order of the slices.
    """
    names, shared = slice_names(source), SeriesContext.of(source, derivation).instance_marks
    return {
        names[str(one.path), one.frame_number]: derivation.uid("instance", *_marks(one), *shared)
        for one in source.instances
    }


def _marks(instance: InstanceRef) -> tuple[str, ...]:
    return SourceImage(CT_IMAGE_STORAGE, instance.sop_instance_uid, instance.frame_number).identity


def _n_bytes_expected(source: SeriesRef, derivation: Derivation) -> int:
    share = 1.0 if derivation.options.compression == "none" else _COMPRESSED_SHARE
    return len(source) * (int(source.rows * source.cols * _N_WORD_BYTES * share) + _N_HEADER_BYTES)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error


def _require_apart(source: SeriesRef, target_dir: Path) -> None:
    """Replacing the target must not touch a source file."""
    target = target_dir.resolve()
    if any(target in instance.path.resolve().parents for instance in source.instances):
        remedy = "choose a folder apart from the input"
        raise OutputError(explain(str(target_dir), "must not hold the source", "its folder", remedy))


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """One file of a folder; all but its name is empty where it cannot be read.

    Attributes:
        name: Path relative to the folder.
        sop_instance_uid, series_instance_uid: What it is called.
        source_series_uid: The series that its pixels were last derived from, as it says itself.
        source: What of the slice that they were derived from decides the UID.
        patient_key: Digest of the patient's identifiers.
        creator_uid: InstanceCreatorUID.
        is_whole: Header and pixels are as long as they say.
    """

    name: Path
    sop_instance_uid: str = ""
    series_instance_uid: str = ""
    source_series_uid: str = ""
    source: tuple[str, ...] = ()
    patient_key: str = ""
    creator_uid: str = ""
    is_whole: bool = False


def folder_contents(folder: Path, *, with_folders: bool = True) -> list[FileOrigin]:
    """List what lies in a folder, in the order of the paths; what an operating system leaves there is not counted.

    A file in the folder's place is all that it holds, under its own name. ``with_folders=False`` leaves out what
    lies in folders below.
    """
    if not folder.is_dir():
        return [FileOrigin(Path(folder.name))] if folder.exists() or folder.is_symlink() else []
    listed = list_files(folder) if with_folders else Listing([one for one in folder.iterdir() if one.is_file()], [], [])
    paths = [path for path in listed.paths if not is_system_file(path.name)]
    answers = shared_sandbox().ask_each(IDENTIFY, ({"path": str(path)} for path in paths), n_together=_N_FILES_TOGETHER)
    found = [_found(path.relative_to(folder), answer) for path, answer in zip(paths, answers, strict=True)]
    others = [FileOrigin(record.path.relative_to(folder)) for record in listed.records]
    return sorted([*found, *others], key=lambda one: one.name)


def identify(path: str) -> Answer:
    """Read who made a file and of what, as a task of the sandbox.

    Raises:
        SeriesError: It cannot be read.
    """
    parsed = parse_file(Path(path), with_pixels=False)
    with quiet_pydicom():
        return Answer(
            {
                "sop_instance_uid": lenient_text(parsed.dataset, "SOPInstanceUID"),
                "series_instance_uid": lenient_text(parsed.dataset, "SeriesInstanceUID"),
                "source_series_uid": _source_series_uid(parsed),
                "source": _source(parsed),
                "patient_key": patient_key(parsed),
                "creator_uid": lenient_text(parsed.dataset, "InstanceCreatorUID"),
                "is_whole": _is_whole(parsed),
            }
        )


def _found(name: Path, answer: Outcome) -> FileOrigin:
    """Rebuild what a worker found; JSON knows lists only."""
    if isinstance(answer, SeriesError):
        return FileOrigin(name)
    return FileOrigin(name, **{**answer.note, "source": tuple(answer.note["source"])})


def _source(parsed: DicomFile) -> tuple[str, ...]:
    """The first of the source images is the slice itself."""
    items: Sequence = parsed.dataset.get("SourceImageSequence") or []
    if not len(items):
        return ()
    frame = lenient_integer(items[0], "ReferencedFrameNumber")
    return SourceImage("", lenient_text(items[0], "ReferencedSOPInstanceUID"), frame).identity


def _source_series_uid(parsed: DicomFile) -> str:
    """The last of the referenced series: each derivation appends its source (PS3.3 C.12.2, C.7.3.1)."""
    for keyword in ("ReferencedSeriesSequence", "RelatedSeriesSequence"):
        items: Sequence = parsed.dataset.get(keyword) or []
        if len(items):
            return lenient_text(items[-1], "SeriesInstanceUID")
    return ""


def _is_whole(parsed: DicomFile) -> bool:
    try:
        for check in _WHOLENESS:
            check(parsed)
    except SeriesError:
        return False
    return True
