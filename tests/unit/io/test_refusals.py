"""Which refused files count against which series, and the words about them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from n2b_ct.errors import SeriesError
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.series import (
    FileRecord,
    Inputs,
    Refusals,
    SeriesRead,
    SeriesRef,
    require_whole,
    with_file_name,
    with_missing_slices,
)
from tests.helpers import save_series

UID = "1.2.3.1"


def error(path: Path, series: str = UID, **more: tuple[str, ...]) -> FileRecord:
    return FileRecord(
        path, "error", "unreadable", f"{path.name}: must be readable, got nothing; copy it", series, **more
    )


@pytest.fixture
def series(tmp_path: Path) -> SeriesRef:
    save_series(tmp_path / "a", series_uid=UID)
    (found,) = scan(tmp_path).series
    return found


def used(series: SeriesRef) -> list[FileRecord]:
    return [FileRecord(one.path, "used", series=UID) for one in series.instances]


def test_only_errors_count_and_those_of_other_series_do_not(series):
    folder = series.directory
    records = [
        *used(series),
        error(folder / "x"),
        error(folder / "y", "1.2.3.2"),
        FileRecord(folder / "z", "skipped", "localizer", series=UID),
        error(folder / "v", "", inferred_series=("1.2.3.2", UID)),
        error(folder / "w", ""),
    ]
    assert [one.path.name for one in Refusals(records).of(series)] == ["x", "v"]


def test_of_two_patients_that_share_a_uid_a_file_is_of_the_one_in_its_folder(series, tmp_path):
    series = replace(series, part=("Patient",))
    elsewhere = tuple(replace(one, path=tmp_path / "b" / one.path.name) for one in series.instances)
    other = replace(series, instances=elsewhere)
    refusals = Refusals([*used(series), *used(other), error(tmp_path / "b" / "x"), error(tmp_path / "c" / "y")])
    assert [one.path.name for one in refusals.of(series)] == ["y"]
    assert [one.path.name for one in refusals.of(other)] == ["x", "y"]


def test_a_bad_slice_of_one_part_that_lies_among_another_part_is_held_against_both(tmp_path):
    soft = save_series(tmp_path / "a", series_uid=UID, ConvolutionKernel="B30f")
    save_series(tmp_path / "b", series_uid=UID, ConvolutionKernel="B70f", study_uid="1.2.3")
    bad = soft[-1].rename(tmp_path / "b" / "last")
    bad.write_bytes(bad.read_bytes()[:-100])
    found = scan(tmp_path)
    refusals = Refusals(found.records)
    assert [[one.path.name for one in refusals.of(part)] for part in found.series] == [["last"], ["last"]]


def test_a_series_with_refused_files_fails_in_the_words_of_the_first(series):
    beside, elsewhere = error(series.directory / "x"), error(series.directory.parent / "c" / "y")
    require_whole(series, [], skip_bad_slices=False)
    require_whole(series, [beside], skip_bad_slices=True)
    with pytest.raises(SeriesError, match=r"^x: must be readable, got nothing; copy it \(and 1 more\)$") as caught:
        require_whole(series, [beside, elsewhere], skip_bad_slices=False)
    assert caught.value.reason == "unreadable"
    with pytest.raises(SeriesError, match=r"^/.*/c/y: must be readable, got nothing; copy it$"):
        require_whole(series, [elsewhere], skip_bad_slices=False)


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("file: must be read in time", "IM1: must be read in time"),
        ("RescaleSlope: must be a number", "IM1: RescaleSlope: must be a number"),
        ("frame 2 of IM1: must be whole", "frame 2 of IM1: must be whole"),
        ("IM1: must be whole", "IM1: must be whole"),
    ],
)
def test_every_refusal_names_its_file(message, named):
    found = with_file_name(Path("in/IM1"), SeriesError("bad_value", message))
    assert (found.reason, str(found)) == ("bad_value", named)


def test_a_name_that_would_steer_a_terminal_is_escaped():
    assert (
        str(with_file_name(Path("a\x1b[2J"), SeriesError("bad_value", "file: must be whole")))
        == r"a\x1b[2J: must be whole"
    )


def test_what_was_left_out_is_missing():
    assert with_missing_slices(("gantry_tilt",), 0) == ("gantry_tilt",)
    assert with_missing_slices(("gantry_tilt",), 2) == ("gantry_tilt", "missing_slices")
    assert with_missing_slices(("missing_slices",), 2) == ("missing_slices",)


def test_inputs_are_joined_file_by_file():
    one = Inputs((SeriesRead("a", UID, 3),), (error(Path("x")),))
    other = Inputs((SeriesRead("b", UID, 2, 1),), (error(Path("x")), error(Path("y"))))
    joined = one.merged(other)
    assert [found.name for found in joined.series] == ["a", "b"]
    assert [record["path"] for record in joined.plain["files"]] == ["x", "y"]
    assert {record["series"] for record in joined.plain["files"]} == {
        found["series"] for found in joined.plain["series"]
    }
