"""D-BSN and UPI as a person runs them: stage 1 on noisy slices alone, stage 2 with a teacher that comes first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from n2b_ct.cli import run
from n2b_ct.training.history import read_history
from tests.integration.scenes import (
    assert_same_weights,
    error_lines,
    manifest_values,
    tree_of,
    weights_of,
    write_yaml_file,
)

SMALL = "{name: BayesDenoiser, output: direct, arguments: {n_features: 4, steps: [1]}}"
DBSN = f"method={{name: dbsn, denoiser: {SMALL}}}"
UPI = (
    "method={name: upi, denoiser: {arguments: {n_features: 4, depth: 2}, output: direct}, "
    f"teacher: {{name: dbsn, denoiser: {SMALL}}}, teacher_iterations: 6}}"
)


@pytest.fixture
def train(world: Path) -> list[str]:
    """``n2b-ct train`` on the world's manifest: noisy and clean slices of different patients."""
    return ["train", str(world), "--data-root", str(world.parent / "data")]


def test_noisy_slices_alone_train_stage_1_and_it_denoises(train, world, capsys):
    split = {"rule": "series", "noisy": ["noisy"], "test": ["test"]}
    write_yaml_file(world.parent / "patients.yaml", manifest_values(splits={"default": split}))
    assert run([*train, "--out", "run", "--set", DBSN]) == 0
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["method"] == "dbsn"
    rows = read_history(Path("run/history.csv"))
    assert [row["iteration"] for row in rows] == [4, 8, 12]
    assert all("loss_self" in row for row in rows)
    assert run(["denoise", f"{train[3]}/test", "denoised", "--model", "run"]) == 0
    assert tree_of(Path("denoised")) == ["slice000.dcm", "slice001.dcm", "slice002.dcm"]
    assert error_lines(capsys.readouterr().err) == []


def test_the_model_file_holds_the_blind_spot_network_alone(train):
    assert run([*train, "--out", "run", "--set", DBSN]) == 0
    assert {name.split(".")[1] for name in weights_of(Path("run"))} == {"blind_spot"}


def test_stage_2_trains_its_teacher_first_and_denoises_with_the_student(train):
    assert run([*train, "--out", "run", "--set", UPI]) == 0
    teacher = json.loads(Path("run/teacher/summary.json").read_text())
    assert (teacher["method"], teacher["iterations"]) == ("dbsn", 6)
    rows = read_history(Path("run/history.csv"))
    assert all({"loss_composed", "loss_distilled"} <= row.keys() for row in rows)
    assert run(["denoise", f"{train[3]}/test", "denoised", "--model", "run"]) == 0


def test_a_teacher_that_is_there_gives_the_same_student(train):
    assert run([*train, "--out", "whole", "--set", UPI]) == 0
    assert run([*train, "--out", "again", "--set", UPI, "--set", "method.teacher_run=whole/teacher"]) == 0
    assert not Path("again/teacher").exists()
    assert_same_weights(weights_of(Path("whole")), weights_of(Path("again")))


def test_a_teacher_of_another_method_is_refused(train, capsys):
    supervised = "method={name: noise2void, denoiser: {arguments: {n_features: 4, depth: 2}}}"
    assert run([*train, "--out", "other", "--set", supervised]) == 0
    assert run([*train, "--out", "run", "--set", UPI, "--set", "method.teacher_run=other"]) != 0
    assert "must be a model of stage 1" in error_lines(capsys.readouterr().err)[-1]


@pytest.mark.parametrize("method", [DBSN, UPI], ids=["dbsn", "upi"])
def test_an_interrupted_run_ends_as_an_uninterrupted_one_would(train, method):
    assert run([*train, "--out", "whole", "--set", method]) == 0
    assert run([*train, "--out", "parts", "--set", method]) == 0
    oldest, *later = sorted(Path("parts/checkpoints").iterdir(), key=lambda path: int(path.stem.partition("=")[2]))
    assert "=12" not in oldest.name
    for leftover in (*later, Path("parts/model.pt"), Path("parts/summary.json")):
        leftover.unlink()
    assert run([*train, "--out", "parts", "--set", method, "--resume"]) == 0
    assert_same_weights(weights_of(Path("whole")), weights_of(Path("parts")))


def test_an_output_form_that_would_show_the_pixel_is_refused(train, capsys):
    refused = "method={name: dbsn, denoiser: {name: BayesDenoiser, output: residual}}"
    assert run([*train, "--check", "--set", refused]) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert "must be direct for BayesDenoiser" in line


def test_a_denoiser_without_blind_spots_is_refused(train, capsys):
    assert run([*train, "--out", "run", "--set", "method={name: dbsn, denoiser: {name: SimpleUNet}}"]) != 0
    assert "method.denoiser.name: must be BayesDenoiser" in error_lines(capsys.readouterr().err)[-1]


def test_a_run_that_was_killed_while_its_teacher_learned_goes_on_with_the_teacher(train):
    assert run([*train, "--out", "whole", "--set", UPI]) == 0
    assert run([*train, "--out", "parts", "--set", UPI]) == 0
    for leftover in ("model.pt", "summary.json", "history.csv", "losses.png"):
        (Path("parts") / leftover).unlink()
    for checkpoint in Path("parts/checkpoints").iterdir():
        checkpoint.unlink()
    _, *later = sorted(Path("parts/teacher/checkpoints").iterdir(), key=lambda path: int(path.stem.partition("=")[2]))
    for leftover in (*later, Path("parts/teacher/model.pt"), Path("parts/teacher/summary.json")):
        leftover.unlink()
    assert run([*train, "--out", "parts", "--set", UPI, "--resume"]) == 0
    assert_same_weights(weights_of(Path("whole")), weights_of(Path("parts")))
