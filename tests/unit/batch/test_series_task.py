"""A series task overlaps reading, the network and writing, and is a plain loop to everybody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from n2b_ct.batch import series_task
from n2b_ct.batch.outcomes import Outcome
from n2b_ct.batch.run_context import ProgressCounter, RunContext
from n2b_ct.batch.run_options import DenoiseOptions
from n2b_ct.batch.series_task import SeriesTask
from n2b_ct.errors import OutputError
from n2b_ct.inference.model import load_model
from n2b_ct.inference.slices import noise_hu
from n2b_ct.io.dicom.derived_series import DerivedSeriesWriter
from n2b_ct.io.dicom.scan import scan
from tests.integration.scenes import biased_model, tissue_hu, tree_of, write_series

N_SLICES = 9
WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not [
        one.name for one in threading.enumerate() if one.name.startswith(("n2b-ct-prefetch", "n2b-ct-write-behind"))
    ]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_series(tmp_path / "in", tissue_hu(1, n_slices=N_SLICES, size_px=32), uid=1)
    return tmp_path / "in"


def task_on(source: Path, seen: list[tuple[int, int]] | None = None, **options) -> Callable[[], Outcome]:
    """Scan and load; returns what denoises the series."""
    (series,) = scan(source).series
    progress = ProgressCounter(None if seen is None else lambda done, total, _: seen.append((done, total)), len(series))
    model = load_model(biased_model(source.parent / "model.pt"))
    context = RunContext(model, DenoiseOptions(**options), WHEN, progress)
    return lambda: SeriesTask(series, source.parent / "out").run(context)[0]


def spoil(source: Path, number: int) -> None:
    """Cut a slice after the scan, so that only reading finds out."""
    path = sorted(source.iterdir())[number]
    path.write_bytes(path.read_bytes()[:-100])


def break_writing(monkeypatch: pytest.MonkeyPatch, at: int, error: BaseException) -> list[int]:
    """Let the n-th slice fail to be written; returns the numbers of the slices that were tried."""
    tried: list[int] = []
    add = DerivedSeriesWriter.add

    def failing(self: DerivedSeriesWriter, *arguments: object) -> object:
        tried.append(len(tried))
        if tried[-1] == at:
            raise error
        return add(self, *arguments)

    monkeypatch.setattr(DerivedSeriesWriter, "add", failing)
    return tried


def test_progress_is_told_slice_by_slice(source):
    seen: list[tuple[int, int]] = []
    outcome = task_on(source, seen)()
    assert (outcome.status, outcome.n_slices) == ("done", N_SLICES)
    assert seen == [(number, N_SLICES) for number in range(1, N_SLICES + 1)]


def test_the_network_stays_in_the_thread_of_the_caller(source, monkeypatch):
    threads = set()

    def watched(*arguments):
        threads.add(threading.current_thread())
        return noise_hu(*arguments)

    monkeypatch.setattr(series_task, "noise_hu", watched)
    assert task_on(source)().status == "done"
    assert threads == {threading.current_thread()}


def test_a_slice_that_cannot_be_written_fails_the_series_and_stops_it(source, monkeypatch):
    tried = break_writing(monkeypatch, 1, OutputError("out: must be writable, got a full disk; make room"))
    outcome = task_on(source)()
    assert (outcome.status, outcome.reason) == ("failed", "OutputError")
    assert outcome.detail == "out: must be writable, got a full disk; make room"
    assert tree_of(source.parent / "out") == []
    assert len(tried) < N_SLICES - 2


def test_what_goes_wrong_first_in_the_series_is_what_is_told(source, monkeypatch):
    denoise = task_on(source)
    spoil(source, 2)
    break_writing(monkeypatch, 1, OutputError("out: must be writable, got a full disk; make room"))
    outcome = denoise()
    assert (outcome.reason, outcome.refused) == ("OutputError", ())


def test_a_slice_that_cannot_be_read_fails_the_series_or_is_left_out(source):
    strict, lenient = task_on(source), task_on(source, skip_bad_slices=True)
    spoil(source, 4)
    outcome = strict()
    assert (outcome.status, outcome.reason) == ("failed", "pixel_truncated")
    assert not (source.parent / "out").exists()
    outcome = lenient()
    assert (outcome.status, outcome.n_slices, outcome.n_skipped_slices) == ("done", N_SLICES - 1, 1)
    assert [record.path.name for record in outcome.refused] == ["slice004.dcm"]


@pytest.mark.parametrize("error", [KeyboardInterrupt("by hand"), RuntimeError("of the network")])
def test_whatever_stops_the_network_reaches_the_caller_as_itself(source, monkeypatch, error):
    def failing(*_):
        raise error

    monkeypatch.setattr(series_task, "noise_hu", failing)
    with pytest.raises(type(error), match=r"by hand|of the network") as caught:
        task_on(source)()
    assert caught.value is error
    assert list(source.parent.glob("*out*")) == []
