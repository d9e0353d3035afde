"""The table of what a derived instance writes: what is copied, what is new, what goes; one source for every row."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from n2b_ct.errors import SeriesError
from n2b_ct.io.dicom.ct_reader import read_slice
from n2b_ct.io.dicom.derived_series import write_dataset_atomically
from n2b_ct.io.dicom.elements import INSTANCE_CREATOR_UID
from n2b_ct.io.dicom.writing import derived_slice
from n2b_ct.io.dicom.writing.derivation import WriteOptions
from n2b_ct.io.dicom.writing.derived_slice import SeriesContext, derive_slice
from tests.derived import NATIVE, derive, derive_written, item
from tests.helpers import STUDY_UID, make_context, make_ct_dataset, make_derivation, save, water_ramp

_UID = "1.2.826.0.1.3680043.8.498.3"

# ── copied: facts about the patient, the study, the place and the acquisition ──

COPIED = {
    "StudyID": "S-1",
    "StudyDate": "20260101",
    "StudyTime": "101112.5",
    "AccessionNumber": "A-77",
    "ReferringPhysicianName": "Doe^Jane",
    "PatientIdentityRemoved": "YES",
    "DeidentificationMethod": "by hand",
    "IssuerOfPatientID": "hospital",
    "PositionReferenceIndicator": "SN",
    "SpacingBetweenSlices": "2.5",
    "SliceLocation": "-17.25",
    "GantryDetectorTilt": "18.5",
    "AcquisitionNumber": 4,
    "AcquisitionDate": "20260101",
    "AcquisitionTime": "101500",
    "AcquisitionDateTime": "20260101101500+0100",
    "IrradiationEventUID": f"{_UID}.1",
    "AcquisitionUID": f"{_UID}.2",
    "SyntheticData": "YES",
    "StationName": "CT1",
    "DeviceSerialNumber": "4711",
    "InstitutionName": "Clinic",
    "SoftwareVersions": ["VA40", "B"],
    "ProtocolName": "Thorax low dose",
    "ConvolutionKernel": ["Br36f", "3"],
    "FilterType": "FLAT",
    "Exposure": 40,
    "CTDIvol": 1.25,
    "PerformedProcedureStepID": "P1",
    "ContrastBolusAgent": "Iohexol",
    "ContrastBolusVolume": "80",
    "RescaleType": "HU",
    "WindowCenter": ["40", "-600"],
    "WindowWidth": ["400", "1500"],
    "WindowCenterWidthExplanation": ["SOFT", "LUNG"],
    "VOILUTFunction": "LINEAR",
    "BurnedInAnnotation": "YES",
    "RecognizableVisualFeatures": "NO",
    "QualityControlImage": "YES",
    "PresentationLUTShape": "IDENTITY",
    "LossyImageCompression": "00",
}


@pytest.mark.parametrize("encoding", NATIVE.values(), ids=NATIVE.keys())
def test_facts_are_copied_from_every_native_encoding(tmp_path, encoding):
    derived = derive(tmp_path, make_ct_dataset(transfer_syntax=encoding, **COPIED), shift_hu=5)
    found = {keyword: derived[keyword].value for keyword in COPIED if keyword in derived}
    expected = make_ct_dataset(**COPIED)
    assert found == {keyword: expected[keyword].value for keyword in COPIED}


@pytest.mark.parametrize("encoding", NATIVE.values(), ids=NATIVE.keys())
@pytest.mark.parametrize(
    "keyword",
    [
        "ReferencedImageSequence",
        "RequestAttributesSequence",
        "CTDIPhantomTypeCodeSequence",
        "CodingSchemeIdentificationSequence",
        "OriginalAttributesSequence",
    ],
)
def test_sequences_of_facts_are_copied(tmp_path, encoding, keyword):
    inner = item(CodeValue="1", CodeMeaning="x", SOPInstanceUID="1.2.3", SequenceOfUltrasoundRegions=[item(Rows=5)])
    derived = derive(tmp_path, make_ct_dataset(transfer_syntax=encoding, **{keyword: [inner]}))
    assert list(derived[keyword].value) == [inner]


@pytest.mark.parametrize("encoding", NATIVE.values(), ids=NATIVE.keys())
@pytest.mark.parametrize("is_signed", [False, True])
def test_tables_for_display_and_real_world_values_are_kept_for_the_scale_is(tmp_path, encoding, is_signed):
    source = make_ct_dataset(transfer_syntax=encoding, is_signed=is_signed, bits_stored=13)
    vr = "SS" if is_signed else "US"
    table = item(LUTExplanation="t")
    table.add_new("LUTDescriptor", vr, [4, -5 if is_signed else 5, 16])
    table.add_new("LUTData", "US", [0, 1, 2, 3])
    source.VOILUTSequence = [table]
    scale = item(RealWorldValueSlope=1.0, RealWorldValueIntercept=-1024.0, LUTLabel="HU")
    scale.add_new("RealWorldValueFirstValueMapped", vr, -9 if is_signed else 9)
    scale.add_new("RealWorldValueLastValueMapped", vr, 4000)
    source.RealWorldValueMappingSequence = [scale]
    derived = derive(tmp_path, source, shift_hu=3)
    first_mapped, first_kept = table["LUTDescriptor"].value[1], derived.VOILUTSequence[0]["LUTDescriptor"].value[1]
    assert first_kept == first_mapped
    kept = derived.RealWorldValueMappingSequence[0]
    assert kept.RealWorldValueFirstValueMapped == scale.RealWorldValueFirstValueMapped
    assert kept.RealWorldValueIntercept == -1024.0


def test_monochrome1_keeps_its_interpretation_and_its_values(tmp_path):
    source = make_ct_dataset(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    derived = derive(tmp_path, source, shift_hu=5)
    assert (derived.PhotometricInterpretation, derived.PresentationLUTShape) == ("MONOCHROME1", "INVERSE")
    np.testing.assert_array_equal(derived.pixel_array, water_ramp() + 5)


def test_what_the_dictionary_does_not_know_yet_is_copied(tmp_path):
    source = make_ct_dataset()
    source.add_new(0x00189391, "CS", "YES")  # MetalArtifactReductionApplied, newer than the dictionary
    assert derive(tmp_path, source)[0x00189391].value == "YES"


def test_nothing_is_claimed_that_the_source_does_not_say(tmp_path):
    derived = derive(tmp_path, make_ct_dataset())
    for keyword in ("BurnedInAnnotation", "SyntheticData", "LossyImageCompression", "SmallestImagePixelValue"):
        assert keyword not in derived


@pytest.mark.parametrize("keyword", ["PatientBirthDate", "StudyID", "ContentDate"])
def test_a_missing_type_2_element_is_not_added_unasked(tmp_path, keyword):
    derived = derive(tmp_path, make_ct_dataset(**({} if keyword == "ContentDate" else {keyword: None})))
    assert (keyword in derived) is (keyword == "ContentDate")  # the content is new, so its date is


# ── odd values: copied as they are, judged by nobody ──


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("StudyDate", b"2026-01-02"), ("PatientSex", b"male"), ("StationName", b"x" * 70), ("KVP", b"120,0")],
)
@pytest.mark.parametrize("encoding", NATIVE.values(), ids=NATIVE.keys())
def test_an_invalid_value_is_copied_byte_for_byte(tmp_path, keyword, value, encoding):
    blank = "1" * (len(value) + len(value) % 2)
    source = make_ct_dataset(transfer_syntax=encoding)
    vr = source[keyword].VR if keyword in source else "SH"
    source[keyword] = pydicom.dataelem.DataElement(keyword, vr, blank, validation_mode=pydicom.config.IGNORE)
    path = save(source, tmp_path / "in.dcm")
    assert path.read_bytes().count(blank.encode()) == 1
    path.write_bytes(path.read_bytes().replace(blank.encode(), value.ljust(len(blank))))
    derive_written(path, tmp_path / "out.dcm")
    assert (tmp_path / "out.dcm").read_bytes().count(value.ljust(len(blank))) == 1


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"ORIGINAL\\PRIMARY\\AXIAL \\CT_SOM5 SPI ", ["DERIVED", "PRIMARY", "AXIAL", "CT_SOM5 SPI"]),
        (b"ORIGINAL\\primary\\axial\\some lower-case words", ["DERIVED", "primary", "axial", "some lower-case words"]),
        (b"DERIVED\\SECONDARY\\AXIAL\\VMI\\70KEV", ["DERIVED", "SECONDARY", "AXIAL", "VMI", "70KEV"]),
    ],
)
def test_image_type_keeps_every_value_but_the_first(tmp_path, source, expected):
    blank = "X" * (len(source) + len(source) % 2)
    dataset = make_ct_dataset()
    dataset["ImageType"] = pydicom.dataelem.DataElement("ImageType", "CS", blank, validation_mode=pydicom.config.IGNORE)
    path = save(dataset, tmp_path / "in.dcm")
    path.write_bytes(path.read_bytes().replace(blank.encode(), source.ljust(len(blank))))
    derive_written(path, tmp_path / "out.dcm")
    assert list(pydicom.dcmread(tmp_path / "out.dcm").ImageType) == expected


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_an_invalid_uid_is_named_after_but_not_referred_to(tmp_path):
    source = make_ct_dataset(sop_uid="1.2.abc")
    derived = derive(tmp_path, source)
    assert derived.SOPInstanceUID.startswith("2.25.")
    for keyword in ("SourceImageSequence", "ReferencedSeriesSequence"):
        assert keyword not in derived
    ct_slice = read_slice(save(make_ct_dataset(), tmp_path / "valid.dcm"))
    derivation = make_derivation()
    context = SeriesContext(STUDY_UID, "../../evil", derivation.uid("series", "../../evil"))
    other = derive_slice(ct_slice, ct_slice.hu, derivation, context).dataset
    assert len(other.SourceImageSequence) == 1
    assert "ReferencedSeriesSequence" not in other
    assert "RelatedSeriesSequence" not in other


def test_a_uid_whose_root_alone_is_illegal_is_referred_to_as_it_is(tmp_path):
    derived = derive(tmp_path, make_ct_dataset(sop_uid="9.1.2"))
    assert derived.SOPInstanceUID.startswith("2.25.")
    assert derived.SourceImageSequence[0].ReferencedSOPInstanceUID == "9.1.2"


@pytest.mark.parametrize("zone", ["+9900", "+0275", "nonsense", ""])
def test_an_impossible_time_zone_leaves_the_time_of_the_run(tmp_path, zone):
    source = make_ct_dataset()
    source.add_new("TimezoneOffsetFromUTC", "SH", zone)
    assert derive(tmp_path, source).SeriesTime == "050607.890000"


def test_an_odd_length_is_made_even(tmp_path):
    path = save(make_ct_dataset(StationName="ABCD"), tmp_path / "in.dcm")
    content = path.read_bytes().replace(b"SH\x04\x00ABCD", b"SH\x03\x00ABC")
    path.write_bytes(content)
    derive_written(path, tmp_path / "out.dcm")
    assert b"SH\x04\x00ABC " in (tmp_path / "out.dcm").read_bytes()


def test_whatever_a_hostile_header_makes_the_parser_raise_is_the_series_error(tmp_path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RecursionError("Müller^Jörg")

    monkeypatch.setattr(derived_slice, "copy_header", fail)
    with pytest.raises(SeriesError, match="header must be valid DICOM, got RecursionError") as caught:
        derive(tmp_path, make_ct_dataset())
    assert caught.value.reason == "header_unwritable"
    assert "Müller" not in str(caught.value)


@pytest.mark.parametrize("options", [WriteOptions(), WriteOptions(equipment="n2b")], ids=["kept", "moved"])
@pytest.mark.parametrize("encoding", NATIVE.values(), ids=NATIVE.keys())
def test_text_in_sequences_keeps_its_bytes_too(tmp_path, encoding, options):
    name = b"Stra\xc3\x9fe \xff"  # ends in a byte that its character set does not know
    source = make_ct_dataset(transfer_syntax=encoding, InstitutionName="N" * 9, SpecificCharacterSet="ISO_IR 192")
    source.RequestAttributesSequence = [item(ScheduledProcedureStepDescription="N" * 9)]
    path = save(source, tmp_path / "in.dcm")
    path.write_bytes(path.read_bytes().replace(b"N" * 9, name))
    derive_written(path, tmp_path / "out.dcm", options)
    assert (tmp_path / "out.dcm").read_bytes().count(name) == 2


# ── dropped: what no longer holds, at every level ──

DROPPED = {
    "LengthToEnd": (0x00080001, "UL", 100),
    "InstanceCoercionDateTime": (0x00080015, "DT", "20260101"),
    "RetrieveAETitle": (0x00080054, "AE", "PACS"),
    "InstanceAvailability": (0x00080056, "CS", "ONLINE"),
    "AlternateRepresentationSequence": (0x00083001, "SQ", [Dataset()]),
    "SmallestValidPixelValue": (0x00280104, "US", 1),
    "LargestValidPixelValue": (0x00280105, "US", 1),
    "SmallestPixelValueInSeries": (0x00280108, "US", 1),
    "LargestPixelValueInSeries": (0x00280109, "US", 1),
    "SmallestImagePixelValueInPlane": (0x00280110, "US", 1),
    "LargestImagePixelValueInPlane": (0x00280111, "US", 1),
    "PixelDataProviderURL": (0x00287FE0, "UR", "http://pacs/x"),
    "HistogramSequence": (0x00603000, "SQ", [Dataset()]),
    "StorageMediaFileSetID": (0x00880130, "SH", "CD"),
    "StorageMediaFileSetUID": (0x00880140, "UI", f"{_UID}.4"),
    "IconImageSequence": (0x00880200, "SQ", [Dataset()]),
    "EncryptedAttributesSequence": (0x04000500, "SQ", [Dataset()]),
    "MACParametersSequence": (0x4FFE0001, "SQ", [Dataset()]),
    "DigitalSignaturesSequence": (0xFFFAFFFA, "SQ", [Dataset()]),
    "DataSetTrailingPadding": (0xFFFCFFFC, "OB", bytes(4)),
    "a group length": (0x00280000, "UL", 100),
}


@pytest.mark.parametrize(("tag", "vr", "value"), DROPPED.values(), ids=DROPPED.keys())
@pytest.mark.parametrize("encoding", NATIVE.values(), ids=NATIVE.keys())
def test_what_no_longer_holds_is_gone(tmp_path, tag, vr, value, encoding):
    source = make_ct_dataset(transfer_syntax=encoding)
    source.add_new(tag, vr, value)
    source.ReferencedImageSequence = [item(ReferencedSOPInstanceUID="1.2.3")]
    if tag < 0xFFF00000:
        source.ReferencedImageSequence[0].add_new(tag, vr, value)
    derived = derive(tmp_path, source)
    assert tag not in derived
    assert tag not in derived.ReferencedImageSequence[0]
    assert derived.ReferencedImageSequence[0].ReferencedSOPInstanceUID == "1.2.3"


def test_what_belongs_into_no_image_is_gone(tmp_path):
    ct_slice = read_slice(save(make_ct_dataset(), tmp_path / "in.dcm"))
    ct_slice.dataset.add_new(0x00000002, "UI", "1.2.3")
    ct_slice.dataset.add_new(0x00041130, "CS", "FILESET")
    derived = derive_slice(ct_slice, ct_slice.hu, make_derivation(), make_context(make_derivation())).dataset
    write_dataset_atomically(derived, tmp_path / "out.dcm")
    assert min(pydicom.dcmread(tmp_path / "out.dcm").keys()).group == 0x0008


@pytest.mark.parametrize("group", [0x6000, 0x601E, 0x60FE])
def test_an_overlay_in_the_pixels_spare_bits_is_gone(tmp_path, group):
    words = water_ramp() | 1 << 15
    source = make_ct_dataset(stored=words)
    source.add_new((group, 0x0010), "US", 24)
    source.add_new((group, 0x0100), "US", 16)
    source.add_new((group, 0x0102), "US", 15)
    derived = derive(tmp_path, source)
    assert not [tag for tag in derived.keys() if tag.group == group]  # noqa: SIM118
    np.testing.assert_array_equal(derived.pixel_array, water_ramp())
    assert np.frombuffer(derived.PixelData, "<u2").max() < 1 << 12


# ── identity and file meta information ──


def test_a_blank_sop_class_is_named(tmp_path):
    derived = derive(tmp_path, make_ct_dataset(SOPClassUID=""))
    assert derived.SOPClassUID == derived.file_meta.MediaStorageSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    assert derived.InstanceCreatorUID == INSTANCE_CREATOR_UID


def test_file_meta_information_is_complete_and_without_titles(tmp_path):
    source = make_ct_dataset()
    source.file_meta.SourceApplicationEntityTitle = "A"
    source.file_meta.add_new(0x00020017, "AE", "B")
    source.file_meta.PrivateInformationCreatorUID = _UID
    source.file_meta.PrivateInformation = b"secret"
    meta = derive(tmp_path, source).file_meta
    assert [element.tag.element for element in meta] == [0x0000, 0x0001, 0x0002, 0x0003, 0x0010, 0x0012, 0x0013]
    assert meta.FileMetaInformationVersion == b"\x00\x01"
    assert len(meta.ImplementationVersionName) <= 16


def test_a_series_number_beyond_its_type_becomes_empty(tmp_path):
    derived = derive(tmp_path, make_ct_dataset(SeriesNumber=2**31 - 1))
    assert derived["SeriesNumber"].value in ("", None)
