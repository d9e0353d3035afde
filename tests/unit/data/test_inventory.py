"""A folder's inventory: every file once, volumes beside series, dose hints in words."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK

from n2b_ct.data.indexing import manifest_for
from n2b_ct.data.inventory import dose_hints, take_inventory
from n2b_ct.data.manifest import Manifest
from tests.helpers import save_series


def save_volume(path, lowest: int = -1000):
    words = np.full((3, 4, 5), 40, np.int16)
    words[:, :2] = lowest
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(words), str(path))
    return path


@pytest.fixture
def mixed(tmp_path):
    save_series(tmp_path / "QD")
    save_volume(tmp_path / "a.nii.gz")
    save_volume(tmp_path / "b.mhd", lowest=0)
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
        "b.mhd": ("used", ""),
        "b.raw": ("used", ""),
        "broken.nrrd": ("error", "unreadable"),
        "notes.txt": ("skipped", "not_dicom"),
    }
    assert [one.path.name for one in found.volumes] == ["a.nii.gz", "b.mhd"]
    assert found.n_errors == 1
    assert next(record.detail for record in found.records if record.path.name == "b.raw") == "voxels of b.mhd"


def test_volumes_that_cannot_be_hu_say_so_until_their_offset_is_told(mixed):
    assert [one.problems for one in take_inventory(mixed).volumes] == [(), ("maybe_not_hu",)]
    assert [one.problems for one in take_inventory(mixed, hu_offset=-1000).volumes] == [(), ()]


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


def test_an_index_proposes_volumes_too_and_leaves_the_offset_to_a_person(mixed):
    found = take_inventory(mixed)
    values = manifest_for(found.series, mixed, "mine", found.volumes)
    entries = Manifest.model_validate(values).series
    assert entries["series_1"].dose == 0.25
    assert values["series"]["volume_1"] == {"path": "a.nii.gz"}
    assert values["series"]["volume_2"] == {"path": "b.mhd", "hu_offset": 0.0}
