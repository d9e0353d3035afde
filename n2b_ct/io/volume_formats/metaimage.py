"""MetaImage volumes (``.mha``; ``.mhd`` with data files): their header, understood and written back line for line.

The header is text, ``Key = value``, and ends with ElementDataFile. It is read here rather than by ITK because a header
is untrusted: it may name any file of the machine and any size. ITK's reading of it is the standard that tests compare
with; what ITK leaves unread stays in the header.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from n2b_ct.io.volume_formats.base import VolumeFormat
from n2b_ct.io.volume_formats.data_files import offset_from_end, write_header_and_data
from n2b_ct.io.volume_formats.header import VolumeHeader, refused
from n2b_ct.io.volume_formats.stored_words import encoded
from n2b_ct.io.volume_formats.text_headers import (
    ENCODING,
    affine_ras,
    leading_lines,
    numbered_files,
    real_numbers,
    shown,
    three_axes,
    whole_numbers,
)
from n2b_ct.registry import VOLUME_FORMATS

_END = re.compile(rb"^[ \t]*ElementDataFile[ \t]*[=:][^\n]*(\n|\Z)", re.MULTILINE)
_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_MODALITIES = {"MET_MOD_CT": "ct", "MET_MOD_MR": "mr", "MET_MOD_NM": "spect", "MET_MOD_US": "ultrasound"}
_BIG_ENDIAN = ("ElementByteOrderMSB", "BinaryDataByteOrderMSB")
_DIRECTIONS = ("TransformMatrix", "Rotation", "Orientation")
_ORIGINS = ("Offset", "Position", "Origin")
_SPACINGS = ("ElementSpacing", "ElementSize")


@VOLUME_FORMATS.register(".mha")
@VOLUME_FORMATS.register(".mhd")
class MetaImage(VolumeFormat):
    """MetaImage, with its data in the same file or beside it."""

    def read_header(self, path: Path) -> VolumeHeader:
        """Read a header.

        Raises:
            SeriesError: ``unreadable``, ``bad_value``, ``bad_rescale``, ``not_3d``, ``not_grayscale``, ``not_ct``,
                ``too_large`` or ``data_file_refused``.
        """
        lines, n_header_bytes = leading_lines(path, _END)
        fields = _fields(path, lines)
        _require_plain(path, fields)
        shape = whole_numbers(path, "DimSize", fields["DimSize"])
        dtype = _dtype(path, fields)
        name = fields["ElementDataFile"]
        is_local = name.upper() == "LOCAL"
        data_paths = (path,) if is_local else numbered_files(path, name)
        is_compressed = _is_true(fields, "CompressedData")
        volume_shape = three_axes(path, shape)
        n_bytes = int(np.prod(volume_shape, dtype=object)) * dtype.itemsize
        affine_ras_mm = _affine(path, fields, len(shape))
        _refuse_intensity_function(path, fields)
        return VolumeHeader(
            path=path,
            format_name="MetaImage",
            header_bytes="\n".join(lines).encode(ENCODING),
            dtype=dtype,
            shape=volume_shape,
            affine_ras_mm=affine_ras_mm,
            data_paths=data_paths,
            encoding="zlib" if is_compressed else "raw",
            data_offset=n_header_bytes if is_local else _data_offset(path, fields, data_paths, n_bytes),
            descriptions=(_MODALITIES.get(fields.get("Modality", ""), ""),),
        )

    def write(self, header: VolumeHeader, words: np.ndarray, out: Path) -> None:
        """Write words under a volume's header; ``.mhd`` gets one data file of its own name."""
        data = encoded(words, header.encoding)
        data_path = self.output_data_path(header, out)
        text = _header_text(header, len(data), data_path.name if data_path else "LOCAL").encode(ENCODING)
        write_header_and_data(out, text, data_path, data)

    def output_data_path(self, header: VolumeHeader, out: Path) -> Path | None:
        """Name the data file of an ``.mhd``, as ITK does."""
        is_alone = out.suffix.lower() == ".mha"
        return None if is_alone else out.with_suffix(".zraw" if header.encoding == "zlib" else ".raw")


def _fields(path: Path, lines: list[str]) -> dict[str, str]:
    if damaged := [line for line in lines if line.strip() and not re.search(r"[=:]", line)]:
        got = f"a line {shown(damaged[0])}"  # ITK would forget all that follows it
        raise refused("unreadable", path, "must be a readable MetaImage file", got, "replace the file")
    fields = dict(_key_and_value(line) for line in lines if line.strip())
    for key in ("NDims", "DimSize", "ElementType", "ElementDataFile"):
        if not fields.get(key):
            raise refused("unreadable", path, "must be a readable MetaImage file", f"no {key}", "replace the file")
    n_axes = whole_numbers(path, "NDims", fields["NDims"])
    if n_axes != (len(fields["DimSize"].split()),):
        got = f"NDims {shown(fields['NDims'])}, DimSize {shown(fields['DimSize'])}"
        raise refused("bad_value", path, "must agree with itself about its axes", got, "correct its header")
    return fields


