"""``n2b-ct inspect``: what a person reads and what a script gets."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from n2b_ct.cli import run
from tests.helpers import make_ct_dataset, save, save_series, water_ramp
from tests.volume_scenes import ct, labels, pet, save_words

FIELDS = {"path", "action", "reason", "detail", "series", "inferred_series"}


@pytest.fixture
def messy(tmp_path):
    """A series with a gap and dose facts, a volume off by 1000, and files that are none of ours."""
    folder = tmp_path / "messy"
    save_series(folder / "QD", [0.0, 2.0, 4.0, 8.0], SeriesDescription="Thorax [red]B30[/red]\x1b[31m", Exposure="288")
    save_words(folder / "phantom.mhd", np.rint(ct() + 1000).astype(np.int16))
    for number in range(5):
        (folder / f"notes{number}.txt").write_text("notes")
    return folder


def told(capsys, *arguments) -> tuple[int, str]:
    capsys.readouterr()
    code = run([str(argument) for argument in arguments])
    return code, capsys.readouterr().out


@pytest.mark.parametrize("width", [80, 120])
def test_the_text_holds_everything_and_fits(messy, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    code, text = told(capsys, "inspect", messy, "--assume-hu")
    assert code == 0
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for expected in (
        "4 24x32 0.5x0.75x2..4 B30 120",
        "Thorax [red]B30[/red]\\x1b[31m, 2 mm thick, Explicit VR Little Endian",
        "dose hint 288 mAs, 25 % dose (folder 'QD')",
        "missing_slices (after 4 mm)",
        "missing_slices: gaps where whole slices are absent",
        "MetaImage 6 48x48 0.8x0.8x2.5 int16",
        "maybe_not_hu:",
        "file phantom.mhd",
        "skipped: not_dicom, 5 files: the content is not DICOM, whatever the name says",
        "notes0.txt, notes1.txt, notes2.txt, …",
        "1 series with 4 slices, 1 volume; 11 files, 5 skipped, 0 errors",
    ):
        assert expected in words
    assert "notes4.txt" not in text


def test_on_request_every_unused_file_is_listed(messy, capsys):
    _, text = told(capsys, "inspect", messy, "--files")
    assert all(f"notes{number}.txt" in text for number in range(5))


def test_the_json_holds_everything(messy, capsys):
    code, text = told(capsys, "inspect", messy, "--assume-hu", "--json")
    values = json.loads(text)
    assert (code, values["format"], set(values)) == (0, 1, {"format", "series", "volumes", "patterns", "files"})
    (series,) = values["series"]
    assert series["positions_mm"] == [0, 2, 4, 8]
    assert (series["n_slices"], series["rows"], series["cols"]) == (4, 24, 32)
    assert series["dose_hints"] == ["288 mAs", "25 % dose (folder 'QD')"]
    assert series["facts"]["ConvolutionKernel"] == "B30"
    assert "missing_slices" in series["problems"]
    assert len(series["instances"]) == 4
    (volume,) = values["volumes"]
    assert (volume["shape"], volume["problems"]) == ([6, 48, 48], ["maybe_not_hu"])
    assert len(values["files"]) == 11
    assert all(set(record) == FIELDS for record in values["files"])
    assert "patient-7" not in text
    assert "Müller" not in text


@pytest.fixture
def shared_uids(tmp_path):
    """Two patients under one set of UIDs, one of them with two kernels."""
    folder = tmp_path / "shared"
    for patient, kernel, first_mm in (("P1", "B30", 0), ("P1", "B60", 1), ("P2", "B30", 0)):
        positions_mm = [first_mm + 2.0 * k for k in range(3)]
        stored = water_ramp(first=900 + 100 * len(list(folder.rglob("*"))))
        uids = {"PatientID": patient, "ConvolutionKernel": kernel, "stored": stored}
        for k, position_mm in enumerate(positions_mm):
            dataset = make_ct_dataset(position_mm=(-16, -12, position_mm), sop_uid=f"1.2.{first_mm}.{k}", **uids)
            save(dataset, folder / patient / f"{kernel}-{k}")
    return folder


def test_series_that_share_a_uid_are_shown_apart_without_a_name(shared_uids, capsys):
    code, text = told(capsys, "inspect", shared_uids)
    assert code == 0
    words = " ".join(text.split())
    assert words.count("part Patient 1, ConvolutionKernel b30") == 1
    assert words.count("part Patient 1, ConvolutionKernel b60") == 1
    assert words.count("part Patient 2, ConvolutionKernel b30") == 1
    assert "uid_shared_by_patients, 3 series: several patients have one SeriesInstanceUID; nothing: they are" in words
    assert "study_uid_shared, 3 series:" in words
    assert "P1, P2" in words


def test_the_json_tells_parts_and_patterns(shared_uids, capsys):
    _, text = told(capsys, "inspect", shared_uids, "--json")
    values = json.loads(text)
    parts = [one["part"] for one in values["series"]]
    assert parts == [
        {"Patient": "1", "ConvolutionKernel": "b30"},
        {"Patient": "1", "ConvolutionKernel": "b60"},
        {"Patient": "2", "ConvolutionKernel": "b30"},
    ]
    assert [one["patient"] for one in values["series"]] == [1, 1, 2]
    patterns = {one["code"]: one for one in values["patterns"]}
    assert set(patterns) == {"uid_shared_by_patients", "sop_uid_repeated", "study_uid_shared"}
    assert patterns["uid_shared_by_patients"]["directories"] == [str(shared_uids / name) for name in ("P1", "P2")]
    assert patterns["sop_uid_repeated"]["n_series"] == 2
    assert "marks" not in text


def test_a_volume_that_may_not_be_hu_is_an_error_until_its_offset_is_told(messy, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    code, text = told(capsys, "inspect", messy)
    assert code == 1
    assert "error: maybe_not_hu, 2 files: the values of a volume file may be off by a constant, or no CT" in text
    code, text = told(capsys, "inspect", messy, "--volume-offset-hu", "-1000", "--json")
    assert code == 0
    assert json.loads(text)["volumes"][0]["problems"] == []


def test_label_maps_and_other_images_are_skipped_with_their_reason_and_never_indexed(
    messy, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "120")
    save_words(messy / "labelsTr" / "a.nii.gz", labels(3).astype(np.uint8))
    save_words(messy / "suv.nrrd", pet())
    (messy / "phantom.mhd").unlink()
    code, text = told(capsys, "inspect", messy)
    assert code == 0
    assert "skipped: label_map, 1 file: a volume file of labels" in text
    assert "skipped: not_ct, 1 file: a volume file of something else" in text
    assert told(capsys, "index", messy, "--out", tmp_path / "found.yaml")[0] == 0
    assert "volume" not in (tmp_path / "found.yaml").read_text()


def test_an_index_takes_the_offset_and_the_word_of_a_person(messy, tmp_path, capsys):
    for option, entry in (("--volume-offset-hu=-1000", "hu_offset: -1000.0"), ("--assume-hu", "assume_hu: true")):
        assert told(capsys, "index", messy, "--out", tmp_path / "found.yaml", "--overwrite", option)[0] == 0
        assert entry in (tmp_path / "found.yaml").read_text()


def test_the_exit_code_tells_usable_from_broken_from_nothing(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("notes")
    assert told(capsys, "inspect", tmp_path)[0] == 2
    save_series(tmp_path / "a")
    assert told(capsys, "inspect", tmp_path)[0] == 0
    save(make_ct_dataset(RescaleSlope="0"), tmp_path / "bad.dcm")
    code, text = told(capsys, "inspect", tmp_path)
    assert code == 1
    assert "error: bad_rescale, 1 file" in text


def test_repaired_uids_are_offered_by_both_commands(tmp_path, capsys):
    save_series(tmp_path / "a", SOPInstanceUID="")
    assert told(capsys, "inspect", tmp_path / "a")[0] == 2
    assert told(capsys, "inspect", tmp_path / "a", "--repair-uids")[0] == 0
    out = tmp_path / "found.yaml"
    assert told(capsys, "index", tmp_path / "a", "--out", out, "--repair-uids")[0] == 0
    assert "repair_uids: true" in out.read_text()


def test_names_that_no_encoding_knows_are_told_without_breaking(tmp_path, capsys):
    save_series(tmp_path / "a", [0.0])
    with open(os.fsencode(tmp_path) + b"/caf\xe9.txt", "wb") as file:  # noqa: PTH123 (a name that is no text)
        file.write(b"notes")
    assert "caf\\udce9.txt" in told(capsys, "inspect", tmp_path)[1]
    assert json.loads(told(capsys, "inspect", tmp_path, "--json")[1])["files"]
