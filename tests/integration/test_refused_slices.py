"""A slice that cannot say its series is lost in no command: it fails its series, or is left out and told of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from n2b_ct.cli import run
from n2b_ct.cli.train import tell_left_out
from n2b_ct.io.dicom.scan import scan
from tests.integration.scenes import (
    error_lines,
    identity_model,
    manifest_values,
    tissue_hu,
    tree_of,
    with_noise,
    write_series,
    write_yaml_file,
)

UID = "1.2.826.0.1.3680043.8.498.{}.1"
INFERRED = "it does not say its series"
SKIP = "--skip-bad-slices"
BREAKS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut": (lambda whole: whole[:560], "header_incomplete"),
    "empty": (lambda whole: b"", "unrecognisable"),
    "zeros": (lambda whole: bytes(len(whole)), "unrecognisable"),
}


def broken(path: Path, how: str = "cut") -> bytes:
    """Break a slice; returns what it held."""
    whole = path.read_bytes()
    path.write_bytes(BREAKS[how][0](whole))
    return whole


def warnings(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("warning: ")]


def the_refused(files: list[dict[str, Any]], uid: str) -> dict[str, Any]:
    """The one refused file; it joins with its series by the full UID."""
    (found,) = [one for one in files if one["action"] == "error"]
    assert (found["series"], found["inferred_series"]) == (uid, [uid])
    assert INFERRED in found["detail"]
    return found


# ── denoise and simulate ──


@pytest.fixture
def four(tmp_path, monkeypatch) -> Path:
    """One series of four slices in ``in``, the second of which is broken by the test."""
    write_series(tmp_path / "in", tissue_hu(1, 4), uid=1)
    identity_model(tmp_path / "model.pt")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "in" / "slice001.dcm"


def denoise(*options: str) -> tuple[int, dict[str, Any]]:
    code = run(["denoise", "in", "out", "--model", "model.pt", "--json", "out.json", *options])
    return code, json.loads(Path("out.json").read_text())


@pytest.mark.parametrize("how", BREAKS)
def test_denoise_fails_the_series_of_a_slice_that_lost_its_name(four, capsys, how):
    broken(four, how)
    code, told = denoise()
    (series,) = told["series"]
    assert (code, series["status"], series["reason"]) == (2, "failed", BREAKS[how][1])
    assert not Path("out").exists()
    record = the_refused(told["files"], UID.format(1))
    assert series["series"] == record["series"]
    (line,) = error_lines(capsys.readouterr().err)
    assert line == f"error: in: {record['detail']}"


def test_denoise_leaves_the_slice_out_on_request_and_does_it_once_it_is_mended(four, capsys):
    whole = broken(four)
    code, told = denoise(SKIP)
    (series,) = told["series"]
    assert (code, series["status"], series["n_slices"], series["n_skipped_slices"]) == (1, "done", 3, 1)
    assert "missing_slices" in series["problems"]
    assert the_refused(told["files"], series["series"])["path"] == "in/slice001.dcm"
    assert "should hold every slice, got 1 left out" in warnings(capsys.readouterr().err)[0]
    four.write_bytes(whole)
    code, told = denoise("--overwrite")
    assert (code, told["series"][0]["n_slices"], told["series"][0]["n_skipped_slices"]) == (0, 4, 0)


def test_a_slice_that_may_be_of_either_series_fails_both_and_is_told_once(four, capsys):
    for number, path in enumerate(write_series(four.parent / "b", tissue_hu(2, 4), uid=2)):
        path.rename(four.parent / f"slice{4 + number:03d}.dcm")
    broken(four.parent / "slice003.dcm")
    code, told = denoise()
    assert (code, [one["status"] for one in told["series"]]) == (2, ["failed", "failed"])
    (record,) = [one for one in told["files"] if one["action"] == "error"]
    assert (record["series"], record["inferred_series"]) == ("", [UID.format(1), UID.format(2)])
    assert {one["series"] for one in told["series"]} == set(record["inferred_series"])
    assert len(error_lines(capsys.readouterr().err)) == 1
    code, told = denoise(SKIP)
    assert (code, [one["n_skipped_slices"] for one in told["series"]]) == (1, [1, 1])
    assert sorted(map(len, scan(Path("out")).series)) == [3, 4]


def test_a_file_elsewhere_is_named_with_its_folder(four, capsys):
    for number, path in enumerate(sorted(four.parent.iterdir())):
        (four.parent / str(number)).mkdir()
        path.rename(four.parent / str(number) / "slice.dcm")
    broken(four.parent / "2" / "slice.dcm")
    assert denoise()[0] == 2
    assert "in/0: in/2/slice.dcm: must hold its whole header" in error_lines(capsys.readouterr().err)[0]


def test_simulate_follows_the_rule(four):
    broken(four)
    command = ["simulate", "in", "low", "--dose", "0.5", "--json", "low.json", "--workers", "1"]
    assert run(command) == 2
    told = json.loads(Path("low.json").read_text())
    assert told["series"][0]["series"] == the_refused(told["files"], UID.format(1))["series"]
    assert not Path("low").exists()
    run([*command, SKIP])  # the phantom has no air, so that its noise cannot be measured: the rule comes before that
    assert json.loads(Path("low.json").read_text())["series"][0]["reason"] != "header_incomplete"


def test_a_json_that_cannot_be_written_takes_nothing_from_the_work(four, capsys):
    code = run(["denoise", "in", "out", "--model", "model.pt", "--json", "in"])
    assert code == 2
    assert "--json in: must be a file or must not exist" in error_lines(capsys.readouterr().err)[0]
    assert not Path("out").exists()


# ── inspect and index ──


def test_inspect_shows_the_file_below_its_series(four, capsys):
    broken(four)
    assert run(["inspect", "in"]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "refused 1 file: slice001.dcm (header_incomplete, series inferred)" in text
    assert run(["inspect", "in", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    (series,) = told["series"]
    assert (series["n_slices"], series["n_refused_files"]) == (3, 1)
    assert series["series"] == the_refused(told["files"], UID.format(1))["series"]


def test_index_says_that_an_entry_is_not_whole(four, capsys):
    broken(four)
    assert run(["index", "in", "--out", "found.yaml"]) == 1
    (line,) = warnings(capsys.readouterr().err)
    assert "series_1 in in: files must be usable, got 1 refused (slice001.dcm: header_incomplete)" in line
    assert "pass --skip-bad-slices" in line
    assert list(yaml.safe_load(Path("found.yaml").read_text())["series"]) == ["series_1"]


# ── train and report ──


@pytest.fixture
def data(world: Path) -> Path:
    return world.parent / "data"


@pytest.fixture
def train(world: Path, data: Path) -> list[str]:
    return ["train", str(world), "--data-root", str(data), "--out", "run"]


def test_train_refuses_a_series_that_is_not_whole(train, data, capsys):
    broken(data / "clean" / "slice001.dcm")
    for command in (train, [*train, "--check"]):
        assert run(command) == 2
        (line,) = error_lines(capsys.readouterr().err)
        assert line.startswith(f"error: series clean in {data / 'clean'}: must be whole, for half a series misleads")
        assert "slice001.dcm: must hold its whole header" in line
        assert line.endswith(f"pass {SKIP}")
    assert tree_of(Path.cwd()) == []


def test_train_leaves_slices_out_on_request_and_records_it(train, data, capsys):
    broken(data / "clean" / "slice001.dcm")
    assert run([*train, "--check", SKIP]) == 1
    assert "images: 3 noisy, 2 clean" in capsys.readouterr().out
    assert run([*train, SKIP]) == 1
    (line,) = warnings(capsys.readouterr().err)
    assert line.startswith("warning: series clean: should hold every slice, got 1 left out")
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["n_images"] == {"noisy": 3, "clean": 2}
    by_name = {one["name"]: one for one in summary["series"]}
    assert set(by_name) == {"clean", "noisy", "full", "test", "test_full"}
    assert (by_name["clean"]["n_slices"], by_name["clean"]["n_skipped_slices"]) == (2, 1)
    assert "missing_slices" in by_name["clean"]["problems"]
    assert the_refused(summary["files"], UID.format(10))["series"] == by_name["clean"]["series"]


def test_torchrun_does_not_take_slices_that_were_left_out_for_a_death(capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    tell_left_out({"clean": 2, "noisy": 0})
    (line,) = warnings(capsys.readouterr().err)
    assert line.startswith("warning: series clean: should hold every slice, got 2 left out")


def test_slices_that_lost_their_reference_are_left_out_with_it(train, data):
    broken(data / "full" / "slice001.dcm")
    assert run([*train, SKIP]) == 1
    assert json.loads(Path("run/summary.json").read_text())["n_images"] == {"noisy": 2, "clean": 3}


def test_counted_slices_need_a_whole_series_in_any_case(world, train, data, capsys):
    values = manifest_values()
    values["splits"]["default"]["clean"] = [{"series": "clean", "slices": ":2"}]
    write_yaml_file(world.parent / "patients.yaml", values)
    broken(data / "clean" / "slice000.dcm")
    assert run([*train, SKIP]) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert "series clean: must be whole where slices are counted, got 1 left out (slice000.dcm: header_incom" in line


def test_report_follows_the_rule(world, data, tmp_path, capsys):
    model = identity_model(tmp_path / "identity.pt")
    report = ["report", str(world), "--data-root", str(data), "--model", f"n2b={model}", "--out", "report"]
    broken(data / "test" / "slice001.dcm")
    assert run(report) == 2
    assert "series test in" in error_lines(capsys.readouterr().err)[0]
    assert not Path("report").exists()
    assert run([*report, SKIP]) == 1
    document = json.loads(Path("report/report.json").read_text())
    assert [one["n_slices"] for one in document["dose_levels"]] == [2]
    by_name = {one["name"]: one for one in document["series"]}
    assert {name: one["n_skipped_slices"] for name, one in by_name.items()} == {"test": 1, "test_full": 0}
    assert by_name["test"]["series"] == the_refused(document["files"], UID.format(21))["series"]
    assert any("series test: should hold every slice, got 1 left out" in line for line in document["problems"])


# ── evaluate ──


def test_evaluate_follows_the_rule(data, world, capsys):
    evaluate = ["evaluate", "--reference", str(data / "full"), "--candidate", f"n2b={data / 'noisy'}"]
    evaluate += ["--candidate", f"other={data / 'full'}", "--out", "report"]
    broken(data / "noisy" / "slice001.dcm", "zeros")
    assert run(evaluate) == 1
    document = json.loads(Path("report/report.json").read_text())
    assert {one["method"] for one in document["results"]} == {"reference", "other"}
    (line,) = document["problems"]
    assert "n2b, series 1.2.826.…20.1: must be whole, for half a series misleads" in line
    record = the_refused(document["files"], UID.format(20))
    assert {one["folder"]: one["series"] for one in document["series"]}["n2b"] == record["series"]
    assert run([*evaluate, "--overwrite", SKIP]) == 1
    document = json.loads(Path("report/report.json").read_text())
    assert {one["method"] for one in document["results"]} == {"reference", "other", "n2b"}
    (series,) = [one for one in document["series"] if one["folder"] == "n2b"]
    assert (series["n_slices"], series["n_skipped_slices"]) == (2, 1)
    assert any("n2b, series 1.2.826.…20.1: should hold every slice" in one for one in document["problems"])


def test_series_whose_short_uids_are_one_keep_their_own_rows(data, world):
    both = {"x": 7, "y": 8}
    for name, number in both.items():
        for place in ("one", "two"):
            hu = with_noise(tissue_hu(number), number)
            long_uid = f"1.2.826.0.1.3680043.8.498.{number}.4.1"
            write_series(data / place / name, hu, uid=90 + number, series_uid=long_uid)
    evaluate = ["evaluate", "--input", str(data / "one"), "--candidate", f"n2b={data / 'two'}", "--out", "report"]
    assert run([*evaluate, "--window", "abdomen", "--baseline", "gaussian"]) == 0
    document = json.loads(Path("report/report.json").read_text())
    assert (document["overall"]["n_slices"], document["overall"]["n_series"]) == (6, 2)
    own = [one["name"] for one in document["series"] if one["folder"] == "input"]
    assert own == ["1.2.826.….4.1 (1)", "1.2.826.….4.1 (2)"]
