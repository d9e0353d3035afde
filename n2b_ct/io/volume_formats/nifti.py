"""NIfTI volumes (``.nii``, ``.nii.gz``; ``.hdr`` with ``.img``): their header, understood and written back as it is."""

from __future__ import annotations

import gzip
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError

from n2b_ct.io.atomic import write_atomically
from n2b_ct.io.volume_formats.base import VolumeFormat
from n2b_ct.io.volume_formats.data_files import file_size, local_file, write_header_and_data
from n2b_ct.io.volume_formats.header import Scale, VolumeHeader, refused, require_size
from n2b_ct.io.volume_formats.stored_words import MAX_HEADER_BYTES, encoded
from n2b_ct.registry import VOLUME_FORMATS

_SINGLE_SUFFIXES = (".nii", ".nii.gz")
_PAIR_SUFFIX = ".hdr"
_ENCODING = "latin-1"
_HEADERS = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
_BYTE_ORDERS: tuple[tuple[Literal["little", "big"], str], ...] = (("little", "<"), ("big", ">"))
_N_AXES = range(2, 8)
_MAX_WORD_BYTES = 8
_LABELS = (1002, 1003)  # intent codes: labels, names of brain regions
_VECTORS = (1006, 1007)  # displacements, vectors
_SAME_PLACE_MM = 1e-2


@VOLUME_FORMATS.register(".nii")
@VOLUME_FORMATS.register(".nii.gz")
@VOLUME_FORMATS.register(".hdr")
class Nifti(VolumeFormat):
    """NIfTI 1 and 2 in one file, compressed or not, or as a pair of header and image."""

    def read_header(self, path: Path) -> VolumeHeader:
        """Read a file's header; scl_slope and scl_inter are its scale.

        Raises:
            SeriesError: ``unreadable``, ``bad_value``, ``not_3d``, ``not_grayscale``, ``not_ct`` or ``too_large``.
        """
        is_compressed = path.name.lower().endswith(".gz")
        data_path = local_file(path, _image_path(path).name) if _is_pair(path) else path
        n_file_bytes = file_size(data_path, path)
        header = _header(path, is_compressed)
        n_ahead = _n_bytes_ahead(path, header, MAX_HEADER_BYTES if is_compressed else n_file_bytes)
        n_head = file_size(path, path) if _is_pair(path) else n_ahead
        return VolumeHeader(
            path=path,
            format_name="NIfTI",
            header_bytes=_leading_bytes(path, is_compressed, min(n_head, MAX_HEADER_BYTES)),
            dtype=_dtype(path, header),
            shape=_shape(path, header),
            affine_ras_mm=_affine(path, header),
            scale=_scale(path, header),
            data_paths=(data_path,),
            encoding="gzip" if is_compressed else "raw",
            n_skipped_bytes=n_ahead,
            descriptions=_descriptions(header),
            problems=_problems(header),
        )

    def write(self, header: VolumeHeader, words: np.ndarray, out: Path) -> None:
        """Write words under a volume's header; the name says whether they are compressed."""
        content = words.tobytes(order="F")
        if (data_path := self.output_data_path(header, out)) is not None:
            ahead = _leading_bytes(header.data_paths[0], is_compressed=False, n_bytes=header.n_skipped_bytes)
            write_header_and_data(out, header.header_bytes, data_path, ahead + content)
            return
        whole = header.header_bytes + content
        if out.name.lower().endswith(".gz"):
            whole = encoded(np.frombuffer(whole, np.uint8), "gzip")
        write_atomically(out, lambda file: file.write(whole))

    def has_format(self, path: Path) -> bool:
        """Return whether a ``.hdr`` is a header of NIfTI or of its forerunner; other programs use that name too."""
        if not _is_pair(path):
            return True
        try:
            with path.open("rb") as file:
                start = file.read(4)
        except OSError:
            return False
        return any(int.from_bytes(start, order) in _HEADERS for order, _ in _BYTE_ORDERS)

    def output_suffixes(self, suffix: str) -> tuple[str, ...]:
        """A single file may be compressed or not, as its name says."""
        return (suffix,) if suffix == _PAIR_SUFFIX else _SINGLE_SUFFIXES

    def output_data_path(self, header: VolumeHeader, out: Path) -> Path | None:  # noqa: ARG002
        """Name the ``.img`` of a pair."""
        return _image_path(out) if _is_pair(out) else None


