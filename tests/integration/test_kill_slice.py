"""A short slice of the kill runs (``python -m benchmarks.kill``), and proof that its inspection sees faults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.kill.inspection import faults_after_kill, faults_at_end, miscounted, tree_of, unreadable_files, visible
from tests.conftest import REPOSITORY

_N_KILLS = 2


def test_a_batch_run_survives_kills_at_random_moments(tmp_path):
    command = [sys.executable, "-m", "benchmarks.kill", "--out", str(tmp_path / "run"), "--n", str(_N_KILLS)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run(
        [*command, "--results", str(tmp_path)],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    summary = json.loads((tmp_path / "kill_batch.json").read_text(encoding="utf-8"))
    assert summary["n_kills"] == _N_KILLS
    assert summary["n_finished"] >= 1
    assert summary["faults"] == []


def fill(folder: Path, **files: str) -> Path:
    """Write files; ``__`` in a name stands for a folder."""
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return fill(tmp_path / "whole", a__1="one", a__2="two", b__1="three")


def test_whole_series_and_hidden_beginnings_are_in_order(whole, tmp_path):
    found = fill(tmp_path / "found", a__1="one", a__2="two")
    (found / ".partial-1").mkdir()
    (found / ".partial-1" / "1").touch()
    assert faults_after_kill(found, [tree_of(whole)]) == []
    assert list(visible(tree_of(found))) == ["a/1", "a/2"]


def test_half_a_series_other_bytes_and_strays_are_faults(whole, tmp_path):
    found = fill(tmp_path / "found", a__1="one", b__1="other", c__1="stray")
    faults = faults_after_kill(found, [tree_of(whole)])
    assert faults == ["stray file c/1", "a is not whole: 1 files", "b is not whole: 1 files"]


def test_a_mixture_of_old_and_new_is_a_fault(whole, tmp_path):
    old = fill(tmp_path / "old", a__1="old one", a__2="old two", b__1="old three")
    found = fill(tmp_path / "found", a__1="one", a__2="old two", b__1="old three")
    assert faults_after_kill(found, [tree_of(whole), tree_of(old)]) == ["a is not whole: 2 files"]


def test_what_is_neither_there_nor_kept_aside_is_lost(whole, tmp_path):
    old = fill(tmp_path / "old", a__1="old one", a__2="old two", b__1="old three")
    found = fill(tmp_path / "found", b__1="three")
    trees = [tree_of(whole), tree_of(old)]
    assert faults_after_kill(found, trees) == []
    assert faults_after_kill(found, trees, replaces=True) == ["a is lost"]
    (found / ".replaced-1").mkdir()
    fill(found / ".replaced-1", **{"1": "old one", "2": "old two"})
    assert faults_after_kill(found, trees, replaces=True) == []


def test_a_file_that_nobody_can_parse_is_a_fault(tmp_path):
    found = fill(tmp_path / "found", a__1="no DICOM", b__1="three")
    assert unreadable_files(found) == ["1 cannot be read", "1 cannot be read"]


def test_records_of_outputs_may_be_under_way_after_a_kill_and_not_at_the_end(whole, tmp_path):
    found = fill(tmp_path / "found", a__1="one", a__2="two", b__1="three")
    fill(found / "b" / ".n2b-ct", record="old and new")
    assert faults_after_kill(found, [tree_of(whole)]) == []
    assert faults_after_kill(whole, [tree_of(found)], replaces=True) == []
    assert faults_at_end(found, tree_of(whole)) == ["b/.n2b-ct/record differs"]


def test_a_told_count_that_is_not_in_the_output_is_a_fault(tmp_path):
    found = fill(tmp_path / "found", **{"a__1.dcm": "one", "a__2.dcm": "two"})
    listed = [{"output": str(found / "a"), "n_slices": n, "status": "present", "detail": ""} for n in (2, 6)]
    listed.append({"output": str(found / "b"), "n_slices": 0, "status": "failed", "detail": "x"})
    (found / "b").mkdir()
    (tmp_path / "told.json").write_text(json.dumps({"series": listed}), encoding="utf-8")
    assert miscounted(tmp_path / "told.json") == [f"{found / 'b'} failed: x", "a: 6 slices told"]


def test_a_finished_output_with_a_leftover_or_another_byte_is_a_fault(whole, tmp_path):
    found = fill(tmp_path / "found", a__1="one", a__2="two", b__1="three")
    assert faults_at_end(found, tree_of(whole)) == []
    fill(found, b__1="four")
    (found / ".partial-1").mkdir()
    assert faults_at_end(found, tree_of(whole)) == ["b/1 differs", "1 leftovers"]
