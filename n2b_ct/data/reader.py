"""One CT series, or one NIfTI, NRRD or MetaImage volume, for ``monai.transforms.LoadImaged``.

MONAI's own DICOM reader joins every file of a folder into one volume, whichever series it belongs to,
and sorts by InstanceNumber. This one reads through :mod:`n2b_ct.io`: sorted by position, padding and
rescale honoured, and two series are an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import ImageReader
from monai.utils import MetaKeys, SpaceKeys

from n2b_ct.io.one_series import read_series
from n2b_ct.io.series import CTSeries, SeriesRef

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
        assume_hu: Assume HU where a file does not say so, or where a volume's values do not look like HU.
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
        """Accept any name: DICOM files often have no suffix."""
        return True

    def read(self, data: Paths, **_kwargs: Any) -> _Wanted:
        """Record what to read; :meth:`get_data` reads it.

        LoadImage swallows whatever ``read`` raises and hands the files to MONAI's next reader, which
        would silently mix two series. It does not swallow what ``get_data`` raises.

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
        series = read_series(
            img.paths,
            series_uid=self.series_uid,
            volume_offset_hu=self.hu_offset,
            assume_hu=self.assume_hu,
            skip_bad_slices=self.skip_bad_slices,
        )
        return series.hu, _metadata(series)


def _metadata(series: CTSeries) -> dict[str, Any]:
    affine_ras_mm = _LPS_TO_RAS @ series.affine_lps_mm
    source = series.source if isinstance(series.source, SeriesRef) else None
    return {
        MetaKeys.AFFINE: affine_ras_mm,
        MetaKeys.ORIGINAL_AFFINE: affine_ras_mm.copy(),
        MetaKeys.SPACE: SpaceKeys.RAS,
        MetaKeys.SPATIAL_SHAPE: np.asarray(series.hu.shape),
        MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan"),
        "spacing": np.linalg.norm(affine_ras_mm[:3, :3], axis=0),
        "series_instance_uid": source.series_instance_uid if source else "",
        "problems": " ".join(series.problems),
    }
