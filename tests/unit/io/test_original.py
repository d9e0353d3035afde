"""New CT instances: complete, honest about being synthetic, and the same bytes every time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK

from n2b_ct.errors import OutputError
from n2b_ct.io.dicom.writing.original import OriginalSeries, original_dataset, write_original

SERIES = OriginalSeries(
    study_key="study",
    series_key="FBP 10",
    number=4,
    description="FBP 10",
    subject_id="PIGLET-0",
    species="Sus scrofa",
    size_px=32,
    pixel_mm=240.0 / 32 / 3,
    slice_thickness_mm=0.625,
    slice_spacing_mm=566.25 / 96,
    kernel="STANDARD",
    tube_current_ma=30,
)
HU = np.linspace(-1500.0, 4000.0, 32 * 32).reshape(32, 32)


def dataset(instance_number: int = 3, position_mm: float = -17.3456789) -> pydicom.Dataset:
    return original_dataset(SERIES, HU, instance_number=instance_number, position_mm=position_mm)


def test_hu_are_rounded_to_nearest_and_clipped_to_twelve_bits() -> None:
    written = dataset()
    hu = written.pixel_array * float(written.RescaleSlope) + float(written.RescaleIntercept)
    np.testing.assert_array_equal(hu, np.clip(np.rint(HU), -1024, 3071))
    assert (written.BitsStored, written.HighBit, written.PixelRepresentation) == (12, 11, 0)


def test_another_library_reads_the_same_hu_and_geometry(tmp_path: Path) -> None:
    write_original(tmp_path / "IM0", dataset())
    image = SimpleITK.ReadImage(str(tmp_path / "IM0"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image)[0], np.clip(np.rint(HU), -1024, 3071))
    assert image.GetSpacing()[:2] == pytest.approx((2.5, 2.5))
    assert image.GetOrigin() == pytest.approx((-38.75, -38.75, -17.345679))


def test_it_says_that_it_is_synthetic_and_no_patient() -> None:
    written = dataset()
    assert written.SyntheticData == "YES"
    assert written.QualityControlImage == "YES"
    assert written.ContentQualification == "RESEARCH"
    assert list(written.ImageType) == ["ORIGINAL", "PRIMARY", "AXIAL"]
    assert not {"SourceImageSequence", "DerivationDescription"} & set(written.dir())


def test_position_and_slice_location_are_one() -> None:
    written = dataset()
    assert written.SliceLocation == written.ImagePositionPatient[2] == pytest.approx(-17.345679)
    for element in written:
        if element.VR == "DS":
            values = element.value if isinstance(element.value, pydicom.multival.MultiValue) else [element.value]
            assert all(len(str(value)) <= 16 for value in values)


def test_every_required_element_of_the_ct_image_iod_is_there() -> None:
    highdicom = pytest.importorskip("highdicom")
    tables = Path(highdicom.__file__).parent / "_standard"
    modules = json.loads((tables / "iod_module_map.json").read_text())["ct-image"]
    attributes = json.loads((tables / "module_attribute_map.json").read_text())
    written, known = dataset(), set()
    for module in modules:
        for attribute in attributes[module["key"]]:
            if attribute["path"]:
                continue
            known.add(attribute["keyword"])
            if module["usage"] != "M" or attribute["type"] not in ("1", "2"):
                continue
            assert attribute["keyword"] in written, attribute["keyword"]
            if attribute["type"] == "1":
                assert str(written[attribute["keyword"]].value) != "", attribute["keyword"]
    assert {element.keyword for element in written} <= known


def test_equal_slices_are_equal_bytes_and_uids_follow_their_keys(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_original(tmp_path / name, dataset())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    first, next_slice = dataset(1), dataset(2)
    assert first.SeriesInstanceUID == next_slice.SeriesInstanceUID
    assert first.SOPInstanceUID != next_slice.SOPInstanceUID
    other = original_dataset(replace(SERIES, series_key="FBP 5"), HU, instance_number=1, position_mm=0.0)
    assert other.StudyInstanceUID == first.StudyInstanceUID
    assert other.FrameOfReferenceUID == first.FrameOfReferenceUID
    assert other.SeriesInstanceUID != first.SeriesInstanceUID


def test_a_description_longer_than_its_vr_allows_is_refused() -> None:
    with pytest.raises(ValueError, match="64"):
        original_dataset(replace(SERIES, description="x" * 65), HU, instance_number=1, position_mm=0.0)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="must be writable"):
        write_original(tmp_path / "absent" / "IM0", dataset())


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "IM0").write_text("mine")
    with pytest.raises(OutputError, match="must be writable"):
        write_original(tmp_path / "IM0", dataset())
    assert (tmp_path / "IM0").read_text() == "mine"
