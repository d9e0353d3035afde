"""A manifest's series on disk: by header, in the manifest's order, all problems at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from pydicom.uid import JPEGLSLossless

from n2b_ct.data.manifest import Manifest
from n2b_ct.data.manifest_series import find_series, require_decodable
from n2b_ct.errors import DataError
from tests.encodings import encoded_dataset
from tests.helpers import make_ct_dataset, save, save_series, water_ramp
from tests.volume_scenes import ct, labels, save_words


def manifest_of(series: dict[str, dict[str, Any]], **changes: Any) -> Manifest:
    split = {"rule": "series", "clean": list(series)}
    return Manifest.model_validate(
        {"format": 1, "name": "set", "series": series, "splits": {"default": split}, **changes}
    )


def uid(number: int) -> dict[str, str]:
    return {"series_uid": f"1.2.826.0.1.3680043.8.498.{number}", "study_uid": "1.2.826.0.1.3680043.8.498.77"}


def test_a_series_is_known_by_its_folder(tmp_path):
    save_series(tmp_path / "a")
    found = find_series(manifest_of({"a": {"path": "a", "dose": 0.5}}), tmp_path, ["a"])["a"]
    assert (len(found), found.dose, found.size_px) == (3, 0.5, (24, 32))
    assert found.positions_mm == (0.0, 2.0, 4.0)


def test_a_series_is_known_by_its_header_among_others(tmp_path):
    for number, description in enumerate(["FBP FULL", "FBP 50", "FBP 5"], start=1):
        save_series(tmp_path / f"SE{number}", SeriesDescription=description, **uid(number))
    series = {"five": {"where": {"SeriesDescription": r"fbp\D*\b5\b"}}, "half": {"where": {"SeriesDescription": "50"}}}
    found = find_series(manifest_of(series), tmp_path, ["five", "half"])
    assert {name: one.source.description for name, one in found.items()} == {"five": "FBP 5", "half": "FBP 50"}


def test_every_missing_or_ambiguous_series_gets_a_line(tmp_path):
    save_series(tmp_path / "two" / "a", **uid(1))
    save_series(tmp_path / "two" / "b", **uid(2))
    (tmp_path / "none").mkdir()
    manifest = manifest_of({"two": {"path": "two"}, "none": {"path": "none"}, "gone": {"path": "gone"}})
    with pytest.raises(DataError, match="series two") as caught:
        find_series(manifest, tmp_path, ["two", "none", "gone"])
    lines = str(caught.value).splitlines()
    assert [line.split(" ")[1] for line in lines] == ["two", "none", "gone:"]
    assert "must match exactly one series (one CT series), got 2; see n2b-ct inspect" in lines[0]
    assert "got 0" in lines[1]
    assert "got nothing there; check data_root=… and the manifest" in lines[2]


def test_refused_files_are_named_as_the_reason(tmp_path):
    for path in save_series(tmp_path / "a"):
        path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match="files there were refused: pixel_truncated"):
        find_series(manifest_of({"a": {"path": "a"}}), tmp_path, ["a"])


@pytest.mark.parametrize("n_bytes", [560, 0, -500])
def test_a_series_that_is_not_whole_is_refused_or_told_of(tmp_path, n_bytes):
    path = save_series(tmp_path / "a")[1]
    path.write_bytes(path.read_bytes()[:n_bytes])
    manifest = manifest_of({"a": {"path": "a"}})
    message = r"series a in .*a: must be whole, for half a series misleads, got a file refused as .*slice002: "
    with pytest.raises(DataError, match=message):
        find_series(manifest, tmp_path, ["a"])
    found = find_series(manifest, tmp_path, ["a"], skip_bad_slices=True)["a"]
    assert (len(found), [one.path for one in found.refused]) == (2, [path])
    assert found.facts.series == found.refused[0].series == found.source.public_uid
    assert (found.facts.n_slices, found.facts.n_skipped_slices) == (2, 1)
    assert "missing_slices" in found.facts.problems


def test_damaged_pixels_are_found_before_slices_are_shared_out(tmp_path):
    for index in range(3):
        dataset = encoded_dataset(
            JPEGLSLossless,
            water_ramp(64, 64),
            bits_stored=16,
            is_signed=False,
            instance_number=index,
            position_mm=(0, 0, index),
        )
        path = save(dataset, tmp_path / f"IM{index}")
    whole = path.read_bytes()
    path.write_bytes(whole[:-600] + bytes(580) + whole[-20:])
    manifest = manifest_of({"a": {}})
    found = find_series(manifest, tmp_path, ["a"], skip_bad_slices=True)["a"]
    assert (len(found), [one.reason for one in found.refused]) == (2, ["pixel_undecodable"])
    assert found.read_hu([0, 1]).shape == (2, 64, 64)
    with pytest.raises(
        DataError, match=r"series a in .*: must be whole.* pixel_undecodable \(IM2: pixels: must decode"
    ):
        require_decodable([find_series(manifest, tmp_path, ["a"])["a"]])
    with pytest.raises(DataError, match=r"series a in .*: every slice must be readable, got IM2.*skip_bad_slices=True"):
        find_series(manifest, tmp_path, ["a"])["a"].read_hu([2])


def test_a_missing_root_is_said(tmp_path):
    with pytest.raises(DataError, match="must be a folder, got nothing there; pass data_root=DIR"):
        find_series(manifest_of({"a": {}}), tmp_path / "nowhere", ["a"])


def test_slice_location_sorts_where_the_manifest_says_so(tmp_path):
    for index, location in enumerate(["30", "10", "20"]):
        dataset = make_ct_dataset(
            stored=water_ramp(first=1000 + index),
            position_mm=(0, 0, 2.0 * index),
            instance_number=index + 1,
            SliceLocation=location,
        )
        save(dataset, tmp_path / f"IM{index}")
    by_position = find_series(manifest_of({"a": {}}), tmp_path, ["a"])["a"]
    by_location = find_series(manifest_of({"a": {}}, order="SliceLocation"), tmp_path, ["a"])["a"]
    assert by_position.positions_mm == (0.0, 2.0, 4.0)
    assert by_location.positions_mm == (2.0, 4.0, 0.0)
    np.testing.assert_array_equal(by_location.read_hu([2])[0], by_position.read_hu([0])[0])


def test_padding_becomes_the_lowest_real_hu(tmp_path):
    stored = water_ramp()
    stored[0, :5] = 4000
    save(make_ct_dataset(stored=stored, padding=4000), tmp_path / "slice")
    hu = find_series(manifest_of({"a": {}}), tmp_path, ["a"])["a"].read_hu([0])[0]
    lowest = float(stored[stored != 4000].min() - 1024)
    np.testing.assert_array_equal(hu[0, :5], lowest)
    np.testing.assert_array_equal(hu[1:], stored[1:] - 1024.0)


def test_slices_come_in_the_order_asked_for(tmp_path):
    save_series(tmp_path / "a")
    found = find_series(manifest_of({"a": {"path": "a"}}), tmp_path, ["a"])["a"]
    every = found.read_hu([0, 1, 2])
    np.testing.assert_array_equal(found.read_hu([2, 0]), every[[2, 0]])


def test_a_nifti_volume_is_a_series_too(tmp_path):
    hu = np.arange(4 * 5 * 3, dtype=np.float32).reshape(4, 5, 3)
    nibabel.save(nibabel.Nifti1Image(hu, np.diag([-1.0, -1.0, 2.0, 1.0])), tmp_path / "v.nii.gz")
    entry = {"path": "v.nii.gz", "dose": 0.1, "assume_hu": True}
    found = find_series(manifest_of({"v": entry}), tmp_path, ["v"])["v"]
    assert (len(found), found.size_px, found.dose) == (3, (5, 4), 0.1)
    np.testing.assert_array_equal(found.read_hu([1])[0], hu[:, :, 1].T)


@pytest.mark.parametrize("ending", [".nii", ".nrrd", ".nhdr", ".mha", ".mhd"])
def test_a_volumes_offset_to_hu_is_told_by_the_manifest(tmp_path, ending):
    words = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(words), str(tmp_path / f"v{ending}"))
    entry = {"path": f"v{ending}", "hu_offset": -1000, "assume_hu": True}
    found = find_series(manifest_of({"v": entry}), tmp_path, ["v"])["v"]
    np.testing.assert_array_equal(found.read_hu([2, 0]), words[[2, 0]] - 1000.0)


def test_a_volume_that_is_no_ct_is_refused_unless_the_manifest_assumes_hu(tmp_path):
    save_words(tmp_path / "plus.mha", np.rint(ct() + 1024).astype(np.int16))
    save_words(tmp_path / "liver_mask.mha", labels(2).astype(np.int16))
    entries = {"plus": {"path": "plus.mha"}, "mask": {"path": "liver_mask.mha", "assume_hu": True}}
    with pytest.raises(DataError, match=r"plus\.mha: must hold HU") as caught:
        find_series(manifest_of(entries), tmp_path, ["plus", "mask"])
    assert "liver_mask.mha: must hold HU, not labels" in str(caught.value)
    assumed = manifest_of({"plus": {"path": "plus.mha", "assume_hu": True}})
    assert find_series(assumed, tmp_path, ["plus"])["plus"].read_hu([0]).max() > 1000


def test_a_series_whose_values_are_not_said_to_be_hu_is_taken_where_the_manifest_assumes_hu(tmp_path):
    save_series(tmp_path / "a", RescaleType="US")
    with pytest.raises(DataError, match="files there were refused: not_hu"):
        find_series(manifest_of({"a": {"path": "a"}}), tmp_path, ["a"])
    found = find_series(manifest_of({"a": {"path": "a", "assume_hu": True}}), tmp_path, ["a"])["a"]
    assert found.read_hu([0]).shape == (1, 24, 32)


def test_a_volume_that_cannot_be_trusted_is_told_when_it_is_looked_for(tmp_path):
    (tmp_path / "v.nrrd").write_text("NRRD0004\n")
    with pytest.raises(DataError, match=r"v\.nrrd: must be a readable NRRD file"):
        find_series(manifest_of({"v": {"path": "v.nrrd"}}), tmp_path, ["v"])


def test_blank_uids_are_accepted_only_where_the_manifest_says_so(tmp_path):
    for index in range(2):
        dataset = make_ct_dataset(
            position_mm=(0, 0, index), instance_number=index, stored=water_ramp(first=index + 900)
        )
        dataset.SOPInstanceUID = dataset.SeriesInstanceUID = dataset.StudyInstanceUID = ""
        dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        save(dataset, Path(tmp_path / f"IM{index}"))
    with pytest.raises(DataError, match="missing_uid"):
        find_series(manifest_of({"a": {}}), tmp_path, ["a"])
    assert len(find_series(manifest_of({"a": {"repair_uids": True}}), tmp_path, ["a"])["a"]) == 2


def test_a_volume_that_changed_its_size_since_it_was_found_is_said(tmp_path):
    for n_slices in (3, 2):
        hu = np.random.default_rng(n_slices).integers(-1000, 1000, (8, 6, n_slices))
        image = nibabel.Nifti1Image(hu.astype(np.int16), np.eye(4))
        nibabel.save(image, tmp_path / f"{n_slices}.nii")
    found = find_series(manifest_of({"a": {"path": "3.nii"}}), tmp_path, ["a"])["a"]
    (tmp_path / "2.nii").replace(tmp_path / "3.nii")
    with pytest.raises(DataError, match="series a: must still be 3x6x8, got 2x6x8; do not change the data"):
        found.read_hu([2])
