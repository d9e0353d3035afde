"""Series are found by content, grouped by identity and geometry, and every file is accounted for."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from n2b_ct.errors import DataError
from n2b_ct.io.dicom.ct_reader import read_series
from n2b_ct.io.dicom.reasons import ERRORS, SKIPS
from n2b_ct.io.dicom.scan import ScanResult, scan
from n2b_ct.io.series import SeriesRef
from tests.helpers import make_ct_dataset, save, save_series, water_ramp


def irregularities(series: SeriesRef) -> tuple[str, ...]:
    """A series' problems; the pixels of all these slices are higher than wide, and that is no news."""
    assert "non_square_pixels" in series.problems or "pixel_spacing_missing" in series.problems
    return tuple(problem for problem in series.problems if problem != "non_square_pixels")


def reasons(result: ScanResult) -> Counter[str]:
    return Counter(record.reason or record.action for record in result.records)


def test_a_series_is_sorted_by_position_and_never_by_name(tmp_path):
    save_series(tmp_path, [4.0, 0.0, 2.0])
    (series,) = scan(tmp_path).series
    assert [one.position_mm for one in series.instances] == [0.0, 2.0, 4.0]
    assert [one.instance_number for one in series.instances] == [2, 3, 1]
    assert irregularities(series) == ()
    assert (series.rows, series.cols, series.pixel_spacing_mm) == (24, 32, (0.5, 0.75))


def test_one_file_is_a_series_of_one_slice(tmp_path):
    path = save(make_ct_dataset(), tmp_path / "one.dcm")
    result = scan(path)
    assert len(result.series[0]) == 1
    assert [(record.path, record.action) for record in result.records] == [(path, "used")]


def test_two_series_interleaved_in_one_folder_come_apart(tmp_path):
    save_series(tmp_path, [0.0, 4.0], prefix="a")
    save_series(tmp_path, [2.0, 6.0], prefix="a1", series_uid="1.2.3")
    first, second = scan(tmp_path).series
    assert [one.position_mm for one in first.instances] == [0.0, 4.0]
    assert [one.position_mm for one in second.instances] == [2.0, 6.0]
    assert {first.series_instance_uid, second.series_instance_uid} > {"1.2.3"}


def test_a_series_with_two_sizes_becomes_two(tmp_path):
    save_series(tmp_path, [0.0, 2.0])
    save_series(tmp_path, [4.0], prefix="big", stored=water_ramp(30, 30), instance_number=9)
    assert sorted(len(series) for series in scan(tmp_path).series) == [1, 2]


def test_shared_positions_are_split_by_acquisition(tmp_path):
    save_series(tmp_path, [0.0, 2.0], prefix="a", AcquisitionNumber=1)
    for number, position_mm in ((7, 0.0), (8, 2.0)):
        dataset = make_ct_dataset(position_mm=(-16, -12, position_mm), instance_number=number, AcquisitionNumber=2)
        save(dataset, tmp_path / f"b{number}")
    result = scan(tmp_path)
    assert [(len(series), irregularities(series)) for series in result.series] == [(2, ()), (2, ())]


def test_acquisitions_side_by_side_stay_one_series(tmp_path):
    save_series(tmp_path, [0.0, 2.0], prefix="a", AcquisitionNumber=1)
    for number, position_mm in ((7, 4.0), (8, 6.0)):
        dataset = make_ct_dataset(position_mm=(-16, -12, position_mm), instance_number=number, AcquisitionNumber=2)
        save(dataset, tmp_path / f"b{number}")
    assert [len(series) for series in scan(tmp_path).series] == [4]


def test_slices_that_share_a_place_are_reported(tmp_path):
    save_series(tmp_path, [0.0, 2.0, 2.0])
    (series,) = scan(tmp_path).series
    assert irregularities(series) == ("repeated_positions",)


def test_a_gap_is_named_with_its_place(tmp_path):
    save_series(tmp_path, [0.0, 2.0, 4.0, 10.0, 12.0])
    (series,) = scan(tmp_path).series
    assert irregularities(series) == ("missing_slices",)
    assert series.facts["missing after (mm)"] == "4"


