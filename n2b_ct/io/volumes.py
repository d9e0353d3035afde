"""Volumes of CT that are no DICOM, of every registered format: HU in, the same format, geometry and type out.

Stored values are HU after the file's own slope and intercept; NRRD and MetaImage have none. Where a volume's values are
off by a constant (HU + 1000, say), only a person knows: ``hu_offset`` is added to what is stored, and taken off again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np

from n2b_ct.errors import N2BError, OutputError, SeriesError, explain
from n2b_ct.io.series import CTSeries
from n2b_ct.io.value_histogram import ValueHistogram
from n2b_ct.io.volume_formats.base import VolumeFormat
from n2b_ct.io.volume_formats.header import Scale, VolumeHeader, refused
from n2b_ct.io.volume_kind import is_clear, kind_of
from n2b_ct.io.volume_orientation import (
    display_affine_lps,
    display_shape,
    from_display,
    require_directions,
    to_display,
)
from n2b_ct.registry import VOLUME_FORMATS, UnavailableError

_REQUIREMENTS = {
    "label_map": "must hold HU, not labels",
    "not_ct": "must hold HU, not another kind of image",
    "maybe_not_hu": "must hold HU",
}
_REMEDIES = {
    "label_map": "leave it out, or pass assume_hu=True",
    "not_ct": "leave it out, or pass assume_hu=True",
    "maybe_not_hu": "pass volume_offset_hu=-1024 if they are HU + 1024, assume_hu=True if they are HU, or leave it out",
}


@dataclass(frozen=True, slots=True)
class VolumeInfo:
    """What a volume's header tells.

    Attributes:
        path: The file with the header.
        format_name: ``NIfTI``, ``NRRD``, ``MetaImage`` or that of a package outside.
        shape: ``(slices, rows, cols)``.
        spacing_mm: Between slices, rows and columns.
        word_type: Type of a stored value, such as ``int16``.
        is_compressed: Whether its data are.
        data_paths: Data files beside the header.
        problems: Codes such as ``unsure_geometry``: used, but worth knowing.
    """

    path: Path
    format_name: str
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    word_type: str
    is_compressed: bool
    data_paths: tuple[Path, ...] = ()
    problems: tuple[str, ...] = ()


def is_volume(path: Path) -> bool:
    """Return whether a file's name is a volume's; where other programs share an ending, its start is looked at too."""
    if _suffix(path) is None:
        return False
    try:
        with _blamed(path):
            return _format(path).has_format(path)
    except SeriesError:  # its package cannot be used: whoever reads it is told
        return True


def volume_suffixes() -> tuple[str, ...]:
    """Return the endings of volumes' names, the longer of two that fit first."""
    return tuple(sorted(VOLUME_FORMATS.names(), key=len, reverse=True))


def describe_volume(path: Path) -> VolumeInfo:
    """Read a volume's header; its values are not looked at.

    Raises:
        SeriesError: The header cannot be trusted, or its data are not there whole.
    """
    return _info(_read_header(_format(path), path))


def examine_volume(path: Path, *, hu_offset: float = 0.0, assume_hu: bool = False) -> VolumeInfo:
    """Read a volume's header, and as many of its values as it takes to see whether they are finite HU.

    Args:
        path: The file with the header.
        hu_offset: What must be added to the file's values to get HU.
        assume_hu: Take values for HU that may be none; its problems then say ``maybe_not_hu``.

    Raises:
        SeriesError: As :func:`read_volume`.
    """
    volume_format = _format(path)
    header = _read_header(volume_format, path)
    histogram = _histogram(header, hu_offset)
    for piece in _pieces(volume_format, header):
        histogram.add(piece)
        if histogram.is_settled and piece.dtype.kind != "f":
            break
    return replace(_info(header), problems=_require_ct(header, histogram, hu_offset, assume_hu))


