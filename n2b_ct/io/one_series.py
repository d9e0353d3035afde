"""The one CT series, or the one volume, of a folder or of some files; two are an error that says how to choose."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from n2b_ct.config.arguments import checked_arguments
from n2b_ct.errors import DataError, explain
from n2b_ct.io.dicom.ct_reader import decodable
from n2b_ct.io.dicom.ct_reader import read_series as read_found
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.series import CTSeries, FileRecord, Refusals, SeriesRef, require_whole
from n2b_ct.io.volumes import is_volume, read_volume


@checked_arguments()
def read_series(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    series_uid: str | None = None,
    volume_offset_hu: float = 0.0,
    assume_hu: bool = False,
    skip_bad_slices: bool = False,
) -> CTSeries:
    """Read one CT series, or one NIfTI, NRRD or MetaImage volume.

    Args:
        path: A folder or a DICOM file, a volume, or DICOM files of one folder.
        series_uid: SeriesInstanceUID to read where a folder holds several.
        volume_offset_hu: Added to a volume's values to get HU; DICOM says it itself.
        assume_hu: Assume HU where a file does not say so, or where a volume's values do not look like HU.
        skip_bad_slices: Leave out files that cannot be used; by default one of them fails the series.

    Returns:
        HU float32 ``[slices, rows, cols]``, sorted by position, with spacing, affine and header facts.

    Raises:
        DataError: There is no series, or more than one and ``series_uid`` chooses none.
        SeriesError: The series or the volume cannot be trusted.

    Examples:
        >>> import n2b_ct as n2b
        >>> series = n2b.read_series("data/noisy")
        >>> series.hu.shape, series.hu.dtype
        ((3, 64, 64), dtype('float32'))
        >>> series.spacing_mm
        (2.0, 0.5, 0.75)
        >>> series.facts["ConvolutionKernel"]
        'B30'
    """
    paths = tuple(Path(one) for one in ((path,) if isinstance(path, str | os.PathLike) else path))
    if any(is_volume(one) for one in paths):
        return read_volume(_only_one(paths), hu_offset=volume_offset_hu, assume_hu=assume_hu)
    offered = _find_series(paths, assume_hu)
    if series_uid is not None:
        offered = [found for found in offered if found.series.series_instance_uid == series_uid]
    found = _the_one(offered, paths[0].name, series_uid)
    require_whole(found.series, found.refused, skip_bad_slices=skip_bad_slices)
    series, _ = decodable(found.series) if skip_bad_slices else (found.series, ())
    return read_found(series)


@dataclass(frozen=True, slots=True)
class _Found:
    """A series with the slices that were asked for, and the files among what was asked for that were refused."""

    series: SeriesRef
    refused: tuple[FileRecord, ...]


def _only_one(paths: tuple[Path, ...]) -> Path:
    if len(paths) > 1:
        message = explain("image", "must be one volume", f"{len(paths)} files", "load them one by one")
        raise DataError(message)
    return paths[0]


def _find_series(paths: tuple[Path, ...], assume_hu: bool) -> list[_Found]:
    """Scan the folder or file given, or the one folder of the files given."""
    if len(paths) == 1:
        result = scan(paths[0], assume_hu=assume_hu)
        refusals = Refusals(result.records)
        return [_Found(series, refusals.of(series)) for series in result.series]
    folders = {path.parent for path in paths}
    if len(folders) != 1:
        requirement = "the files of a series must lie in one folder"
        raise DataError(explain("image", requirement, f"files of {len(folders)} folders", "give the series' folder"))
    asked = {path.resolve() for path in paths}
    result = scan(folders.pop(), assume_hu=assume_hu)
    refusals = Refusals(record for record in result.records if record.path.resolve() in asked)
    within = (_Found(_among(series, asked), refusals.of(series)) for series in result.series)
    return [found for found in within if len(found.series)]


def _among(series: SeriesRef, asked: set[Path]) -> SeriesRef:
    return replace(series, instances=tuple(one for one in series.instances if one.path.resolve() in asked))


def _the_one(offered: list[_Found], place: str, series_uid: str | None) -> _Found:
    """Take the only series, or say what there is to choose from."""
    if len(offered) == 1:
        return offered[0]
    if not offered:
        asked = "a CT series" if series_uid is None else f"the series {series_uid}"
        raise DataError(explain(place, f"must hold {asked}", "none", "look at it with n2b-ct inspect"))
    listed = ", ".join(f"{found.series.public_uid} ({len(found.series)} slices)" for found in offered)
    raise DataError(explain(place, "must hold one CT series", listed, "choose one with series_uid= or give its files"))
