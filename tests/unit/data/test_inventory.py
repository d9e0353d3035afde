"""A folder's inventory: every file once, volumes beside series, dose hints in words."""

from __future__ import annotations

import numpy as np
import pytest

from n2b_ct.data.inventory import dose_hints, take_inventory
from n2b_ct.data.manifest import Manifest
from n2b_ct.data.manifest_draft import draft_manifest
from tests.helpers import save_series
from tests.volume_scenes import ct, labels, pet, save_words


def save_volume(path, offset_hu: int = 0):
    return save_words(path, np.rint(ct() + offset_hu).astype(np.int16))


@pytest.fixture
def mixed(tmp_path):
    save_series(tmp_path / "QD")
    save_volume(tmp_path / "a.nii.gz")
    save_volume(tmp_path / "b.mhd", offset_hu=1000)
    save_words(tmp_path / "labels" / "c.mhd", labels(4).astype(np.int16))
    save_words(tmp_path / "d.nrrd", pet())
    (tmp_path / "broken.nrrd").write_bytes(b"NRRD0004\n")
    (tmp_path / "notes.txt").write_text("notes")
    return tmp_path


def test_every_file_has_one_record_and_volumes_are_used(mixed):
    found = take_inventory(mixed)
    told = {record.path.relative_to(mixed).as_posix(): (record.action, record.reason) for record in found.records}
    assert len(told) == len(found.records)
    assert told == {
        "QD/slice001": ("used", ""),
        "QD/slice002": ("used", ""),
        "QD/slice003": ("used", ""),
        "a.nii.gz": ("used", ""),
        "b.mhd": ("error", "maybe_not_hu"),
        "b.raw": ("error", "maybe_not_hu"),
        "broken.nrrd": ("error", "unreadable"),
        "d.nrrd": ("skipped", "not_ct"),
        "labels/c.mhd": ("skipped", "label_map"),
        "labels/c.raw": ("skipped", "label_map"),
        "notes.txt": ("skipped", "not_dicom"),
    }
    assert [one.path.name for one in found.volumes] == ["a.nii.gz"]
    assert found.n_errors == 3
    details = [record.detail for record in found.records if record.path.stem == "b"]
    assert len(set(details)) == 1
    assert "pass volume_offset_hu=-1024" in details[0]


def test_volumes_off_by_a_constant_are_used_once_it_is_told_or_assume_hu_is_given(mixed):
    told = take_inventory(mixed, hu_offset=-1000)
    assert [(one.path.name, one.problems) for one in told.volumes] == [("b.mhd", ())]
    assumed = {one.path.name: one.problems for one in take_inventory(mixed, assume_hu=True).volumes}
    assert assumed == {"a.nii.gz": (), "b.mhd": ("maybe_not_hu",), "d.nrrd": ("maybe_not_hu",)}
    assert "voxels of b.mhd" in {record.detail for record in told.records}


def test_a_dicom_file_with_a_volumes_name_stays_dicom(tmp_path):
    path = save_series(tmp_path, [0.0])[0]
    path.rename(tmp_path / "slice.nii")
    found = take_inventory(tmp_path)
    assert (len(found.series), found.volumes) == (1, ())


@pytest.mark.parametrize(
    ("changes", "hints"),
    [
        ({}, ()),
        ({"CTDIvol": 12.345678}, ("CTDIvol 12.35 mGy",)),
        ({"Exposure": "210"}, ("210 mAs",)),
        ({"XRayTubeCurrent": "400", "ExposureTime": "500"}, ("200 mAs",)),
        ({"XRayTubeCurrent": "400"}, ("400 mA",)),
        ({"ExposureModulationType": "XYZ_EC"}, ("modulation XYZ_EC",)),
        ({"SeriesDescription": "Thorax 25 %"}, ("25 % dose (description 'Thorax 25 %')",)),
    ],
)
def test_dose_hints_are_the_words_of_header_and_names(tmp_path, changes, hints):
    save_series(tmp_path / "one", [0.0], **changes)
    (series,) = take_inventory(tmp_path).series
    assert dose_hints(series) == hints


def test_a_folder_s_name_is_a_hint_beside_the_full_tube_current(tmp_path):
    save_series(tmp_path / "QD", [0.0], Exposure="288")
    assert dose_hints(take_inventory(tmp_path).series[0]) == ("288 mAs", "25 % dose (folder 'QD')")


def test_an_index_proposes_volumes_of_ct_and_no_others(mixed):
    found = take_inventory(mixed)
    values = draft_manifest(found.series, mixed, "mine", found.volumes)
    entries = Manifest.model_validate(values).series
    assert entries["series_1"].dose == 0.25
    assert set(entries) == {"series_1", "volume_1"}
    assert values["series"]["volume_1"] == {"path": "a.nii.gz"}


def test_an_index_notes_assumed_hu(mixed):
    told = take_inventory(mixed, hu_offset=-1000)
    values = draft_manifest(told.series, mixed, "mine", told.volumes, hu_offset=-1000)
    assert values["series"]["volume_1"] == {"path": "b.mhd", "hu_offset": -1000}
    assumed = take_inventory(mixed, assume_hu=True)
    values = draft_manifest(assumed.series, mixed, "mine", assumed.volumes)
    assert values["series"]["volume_2"] == {"path": "b.mhd", "assume_hu": True}


def test_an_index_of_dicom_notes_assumed_hu(tmp_path):
    save_series(tmp_path / "a", RescaleType="US")
    found = take_inventory(tmp_path, assume_hu=True)
    assert draft_manifest(found.series, tmp_path, "mine")["series"]["series_1"] == {"path": "a", "assume_hu": True}