def _is_pair(path: Path) -> bool:
    return path.suffix.lower() == _PAIR_SUFFIX


def _image_path(header: Path) -> Path:
    return header.with_suffix(".IMG" if header.suffix.isupper() else ".img")


def _header(path: Path, is_compressed: bool) -> Any:
    """Parse the fixed part of the header, NIfTI-1 or NIfTI-2 in either byte order."""
    start = _leading_bytes(path, is_compressed, max(_HEADERS))
    got = "another header"
    for order, mark in _BYTE_ORDERS:
        size = int.from_bytes(start[:4], order)
        if size in _HEADERS and len(start) >= size:
            header: Any = _HEADERS[size](start[:size], mark, check=False)
            if header["magic"].item() == (header.pair_magic if _is_pair(path) else header.single_magic):
                return header
            got = "one of Analyze 7.5, which does not tell left from right" if _is_pair(path) else got
    raise refused("unreadable", path, "must be a readable NIfTI file", got, "convert it to .nii or replace it")


def _descriptions(header: Any) -> tuple[str, ...]:
    """Collect what says what the volume shows: intent and description, as text."""
    texts = [header[name].item().decode(_ENCODING) for name in ("intent_name", "descrip")]
    return (*(["label"] if int(header["intent_code"]) in _LABELS else []), *texts)


def _problems(header: Any) -> tuple[str, ...]:
    """Find what is odd about the place of the voxels: none is said, or two that differ."""
    codes = [int(header[name]) for name in ("sform_code", "qform_code")]
    if not any(codes):
        return ("unsure_geometry",)
    try:
        with np.errstate(all="ignore"):
            sform, qform = header.get_sform(), header.get_qform()
    except (ValueError, HeaderDataError):
        return ()  # of the one that counts the affine will tell
    sizes_mm = np.abs(np.asarray(header["pixdim"][1:4], dtype=float))
    is_other_size = codes[0] > 0 and not np.allclose(
        np.linalg.norm(sform[:3, :3], axis=0), sizes_mm, rtol=_SAME_PLACE_MM
    )
    is_other_place = all(codes) and not np.allclose(sform, qform, rtol=0, atol=_SAME_PLACE_MM)
    return ("unsure_geometry",) if is_other_size or is_other_place else ()


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
    least = header.pair_vox_offset if _is_pair(path) else header.single_vox_offset
    if not (least <= offset <= limit and offset.is_integer()):
        raise refused("bad_value", path, "must have a vox_offset behind its header", f"{offset:g}", "replace the file")
    return int(offset)


def _dtype(path: Path, header: Any) -> np.dtype:
    try:
        dtype = np.dtype(header.get_data_dtype())
    except (KeyError, HeaderDataError) as error:
        raise refused(
            "bad_value", path, "must hold plain numbers", "an unknown datatype", "convert it first"
        ) from error
    if int(header["bitpix"]) != 8 * dtype.itemsize:
        got = f"bitpix {int(header['bitpix'])} for {dtype}"
        raise refused("bad_value", path, "must agree with itself about its words", got, "replace the file")
    if dtype.names:
        raise refused("not_grayscale", path, "must hold one number a voxel", "colours", "leave it out")
    if dtype.kind == "c":
        raise refused("not_ct", path, "must hold HU", "complex numbers", "leave it out")
    if dtype.kind not in "iuf" or dtype.itemsize > _MAX_WORD_BYTES:
        raise refused("bad_value", path, "must hold plain numbers", dtype, "convert it first")
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
        _refuse_vectors(path, header)
        raise refused("not_3d", path, "must be one volume", f"shape {shape}", "split it first")
    return (*shape, 1)[:3]  # type: ignore[return-value]


def _refuse_vectors(path: Path, header: Any) -> None:
    """Tell colours and vectors, by intent and type, from several volumes in one file."""
    if int(header["intent_code"]) not in _VECTORS:
        return
    dtype = np.dtype(header.get_data_dtype())
    if dtype == np.uint8:
        raise refused("not_grayscale", path, "must hold one number a voxel", "colours", "leave it out")
    if dtype.kind == "f":
        raise refused("not_ct", path, "must hold HU", "vectors", "leave it out")


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
