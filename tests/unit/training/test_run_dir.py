"""The run folder: a run's own files go, other files stay."""

from __future__ import annotations

import pytest

from n2b_ct.errors import OutputError
from n2b_ct.training.run_dir import make_run_dir

OWN = ("model.pt", "summary.json", "pipeline.yaml", "history.csv", "losses.png", "checkpoints/a.pt", "tensorboard/e")


def fill(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_folder_is_made_with_its_parents(tmp_path):
    make_run_dir(tmp_path / "a" / "b", keep=False)
    assert (tmp_path / "a" / "b").is_dir()


def test_an_earlier_runs_files_go_and_others_stay(tmp_path):
    fill(tmp_path, *OWN, "notes.txt", "data/slice")
    make_run_dir(tmp_path, keep=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "notes.txt"]
    assert (tmp_path / "data" / "slice").is_file()


def test_a_resumed_run_keeps_everything(tmp_path):
    fill(tmp_path, *OWN)
    make_run_dir(tmp_path, keep=True)
    assert all((tmp_path / name).is_file() for name in OWN)


@pytest.mark.parametrize("keep", [True, False])
def test_what_a_kill_left_half_written_goes(tmp_path, keep):
    fill(tmp_path, ".partial-1", "checkpoints/.partial-2", "checkpoints/a.pt")
    make_run_dir(tmp_path, keep=keep)
    assert not list(tmp_path.rglob(".partial-*"))


def test_a_file_in_the_way_is_said(tmp_path):
    fill(tmp_path, "file")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match=r"must be writable, got .*; pass --out"):
            make_run_dir(place, keep=False)
