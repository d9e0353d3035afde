"""One CT series, or one NIfTI, NRRD or MetaImage volume, for ``monai.transforms.LoadImaged``.

MONAI's own DICOM reader joins every file of a folder into one volume, whichever series it belongs to,
and sorts by InstanceNumber. This one reads through :mod:`n2b_ct.io`: sorted by position, padding and
rescale honoured, and two series are an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import ImageReader
from monai.utils import MetaKeys, SpaceKeys

from n2b_ct.errors import DataError, explain
from n2b_ct.io.dicom.ct_reader import decodable, read_series
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.refusals import Refusals, require_whole
from n2b_ct.io.series import CTSeries, FileRecord, SeriesRef
from n2b_ct.io.volumes import is_volume, read_volume

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

Paths = Sequence[str | Path] | str | Path


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Paths that are still to be read."""

    paths: tuple[Path, ...]


class CTSeriesReader(ImageReader):
    """Read CT as HU, float32 ``[slices, rows, cols]``, with an affine to RAS millimetres.

    ``LoadImaged(keys="image", reader=CTSeriesReader, ensure_channel_first=True)`` makes it a MetaTensor
    ``[1, slices, rows, cols]``. MONAI's volumes usually run ``[x, y, z]``: ``Orientationd(keys="image",
    axcodes="RAS")`` turns this one into that, by its affine.

    The metadata holds ``affine`` and ``original_affine`` (voxel index to RAS, mm), ``spacing`` (mm along
    slices, rows and columns), ``spatial_shape``, ``space``, ``original_channel_dim`` (none),
    ``series_instance_uid`` (empty for volumes) and ``problems`` (codes such as ``missing_slices``, joined
    by spaces).

    Args:
        series_uid: SeriesInstanceUID to read where a folder holds several.
        hu_offset: What must be added to a volume's values to get HU; DICOM says it itself.
        assume_hu: Vouch for values where a file does not say that they are HU, or where a volume's do not look it.
        skip_bad_slices: Leave out files that cannot be used; by default one of them fails its series.
    """

    def __init__(
        self,
        series_uid: str | None = None,
        hu_offset: float = 0.0,
        assume_hu: bool = False,
        *,
        skip_bad_slices: bool = False,
    ) -> None:
        super().__init__()
        self.series_uid, self.hu_offset, self.assume_hu = series_uid, hu_offset, assume_hu
        self.skip_bad_slices = skip_bad_slices

    def verify_suffix(self, filename: Paths) -> bool:  # noqa: ARG002  (MONAI's signature)
        """Accept any name: DICOM files often have none that tells."""
        return True

    def read(self, data: Paths, **_kwargs: Any) -> _Wanted:
        """Note what to read; :meth:`get_data` reads it.

        LoadImage swallows whatever ``read`` raises and hands the files to MONAI's next reader, which
        would mix two series without a word. It does not swallow what ``get_data`` raises.

        Args:
            data: A folder, a DICOM file or a volume, or several DICOM files of one folder.
        """
        paths = [data] if isinstance(data, str | Path) else data
        return _Wanted(tuple(Path(path) for path in paths))

    def get_data(self, img: _Wanted) -> tuple[np.ndarray, dict[str, Any]]:
        """Read the series.

        Args:
            img: What :meth:`read` returned.

        Returns:
            HU float32 ``[slices, rows, cols]`` and the metadata.

        Raises:
            DataError: There is no series, or more than one and ``series_uid`` chooses none.
            SeriesError: The series or the volume cannot be trusted.
        """
        series = self._read(img.paths)
        return series.hu, _metadata(series)

    def _read(self, paths: tuple[Path, ...]) -> CTSeries:
        if any(is_volume(path) for path in paths):
            return read_volume(_only_one(paths), hu_offset=self.hu_offset, assume_hu=self.assume_hu)
        offered = _find_series(paths, self.assume_hu)
        if self.series_uid is not None:
            offered = [found for found in offered if found.series.series_instance_uid == self.series_uid]
        found = _the_one(offered, paths[0].name, self.series_uid)
        require_whole(found.series, found.refused, skip_bad_slices=self.skip_bad_slices)
        series, _ = decodable(found.series) if self.skip_bad_slices else (found.series, ())
        return read_series(series)


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


def _metadata(series: CTSeries) -> dict[str, Any]:
    affine_ras_mm = _LPS_TO_RAS @ series.affine_lps_mm
    source = series.source if isinstance(series.source, SeriesRef) else None
    problems = source.problems if source else series.problems
    return {
        MetaKeys.AFFINE: affine_ras_mm,
        MetaKeys.ORIGINAL_AFFINE: affine_ras_mm.copy(),
        MetaKeys.SPACE: SpaceKeys.RAS,
        MetaKeys.SPATIAL_SHAPE: np.asarray(series.hu.shape),
        MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan"),
        "spacing": np.linalg.norm(affine_ras_mm[:3, :3], axis=0),
        "series_instance_uid": source.series_instance_uid if source else "",
        "problems": " ".join(problems),
    }
