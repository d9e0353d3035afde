"""The validators' gate closes: each deliberate fault in a derived series is found by the tool that should find it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from n2b_ct.inference.model import load_model
from tests.dicom_tools import dcentvfy, dciodvfy_all, dcmftest, errors, new_complaints, require_tools
from tests.integration.odd_headers import write_odd_series
from tests.integration.scenes import identity_model
from tests.integration.twins import Twin, make_twins
from tests.iod_check import iod_findings, series_disagreements

Fault = Callable[[Dataset, Dataset, int], None]
"""Spoils a derived data set, given its source and its number."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Twin]:
    root = tmp_path_factory.mktemp("gate")
    source = write_odd_series(root / "source", "plain")
    return make_twins(source, root / "derived", load_model(identity_model(root / "identity.pt")))


def spoil(twins: list[Twin], folder: Path, fault: Fault) -> list[Path]:
    """Copies of the derived files, each with the fault."""
    paths = []
    for number, twin in enumerate(twins):
        derived = pydicom.dcmread(twin.derived)
        fault(derived, pydicom.dcmread(twin.source), number)
        paths.append(folder / twin.derived.name)
        derived.save_as(paths[-1], enforce_file_format=True)
    return paths


def reuse_source_uid(derived: Dataset, source: Dataset, number: int) -> None:
    derived.SOPInstanceUID = source.SOPInstanceUID
    derived.file_meta.MediaStorageSOPInstanceUID = source.SOPInstanceUID


def time_each_slice(derived: Dataset, source: Dataset, number: int) -> None:
    derived.SeriesTime = f"12000{number}"


def lose_patient(derived: Dataset, source: Dataset, number: int) -> None:
    derived.PatientID = "another"


def stay_in_source_series(derived: Dataset, source: Dataset, number: int) -> None:
    derived.SeriesInstanceUID = source.SeriesInstanceUID


ENTITY_FAULTS = {
    reuse_source_uid: "Different SeriesInstanceUID for same SOPInstanceUID",
    time_each_slice: "SeriesTime",
    lose_patient: "PatientID",
    stay_in_source_series: "SeriesNumber",
}


@pytest.mark.parametrize("fault", ENTITY_FAULTS, ids=lambda fault: fault.__name__)
def test_dcentvfy_sees_a_series_that_disagrees_with_itself_or_its_source(fault, whole, tmp_path):
    require_tools("dcentvfy")
    returned, words = dcentvfy([*(twin.source for twin in whole), *spoil(whole, tmp_path, fault)])
    assert returned == 1
    assert ENTITY_FAULTS[fault] in words


def rename_scanner(derived: Dataset, source: Dataset, number: int) -> None:
    derived.Manufacturer = f"Acme {number}"


def move_frame_of_reference(derived: Dataset, source: Dataset, number: int) -> None:
    derived.FrameOfReferenceUID = f"1.2.{number}"


SERIES_FAULTS = {
    rename_scanner: "Manufacturer",
    move_frame_of_reference: "FrameOfReferenceUID",
    time_each_slice: "SeriesTime",
}


@pytest.mark.parametrize("fault", SERIES_FAULTS, ids=lambda fault: fault.__name__)
def test_slices_that_disagree_on_what_a_series_shares_are_seen(fault, whole, tmp_path):
    assert series_disagreements(map(pydicom.dcmread, spoil(whole, tmp_path, fault))) == [SERIES_FAULTS[fault]]


def lose_source_class(derived: Dataset, source: Dataset, number: int) -> None:
    del derived.SourceImageSequence[0].ReferencedSOPClassUID


def name_no_manufacturer(derived: Dataset, source: Dataset, number: int) -> None:
    derived.ContributingEquipmentSequence[-1].Manufacturer = ""


def lose_code_meaning(derived: Dataset, source: Dataset, number: int) -> None:
    del derived.DerivationCodeSequence[0].CodeMeaning


def shorten_image_type(derived: Dataset, source: Dataset, number: int) -> None:
    derived.ImageType = ["DERIVED", "PRIMARY"]


