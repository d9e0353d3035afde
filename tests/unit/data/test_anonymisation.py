"""What the series of a folder say together about the anonymiser that they went through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from n2b_ct.data.anonymisation import find_patterns
from n2b_ct.io.dicom.reasons import PATTERNS
from n2b_ct.io.dicom.scan import scan
from tests.helpers import make_ct_dataset, save, water_ramp


def patterns(folder: Path) -> dict[str, int]:
    return {one.code: len(one.series) for one in find_patterns(scan(folder).series)}


def write(path: Path, number: int, **changes: Any) -> None:
    """One slice at a place of its own, with UIDs and PatientID of its own number unless told otherwise."""
    own = {
        "sop_uid": f"1.2.3.{number}",
        "series_uid": f"1.2.4.{number}",
        "study_uid": f"1.2.5.{number}",
        "PatientID": f"P{number}",
        "position_mm": (-16.0, -12.0, 2.0 * number),
        "stored": water_ramp(first=900 + 10 * number),
    }
    save(make_ct_dataset(**{**own, **changes}), path)


ONE = {"study_uid": "1.2.7", "PatientID": "P0"}


@pytest.mark.parametrize(
    "changes",
    [
        ONE,
        {"PatientID": "P0"},
        {"PatientID": ""},
        {**ONE, "PatientID": "", "FrameOfReferenceUID": None},
    ],
)
@pytest.mark.parametrize("in_folders", [False, True])
def test_a_series_uid_for_every_file_is_told(tmp_path, changes, in_folders):
    for k in range(8):
        write(tmp_path / "scan" / (f"{k}/IM" if in_folders else f"IM{k}"), k, **changes)
    assert patterns(tmp_path)["series_uid_per_file"] == 8


@pytest.mark.parametrize(
    "changes",
    [
        [{}, {}],
        [{}, {"ConvolutionKernel": "B60"}, {"ConvolutionKernel": "B70"}],
        [{}, {"PixelSpacing": ["0.7", "0.7"]}, {"PixelSpacing": ["0.8", "0.8"]}],
        [{}, {"position_mm": (-16.0, -12.0, 0.0)}, {"position_mm": (-16.0, -12.0, 0.0)}],
        [{}, {"orientation": (0, 1, 0, 0, 0, -1)}, {"orientation": (1, 0, 0, 0, 0, -1)}],
    ],
)
def test_a_few_single_slices_that_lie_otherwise_are_no_torn_series(tmp_path, changes):
    for k, change in enumerate(changes):
        write(tmp_path / f"IM{k}", k, **{**ONE, **change})
    assert "series_uid_per_file" not in patterns(tmp_path)


def test_a_slice_each_of_many_patients_is_no_torn_series(tmp_path):
    for k in range(5):
        write(tmp_path / f"IM{k}", k)
    assert patterns(tmp_path) == {}


def test_uids_that_patients_share_are_told(tmp_path):
    for patient in (1, 2):
        for k in range(2):
            own = {"PatientID": f"P{patient}", "study_uid": "1.2.7", "series_uid": "1.2.8", "sop_uid": f"1.2.9.{k}"}
            write(tmp_path / f"p{patient}" / f"IM{k}", 2 * k + patient, **own)
    assert patterns(tmp_path) == {"uid_shared_by_patients": 2, "sop_uid_repeated": 2, "study_uid_shared": 2}


@pytest.mark.parametrize(
    "changes",
    [
        [{"PatientID": "A"}, {"PatientID": "B"}],
        [{"StudyDate": "20200101"}, {"StudyDate": "20210203"}],
        [{"ManufacturerModelName": "One"}, {"ManufacturerModelName": "Two"}],
        [{"PatientBirthDate": "19500101"}, {"PatientBirthDate": "19610203"}],
    ],
)
def test_one_study_uid_for_several_studies_is_told(tmp_path, changes):
    for k, change in enumerate(changes):
        write(tmp_path / f"s{k}" / "IM", k, **{**ONE, **change})
    assert patterns(tmp_path) == {"study_uid_shared": 2}


def test_series_without_patient_are_counted(tmp_path):
    for k, patient in enumerate(("", "P1", None)):
        write(tmp_path / f"s{k}" / "IM", k, PatientID=patient)
    assert patterns(tmp_path) == {"patient_id_missing": 2}


@pytest.mark.parametrize(
    ("changes", "n_series"),
    [
        ([{"PatientID": "X"}, {"PatientID": "X"}], 2),
        ([{"PatientID": "ANON"}, {"PatientID": "ANON"}, {"PatientID": "P7"}], 2),
        ([{"PatientID": "X", "PatientSex": sex} for sex in "FM"] + [{"PatientID": "Y"}], 2),
        ([{"PatientID": "X"}, {"PatientID": "X"}, {"PatientID": "Y"}], 0),
        ([{"PatientID": "X", "study_uid": "1.2.7"}] * 2, 0),
    ],
)
def test_a_patient_id_that_may_be_several_patients_is_told(tmp_path, changes, n_series):
    for k, change in enumerate(changes):
        write(tmp_path / f"s{k}" / "IM", k, **change)
    assert patterns(tmp_path).get("patient_id_shared", 0) == n_series


def test_every_pattern_has_a_meaning_and_a_remedy_and_ordinary_series_show_none(tmp_path):
    assert all(meaning and remedy for meaning, remedy in PATTERNS.values())
    for k in range(3):
        write(tmp_path / "a" / f"IM{k}", k, **ONE, series_uid="1.2.8")
        write(tmp_path / "b" / f"IM{k}", 10 + k, **{**ONE, "study_uid": "1.2.9"}, series_uid="1.2.9.1")
        write(tmp_path / "c" / f"IM{k}", 20 + k, PatientID="P2", study_uid="1.3", series_uid="1.3.1")
    assert patterns(tmp_path) == {}
