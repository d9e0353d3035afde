"""Volumes that are no DICOM: NIfTI, NRRD and MetaImage in, the same form, geometry and type out; of CT only.

Stored values are HU after the file's own slope and intercept; NRRD and MetaImage have none. Where a volume's values are
off by a constant (HU + 1000, say), only a person knows: ``hu_offset`` is added to what is stored, and taken off again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np

from n2b_ct.errors import OutputError, SeriesError, explain
from n2b_ct.io import metaimage, nifti, nrrd
from n2b_ct.io.series import CTSeries
from n2b_ct.io.value_census import Census
from n2b_ct.io.volume_kind import is_clear, kind_of
from n2b_ct.io.voxel_files import VoxelFile, check_lengths, read_words, refused, stream_words
from n2b_ct.io.voxels import (
    Scale,
    display_affine_lps,
    display_shape,
    from_display,
    require_directions,
    to_display,
)

_FORMS: tuple[ModuleType, ...] = (nifti, nrrd, metaimage)
ENDINGS: tuple[str, ...] = (".nii.gz", ".nii", ".hdr", *nrrd.SUFFIXES, *metaimage.SUFFIXES)
_REQUIREMENTS = {
    "label_map": "must hold HU, not labels",
    "not_ct": "must hold HU, not another kind of image",
    "maybe_not_hu": "must hold HU",
}
_REMEDIES = {
    "label_map": "leave it out, or pass --assume-hu",
    "not_ct": "leave it out, or pass --assume-hu",
    "maybe_not_hu": "pass --volume-offset-hu -1024 if they are HU + 1024, --assume-hu if they are HU, or leave it out",
}


@dataclass(frozen=True, slots=True)
class VolumeInfo:
    """What a volume's header tells.

    Attributes:
        path: The file with the header.
        form: ``NIfTI``, ``NRRD`` or ``MetaImage``.
        shape: ``(slices, rows, cols)``.
        spacing_mm: Between slices, rows and columns.
        word_type: Type of a stored value, such as ``int16``.
        is_compressed: Whether its data are.
        data_paths: Data files beside the header.
        problems: Codes such as ``unsure_geometry``: used, but worth knowing.
    """

    path: Path
    form: str
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    word_type: str
    is_compressed: bool
    data_paths: tuple[Path, ...] = ()
    problems: tuple[str, ...] = ()


def is_volume(path: Path) -> bool:
    """Say whether a file's name is a volume's; ``.hdr`` is shared by other programs, so its start is looked at too."""
    return path.name.lower().endswith(ENDINGS) and (not nifti.is_pair(path) or nifti.starts_a_pair(path))


def describe_volume(path: Path) -> VolumeInfo:
    """Read a volume's header; its values are not looked at.

    Raises:
        SeriesError: The header cannot be trusted, or its data are not there whole.
    """
    return _info(_understood(path))


def examine_volume(path: Path, *, hu_offset: float = 0.0, assume_hu: bool = False) -> VolumeInfo:
    """Read a volume's header, and as many of its values as it takes to see whether they are finite HU.

    Args:
        path: The file with the header.
        hu_offset: What must be added to the file's values to get HU.
        assume_hu: Vouch for values that may be none; its problems then say ``maybe_not_hu``.

    Raises:
        SeriesError: As :func:`read_volume`.
    """
    volume = _understood(path)
    census = _census(volume, hu_offset)
    for piece in stream_words(volume):
        census.add(piece)
        if census.is_settled and piece.dtype.kind != "f":
            break
    return replace(_info(volume), problems=_judged(volume, census, hu_offset, assume_hu))


def read_volume(path: Path, *, hu_offset: float = 0.0, assume_hu: bool = False) -> CTSeries:
    """Read a CT volume.

    Args:
        path: ``.nii``, ``.nii.gz``, ``.hdr``, ``.nrrd``, ``.nhdr``, ``.mha`` or ``.mhd``.
        hu_offset: What must be added to the file's values to get HU.
        assume_hu: Vouch for values that may be none; its problems then say ``maybe_not_hu``.

    Returns:
        HU float32 ``[slices, rows, cols]`` and the affine from (slice, row, col) to LPS millimetres.

    Raises:
        SeriesError: ``label_map``, ``not_ct`` or ``maybe_not_hu``: it is no CT, or nobody says that it is;
            ``unreadable``, ``bad_value``, ``not_3d``, ``not_finite``, ``too_large``, ``pixel_truncated`` and the like.
    """
    volume = _understood(Path(path))
    census = _census(volume, hu_offset)
    words = read_words(volume, census.add)
    problems = _judged(volume, census, hu_offset, assume_hu)
    hu = to_display(_in_hu(volume, hu_offset).scale.to_hu(words), volume.affine_ras_mm)
    if not np.isfinite(hu).all():
        raise _not_finite(volume)
    affine_lps_mm = display_affine_lps(volume.shape, volume.affine_ras_mm)
    return CTSeries(hu, np.zeros(hu.shape, dtype=bool), affine_lps_mm, volume.path, problems)


def write_volume_like(
    source: Path, hu: np.ndarray, out: Path, *, overwrite: bool = False, hu_offset: float = 0.0
) -> int:
    """Write HU in the form of their source: same header, axes, type, byte order, compression and scale.

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
    form = _form(source)
    _require_ending(source, out)
    volume = _in_hu(_understood(source), hu_offset)
    _require_free(volume, out, overwrite)
    _require_hu(hu, display_shape(volume.shape, volume.affine_ras_mm))
    words, n_clipped = volume.scale.to_words(from_display(hu, volume.affine_ras_mm), read_words(volume))
    form.save_like(volume, words, out)
    return n_clipped


