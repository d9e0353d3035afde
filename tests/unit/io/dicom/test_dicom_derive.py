"""A derived instance: the table of what is new, what is kept and what is gone."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    JPEG2000,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from n2b_ct import __version__
from n2b_ct.errors import SeriesError
from n2b_ct.io.dicom.ct_reader import read_slice, stored_values
from n2b_ct.io.dicom.derived_series import write_dataset_atomically
from n2b_ct.io.dicom.elements import IMPLEMENTATION_CLASS_UID, INSTANCE_CREATOR_UID, put
from n2b_ct.io.dicom.writing.derivation import WriteOptions
from n2b_ct.io.dicom.writing.derived_slice import Derivation, SeriesContext, derive_slice
from n2b_ct.io.series import InstanceRef
from tests.helpers import (
    SERIES_UID,
    STUDY_UID,
    assert_hu_roundtrip,
    derive_file,
    make_context,
    make_ct_dataset,
    make_derivation,
    save,
    water_ramp,
)


@pytest.fixture
def derived_of(tmp_path):
    def derive(**options) -> Dataset:
        return derive_file(save(make_ct_dataset(**options), tmp_path / "source"), tmp_path / "derived")

    return derive


def neighbour(uid: str) -> InstanceRef:
    return InstanceRef(Path("neighbour"), uid, 2.0)


WRONG_VRS = [("PhotometricInterpretation", "LO"), ("Rows", "UL"), ("PixelRepresentation", "UL"), ("RescaleSlope", "LO")]


@pytest.mark.parametrize(("keyword", "vr"), WRONG_VRS)
def test_elements_that_describe_pixels_get_their_vr_back(keyword, vr, tmp_path):
    source = make_ct_dataset()
    put(source, keyword, str(source[keyword].value) if vr in ("PN", "LO") else source[keyword].value, vr)
    assert_hu_roundtrip(save(source, tmp_path / "source"), tmp_path / "derived")
    assert pydicom.dcmread(tmp_path / "derived")[keyword].VR == make_ct_dataset()[keyword].VR


LAYOUTS = {
    "unsigned 12": {"bits_stored": 12},
    "unsigned 16": {"bits_stored": 16, "stored": water_ramp() * 80},
    "signed 12": {"bits_stored": 12, "is_signed": True, "stored": water_ramp() - 1300},
    "signed 13": {"bits_stored": 13, "is_signed": True, "stored": water_ramp() - 1300},
    "signed 16": {"bits_stored": 16, "is_signed": True, "stored": water_ramp() * 60 - 60000},
    "8 bit": {"bits_stored": 8, "bits_allocated": 8, "stored": water_ramp() % 256, "slope": "16"},
    "padded": {
        "bits_stored": 16,
        "is_signed": True,
        "padding": -2000,
        "stored": np.where(water_ramp() % 5 == 0, -2000, water_ramp()),
    },
    "padding range": {"padding": 905, "padding_limit": 930},
    "fractional slope": {"slope": "0.0457", "intercept": "-1024.37"},
    "negative slope": {"slope": "-2", "intercept": "3000"},
    "extreme words": {"bits_stored": 16, "stored": np.array([[0, 1, 65534, 65535]])},
}


@pytest.mark.parametrize("options", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_unchanged_hu_come_back_as_the_same_words(tmp_path, options):
    path = save(make_ct_dataset(**options), tmp_path / "source")
    assert_hu_roundtrip(path, tmp_path / "derived")


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, "1.2.840.10008.1.2.1.99"])
def test_every_native_encoding_keeps_the_law(tmp_path, syntax):
    path = save(make_ct_dataset(transfer_syntax=syntax), tmp_path / "source")
    assert_hu_roundtrip(path, tmp_path / "derived")


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_every_compressed_encoding_keeps_the_law(tmp_path, syntax):
    dataset = make_ct_dataset(stored=water_ramp(64, 64), bits_stored=16)
    dataset.compress(syntax, generate_instance_uid=False)
    assert_hu_roundtrip(save(dataset, tmp_path / "source"), tmp_path / "derived")


def test_identity_is_new_and_the_study_is_the_same(derived_of):
    derived, source = derived_of(), make_ct_dataset()
    assert derived.SOPInstanceUID != source.SOPInstanceUID
    assert derived.SeriesInstanceUID != SERIES_UID
    assert derived.SOPInstanceUID.startswith("2.25.")
    assert derived.SeriesInstanceUID.startswith("2.25.")
    assert derived.StudyInstanceUID == STUDY_UID
    assert derived.FrameOfReferenceUID == source.FrameOfReferenceUID
    assert derived.InstanceCreatorUID == INSTANCE_CREATOR_UID
    assert derived.ContentQualification == "RESEARCH"


def test_geometry_patient_and_acquisition_are_copied(derived_of):
    changes = {"AcquisitionDate": "20200101", "CTDIvol": 4.5, "WindowCenter": "40", "WindowWidth": "400"}
    derived, source = derived_of(**changes), make_ct_dataset(**changes)
    for keyword in (
        *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "InstanceNumber"),
        *("PatientName", "PatientID", "Manufacturer", "ManufacturerModelName", "ConvolutionKernel", "KVP"),
        *("RescaleSlope", "RescaleIntercept", "Rows", "Columns", "BitsStored", "HighBit", "PixelRepresentation"),
        *changes,
    ):
        assert derived[keyword].value == source[keyword].value, keyword


def test_a_name_keeps_its_bytes(tmp_path):
    path = save(make_ct_dataset(), tmp_path / "source")
    name = "Müller^Jörg".encode("latin-1")
    assert path.read_bytes().count(name) == 1
    derive_file(path, tmp_path / "derived")
    assert (tmp_path / "derived").read_bytes().count(name) == 1


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        (b"ISO_IR 192", "Jörg山".encode()),
        (b"ISO_IR 13 ", "ﾔﾏﾀﾞ".encode("shift_jis")),
        (b"ISO_IR 192", b"J\xf6rg^x"),  # bytes that its character set does not know
        (b"BOGUS     ", b"J\xf6rg^x"),
    ],
)
def test_text_keeps_its_bytes_in_any_character_set_and_encoding(tmp_path, syntax, character_set, name):
    blank = "N" * (len(name) + len(name) % 2)
    path = save(make_ct_dataset(transfer_syntax=syntax, PatientName=blank, SeriesDescription=blank), tmp_path / "in")
    content = path.read_bytes().replace(blank.encode(), name.ljust(len(blank)))
    path.write_bytes(content.replace(b"ISO_IR 100", character_set))
    ct_slice = read_slice(path)
    derived = derive_slice(ct_slice, ct_slice.hu, make_derivation(), make_context(make_derivation()))
    write_dataset_atomically(derived.dataset, tmp_path / "out")
    written = (tmp_path / "out").read_bytes()
    assert written.count(name) == 2
    assert written.count(name + b" N2B") == 1


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (["ORIGINAL", "PRIMARY", "AXIAL"], ["DERIVED", "PRIMARY", "AXIAL"]),
        (["ORIGINAL", "SECONDARY", "AXIAL", "VMI"], ["DERIVED", "SECONDARY", "AXIAL", "VMI"]),
        (["DERIVED", "PRIMARY"], ["DERIVED", "PRIMARY", "AXIAL"]),
        (None, ["DERIVED", "PRIMARY", "AXIAL"]),
    ],
)
def test_image_type_says_derived_and_keeps_the_rest(derived_of, source, expected):
    assert list(derived_of(ImageType=source).ImageType) == expected


@pytest.mark.parametrize(("source", "expected"), [(3, 1003), ("", None), (999999999999, None)])
def test_the_series_number_moves_by_a_thousand(derived_of, source, expected):
    assert derived_of(SeriesNumber=source).SeriesNumber == expected


def test_an_absent_series_number_stays_absent(derived_of):
    assert "SeriesNumber" not in derived_of(SeriesNumber=None)


@pytest.mark.parametrize(
    ("source", "expected"),
    [("Thorax", "Thorax N2B"), ("x" * 64, "x" * 60 + " N2B"), (None, "N2B"), ("Schädel ü", "Schädel ü N2B")],
)
def test_the_description_gets_the_suffix_within_64_characters(derived_of, source, expected):
    assert derived_of(SeriesDescription=source).SeriesDescription == expected


def test_times_are_the_run_s_and_told_in_the_data_set_s_zone(derived_of):
    derived = derived_of(TimezoneOffsetFromUTC="-0330", AcquisitionTime="101112")
    for kind in ("InstanceCreation", "Content", "Series"):
        assert derived[f"{kind}Date"].value == "20260304"
        assert derived[f"{kind}Time"].value == "013607.890000"
    assert derived.AcquisitionTime == "101112"
    assert derived.ContributingEquipmentSequence[-1].ContributionDateTime == "20260304013607.890000-0330"


def test_the_derivation_is_told_in_words_and_codes(derived_of):
    derived = derived_of(DerivationDescription="before", SourceImageSequence=Sequence([Dataset()]))
    assert derived.DerivationDescription == (
        'Noise reduction: toy net 1.2; abababababab; {"strength":1.0,"window":[-160,240]}'
    )
    codes = [(item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning) for item in derived.DerivationCodeSequence]
    assert codes == [("113087", "DCM", "Smoothing"), ("123110", "DCM", "Artificial Intelligence")]


def test_a_filter_that_learned_nothing_is_not_called_intelligent(tmp_path):
    ct_slice = read_slice(save(make_ct_dataset(), tmp_path / "source"))
    derivation = make_derivation(learned=False, model_digest="")
    derived = derive_slice(ct_slice, ct_slice.hu, derivation, make_context(derivation)).dataset
    assert [item.CodeValue for item in derived.DerivationCodeSequence] == ["113087"]
    assert "DeviceUID" not in derived.ContributingEquipmentSequence[0]


def test_sources_are_referenced_the_own_slice_first(tmp_path):
    source = make_ct_dataset()
    ct_slice = read_slice(save(source, tmp_path / "source"))
    derivation = make_derivation()
    derived = derive_slice(ct_slice, ct_slice.hu, derivation, make_context(derivation), [neighbour("1.2.77")]).dataset
    assert [item.ReferencedSOPInstanceUID for item in derived.SourceImageSequence] == [
        source.SOPInstanceUID,
        "1.2.77",
    ]
    for item in derived.SourceImageSequence:
        assert item.SpatialLocationsPreserved == "YES"
        assert item.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    (series,) = derived.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == SERIES_UID
    assert len(series.ReferencedInstanceSequence) == 2
    (related,) = derived.RelatedSeriesSequence
    assert (related.StudyInstanceUID, related.SeriesInstanceUID) == (STUDY_UID, SERIES_UID)
    assert related.PurposeOfReferenceCodeSequence[0].CodeValue == "121323"


def test_our_equipment_is_appended_to_the_scanner_s(derived_of):
    earlier = Dataset()
    earlier.Manufacturer = "Acme"
    derived = derived_of(ContributingEquipmentSequence=Sequence([earlier]))
    first, ours = derived.ContributingEquipmentSequence
    assert first.Manufacturer == "Acme"
    assert (ours.Manufacturer, ours.ManufacturerModelName) == ("n2b-ct", "toy net")
    assert list(ours.SoftwareVersions) == [f"n2b-ct {__version__}", "toy net 1.2"]
    assert ours.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    assert derived.Manufacturer == "Acme"


def test_file_meta_information_is_fresh(tmp_path):
    source = make_ct_dataset(transfer_syntax=ImplicitVRLittleEndian)
    source.file_meta.SourceApplicationEntityTitle = "HOSPITAL"
    derived = derive_file(save(source, tmp_path / "source"), tmp_path / "derived")
    assert derived.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert derived.file_meta.MediaStorageSOPInstanceUID == derived.SOPInstanceUID
    assert derived.file_meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert "SourceApplicationEntityTitle" not in derived.file_meta


def test_private_and_stale_elements_are_gone_at_every_level(tmp_path):
    source = make_ct_dataset()
    item = Dataset()
    item.CodeValue = "1"
    item.private_block(0x0011, "ACME", create=True).add_new(1, "LO", "secret")
    source.ProcedureCodeSequence = Sequence([item])
    source.private_block(0x0043, "GEMS", create=True).add_new(1, "LO", "secret")
    source.add_new(0x00880200, "SQ", Sequence([Dataset()]))
    source.add_new(0x4FFE0001, "SQ", Sequence([Dataset()]))
    source.add_new(0x04000500, "SQ", Sequence([Dataset()]))
    source.add_new(0xFFFCFFFC, "OB", bytes(8))
    source.add_new(0x00280108, "US", 3)
    source.add_new(0x00080000, "UL", 100)
    path = save(source, tmp_path / "source")
    derived = derive_file(path, tmp_path / "derived")
    kept = {element.tag for element in derived.iterall()}
    assert not any(tag.is_private for tag in kept)
    for tag in (0x00880200, 0x4FFE0001, 0x04000500, 0xFFFCFFFC, 0x00280108, 0x00080000):
        assert tag not in kept
    assert derived.ProcedureCodeSequence[0].CodeValue == "1"
    assert b"secret" not in (tmp_path / "derived").read_bytes()


def test_the_source_data_set_is_not_touched(tmp_path):
    source = make_ct_dataset()
    source.private_block(0x0043, "GEMS", create=True).add_new(1, "LO", "kept")
    ct_slice = read_slice(save(source, tmp_path / "source"))
    before = pydicom.dcmread(tmp_path / "source")
    derive_slice(ct_slice, ct_slice.hu + 1, make_derivation(), make_context(make_derivation()))
    assert ct_slice.dataset == before


def test_overlays_survive_only_as_planes_of_their_own(tmp_path):
    source = make_ct_dataset(padding=0)
    for group, has_data in ((0x6000, True), (0x6002, False)):
        source.add_new((group, 0x0010), "US", 24)
        source.add_new((group, 0x1301), "IS", "5")
        if has_data:
            source.add_new((group, 0x3000), "OW", bytes(range(96)))
    derived = derive_file(save(source, tmp_path / "source"), tmp_path / "derived")
    assert derived[0x6000, 0x3000].value == bytes(range(96))
    assert (0x6000, 0x1301) not in derived
    assert (0x6002, 0x0010) not in derived


def test_a_big_endian_overlay_is_swapped(tmp_path):
    source = make_ct_dataset(transfer_syntax=ExplicitVRBigEndian)
    source.add_new(0x60003000, "OW", bytes([1, 0, 2, 0]))
    derived = derive_file(save(source, tmp_path / "source"), tmp_path / "derived")
    assert derived[0x60003000].value == bytes([0, 1, 0, 2])


def test_extremes_are_recomputed_in_the_words_signedness(tmp_path):
    source = make_ct_dataset(is_signed=True, bits_stored=16, intercept="0")
    source.add_new("SmallestImagePixelValue", "SS", 0)
    source.add_new("LargestImagePixelValue", "SS", 0)
    derived = derive_file(save(source, tmp_path / "source"), tmp_path / "derived", lambda one: one.hu - 2000)
    words = derived.pixel_array
    assert (derived.SmallestImagePixelValue, derived.LargestImagePixelValue) == (words.min(), words.max())
    assert derived.SmallestImagePixelValue == -1100
    assert derived["SmallestImagePixelValue"].VR == "SS"


def test_extremes_are_not_added(derived_of):
    assert "SmallestImagePixelValue" not in derived_of()


def test_a_padding_value_in_the_wrong_signedness_is_put_right(tmp_path):
    source = make_ct_dataset(is_signed=True, bits_stored=16)
    source.add_new("PixelPaddingValue", "US", 63536)
    derived = derive_file(save(source, tmp_path / "source"), tmp_path / "derived")
    assert (derived["PixelPaddingValue"].VR, derived.PixelPaddingValue) == ("SS", -2000)


def test_an_8_bit_source_is_described_as_16_bits(derived_of):
    derived = derived_of(stored=water_ramp() % 256, bits_allocated=8, bits_stored=8)
    assert (derived.BitsAllocated, derived.BitsStored, derived.HighBit) == (16, 16, 15)


def test_once_lossy_always_lossy(tmp_path, derived_of):
    derived = derived_of(LossyImageCompression="01", LossyImageCompressionMethod="ISO_10918_1")
    assert (derived.LossyImageCompression, derived.LossyImageCompressionMethod) == ("01", "ISO_10918_1")
    source = make_ct_dataset(stored=water_ramp(64, 64))
    source.compress(JPEG2000, j2k_cr=[4], generate_instance_uid=False)
    derived = derive_file(save(source, tmp_path / "lossy"), tmp_path / "derived")
    assert (derived.LossyImageCompression, derived.LossyImageCompressionMethod) == ("01", "ISO_15444_1")
    assert "LossyImageCompression" not in derived_of()


def uids(derivation: Derivation, tmp_path, *neighbours: InstanceRef) -> tuple[str, str]:
    ct_slice = read_slice(save(make_ct_dataset(), tmp_path / "source"))
    context = make_context(derivation)
    derived = derive_slice(ct_slice, ct_slice.hu, derivation, context, neighbours).dataset
    return derived.SOPInstanceUID, derived.SeriesInstanceUID


@pytest.mark.parametrize(
    "change",
    [
        {"model_name": "other"},
        {"model_version": "1.3"},
        {"model_digest": "cd" * 32},
        {"parameters": {"strength": 0.5, "window": [-160, 240]}},
        {"parameters": {"strength": 1.0, "window": [-160, 241]}},
        {"learned": False},
        {"suffix": " N2C"},
        {"description": "Smoothing"},
        {"options": WriteOptions(content_qualification="PRODUCT")},
        {"options": WriteOptions(series_number_offset=500)},
        {"options": WriteOptions(keep_private=True)},
        {"options": WriteOptions(equipment="n2b")},
        {"options": WriteOptions(widen_bits=True)},
        {"options": WriteOptions(fill_type_2=True)},
    ],
)
def test_whatever_changes_changes_both_uids(tmp_path, change):
    before, after = uids(make_derivation(), tmp_path), uids(make_derivation(**change), tmp_path)
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_a_neighbour_changes_the_instance_and_not_the_series(tmp_path):
    before, after = uids(make_derivation(), tmp_path), uids(make_derivation(), tmp_path, neighbour("1.2.3"))
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_the_clock_and_the_order_of_parameters_change_no_uid(tmp_path):
    later = make_derivation(
        created=datetime(2030, 1, 1, tzinfo=UTC), parameters={"window": [-160, 240], "strength": 1.0}
    )
    assert uids(make_derivation(), tmp_path) == uids(later, tmp_path)


def test_a_new_version_of_the_package_changes_the_uids(tmp_path, monkeypatch):
    before = uids(make_derivation(), tmp_path)
    monkeypatch.setattr("n2b_ct.io.dicom.writing.derivation.__version__", "99.0")
    assert uids(make_derivation(), tmp_path) != before


def test_the_same_work_twice_is_the_same_file(tmp_path):
    path = save(make_ct_dataset(), tmp_path / "source")
    for name in ("one", "two"):
        derive_file(path, tmp_path / name, lambda ct_slice: ct_slice.hu * 0.5)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_repaired_slice_refers_to_no_source(tmp_path):
    path = save(make_ct_dataset(SOPInstanceUID="", StudyInstanceUID="", SeriesInstanceUID=""), tmp_path / "source")
    derivation = make_derivation()
    context = SeriesContext("2.25.1", "2.25.2", "2.25.3", has_repaired_uids=True, instance_uids={str(path): "2.25.4"})
    ct_slice = read_slice(path)
    derived = derive_slice(ct_slice, ct_slice.hu, derivation, context).dataset
    assert derived.StudyInstanceUID == "2.25.1"
    assert derived.SOPInstanceUID == derivation.uid("instance", "2.25.4")
    for keyword in ("SourceImageSequence", "ReferencedSeriesSequence", "RelatedSeriesSequence"):
        assert keyword not in derived


def test_a_slice_without_any_uid_is_refused(tmp_path):
    ct_slice = read_slice(save(make_ct_dataset(SOPInstanceUID=""), tmp_path / "source"))
    with pytest.raises(SeriesError, match="must have a SOPInstanceUID"):
        derive_slice(ct_slice, ct_slice.hu, make_derivation(), make_context(make_derivation()))


def test_sequences_nested_without_end_are_refused(tmp_path):
    inner = Dataset()
    for _ in range(40):
        outer = Dataset()
        outer.ProcedureCodeSequence = Sequence([inner])
        inner = outer
    ct_slice = read_slice(save(make_ct_dataset(), tmp_path / "source"))
    ct_slice.dataset.ProcedureCodeSequence = Sequence([inner])
    with pytest.raises(SeriesError, match="must nest at most 32 deep"):
        derive_slice(ct_slice, ct_slice.hu, make_derivation(), make_context(make_derivation()))


def test_a_sequence_of_unknown_form_is_copied_without_its_private_part(tmp_path):
    source = make_ct_dataset(transfer_syntax=ImplicitVRLittleEndian)
    item = Dataset()
    item.CodeValue = "1"
    item.private_block(0x0011, "ACME", create=True).add_new(1, "LO", "secret")
    source.ProcedureCodeSequence = Sequence([item])
    derived = derive_file(save(source, tmp_path / "source"), tmp_path / "derived")
    assert derived.ProcedureCodeSequence[0].CodeValue == "1"
    assert b"secret" not in (tmp_path / "derived").read_bytes()


def test_our_own_elements_are_strict():
    for keyword, value in (("SeriesDescription", "x" * 65), ("SOPInstanceUID", "a.b"), ("StudyDate", "2020-01-02")):
        with pytest.raises(ValueError, match="VR"):
            put(Dataset(), keyword, value)
    with pytest.raises(KeyError, match="NoSuchKeyword"):
        put(Dataset(), "NoSuchKeyword", 1)


def test_parameters_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        make_derivation(parameters={"strength": math.nan}).uid("instance")


def test_the_words_are_ascii_and_end_after_1024_characters():
    text = make_derivation(model_name="Müller", parameters={"long": "x" * 2000}).text
    assert text.startswith("Noise reduction: M?ller 1.2")
    assert len(text) == 1024


@pytest.mark.real_data
@pytest.mark.parametrize("folder", ["ct_noisy", "ct_head", "ct_clean", "ct_phantom", "ct_lowdose_pairs", "formats"])
def test_every_real_slice_comes_back_bit_for_bit(shared_data, tmp_path, folder):
    n_held = 0
    for path in sorted(path for path in (shared_data / folder).rglob("*") if path.is_file()):
        try:
            read_slice(path)
        except SeriesError:
            assert folder == "formats", path
            continue
        assert_hu_roundtrip(path, tmp_path / "derived")
        n_held += 1
    n_known = {"formats": 18, "ct_noisy": 25, "ct_head": 28, "ct_clean": 60, "ct_phantom": 28}.get(folder, 44)
    assert n_held >= n_known if folder == "formats" else n_held == n_known


@pytest.mark.real_data
def test_a_real_padded_slice_keeps_its_padding_when_denoised(shared_data, tmp_path):
    path = sorted((shared_data / "ct_head" / "ge_hispeed_tilt_variable_spacing").iterdir())[0]
    ct_slice = read_slice(path)
    assert ct_slice.is_padding.any()
    derivation = make_derivation()
    derived = derive_slice(ct_slice, ct_slice.hu + 3.4, derivation, make_context(derivation))
    write_dataset_atomically(derived.dataset, tmp_path / "derived")
    back = read_slice(tmp_path / "derived")
    np.testing.assert_array_equal(back.is_padding, ct_slice.is_padding)
    source, words = stored_values(ct_slice.dataset), stored_values(back.dataset)
    np.testing.assert_array_equal(words[ct_slice.is_padding], source[ct_slice.is_padding])
    np.testing.assert_array_equal(words[~ct_slice.is_padding], source[~ct_slice.is_padding] + 3)


def test_pixels_are_described_whole_where_only_a_codestream_described_them(tmp_path):
    source = save(make_ct_dataset(), tmp_path / "source")
    ct_slice = read_slice(source)
    del ct_slice.dataset.SamplesPerPixel, ct_slice.dataset.PhotometricInterpretation
    derivation = make_derivation()
    derived = derive_slice(ct_slice, ct_slice.hu, derivation, make_context(derivation)).dataset
    assert (derived.SamplesPerPixel, derived.PhotometricInterpretation) == (1, "MONOCHROME2")
    write_dataset_atomically(derived, tmp_path / "derived")
    np.testing.assert_array_equal(read_slice(tmp_path / "derived").hu, ct_slice.hu)
