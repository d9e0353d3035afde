"""Bad input, rows 1 to 14: what lies in a folder, and how its slices lie to each other."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import MediaStorageDirectoryStorage

from n2b_ct.io.dicom.ct_reader import read_series
from n2b_ct.io.dicom.scan import scan
from tests.bad_input import Tree, slice_file
from tests.helpers import make_ct_dataset, save, save_series, water_ramp

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
SQUARE = {"PixelSpacing": ["0.5", "0.5"]}


def bad_series(tree: Tree):
    """The series that a scan finds in ``bad``."""
    return [one for one in scan(tree.source).series if one.directory.name != "good"]


# ── 1–7: files ──


def test_row_01_several_series_in_one_folder_are_kept_apart(tree):
    save_series(tree.bad, [0.0, 4.0], prefix="a", series_uid="1.2.3.1")
    save_series(tree.bad, [2.0, 6.0], prefix="b", series_uid="1.2.3.2")
    told = tree.holds(dict.fromkeys(["a001", "a002", "b001", "b002"], "used"), status=0)
    assert [one["n_slices"] for one in told] == [2, 2]
    assert {one["output"] for one in told} == {str(path) for path in (tree.output / "bad").iterdir()}
    assert len({str(dataset.SeriesInstanceUID) for dataset in tree.written()}) == 2


def test_row_02_a_localizer_is_skipped_by_its_image_type(tree):
    slice_file(tree.bad / "scout", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], orientation=(1, 0, 0, 0, 0, -1))
    tree.holds({"scout": "skipped:localizer"}, status=0)


def test_row_02_a_localizer_is_skipped_by_looking_across_its_series(tree):
    save_series(tree.bad, [0.0, 2.0], series_uid="1.2.3.1")
    slice_file(tree.bad / "scout", series_uid="1.2.3.1", study_uid="1.2.826.0.1.3680043.8.498.1", instance_number=9,
               orientation=(1, 0, 0, 0, 0, -1))  # fmt: skip
    tree.holds({"slice001": "used", "slice002": "used", "scout": "skipped:localizer"}, status=0)


@pytest.mark.parametrize(
    "sop_class",
    [
        SECONDARY_CAPTURE,  # a dose page has Modality CT
        "1.2.840.10008.5.1.4.1.1.88.67",  # X-Ray Radiation Dose SR
        "1.2.840.10008.5.1.4.1.1.11.1",  # Grayscale Softcopy Presentation State
        "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
        "1.2.840.10008.5.1.4.1.1.481.3",  # RT Structure Set
        "1.2.840.10008.5.1.4.1.1.4",  # MR Image
    ],
)
def test_row_03_other_objects_are_skipped_by_their_class(tree, sop_class):
    slice_file(tree.bad / "other.dcm", SOPClassUID=sop_class)
    tree.holds({"other.dcm": "skipped:not_ct_image_storage"}, status=0)


def test_row_03_a_directory_is_skipped_and_its_images_are_used(tree):
    image, record = make_ct_dataset(), Dataset()
    record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", ["IMAGES", "I1"]
    directory = Dataset()
    directory.FileSetID, directory.DirectoryRecordSequence = "DISC", [record]
    directory.file_meta = image.file_meta
    directory.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    save(directory, tree.bad / "DICOMDIR")
    slice_file(tree.bad / "IMAGES" / "I1")
    tree.holds({"DICOMDIR": "skipped:not_ct_image_storage", "IMAGES/I1": "used"}, status=0)


@pytest.mark.parametrize("name", ["I10", "slice.IMA", "slice.jpg", "1.2.3.4", "slice 1.dcm.bak"])
def test_row_04_a_name_says_nothing(tree, name):
    slice_file(tree.bad / name)
    tree.holds({name: "used"}, status=0)


def test_row_05_a_file_without_preamble_is_read(tree):
    path = slice_file(tree.bad / "slice")
    path.write_bytes(path.read_bytes()[132:])
    tree.holds({"slice": "used"}, status=0)


@pytest.mark.parametrize("is_implicit", [False, True])
def test_row_05_a_bare_data_set_is_read_and_its_syntax_noted(tree, is_implicit):
    dataset = make_ct_dataset(series_uid="1.2.3.4", **SQUARE)
    del dataset.file_meta
    pydicom.dcmwrite(tree.bad / "slice", dataset, implicit_vr=is_implicit, little_endian=True)
    told = tree.holds({"slice": "used"}, status=0)
    assert bad_series(tree)[0].problems == ("transfer_syntax_assumed",)
    assert [one["status"] for one in told] == ["done"]


def test_row_05_words_that_start_like_a_data_set_are_not_believed(tree):
    (tree.bad / "letter").write_bytes(b"\x08\x00\x05\x00CS" + b" dear colleague" * 40)
    tree.holds({"letter": "error:header_incomplete"}, status=1)


def test_row_06_empty_files_and_texts_are_skipped(tree):
    (tree.bad / "empty.dcm").touch()
    (tree.bad / "README").write_text("these are words, and many of them " * 50)
    (tree.bad / "zeros.dcm").write_bytes(bytes(2000))
    expected = {"empty.dcm": "skipped:empty", "README": "skipped:not_dicom", "zeros.dcm": "skipped:not_dicom"}
    tree.holds(expected, status=0)


def test_row_07_a_copy_is_skipped(tree):
    path = slice_file(tree.bad / "a")
    (tree.bad / "b").write_bytes(path.read_bytes())
    tree.holds({"a": "used", "b": "skipped:duplicate"}, status=0)


def test_row_07_one_uid_for_two_images_fails_both(tree):
    slice_file(tree.bad / "a")
    slice_file(tree.bad / "b", stored=water_ramp(first=901))
    tree.holds(dict.fromkeys("ab", "error:duplicate_conflict"), status=1)


def test_row_07_one_uid_at_two_places_fails_both(tree):
    slice_file(tree.bad / "a")
    slice_file(tree.bad / "b", position_mm=(-16, -12, 7))
    tree.holds(dict.fromkeys("ab", "error:duplicate_conflict"), status=1)


# ── 8: several images at one place ──


def save_passes(tree: Tree, places_mm=(0.0, 2.0, 4.0), n_passes=2, **mark):
    """Write passes over the same places; ``mark`` gives a keyword's value for (pass, slice)."""
    names = []
    for number in range(n_passes):
        for index, place_mm in enumerate(places_mm):
            values = {keyword: value(number, index) for keyword, value in mark.items()}
            name = f"p{number}s{index}"
            options = {"instance_number": 10 * number + index + 1, "position_mm": (-16, -12, place_mm), **SQUARE}
            slice_file(tree.bad / name, **options, **values)
            names.append(name)
    return dict.fromkeys(names, "used")


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("AcquisitionNumber", lambda number, _: number + 1),
        ("TemporalPositionIdentifier", lambda number, _: number + 1),
        ("TemporalPositionIndex", lambda number, _: number + 1),
        ("NominalPercentageOfCardiacPhase", lambda number, _: 40.0 + 30 * number),
        ("TriggerTime", lambda number, _: str(100 + 400 * number)),
        ("AcquisitionTime", lambda number, _: f"10000{number}"),
        ("AcquisitionDateTime", lambda number, _: f"2020010110000{number}"),
    ],
)
def test_row_08_passes_over_the_same_places_come_apart(tree, keyword, value):
    expected = save_passes(tree, **{keyword: value})
    told = tree.holds(expected, status=0)
    assert [(one["status"], one["n_slices"], one["problems"]) for one in told] == [("done", 3, [])] * 2
    for series in bad_series(tree):
        assert len({one.path.name[:2] for one in series.instances}) == 1