def lose_rescale(derived: Dataset, source: Dataset, number: int) -> None:
    del derived.RescaleSlope


def cut_pixels(derived: Dataset, source: Dataset, number: int) -> None:
    derived.PixelData = derived.PixelData[:-32]


def start_uid_with_zero(derived: Dataset, source: Dataset, number: int) -> None:
    derived.SOPInstanceUID = "2.25.0123"
    derived.file_meta.MediaStorageSOPInstanceUID = "2.25.0123"


OBJECT_FAULTS = {
    lose_source_class: "ReferencedSOPClassUID",
    name_no_manufacturer: "Manufacturer",
    lose_code_meaning: "CodeMeaning",
    shorten_image_type: "ImageType",
    lose_rescale: "RescaleSlope",
    cut_pixels: "PixelData",
    start_uid_with_zero: "SOPInstanceUID",
}


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize("fault", OBJECT_FAULTS, ids=lambda fault: fault.__name__)
def test_dciodvfy_sees_an_object_that_breaks_its_definition(fault, whole, tmp_path):
    require_tools("dciodvfy")
    spoilt = spoil(whole, tmp_path, fault)
    said = dciodvfy_all([*spoilt, *(twin.source for twin in whole)])
    for twin, path in zip(whole, spoilt, strict=True):
        found = errors(new_complaints(said[path], said[twin.source]))
        assert any(OBJECT_FAULTS[fault] in line for line in found)


def add_foreign_attribute(derived: Dataset, source: Dataset, number: int) -> None:
    derived.EchoTime = "12"


TABLE_FAULTS = {
    lose_source_class: "missing SourceImageSequence/ReferencedSOPClassUID",
    name_no_manufacturer: "empty ContributingEquipmentSequence/Manufacturer",
    lose_code_meaning: "missing DerivationCodeSequence/CodeMeaning",
    lose_rescale: "missing RescaleSlope",
    add_foreign_attribute: "outside the IOD EchoTime",
}


@pytest.mark.parametrize("fault", TABLE_FAULTS, ids=lambda fault: fault.__name__)
def test_the_iod_tables_name_what_is_missing_empty_or_foreign(fault, whole):
    derived = pydicom.dcmread(whole[0].derived)
    assert iod_findings(derived) == []
    fault(derived, pydicom.dcmread(whole[0].source), 0)
    assert iod_findings(derived) == [TABLE_FAULTS[fault]]


def test_dcmftest_sees_a_file_without_its_preamble(whole, tmp_path):
    require_tools("dcmftest")
    headless = tmp_path / "headless.dcm"
    headless.write_bytes(whole[0].derived.read_bytes()[132:])
    assert dcmftest([whole[0].derived, headless]) == [f"no: {headless}"]


def test_a_complaint_counts_as_new_unless_the_source_earns_the_same_kind():
    source = [
        "Error - </SOPInstanceUID(0008,0018)> - Illegal root for UID = <abc>",
        "Error - </PatientSex(0010,0040)> - Missing attribute for Type 2 Required - Module=<Patient>",
        "Error - </BitsStored(0028,0101)> - Unrecognized enumerated value = <0x8>",
    ]
    old = [
        "Error - </SourceImageSequence(0008,2112)/ReferencedSOPInstanceUID(0008,1155)> - Illegal root for UID = <abc>",
        "Error - </BitsStored(0028,0101)> - Unrecognized enumerated value = <0x9>",
        "Warning - </ContributingEquipmentSequence(0018,a001)/DeviceUID(0018,1002)> - Attribute is not present in "
        "standard DICOM IOD",
    ]
    new = [
        "Error - </HighBit(0028,0102)> - Unrecognized enumerated value = <0x8>",
        "Error - </PatientName(0010,0010)> - Missing attribute for Type 2 Required - Module=<Patient>",
        "Error - </SourceImageSequence(0008,2112)/ReferencedSOPInstanceUID(0008,1155)> - Illegal root for UID = <xyz>",
    ]
    assert new_complaints([*old, *new, *source], source) == new