def test_uneven_spacing_is_no_gap(tmp_path):
    save_series(tmp_path, [0.0, 1.1, 5.3, 12.7])
    (series,) = scan(tmp_path).series
    assert irregularities(series) == ("varying_spacing",)


def test_gantry_tilt_is_seen_in_the_stacking_direction(tmp_path):
    angle = np.radians(18.5)
    save_series(tmp_path, orientation=(1, 0, 0, 0, np.cos(angle), -np.sin(angle)))
    (series,) = scan(tmp_path).series
    assert irregularities(series) == ("gantry_tilt",)
    distances = np.diff([one.position_mm for one in series.instances])
    np.testing.assert_allclose(distances, 2 * np.cos(angle), atol=1e-5)


@pytest.mark.parametrize(("tilt_degrees", "problems"), [(0.0, ()), (0.4, ()), (0.6, ("gantry_tilt",))])
def test_a_stack_may_lean_by_half_a_degree(tmp_path, tilt_degrees, problems):
    angle = np.radians(tilt_degrees)
    orientation = (1, 0, 0, 0, np.cos(angle), -np.sin(angle))
    save_series(tmp_path, ImageOrientationPatient=[f"{value:.10f}" for value in orientation])
    (series,) = scan(tmp_path).series
    assert irregularities(series) == problems


@pytest.mark.parametrize(("tilt", "problems"), [("0.4", ()), ("0.6", ("gantry_tilt",)), ("-0.6", ("gantry_tilt",))])
def test_a_slice_alone_may_lean_by_half_a_degree_by_its_header(tmp_path, tilt, problems):
    save_series(tmp_path, [0.0], GantryDetectorTilt=tilt)
    (series,) = scan(tmp_path).series
    assert irregularities(series) == problems


def test_a_localizer_is_skipped_by_its_image_type(tmp_path):
    save_series(tmp_path)
    scout = make_ct_dataset(
        instance_number=9, orientation=(1, 0, 0, 0, 0, -1), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]
    )
    save(scout, tmp_path / "scout")
    assert reasons(scan(tmp_path)) == {"used": 3, "localizer": 1}


def test_a_localizer_is_skipped_by_its_orientation(tmp_path):
    save_series(tmp_path)
    save(make_ct_dataset(instance_number=9, orientation=(1, 0, 0, 0, 0, -1)), tmp_path / "scout")
    result = scan(tmp_path)
    assert reasons(result) == {"used": 3, "localizer": 1}
    assert len(result.series) == 1


def test_a_copy_is_a_duplicate_even_in_another_encoding(tmp_path):
    (path,) = save_series(tmp_path, [0.0])
    (tmp_path / "zz_copy").write_bytes(path.read_bytes())
    for name, syntax in (("zz_implicit", ImplicitVRLittleEndian), ("zz_big", ExplicitVRBigEndian)):
        dataset = make_ct_dataset(position_mm=(-16, -12, 0), transfer_syntax=syntax)
        save(dataset, tmp_path / name)
    assert reasons(scan(tmp_path)) == {"used": 1, "duplicate": 3}