def read_volume(path: Path, *, hu_offset: float = 0.0, assume_hu: bool = False) -> CTSeries:
    """Read a CT volume.

    Args:
        path: ``.nii``, ``.nii.gz``, ``.hdr``, ``.nrrd``, ``.nhdr``, ``.mha``, ``.mhd``, or of a registered format.
        hu_offset: What must be added to the file's values to get HU.
        assume_hu: Take values for HU that may be none; its problems then say ``maybe_not_hu``.

    Returns:
        HU float32 ``[slices, rows, cols]`` and the affine from (slice, row, col) to LPS millimetres.

    Raises:
        SeriesError: ``label_map``, ``not_ct`` or ``maybe_not_hu``: it is no CT, or nobody says that it is;
            ``unreadable``, ``bad_value``, ``not_3d``, ``not_finite``, ``too_large``, ``pixel_truncated`` and the like.
    """
    path = Path(path)
    volume_format = _format(path)
    header = _read_header(volume_format, path)
    histogram = _histogram(header, hu_offset)
    words = _read_words(volume_format, header, histogram.add)
    problems = _require_ct(header, histogram, hu_offset, assume_hu)
    hu = to_display(_in_hu(header, hu_offset).scale.to_hu(words), header.affine_ras_mm)
    if not np.isfinite(hu).all():
        raise _not_finite(header)
    affine_lps_mm = display_affine_lps(header.shape, header.affine_ras_mm)
    return CTSeries(hu, np.zeros(hu.shape, dtype=bool), affine_lps_mm, header.path, problems)


def write_volume_like(
    source: Path, hu: np.ndarray, out: Path, *, overwrite: bool = False, hu_offset: float = 0.0
) -> int:
    """Write HU in the format of their source: same header, axes, type, byte order, compression and scale.

    Voxels whose HU equal the source's keep their stored word; others are rounded to nearest and clipped to the type.

    Args:
        source: The file that :func:`read_volume` read.
        hu: New HU ``[slices, rows, cols]``.
        out: Ends as the source does; NIfTI may be compressed or not, as the name says.
        overwrite: Replace an existing file.
        hu_offset: As it was for reading.

    Returns:
        How many voxels the type could not hold.

    Raises:
        SeriesError: ``bad_shape`` or ``not_finite`` HU, or the source cannot be read.
        OutputError: The file exists, is the source, or cannot be written.
    """
    source, out = Path(source), Path(out)
    volume_format = _format(source)
    suffixes = volume_format.output_suffixes(_suffix(source) or "")
    if not out.name.lower().endswith(suffixes):
        raise OutputError(explain(str(out), f"must end in {' or '.join(suffixes)}", out.name, "rename it"))
    header = _in_hu(_read_header(volume_format, source), hu_offset)
    _require_free(header, _output_paths(volume_format, header, out), overwrite)
    _require_hu(hu, display_shape(header.shape, header.affine_ras_mm))
    source_words = _read_words(volume_format, header)
    words, n_clipped = header.scale.to_words(from_display(hu, header.affine_ras_mm), source_words)
    with _blamed(source):
        volume_format.write(header, words, out)
    return n_clipped


def data_paths(path: Path) -> tuple[Path, ...]:
    """Return the data files that a volume's header names; none where the header cannot be trusted."""
    try:
        return _any_header(_format(path), path).other_paths
    except SeriesError:
        return ()


def written_paths(source: Path, out: Path) -> tuple[Path, ...]:
    """Return the files that :func:`write_volume_like` writes, ``out`` first; that alone if the source is unreadable."""
    try:
        volume_format = _format(source)
        return _output_paths(volume_format, _any_header(volume_format, source), out)
    except SeriesError:
        return (out,)


def _suffix(path: Path) -> str | None:
    name = path.name.lower()
    return next((suffix for suffix in volume_suffixes() if name.endswith(suffix)), None)


def _format(path: Path) -> VolumeFormat:
    suffix = _suffix(path)
    if suffix is None:
        endings = ", ".join(volume_suffixes())
        raise refused("unreadable", path, f"must end in one of {endings}", path.suffix or "none", "rename it")
    try:
        return VOLUME_FORMATS.get(suffix)()
    except UnavailableError as error:
        raise refused("unreadable", path, error.requirement, error.got, error.remedy) from error


def _read_header(volume_format: VolumeFormat, path: Path) -> VolumeHeader:
    header = _any_header(volume_format, path)
    require_directions(header.affine_ras_mm, path.name)
    with _blamed(path):
        volume_format.require_data(header)
    return header


def _any_header(volume_format: VolumeFormat, path: Path) -> VolumeHeader:
    with _blamed(path):
        return volume_format.read_header(path)


def _pieces(volume_format: VolumeFormat, header: VolumeHeader) -> Iterator[np.ndarray]:
    with _blamed(header.path):
        yield from volume_format.read(header)


