"""What a file is, by its first bytes: names and endings are never believed."""

from __future__ import annotations

from pathlib import Path

from pydicom.valuerep import VR

from n2b_ct.errors import SeriesError, explain

N_HEAD_BYTES = 1024
PREAMBLE_END, PREFIX_END = 128, 132

_KNOWN_VRS = frozenset(vr.value.encode() for vr in VR if len(vr.value) == 2)
_ARCHIVES = {
    "zip": (0, b"PK\x03\x04"),
    "empty zip": (0, b"PK\x05\x06"),
    "gzip": (0, b"\x1f\x8b"),
    "bzip2": (4, b"1AY&SY"),
    "xz": (0, b"\xfd7zXZ\x00"),
    "zstandard": (0, b"\x28\xb5\x2f\xfd"),
    "7z": (0, b"7z\xbc\xaf\x27\x1c"),
    "rar": (0, b"Rar!\x1a\x07"),
    "tar": (257, b"ustar"),
}
_COMPRESSED_VOLUMES = (".nii.gz",)


def data_start(path: Path, head: bytes) -> int:
    """Find where the elements start: behind the ``DICM`` prefix, or at 0 where a file has none (PS3.10 7.1).

    Args:
        path: The file.
        head: Its first bytes, ``N_HEAD_BYTES`` of them if it has so many.

    Raises:
        SeriesError: ``empty``, ``archive`` or ``not_dicom``.
    """
    if not head:
        raise SeriesError("empty", explain(path.name, "must hold DICOM", "0 bytes", "copy the file again"))
    if head[PREAMBLE_END:PREFIX_END] == b"DICM":
        return PREFIX_END
    if _starts_like_a_dataset(head):
        return 0
    if kind := _archive_kind(path, head):
        got = f"an archive ({kind})"
        raise SeriesError("archive", explain(path.name, "must hold DICOM", got, "unpack it and name the folder"))
    raise SeriesError("not_dicom", explain(path.name, "must hold DICOM", "other content", "leave it out"))


def _starts_like_a_dataset(head: bytes) -> bool:
    """First tag in group 0002 or 0008, with a known VR or a short implicit length (PS3.5 7.1)."""
    group, element = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:4], "little")
    is_known_vr = head[4:6] in _KNOWN_VRS
    is_short_implicit = 0 < int.from_bytes(head[4:8], "little") <= N_HEAD_BYTES
    return group in (0x0002, 0x0008) and element <= 0x0070 and (is_known_vr or is_short_implicit)


def _archive_kind(path: Path, head: bytes) -> str:
    """Name the kind of an archive, empty for anything else; a compressed volume is none."""
    if path.name.lower().endswith(_COMPRESSED_VOLUMES):
        return ""
    return next((kind for kind, (place, magic) in _ARCHIVES.items() if head[place:].startswith(magic)), "")
