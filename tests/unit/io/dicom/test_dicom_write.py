"""A derived series is on disk whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK

from n2b_ct.errors import OutputError, SeriesError
from n2b_ct.io.dicom.ct_reader import read_series, read_slice
from n2b_ct.io.dicom.derived_series import DerivedSeriesWriter, slice_names, write_dataset_atomically
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.series import InstanceRef, SeriesRef
from tests.helpers import assert_nothing_left, make_ct_dataset, make_derivation, save_series


@pytest.fixture
def series(tmp_path) -> SeriesRef:
    save_series(tmp_path / "source", [4.0, 0.0, 2.0])
    return scan(tmp_path / "source").series[0]


def write(series: SeriesRef, target, shift_hu: float = 0.0, **options) -> list[int]:
    with DerivedSeriesWriter(series, target, make_derivation(), **options) as writer:
        slices = [read_slice(one.path) for one in series.instances]
        return [writer.add(one, one.hu + np.float32(shift_hu)).n_clipped for one in slices]


def test_the_derived_series_has_the_source_s_names_and_its_own_identity(tmp_path, series):
    target = tmp_path / "out" / "derived"
    assert write(series, target) == [0, 0, 0]
    assert {path.name for path in target.iterdir()} == {one.path.name for one in series.instances}
    (derived,) = scan(target).series
    assert derived.series_instance_uid != series.series_instance_uid
    assert derived.study_instance_uid == series.study_instance_uid
    assert derived.description == "Thorax N2B"
    assert {"already_derived", "own_output"} <= set(derived.problems)
    np.testing.assert_array_equal(read_series(derived).hu, read_series(series).hu)


def test_series_wide_values_are_the_same_in_every_slice(tmp_path, series):
    write(series, tmp_path / "derived")
    slices = [pydicom.dcmread(path) for path in (tmp_path / "derived").iterdir()]
    for keyword in ("SeriesInstanceUID", "SeriesDate", "SeriesTime", "ContentTime", "SeriesNumber", "Manufacturer"):
        assert len({str(one[keyword].value) for one in slices}) == 1
    assert len({one.SOPInstanceUID for one in slices}) == 3


def test_clipped_pixels_are_counted(tmp_path, series):
    assert write(series, tmp_path / "derived", shift_hu=1e5) == [24 * 32] * 3


def test_simpleitk_reopens_it_with_the_same_geometry(tmp_path, series):
    write(series, tmp_path / "derived", shift_hu=7.0)
    (derived,) = scan(tmp_path / "derived").series
    images = [SimpleITK.ReadImage([str(one.path) for one in ref.instances]) for ref in (series, derived)]
    source, result = images
    assert source.GetSize() == result.GetSize() == (32, 24, 3)
    assert source.GetSpacing() == result.GetSpacing()
    assert source.GetOrigin() == result.GetOrigin()
    assert source.GetDirection() == result.GetDirection()
    shift = SimpleITK.GetArrayFromImage(result) - SimpleITK.GetArrayFromImage(source)
    np.testing.assert_array_equal(shift, 7)


def add(series: SeriesRef, target, *slices) -> None:
    with DerivedSeriesWriter(series, target, make_derivation()) as writer:
        for ct_slice in slices:
            if ct_slice is None:
                raise KeyboardInterrupt("stop")
            writer.add(ct_slice, ct_slice.hu)


def test_nothing_is_left_after_an_exception(tmp_path, series):
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(KeyboardInterrupt, match="stop"):
        add(series, out / "derived", read_slice(series.instances[0].path), None)
    assert_nothing_left(out)


def test_a_slice_that_is_not_finite_stops_the_series(tmp_path, series):
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(SeriesError, match="must be finite HU"):
        write(series, out / "derived", shift_hu=float("nan"))
    assert_nothing_left(out)


def test_an_existing_target_is_kept_unless_it_may_be_replaced(tmp_path, series):
    target = tmp_path / "derived"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(OutputError, match="must not exist yet, got a folder; skip it or pass overwrite"):
        write(series, target)
    assert (target / "old").exists()
    write(series, target, overwrite=True)
    assert len(list(target.iterdir())) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"source", "derived"}


def test_a_failed_replacement_keeps_the_old_target(tmp_path, series):
    target = tmp_path / "derived"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(SeriesError, match="must be finite HU"):
        write(series, target, shift_hu=float("inf"), overwrite=True)
    assert [path.name for path in target.iterdir()] == ["old"]
    assert {path.name for path in tmp_path.iterdir()} == {"source", "derived"}


def test_a_replacement_that_cannot_be_finished_puts_the_old_target_back(tmp_path, series, monkeypatch):
    target = tmp_path / "derived"
    target.mkdir()
    (target / "old").touch()
    rename = Path.replace

    def fail_for_partial(self, goal):
        if self.name.startswith(".partial-") and self.is_dir():
            raise OSError(5, "Input/output error")
        return rename(self, goal)

    monkeypatch.setattr(Path, "replace", fail_for_partial)
    with pytest.raises(OutputError, match="must be writable, got Input/output error"):
        write(series, target, overwrite=True)
    assert [path.name for path in target.iterdir()] == ["old"]
    assert {path.name for path in tmp_path.iterdir()} == {"source", "derived"}


def test_a_header_that_dicom_cannot_encode_is_a_series_error(tmp_path):
    dataset = make_ct_dataset()
    dataset["Rows"]._value = "many"
    with pytest.raises(SeriesError, match="header must be valid DICOM") as caught:
        write_dataset_atomically(dataset, tmp_path / "slice")
    assert caught.value.reason == "header_unwritable"
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize("place", ["source", "."])
def test_the_target_never_holds_the_source(tmp_path, series, place):
    with pytest.raises(OutputError, match="must not hold the source"):
        write(series, tmp_path / place, overwrite=True)
    assert len(scan(tmp_path / "source").series[0]) == 3


def test_what_an_interrupted_run_left_is_replaced(tmp_path, series):
    writer = DerivedSeriesWriter(series, tmp_path / "derived", make_derivation())
    writer.__enter__()
    ct_slice = read_slice(series.instances[0].path)
    writer.add(ct_slice, ct_slice.hu)
    assert any(path.name.startswith(".partial-") for path in tmp_path.iterdir())
    write(series, tmp_path / "derived")
    assert {path.name for path in tmp_path.iterdir()} == {"source", "derived"}


def test_a_slice_of_another_series_or_a_slice_twice_is_refused(tmp_path, series):
    (other,) = save_series(tmp_path / "other", [0.0])
    ct_slice = read_slice(series.instances[0].path)
    with pytest.raises(OutputError, match="got a slice of another one"):
        add(series, tmp_path / "derived", read_slice(other))
    with pytest.raises(OutputError, match="got a slice twice"):
        add(series, tmp_path / "derived", ct_slice, ct_slice)
    assert not (tmp_path / "derived").exists()


def test_an_empty_series_is_not_written(tmp_path, series):
    with pytest.raises(OutputError, match="must get at least one slice"):
        add(series, tmp_path / "derived")
    assert {path.name for path in tmp_path.iterdir()} == {"source"}


def test_a_series_spread_over_folders_keeps_them(tmp_path):
    save_series(tmp_path / "source" / "a", [0.0], prefix="IM")
    save_series(tmp_path / "source" / "b", [2.0], prefix="IM", instance_number=2)
    (series,) = scan(tmp_path / "source").series
    write(series, tmp_path / "derived")
    assert sorted(str(path.relative_to(tmp_path / "derived")) for path in (tmp_path / "derived").rglob("IM*")) == [
        "a/IM001",
        "b/IM001",
    ]


def test_a_repaired_series_can_be_written(tmp_path):
    save_series(tmp_path / "source", SOPInstanceUID="", SeriesInstanceUID="", StudyInstanceUID="")
    (series,) = scan(tmp_path / "source", repair_uids=True).series
    write(series, tmp_path / "derived")
    (derived,) = scan(tmp_path / "derived").series
    assert derived.study_instance_uid == series.study_instance_uid
    assert len(derived) == 3


@pytest.mark.real_data
@pytest.mark.parametrize(
    "folder", ["ct_head", "ct_phantom/philips_head_5mm_UB_smooth", "ct_clean/totalseg_body_3mm_J2K"]
)
def test_a_real_series_keeps_its_geometry(shared_data, tmp_path, folder):
    (series,) = scan(shared_data / folder, repair_uids=True).series
    write(series, tmp_path / "derived")
    (derived,) = scan(tmp_path / "derived").series
    assert [one.position_mm for one in derived.instances] == [one.position_mm for one in series.instances]
    images = [SimpleITK.ReadImage(str(ref.instances[0].path), imageIO="GDCMImageIO") for ref in (series, derived)]
    assert images[0].GetSpacing() == images[1].GetSpacing()
    assert images[0].GetOrigin() == images[1].GetOrigin()
    assert images[0].GetDirection() == images[1].GetDirection()
    arrays = [SimpleITK.GetArrayFromImage(image) for image in images]
    np.testing.assert_array_equal(arrays[0], arrays[1])


def test_frames_of_one_file_become_slices_of_their_own(tmp_path):
    series = SeriesRef(
        *("1.2", "1.3", "p", "", 8, 8, None, ()),
        instances=tuple(
            InstanceRef(tmp_path / name, "1.4", 0.0, frame_number=number)
            for name, number in (("x.dcm", 1), ("x.dcm", 12), ("y.dcm", 1), ("y.ima", 1), ("z", 1), ("w.dcm", None))
        ),
    )
    assert [str(name) for name in slice_names(series).values()] == [
        "x/frame-0001.dcm",
        "x/frame-0012.dcm",
        "y.dcm/frame-0001.dcm",
        "y.ima/frame-0001.dcm",
        "z/frame-0001.dcm",
        "w.dcm",
    ]
