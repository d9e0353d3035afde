"""NIfTI volumes (``.nii``, ``.nii.gz``): their header, understood and written back byte for byte."""

from __future__ import annotations

import gzip
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Literal

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError

from n2b_ct.io.atomic import write_atomically
from n2b_ct.io.voxel_files import MAX_HEADER_BYTES, VoxelFile, encoded, file_size, refused, require_size
from n2b_ct.io.voxels import Scale

SUFFIXES = (".nii", ".nii.gz")

_FORMS = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
_BYTE_ORDERS: tuple[tuple[Literal["little", "big"], str], ...] = (("little", "<"), ("big", ">"))
_N_AXES = range(2, 8)
_MAX_WORD_BYTES = 8


def understand(path: Path) -> VoxelFile:
    """Read a file's header; scl_slope and scl_inter are its scale.

    Raises:
        SeriesError: ``unreadable``, ``bad_value``, ``not_3d`` or ``too_large``.
    """
    is_compressed = path.name.lower().endswith(".gz")
    n_file_bytes = file_size(path, path)
    header = _header(path, is_compressed)
    n_ahead = _n_bytes_ahead(path, header, MAX_HEADER_BYTES if is_compressed else n_file_bytes)
    return VoxelFile(
        path=path,
        form="NIfTI",
        head=_leading_bytes(path, is_compressed, n_ahead),
        dtype=_dtype(path, header),
        shape=_shape(path, header),
        affine_ras_mm=_affine(path, header),
        scale=_scale(path, header),
        parts=(path,),
        encoding="gzip" if is_compressed else "raw",
        skip=n_ahead,
    )


def save_like(volume: VoxelFile, words: np.ndarray, out: Path) -> None:
    """Write words under a volume's header; the name says whether they are compressed.

    Raises:
        OutputError: The file cannot be written.
    """

    def write(file: BinaryIO) -> None:
        content = volume.head + words.tobytes(order="F")
        is_compressed = out.name.lower().endswith(".gz")
        file.write(encoded(np.frombuffer(content, np.uint8), "gzip") if is_compressed else content)

    write_atomically(out, write)


def _header(path: Path, is_compressed: bool) -> Any:
    """Parse the fixed part of the header, NIfTI-1 or NIfTI-2 in either byte order."""
    start = _leading_bytes(path, is_compressed, max(_FORMS))
    for order, mark in _BYTE_ORDERS:
        size = int.from_bytes(start[:4], order)
        if size in _FORMS and len(start) >= size:
            header: Any = _FORMS[size](start[:size], mark, check=False)
            if header["magic"].item() == header.single_magic:
                return header
    raise refused("unreadable", path, "must be a readable NIfTI file", "another header", "replace the file")


def _leading_bytes(path: Path, is_compressed: bool, n_bytes: int) -> bytes:
    """The header and its extensions, byte for byte."""
    try:
        with ExitStack() as stack:
            file = stack.enter_context(path.open("rb"))
            stream = stack.enter_context(gzip.GzipFile(fileobj=file)) if is_compressed else file
            return stream.read(n_bytes)
    except (OSError, EOFError, zlib.error) as error:
        got = type(error).__name__
        raise refused("unreadable", path, "must be a readable NIfTI file", got, "replace the file") from error


def _n_bytes_ahead(path: Path, header: Any, limit: int) -> int:
    offset = float(header["vox_offset"])
    if not (header.single_vox_offset <= offset <= limit and offset.is_integer()):
        raise refused("bad_value", path, "must have a vox_offset behind its header", f"{offset:g}", "replace the file")
    return int(offset)


def _dtype(path: Path, header: Any) -> np.dtype:
    try:
        dtype = np.dtype(header.get_data_dtype())
    except (KeyError, HeaderDataError) as error:
        raise refused(
            "bad_value", path, "must hold plain numbers", "an unknown datatype", "convert it first"
        ) from error
    if dtype.kind not in "iuf" or dtype.itemsize > _MAX_WORD_BYTES:
        raise refused("bad_value", path, "must hold plain numbers", dtype, "convert it first")
    if int(header["bitpix"]) != 8 * dtype.itemsize:
        got = f"bitpix {int(header['bitpix'])} for {dtype}"
        raise refused("bad_value", path, "must agree with itself about its words", got, "replace the file")
    return dtype


def _shape(path: Path, header: Any) -> tuple[int, int, int]:
    """Take dim as ``(i, j, k)``: a plane gets a third axis, trailing axes of length 1 go."""
    n_axes, *lengths = (int(length) for length in header["dim"])
    if n_axes not in _N_AXES:
        requirement = "must have two to seven axes"
        raise refused("not_3d" if n_axes == 1 else "bad_value", path, requirement, n_axes, "replace the file")
    shape = tuple(lengths[:n_axes])
    require_size(path, shape)
    if any(length != 1 for length in shape[3:]):
        raise refused("not_3d", path, "must be one volume", f"shape {shape}", "split it first")
    return (*shape, 1)[:3]  # type: ignore[return-value]


def _scale(path: Path, header: Any) -> Scale:
    try:
        slope, intercept = header.get_slope_inter()
    except HeaderDataError as error:
        got = "a scl_slope or scl_inter that is no number"
        raise refused("bad_rescale", path, "must say how words become HU", got, "correct its header") from error
    return Scale() if slope is None else Scale(float(slope), float(intercept))


def _affine(path: Path, header: Any) -> np.ndarray:
    try:
        with np.errstate(all="ignore"):
            return np.asarray(header.get_best_affine(), dtype=np.float64)
    except (ValueError, HeaderDataError) as error:
        message = "must place its voxels in space"
        raise refused("bad_value", path, message, "a degenerate geometry", "correct its header") from error


def is_nifti(path: Path) -> bool:
    """Say whether a file's name is a single-file NIfTI's."""
    return path.name.lower().endswith(SUFFIXES)
