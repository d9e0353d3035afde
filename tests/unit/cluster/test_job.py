"""What a worker makes sure of, and what it does when another died before it."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import n2b_ct
from n2b_ct.batch.run_options import DenoiseOptions
from n2b_ct.batch.trees import CTTask, plan_tree
from n2b_ct.cluster import job
from n2b_ct.cluster.job import JobSpec
from n2b_ct.errors import ClusterError, ModelError
from n2b_ct.inference.model import load_model
from n2b_ct.inference.shipped import WEIGHTS_FILE
from tests.integration.scenes import biased_model, tissue_hu, tree_of, write_series
from tests.shipped_base import ship_stand_in

WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def task(tmp_path: Path) -> CTTask:
    write_series(tmp_path / "in" / "a", tissue_hu(1, size_px=33), uid=1)
    (task,), _ = plan_tree(tmp_path / "in", tmp_path / "out", DenoiseOptions())
    return pickle.loads(pickle.dumps(task))  # noqa: S301 (our own)


@pytest.fixture
def spec(tmp_path: Path, task: CTTask, monkeypatch: pytest.MonkeyPatch) -> JobSpec:
    monkeypatch.setattr(job, "_reporter", lambda topic, index: None)
    model = biased_model(tmp_path / "model.pt")
    marker = tmp_path / "out" / "marker"
    marker.mkdir(parents=True)
    options = DenoiseOptions()
    digest = load_model(model).digest
    return JobSpec(model, digest, "cpu", options, WHEN, task.path, marker, "topic", n2b_ct.__version__)


def test_a_task_is_run(spec, task, tmp_path):
    (done,) = job.run_task(spec, task, 0)
    assert (done.status, done.output) == ("done", tmp_path / "out" / "a")
    assert tree_of(tmp_path / "out" / "a") == ["slice000.dcm", "slice001.dcm", "slice002.dcm"]


def test_a_worker_takes_the_shipped_model_of_its_own_installation(spec, task, tmp_path, monkeypatch):
    base = ship_stand_in(tmp_path / "package" / "base", monkeypatch)
    digest = load_model(base / WEIGHTS_FILE).digest
    (done,) = job.run_task(replace(spec, model="base", model_digest=digest), task, 0)
    assert done.status == "done"
    with pytest.raises(ModelError, match=r"^model base: must be the run's, 000000000000, got .* on "):
        job.run_task(replace(spec, model="base", model_digest="0" * 64), task, 0)


def test_a_worker_that_died_when_all_was_written_does_no_harm(spec, task):
    first, again = (job.run_task(spec, task, 0) for _ in range(2))
    assert again == first
    assert again[0].status == "done"


def test_what_somebody_else_wrote_meanwhile_is_not_replaced(spec, task, tmp_path):
    (tmp_path / "out" / "a").mkdir()
    (tmp_path / "out" / "a" / "theirs").touch()
    (done,) = job.run_task(spec, task, 0)
    assert (done.status, done.reason) == ("failed", "OutputError")
    assert tree_of(tmp_path / "out" / "a") == ["theirs"]


def test_a_resumed_output_is_kept_by_a_second_attempt_too(spec, task, tmp_path):
    resumed = replace(spec, options=DenoiseOptions(if_present="skip"))
    job.run_task(spec, task, 0)
    assert job.run_task(resumed, task, 0)[0].status == "present"


def test_a_worker_believes_no_place_because_something_lies_there(spec, task, tmp_path):
    resumed = replace(spec, options=DenoiseOptions(if_present="skip"))
    job.run_task(replace(spec, options=DenoiseOptions(strength=0.5)), task, 0)
    (redone,) = job.run_task(resumed, task, 1)
    assert (redone.status, redone.n_slices, redone.problems[-1]) == ("done", 3, "output_replaced")
    (tmp_path / "out" / "a" / "notes.txt").write_text("mine")
    (refused,) = job.run_task(resumed, task, 2)
    assert (refused.status, refused.reason) == ("failed", "output_foreign")
    assert "got notes.txt; move it away, or pass overwrite=True" in refused.detail
    assert len(tree_of(tmp_path / "out" / "a")) == 4


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("input_path", "input .*elsewhere: must be the same for every worker, got nothing there on "),
        ("model", "model .*elsewhere: must be the same for every worker, got nothing there on "),
        (
            "marker",
            "output .*: must be the same for every worker, got another on .*; put it on storage that all machines",
        ),
    ],
)
def test_a_worker_that_sees_another_disk_refuses(spec, task, tmp_path, field, message):
    with pytest.raises(ClusterError, match=message):
        job.run_task(replace(spec, **{field: tmp_path / "elsewhere"}), task, 0)
    assert not (tmp_path / "out" / "a").exists()


def test_a_worker_with_another_version_refuses(spec):
    with pytest.raises(
        ClusterError, match=r"worker: must run n2b-ct 0\.0\.1, got n2b-ct .*; install the same everywhere"
    ):
        job.require_fit(replace(spec, version="0.0.1"))


def test_a_worker_with_another_model_refuses(spec):
    with pytest.raises(ModelError, match=r"model .*model.pt: must be the run's, 000000000000, got \w{12} on "):
        job.require_fit(replace(spec, model_digest="0" * 64))
