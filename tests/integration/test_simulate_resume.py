"""``simulate --resume``: series and parameters that agree with each other and with what is asked for, or made again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from n2b_ct.cli import run
from tests.integration.scenes import tissue_hu, with_noise, write_series

BASE = ("--photons", "3e5", "--electronic-variance", "0", "--workers", "1", "--created", "2026-03-04T05:06:07")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def grow(n_slices: int, folder: str = "in", uid: int = 41, **options: Any) -> list[Path]:
    hu = with_noise(tissue_hu(uid, n_slices=n_slices, size_px=64), uid)
    square = {"PixelSpacing": ["2.5", "2.5"], "XRayTubeCurrent": "200"}
    return write_series(Path(folder), hu, uid=uid, **{**square, **options})


def simulate(*more: str, out: str = "out", doses: tuple[str, ...] = ("0.25",)) -> int:
    given = [part for dose in doses for part in ("--dose", dose)]
    return run(["simulate", "in", out, *given, "--json", "told.json", *BASE, *more])


def told() -> list[dict[str, Any]]:
    return json.loads(Path("told.json").read_text())["series"]


def statuses() -> list[tuple[str, str, int]]:
    return [(one["status"], one["reason"], one["n_slices"]) for one in told()]


def digest(folder: str) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def assert_redone(n_slices: int, *options: str) -> None:
    assert simulate("--resume", *options) == 0
    assert statuses() == [("done", "", n_slices)]
    assert "output_replaced" in told()[0]["problems"]
    assert told()[0]["detail"].startswith("made again: ")
    assert simulate(*options, out="fresh") == 0
    assert digest("out") == digest("fresh")
    assert simulate("--resume", *options) == 0
    assert statuses() == [("present", "", n_slices)]


def test_what_was_simulated_is_kept():
    grow(3)
    assert simulate() == 0
    before = digest("out")
    assert simulate("--resume", "--created", "2027-01-01T00:00:00") == 0
    assert statuses() == [("present", "", 3)]
    assert digest("out") == before


def test_a_series_that_grew_is_simulated_again():
    grow(3)
    assert simulate() == 0
    grow(4)
    assert_redone(4)


@pytest.mark.parametrize(
    "options", [("--seed", "3"), ("--photons", "4e5"), ("--electronic-variance", "5"), ("--bowtie", "0.6")]
)
def test_another_seed_or_scanner_simulates_it_again(options):
    grow(3)
    assert simulate() == 0
    assert_redone(3, *options)


@pytest.mark.parametrize("victim", ["0.25.json", "0.25/slice001.dcm"])
def test_half_an_output_is_simulated_again(victim):
    grow(3)
    assert simulate() == 0
    Path("out", victim).unlink()
    assert_redone(3)


def test_parameters_without_their_series_are_no_output():
    grow(3)
    assert simulate() == 0
    shutil.rmtree("out/0.25")
    assert_redone(3)


@pytest.mark.parametrize(
    "change",
    [
        {"photons_by_slice": [1.0]},
        {"photons_by_slice": 3},
        {"calibration": 3},
        {"calibration": {"texture": {}}},
        {"made_of": "2.25.1"},
    ],
)
def test_parameters_that_do_not_agree_with_the_series_are_made_again(change):
    grow(3)
    assert simulate() == 0
    facts = json.loads(Path("out/0.25.json").read_text())
    Path("out/0.25.json").write_text(json.dumps({**facts, **change}))
    assert_redone(3)


@pytest.mark.parametrize("value", ["x", float("nan"), float("inf"), True, 7e5])
def test_a_calibration_that_was_changed_by_hand_is_not_believed(value):
    grow(3)
    assert simulate() == 0
    facts = json.loads(Path("out/0.25.json").read_text())
    facts["calibration"]["photons"] = value
    Path("out/0.25.json").write_text(json.dumps(facts))
    assert_redone(3)


@pytest.mark.parametrize("name", ["0.25/notes.txt", "0.25.json"])
def test_a_stranger_in_the_place_of_one_dose_stops_that_dose_only(name, capsys):
    grow(3)
    Path("out/0.25").mkdir(parents=True)
    Path("out", name).write_text("mine")
    assert simulate(doses=("0.25", "0.5")) == 2
    first = Path(name).name
    assert f"must not be there yet, got {first}, which is not n2b-ct's; move it away" in capsys.readouterr().err
    assert simulate("--resume", doses=("0.25", "0.5")) == 1
    assert statuses() == [("failed", "output_foreign", 0), ("done", "", 3)]
    assert f"got {first}; move it away, or pass --overwrite" in told()[0]["detail"]
    assert Path("out", name).read_text() == "mine"


def test_the_doses_of_another_series_are_named():
    grow(3, uid=41)
    assert simulate() == 0
    shutil.rmtree("in")
    grow(3, uid=42)
    before = digest("out")
    assert simulate("--resume") == 2
    assert statuses() == [("failed", "output_foreign", 0)]
    assert digest("out") == before


def test_two_doses_without_their_bad_slice_are_whole():
    paths = grow(4)
    paths[1].write_bytes(paths[1].read_bytes()[:-500])
    assert simulate("--skip-bad-slices", doses=("0.5", "0.25")) == 1
    assert simulate("--skip-bad-slices", "--resume", doses=("0.5", "0.25")) == 1
    assert [(one["status"], one["n_slices"], one["n_skipped_slices"]) for one in told()] == [("present", 3, 1)] * 2
    assert simulate("--resume", doses=("0.5", "0.25")) == 2
    assert statuses() == [("failed", "pixel_truncated", 0)] * 2


# ── the digital piglet: a run that was killed is taken up by an equal one only ──


def piglet(*more: str) -> int:
    return run(["simulate", "piglet", "pig", "--slices", "8", "--size", "64", "--workers", "1", *more])


def test_a_piglets_place_with_something_else_is_refused_by_name(capsys):
    Path("pig").mkdir()
    for name in ("notes.txt", "b.txt"):
        Path("pig", name).write_text("mine")
    for option in ((), ("--overwrite",)):
        assert piglet(*option) == 2
        said = "pig: must be new or hold piglet.json, got b.txt and 1 more; choose another folder"
        assert said in capsys.readouterr().err
    assert sorted(path.name for path in Path("pig").iterdir()) == ["b.txt", "notes.txt"]
