"""NRRD volumes (``.nrrd``; ``.nhdr`` with data files): their header, understood and written back line for line.

The header is text: ``field: value``, ``key:=value``, comments, and a blank line before data in the same file
(teem.sourceforge.net/nrrd/format.html). As with MetaImage it is read here because it is untrusted; key/value pairs,
comments and fields that do not matter to us travel on as they are.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from n2b_ct.io.volume_formats.base import VolumeFormat
from n2b_ct.io.volume_formats.data_files import offset_from_end, write_header_and_data
from n2b_ct.io.volume_formats.header import Encoding, VolumeHeader, refused
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

_END = re.compile(rb"\r?\n\r?\n")
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_CODES = {name: code for code, names in _TYPES.items() for name in names}
_ENCODINGS: dict[str, Encoding] = {"raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
_DATA_SUFFIXES: dict[Encoding, str] = {"raw": ".raw", "gzip": ".raw.gz", "bzip2": ".raw.bz2"}
_TO_LPS = {
    "left-posterior-superior": (1.0, 1.0, 1.0),
    "lps": (1.0, 1.0, 1.0),
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0),
    "las": (1.0, -1.0, 1.0),
}
_SEGMENT = re.compile(r"Segment\d+_\w+\s*:=")
_DESCRIPTIVE_KEYS = ("modality", "content")
_SPATIAL_KINDS = ("domain", "space", "none", "???")
_DATA_FILE = ("data file", "datafile")
_SKIPS = ("byte skip", "byteskip", "line skip", "lineskip")


@VOLUME_FORMATS.register(".nrrd")
@VOLUME_FORMATS.register(".nhdr")
class Nrrd(VolumeFormat):
    """NRRD, with its data in the same file or beside it."""

    def read_header(self, path: Path) -> VolumeHeader:
        """Read a header.

        Raises:
            SeriesError: ``unreadable``, ``bad_value``, ``not_3d``, ``not_grayscale``, ``label_map``, ``not_ct``,
                ``too_large`` or ``data_file_refused``.
        """
        lines, n_header_bytes = leading_lines(path, _END)
        fields = _fields(path, lines)
        descriptions = _descriptions(lines)
        shape = whole_numbers(path, "sizes", fields["sizes"])
        _refuse_other_kinds(path, fields, descriptions, len(shape))
        volume_shape = three_axes(path, shape)
        _require_plain(path, fields, len(shape))
        dtype, encoding = _dtype(path, fields), _encoding(path, fields)
        name = _either(fields, *_DATA_FILE)
        data_paths = numbered_files(path, name) if name else (path,)
        n_bytes = int(np.prod(volume_shape, dtype=object)) * dtype.itemsize
        n_skipped = _byte_skip(path, fields)
        offset = 0 if name else n_header_bytes
        if n_skipped < 0:
            offset, n_skipped = offset_from_end(path, data_paths, n_bytes), 0
        return VolumeHeader(
            path=path,
            format_name="NRRD",
            header_bytes="\n".join(lines).encode(ENCODING),
            dtype=dtype,
            shape=volume_shape,
            affine_ras_mm=_affine(path, fields, len(shape)),
            data_paths=data_paths,
            encoding=encoding,
            data_offset=offset,
            n_skipped_bytes=n_skipped,
            descriptions=descriptions,
        )

    def write(self, header: VolumeHeader, words: np.ndarray, out: Path) -> None:
        """Write words under a volume's header; ``.nhdr`` gets one data file of its own name."""
        data = encoded(words, header.encoding)
        data_path = self.output_data_path(header, out)
        text = _header_text(header, data_path.name if data_path else "").encode(ENCODING)
        write_header_and_data(out, text, data_path, data)

    def output_data_path(self, header: VolumeHeader, out: Path) -> Path | None:
        """Name the data file of an ``.nhdr``; unlike that of an ``.mhd`` beside it."""
        is_alone = out.suffix.lower() == ".nrrd"
        return None if is_alone else out.with_name(f"{out.name}{_DATA_SUFFIXES[header.encoding]}")


def _fields(path: Path, lines: list[str]) -> dict[str, str]:
    if not lines or not re.fullmatch(r"NRRD000[1-6]\s*", lines[0]):
        raise refused("unreadable", path, "must be a readable NRRD file", "another header", "replace the file")
    fields = dict(_field_and_value(line) for line in lines[1:] if _is_field(line))
    for key in ("dimension", "sizes", "type", "encoding"):
        if not fields.get(key):
            raise refused("unreadable", path, "must be a readable NRRD file", f"no {key}", "replace the file")
    if whole_numbers(path, "dimension", fields["dimension"]) != (len(fields["sizes"].split()),):
        got = f"dimension {shown(fields['dimension'])}, sizes {shown(fields['sizes'])}"
        raise refused("bad_value", path, "must agree with itself about its axes", got, "correct its header")
    return fields


def _is_field(line: str) -> bool:
    """Fields are neither comments nor key/value pairs; whichever of ``: `` and ``:=`` comes first decides."""
    return not line.startswith("#") and bool(re.match(r"[^:]*:(?!=)", line))


def _field_and_value(line: str) -> tuple[str, str]:
    field, _, value = line.partition(":")
    return field.strip().lower(), value.strip()


def _descriptions(lines: list[str]) -> tuple[str, ...]:
    """Collect what says what the volume shows: segments as 3D Slicer names them, modality and content."""
    parts = (re.split(r":=?", line, maxsplit=1) for line in lines if ":" in line)
    texts = [value.strip() for key, value in parts if key.strip().lower() in _DESCRIPTIVE_KEYS]
    return (*(["label"] if any(map(_SEGMENT.match, lines)) else []), *texts)