def test_one_uid_for_two_images_refuses_both(tmp_path):
    save(make_ct_dataset(), tmp_path / "a")
    save(make_ct_dataset(stored=water_ramp(first=901)), tmp_path / "b")
    result = scan(tmp_path)
    assert result.series == ()
    assert reasons(result) == {"duplicate_conflict": 2}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "not_ct_image_storage"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1"}, "header_incomplete"),
        ({"Modality": "PT"}, "not_ct_modality"),
        ({"Modality": "MR"}, "not_ct_modality"),
        ({"Modality": "SEG"}, "not_ct_modality"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "not_grayscale"),
        ({"SeriesInstanceUID": ""}, "missing_uid"),
        ({"StudyInstanceUID": None}, "missing_uid"),
        ({"ImagePositionPatient": None}, "header_incomplete"),
        ({"BitsStored": None}, "header_incomplete"),
        ({"ImageOrientationPatient": ["1", "0", "0", "1", "0", "0"]}, "bad_value"),
        ({"RescaleSlope": None}, "bad_rescale"),
        ({"RescaleSlope": "0"}, "bad_rescale"),
        ({"RescaleType": "US"}, "not_hu"),
        ({"HighBit": 15}, "highbit"),
        ({"BitsAllocated": 32}, "bits_allocated"),
        ({"BitsStored": 17}, "bad_value"),
        ({"PixelRepresentation": 2}, "bad_value"),
        ({"Rows": 60000, "Columns": 60000}, "too_large"),
        ({"NumberOfFrames": "2"}, "bad_value"),
        ({"PixelData": None}, "pixel_missing"),
        ({"PixelData": bytes(100)}, "pixel_truncated"),
        ({"PixelSpacing": ["0.5", "0.5", "0.5"]}, "bad_value"),
        ({"PixelSpacing": ["0.5", "1e300"]}, "bad_value"),
        ({"PixelSpacing": ["1e-300", "1"]}, "bad_value"),
        ({"ImagePositionPatient": ["0", "0", "1e300"]}, "bad_value"),
        ({"position_mm": (0, 0, 1e300)}, "bad_value"),
        ({"position_mm": (1.1e6, 0, 0)}, "bad_value"),
    ],
)
def test_a_slice_that_cannot_be_trusted_gets_its_reason(tmp_path, changes, reason):
    path = save(make_ct_dataset(**changes), tmp_path / "slice")
    (record,) = scan(path).records
    assert record.reason == reason
    assert record.action == ("skipped" if reason in SKIPS else "error")
    assert reason in {**SKIPS, **ERRORS}
    assert "patient" not in record.detail
    assert "\n" not in record.detail


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"NumberOfFrames": "5"}, "CT Image Storage must hold one frame, got 5 frames; export it as Enhanced CT"),
        ({"NumberOfFrames": "5", "ImagePositionPatient": None}, "must hold one frame, got 5 frames"),
        ({"NumberOfFrames": "0"}, "CT Image Storage must hold one frame, got 0 frames"),
        ({"NumberOfFrames": "400", "Rows": 4096, "Columns": 4096}, "must hold one frame, got 400 frames"),
        ({"NumberOfFrames": "400", "Rows": 40960}, "must hold one frame, got 400 frames"),
        ({"Rows": 0}, "slice: must have rows and columns, got 0x32"),
    ],
)
def test_what_is_no_single_frame_is_told_by_its_frames(tmp_path, changes, said):
    (record,) = scan(save(make_ct_dataset(**changes), tmp_path / "slice")).records
    assert (record.reason, said in record.detail) == ("bad_value", True)


@pytest.mark.parametrize(
    ("modality", "got"), [("PT", "got PT;"), ("SEG", "got SEG;"), ("MUELLER", "got 7 characters that are")]
)
def test_another_modality_is_named_where_it_is_a_known_term_and_free_text_never(tmp_path, modality, got):
    (record,) = scan(save(make_ct_dataset(Modality=modality), tmp_path / "slice")).records
    assert f"slice: Modality must be CT, {got}" in record.detail
    assert "MUELLER" not in record.detail


@pytest.mark.parametrize("modality", [None, "", "CT"])
def test_a_slice_without_modality_is_ct_as_its_class_says(tmp_path, modality):
    assert reasons(scan(save(make_ct_dataset(Modality=modality), tmp_path / "slice"))) == {"used": 1}


def save_with_infinity(tmp_path: Path, keyword: str, values: list[str]) -> Path:
    """Write a number that has a number's form, and that no float holds."""
    path = save(make_ct_dataset(**{keyword: values}), tmp_path / "slice")
    path.write_bytes(path.read_bytes().replace(b"1e200", b"1e400"))
    return path


@pytest.mark.parametrize("number", ["1e200", "-1e200"])
@pytest.mark.parametrize(
    ("keyword", "n_before"),
    [
        ("ImagePositionPatient", 2),
        ("ImageOrientationPatient", 5),
        ("PixelSpacing", 1),
        ("RescaleSlope", 0),
        ("RescaleIntercept", 0),
    ],
)
def test_a_number_that_no_float_holds_is_refused_with_its_attribute(tmp_path, keyword, n_before, number):
    (record,) = scan(save_with_infinity(tmp_path, keyword, ["1"] * n_before + [number])).records
    assert record.reason == "bad_value"
    assert f"{keyword}: must be {n_before + 1} finite number(s), got " in record.detail
    assert number.replace("1e200", "1e400") in record.detail