def test_row_08_a_station_that_overlaps_and_phases_within_it_come_apart(tree):
    save_passes(tree, NominalPercentageOfCardiacPhase=lambda number, _: 10.0 * number)
    for number in range(2):
        for index, place_mm in enumerate((4.0, 6.0)):
            marks = {"AcquisitionNumber": 2, "NominalPercentageOfCardiacPhase": 10.0 * number}
            options = {"instance_number": 50 + 10 * number + index, "position_mm": (-16, -12, place_mm), **SQUARE}
            slice_file(tree.bad / f"q{number}s{index}", **options, **marks)
    assert sorted((len(one), one.problems) for one in bad_series(tree)) == [(2, ()), (2, ()), (3, ()), (3, ())]


@pytest.mark.parametrize(
    "mark",
    [
        {},
        {"AcquisitionNumber": lambda number, index: 10 * number + index},
        {"AcquisitionTime": lambda number, index: f"1000{number}{index}"},
        {"TriggerTime": lambda number, index: str(10 * number + index)},
    ],
)
def test_row_08_what_nothing_tells_apart_stays_together_and_is_reported(tree, mark):
    expected = save_passes(tree, **mark)
    (told,) = tree.holds(expected, status=0)
    assert (told["status"], told["n_slices"]) == ("done", 6)
    assert "repeated_positions" in told["problems"]


