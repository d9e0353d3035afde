"""``--resume`` believes no place because something lies there: what is there must be what this run would make."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import RLELossless

from n2b_ct.cli import run
from tests.helpers import save
from tests.integration.scenes import biased_model, tissue_hu, tree_of, write_series

CREATED = ("--created", "2026-03-04T05:06:07")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    biased_model(tmp_path / "model.pt")
    return tmp_path


def grow(n_slices: int, *, folder: str = "in", uid: int = 1, **options: Any) -> list[Path]:
    """Write the first slices of a series; more of them are more of the same series."""
    return write_series(Path(folder), tissue_hu(uid, n_slices=n_slices, size_px=33), uid=uid, **options)


def denoise(*more: str, source: str = "in", out: str = "out", model: str = "model.pt") -> int:
    return run(["denoise", source, out, "--model", model, "--json", "told.json", "--device", "cpu", *CREATED, *more])


def told() -> list[dict[str, Any]]:
    return json.loads(Path("told.json").read_text())["series"]


def digest(folder: str) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def statuses() -> list[tuple[str, str, int]]:
    return [(one["status"], one["reason"], one["n_slices"]) for one in told()]


def assert_redone(n_slices: int, *why: str, options: tuple[str, ...] = (), model: str = "model.pt") -> None:
    """Resume, and hold that the end is that of an uninterrupted run, and that a person is told."""
    assert denoise("--resume", *options, model=model) == 0
    assert statuses() == [("done", "", n_slices)]
    assert "output_replaced" in told()[0]["problems"]
    for words in why:
        assert words in told()[0]["detail"]
    assert denoise(*options, out="fresh", model=model) == 0
    assert digest("out") == digest("fresh")
    assert denoise("--resume", *options, model=model) == 0
    assert statuses() == [("present", "", n_slices)]


# ── what is n2b-ct's own of the same series, but not what this run makes: made again ──


def test_a_series_that_grew_is_made_again(capsys):
    grow(4)
    assert denoise() == 0
    grow(6)
    assert_redone(6, "4 of 6")
    assert "made again" in capsys.readouterr().out


def test_a_series_that_shrank_is_made_again():
    paths = grow(6)
    assert denoise() == 0
    for path in paths[4:]:
        path.unlink()
    assert_redone(4, "4 of 4 slices were there as they should be, and 2 that the input no longer holds")


def test_another_model_makes_it_again(here):
    grow(3)
    assert denoise() == 0
    biased_model(here / "other.pt", bias=0.2)
    assert_redone(3, "another model", model="other.pt")


@pytest.mark.parametrize("options", [("--strength", "0.5"), ("--widen-bits",), ("--residual", "--strength", "0.25")])
def test_another_strength_or_option_makes_it_again(options):
    grow(3)
    assert denoise(*(("--residual",) if "--residual" in options else ())) == 0
    if "--residual" not in options:
        assert_redone(3, options=options)
        return
    assert denoise("--resume", *options) == 0
    assert statuses() == [("done", "", 3)]
    assert denoise(*options, out="fresh") == 0
    assert digest("out-residual") == digest("fresh-residual")


@pytest.mark.parametrize("harm", ["removed", "cut"])
def test_a_place_that_lost_a_file_or_part_of_one_is_made_again(harm):
    grow(3)
    assert denoise() == 0
    victim = Path("out/slice001.dcm")
    content = victim.read_bytes()
    victim.unlink()
    if harm == "cut":
        victim.write_bytes(content[:-400])
    assert_redone(3, "2 of 3")


def test_a_file_under_another_name_makes_it_again():
    grow(3)
    assert denoise() == 0
    Path("out/slice001.dcm").rename("out/renamed.dcm")
    assert_redone(3)


def test_a_missing_residual_makes_both_again_and_a_stale_one_too():
    grow(4)
    assert denoise() == 0
    assert denoise("--resume", "--residual") == 0
    assert statuses() == [("done", "", 4)]
    stale = digest("out-residual")
    grow(6)
    assert denoise("--resume") == 0
    assert denoise("--resume", "--residual") == 0
    assert statuses() == [("done", "", 6)]
    assert (len(stale), len(digest("out-residual"))) == (4, 6)
    assert denoise("--resume", "--residual") == 0
    assert statuses() == [("present", "", 6)]


def test_time_and_compression_are_no_identity():
    grow(3)
    assert denoise() == 0
    before = digest("out")
    assert denoise("--resume", "--compress", "rle", "--created", "2027-01-01T00:00:00") == 0
    assert statuses() == [("present", "", 3)]
    assert digest("out") == before


def test_a_compressed_output_that_is_cut_is_made_again():
    grow(3)
    assert denoise("--compress", "rle") == 0
    victim = Path("out/slice001.dcm")
    victim.write_bytes(victim.read_bytes()[:-300])
    assert denoise("--resume", "--compress", "rle") == 0
    assert statuses() == [("done", "", 3)]


def test_repaired_uids_grow_too():
    for path in grow(4):
        blank(path)
    assert denoise("--repair") == 0
    for path in grow(6):
        blank(path)
    assert_redone(6, "4 of 6", options=("--repair",))


def blank(path: Path) -> None:
    dataset = pydicom.dcmread(path)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, keyword, "")
    save(dataset, path)


# ── what is anything else: named, left alone, and the others go on ──


def assert_foreign(first: str, n: int, place: str = "out/a", **call: Any) -> None:
    before = digest("out")
    assert denoise("--resume", *call.pop("options", ()), **call) == 1
    assert [one["reason"] for one in told()] == ["output_foreign", ""]
    assert told()[0]["status"] == "failed"
    others = f" and {n - 1} more" if n > 1 else ""
    assert (
        f"output {place}: must hold nothing but what n2b-ct makes of this series, got {first}{others}"
        in (told()[0]["detail"])
    )
    assert told()[0]["detail"].endswith("; move it away, or pass --overwrite")
    assert {name: content for name, content in digest("out").items() if name in before} == before
    assert len(list(Path("out/b").iterdir())) == 3


def two_series() -> None:
    grow(3, folder="in/a", uid=1)
    grow(3, folder="in/b", uid=2)


def test_a_folder_with_notes_only_is_no_output(capsys):
    two_series()
    Path("out/a").mkdir(parents=True)
    Path("out/a/notes.txt").write_text("mine")
    assert denoise() == 2
    said = capsys.readouterr().err
    assert (
        "out/a: must not be there yet, got notes.txt, which is not n2b-ct's; move it away, or pass --overwrite" in said
    )
    assert "--resume" not in said
    assert_foreign("notes.txt", 1)


def test_notes_beside_a_whole_output_are_not_swept_away():
    two_series()
    assert denoise() == 0
    for name in ("notes.txt", "more.txt"):
        Path("out/a", name).write_text("mine")
    grow(5, folder="in/a", uid=1)
    shutil.rmtree("out/b")
    assert_foreign("more.txt", 2)


def test_the_output_of_another_series_is_named():
    two_series()
    grow(3, folder="elsewhere", uid=3)
    assert denoise(source="elsewhere", out="out/a") == 0
    assert_foreign("slice000.dcm", 3)


def test_original_images_in_the_place_are_named():
    two_series()
    shutil.copytree("in/a", "out/a")
    assert_foreign("slice000.dcm", 3)


def test_a_file_that_nobody_can_read_is_named():
    two_series()
    assert denoise() == 0
    Path("out/a/slice001.dcm").write_bytes(b"")
    shutil.rmtree("out/b")
    assert_foreign("slice001.dcm", 1)


def test_the_output_of_another_patient_under_the_same_uids_is_named():
    two_series()
    grow(3, folder="elsewhere", uid=1, patient="q")
    assert denoise(source="elsewhere", out="out/a") == 0
    assert_foreign("slice000.dcm", 3)


def test_what_was_made_of_the_output_is_not_of_the_series():
    two_series()
    assert denoise(source="in/a", out="once") == 0
    assert denoise("--force", source="once", out="out/a") == 0
    assert_foreign("slice000.dcm", 3)


def test_a_lower_dose_in_the_place_of_the_denoised_is_named():
    two_series()
    path = Path("out/a/x.dcm")
    assert denoise(source="in/a", out="once") == 0
    dataset = pydicom.dcmread("once/slice000.dcm")
    dataset.InstanceCreatorUID = "2.25.221822179985796949389929163432076023759"
    save(dataset, path)
    assert_foreign("x.dcm", 1)


def test_a_stranger_in_the_residuals_place_is_named():
    two_series()
    Path("out/a-residual").mkdir(parents=True)
    Path("out/a-residual/notes.txt").write_text("mine")
    assert_foreign("notes.txt", 1, place="out/a-residual", options=("--residual",))
    assert not Path("out/a").exists()


def test_a_file_where_the_folder_should_be_is_named():
    two_series()
    Path("out").mkdir()
    Path("out/a").write_text("mine")
    assert_foreign("a", 1)
    assert denoise("--overwrite") == 0
    assert [path.name for path in Path("out").iterdir() if path.name.startswith(".")] == []


def test_another_slice_of_the_series_is_told_from_another_model():
    paths = grow(2)
    assert denoise(source=str(paths[0])) == 0
    assert denoise("--resume", source=str(paths[1])) == 0
    assert told()[0]["detail"] == (
        "made again: 0 of 1 slices were there as they should be, and 1 that the input no longer holds"
    )


def test_overwrite_replaces_whatever_is_there():
    two_series()
    Path("out/a").mkdir(parents=True)
    Path("out/a/notes.txt").write_text("mine")
    assert denoise("--overwrite") == 0
    assert tree_of(Path("out/a")) == ["slice000.dcm", "slice001.dcm", "slice002.dcm"]


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "._slice000.dcm"])
@pytest.mark.parametrize("option", [(), ("--resume",)])
def test_what_an_operating_system_leaves_in_a_folder_is_nobodys(name, option):
    grow(3)
    Path("out").mkdir()
    Path("out", name).write_bytes(b"\0\0\0\1Bud1")
    assert denoise(*option) == 0
    assert statuses() == [("done", "", 3)]
    assert "output_replaced" not in told()[0]["problems"]
    Path("out", name).write_bytes(b"\0\0\0\1Bud1")
    assert denoise("--resume") == 0
    assert statuses() == [("present", "", 3)]


@pytest.mark.parametrize("option", [(), ("--resume",)])
def test_a_folder_of_empty_folders_and_orphaned_records_is_no_output(option):
    grow(3)
    Path("out/deep/er").mkdir(parents=True)
    Path("out/.n2b-ct").mkdir()
    Path("out/.n2b-ct/0.json").write_text("{}")
    assert denoise(*option) == 0
    assert statuses() == [("done", "", 3)]


def test_the_advice_to_resume_is_given_where_it_helps(capsys):
    grow(3)
    assert denoise() == 0
    assert denoise("--strength", "0.5") == 2
    assert "out: must not be there yet, got 1 of 1 outputs; pass --resume" in capsys.readouterr().err


# ── slices that cannot be used ──


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def test_a_series_without_its_bad_slices_is_whole_until_they_are_mended():
    paths = grow(4)
    good = paths[1].read_bytes()
    spoil(paths[1])
    assert denoise("--skip-bad-slices") == 1
    first = told()
    assert denoise("--skip-bad-slices", "--resume") == 1
    (resumed,) = told()
    assert (resumed["status"], resumed["n_slices"], resumed["n_skipped_slices"]) == ("present", 3, 1)
    assert resumed["problems"] == first[0]["problems"]
    assert resumed["warnings"] == first[0]["warnings"]
    paths[1].write_bytes(good)
    assert_redone(4, "3 of 4", options=("--skip-bad-slices",))


def test_a_slice_that_only_reading_refuses_is_not_waited_for():
    paths = grow(4)
    good = paths[1].read_bytes()
    dataset = pydicom.dcmread(paths[1])
    dataset.compress(RLELossless, generate_instance_uid=False)
    at = dataset.PixelData.index(b"\xfe\xff\x00\xe0", 8) + 8  # behind the head of the first fragment
    dataset.PixelData = dataset.PixelData[:at] + b"\xff" * (len(dataset.PixelData) - at)
    save(dataset, paths[1])
    assert denoise("--skip-bad-slices") == 1
    assert statuses() == [("done", "", 3)]
    records = json.loads(Path("told.json").read_text())["files"]
    assert denoise("--skip-bad-slices", "--resume") == 1
    assert statuses() == [("present", "", 3)]
    assert told()[0]["n_skipped_slices"] == 1
    assert json.loads(Path("told.json").read_text())["files"] == records
    paths[1].write_bytes(good)
    assert_redone(4, "3 of 4", options=("--skip-bad-slices",))


def test_a_source_that_went_bad_is_said_although_its_output_is_there():
    paths = grow(4)
    assert denoise() == 0
    before = digest("out")
    spoil(paths[1])
    assert denoise("--resume") == 2
    assert statuses() == [("failed", "pixel_truncated", 0)]
    assert digest("out") == before