@pytest.mark.parametrize("keyword", ["SliceLocation", "GantryDetectorTilt", "SliceThickness"])
def test_an_infinite_number_that_only_informs_informs_of_nothing(tmp_path, keyword):
    (series,) = scan(save_with_infinity(tmp_path, keyword, ["1e200"])).series
    assert irregularities(series) == ()
    assert np.isfinite(read_series(series).affine_lps_mm).all()


@pytest.mark.parametrize("text", [b"one ", b"-1024,0 ", b"nan ", b"1_0 "])
def test_a_rescale_that_is_no_number_is_a_bad_value(tmp_path, text):
    path = save(make_ct_dataset(intercept="-1024.25"), tmp_path / "slice")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"-1024.25", text.ljust(8)))
    (record,) = scan(path).records
    assert (record.action, record.reason) == ("error", "bad_value")
    assert "RescaleIntercept" in record.detail


def test_files_that_are_no_dicom_are_skipped_whatever_their_name(tmp_path):
    (tmp_path / "empty.dcm").touch()
    (tmp_path / "notes.dcm").write_text("these are words, and many of them " * 50)
    (tmp_path / "zeros.dcm").write_bytes(bytes(2000))
    os.mkfifo(tmp_path / "pipe.dcm")
    assert reasons(scan(tmp_path)) == {"empty": 1, "not_dicom": 2, "not_regular": 1}


def test_a_file_without_preamble_is_read(tmp_path):
    path = save(make_ct_dataset(), tmp_path / "slice")
    path.write_bytes(path.read_bytes()[132:])
    (series,) = scan(path).series
    assert irregularities(series) == ()


def test_a_bare_data_set_is_read_and_its_syntax_noted(tmp_path):
    path = tmp_path / "slice"
    make_ct_dataset().save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=False)
    content = path.read_bytes()
    path.write_bytes(content[content.index(b"\x08\x00\x05\x00CS") :])
    (series,) = scan(path).series
    assert irregularities(series) == ("transfer_syntax_assumed",)


def test_a_file_cut_in_its_pixels_and_one_cut_in_its_header_are_errors(tmp_path):
    whole = save(make_ct_dataset(), tmp_path / "whole").read_bytes()
    (tmp_path / "whole").unlink()
    (tmp_path / "pixels").write_bytes(whole[:-500])
    (tmp_path / "header").write_bytes(whole[:700])
    found = {record.path.name: (record.action, record.reason) for record in scan(tmp_path).records}
    assert found["pixels"] == ("error", "pixel_truncated")
    assert found["header"][0] == "error"


def test_the_class_is_repaired_from_the_file_meta_information(tmp_path):
    dataset = make_ct_dataset()
    dataset.SOPClassUID = ""
    dataset.save_as(tmp_path / "slice", enforce_file_format=False)
    assert len(scan(tmp_path).series) == 1


def test_missing_uids_can_be_repaired_and_are_found_again(tmp_path):
    save_series(tmp_path / "a", SOPInstanceUID="", SeriesInstanceUID="", StudyInstanceUID="")
    assert reasons(scan(tmp_path)) == {"missing_uid": 3}
    (series,) = scan(tmp_path, repair_uids=True).series
    (again,) = scan(tmp_path, repair_uids=True).series
    assert series == again
    assert "repaired_uids" in series.problems
    assert len({one.sop_instance_uid for one in series.instances}) == 3
    assert all(one.sop_instance_uid.startswith("2.25.") for one in series.instances)
    assert series.study_instance_uid != series.series_instance_uid


def test_the_patient_is_a_digest(tmp_path):
    save_series(tmp_path / "a")
    save_series(tmp_path / "b", series_uid="1.2.3")
    save_series(tmp_path / "c", series_uid="1.2.4", PatientID="other")
    keys = [series.patient_key for series in scan(tmp_path).series]
    assert keys[0] == keys[1] != keys[2]
    assert len(keys[0]) == 16
    assert "patient-7" not in repr(scan(tmp_path))
    assert "Jörg" not in repr(scan(tmp_path))


