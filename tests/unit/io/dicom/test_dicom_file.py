"""A file is what its first bytes say."""

from __future__ import annotations

from pathlib import Path

import pytest

from n2b_ct.errors import SeriesError
from n2b_ct.io.dicom.reading.dicom_file import data_start


def start_of(head: bytes, name: str = "x") -> int:
    return data_start(Path(name), head)


@pytest.mark.parametrize(
    ("head", "start"),
    [
        (bytes(128) + b"DICM", 132),
        (b"PK\x03\x04" + bytes(124) + b"DICM", 132),
        (b"\x02\x00\x00\x00UL\x04\x00", 0),
        (b"\x08\x00\x05\x00CS\x0a\x00", 0),
        (b"\x08\x00\x05\x00\x0a\x00\x00\x00", 0),
    ],
)
def test_dicom_starts_behind_its_prefix_or_at_once(head, start):
    assert start_of(head) == start


@pytest.mark.parametrize(
    ("head", "name", "reason"),
    [
        (b"", "x.dcm", "empty"),
        (b"dear colleague", "x.dcm", "not_dicom"),
        (bytes(2000), "x.dcm", "not_dicom"),
        (b"\x08\x00\x05\x00zz\xff\xff", "x.dcm", "not_dicom"),
        (b"BZh9 is how this letter starts", "x", "not_dicom"),
        (b"\x1f\x8b" + bytes(200), "x.dcm", "archive"),
        (b"\x1f\x8b" + bytes(200), "volume.NII.GZ", "not_dicom"),
        (b"slice" + bytes(252) + b"ustar", "x", "archive"),
    ],
)
def test_anything_else_has_a_reason(head, name, reason):
    with pytest.raises(SeriesError, match=rf"^{name}: must hold DICOM, got ") as caught:
        start_of(head, name)
    assert caught.value.reason == reason
