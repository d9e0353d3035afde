"""Noise2Void as a person runs it: noisy slices alone, on the trainer and the commands of every other method."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

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

METHOD = "method={name: noise2void, denoiser: {arguments: {n_features: 4, depth: 2}, output: %s}}"


@pytest.fixture
def train(world: Path) -> list[str]:
    """``n2b-ct train`` on a manifest of noisy slices: no clean ones, no references."""
    split = {"rule": "series", "noisy": ["noisy"], "test": ["test"]}
    write_yaml_file(world.parent / "patients.yaml", manifest_values(splits={"default": split}))
    return ["train", str(world), "--data-root", str(world.parent / "data")]


@pytest.mark.parametrize("output", ["lowpass", "direct", "residual"])
def test_noisy_slices_alone_train_a_model_that_denoises(train, output, capsys):
    assert run([*train, "--out", "run", "--set", METHOD % output]) == 0
    summary = json.loads(Path("run/summary.json").read_text())
    assert (summary["method"], summary["n_images"]) == ("noise2void", {"noisy": 3, "clean": 0})
    rows = read_history(Path("run/history.csv"))
    assert [row["iteration"] for row in rows] == [4, 8, 12]
    assert all("loss_noise2void" in row and "noise_std_hu" not in row for row in rows)
    assert run(["denoise", f"{train[3]}/test", "denoised", "--model", "run", "--json", "status.json"]) == 0
    assert tree_of(Path("denoised")) == ["slice000.dcm", "slice001.dcm", "slice002.dcm"]
    assert error_lines(capsys.readouterr().err) == []


def test_check_asks_for_no_clean_slices_and_no_references(train, capsys):
    assert run([*train, "--check", "--set", METHOD % "lowpass"]) == 0
    assert "ready to train noise2void" in capsys.readouterr().out


def test_a_structured_mask_trains_another_model(train):
    assert run([*train, "--out", "one", "--set", METHOD % "direct"]) == 0
    assert run([*train, "--out", "two", "--set", METHOD % "direct", "--set", "method.structure=[1, 5]"]) == 0
    last = "network.last.weight"
    assert not torch.equal(weights_of(Path("one"))[last], weights_of(Path("two"))[last])


def test_an_interrupted_run_ends_as_an_uninterrupted_one_would(train):
    method = ["--set", METHOD % "lowpass"]
    assert run([*train, "--out", "whole", *method]) == 0
    assert run([*train, "--out", "parts", *method]) == 0
    oldest, *later = sorted(Path("parts/checkpoints").iterdir(), key=lambda path: int(path.stem.partition("=")[2]))
    assert "=12" not in oldest.name
    for checkpoint in later:
        checkpoint.unlink()
    for finished in ("model.pt", "summary.json"):
        (Path("parts") / finished).unlink()
    assert run([*train, "--out", "parts", *method, "--resume"]) == 0
    assert_same_weights(weights_of(Path("whole")), weights_of(Path("parts")))


@pytest.mark.parametrize(
    "method",
    [
        "method={name: noise2void, denoiser: {name: DnCNN, arguments: {n_features: 4, n_layers: 4}, output: direct}}",
        "method={name: noise2void, denoiser: {name: DnCNN, arguments: {n_features: 4, n_layers: 4}}}",
    ],
)
def test_dncnn_is_one_setting_away(train, method):
    assert run([*train, "--out", "run", "--set", method]) == 0
    assert run(["denoise", f"{train[3]}/test", "denoised", "--model", "run"]) == 0
    assert len(tree_of(Path("denoised"))) == 3


def test_dncnn_with_a_second_subtraction_is_refused(train, capsys):
    refused = "method={name: noise2void, denoiser: {name: DnCNN, output: residual}}"
    assert run([*train, "--check", "--set", refused]) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert "must be direct or lowpass for DnCNN" in line


def test_a_mask_that_cannot_work_is_said_with_its_key(train, capsys):
    assert run([*train, "--check", "--set", METHOD % "lowpass", "--set", "method.structure=[1, 4]"]) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert "structure" in line
    assert "must be odd and at least 1" in line
