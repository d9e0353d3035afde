"""No room, on disk or in memory: one line, nothing half-written, and the same result afterwards."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.optim import Adam

from n2b_ct.cli import run
from n2b_ct.io import atomic
from tests.integration.scenes import assert_same_weights, error_lines, tissue_hu, tree_of, weights_of, write_series

FULL = "must be writable, got No space left on device"
N_WRITES = 9  # pipeline, history at start and every second iteration, checkpoints, model, losses, summary


@pytest.fixture
def full_at(monkeypatch) -> Callable[[int | None], list[int]]:
    """Let the disk be full when the n-th file is forced to it; returns a list that grows with every file."""

    def arm(number: int | None) -> list[int]:
        seen: list[int] = []

        def fsync(descriptor: int) -> None:
            seen.append(descriptor)
            if len(seen) == number:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(atomic.os, "fsync", fsync)
        return seen

    return arm


def test_a_training_stops_at_any_write_with_one_line_and_goes_on_to_the_same_weights(world, full_at, capsys):
    settings = ["training.iterations=4", "training.log_every=2", "training.checkpoint_every=2"]
    short = [word for setting in settings for word in ("--set", setting)]
    train = ["train", str(world), "--data-root", str(world.parent / "data"), *short]
    seen = full_at(None)
    assert run([*train, "--out", "whole"]) == 0
    assert len(seen) == N_WRITES
    for number in (1, 3, 4, 7, 8, 9):  # one of each kind of file
        out = f"out{number}"
        full_at(number)
        capsys.readouterr()
        assert run([*train, "--out", out]) == 2
        (line,) = error_lines(capsys.readouterr().err)
        assert FULL in line
        assert ".partial-" not in "".join(tree_of(Path(out)))
        full_at(None)
        resumed = ["--resume"] if number > 1 else []
        assert run([*train, "--out", out, *resumed]) == 0
        assert_same_weights(weights_of(Path("whole")), weights_of(Path(out)))
        assert tree_of(Path(out)) == tree_of(Path("whole"))


def test_a_batch_that_does_not_fit_into_memory_is_one_line_and_the_run_can_be_resumed(world, monkeypatch, capsys):
    train = ["train", str(world), "--data-root", str(world.parent / "data"), "--out", "run"]
    greedy = Adam.step

    def step(optimizer, *arguments):
        torch.empty(2**56, dtype=torch.uint8)
        return greedy(optimizer, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Adam, "step", step)
        assert run(train) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert line.startswith("error: training: a batch must fit into memory, got more than there is; raise training.grad")
    assert run([*train, "--resume"]) == 0


def test_a_manifest_is_written_whole_or_not_at_all(tmp_path, full_at, capsys):
    write_series(tmp_path / "in", tissue_hu(1), uid=1)
    full_at(1)
    assert run(["index", str(tmp_path / "in"), "--out", str(tmp_path / "m.yaml")]) == 2
    assert FULL in error_lines(capsys.readouterr().err)[0]
    assert tree_of(tmp_path) == ["in", *(f"in/slice00{k}.dcm" for k in range(3))]
