"""``n2b-ct denoise`` with its options, as a person runs it: what is written, what is said, which code it ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest

from n2b_ct.cli import run
from n2b_ct.io.atomic import new_partial
from n2b_ct.io.dicom.ct_reader import read_slice
from tests.helpers import save
from tests.integration.scenes import biased_model, error_lines, tissue_hu, tree_of, write_series

_WHEN = "2026-03-04T05:06:07"


@pytest.fixture
def low_dose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two series beside an empty working folder; the scanner left private elements and no date of birth."""
    biased_model(tmp_path / "model.pt")
    for number, name in enumerate("ab", start=1):
        for path in write_series(tmp_path / "in" / name, tissue_hu(number, size_px=48), uid=number):
            dataset = pydicom.dcmread(path)
            del dataset.PatientBirthDate
            dataset.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(1, "LO", "x")
            save(dataset, path)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "in"


def denoise(source: Path | str, output: str, *more: str) -> int:
    return run(["denoise", str(source), output, "--model", "../model.pt", "--json", f"{output}.json", *more])


def listed(output: str) -> list[dict[str, object]]:
    content = json.loads(Path(f"{output}.json").read_text())
    assert content["format"] == 1
    return content["series"]


def first(output: str) -> pydicom.Dataset:
    return pydicom.dcmread(f"{output}/a/slice000.dcm")


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def test_every_series_has_one_entry_with_status_problems_and_counts(low_dose):
    assert denoise(low_dose, "out") == 0
    one = listed("out")[0]
    assert (one["status"], one["reason"], one["n_slices"], one["n_pixels"]) == ("done", "", 3, 3 * 48 * 48)
    assert (one["n_clipped_pixels"], one["n_skipped_slices"], one["warnings"]) == (0, 0, [])
    assert one["dropped_private"] == ["GEMS_PARM_01"]
    assert isinstance(one["problems"], list)
    assert "Müller" not in Path("out.json").read_text()


def test_a_half_written_json_of_a_killed_run_is_cleaned_up(low_dose):
    new_partial(Path("out.json")).write_text("half")
    assert denoise(low_dose, "out") == 0
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["out", "out.json"]


def test_writing_follows_the_options(low_dose):
    options = ["--keep-private", "--equipment", "n2b", "--widen-bits", "--repair", "--compress", "rle"]
    assert denoise(low_dose, "out", *options, "--content-qualification", "product", "--series-number-offset", "5") == 0
    derived = first("out")
    assert derived.private_block(0x0043, "GEMS_PARM_01")[1].value == "x"
    assert derived.Manufacturer == "n2b-ct"
    assert derived.BitsStored == 16
    assert derived.PatientBirthDate == ""
    assert derived.file_meta.TransferSyntaxUID.name == "RLE Lossless"
    assert (derived.ContentQualification, derived.SeriesNumber) == ("PRODUCT", 8)
    assert listed("out")[0]["dropped_private"] == []


def test_compression_changes_neither_words_nor_uids(low_dose):
    for output, compression in (("plain", "none"), ("small", "jpeg-ls")):
        assert denoise(low_dose, output, "--compress", compression) == 0
    plain, small = (read_slice(Path(output).absolute() / "b" / "slice001.dcm") for output in ("plain", "small"))
    assert (plain.stored == small.stored).all()
    assert plain.dataset.SOPInstanceUID == small.dataset.SOPInstanceUID


def test_the_same_time_gives_the_same_bytes(low_dose):
    for output in ("one", "two"):
        assert denoise(low_dose, output, "--created", _WHEN) == 0
    assert tree_of(Path("one")) == tree_of(Path("two"))
    for path in Path("one").rglob("*.dcm"):
        assert path.read_bytes() == (Path("two") / path.relative_to("one")).read_bytes()
    assert (first("one").SeriesDate, first("one").SeriesTime) == ("20260304", "050607.000000")


def test_a_time_that_is_none_is_said(low_dose, capsys):
    assert denoise(low_dose, "out", "--created", "yesterday") == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert line == "error: --created: must be an ISO 8601 time, got yesterday; write 2026-03-04T05:06:07"
    for year in ("0001", "0999", "9999"):
        assert denoise(low_dose, "out", "--created", f"{year}-01-01T00:00:00+14:00") == 2
        assert "must lie in the years 1000 to 9998, got" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--repair", "--repair-uids"])
def test_repair_has_its_old_name_too(low_dose, option):
    for path in (low_dose / "a").iterdir():
        dataset = pydicom.dcmread(path)
        dataset.SOPInstanceUID = ""
        save(dataset, path)
    assert denoise(low_dose, "out") == 1
    assert not Path("out/a").exists()
    assert denoise(low_dose, "repaired", option) == 0
    assert len(tree_of(Path("repaired/a"))) == 3


def test_a_bad_slice_is_told_once_and_left_out_on_demand(low_dose, capsys):
    spoil(low_dose / "a" / "slice001.dcm")
    assert denoise(low_dose, "out") == 1
    (line,) = error_lines(capsys.readouterr().err)
    assert line.startswith(f"error: {low_dose}/a: slice001.dcm: must have all of its pixels")
    assert tree_of(Path("out")) == ["b", "b/slice000.dcm", "b/slice001.dcm", "b/slice002.dcm"]
    assert denoise(low_dose, "more", "--skip-bad-slices") == 1
    said = capsys.readouterr().err.splitlines()
    warning = "more/a: should hold every slice, got 1 left out; replace the files that were refused"
    assert f"warning: {warning}" in said
    assert len([line for line in said if line.startswith("error: ")]) == 1
    one = listed("more")[0]
    assert (one["status"], one["n_slices"], one["n_skipped_slices"]) == ("done", 2, 1)
    assert "missing_slices" in one["problems"]
    assert one["warnings"] == [warning]


def test_our_own_output_is_not_denoised_again_unless_forced(low_dose, capsys):
    assert denoise(low_dose, "out") == 0
    assert denoise("out", "again") == 2
    assert len(error_lines(capsys.readouterr().err)) == 2
    assert [one["reason"] for one in listed("again")] == ["own_output"] * 2
    assert not Path("again").exists()
    assert denoise("out", "again", "--force") == 0
    said = capsys.readouterr().err
    assert said.count("warning: out/a: should be original images, got derived ones") == 1
    assert "already_derived" in listed("again")[0]["problems"]


def test_values_that_nobody_calls_hu_need_assume_hu(low_dose):
    for path in (low_dose / "a").iterdir():
        dataset = pydicom.dcmread(path)
        dataset.RescaleType = "US"
        save(dataset, path)
    assert denoise(low_dose, "out") == 1
    assert denoise(low_dose, "assumed", "--assume-hu") == 0
    assert first("assumed").RescaleType == "HU"