def test_row_08_a_perfusion_scan_of_one_place_comes_apart_by_time(tree):
    save_passes(tree, places_mm=(0.0,), n_passes=3, AcquisitionTime=lambda number, _: f"10000{number}")
    assert [(len(one), one.problems) for one in bad_series(tree)] == [(1, ())] * 3


# ── 9–14: how slices lie ──


def test_row_09_missing_slices_are_named_with_their_place(tree):
    save_series(tree.bad, [0.0, 2.0, 4.0, 10.0, 12.0], series_uid="1.2.3.1", **SQUARE)
    (told,) = tree.holds({f"slice00{n}": "used" for n in range(1, 6)}, status=0)
    assert told["problems"] == ["missing_slices"]
    assert bad_series(tree)[0].facts["missing after (mm)"] == "4"


def test_row_10_varying_spacing_is_reported_and_kept(tree):
    save_series(tree.bad, [0.0, 1.1, 5.3, 12.7], series_uid="1.2.3.1", **SQUARE)
    (told,) = tree.holds({f"slice00{n}": "used" for n in range(1, 5)}, status=0)
    assert told["problems"] == ["varying_spacing"]
    assert [float(one.ImagePositionPatient[2]) for one in tree.written()] == [0.0, 1.1, 5.3, 12.7]


def test_row_11_a_tilted_series_is_never_resampled(tree):
    angle = np.radians(18.5)
    tilted = (1, 0, 0, 0, np.cos(angle), -np.sin(angle))
    paths = save_series(tree.bad, series_uid="1.2.3.1", orientation=tilted, **SQUARE)
    (told,) = tree.holds({f"slice00{n}": "used" for n in range(1, 4)}, status=0)
    assert told["problems"] == ["gantry_tilt"]
    for source, derived in zip(map(pydicom.dcmread, paths), tree.written(), strict=True):
        assert derived.ImageOrientationPatient == source.ImageOrientationPatient
        assert derived.ImagePositionPatient == source.ImagePositionPatient
        assert derived.PixelData == source.PixelData


def test_row_12_slices_are_sorted_by_place_and_not_by_number(tree):
    for number, place_mm in ((3, 0.0), (2, 2.0), (1, 4.0)):
        slice_file(tree.bad / f"s{number}", instance_number=number, position_mm=(-16, -12, place_mm))
    tree.holds(dict.fromkeys(["s1", "s2", "s3"], "used"), status=0)
    (series,) = bad_series(tree)
    assert [one.path.name for one in series.instances] == ["s3", "s2", "s1"]
    assert [one.InstanceNumber for one in tree.written()] == [3, 2, 1]


def test_row_13_two_sizes_become_two_series(tree):
    save_series(tree.bad, [0.0, 2.0], series_uid="1.2.3.1")
    save_series(tree.bad, [4.0], prefix="wide", series_uid="1.2.3.1", stored=water_ramp(30, 40), instance_number=9)
    told = tree.holds({"slice001": "used", "slice002": "used", "wide001": "used"}, status=0)
    assert sorted(one["n_slices"] for one in told) == [1, 2]


def test_row_14_every_slice_keeps_its_own_rescale(tree):
    for number, slope in enumerate(("1", "0.5", "2")):
        slice_file(tree.bad / f"s{number}", instance_number=number, position_mm=(-16, -12, 2.0 * number), slope=slope)
    tree.holds({"s0": "used", "s1": "used", "s2": "used"}, status=0)
    (series,) = bad_series(tree)
    assert read_series(series).hu[:, 0, 0].tolist() == [900 - 1024, 450 - 1024, 1800 - 1024]
    assert [float(one.RescaleSlope) for one in tree.written()] == [1.0, 0.5, 2.0]
    expected = pydicom.dcmread(tree.bad / "s0").PixelData
    assert {bytes(one.PixelData) for one in tree.written()} == {expected}
