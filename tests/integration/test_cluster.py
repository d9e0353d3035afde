"""Denoising on the workers of a scheduler, with processes that are really killed: the bytes of a local run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from distributed import Client
from pydicom.uid import RLELossless

from n2b_ct import api
from n2b_ct.batch.outcomes import Outcome, TreeResult
from n2b_ct.batch.run_options import DenoiseOptions
from n2b_ct.batch.trees import denoise_tree
from n2b_ct.cluster import executor as cluster
from n2b_ct.cluster.executor import cluster_executor
from n2b_ct.errors import ClusterError, ConfigError, ModelError
from n2b_ct.inference.model import load_model
from tests.integration.fleet import Fleet, fleet_of, kill, running, wait_until
from tests.integration.scenes import biased_model, tissue_hu, write_series

WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
N_SLICES = 30
"""Long enough to be killed in the middle of."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_of(2, tmp_path_factory.mktemp("fleet")) as fleet:
        yield fleet


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for uid, place in enumerate(("p1/s1", "p1/s2", "p2/s3"), start=1):
        write_series(tmp_path / "in" / place, tissue_hu(uid, n_slices=N_SLICES), uid=uid)
    return tmp_path / "in"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return biased_model(tmp_path / "model.pt")


def denoise(archive: Path, model: Path, output: str = "out", scheduler: str | None = None, **more: Any) -> TreeResult:
    options = {"created": WHEN, **more}
    return api.denoise(archive, archive.parent / output, model=model, scheduler=scheduler, **options)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def statuses(result: TreeResult) -> list[tuple[str, int]]:
    return [(one.status, one.n_slices) for one in result.outcomes]


def is_in_mid_series(output: Path) -> bool:
    """Whether a series is half written; folders may vanish meanwhile, which os.walk does not mind."""
    folders = ((Path(folder), names) for folder, _, names in os.walk(output))
    return any(
        folder.name.startswith(".partial-") and any(n.endswith(".dcm") for n in names) for folder, names in folders
    )


def test_the_result_is_that_of_a_local_run_byte_for_byte(archive, model, fleet):
    hu = np.random.default_rng(0).uniform(-100, 100, (9, 7, 3)).round().astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(hu, np.diag([-0.7, -0.7, 3.0, 1.0])), archive / "p1" / "v.nii.gz")
    for path in sorted((archive / "p1" / "s2").iterdir()):
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(path)
    bad = write_series(archive / "p2" / "s4", tissue_hu(4), uid=4)[1]
    bad.write_bytes(bad.read_bytes()[:-500])
    told: list[tuple[int, int]] = []

    there = denoise(
        archive,
        model,
        "there",
        fleet.address,
        residual=True,
        progress=lambda done, total, _: told.append((done, total)),
    )
    here = denoise(archive, model, "here", residual=True)

    assert statuses(here) == [("done", N_SLICES)] * 3 + [("failed", 0), ("done", 3)]
    assert [moved(one, archive.parent) for one in there.outcomes] == [
        moved(one, archive.parent) for one in here.outcomes
    ]
    assert there.records == here.records
    assert files_of(archive.parent / "there") == files_of(archive.parent / "here")
    assert told[-1] == (3 * N_SLICES + 2 + 3, 3 * N_SLICES + 2 + 3)


def moved(outcome: Outcome, root: Path) -> Outcome:
    """The outcome, wherever its run wrote."""
    return replace(outcome, output=Path(*outcome.output.relative_to(root).parts[1:]))


def test_a_worker_killed_in_mid_series_is_replaced_by_a_retry_with_the_same_bytes(archive, model, tmp_path):
    output = tmp_path / "out"
    with fleet_of(1, tmp_path / "fleet") as fleet, running(lambda: replace_workers(fleet, output)):
        result = denoise(archive, model, scheduler=fleet.address)
    denoise(archive, model, "here")
    assert statuses(result) == [("done", N_SLICES)] * 3
    assert files_of(output) == files_of(tmp_path / "here")