@contextmanager
def _blamed(path: Path) -> Iterator[None]:
    """Let whatever the format of a package outside raises fail this volume alone."""
    try:
        yield
    except (N2BError, OSError, MemoryError):
        raise
    except Exception as error:
        requirement = f"the format {_suffix(path)} must read and write it, or refuse it"
        remedy = "repair or uninstall the package that offers the format"
        raise refused("unreadable", path, requirement, type(error).__name__, remedy) from error


def _read_words(
    volume_format: VolumeFormat, header: VolumeHeader, watch: Callable[[np.ndarray], object] | None = None
) -> np.ndarray:
    """Return all words, ``[i, j, k]`` in the file's type and byte order; ``watch`` is shown every piece."""
    try:
        words = np.empty(prod(header.shape), dtype=header.dtype)
    except MemoryError as error:
        raise refused("too_large", header.path, "must fit into memory", header.shape, "crop it") from error
    n_read = 0
    for piece in _pieces(volume_format, header):
        words[n_read : n_read + piece.size] = piece
        n_read += piece.size
        if watch is not None:
            watch(piece)
    return words.reshape(header.shape, order="F")


def _in_hu(header: VolumeHeader, hu_offset: float) -> VolumeHeader:
    return replace(header, scale=Scale(header.scale.slope, header.scale.intercept + hu_offset))


def _info(header: VolumeHeader) -> VolumeInfo:
    affine_lps_mm = display_affine_lps(header.shape, header.affine_ras_mm)
    spacing_mm = [float(mm) for mm in np.linalg.norm(affine_lps_mm[:3, :3], axis=0)]
    return VolumeInfo(
        path=header.path,
        format_name=header.format_name,
        shape=display_shape(header.shape, header.affine_ras_mm),
        spacing_mm=(spacing_mm[0], spacing_mm[1], spacing_mm[2]),
        word_type=header.dtype.name,
        is_compressed=header.encoding != "raw",
        data_paths=header.other_paths,
        problems=header.problems,
    )


def _histogram(header: VolumeHeader, hu_offset: float) -> ValueHistogram:
    return ValueHistogram(header.scale, lambda histogram: is_clear(header.dtype, header.scale, histogram, hu_offset))


def _require_ct(header: VolumeHeader, histogram: ValueHistogram, hu_offset: float, assume_hu: bool) -> tuple[str, ...]:
    """Refuse what is no CT, unless its values alone say so and the caller assumes HU; return all problems.

    What says that it is something else may have gaps; whatever else has them might be CT.
    """
    kind = kind_of(header.path, header.descriptions, histogram, hu_offset)
    if not histogram.n_values or (not kind.is_declared and not histogram.is_finite):
        raise _not_finite(header)
    if not kind.reason:
        return header.problems
    if assume_hu and not kind.is_declared:
        return (*header.problems, "maybe_not_hu")
    remedy = "leave it out" if kind.is_declared else _REMEDIES[kind.reason]
    got = f"{kind.got}, and its name or header says so" if kind.is_declared else kind.got
    raise refused(kind.reason, header.path, _REQUIREMENTS[kind.reason], got, remedy)


def _not_finite(header: VolumeHeader) -> SeriesError:
    return refused("not_finite", header.path, "must hold finite HU", "NaN or infinity", "fill the gaps")


def _require_hu(hu: np.ndarray, shape: tuple[int, ...]) -> None:
    if hu.shape != shape:
        raise SeriesError("bad_shape", explain("denoised volume", f"must be {shape}", hu.shape, "keep the size"))
    if not np.isfinite(hu).all():
        raise SeriesError("not_finite", explain("denoised volume", "must be finite HU", "NaN", "check the model"))


def _output_paths(volume_format: VolumeFormat, header: VolumeHeader, out: Path) -> tuple[Path, ...]:
    data_path = volume_format.output_data_path(header, out)
    return (out,) if data_path is None else (out, data_path)


def _require_free(header: VolumeHeader, out_paths: tuple[Path, ...], overwrite: bool) -> None:
    """Neither the header nor its data file may be the source's; both must be free unless they may be replaced."""
    sources = {path.resolve() for path in (header.path, *header.data_paths)}
    for place in out_paths:
        if place.resolve() in sources:
            raise OutputError(explain(str(place), "must not be the source", "the same file", "choose another name"))
        if place.exists() and not overwrite:
            raise OutputError(explain(str(place), "must not exist yet", "a file", "skip it or pass overwrite"))