def test_slices_say_where_they_come_from(tmp_path):
    changes = {"ImageType": ["DERIVED", "PRIMARY", "AXIAL"], "LossyImageCompression": "01", "PixelSpacing": None}
    save_series(tmp_path, **changes)
    (series,) = scan(tmp_path).series
    assert irregularities(series) == ("already_derived", "lossy_source", "pixel_spacing_missing")
    assert series.facts["ConvolutionKernel"] == "B30"
    assert series.facts["KVP"] == "120"


def test_an_invalid_uid_is_noted_and_used(tmp_path):
    path = save(make_ct_dataset(), tmp_path / "slice")
    path.write_bytes(path.read_bytes().replace(b"1.2.826.0.1.3680043.8.498.1.1", b"x.2.826.0.1.3680043.8.498.1.1"))
    (series,) = scan(path).series
    assert irregularities(series) == ("invalid_uid",)


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    save_series(tmp_path / "open")
    walk = os.walk

    def walk_with_a_closed_folder(root, followlinks, onerror):
        onerror(PermissionError(13, "Permission denied", str(tmp_path / "closed")))
        return walk(root, followlinks=followlinks)

    monkeypatch.setattr(os, "walk", walk_with_a_closed_folder)
    assert reasons(scan(tmp_path)) == {"unreadable": 1, "used": 3}


def test_a_broken_link_is_an_error(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert reasons(scan(tmp_path)) == {"unreadable": 1}


def test_every_file_has_one_record_in_path_order_and_progress_is_told(tmp_path):
    save_series(tmp_path / "b")
    save_series(tmp_path / "a", series_uid="1.2.3")
    (tmp_path / "readme.txt").write_text("text")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    save_series(tmp_path / ".partial-0123", series_uid="1.2.4")
    told: list[tuple[int, int, str]] = []
    result = scan(tmp_path, lambda *progress: told.append(progress))
    paths = [record.path for record in result.records]
    assert paths == sorted(set(paths))
    assert len(paths) == 8
    assert [series.directory.name for series in result.series] == ["a", "b"]
    assert told[-1] == (7, 7, "reading headers")
    assert [record.path.name for record in result.records if record.reason == "linked_folder"] == ["loop"]


def test_the_result_does_not_depend_on_the_order_of_the_folder(tmp_path, monkeypatch):
    save_series(tmp_path, [0.0, 2.0, 4.0, 6.0])
    expected = scan(tmp_path)
    walk = os.walk

    def reversed_walk(*args, **kwargs):
        for folder, folders, names in walk(*args, **kwargs):
            yield folder, folders, sorted(names, reverse=True)

    monkeypatch.setattr(os, "walk", reversed_walk)
    assert scan(tmp_path) == expected


def test_a_missing_root_is_an_error(tmp_path):
    with pytest.raises(DataError, match="must exist"):
        scan(tmp_path / "nowhere")


@pytest.mark.real_data
def test_real_folders_are_scanned_right(shared_data: Path):
    result = scan(shared_data / "ct_lowdose_pairs")
    assert sorted(len(series) for series in result.series) == [4, 4, 4, 4, 7, 7, 7, 7]
    (head,) = scan(shared_data / "ct_head").series
    assert head.problems == ("varying_spacing", "gantry_tilt", "thickness_varies", "acquisition_varies")
    assert len(scan(shared_data / "ct_phantom").series) == 2


@pytest.mark.real_data
def test_a_real_series_without_uids_is_refused_or_repaired(shared_data: Path):
    folder = shared_data / "ct_clean" / "totalseg_body_3mm_J2K"
    assert reasons(scan(folder)) == {"missing_uid": 20}
    (series,) = scan(folder, repair_uids=True).series
    assert len(series) == 20
    assert series.problems == ("patient_id_missing", "repaired_uids")


@pytest.mark.real_data
def test_one_image_in_many_encodings_is_one_image(shared_data: Path):
    found = {record.path.name: record.reason for record in scan(shared_data / "formats").records}
    assert found["CTImage.dcm"] == ""
    assert found["CTImage.dcm_RLELosslessTransferSyntax_1.2.840.10008.1.2.5.dcm"] == "duplicate"
    assert found["eCT_Supplemental.dcm"] == "not_grayscale"
