"""Noise2Noise on CT as a person runs it: neighbouring slices of one noisy series, no clean ones, no references."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from n2b_ct.cli import run
from n2b_ct.training.history import read_history
from tests.integration.scenes import (
    assert_same_weights,
    error_lines,
    manifest_values,
    tissue_hu,
    tree_of,
    weights_of,
    with_noise,
    write_series,
    write_yaml_file,
)

METHOD = "method={name: noise2noise, denoiser: {arguments: {n_features: 4, depth: 2}, lowpass_kernel_px: 5}%s}"
PLAIN = METHOD % ""


def digital_series(folder: Path, positions_mm: list[float]) -> None:
    """Write noisy slices of one anatomy, 2 mm thick, where they are told to lie."""
    anatomy_hu = np.repeat(tissue_hu(2, n_slices=1), len(positions_mm), axis=0)
    for number, slice_hu in enumerate(with_noise(anatomy_hu, 12)):
        place = {"position_mm": (-16.0, -12.0, positions_mm[number]), "instance_number": number + 1}
        write_series(folder / f"{number}", slice_hu[None], uid=20, patient="b", SliceThickness="2", **place)


@pytest.fixture
def train(world: Path):
    """``n2b-ct train`` on a manifest with a digital series as its noisy role, lying at the given positions."""

    def command(*positions_mm: float) -> list[str]:
        digital_series(world.parent / "data" / "digital", list(positions_mm))
        split = {"rule": "series", "noisy": ["digital"], "test": ["test"]}
        series = {name: {"path": name, "dose": 0.25} for name in ("digital", "test")}
        write_yaml_file(world.parent / "patients.yaml", manifest_values(series=series, splits={"default": split}))
        return ["train", str(world), "--data-root", str(world.parent / "data")]

    return command


def test_neighbours_alone_train_a_model_that_denoises(train, capsys):
    job = train(0.0, 2.0, 4.0, 6.0)
    assert run([*job, "--out", "run", "--set", PLAIN]) == 0
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["method"] == "noise2noise"
    rows = read_history(Path("run/history.csv"))
    assert [row["iteration"] for row in rows] == [4, 8, 12]
    assert all("loss_noise2noise" in row and "noise_std_hu" not in row for row in rows)
    assert run(["denoise", f"{job[3]}/test", "denoised", "--model", "run"]) == 0
    assert tree_of(Path("denoised")) == ["slice000.dcm", "slice001.dcm", "slice002.dcm"]
    assert error_lines(capsys.readouterr().err) == []


def test_settings_change_what_is_learned(train):
    job = train(0.0, 2.0, 4.5, 6.5)
    changes = {
        "plain": "",
        "one": ", neighbours: {sides: one}",
        "l1": ", loss: l1",
        "masked": ", max_difference: 0.02",
    }
    for name, change in changes.items():
        assert run([*job, "--out", name, "--set", METHOD % change, "--set", "training.iterations=2"]) == 0
    digests = {json.loads(Path(name, "summary.json").read_text())["model_digest"] for name in changes}
    assert len(digests) == len(changes)


def test_an_interrupted_run_ends_as_an_uninterrupted_one_would(train):
    job = train(0.0, 2.0, 4.0)
    assert run([*job, "--out", "whole", "--set", PLAIN]) == 0
    assert run([*job, "--out", "parts", "--set", PLAIN]) == 0
    _, *later = sorted(Path("parts/checkpoints").iterdir(), key=lambda path: int(path.stem.partition("=")[2]))
    for checkpoint in later:
        checkpoint.unlink()
    assert run([*job, "--out", "parts", "--set", PLAIN, "--resume"]) == 0
    assert_same_weights(weights_of(Path("whole")), weights_of(Path("parts")))


@pytest.mark.parametrize(
    ("positions_mm", "got"), [((0.0, 10.0, 30.0), "gaps of 10 to 20 mm"), ((0.0,), "a single slice")]
)
def test_a_series_without_neighbours_is_refused_before_a_pixel_is_read(train, capsys, positions_mm, got):
    assert run([*train(*positions_mm), "--check", "--set", PLAIN]) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert "series digital: noise2noise needs noisy slices 2 to 4 mm apart" in line
    assert f"got {got}; set method.neighbours.min_gap_mm and max_gap_mm" in line
