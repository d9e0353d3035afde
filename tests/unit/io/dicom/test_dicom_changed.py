"""Files that change between scan and read: never another image in a slice's place, and never a wait."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import RLELossless

from n2b_ct.errors import SeriesError
from n2b_ct.io.dicom.ct_reader import read_series, read_slices
from n2b_ct.io.dicom.scan import scan
from tests.helpers import save_series


def put_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("other", ["slice003", "../b/slice002"])
def test_another_image_in_a_slice_s_place_is_refused(tmp_path, other, is_compressed):
    save_series(tmp_path / "a")
    save_series(tmp_path / "b", series_uid="1.2.3", study_uid="1.2", PatientID="another")
    for path in [*tmp_path.rglob("slice*")] if is_compressed else []:
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(path)
    (series,) = scan(tmp_path / "a").series
    shutil.copy(tmp_path / "a" / other, tmp_path / "a" / "slice002")
    before, changed, after = read_slices(series.instances)
    assert isinstance(changed, SeriesError)
    assert changed.reason == "bad_value"
    assert (
        str(changed)
        == "slice002: must be the image that was scanned, got another; scan the folder again: it has changed"
    )
    assert not isinstance(before, SeriesError)
    assert not isinstance(after, SeriesError)
    with pytest.raises(SeriesError, match="must be the image that was scanned"):
        read_series(series)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (Path.unlink, "unreadable"),
        (put_fifo, "not_regular"),
        (put_folder, "not_regular"),
        (lambda path: os.truncate(path, 0), "empty"),
        (lambda path: os.truncate(path, 1200), "pixel_truncated"),
    ],
)
def test_a_file_that_vanishes_or_shrinks_costs_its_slice(tmp_path, change: Callable[[Path], None], reason):
    save_series(tmp_path)
    (series,) = scan(tmp_path).series
    change(tmp_path / "slice002")
    found = [one.reason if isinstance(one, SeriesError) else "" for one in read_slices(series.instances)]
    assert found == ["", reason, ""]


def test_a_slice_whose_blank_uid_was_repaired_is_the_one_that_was_scanned(tmp_path):
    save_series(tmp_path, SOPInstanceUID="")
    series = scan(tmp_path, repair_uids=True).series
    read = [one for each in series for one in read_slices(each.instances)]
    assert [one for one in read if isinstance(one, SeriesError)] == []
    assert len(read) == 3
