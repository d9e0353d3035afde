"""A multi-frame CT file falls apart into slices, each described by its own functional groups."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from n2b_ct.errors import SeriesError
from n2b_ct.io.dicom.ct_reader import decode, decoded_words, decoding, parse_slice, require_slice, sized_words
from n2b_ct.io.dicom.reading import enhanced_ct
from n2b_ct.io.dicom.reading.dicom_file import DicomFile, parse_file
from n2b_ct.io.dicom.reading.enhanced_ct import Frames, open_frames
from n2b_ct.io.dicom.reading.functional_groups import N_FRAMES_MAX, instance_number
from n2b_ct.io.dicom.reading.slice_checks import is_enhanced
from n2b_ct.io.dicom.reading.stored_words import rescale_of
from tests.enhanced_ct import (
    LEGACY_CONVERTED_CT,
    SHARED_GROUPS,
    as_groups,
    as_item,
    make_enhanced,
    make_frames,
    own_groups,
    save_enhanced,
    without_groups,
)
from tests.helpers import make_ct_dataset, save

PLACES_MM = (4.0, 0.0, 2.0)
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
AGENT = {
    "CodeValue": "109219007",
    "CodingSchemeDesignator": "SCT",
    "CodeMeaning": "Iohexol",
    "ContrastBolusAgentNumber": 1,
    "ContrastBolusVolume": "150",
    "ContrastBolusIngredientConcentration": "300",
}


def first_frame(path: Path, **options: Any) -> Dataset:
    """The data set of the first of three frames."""
    save_enhanced(path, make_frames(**options.pop("frames", {})), **options)
    return open_frames(path).header(1).dataset


@pytest.mark.parametrize("transfer_syntax", [*NATIVE, RLELossless, JPEGLSLossless])
@pytest.mark.parametrize("is_signed", [False, True])
def test_every_frame_keeps_its_own_words_place_and_rescale(
    tmp_path: Path, transfer_syntax: str, is_signed: bool
) -> None:
    frames = [replace(one, stored=one.stored - 2048 * is_signed) for one in make_frames(PLACES_MM)]
    path = save_enhanced(tmp_path / "a", frames, transfer_syntax=transfer_syntax, is_signed=is_signed)
    found = open_frames(path)
    assert len(found) == 3
    for number, frame in enumerate(frames, start=1):
        parsed = found.with_pixels(number)
        require_slice(parsed)
        np.testing.assert_array_equal(sized_words(parsed.dataset, "a"), frame.stored)
        assert parsed.dataset.ImagePositionPatient[2] == frame.z_mm
        assert rescale_of(parsed.dataset) == (float(frame.slope), float(frame.intercept))
        assert parsed.frame_number == number


def test_a_frame_has_the_attributes_of_a_single_image(tmp_path: Path) -> None:
    frame = first_frame(tmp_path / "a")
    expected = {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "AcquisitionDate": "20260304",
        "AcquisitionTime": "050107.25",
        "AcquisitionDateTime": "20260304050107.25",
        "IrradiationEventUID": "1.2.826.0.1.3680043.8.498.7",
        "SliceThickness": 2,
        "KVP": 120,
        "DataCollectionDiameter": 500,
        "ReconstructionDiameter": 24,
        "DistanceSourceToDetector": 1085.6,
        "GantryDetectorTilt": 0,
        "TableHeight": 150,
        "RotationDirection": "CW",
        "ExposureTime": 500,
        "XRayTubeCurrent": 100,
        "Exposure": 50,
        "FilterType": "FLAT",
        "FilterMaterial": "ALUMINUM",
        "FocalSpots": 1.2,
        "ConvolutionKernel": "B30",
        "RevolutionTime": 0.5,
        "SingleCollimationWidth": 0.6,
        "TotalCollimationWidth": 38.4,
        "TableSpeed": 57.6,
        "TableFeedPerRotation": 28.8,
        "SpiralPitchFactor": 0.75,
        "DataCollectionCenterPatient": [0, 0, 2],
        "ReconstructionTargetCenterPatient": [0, 0, 2],
        "ExposureModulationType": "NONE",
        "CTDIvol": 3,
        "AcquisitionNumber": 5,
        "InstanceNumber": 1,
        "ImagePositionPatient": [-16, -12, 4],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImageLaterality": "U",
        "TemporalPositionIdentifier": 1,
        "StackID": "1",
        "PixelSpacing": [0.5, 0.75],
        "WindowCenter": 40,
        "WindowWidth": 400,
        "RescaleIntercept": -1024,
        "RescaleSlope": 1,
        "RescaleType": "HU",
    }
    assert {keyword: frame[keyword].value for keyword in expected} == expected
    assert frame.AnatomicRegionSequence[0].CodeMeaning == "Chest"
    assert frame.CTDIPhantomTypeCodeSequence[0].CodeValue == "113691"


@pytest.mark.parametrize("name", [*SHARED_GROUPS, *own_groups(make_frames()[0], 1)])
def test_a_group_says_the_same_from_the_shared_and_from_the_per_frame_sequence(tmp_path: Path, name: str) -> None:
    group = {**SHARED_GROUPS, **own_groups(make_frames()[0], 1)}[name]
    own = [replace(one, groups={name: group}) for one in make_frames()]
    save_enhanced(tmp_path / "own", own, shared={name: None})
    save_enhanced(tmp_path / "shared", without_groups(make_frames(), name), shared={name: group})
    assert open_frames(tmp_path / "own").header(1).dataset == open_frames(tmp_path / "shared").header(1).dataset


def test_a_frames_own_group_comes_before_the_shared_one(tmp_path: Path) -> None:
    frames = {"groups": {"CTReconstructionSequence": {"ConvolutionKernel": "B70"}}}
    assert first_frame(tmp_path / "a", frames=frames).ConvolutionKernel == "B70"


def test_nothing_that_only_an_enhanced_image_has_is_left(tmp_path: Path) -> None:
    tables = {
        name: json.loads(files("highdicom").joinpath("_standard", f"{name}.json").read_text(encoding="utf-8"))
        for name in ("iod_module_map", "module_attribute_map")
    }
    keywords = {
        iod: {
            attribute["keyword"]
            for module in tables["iod_module_map"][iod]
            for attribute in tables["module_attribute_map"][module["key"]]
            if not attribute["path"]
        }
        for iod in ("ct-image", "enhanced-ct-image", "legacy-converted-enhanced-ct-image")
    }
    foreign = (keywords["enhanced-ct-image"] | keywords["legacy-converted-enhanced-ct-image"]) - keywords["ct-image"]
    image = make_enhanced(make_frames())
    for keyword in foreign - {element.keyword for element in image}:
        setattr(image, keyword, None)
    frame = open_frames(save(image, tmp_path / "a")).header(1).dataset
    assert {element.keyword for element in frame} & foreign == set()
    assert len(foreign) > 30


def test_two_sources_that_disagree_leave_the_attribute_out(tmp_path: Path) -> None:
    sources: Any = [{"KVP": "80", "FilterType": "FLAT"}, {"KVP": "140", "FilterType": "FLAT"}]
    frame = first_frame(tmp_path / "a", shared={"CTXRayDetailsSequence": sources})
    assert frame["KVP"].is_empty
    assert frame.FilterType == "FLAT"
    assert "FocalSpots" not in frame


def test_type_2_attributes_that_no_group_has_are_empty(tmp_path: Path) -> None:
    gone = dict.fromkeys(("CTXRayDetailsSequence", "PixelMeasuresSequence"))
    frame = first_frame(tmp_path / "a", shared=gone, frames={"groups": {"FrameContentSequence": None}})
    assert [frame[keyword].is_empty for keyword in ("KVP", "AcquisitionNumber", "SliceThickness")] == [True] * 3


@pytest.mark.parametrize(
    ("frame_type", "image_type"),
    [
        (("ORIGINAL", "PRIMARY", "VOLUME", "NONE"), ["ORIGINAL", "PRIMARY", "AXIAL"]),
        (("DERIVED", "PRIMARY", "CARDIAC_GATED", "FILTERED"), ["DERIVED", "PRIMARY", "AXIAL", "FILTERED"]),
        (("DERIVED", "PRIMARY", "AXIAL", "VMI"), ["DERIVED", "PRIMARY", "AXIAL", "VMI"]),
        (("ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"), ["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        (("ORIGINAL", "PRIMARY"), ["ORIGINAL", "PRIMARY"]),
    ],
)
def test_the_frame_type_becomes_an_image_type(
    tmp_path: Path, frame_type: tuple[str, ...], image_type: list[str]
) -> None:
    assert first_frame(tmp_path / "a", frames={"frame_type": frame_type}).ImageType == image_type


def test_a_time_with_a_zone_of_its_own_is_not_told_as_local_time(tmp_path: Path) -> None:
    groups = {"FrameContentSequence": {"FrameAcquisitionDateTime": "20260304050107.25+0900"}}
    frame = first_frame(tmp_path / "a", frames={"groups": groups})
    assert frame.AcquisitionDateTime == "20260304050107.25+0900"
    assert "AcquisitionTime" not in frame


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, 3),
        ({"InstanceNumber": "1"}, 3),
        ({"InstanceNumber": "2"}, N_FRAMES_MAX + 3),
        ({"InstanceNumber": "1", "ConcatenationFrameOffsetNumber": 40}, 43),
        ({"InstanceNumber": "2000000000"}, 3),
        ({"InstanceNumber": "-7"}, 3),
    ],
)
def test_frames_of_several_images_in_a_series_get_different_numbers(image: dict[str, Any], expected: int) -> None:
    assert instance_number(as_item(image), 3) == expected


def test_one_contrast_agent_is_told_as_a_single_image_tells_it(tmp_path: Path) -> None:
    frame = first_frame(tmp_path / "a", ContrastBolusAgentSequence=[as_item(AGENT)])
    assert (frame.ContrastBolusAgent, frame.ContrastBolusVolume) == ("Iohexol", 150)
    assert [element.keyword for element in frame.ContrastBolusAgentSequence[0]] == [
        "CodeValue",
        "CodingSchemeDesignator",
        "CodeMeaning",
    ]


def test_of_two_contrast_agents_none_is_guessed(tmp_path: Path) -> None:
    frame = first_frame(tmp_path / "a", ContrastBolusAgentSequence=[as_item(AGENT), as_item(AGENT)])
    assert frame["ContrastBolusAgent"].is_empty
    assert len(frame.ContrastBolusAgentSequence) == 2
    assert "ContrastBolusVolume" not in frame


def test_a_frame_before_the_contrast_came_has_none(tmp_path: Path) -> None:
    usage = {"ContrastBolusUsageSequence": {"ContrastBolusAgentNumber": 1, "ContrastBolusAgentAdministered": "NO"}}
    frame = first_frame(tmp_path / "a", shared=usage, ContrastBolusAgentSequence=[as_item(AGENT)])
    assert [element.keyword for element in frame if "Contrast" in element.keyword] == []


def test_a_multi_energy_acquisition_is_gathered_in_its_sequence(tmp_path: Path) -> None:
    source = as_item({"XRaySourceIndex": 1})
    frame = first_frame(
        tmp_path / "a", MultienergyCTAcquisition="YES", MultienergyCTXRaySourceSequence=[source], DeviceUID="1.2"
    )
    (item,) = frame.MultienergyCTAcquisitionSequence
    assert item.MultienergyCTXRaySourceSequence[0].XRaySourceIndex == 1
    assert item.CTExposureSequence[0].XRayTubeCurrentInmA == 99.6
    assert {"CTGeometrySequence", "CTXRayDetailsSequence", "CTAcquisitionDetailsSequence"} <= {e.keyword for e in item}
    assert "MultienergyCTXRaySourceSequence" not in frame


def test_names_keep_their_bytes(tmp_path: Path) -> None:
    save_enhanced(tmp_path / "a", make_frames(), SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")
    raw = open_frames(tmp_path / "a").header(2).dataset.get_item("PatientName")
    assert raw.value == "Müller^Jörg ".encode("latin-1")


def test_a_converted_image_gives_back_what_its_single_images_had(tmp_path: Path) -> None:
    left_over = {"InstanceNumber": "77", "ScanOptions": "HELICAL", "StudyInstanceUID": "9.9"}
    frame = first_frame(
        tmp_path / "a",
        sop_class=LEGACY_CONVERTED_CT,
        frames={"groups": {"UnassignedPerFrameConvertedAttributesSequence": left_over}},
        shared={"UnassignedSharedConvertedAttributesSequence": {"KVP": "80", "ProtocolName": "Thorax"}},
    )
    assert (frame.InstanceNumber, frame.ScanOptions, frame.ProtocolName) == (77, "HELICAL", "Thorax")
    assert frame.KVP == 120  # a group's word comes before a left-over one
    assert frame.StudyInstanceUID == "1.2.826.0.1.3680043.8.498.1"


@pytest.mark.parametrize("form", ["empty table", "extended table", "fragments", "fragments without a table"])
def test_a_compressed_frame_is_found_however_the_frames_are_wrapped(tmp_path: Path, form: str) -> None:
    frames = make_frames()
    image = make_enhanced(frames, transfer_syntax=JPEGLSLossless)
    encoded = list(generate_frames(image.PixelData, number_of_frames=3))
    if form == "extended table":
        content, image.ExtendedOffsetTable, image.ExtendedOffsetTableLengths = encapsulate_extended(encoded)
    else:
        content = encapsulate(encoded, fragments_per_frame=2 if "fragments" in form else 1, has_bot=form == "fragments")
    image.PixelData = content
    image["PixelData"].is_undefined_length = True
    found = open_frames(save(image, tmp_path / "a"))
    for number, frame in enumerate(frames, start=1):
        np.testing.assert_array_equal(sized_words(found.with_pixels(number).dataset, "a"), frame.stored)
        decoded = decoded_words(decode(**decoding(found.header(number))))
        np.testing.assert_array_equal(decoded, frame.stored)


def test_a_frame_without_an_entry_in_the_extended_offset_table_is_not_found(tmp_path: Path) -> None:
    image = make_enhanced(make_frames(), transfer_syntax=JPEGLSLossless)
    encoded = list(generate_frames(image.PixelData, number_of_frames=3))
    image.PixelData, offsets, image.ExtendedOffsetTableLengths = encapsulate_extended(encoded)
    image.ExtendedOffsetTable = offsets[:16]
    image["PixelData"].is_undefined_length = True
    found = open_frames(save(image, tmp_path / "a"))
    decode(**decoding(found.header(2)))
    with pytest.raises(SeriesError, match="a: must hold frame 3") as caught:
        decode(**decoding(found.header(3)))
    assert caught.value.reason == "pixel_undecodable"


def change_count(image: Dataset) -> None:
    image.NumberOfFrames = 4


def drop_count(image: Dataset) -> None:
    del image.NumberOfFrames


def claim_many(image: Dataset) -> None:
    image.NumberOfFrames = N_FRAMES_MAX + 1


def drop_per_frame(image: Dataset) -> None:
    del image.PerFrameFunctionalGroupsSequence


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        (change_count, "bad_value", "an item of functional groups for every frame, got 3 for 4 frames"),
        (drop_count, "header_incomplete", "must have NumberOfFrames"),
        (claim_many, "too_large", "at most 10000 frames"),
        (drop_per_frame, "header_incomplete", "must have PerFrameFunctionalGroupsSequence"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path, change: Any, reason: str, words: str) -> None:
    image = make_enhanced(make_frames())
    change(image)
    with pytest.raises(SeriesError, match=words) as caught:
        open_frames(save(image, tmp_path / "a"))
    assert caught.value.reason == reason


def test_one_frame_may_keep_all_its_groups_in_the_shared_sequence(tmp_path: Path) -> None:
    frame = make_frames((8.0,))[0]
    image = make_enhanced([frame])
    image.SharedFunctionalGroupsSequence = [as_groups({**SHARED_GROUPS, **own_groups(frame, 1)})]
    del image.PerFrameFunctionalGroupsSequence
    parsed = parse_slice(save(image, tmp_path / "a"), with_pixels=True)
    assert parsed.dataset.ImagePositionPatient[2] == 8
    np.testing.assert_array_equal(sized_words(parsed.dataset, "a"), frame.stored)


@pytest.mark.parametrize(
    ("groups", "reason", "words"),
    [
        ({"PlanePositionSequence": None}, "header_incomplete", "frame 1 of a: must have ImagePositionPatient"),
        ({"PlaneOrientationSequence": None}, "header_incomplete", "must have ImageOrientationPatient"),
        ({"PlanePositionSequence": {"ImagePositionPatient": [1, 2]}}, "bad_value", "3 decimal number"),
        ({"PixelValueTransformationSequence": None}, "bad_rescale", "must have RescaleSlope"),
        ({"PixelValueTransformationSequence": {"RescaleSlope": "1", "RescaleIntercept": "0", "RescaleType": "US"}},
         "not_hu", "RescaleType must be HU, got US"),
        ({"CTImageFrameTypeSequence": {"PixelPresentation": "COLOR"}}, "not_grayscale", "must be monochrome"),
        ({"CTImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]}}, "localizer",
         "must be a slice"),
    ],
)  # fmt: skip
def test_frames_that_do_not_say_enough_are_refused(
    tmp_path: Path, groups: dict[str, Any], reason: str, words: str
) -> None:
    path = save_enhanced(tmp_path / "a", [replace(one, groups=groups) for one in make_frames()])
    with pytest.raises(SeriesError, match=words) as caught:
        open_frames(path).each(require_placed_slice)
    assert caught.value.reason == reason


def require_placed_slice(parsed: DicomFile) -> None:
    """What a scan asks, apart from the UIDs."""
    from n2b_ct.io.dicom.reading.slice_checks import require_geometry

    require_slice(parsed)
    require_geometry(parsed)


def test_a_localizer_among_the_frames_is_left_out(tmp_path: Path) -> None:
    frames = make_frames()
    frames[1] = replace(frames[1], frame_type=("ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"))
    path = save_enhanced(tmp_path / "a", frames)

    def number_of(parsed: DicomFile) -> int | None:
        require_slice(parsed)
        return parsed.frame_number

    assert open_frames(path).each(number_of) == [1, 3]


def test_a_file_that_ends_within_its_pixels_is_refused(tmp_path: Path) -> None:
    path = save_enhanced(tmp_path / "a", make_frames())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SeriesError, match="must have all of its pixels") as caught:
        open_frames(path).each(require_slice)
    assert caught.value.reason == "pixel_truncated"


@pytest.mark.parametrize("last", [[], [b"\0\0"]])
def test_a_frame_that_the_pixels_lack_is_refused(tmp_path: Path, last: list[bytes]) -> None:
    image = make_enhanced(make_frames(), transfer_syntax=RLELossless)
    encoded = list(generate_frames(image.PixelData, number_of_frames=3))
    content = encapsulate([*encoded[:2], *last])
    image.PixelData = content.replace(b"\xfe\xff\x00\xe0\2\0\0\0\0\0", b"\xfe\xff\x00\xe0\0\0\0\0")
    image["PixelData"].is_undefined_length = True
    found = open_frames(save(image, tmp_path / "a"))
    with pytest.raises(SeriesError, match="must hold frame 3") as caught:
        found.with_pixels(3)
    assert caught.value.reason == "pixel_undecodable"


def test_native_pixels_for_fewer_frames_are_refused_at_the_first_that_is_cut(tmp_path: Path) -> None:
    image = make_enhanced(make_frames())
    image.PixelData = image.PixelData[: 24 * 32 * 2 + 10]
    with pytest.raises(SeriesError, match="frame 2 of a: must have all of its pixels, got 10 bytes") as caught:
        open_frames(save(image, tmp_path / "a")).each(require_slice)
    assert caught.value.reason == "pixel_truncated"


def test_groups_that_are_no_sequences_are_refused(tmp_path: Path) -> None:
    parsed = parse_file(save_enhanced(tmp_path / "a", make_frames()), with_pixels=False)
    parsed.dataset["PerFrameFunctionalGroupsSequence"] = pydicom.DataElement(0x52009230, "FD", [1.0, 2.0, 3.0])
    with pytest.raises(SeriesError, match="functional groups must be readable, got AttributeError") as caught:
        Frames(parsed).header(1)
    assert caught.value.reason == "unreadable"


def test_a_path_alone_names_the_only_frame_and_no_other(tmp_path: Path) -> None:
    one = save_enhanced(tmp_path / "one", make_frames((0.0,)))
    assert parse_slice(one, with_pixels=False).frame_number == 1
    several = save_enhanced(tmp_path / "several", make_frames())
    with pytest.raises(SeriesError, match="one frame must be named, got 3 frames and no choice") as caught:
        parse_slice(several, with_pixels=True)
    assert caught.value.reason == "no_slices"


@pytest.mark.parametrize("number", [0, 4, -1])
def test_there_is_no_frame_beyond_the_last(tmp_path: Path, number: int) -> None:
    path = save_enhanced(tmp_path / "a", make_frames())
    with pytest.raises(SeriesError, match=f"must have frame {number}, got 3 frames"):
        parse_slice(path, number, with_pixels=True)


def test_a_single_image_has_no_frames(tmp_path: Path) -> None:
    path = save(make_ct_dataset(), tmp_path / "a")
    assert not is_enhanced(parse_file(path, with_pixels=False))
    assert parse_slice(path, with_pixels=True).frame_number is None
    with pytest.raises(SeriesError, match="must be multi-frame CT"):
        parse_slice(path, 1, with_pixels=True)


def test_a_file_that_went_away_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(SeriesError, match="must be readable") as caught:
        open_frames(tmp_path / "gone")
    assert caught.value.reason == "unreadable"


def test_a_blank_sop_class_is_found_in_the_file_meta_information(tmp_path: Path) -> None:
    image = make_enhanced(make_frames())
    del image.SOPClassUID
    assert is_enhanced(parse_file(save(image, tmp_path / "a"), with_pixels=False))


def test_a_file_is_parsed_once_for_all_its_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_enhanced(tmp_path / "a", make_frames(tuple(range(30))))
    n_parsed = []
    monkeypatch.setattr(enhanced_ct, "parse_file", lambda *a, **k: n_parsed.append(1) or parse_file(*a, **k))
    for number in range(1, 31):
        parse_slice(path, number, with_pixels=True)
    assert len(n_parsed) == 1
    save_enhanced(path, make_frames((5.0, 6.0)))
    assert parse_slice(path, 2, with_pixels=False).dataset.ImagePositionPatient[2] == 6
    assert len(n_parsed) == 2


def test_reading_one_frame_leaves_the_pixels_of_the_others_on_disk(tmp_path: Path) -> None:
    path = save_enhanced(tmp_path / "a", make_frames(tuple(range(30))))
    found = open_frames(path)
    assert len(found.with_pixels(30).dataset.PixelData) == 24 * 32 * 2
    assert "PixelData" not in found.header(30).dataset


def test_frames_do_not_share_what_one_of_them_changes(tmp_path: Path) -> None:
    found = open_frames(save_enhanced(tmp_path / "a", make_frames()))
    found.header(1).dataset.RescaleType = "US"
    assert found.header(1).dataset.RescaleType == "HU"
    assert UID(found.header(2).dataset.SOPInstanceUID).is_valid