def test_when_all_workers_of_all_machines_are_replaced_the_work_goes_on(archive, model, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "CHECK_EVERY_S", 0.5)
    output = tmp_path / "out"
    with fleet_of(2, tmp_path / "fleet") as fleet:
        with Client(fleet.address, set_as_default=False) as onlooker:
            onlooker.wait_for_workers(2)
        with running(lambda: replace_workers(fleet, output)):
            result = denoise(archive, model, scheduler=fleet.address)
    assert statuses(result) == [("done", N_SLICES)] * 3


def test_a_series_that_workers_die_of_fails_and_the_others_are_done(archive, model, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "N_RETRIES", 0)
    output = tmp_path / "out"
    with (
        fleet_of(1, tmp_path / "fleet", DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as fleet,
        running(lambda: replace_workers(fleet, output)),
    ):
        result = denoise(archive, model, scheduler=fleet.address)
    assert sorted(one.status for one in result.outcomes) == ["done", "done", "failed"]
    (failed,) = [one for one in result.outcomes if one.status == "failed"]
    assert failed.reason == "ClusterError"
    assert "must be done by some worker, got none that survived it; look into the workers' logs" in failed.detail
    assert not failed.output.exists()
    assert list(output.rglob(".*")) == []


def replace_workers(fleet: Fleet, output: Path) -> None:
    """Kill all workers when one is in mid-series, and start one in their place."""
    wait_until(lambda: is_in_mid_series(output), "a worker in mid-series")
    for worker in fleet.workers:
        kill(worker)
    fleet.add_worker()


def test_a_lost_scheduler_is_one_line_and_what_is_done_stays(archive, model, tmp_path):
    with fleet_of(1, tmp_path / "fleet") as fleet:
        with pytest.raises(ClusterError, match="must stay until all is done, got no connection; finished outputs stay"):
            denoise(archive, model, scheduler=fleet.address, progress=lambda *_: kill(fleet.scheduler))
        wait_until(lambda: fleet.workers[0].poll() is not None, "the worker to end without its scheduler")
    n_done = len(list((tmp_path / "out").glob("p*/s*")))
    assert 1 <= n_done < 3
    resumed = denoise(archive, model, resume=True)
    assert [one.status for one in resumed.outcomes].count("present") == n_done
    denoise(archive, model, "here")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "here")


def test_an_interruption_forgets_what_was_not_begun(archive, model, fleet, tmp_path):
    for uid in range(10, 15):
        write_series(archive / "p3" / f"s{uid}", tissue_hu(uid, n_slices=N_SLICES), uid=uid)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        denoise(archive, model, scheduler=fleet.address, progress=interrupt)
    with Client(fleet.address, set_as_default=False) as onlooker:
        n_tasks = partial(onlooker.run_on_scheduler, lambda dask_scheduler: len(dask_scheduler.tasks))
        wait_until(lambda: n_tasks() == 0, "the scheduler to forget the tasks")
        wait_until(lambda: not is_in_mid_series(tmp_path / "out"), "the workers to end what they had begun")
    assert 1 <= len(list((tmp_path / "out").glob("p*/s*"))) < 8


def test_a_worker_with_another_model_stops_the_run_before_it_begins(archive, model, fleet, tmp_path):
    other = load_model(biased_model(tmp_path / "other.pt", bias=0.2))
    with (
        cluster_executor(fleet.address, model) as executor,
        pytest.raises(ModelError, match=r"model .*model.pt: must be the run's, \w{12}, got \w{12} on "),
    ):
        denoise_tree(archive, tmp_path / "out", other, DenoiseOptions(), executor=executor)
    assert not (tmp_path / "out").exists()


def test_a_device_that_no_worker_has_is_refused_before_it_begins(archive, model, fleet, tmp_path):
    with pytest.raises(ConfigError, match="device: must be a device of this machine, got cuda:99"):
        api.denoise(archive, tmp_path / "out", model=model, device="cuda:99", scheduler=fleet.address)
    assert not (tmp_path / "out").exists()
