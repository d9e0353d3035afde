"""A job on a worker: check shared paths and versions, load the model once, run a task."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from n2b_ct.batch.outcomes import Outcome
from n2b_ct.batch.run_context import ProgressCounter, RunContext
from n2b_ct.batch.run_options import DenoiseOptions
from n2b_ct.batch.trees import CTTask
from n2b_ct.cluster.output_marker import count_attempts, note_attempt
from n2b_ct.errors import ClusterError, ModelError, explain
from n2b_ct.inference.model import Model, load_model
from n2b_ct.inference.shipped import model_path
from n2b_ct.io.progress import Progress
from n2b_ct.training.devices import choose_device
from n2b_ct.version import __version__

_REPORT_EVERY_S = 1.0
_N_DIGEST_CHARACTERS = 12
_loading = threading.Lock()


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One run, as it is sent to workers; all paths are absolute.

    Attributes:
        model: Where a worker finds the model; ``base``: its own installation's, which must be the same.
        model_digest: Digest of the model that the run was started with; no other is accepted.
        device: What a worker computes on; with ``auto`` each chooses.
        options: Of the run.
        created: Creation time of every output.
        input_path: A file of the input.
        marker: Hidden folder that shows a worker that it sees the output (:mod:`n2b_ct.cluster.output_marker`).
        topic: Under which workers report slices.
        version: Of n2b-ct, on the submitting side.
    """

    model: Path | str
    model_digest: str
    device: str
    options: DenoiseOptions
    created: datetime
    input_path: Path
    marker: Path
    topic: str
    version: str


def require_fit(spec: JobSpec) -> None:
    """Check that this worker would give the same result as every other one.

    Raises:
        ClusterError: Another version, or input, model or output do not exist under their paths.
        ModelError: Not the model that the run was started with.
        ConfigError: A device that this machine does not have.
    """
    if __version__ != spec.version:
        got = f"n2b-ct {__version__} on {socket.gethostname()}"
        raise ClusterError(explain("worker", f"must run n2b-ct {spec.version}", got, "install the same everywhere"))
    _require_visible("input", spec.input_path)
    if isinstance(spec.model, Path):
        _require_visible("model", spec.model)
    _require_visible("output", spec.marker)
    _model(spec)


def run_task(spec: JobSpec, task: CTTask, index: int) -> list[Outcome]:
    """Run one task; its errors end up in its outcomes.

    Raises:
        ClusterError: This worker is unsuitable for the run; another may do. So for ModelError and ConfigError.
    """
    require_fit(spec)
    _require_visible("input", task.path)
    options = _for_attempt(spec.options, is_retry=count_attempts(spec.marker, index) > 0)
    note_attempt(spec.marker, index)
    counter = ProgressCounter(_reporter(spec.topic, index), task.n_slices)
    return task.run(RunContext(_model(spec), options, spec.created, counter))


def _for_attempt(options: DenoiseOptions, *, is_retry: bool) -> DenoiseOptions:
    """Let a retry replace the output of the attempt before, which may have been killed when it was whole.

    Outputs that existed before the run were refused before its first task.
    """
    return replace(options, if_present="replace") if is_retry and options.if_present == "refuse" else options


def _require_visible(what: str, path: Path) -> None:
    if not path.exists():
        shown = path if what != "output" else path.parent
        remedy = "put it on storage that all machines mount under one path"
        got = f"nothing there on {socket.gethostname()}" if what != "output" else f"another on {socket.gethostname()}"
        raise ClusterError(explain(f"{what} {shown}", "must be the same for every worker", got, remedy))


def _model(spec: JobSpec) -> Model:
    """Return the model, loaded once in every process."""
    with _loading:
        return _loaded(spec.model, spec.model_digest, spec.device)


@lru_cache(maxsize=1)
def _loaded(place: Path | str, digest: str, device: str) -> Model:
    model = load_model(model_path(place), choose_device(device))
    if model.digest != digest:
        got = f"{model.digest[:_N_DIGEST_CHARACTERS]} on {socket.gethostname()}"
        requirement = f"must be the run's, {digest[:_N_DIGEST_CHARACTERS]}"
        raise ModelError(explain(f"model {place}", requirement, got, "do not change a model while it is in use"))
    return model


def _reporter(topic: str, index: int) -> Progress | None:
    """Return a function that reports slices to the submitting side, at most once a second."""
    from distributed import get_worker

    worker, last = get_worker(), time.monotonic()

    def report(done: int, _total: int, name: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _REPORT_EVERY_S:
            last = time.monotonic()
            worker.log_event(topic, {"task": index, "n_slices": done, "name": name})

    return report
