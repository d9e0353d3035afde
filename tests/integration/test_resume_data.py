"""A run goes on only with the images that its weights saw, and counts as finished only with its own model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
import torch
import yaml

from n2b_ct.cli import run
from n2b_ct.inference.model import load_model
from n2b_ct.training.checkpoints import newest_checkpoint
from tests.integration.scenes import (
    TINY_NETWORK,
    assert_same_weights,
    error_lines,
    manifest_values,
    pipeline_values,
    weights_of,
    write_yaml_file,
)

REFUSED = "must resume with the images it was trained on, got "
REMEDY = "; restore the data, or retrain with another --out or --overwrite"


@pytest.fixture
def train(world: Path) -> list[str]:
    return ["train", str(world), "--data-root", str(world.parent / "data")]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def unfinish(run_dir: Path) -> None:
    """Leave what a run looks like that was killed after its last checkpoint."""
    for name in ("model.pt", "summary.json", "losses.png"):
        (run_dir / name).unlink()


def change_pixel(path: Path) -> None:
    dataset = pydicom.dcmread(path)
    words = dataset.pixel_array.copy()
    words[5, 5] += 1
    dataset.PixelData = words.tobytes()
    dataset.save_as(path)


def swap(one: Path, other: Path) -> None:
    """Let two slices of a series change their pixels, and keep their places."""
    first, second = pydicom.dcmread(one), pydicom.dcmread(other)
    first.PixelData, second.PixelData = second.PixelData, first.PixelData
    first.save_as(one)
    second.save_as(other)


def resplit(root: Path) -> None:
    values = manifest_values()
    values["splits"]["default"]["noisy"][0]["slices"] = "0:2"
    write_yaml_file(root / "patients.yaml", values)


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a pixel": (
        lambda root: change_pixel(root / "data/noisy/slice001.dcm"),
        "1 of 3 noisy images changed (number 2)",
    ),
    "a clean pixel": (
        lambda root: change_pixel(root / "data/clean/slice000.dcm"),
        "1 of 3 clean images changed (number 1)",
    ),
    "the order": (
        lambda root: swap(root / "data/noisy/slice000.dcm", root / "data/noisy/slice002.dcm"),
        "noisy images in another order",
    ),
    "a slice more": (
        lambda root: add_slice(root / "data/clean"),
        "4 clean images for 3",
    ),
    "the split": (resplit, "2 noisy images for 3"),
}


def add_slice(folder: Path) -> None:
    dataset = pydicom.dcmread(folder / "slice002.dcm")
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{dataset.SOPInstanceUID}.9"
    dataset.ImagePositionPatient = [-16, -12, 6]
    dataset.save_as(folder / "slice003.dcm")


@pytest.mark.parametrize("is_finished", [True, False])
@pytest.mark.parametrize("what", CHANGES)
def test_a_run_over_changed_data_is_refused_and_left_as_it_is(train, world, capsys, what, is_finished):
    change, said = CHANGES[what]
    assert run([*train, "--out", "run"]) == 0
    if not is_finished:
        unfinish(Path("run"))
    before = contents(Path("run"))
    change(world.parent)
    capsys.readouterr()
    assert run([*train, "--out", "run", "--resume"]) == 2
    told = capsys.readouterr()
    assert error_lines(told.err) == [f"error: run folder run: {REFUSED}{said}{REMEDY}"]
    assert "trained" not in told.out
    assert contents(Path("run")) == before
    assert run([*train, "--out", "run", "--overwrite"]) == 0


def test_references_count_for_a_method_that_sees_them_and_not_for_one_that_does_not(train, world, capsys):
    write_yaml_file(world.parent / "pairs.yaml", pipeline_values("supervised", iterations=4))
    paired = ["train", str(world.parent / "pairs.yaml"), *train[2:]]
    assert run([*train, "--out", "unpaired"]) == run([*paired, "--out", "paired"]) == 0
    change_pixel(world.parent / "data/full/slice002.dcm")
    change_pixel(world.parent / "data/test/slice002.dcm")
    assert run([*train, "--out", "unpaired", "--resume"]) == 0
    assert error_lines(capsys.readouterr().err) == []
    assert run([*paired, "--out", "paired", "--resume"]) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert "got 1 of 3 noisy reference images changed (number 3);" in line


def test_another_encoding_of_the_same_values_is_the_same_data(train, world):
    assert run([*train, "--out", "run"]) == 0
    before = contents(Path("run"))
    for path in (world.parent / "data/noisy").iterdir():
        dataset = pydicom.dcmread(path)
        dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
        dataset.SeriesDescription = "another"
        dataset.save_as(path)
    assert run([*train, "--out", "run", "--resume"]) == 0
    assert contents(Path("run")) == before


def test_summary_checkpoint_and_model_say_the_same_digest_and_the_model_s_own_stays(train):
    assert run([*train, "--out", "run"]) == 0
    summary = json.loads(Path("run/summary.json").read_text())
    checkpoint, model = newest_checkpoint(Path("run/checkpoints")), load_model(Path("run"))
    assert checkpoint is not None
    assert checkpoint.data["digest"] == summary["data_digest"] == model.facts["data_digest"]
    content = torch.load("run/model.pt", weights_only=True)
    content["facts"]["data_digest"] = "another"
    torch.save(content, "other.pt")
    assert load_model(Path("other.pt")).digest == model.digest  # so the UIDs of what it denoises do not change


def test_a_run_that_never_said_what_it_saw_is_not_taken_on_faith(train, capsys):
    assert run([*train, "--out", "run"]) == 0
    summary = json.loads(Path("run/summary.json").read_text())
    del summary["data_digest"]
    Path("run/summary.json").write_text(json.dumps(summary))
    assert run([*train, "--out", "run", "--resume"]) == 2
    assert f"{REFUSED}no record of them; " in error_lines(capsys.readouterr().err)[0]


@pytest.mark.parametrize("damage", ["foreign", "torn", "no summary"])
def test_a_finished_run_without_its_own_model_is_ended_again(train, damage):
    assert run([*train, "--out", "whole"]) == 0
    assert run([*train, "--out", "other", "--set", "training.seed=3"]) == 0
    weights = weights_of(Path("whole"))
    if damage == "foreign":
        shutil.copy("other/model.pt", "whole/model.pt")
    elif damage == "torn":
        Path("whole/model.pt").write_bytes(Path("whole/model.pt").read_bytes()[:900])
    else:
        Path("whole/summary.json").write_text("{")
    assert run([*train, "--out", "whole", "--resume"]) == 0
    assert_same_weights(weights, weights_of(Path("whole")))
    assert json.loads(Path("whole/summary.json").read_text())["model_digest"] == load_model(Path("whole")).digest


@pytest.fixture
def distilling(train, world) -> list[str]:
    """A pipeline of two stages."""
    values = pipeline_values(iterations=4)
    bayes = {"name": "BayesDenoiser", "output": "direct"}
    bayes["arguments"] = {"n_features": 4, "steps": [1]}
    values["method"] = {"name": "upi", "denoiser": TINY_NETWORK, "teacher": {"name": "dbsn", "denoiser": bayes}}
    write_yaml_file(world.parent / "upi.yaml", values)
    return ["train", str(world.parent / "upi.yaml"), *train[2:]]


def test_a_teacher_of_other_images_is_not_kept(distilling, world, capsys):
    assert run([*distilling, "--out", "run"]) == 0
    assert run([*distilling, "--out", "run", "--resume"]) == 0
    unfinish(Path("run"))
    shutil.rmtree("run/checkpoints")
    change_pixel(world.parent / "data/noisy/slice000.dcm")
    capsys.readouterr()
    assert run([*distilling, "--out", "run", "--resume"]) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert line == f"error: run folder run/teacher: {REFUSED}1 of 3 noisy images changed (number 1){REMEDY}"


def test_a_student_whose_teacher_was_trained_anew_is_not_taken_for_finished(distilling, capsys):
    assert run([*distilling, "--out", "first"]) == 0
    shutil.move("first/teacher", "teacher")
    given = [*distilling, "--set", "method.teacher_run=teacher"]
    assert run([*given, "--out", "run"]) == 0
    assert run([*given, "--out", "run", "--resume"]) == 0
    teacher = torch.load("teacher/model.pt", weights_only=True)
    next(iter(teacher["weights"].values())).add_(0.01)
    torch.save(teacher, "teacher/model.pt")
    capsys.readouterr()
    assert run([*given, "--out", "run", "--resume"]) == 2
    assert f"{REFUSED}other teacher; " in error_lines(capsys.readouterr().err)[0]


def test_a_killed_overwriting_leaves_a_folder_that_can_be_overwritten(train, monkeypatch):
    assert run([*train, "--out", "run"]) == 0

    def killed(folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("n2b_ct.training.run_dir.shutil.rmtree", killed)
        assert run([*train, "--out", "run", "--overwrite"]) == 130
    assert yaml.safe_load(Path("run/pipeline.yaml").read_text())["name"] == "tiny"
    assert run([*train, "--out", "run", "--overwrite"]) == 0
