"""Train, denoise, report: the main job as a person runs it, on patients of 64 pixels."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest
import torch
import yaml

from n2b_ct.cli import run
from n2b_ct.data.manifest import load_manifest
from n2b_ct.training.history import read_history
from tests.integration.scenes import (
    assert_same_weights,
    error_lines,
    identity_model,
    manifest_values,
    tree_of,
    weights_of,
    write_yaml_file,
)


@pytest.fixture
def data(world: Path) -> str:
    return str(world.parent / "data")


def test_train_denoise_and_report_work_hand_in_hand(world, data, capsys):
    assert run(["train", str(world), "--data-root", data, "--out", "runs/tiny"]) == 0
    assert {"model.pt", "pipeline.yaml", "history.csv", "losses.png", "summary.json", "checkpoints"} <= set(
        tree_of(Path("runs/tiny"))
    )
    assert [row["iteration"] for row in read_history(Path("runs/tiny/history.csv"))] == [4, 8, 12]
    assert run(["denoise", f"{data}/test", "denoised", "--model", "runs/tiny", "--json", "denoised.json"]) == 0
    assert tree_of(Path("denoised")) == ["slice000.dcm", "slice001.dcm", "slice002.dcm"]
    statuses = json.loads(Path("denoised.json").read_text())
    assert [(one["status"], one["n_slices"]) for one in statuses["series"]] == [("done", 3)]
    out = ["report", str(world), "--data-root", data, "--model", "n2b=runs/tiny", "--out", "report"]
    assert run(out) == 0
    assert {"report.html", "report.json", "per_slice.csv"} <= set(tree_of(Path("report")))
    captured = capsys.readouterr()
    assert error_lines(captured.err) == []
    assert "n2b" in captured.out


def test_denoised_slices_are_derived_ones_of_the_same_study(world, data):
    assert run(["train", str(world), "--data-root", data, "--out", "run"]) == 0
    assert run(["denoise", f"{data}/test", "denoised", "--model", "run"]) == 0
    source, derived = (pydicom.dcmread(f"{folder}/slice000.dcm") for folder in (f"{data}/test", "denoised"))
    assert derived.ImageType[0] == "DERIVED"
    assert derived.StudyInstanceUID == source.StudyInstanceUID
    assert derived.SeriesInstanceUID != source.SeriesInstanceUID
    assert derived.SOPInstanceUID != source.SOPInstanceUID
    assert derived.ImagePositionPatient == source.ImagePositionPatient


def test_check_counts_slices_and_writes_nothing(world, data, capsys):
    assert run(["train", str(world), "--data-root", data, "--check"]) == 0
    out = capsys.readouterr().out
    assert "ready to train noise2blur" in out
    assert "3 noisy, 3 clean, 0 validation, 3 test" in out
    assert "64x64" in out
    assert tree_of(Path.cwd()) == []


def test_the_resolved_pipeline_trains_again_to_the_same_model(world, data):
    assert run(["train", str(world), "--data-root", data, "--out", "one", "--set", "training.seed=3"]) == 0
    assert yaml.safe_load(Path("one/pipeline.yaml").read_text())["training"]["seed"] == 3
    assert run(["train", "one/pipeline.yaml", "--data-root", data, "--out", "two"]) == 0
    assert_same_weights(weights_of(Path("one")), weights_of(Path("two")))


def test_the_seed_decides_the_weights(world, data):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        arguments = ["train", str(world), "--data-root", data, "--out", name, "--set", f"training.seed={seed}"]
        assert run(arguments) == 0
    assert_same_weights(weights_of(Path("a")), weights_of(Path("b")))
    last = "network.last.weight"
    assert not torch.equal(weights_of(Path("a"))[last], weights_of(Path("c"))[last])


def test_a_supervised_pipeline_trains_on_the_same_trainer(world, data):
    supervised = ["--set", "method={name: supervised, denoiser: {arguments: {n_features: 4, depth: 2}}}"]
    assert run(["train", str(world), "--data-root", data, "--out", "run", *supervised]) == 0
    assert json.loads(Path("run/summary.json").read_text())["method"] == "supervised"
    assert all("loss_supervised" in row for row in read_history(Path("run/history.csv")))


def test_validation_scores_stand_in_the_history(world, data):
    split = yaml.safe_load((world.parent / "patients.yaml").read_text())
    split["splits"]["default"]["validation"] = [{"series": "test", "reference": "test_full", "slices": ":1"}]
    (world.parent / "patients.yaml").write_text(yaml.safe_dump(split))
    assert run(["train", str(world), "--data-root", data, "--out", "run", "--set", "training.log_every=2"]) == 0
    rows = read_history(Path("run/history.csv"))
    assert [row["iteration"] for row in rows if "psnr_db" in row] == [4, 8, 12]
    assert all(0 < row["ssim"] <= 1 for row in rows if "ssim" in row)


def test_a_run_is_not_trained_over_unless_asked_to(world, data, capsys):
    train = ["train", str(world), "--data-root", data, "--out", "run"]
    assert run(train) == 0
    Path("run/notes.txt").write_text("mine")
    before = Path("run/model.pt").read_bytes()
    assert run([*train, "--set", "training.seed=5"]) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert "must be new or empty, got an earlier run" in line
    assert Path("run/model.pt").read_bytes() == before
    assert run([*train, "--set", "training.seed=5", "--overwrite"]) == 0
    assert Path("run/model.pt").read_bytes() != before
    assert Path("run/notes.txt").read_text() == "mine"


def test_index_writes_a_manifest_that_can_be_read_again(world, data, capsys):
    assert run(["index", data, "--out", "found.yaml"]) == 0
    manifest = load_manifest("found.yaml")
    folders = {"clean", "full", "noisy", "test", "test_full"}
    assert {entry.path for entry in manifest.series.values()} == folders
    capsys.readouterr()
    assert run(["inspect", data, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["series"]) == len(folders)


def test_a_test_role_without_references_is_reported_on_by_its_noise(world, data, capsys):
    values = manifest_values()
    values["splits"]["default"]["test"] = ["test"]
    write_yaml_file(world.parent / "patients.yaml", values)
    model = identity_model(Path("identity.pt"))
    arguments = ["report", str(world), "--data-root", data, "--model", f"n2b={model}", "--out", "report"]
    assert run(arguments) == 0
    assert json.loads(Path("report/report.json").read_text())
    assert error_lines(capsys.readouterr().err) == []


def test_a_report_finds_the_data_where_its_model_was_trained(world, data, capsys):
    assert run(["train", str(world), "--data-root", data, "--out", "run"]) == 0
    assert run(["report", str(world), "--model", "n2b=run", "--out", "report"]) == 0
    assert run(["report", str(world), "--model", f"n2b={identity_model(Path('alone.pt'))}", "--out", "other"]) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert "needs the folder of the data, got no folder; pass --data-root DIR" in line
