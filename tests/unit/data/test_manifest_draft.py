"""Manifests for trees that have none: doses from words, series known again, roles proposed."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from n2b_ct.config.yaml_files import as_yaml
from n2b_ct.data.manifest import Manifest, load_manifest
from n2b_ct.data.manifest_draft import dose_hint, draft_manifest
from n2b_ct.data.manifest_series import DatasetSeries, find_series
from n2b_ct.errors import DataError
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.series import SeriesRef
from tests.helpers import make_ct_dataset, save, save_series, water_ramp


def uid(number: int) -> dict[str, str]:
    return {"series_uid": f"1.2.826.0.1.3680043.8.498.{number}", "study_uid": "1.2.826.0.1.3680043.8.498.77"}


@pytest.mark.parametrize(
    ("text", "dose"),
    [
        ("Abdomen 25%", 0.25),
        ("thorax 12.5 percent", 0.125),
        ("Quarter Dose", 0.25),
        ("QD", 0.25),
        ("half dose", 0.5),
        ("FULL", 1.0),
        ("FD", 1.0),
        ("routine dose", 1.0),
        ("FBP FULL", 1.0),
        ("FBP 5", 0.05),
        ("FBP 50", 0.5),
        ("Thorax 5mm B30", None),
        ("QDX", None),
        ("", None),
        ("slice 7", None),
    ],
)
def test_a_dose_is_read_from_words(text, dose):
    assert dose_hint(text) == (None if dose is None else pytest.approx(dose))


def test_an_index_reads_back_and_finds_every_series_again(tmp_path):
    save_series(tmp_path / "one", SeriesDescription="FD", **uid(1))
    save_series(tmp_path / "two", prefix="a", SeriesDescription="Quarter", **uid(2))
    save_series(tmp_path / "two", prefix="b", SeriesDescription="half", **uid(3))
    save_series(tmp_path / "two" / "below", **uid(4))
    found = scan(tmp_path).series
    manifest = Manifest.model_validate(draft_manifest(found, tmp_path, "mine"))
    again = find_series(manifest, tmp_path, list(manifest.series))
    assert [one.source.series_instance_uid for one in again.values()] == [one.series_instance_uid for one in found]
    assert sorted(one.dose or 0 for one in again.values()) == [0, 0.25, 0.5, 1.0]


def slices(folder: Path, name: str, first_mm: float = 0.0, **changes: object) -> None:
    """Three slices whose instances nobody else has."""
    for k in range(3):
        sop_uid = f"2.25.{zlib.crc32(f'{folder.name}/{name}{k}'.encode())}"
        place = {"position_mm": (-16.0, -12.0, first_mm + 2.0 * k), "sop_uid": sop_uid}
        stored = water_ramp(first=800 + zlib.crc32(f"{folder.name}{name}{k}".encode()) % 1000)
        save(make_ct_dataset(**{"stored": stored, **place, **changes}), folder / f"{name}{k}")


def read_back(root: Path) -> tuple[list[SeriesRef], dict[str, DatasetSeries], Manifest]:
    """What a scan finds, and what a manifest that was written and read again finds."""
    found = scan(root).series
    (root / "mine.yaml").write_text(as_yaml(draft_manifest(found, root, "mine")))
    manifest = load_manifest(root / "mine.yaml")
    return list(found), find_series(manifest, root, list(manifest.series)), manifest


def paths(series: SeriesRef) -> list[Path]:
    return [one.path for one in series.instances]


@pytest.mark.parametrize(
    ("changes", "keywords"),
    [
        ([{}, {"ConvolutionKernel": "B60 (x+y)"}], {"ConvolutionKernel"}),
        ([{}, {"ConvolutionKernel": "B3"}, {"ConvolutionKernel": ""}], {"ConvolutionKernel"}),
        ([{}, {"PixelSpacing": ["0.7", "0.7"]}, {"PixelSpacing": None}], {"PixelSpacing"}),
        ([{}, {"stored": water_ramp(30, 30)}], {"Rows", "Columns"}),
        ([{}, {"orientation": (0, 1, 0, 0, 0, -1)}], {"ImageOrientationPatient"}),
        ([{}, {"FrameOfReferenceUID": "1.2.3.4"}], {"FrameOfReferenceUID"}),
        ([{}, {"AcquisitionNumber": 2}, {"AcquisitionNumber": 3}], {"AcquisitionNumber"}),
        ([{}, {"PatientID": "P2"}, {"PatientID": ""}], {"Patient"}),
        ([{}, {"study_uid": "1.2.3"}], {"StudyInstanceUID", "FrameOfReferenceUID"}),
        ([{}, {"SeriesNumber": 33, "ConvolutionKernel": "B60"}], {"SeriesNumber", "ConvolutionKernel"}),
    ],
)
def test_parts_of_one_uid_are_told_apart_by_what_makes_them_parts(tmp_path, changes, keywords):
    for number, change in enumerate(changes):
        slices(
            tmp_path / "in", f"part{number}-", 0.0 if "AcquisitionNumber" in str(changes) else 10.0 * number, **change
        )
    found, again, manifest = read_back(tmp_path / "in")
    assert len(found) == len(changes)
    assert [paths(one.source) for one in again.values()] == [paths(one) for one in found]
    assert all(set(entry.where) == {"SeriesInstanceUID", *keywords} for entry in manifest.series.values())


def test_two_patients_in_two_folders_need_no_pattern_and_in_one_folder_no_id(tmp_path):
    for number, patient in enumerate(("P1", "P2")):
        slices(tmp_path / "two" / patient, "x", PatientID=patient)
        slices(tmp_path / "one", patient, 20.0 * number, PatientID=patient)
    _, again, manifest = read_back(tmp_path / "two")
    assert [dict(entry.where) for entry in manifest.series.values()] == [{}, {}]
    assert len({one.patient_key for one in again.values()}) == 2
    _, again, manifest = read_back(tmp_path / "one")
    assert len({one.patient_key for one in again.values()}) == 2
    assert {len(entry.where["Patient"]) for entry in manifest.series.values()} == {len("^ab")}
    assert not any(one.patient_key in str(manifest) for one in again.values())


def test_a_series_in_several_folders_is_indexed_whole(tmp_path):
    slices(tmp_path / "in" / "s" / "1", "x")
    slices(tmp_path / "in" / "s" / "2", "x", 6.0)
    slices(tmp_path / "in" / "s" / "2" / "other", "y", **uid(8))
    found, again, manifest = read_back(tmp_path / "in")
    assert [paths(one.source) for one in again.values()] == [paths(one) for one in found]
    assert sorted(entry.path for entry in manifest.series.values()) == ["s", "s/2/other"]


def test_lower_doses_are_proposed_as_noisy_and_the_others_as_clean(tmp_path):
    save_series(tmp_path / "a", SeriesDescription="25 %", **uid(1))
    save_series(tmp_path / "b", SeriesDescription="unknown", **uid(2))
    values = draft_manifest(scan(tmp_path).series, tmp_path, "mine")
    assert values["splits"]["default"]["noisy"] == ["series_1"]
    assert values["splits"]["default"]["clean"] == ["series_2"]


def test_a_folders_name_tells_the_dose_where_the_description_does_not(tmp_path):
    save_series(tmp_path / "QD", SeriesDescription="Thorax", **uid(1))
    assert draft_manifest(scan(tmp_path).series, tmp_path, "mine")["series"]["series_1"]["dose"] == 0.25


def test_a_manifest_names_no_patient(tmp_path):
    save_series(tmp_path / "a")
    assert "patient-7" not in str(draft_manifest(scan(tmp_path).series, tmp_path, "mine"))


def test_an_empty_folder_is_said():
    with pytest.raises(DataError, match="must hold at least one CT series, got 0; see n2b-ct inspect"):
        draft_manifest([], Path("empty"), "mine")