def _refuse_other_kinds(path: Path, fields: dict[str, str], descriptions: tuple[str, ...], n_axes: int) -> None:
    """Refuse what is no volume of CT by its header alone: layers of segments, colours, vectors."""
    if "label" in descriptions and n_axes > 3:
        raise refused("label_map", path, "must hold HU", "layers of segments", "leave it out")
    kinds = fields.get("kinds", "").lower().split()
    is_vector = any("vector" in kind or "matrix" in kind for kind in kinds)
    code = _CODES.get(" ".join(fields["type"].lower().split()), "")
    if any(kind.endswith("color") for kind in kinds) or (is_vector and code == "u1"):
        raise refused("not_grayscale", path, "must hold one number a voxel", "colours", "leave it out")
    if is_vector and code[:1] == "f":
        raise refused("not_ct", path, "must hold HU", "vectors", "leave it out")


def _require_plain(path: Path, fields: dict[str, str], n_axes: int) -> None:
    """Refuse axes that are not space: colours, vectors, time."""
    kinds = fields.get("kinds", "").lower().split() or ["domain"] * n_axes
    if len(kinds) != n_axes or any(kind not in _SPATIAL_KINDS for kind in kinds):
        raise refused("not_3d", path, "must have axes of space only", shown(fields["kinds"]), "split it first")
    if _either(fields, "line skip", "lineskip") not in ("", "0"):
        raise refused("bad_value", path, "must not skip lines", "line skip", "convert it first")


def _either(fields: dict[str, str], *keys: str) -> str:
    return next((fields[key] for key in keys if key in fields), "")


def _dtype(path: Path, fields: dict[str, str]) -> np.dtype:
    code = _CODES.get(" ".join(fields["type"].lower().split()))
    if code is None:
        raise refused("bad_value", path, "must hold plain numbers", shown(fields["type"]), "convert it first")
    endian = fields.get("endian", "").lower()
    if endian not in ("little", "big") and code[1] != "1":
        raise refused("bad_value", path, "must name its byte order", shown(endian), "correct its header")
    return np.dtype((">" if endian == "big" else "<") + code)


def _encoding(path: Path, fields: dict[str, str]) -> Encoding:
    name = fields["encoding"].lower()
    if name not in _ENCODINGS:
        raise refused("bad_value", path, "must be raw, gzip or bzip2", shown(name), "convert it first")
    return _ENCODINGS[name]


def _byte_skip(path: Path, fields: dict[str, str]) -> int:
    """Bytes ahead of the data, counted after decoding; -1: the data end with the file."""
    (skip,) = whole_numbers(path, "byte skip", _either(fields, "byte skip", "byteskip") or "0")
    if skip < -1 or (skip < 0 and _ENCODINGS[fields["encoding"].lower()] != "raw"):
        raise refused("bad_value", path, "byte skip must be 0 or more, or -1 with raw data", skip, "correct its header")
    return skip


def _affine(path: Path, fields: dict[str, str], n_axes: int) -> np.ndarray:
    """Where the header names no space of a patient its axes count as LPS, as ITK takes them."""
    signs = np.asarray(_TO_LPS.get(fields.get("space", "").lower(), (1.0, 1.0, 1.0)))
    columns = _columns(path, fields, n_axes)
    n_space = len(columns)
    origin = _vector(path, "space origin", fields.get("space origin", f"({','.join('0' * n_space)})"), n_space)
    if n_space == 3 and n_axes == 2:
        columns = np.column_stack([columns, _normal(columns)])
    return affine_ras(columns * signs[:n_space, None], origin * signs[:n_space])


def _columns(path: Path, fields: dict[str, str], n_axes: int) -> np.ndarray:
    """Step of every axis as a column: from space directions, else from spacings."""
    if "space directions" not in fields:
        value = fields.get("spacings", "1 " * n_axes)
        return np.diag(real_numbers(path, "spacings", value, n_axes))
    vectors = re.findall(r"\([^)]*\)|none", fields["space directions"])
    if len(vectors) != n_axes or "none" in vectors:
        got = shown(fields["space directions"])
        raise refused("not_3d", path, "must have axes of space only", got, "split it first")
    n_space = vectors[0].count(",") + 1
    if n_space not in (n_axes, 3):
        raise refused("bad_value", path, "space directions must fill space", shown(vectors[0]), "correct its header")
    return np.column_stack([_vector(path, "space directions", vector, n_space) for vector in vectors])


def _vector(path: Path, key: str, value: str, n_wanted: int) -> np.ndarray:
    return np.asarray(real_numbers(path, key, value.strip().strip("()").replace(",", " "), n_wanted))


def _normal(columns: np.ndarray) -> np.ndarray:
    """Return the unit normal of a plane; zero where the plane is none, which is refused with the affine."""
    normal = np.cross(columns[:, 0], columns[:, 1])
    length = np.linalg.norm(normal)
    return normal / length if length > 0 else normal


def _header_text(header: VolumeHeader, data_name: str) -> str:
    """Keep the source's lines but for those that speak of the file's layout; a blank line ends it before data."""
    named = f"data file: {data_name}"
    lines = []
    for line in header.header_bytes.decode(ENCODING).split("\n"):
        field = _field_and_value(line)[0] if _is_field(line) else ""
        if field in _DATA_FILE and data_name:
            lines.append(named)
        elif line and field not in (*_DATA_FILE, *_SKIPS):
            lines.append(line)
    if not data_name:
        return "\n".join([*lines, "", ""])
    return "\n".join([*lines, *([] if named in lines else [named]), ""])