def data_paths(path: Path) -> tuple[Path, ...]:
    """List the data files that a volume's header names; none where the header cannot be trusted."""
    try:
        return tuple(part for part in _form(path).understand(path).parts if part != path)
    except SeriesError:
        return ()


def written_paths(source: Path, out: Path) -> tuple[Path, ...]:
    """List the files that :func:`write_volume_like` writes, ``out`` first; that alone if the source cannot be read."""
    try:
        return (out, *_data_place(_form(source).understand(source), out))
    except SeriesError:
        return (out,)


def _form(path: Path) -> ModuleType:
    for form in _FORMS:
        if path.name.lower().endswith(form.SUFFIXES):
            return form
    raise refused("unreadable", path, f"must end in one of {', '.join(ENDINGS)}", path.suffix or "none", "rename it")


def _understood(path: Path) -> VoxelFile:
    understand: Callable[[Path], VoxelFile] = _form(path).understand
    volume = understand(path)
    require_directions(volume.affine_ras_mm, path.name)
    check_lengths(volume)
    return volume


def _in_hu(volume: VoxelFile, hu_offset: float) -> VoxelFile:
    return replace(volume, scale=Scale(volume.scale.slope, volume.scale.intercept + hu_offset))


def _info(volume: VoxelFile) -> VolumeInfo:
    affine_lps_mm = display_affine_lps(volume.shape, volume.affine_ras_mm)
    spacing_mm = [float(mm) for mm in np.linalg.norm(affine_lps_mm[:3, :3], axis=0)]
    return VolumeInfo(
        path=volume.path,
        form=volume.form,
        shape=display_shape(volume.shape, volume.affine_ras_mm),
        spacing_mm=(spacing_mm[0], spacing_mm[1], spacing_mm[2]),
        word_type=volume.dtype.name,
        is_compressed=volume.encoding != "raw",
        data_paths=tuple(part for part in volume.parts if part != volume.path),
        problems=volume.problems,
    )


def _census(volume: VoxelFile, hu_offset: float) -> Census:
    return Census(volume.scale, lambda census: is_clear(volume.dtype, volume.scale, census, hu_offset))


def _judged(volume: VoxelFile, census: Census, hu_offset: float, assume_hu: bool) -> tuple[str, ...]:
    """Refuse what is no CT, unless its values alone say so and somebody vouches for them; return all problems.

    What says that it is something else may have gaps; whatever else has them might be CT.
    """
    kind = kind_of(volume.path, volume.remarks, census, hu_offset)
    if not census.n_values or (not kind.is_said and not census.is_finite):
        raise _not_finite(volume)
    if not kind.reason:
        return volume.problems
    if assume_hu and not kind.is_said:
        return (*volume.problems, "maybe_not_hu")
    remedy = "leave it out" if kind.is_said else _REMEDIES[kind.reason]
    got = f"{kind.got}, and its name or header says so" if kind.is_said else kind.got
    raise refused(kind.reason, volume.path, _REQUIREMENTS[kind.reason], got, remedy)


def _not_finite(volume: VoxelFile) -> SeriesError:
    return refused("not_finite", volume.path, "must hold finite HU", "NaN or infinity", "fill the gaps")


def _require_hu(hu: np.ndarray, shape: tuple[int, ...]) -> None:
    if hu.shape != shape:
        raise SeriesError("bad_shape", explain("denoised volume", f"must be {shape}", hu.shape, "keep the size"))
    if not np.isfinite(hu).all():
        raise SeriesError("not_finite", explain("denoised volume", "must be finite HU", "NaN", "check the model"))


def _require_ending(source: Path, out: Path) -> None:
    endings = nifti.SINGLE_SUFFIXES if nifti.is_nifti(source) else (source.suffix.lower(),)
    if not out.name.lower().endswith(endings):
        raise OutputError(explain(str(out), f"must end in {' or '.join(endings)}", out.name, "rename it"))


def _require_free(volume: VoxelFile, out: Path, overwrite: bool) -> None:
    """Neither the header nor its data file may be the source's; both must be free unless they may be replaced."""
    sources = {path.resolve() for path in (volume.path, *volume.parts)}
    for place in (out, *_data_place(volume, out)):
        if place.resolve() in sources:
            raise OutputError(explain(str(place), "must not be the source", "the same file", "choose another name"))
        if place.exists() and not overwrite:
            raise OutputError(explain(str(place), "must not exist yet", "a file", "skip it or pass overwrite"))


def _data_place(volume: VoxelFile, out: Path) -> tuple[Path, ...]:
    if out.suffix.lower() not in (".mhd", ".nhdr", ".hdr"):
        return ()
    return (_form(out).data_place(out, volume),)
