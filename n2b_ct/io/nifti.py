"""NIfTI volumes as HU, and HU back into the same file form.

A NIfTI array is ``[i, j, k]`` with an affine to RAS+ millimetres; which of i, j, k runs across, down or
along the patient differs from file to file. Here every volume becomes ``[slices, rows, cols]`` as DICOM
shows an axial slice: columns run to the patient's Left, rows to the Posterior, slices to the Superior.
Axes are only swapped and flipped, never resampled, so the way back is exact.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import nibabel
import numpy as np
from nibabel import orientations

from n2b_ct.errors import OutputError, SeriesError, explain
from n2b_ct.hu import hu_to_stored, stored_to_hu
from n2b_ct.io.atomic import write_atomically
from n2b_ct.io.series import CTSeries

_DISPLAY_AXES = ("L", "P", "S")  # array [cols, rows, slices] before the transpose
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_REVERSED_AXES = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], dtype=float)
_GZIP_LEVEL = 6


@dataclass(frozen=True, slots=True)
class _Volume:
    """A NIfTI file as stored.

    Attributes:
        words: Stored values in the file's type and byte order ``[i, j, k]``.
        shape: The file's own shape, with any axes of length 1 behind the third.
        slope, intercept: scl_slope and scl_inter.
        affine_ras_mm: ``[4, 4]``.
        n_bytes_ahead: Length of the header and its extensions.
    """

    words: np.ndarray
    shape: tuple[int, ...]
    slope: float
    intercept: float
    affine_ras_mm: np.ndarray
    n_bytes_ahead: int

    @property
    def to_display(self) -> np.ndarray:
        """nibabel's transform from the file's axes to (L, P, S)."""
        own = orientations.io_orientation(self.affine_ras_mm)
        return np.asarray(orientations.ornt_transform(own, orientations.axcodes2ornt(_DISPLAY_AXES)))


def is_nifti(path: Path) -> bool:
    """Say whether a file's name is a single-file NIfTI's."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def read_nifti(path: Path) -> CTSeries:
    """Read a CT volume; scl_slope and scl_inter are honoured.

    Returns:
        HU float32 ``[slices, rows, cols]`` and the affine from (slice, row, col) to LPS millimetres.

    Raises:
        SeriesError: ``unreadable``, ``not_3d`` or ``not_finite``.
    """
    volume = _load(Path(path))
    hu = _to_display(stored_to_hu(volume.words, volume.slope, volume.intercept), volume)
    if not np.isfinite(hu).all():
        raise SeriesError("not_finite", explain(path.name, "must hold finite HU", "NaN or infinity", "fill the gaps"))
    return CTSeries(hu, np.zeros(hu.shape, dtype=bool), _affine_lps(volume), Path(path))


def write_nifti_like(source_path: Path, hu: np.ndarray, out_path: Path, *, overwrite: bool = False) -> int:
    """Write HU in the form of their source: same header, axes, type and rescale.

    Voxels whose HU equal the source's keep their stored word; others are rounded to nearest and clipped
    to the type.

    Args:
        source_path: The file that :func:`read_nifti` read.
        hu: New HU ``[slices, rows, cols]``.
        out_path: ``.nii`` or ``.nii.gz``; the name says whether it is compressed.
        overwrite: Replace an existing file.

    Returns:
        How many voxels the type could not hold.

    Raises:
        SeriesError: ``bad_shape`` or ``not_finite`` HU, or the source cannot be read.
        OutputError: The file exists, is the source, or cannot be written.
    """
    _require_free(Path(source_path), Path(out_path), overwrite)
    volume = _load(Path(source_path))
    _require_hu(hu, _to_display(volume.words, volume).shape)
    words, n_clipped = _words(_from_display(hu, volume), volume)
    header = _leading_bytes(Path(source_path), volume.n_bytes_ahead)
    content = header + words.tobytes(order="F")
    write_atomically(Path(out_path), lambda file: _write_bytes(file, content, out_path.name.endswith(".gz")))
    return n_clipped


