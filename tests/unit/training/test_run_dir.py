"""The run folder: a run's own files go, other files stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from n2b_ct.config import Pipeline, load_pipeline
from n2b_ct.config.yaml_files import as_yaml
from n2b_ct.errors import ConfigError, OutputError
from n2b_ct.training.run_dir import (
    make_run_dir,
    recorded_data_root,
    require_free_run_dir,
    require_same_pipeline,
    write_pipeline,
)

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
    with pytest.raises(ConfigError, match="must hold a run of the same pipeline"):
        require_same_pipeline(pipeline(), tmp_path)


@pytest.mark.parametrize("holds", [(), ("pipeline.yaml",), ("notes.txt",)])
def test_a_run_folder_is_free_when_it_is_new_or_empty_or_may_be_replaced_or_gone_on_with(tmp_path, holds):
    require_free_run_dir(pipeline(), tmp_path / "new")
    folder = tmp_path / "run"
    fill(folder, *holds)
    if holds == ("pipeline.yaml",):
        write_pipeline(pipeline(), folder)
        require_free_run_dir(pipeline(), folder, resume=True)
        require_free_run_dir(pipeline(), folder, overwrite=True)
        with pytest.raises(ConfigError, match=r"got other training\.seed; "):
            require_free_run_dir(pipeline(training={"iterations": 3, "seed": 1}), folder, resume=True)
    if not holds:
        folder.mkdir()
        require_free_run_dir(pipeline(), folder)
        require_free_run_dir(pipeline(), folder, resume=True)


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
def test_a_folder_that_holds_something_else_is_never_a_run_folder(tmp_path, options):
    fill(tmp_path / "folder", "notes.txt")
    fill(tmp_path, "file")
    for name in ("folder", "file"):
        expected = rf"^run folder {tmp_path / name}: must be new or empty, got something else; pass out=…$"
        with pytest.raises(OutputError, match=expected):
            require_free_run_dir(pipeline(), tmp_path / name, **options)


def test_an_earlier_run_is_neither_replaced_nor_gone_on_with_unasked(tmp_path):
    write_pipeline(pipeline(), tmp_path)
    expected = (
        rf"^run folder {tmp_path}: must be new or empty, got an earlier run; pass out=…, resume=True or overwrite=True$"
    )
    with pytest.raises(OutputError, match=expected):
        require_free_run_dir(pipeline(), tmp_path)


def test_an_unwritable_folder_is_said_with_what_the_system_says(tmp_path):
    fill(tmp_path, "file")
    expected = rf"^run folder {tmp_path / 'file'}: must be writable, got File exists; pass out=…$"
    with pytest.raises(OutputError, match=expected):
        make_run_dir(tmp_path / "file", keep=False)


def test_only_the_first_process_makes_and_clears_the_folder_and_writes_the_pipeline(tmp_path, monkeypatch):
    fill(tmp_path, *OWN)
    monkeypatch.setenv("RANK", "1")
    make_run_dir(tmp_path, keep=False)
    make_run_dir(tmp_path / "new", keep=False)
    write_pipeline(pipeline(), tmp_path)
    assert all((tmp_path / name).is_file() for name in OWN)
    assert (tmp_path / "pipeline.yaml").read_bytes() == b""
    assert not (tmp_path / "new").exists()


def test_the_pipeline_that_is_written_reads_as_it_was(tmp_path):
    write_pipeline(pipeline(), tmp_path)
    assert load_pipeline(tmp_path / "pipeline.yaml") == pipeline()


def test_the_data_root_is_that_of_the_first_run_that_recorded_one(tmp_path):
    for name, data in {"a": {"manifest": "m"}, "b": {"manifest": "m", "root": "/b"}, "c": {"root": "/c"}}.items():
        fill(tmp_path / name, "pipeline.yaml")
        (tmp_path / name / "pipeline.yaml").write_text(as_yaml({"data": data}))
    fill(tmp_path / "none", "pipeline.yaml")
    (tmp_path / "none" / "pipeline.yaml").write_text("name: p\n")
    runs = {name: tmp_path / name for name in ("absent", "none", "a", "b", "c")}
    assert recorded_data_root(runs.values()) == Path("/b")
    assert recorded_data_root([runs["c"], runs["b"]]) == Path("/c")
    assert recorded_data_root([runs["absent"], runs["none"], runs["a"]]) is None
    assert recorded_data_root([]) is None


def test_where_images_were_kept_does_not_make_another_pipeline(tmp_path):
    write_pipeline(pipeline(), tmp_path)
    require_same_pipeline(pipeline(training={"iterations": 3, "cache": "disk"}), tmp_path)
