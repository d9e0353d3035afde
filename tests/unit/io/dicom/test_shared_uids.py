"""UIDs that an anonymiser gave twice: images stay apart, and what is derived of them gets UIDs of its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pydicom
import pytest

from n2b_ct.batch.output_paths import mirrored_dirs
from n2b_ct.io.dicom.ct_reader import read_slice
from n2b_ct.io.dicom.derived_series import DerivedSeriesWriter
from n2b_ct.io.dicom.scan import ScanResult, scan
from n2b_ct.io.dicom.writing.derivation import SeriesContext
from n2b_ct.io.series import SeriesRef
from tests.helpers import SERIES_UID, make_ct_dataset, make_derivation, save, water_ramp


def write(folder: Path, first_word: int, n_slices: int = 3, **changes: Any) -> None:
    """Write a series whose images are numbered from 1, as those of every other one here."""
    for k in range(n_slices):
        slice_of = {
            "position_mm": (-16.0, -12.0, 2.0 * k),
            "instance_number": k + 1,
            "sop_uid": f"1.2.3.{k + 1}",
            "stored": water_ramp(first=first_word + 10 * k),
        }
        save(make_ct_dataset(**{**slice_of, **changes}), folder / f"IM{k}")


def reasons(result: ScanResult) -> Counter[str]:
    return Counter(record.reason or record.action for record in result.records)


def derived(series: SeriesRef, target: Path) -> list[pydicom.Dataset]:
    with DerivedSeriesWriter(series, target, make_derivation()) as writer:
        for instance in series.instances:
            ct_slice = read_slice(instance)
            writer.add(ct_slice, ct_slice.hu)
    return [pydicom.dcmread(path) for path in sorted(target.rglob("*")) if path.is_file()]


OTHER_PATIENT = {"PatientID": "P2"}
OTHER_SERIES = {"series_uid": "1.2.9.9"}
OTHER_STUDY = {"study_uid": "1.2.8"}


@pytest.mark.parametrize(
    "other",
    [
        {**OTHER_PATIENT, **OTHER_STUDY, **OTHER_SERIES},
        {**OTHER_STUDY, **OTHER_SERIES},
        OTHER_SERIES,
        OTHER_STUDY,
        OTHER_PATIENT,
    ],
)
def test_images_of_other_series_with_one_uid_are_all_used_and_derived_under_uids_of_their_own(tmp_path, other):
    write(tmp_path / "in" / "a", 900)
    write(tmp_path / "in" / "b", 1400, **other)
    result = scan(tmp_path / "in")
    assert reasons(result) == {"used": 6}
    assert [len(one) for one in result.series] == [3, 3]
    assert all("sop_uid_repeated" in one.problems for one in result.series)
    targets = mirrored_dirs(result.series, tmp_path / "in", tmp_path / "out")
    written = [derived(one, target) for one, target in zip(result.series, targets, strict=True)]
    assert len({str(one.SOPInstanceUID) for files in written for one in files}) == 6
    assert len({str(one.SeriesInstanceUID) for files in written for one in files}) == 2
    assert [{str(one.PatientID) for one in files} for files in written] == [
        {"patient-7"},
        {other.get("PatientID", "patient-7")},
    ]


def test_two_patients_with_all_uids_equal_and_even_equal_pixels_are_no_duplicates(tmp_path):
    write(tmp_path / "a", 900)
    write(tmp_path / "b", 900, **OTHER_PATIENT)
    result = scan(tmp_path)
    assert reasons(result) == {"used": 6}
    one, two = (SeriesContext.of(series, make_derivation()) for series in result.series)
    assert one.derived_series_uid != two.derived_series_uid
    assert one.instance_marks != two.instance_marks


def test_their_outputs_get_folders_of_their_own_even_from_one_folder(tmp_path):
    for name, patient in (("a", "P1"), ("b", "P2")):
        for k in range(2):
            stored = water_ramp(first=900 + 10 * k + (500 if name == "b" else 0))
            place = (-16.0, -12.0, 2.0 * k)
            dataset = make_ct_dataset(PatientID=patient, sop_uid=f"1.2.3.{k}", stored=stored, position_mm=place)
            save(dataset, tmp_path / f"{name}{k}")
    series = scan(tmp_path).series
    one, two = mirrored_dirs(series, tmp_path, Path("out"))
    assert one != two


def test_one_uid_for_two_images_of_one_series_is_still_a_conflict(tmp_path):
    write(tmp_path / "a", 900)
    write(tmp_path / "b", 1400, n_slices=1)
    assert reasons(scan(tmp_path)) == {"used": 2, "duplicate_conflict": 2}


def test_a_copy_without_patient_is_a_duplicate_of_its_series(tmp_path):
    write(tmp_path / "a", 900)
    write(tmp_path / "b", 900, PatientID="")
    assert reasons(scan(tmp_path)) == {"used": 3, "duplicate": 3}


def test_an_image_that_was_stored_under_a_second_series_is_used_once(tmp_path):
    write(tmp_path / "a", 900)
    write(tmp_path / "b", 900, n_slices=2, **OTHER_SERIES)
    result = scan(tmp_path)
    assert reasons(result) == {"used": 3, "duplicate": 2}
    assert all("sop_uid_repeated" not in one.problems for one in result.series)


def test_a_series_loses_no_slice_to_a_series_that_contradicts_it(tmp_path):
    write(tmp_path / "a", 900)
    write(tmp_path / "b", 900, n_slices=1, **OTHER_SERIES)
    write(tmp_path / "b2", 1400, n_slices=3, **OTHER_SERIES)
    (tmp_path / "b2" / "IM0").unlink()
    assert reasons(scan(tmp_path)) == {"used": 6}


def test_a_copy_with_fewer_digits_of_its_place_is_a_duplicate(tmp_path):
    write(tmp_path / "a", 900, n_slices=1, position_mm=(-16.123456, -12.0, 0.0))
    write(tmp_path / "b", 900, n_slices=1, position_mm=(-16.1235, -12.0, 0.0))
    assert reasons(scan(tmp_path)) == {"used": 1, "duplicate": 1}
    write(tmp_path / "b", 900, n_slices=1, position_mm=(-16.14, -12.0, 0.0))
    assert reasons(scan(tmp_path)) == {"duplicate_conflict": 2}


# ── Parts of one series ──


def test_an_ordinary_series_keeps_its_derived_uids(tmp_path):
    write(tmp_path / "a", 900)
    (series,) = scan(tmp_path).series
    derivation = make_derivation()
    context = SeriesContext.of(series, derivation)
    assert context.derived_series_uid == derivation.uid("series", SERIES_UID)
    assert {str(one.SOPInstanceUID) for one in derived(series, tmp_path / "out")} == {
        derivation.uid("instance", f"1.2.3.{k}") for k in (1, 2, 3)
    }


@pytest.mark.parametrize(
    ("change", "n_uids"),
    [
        ({"PixelSpacing": ["0.7", "0.7"]}, 2),
        ({"ConvolutionKernel": "B60"}, 2),
        ({"orientation": (0, 1, 0, 0, 0, -1)}, 2),
        ({"FrameOfReferenceUID": "1.2.3.4.5"}, 2),
        ({"stored": water_ramp(30, 30)}, 2),
        ({"AcquisitionNumber": 2, "position_mm": (-16.0, -12.0, 0.0)}, 1),
    ],
)
def test_parts_that_are_series_of_their_own_get_derived_series_of_their_own_and_passes_do_not(tmp_path, change, n_uids):
    write(tmp_path / "a", 900, n_slices=4)
    for k in range(4):
        place = (-16.0, -12.0 - 2 * k, 0.0) if "orientation" in change else (-16.0, -12.0, 2.0 * k)
        other = {"stored": water_ramp(first=1500 + k), "position_mm": place, "sop_uid": f"1.2.4.{k}"}
        if "AcquisitionNumber" in change:
            change = {**change, "position_mm": place}
        save(make_ct_dataset(**{**other, **change, "instance_number": 10 + k}), tmp_path / "b" / f"IM{k}")
    series = scan(tmp_path).series
    assert [len(one) for one in series] == [4, 4]
    assert len({SeriesContext.of(one, make_derivation()).derived_series_uid for one in series}) == n_uids
    assert len(set(mirrored_dirs(series, tmp_path, Path("out")))) == 2
    assert len({instance.sop_instance_uid for one in series for instance in one.instances}) == 8
