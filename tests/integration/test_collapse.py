"""A pair of networks that collapses ends with a clear line, and without a model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from n2b_ct.cli import run
from tests.conftest import REPOSITORY
from tests.integration.scenes import error_lines, tree_of

_IMPOSSIBLE = ["--set", "method.collapse_ratio=[50, 60]", "--set", "training.log_every=1"]


@pytest.fixture
def train(world: Path) -> list[str]:
    return ["train", str(world), "--data-root", str(world.parent / "data"), "--out", "run"]


def test_a_collapse_is_one_clear_line_and_no_model(train):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "n2b_ct", *train, *_IMPOSSIBLE]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    (line,) = error_lines(ended.stderr)
    assert "the extracted noise must stay between 50 and 60 of the slices' own" in line
    assert "the networks collapsed; " in line
    assert "Traceback" not in ended.stderr
    assert "Warning" not in ended.stderr
    assert ended.stdout == ""
    assert not {"model.pt", "summary.json"} & set(tree_of(Path("run")))
    assert "history.csv" in tree_of(Path("run"))


def test_a_collapsed_run_cannot_denoise(train, world, capsys):
    assert run([*train, *_IMPOSSIBLE]) == 2
    capsys.readouterr()
    assert run(["denoise", str(world.parent / "data" / "test"), "out", "--model", "run"]) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert "must be a run folder or a model file, got nothing there" in line


def test_losses_that_are_not_finite_are_a_collapse(train, capsys):
    assert run([*train, "--set", "training.learning_rate=1e30", "--set", "training.log_every=1"]) == 2
    lines = error_lines(capsys.readouterr().err)
    assert len(lines) == 1
    assert not Path("run/model.pt").exists()


def test_a_supervised_run_whose_weights_are_not_finite_leaves_no_model(train, capsys):
    supervised = "method={name: supervised, denoiser: {arguments: {n_features: 4, depth: 2}}}"
    assert run([*train, "--set", supervised, "--set", "training.learning_rate=1e30"]) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert "finite" in line
    assert not Path("run/model.pt").exists()
