"""Multi-frame CT from the folder to the derived single images that a receiver gets."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless
from typer.testing import CliRunner

from n2b_ct.cli.app import app
from n2b_ct.errors import SeriesError
from n2b_ct.io.dicom.ct_reader import read_series, read_slice, read_slices
from n2b_ct.io.dicom.derived_series import DerivedSeriesWriter
from n2b_ct.io.dicom.scan import ScanResult, scan
from tests.dicom_tools import dcentvfy, dciodvfy, errors, new_complaints, require_tools
from tests.enhanced_ct import Frame, make_enhanced, make_frames, save_enhanced
from tests.helpers import make_derivation, save, save_series
from tests.integration.scenes import identity_model
from tests.iod_check import iod_findings

CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
KEPT_OUTSIDE_THE_IOD = {"outside the IOD StackID", "outside the IOD TemporalPositionIdentifier"}


def outcomes(found: ScanResult) -> dict[str, tuple[str, str]]:
    """What became of every file."""
    return {record.path.name: (record.action, record.reason) for record in found.records}


def frames_of(found: ScanResult) -> list[list[tuple[float, int | None]]]:
    """Place and frame number of every slice of every series."""
    return [[(one.position_mm, one.frame_number) for one in series.instances] for series in found.series]


def derive_all(source: Path, target: Path) -> dict[int, Dataset]:
    """Derive every slice below a file or folder with unchanged HU; the derived images by InstanceNumber."""
    for index, series in enumerate(scan(source).series):
        with DerivedSeriesWriter(series, target / str(index), make_derivation()) as writer:
            for instance in series.instances:
                ct_slice = read_slice(instance)
                writer.add(ct_slice, ct_slice.hu)
    derived = [pydicom.dcmread(path) for path in sorted(target.rglob("*")) if path.is_file()]
    return {int(one.InstanceNumber): one for one in derived}


def test_shuffled_frames_are_one_series_in_order_of_place(tmp_path: Path) -> None:
    save_enhanced(tmp_path / "a", make_frames((4.0, 0.0, 6.0, 2.0)))
    found = scan(tmp_path)
    assert frames_of(found) == [[(0.0, 2), (2.0, 4), (4.0, 1), (6.0, 3)]]
    assert outcomes(found) == {"a": ("used", "")}
    assert found.series[0].problems == ("non_square_pixels",)


def test_each_frame_is_read_with_its_own_rescale(tmp_path: Path) -> None:
    frames = make_frames()
    save_enhanced(tmp_path / "a", frames)
    series = read_series(scan(tmp_path).series[0])
    expected = [frame.stored * float(frame.slope) + float(frame.intercept) for frame in frames]
    np.testing.assert_array_equal(series.hu, np.stack([expected[1], expected[2], expected[0]]).astype(np.float32))


@pytest.mark.parametrize("transfer_syntax", [ExplicitVRLittleEndian, RLELossless, JPEGLSLossless])
def test_padding_of_compressed_and_native_frames_is_marked(tmp_path: Path, transfer_syntax: str) -> None:
    frames = [replace(one, stored=one.stored - 2048) for one in make_frames()]
    frames[2].stored[:3] = -2000
    save_enhanced(tmp_path / "a", frames, transfer_syntax=transfer_syntax, is_signed=True, padding=-2000)
    instances = {one.frame_number: one for one in scan(tmp_path).series[0].instances}
    assert all(one.is_compressed == (transfer_syntax != ExplicitVRLittleEndian) for one in instances.values())
    np.testing.assert_array_equal(read_slice(instances[3]).is_padding, frames[2].stored == -2000)


def test_two_stacks_are_two_series(tmp_path: Path) -> None:
    head = make_frames((0.0, 2.0))
    chest = make_frames((300.0, 305.0), stack="2")
    save_enhanced(tmp_path / "a", [*head, *chest])
    found = scan(tmp_path)
    assert frames_of(found) == [[(0.0, 1), (2.0, 2)], [(300.0, 3), (305.0, 4)]]
    assert outcomes(found) == {"a": ("used", "")}


def test_two_orientations_are_two_series(tmp_path: Path) -> None:
    coronal = make_frames((0.0, 2.0, 4.0, 6.0), stack="2", orientation=CORONAL)
    save_enhanced(tmp_path / "a", [*make_frames((0.0, 2.0, 4.0, 6.0)), *coronal])
    assert sorted(len(series) for series in scan(tmp_path).series) == [4, 4]


def test_two_times_over_the_same_places_are_two_series(tmp_path: Path) -> None:
    early, late = make_frames((0.0, 2.0, 4.0)), make_frames((0.0, 2.0, 4.0), time=2)
    mixed = [frame for pair in zip(early, late, strict=True) for frame in pair]
    save_enhanced(tmp_path / "a", mixed)
    assert frames_of(scan(tmp_path)) == [[(0.0, 1), (2.0, 3), (4.0, 5)], [(0.0, 2), (2.0, 4), (4.0, 6)]]


def test_two_cardiac_phases_over_the_same_places_are_two_series(tmp_path: Path) -> None:
    frames = [
        replace(frame, groups={"CardiacSynchronizationSequence": {"NominalPercentageOfCardiacPhase": phase}})
        for phase in (30.0, 75.0)
        for frame in make_frames((0.0, 2.0, 4.0))
    ]
    save_enhanced(tmp_path / "a", frames)
    assert [len(series) for series in scan(tmp_path).series] == [3, 3]


def test_the_parts_of_a_concatenation_are_one_series(tmp_path: Path) -> None:
    for part, places_mm in enumerate([(0.0, 2.0), (4.0, 6.0)]):
        save_enhanced(
            tmp_path / f"part{part}",
            make_frames(places_mm),
            ConcatenationUID="1.2.3.4",
            InConcatenationNumber=part + 1,
            ConcatenationFrameOffsetNumber=2 * part,
        )
    (series,) = scan(tmp_path).series
    assert [one.instance_number for one in series.instances] == [1, 2, 3, 4]
    assert [one.path.name for one in series.instances] == ["part0", "part0", "part1", "part1"]


def test_a_localizer_frame_is_left_out_and_the_file_is_used(tmp_path: Path) -> None:
    frames = make_frames()
    frames[0] = replace(frames[0], frame_type=("ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"))
    save_enhanced(tmp_path / "a", frames)
    found = scan(tmp_path)
    assert frames_of(found) == [[(0.0, 2), (2.0, 3)]]
    assert outcomes(found) == {"a": ("used", "")}


def test_one_frame_that_cannot_be_trusted_costs_the_file(tmp_path: Path) -> None:
    frames = make_frames()
    frames[2] = replace(frames[2], groups={"PixelValueTransformationSequence": None})
    save_enhanced(tmp_path / "a", frames)
    found = scan(tmp_path)
    assert found.series == ()
    assert outcomes(found) == {"a": ("error", "bad_rescale")}
    assert found.records[0].detail.startswith("frame 3 of a: must have RescaleSlope and RescaleIntercept")
    assert found.records[0].series == "1.2.826.0.1.3680043.8.498.1.1"


def test_missing_rescale_can_be_assumed_to_be_hu(tmp_path: Path) -> None:
    groups = {"PixelValueTransformationSequence": None}
    save_enhanced(tmp_path / "a", [replace(frame, groups=groups) for frame in make_frames()])
    (series,) = scan(tmp_path, assume_hu=True).series
    assert "assumed_hu" in series.problems
    np.testing.assert_array_equal(read_slice(series.instances[0]).hu, make_frames()[1].stored)


def test_the_same_frames_in_another_file_or_encoding_are_duplicates(tmp_path: Path) -> None:
    save_enhanced(tmp_path / "a", make_frames())
    shutil.copy(tmp_path / "a", tmp_path / "b")
    save_enhanced(tmp_path / "c", make_frames(), transfer_syntax=JPEGLSLossless)
    expected = {"a": ("used", ""), "b": ("skipped", "duplicate"), "c": ("skipped", "duplicate")}
    assert outcomes(scan(tmp_path)) == expected


def test_two_files_that_claim_one_uid_for_other_frames_are_refused(tmp_path: Path) -> None:
    other = make_frames()
    other[2] = replace(other[2], stored=other[2].stored + 1)
    save_enhanced(tmp_path / "a", make_frames())
    save_enhanced(tmp_path / "b", other)
    save_enhanced(tmp_path / "c", make_frames((0.0, 8.0)), sop_uid="1.2.3.5")
    conflict = ("error", "duplicate_conflict")
    assert outcomes(scan(tmp_path)) == {"a": conflict, "b": conflict, "c": ("used", "")}


def test_blank_uids_are_repaired_for_all_frames_alike(tmp_path: Path) -> None:
    image = make_enhanced(make_frames())
    image.SOPInstanceUID = ""
    save(image, tmp_path / "a")
    assert outcomes(scan(tmp_path)) == {"a": ("error", "missing_uid")}
    (series,) = scan(tmp_path, repair_uids=True).series
    assert len({one.sop_instance_uid for one in series.instances}) == 1
    assert [one.frame_number for one in series.instances] == [2, 3, 1]


def test_a_path_of_many_frames_does_not_name_a_slice(tmp_path: Path) -> None:
    path = save_enhanced(tmp_path / "a", make_frames())
    with pytest.raises(SeriesError, match="one frame must be named") as caught:
        read_slice(path)
    assert caught.value.reason == "no_slices"
    only = save_enhanced(tmp_path / "b", make_frames((0.0,)))
    assert read_slice(only).frame_number == 1


def test_a_file_that_changed_since_the_scan_is_refused(tmp_path: Path) -> None:
    path = save_enhanced(tmp_path / "a", make_frames())
    last = next(one for one in scan(path).series[0].instances if one.frame_number == 3)
    assert read_slice(last).frame_number == 3
    save_enhanced(path, make_frames((0.0, 2.0)))
    (outcome,) = read_slices([last])
    assert isinstance(outcome, SeriesError)
    assert str(outcome) == "a: must have frame 3, got 2 frames; scan it again"


@pytest.mark.parametrize("transfer_syntax", [ExplicitVRLittleEndian, JPEGLSLossless])
@pytest.mark.parametrize("is_signed", [False, True])
def test_unchanged_hu_come_back_as_the_frames_own_words(tmp_path: Path, transfer_syntax: str, is_signed: bool) -> None:
    frames = [replace(one, stored=one.stored - 2048 * is_signed) for one in make_frames()]
    save_enhanced(tmp_path / "a", frames, transfer_syntax=transfer_syntax, is_signed=is_signed)
    derived = derive_all(tmp_path / "a", tmp_path / "out")
    assert sorted(derived) == [1, 2, 3]
    for number, frame in enumerate(frames, start=1):
        np.testing.assert_array_equal(derived[number].pixel_array, frame.stored)
        assert derived[number].RescaleSlope == float(frame.slope)
        assert derived[number].ImagePositionPatient[2] == frame.z_mm


def test_a_derived_image_points_at_its_frame(tmp_path: Path) -> None:
    save_enhanced(tmp_path / "a", make_frames(), sop_uid="1.2.3.4")
    derived = derive_all(tmp_path / "a", tmp_path / "out")
    for number, image in derived.items():
        (source,) = image.SourceImageSequence
        assert source.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2.1"
        assert (source.ReferencedSOPInstanceUID, source.ReferencedFrameNumber) == ("1.2.3.4", number)
        assert image.SOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
        assert "NumberOfFrames" not in image
    assert len({image.SOPInstanceUID for image in derived.values()}) == 3


def test_lossy_frames_stay_marked_as_lossy(tmp_path: Path) -> None:
    image = make_enhanced(make_frames(), transfer_syntax=JPEGLSLossless)
    image.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLSNearLossless
    save(image, tmp_path / "a")
    assert "lossy_source" in scan(tmp_path).series[0].problems
    derived = derive_all(tmp_path / "a", tmp_path / "out")
    assert {one.LossyImageCompression for one in derived.values()} == {"01"}
    assert {one.LossyImageCompressionMethod for one in derived.values()} == {"ISO_14495_1"}


def test_derived_images_of_a_conforming_file_have_no_findings(tmp_path: Path) -> None:
    save_enhanced(tmp_path / "a", make_frames())
    for image in derive_all(tmp_path / "a", tmp_path / "out").values():
        assert set(iod_findings(image)) == KEPT_OUTSIDE_THE_IOD


def test_dciodvfy_and_dcentvfy_accept_source_and_derived(tmp_path: Path) -> None:
    require_tools("dciodvfy", "dcentvfy")
    path = save_enhanced(tmp_path / "a", make_frames(), PatientBirthDate="19500101", PatientSex="M", StudyID="1")
    derive_all(path, tmp_path / "out")
    derived = sorted(one for one in (tmp_path / "out").rglob("*") if one.is_file())
    assert [errors(dciodvfy(one)) for one in (path, *derived)] == [[]] * 4
    assert dcentvfy([path, *derived]) == (0, "")


def test_an_image_that_highdicom_converted_comes_apart_as_it_was(tmp_path: Path) -> None:
    legacy = pytest.importorskip("highdicom.legacy", reason="highdicom is not installed: PyPI's highdicom brings it")
    times = dict.fromkeys(("StudyDate", "ContentDate", "AcquisitionDate"), "20260304")
    clocks = dict.fromkeys(("StudyTime", "ContentTime", "AcquisitionTime"), "050607")
    paths = save_series(tmp_path / "single", ScanOptions="HELICAL", ExposureTime=500, **times, **clocks)
    singles = [pydicom.dcmread(path) for path in paths]
    converted = legacy.LegacyConvertedEnhancedCTImage(
        singles, series_instance_uid="1.2.3.5", series_number=7, sop_instance_uid="1.2.3.6", instance_number=1
    )
    path = save(converted, tmp_path / "converted")
    frames = {read_slice(one).dataset.InstanceNumber: read_slice(one) for one in scan(path).series[0].instances}
    for single in singles:
        frame = frames[single.InstanceNumber]
        np.testing.assert_array_equal(frame.stored, single.pixel_array)
        for keyword in (
            "AcquisitionNumber", "AcquisitionDate", "AcquisitionTime", "ConvolutionKernel", "ExposureTime", "ImageType",
            "ImageOrientationPatient", "ImagePositionPatient", "KVP", "PatientName", "PixelSpacing", "RescaleIntercept",
            "RescaleSlope", "ScanOptions", "SliceThickness",
        ):  # fmt: skip
            assert frame.dataset[keyword].value == single[keyword].value, keyword


def test_geometry_agrees_with_simpleitk(tmp_path: Path) -> None:
    """With one rescale for all frames, for SimpleITK applies the first frame's to all of them."""
    frames = [replace(frame, slope="1", intercept="-1024") for frame in make_frames((0.0, 2.5, 5.0))]
    path = save_enhanced(tmp_path / "a.dcm", frames)
    image, series = SimpleITK.ReadImage(str(path)), read_series(scan(path).series[0])
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), series.hu)
    for index in ((0, 0, 0), (2, 5, 7)):
        place_mm = series.affine_lps_mm @ (*index, 1)
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index[::-1]), place_mm[:3], atol=1e-9)


