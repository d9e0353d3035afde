"""What the options of writing change, and nothing else; and frames, which are slices too."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from n2b_ct.errors import OutputError
from n2b_ct.io.dicom.ct_reader import read_slice, stored_values
from n2b_ct.io.dicom.writing import derived_slice
from n2b_ct.io.dicom.writing.derivation import WriteOptions
from n2b_ct.io.dicom.writing.derived_slice import TYPE_2, SeriesContext, derive_slice
from n2b_ct.io.series import CTSlice, InstanceRef
from tests.derived import NATIVE, derive, item
from tests.helpers import STUDY_UID, make_context, make_ct_dataset, make_derivation, save, water_ramp

# ── options ──


def private_source(**options: object) -> Dataset:
    source = make_ct_dataset(**options)
    source.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x10, "US", [1, 2])
    source.private_block(0x0099, "PATIENT MÜLLER", create=True).add_new(0x01, "LO", "words")
    inner = item(CodeValue="1")
    inner.private_block(0x0011, "Philips Imaging DD 001", create=True).add_new(0x01, "LO", "nested")
    source.ProcedureCodeSequence = [inner]
    return source


@pytest.mark.parametrize("encoding", NATIVE.values(), ids=NATIVE.keys())
def test_private_elements_go_and_only_registered_creators_are_named(tmp_path, encoding):
    ct_slice = read_slice(save(private_source(transfer_syntax=encoding), tmp_path / "in.dcm"))
    derived = derive_slice(ct_slice, ct_slice.hu, make_derivation(), make_context(make_derivation()))
    assert derived.dropped_creators == {"GEMS_PARM_01", "Philips Imaging DD 001", "unknown"}
    assert not any(element.tag.is_private for element in derived.dataset.iterall())


@pytest.mark.parametrize("encoding", NATIVE.values(), ids=NATIVE.keys())
def test_private_elements_can_be_kept_at_every_level(tmp_path, encoding):
    derived = derive(tmp_path, private_source(transfer_syntax=encoding), WriteOptions(keep_private=True))
    assert derived.private_block(0x0099, "PATIENT MÜLLER")[0x01].value in ("words", b"words ")
    assert derived.ProcedureCodeSequence[0].private_block(0x0011, "Philips Imaging DD 001")[0x01].value in (
        "nested",
        b"nested",
    )
    words = derived.private_block(0x0043, "GEMS_PARM_01")[0x10].value
    assert words in ([1, 2], b"\x01\x00\x02\x00")


def test_equipment_is_ours_and_the_scanner_a_contributor_when_asked(tmp_path):
    scanner = {
        "InstitutionName": "Klinik Süd",
        "StationName": "CT1",
        "SoftwareVersions": ["VA40", "B"],
        "DeviceSerialNumber": "4711",
        "DateOfLastCalibration": "20260101",
    }
    earlier = item(Manufacturer="Reconstructor")
    source = make_ct_dataset(ContributingEquipmentSequence=[earlier], padding=0, **scanner)
    derived = derive(tmp_path, source, WriteOptions(equipment="n2b"))
    assert (derived.Manufacturer, derived.ManufacturerModelName) == ("n2b-ct", "toy net")
    assert derived.DeviceUID == derived.ContributingEquipmentSequence[2].DeviceUID
    assert [keyword for keyword in scanner if keyword in derived] == ["SoftwareVersions"]
    assert "VA40" not in derived.SoftwareVersions
    first, moved, ours = derived.ContributingEquipmentSequence
    assert first.Manufacturer == "Reconstructor"
    assert {keyword: moved[keyword].value for keyword in scanner} == scanner
    assert (moved.Manufacturer, moved.ManufacturerModelName) == ("Acme", "Scanner 1")
    codes = [one.PurposeOfReferenceCodeSequence[0].CodeValue for one in (moved, ours)]
    assert codes == ["109101", "109102"]
    assert derived.PixelPaddingValue == 0


def test_a_nameless_scanner_is_called_unknown_for_its_name_is_type_1(tmp_path):
    derived = derive(tmp_path, make_ct_dataset(Manufacturer=""), WriteOptions(equipment="n2b"))
    assert derived.ContributingEquipmentSequence[0].Manufacturer == "unknown"


@pytest.mark.parametrize("is_signed", [False, True])
def test_widened_bits_hold_what_would_be_clipped(tmp_path, is_signed):
    words = water_ramp() - (1300 if is_signed else 0)
    source = make_ct_dataset(stored=words, is_signed=is_signed, padding=int(words[0, 0]))
    derived = derive(tmp_path, source, WriteOptions(widen_bits=True), shift_hu=10_000)
    assert (derived.BitsStored, derived.HighBit, derived.BitsAllocated) == (16, 15, 16)
    expected = words + 10_000
    expected[0, 0] = words[0, 0]  # padding stays what it was
    np.testing.assert_array_equal(derived.pixel_array, expected)


def test_repair_adds_what_is_type_2_and_missing_and_nothing_else(tmp_path):
    source = make_ct_dataset(**dict.fromkeys(("PatientBirthDate", "StudyID", "KVP"), None))
    derived = derive(tmp_path, source, WriteOptions(fill_type_2=True))
    assert [keyword for keyword in TYPE_2 if keyword not in derived] == []
    assert not derived.PatientBirthDate
    assert derived["KVP"].value is None
    assert "PatientPosition" in derived
    assert str(derived.PatientName) == "Müller^Jörg"


def test_type_2_is_what_the_standard_s_tables_say():
    pytest.importorskip("highdicom", reason="the Standard's tables are missing: install highdicom from PyPI")
    tables = files("highdicom") / "_standard"
    modules, attributes = (
        json.loads((tables / name).read_text()) for name in ("iod_module_map.json", "module_attribute_map.json")
    )
    mandatory = [module["key"] for module in modules["ct-image"] if module["usage"] == "M"]
    at_top = [one for key in mandatory for one in attributes[key] if not one["path"]]
    assert set(TYPE_2) == {one["keyword"] for one in at_top if one["type"] == "2"}


@pytest.mark.parametrize(("asked", "written"), [("PRODUCT", "PRODUCT"), ("SERVICE", "SERVICE")])
def test_the_content_is_qualified_as_asked(tmp_path, asked, written):
    derived = derive(tmp_path, make_ct_dataset(), WriteOptions(content_qualification=asked, series_number_offset=7))
    assert (derived.ContentQualification, derived.SeriesNumber) == (written, 10)


_WIDE = water_ramp(64, 48)
CODINGS = {"rle": RLELossless, "jpeg-ls": JPEGLSLossless, "jpeg2000": JPEG2000Lossless}


@pytest.mark.parametrize(("compression", "syntax"), CODINGS.items(), ids=CODINGS.keys())
@pytest.mark.parametrize(
    "layout",
    [
        {"bits_stored": 12, "stored": _WIDE % 4096},
        {"bits_stored": 12, "is_signed": True, "stored": _WIDE % 4096 - 2048},
        {"bits_stored": 16, "is_signed": True, "stored": _WIDE * 60 % 65536 - 32768, "padding": -32768},
        {"bits_stored": 16, "stored": _WIDE * 37 % 65536},
        {"bits_stored": 8, "bits_allocated": 8, "stored": _WIDE % 256},
    ],
    ids=["unsigned 12", "signed 12", "signed 16", "unsigned 16", "8 bit"],
)
def test_lossless_compression_keeps_every_word_and_the_identity(tmp_path, compression, syntax, layout):
    plain = derive(tmp_path, make_ct_dataset(**layout))
    derived = derive(tmp_path, make_ct_dataset(**layout), WriteOptions(compression=compression))
    assert derived.file_meta.TransferSyntaxUID == syntax
    assert derived.SOPInstanceUID == plain.SOPInstanceUID == derived.file_meta.MediaStorageSOPInstanceUID
    assert "LossyImageCompression" not in derived
    back = read_slice(tmp_path / "derived.dcm")
    np.testing.assert_array_equal(back.stored, plain.pixel_array)
    assert {element.tag for element in derived} == {element.tag for element in plain}


def test_an_encoder_that_loses_a_bit_is_found_out(tmp_path):
    ct_slice = read_slice(save(make_ct_dataset(), tmp_path / "in.dcm"))
    derived = derive_slice(ct_slice, ct_slice.hu, make_derivation(), make_context(make_derivation())).dataset
    with pytest.raises(OutputError, match="compress=rle: must keep every word, got other words"):
        derived_slice.compress(derived, water_ramp() + 1, "rle")


def test_an_encoder_that_is_not_installed_is_said_before_the_work(monkeypatch):
    monkeypatch.setitem(derived_slice._CODECS, "rle", (RLELossless, "no-such-plugin"))
    with pytest.raises(OutputError, match="compress=rle: needs the encoder no-such-plugin, got none; install"):
        derived_slice.require_encoder("rle")
    derived_slice.require_encoder("none")


# ── frames of multi-frame files ──


def test_a_frame_is_referred_to_by_its_number_and_named_after_it(tmp_path):
    found = read_slice(save(make_ct_dataset(), tmp_path / "in.dcm"))
    enhanced = "1.2.840.10008.5.1.4.1.1.2.1"
    found.dataset.SOPClassUID = enhanced
    derivation = make_derivation()
    context = SeriesContext(STUDY_UID, "1.2.9", "2.25.9")
    derived = []
    for number in (1, 2):
        frame = CTSlice(found.hu, found.is_padding, found.stored, found.dataset, frame_number=number)
        neighbour = InstanceRef(tmp_path / "in.dcm", found.dataset.SOPInstanceUID, 0.0, frame_number=3)
        derived.append(derive_slice(frame, found.hu, derivation, context, [neighbour]).dataset)
    one, two = derived
    assert one.SOPInstanceUID != two.SOPInstanceUID
    assert one.SOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    assert [source.ReferencedFrameNumber for source in two.SourceImageSequence] == [2, 3]
    assert {source.ReferencedSOPClassUID for source in two.SourceImageSequence} == {enhanced}
    (series,) = two.ReferencedSeriesSequence
    (instance,) = series.ReferencedInstanceSequence
    assert instance.ReferencedSOPInstanceUID == found.dataset.SOPInstanceUID


def test_the_words_of_a_compressed_source_come_back(tmp_path):
    source = make_ct_dataset(stored=water_ramp(64, 64), bits_stored=16)
    source.compress(RLELossless, generate_instance_uid=False)
    derive(tmp_path, source, WriteOptions(compression="jpeg-ls"))
    found, expected = (read_slice(tmp_path / name) for name in ("derived.dcm", "source.dcm"))
    np.testing.assert_array_equal(found.stored, expected.stored)
    assert stored_values(pydicom.dcmread(tmp_path / "derived.dcm")).shape == (64, 64)
