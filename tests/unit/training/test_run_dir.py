"""The run folder: a run's own files go, other files stay."""

from __future__ import annotations

import pytest

from n2b_ct.config import Pipeline
from n2b_ct.config.yaml_files import as_yaml
from n2b_ct.errors import ConfigError, OutputError
from n2b_ct.training.run_dir import make_run_dir, require_same_pipeline

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
        with pytest.raises(OutputError, match=r"must be writable, got .*; pass out=…"):
            make_run_dir(place, keep=False)


def pipeline(**changes):
    values = {
        "name": "p",
        "data": {"manifest": "m", "root": "/here"},
        "method": {"name": "supervised"},
        "training": {"iterations": 3},
    }
    return Pipeline.model_validate({**values, **changes})


def test_a_run_goes_on_under_another_name_and_with_its_data_elsewhere(tmp_path):
    (tmp_path / "pipeline.yaml").write_text(as_yaml(pipeline().plain()))
    moved = pipeline(name="q", description="the same", data={"manifest": "m", "root": "/there"})
    require_same_pipeline(moved, tmp_path)


def test_a_run_of_other_settings_is_refused_with_the_keys_that_differ(tmp_path):
    (tmp_path / "pipeline.yaml").write_text(as_yaml(pipeline().plain()))
    with pytest.raises(ConfigError, match=r"got other data\.manifest, training\.seed; pass another out=…"):
        require_same_pipeline(pipeline(data={"manifest": "n"}, training={"iterations": 3, "seed": 1}), tmp_path)


def test_a_run_goes_on_that_an_older_version_began_without_knowing_a_key(tmp_path):
    written = pipeline().plain()
    del written["training"]["gradient_norm_limit"]
    (tmp_path / "pipeline.yaml").write_text(as_yaml(written))
    require_same_pipeline(pipeline(), tmp_path)
    with pytest.raises(ConfigError, match=r"got other training\.gradient_norm_limit; "):
        require_same_pipeline(pipeline(training={"iterations": 3, "gradient_norm_limit": 1}), tmp_path)


def test_a_run_whose_pipeline_no_version_would_read_is_another(tmp_path):
    (tmp_path / "pipeline.yaml").write_text(as_yaml({"name": "p", "trainig": {"iterations": 3}}))
    with pytest.raises(ConfigError, match="must hold a run of this very pipeline"):
        require_same_pipeline(pipeline(), tmp_path)