@pytest.mark.real_data
def test_a_real_colour_map_is_skipped(shared_data: Path) -> None:
    found = scan(shared_data / "formats" / "eCT_Supplemental.dcm")
    assert outcomes(found) == {"eCT_Supplemental.dcm": ("skipped", "not_grayscale")}


def as_gray(image: Dataset) -> None:
    shared = image.SharedFunctionalGroupsSequence[0]
    shared.CTImageFrameTypeSequence[0].PixelPresentation = "MONOCHROME"


def as_hu(image: Dataset) -> None:
    as_gray(image)
    image.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence[0].RescaleType = "HU"


@pytest.mark.real_data
@pytest.mark.parametrize(("change", "reason"), [(as_gray, "not_hu"), (as_hu, "")])
def test_a_real_perfusion_map_is_no_hu_unless_it_says_so(
    shared_data: Path, tmp_path: Path, change: Callable[[Dataset], None], reason: str
) -> None:
    image = pydicom.dcmread(shared_data / "formats" / "eCT_Supplemental.dcm")
    change(image)
    found = scan(save(image, tmp_path / "a"))
    assert outcomes(found)["a"][1] == reason
    assert frames_of(found) == ([] if reason else [[(149.0, 2), (159.0, 1)]])


@pytest.mark.real_data
def test_a_real_layout_is_derived_without_new_errors(shared_data: Path, tmp_path: Path) -> None:
    require_tools("dciodvfy")
    image = pydicom.dcmread(shared_data / "formats" / "eCT_Supplemental.dcm")
    words = image.pixel_array
    as_hu(image)
    path = save(image, tmp_path / "a")
    derived = derive_all(path, tmp_path / "out")
    for number in (1, 2):
        np.testing.assert_array_equal(derived[number].pixel_array, words[number - 1])
    known = dciodvfy(path)
    written = [one for one in (tmp_path / "out").rglob("*") if one.is_file()]
    assert [errors(new_complaints(dciodvfy(one), known)) for one in written] == [[], []]