def _load(path: Path) -> _Volume:
    """Read a file's words and description; nibabel's errors become ours."""
    try:
        image: Any = nibabel.load(path)
        proxy = image.dataobj
        words = np.asanyarray(proxy.get_unscaled())
        volume = _Volume(
            words=_three_axes(path, words),
            shape=words.shape,
            slope=float(proxy.slope),
            intercept=float(proxy.inter),
            affine_ras_mm=np.asarray(image.affine),
            n_bytes_ahead=int(proxy.offset),
        )
    except SeriesError:
        raise
    except Exception as error:
        message = explain(path.name, "must be a readable NIfTI file", type(error).__name__, "replace the file")
        raise SeriesError("unreadable", message) from error
    if words.dtype.kind not in "iuf":
        raise SeriesError("bad_value", explain(path.name, "must hold plain numbers", words.dtype, "convert it first"))
    return volume


def _three_axes(path: Path, words: np.ndarray) -> np.ndarray:
    """View the words as ``[i, j, k]``: a plane gets a third axis, trailing axes of length 1 go."""
    if words.ndim < 2 or any(length != 1 for length in words.shape[3:]):
        raise SeriesError("not_3d", explain(path.name, "must be one volume", f"shape {words.shape}", "split it first"))
    return words.reshape((*words.shape, 1)[:3], order="F")


def _to_display(array: np.ndarray, volume: _Volume) -> np.ndarray:
    """``[i, j, k]`` to ``[slices, rows, cols]``."""
    turned = orientations.apply_orientation(array, volume.to_display)
    return np.ascontiguousarray(turned.transpose(2, 1, 0))


def _from_display(array: np.ndarray, volume: _Volume) -> np.ndarray:
    """``[slices, rows, cols]`` to ``[i, j, k]``."""
    display = orientations.axcodes2ornt(_DISPLAY_AXES)
    own = orientations.io_orientation(volume.affine_ras_mm)
    back = orientations.ornt_transform(display, own)
    return np.asarray(orientations.apply_orientation(array.transpose(2, 1, 0), back))


def _affine_lps(volume: _Volume) -> np.ndarray:
    """(slice, row, col) to LPS millimetres: undo the turn, flip the signs of x and y, swap the columns."""
    undo = orientations.inv_ornt_aff(volume.to_display, volume.words.shape)
    return np.asarray(_RAS_TO_LPS @ volume.affine_ras_mm @ undo @ _REVERSED_AXES)


def _words(hu: np.ndarray, volume: _Volume) -> tuple[np.ndarray, int]:
    """HU ``[i, j, k]`` to words of the file's type, and how many had to be clipped."""
    is_kept = hu == stored_to_hu(volume.words, volume.slope, volume.intercept)
    if volume.words.dtype.kind == "f":
        words = (hu.astype(np.float64) - volume.intercept) / volume.slope
        return np.where(is_kept, volume.words, words).astype(volume.words.dtype), 0
    limits = np.iinfo(volume.words.dtype)
    rounded = hu_to_stored(hu, volume.slope, volume.intercept)
    clipped = np.clip(rounded, limits.min, limits.max)
    n_clipped = int(np.count_nonzero((clipped != rounded) & ~is_kept))
    return np.where(is_kept, volume.words, clipped.astype(volume.words.dtype)).astype(volume.words.dtype), n_clipped


def _leading_bytes(path: Path, n_bytes: int) -> bytes:
    """The header and its extensions, byte for byte."""
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
        return file.read(n_bytes)


def _write_bytes(file: BinaryIO, content: bytes, is_compressed: bool) -> None:
    """Compress without a time stamp: the same volume twice is the same file."""
    file.write(gzip.compress(content, _GZIP_LEVEL, mtime=0) if is_compressed else content)


def _require_hu(hu: np.ndarray, shape: tuple[int, ...]) -> None:
    if hu.shape != shape:
        raise SeriesError("bad_shape", explain("denoised volume", f"must be {shape}", hu.shape, "keep the size"))
    if not np.isfinite(hu).all():
        raise SeriesError("not_finite", explain("denoised volume", "must be finite HU", "NaN", "check the model"))


def _require_free(source: Path, out: Path, overwrite: bool) -> None:
    if not is_nifti(out):
        raise OutputError(explain(str(out), "must end in .nii or .nii.gz", out.name, "rename it"))
    if out.resolve() == source.resolve():
        raise OutputError(explain(str(out), "must not be the source", "the same file", "choose another name"))
    if out.exists() and not overwrite:
        raise OutputError(explain(str(out), "must not exist yet", "a file", "skip it or pass overwrite"))