def _key_and_value(line: str) -> tuple[str, str]:
    """Part a line at its first ``=`` or ``:``."""
    key = re.split(r"[=:]", line, maxsplit=1)[0]
    return key.strip(), line[len(key) + 1 :].strip()


def _require_plain(path: Path, fields: dict[str, str]) -> None:
    """Refuse what is no volume of plain binary numbers."""
    _require_one_channel(path, fields)
    if not _is_true(fields, "BinaryData", "True"):
        raise refused("bad_value", path, "must hold binary words", "text", "convert it first")
    if _is_true(fields, "CompressedData") and "%" in fields["ElementDataFile"]:
        raise refused("bad_value", path, "must have one compressed data file", "many", "convert it first")


def _require_one_channel(path: Path, fields: dict[str, str]) -> None:
    """Refuse colours, vectors, and what may be several volumes."""
    n_channels = fields.get("ElementNumberOfChannels", "1")
    if n_channels == "1":
        return
    requirement, got = "must hold one number a voxel", f"{shown(n_channels)} channels"
    if fields["ElementType"] == "MET_UCHAR" and n_channels in ("3", "4"):
        raise refused("not_grayscale", path, requirement, got, "leave it out")
    if fields["ElementType"] in ("MET_FLOAT", "MET_DOUBLE"):
        raise refused("not_ct", path, requirement, got, "leave it out")
    raise refused("not_3d", path, requirement, got, "split it first")


def _is_true(fields: dict[str, str], key: str, default: str = "False") -> bool:
    return fields.get(key, default)[:1].upper() in ("T", "1", "Y")


def _dtype(path: Path, fields: dict[str, str]) -> np.dtype:
    element = fields["ElementType"]
    if element not in _TYPES:
        raise refused("bad_value", path, "must hold plain numbers", shown(element), "convert it first")
    is_big = any(_is_true(fields, key) for key in _BIG_ENDIAN)
    return np.dtype((">" if is_big else "<") + _TYPES[element])


def _refuse_intensity_function(path: Path, fields: dict[str, str]) -> None:
    """Readers disagree about the intensity function: some apply it, ITK does not."""
    slope = real_numbers(path, "slope", fields.get("ElementToIntensityFunctionSlope", "1"), 1)
    offset = real_numbers(path, "offset", fields.get("ElementToIntensityFunctionOffset", "0"), 1)
    if (slope, offset) != ([1.0], [0.0]):
        requirement = "must hold HU without ElementToIntensityFunction"
        raise refused("bad_rescale", path, requirement, f"slope {slope[0]:g}", "apply it first")


def _affine(path: Path, fields: dict[str, str], n_axes: int) -> np.ndarray:
    """Rows of TransformMatrix are the directions of the axes; positions are LPS, as ITK takes them."""
    identity = " ".join(str(value) for value in np.eye(n_axes).ravel())
    directions = real_numbers(path, "TransformMatrix", _first(fields, _DIRECTIONS, identity), n_axes**2)
    spacing_mm = real_numbers(path, "ElementSpacing", _first(fields, _SPACINGS, "1 " * n_axes), n_axes)
    origin_mm = real_numbers(path, "Offset", _first(fields, _ORIGINS, "0 " * n_axes), n_axes)
    columns = np.asarray(directions).reshape(n_axes, n_axes).T * spacing_mm
    return affine_ras(columns, np.asarray(origin_mm))


def _first(fields: dict[str, str], keys: tuple[str, ...], default: str) -> str:
    return next((fields[key] for key in keys if key in fields), default)


def _data_offset(path: Path, fields: dict[str, str], data_paths: tuple[Path, ...], n_bytes: int) -> int:
    """Bytes ahead of the data in their files; -1: the data end with the file."""
    (size,) = whole_numbers(path, "HeaderSize", fields.get("HeaderSize", "0"))
    return size if size >= 0 else offset_from_end(path, data_paths, n_bytes)


def _header_text(header: VolumeHeader, n_data_bytes: int, data_name: str) -> str:
    """Keep the source's lines but for those that speak of the file's layout.

    ITK takes compressed bytes for voxels where CompressedDataSize is absent, so it is always written.
    """
    new = {"CompressedDataSize": str(n_data_bytes), "ElementDataFile": data_name, "HeaderSize": "0"}
    lines = header.header_bytes.decode(ENCODING).split("\n")
    keys = [_key_and_value(line)[0] for line in lines]
    if header.encoding == "zlib" and "CompressedDataSize" not in keys:
        place = keys.index("ElementDataFile")
        keys.insert(place, "CompressedDataSize")
        lines.insert(place, "")
    return "\n".join(f"{key} = {new[key]}" if key in new else line for key, line in zip(keys, lines, strict=True))