def test_frames_of_other_sizes_than_a_slice_are_refused(tmp_path: Path) -> None:
    image = make_enhanced([Frame(0.0, np.zeros((24, 32), int))])
    image.Rows, image.Columns = 60000, 60000
    found = scan(save(image, tmp_path / "a"))
    assert outcomes(found) == {"a": ("error", "too_large")}


def test_simpleitk_reads_the_derived_images_with_the_rescale_of_each(tmp_path: Path) -> None:
    path = save_enhanced(tmp_path / "a.dcm", make_frames())
    series = read_series(scan(path).series[0])
    derive_all(path, tmp_path / "out")
    (folder,) = {one.parent for one in (tmp_path / "out").rglob("*") if one.is_file()}
    image = SimpleITK.ReadImage(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), series.hu)
    assert image.GetSpacing() == pytest.approx((0.75, 0.5, 2.0))
    assert not np.array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))), series.hu)


def test_denoising_a_tree_gives_every_stack_its_folder(tmp_path: Path) -> None:
    stacks = [*make_frames((4.0, 0.0, 2.0)), *make_frames((300.0, 305.0), stack="2")]
    frames = [replace(frame, stored=np.tile(frame.stored, (2, 2))) for frame in stacks]
    path = save_enhanced(tmp_path / "in" / "a.dcm", frames)
    model = identity_model(tmp_path / "model.pt")
    arguments = [str(tmp_path / "in"), str(tmp_path / "out"), "--model", str(model)]
    result = CliRunner().invoke(app, ["denoise", *arguments])
    assert result.exit_code == 0, result.output
    written = [one for one in (tmp_path / "out").rglob("*") if one.is_file()]
    assert sorted(len(list(folder.rglob("*.dcm"))) for folder in (tmp_path / "out").iterdir()) == [2, 3]
    derived = {int(one.InstanceNumber): one for one in map(pydicom.dcmread, written)}
    for number, frame in enumerate(frames, start=1):
        np.testing.assert_array_equal(derived[number].pixel_array, frame.stored)
    assert path.is_file()
