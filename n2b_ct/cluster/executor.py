"""Run tasks on the workers of a Dask scheduler; failed workers are retried."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from n2b_ct.batch.outcomes import Outcome
from n2b_ct.batch.run_context import RunContext
from n2b_ct.batch.trees import CTTask, Executor
from n2b_ct.cluster.connection import connected, lost
from n2b_ct.cluster.job import JobSpec, require_fit, run_task
from n2b_ct.cluster.output_marker import count_attempts, shared_output_marker
from n2b_ct.errors import ClusterError, N2BError, OutputError, explain
from n2b_ct.io.atomic import recover
from n2b_ct.version import __version__

if TYPE_CHECKING:
    from distributed import Client, Future

CHECK_EVERY_S = 5.0
"""Seconds without an event before tasks without a worker are looked for."""

N_RETRIES = 3
"""How often a task is retried after its worker failed or turned out to be unfit."""

_N_QUEUED_MIN, _N_QUEUED_PER_THREAD = 256, 4
_CONNECTION_LOST = (OSError, TimeoutError, CancelledError)


@contextmanager
def cluster_executor(scheduler: str, model: Path | str, device: str = "auto") -> Iterator[Executor]:
    """Connect to a scheduler; yields an executor that runs tasks on its workers.

    Args:
        scheduler: Its address, such as ``tls://host:8786``.
        model: Where workers find the model, absolute; ``base``: in their own installation.
        device: What each worker computes on; with ``auto`` each chooses.

    Raises:
        ConfigError: The extra is not installed, or a worker lacks the device.
        ClusterError: The scheduler cannot be reached or was lost, or a worker does not see input, model or output.
        ModelError: A worker sees another model.
    """
    with connected(scheduler) as client:

        def run_on_workers(tasks: Sequence[CTTask], context: RunContext) -> list[Outcome]:
            with shared_output_marker([path for task in tasks for path in task.output_paths(context)]) as marker:
                spec = JobSpec(
                    model=model,
                    model_digest=context.model.digest,
                    device=device,
                    options=context.options,
                    created=context.created,
                    input_path=tasks[0].path,
                    marker=marker,
                    topic=f"n2b-ct-{secrets.token_hex(8)}",
                    version=__version__,
                )
                try:
                    _require_fit_workers(client, spec)
                    return _ClusterRun(client, spec, tasks, context).outcomes()
                except _CONNECTION_LOST as error:
                    raise lost(scheduler) from error

        yield run_on_workers


def _require_fit_workers(client: Client, spec: JobSpec) -> None:
    """Check every worker that is connected before the first task; one that joins later checks itself."""
    for address, answer in sorted(client.run(require_fit, spec, on_error="return").items()):
        if isinstance(answer, N2BError):
            raise answer
        if isinstance(answer, ImportError):
            message = explain(f"worker {address}", "must have n2b-ct installed", answer.name, "install the same there")
            raise ClusterError(message) from answer


def preferred_workers(study_dir: Path, workers: Iterable[str]) -> list[str]:
    """Return the workers, all of one machine, that should run the tasks of one folder; none with a single machine.

    The series of a study share a folder, and so do their outputs. A single machine looks up the parent folders on the
    shared storage once and alone creates entries there; several would each look them up, and wait for each other's
    locks on the folder.

    This is rendezvous hashing: every machine draws a number from its own name and the folder's, and the highest wins.
    The choice is the same in every process and every run, and where a machine comes or goes only its folders move.

    Args:
        study_dir: The folder.
        workers: Addresses such as ``tcp://10.0.0.3:40331``.
    """
    by_machine: dict[str, list[str]] = {}
    for address in workers:
        by_machine.setdefault(urlsplit(address).hostname or address, []).append(address)
    if len(by_machine) < 2:
        return []

    def draw(machine: str) -> bytes:
        return hashlib.sha256(f"{machine}\n{study_dir}".encode(errors="surrogateescape")).digest()

    return sorted(by_machine[max(by_machine, key=draw)])


class _ClusterRun:
    """Submits tasks and collects their outcomes.

    Only a few more tasks than there are threads are with the scheduler at a time: the lists of files of a whole archive
    would fill its memory. An event is the index of a task with ``(n_slices, name)``,
    its progress, or with its future, when it ended.
    """

    def __init__(self, client: Client, spec: JobSpec, tasks: Sequence[CTTask], context: RunContext) -> None:
        self._client, self._spec, self._tasks, self._context = client, spec, tasks, context
        self._events: SimpleQueue[tuple[int, tuple[int, str] | Future[list[Outcome]]]] = SimpleQueue()
        self._futures: dict[int, Future[list[Outcome]]] = {}
        self._with_preference: set[int] = set()
        self._without_worker: set[int] = set()
        self._n_started = self._n_resubmitted = 0
        self._n_counted = [0] * len(tasks)

    def outcomes(self) -> list[Outcome]:
        """Run all tasks; returns their outcomes in the order of the tasks."""
        done: dict[int, list[Outcome]] = {}
        self._client.subscribe_topic(self._spec.topic, self._on_progress)
        self._fill_queue()
        while len(done) < len(self._tasks):
            try:
                index, event = self._events.get(timeout=CHECK_EVERY_S)
            except Empty:
                self._resubmit_stranded()
                continue
            if isinstance(event, tuple):
                self._count(index, *event)
            elif self._futures.get(index) is event and not self._is_retried(index):
                done[index] = self._result(index)
                self._count(index, self._tasks[index].n_slices, done[index][0].output.name)
                self._fill_queue()
        return [outcome for index in range(len(self._tasks)) for outcome in done[index]]

    def _fill_queue(self) -> None:
        """Submit more tasks, so that no worker is idle."""
        workers = self._client.nthreads()
        n_queued = max(_N_QUEUED_MIN, _N_QUEUED_PER_THREAD * sum(workers.values()))
        while self._n_started < len(self._tasks) and len(self._futures) < n_queued:
            index = self._n_started
            self._submit(index, preferred_workers(self._tasks[index].study_dir, workers))
            self._n_started += 1

    def _submit(self, index: int, preferred: Sequence[str]) -> None:
        future = self._client.submit(
            run_task,
            self._spec,
            self._tasks[index],
            index,
            key=f"{self._spec.topic}-{index}-{self._n_resubmitted}",
            retries=N_RETRIES,
            workers=preferred or None,
            allow_other_workers=bool(preferred),
            pure=False,
        )
        self._futures[index] = future
        if preferred:
            self._with_preference.add(index)
        future.add_done_callback(lambda ended: self._events.put((index, ended)))

    def _resubmit_stranded(self) -> None:
        """Resubmit tasks that lost their worker when there was no other.

        The scheduler keeps such a task for the workers that it preferred, and they do not come back under their old
        addresses. Only what was without a worker twice in a row counts: a task may be between two workers.
        """
        assigned = {key for keys in self._client.processing().values() for key in keys}
        pending = {index for index, future in self._futures.items() if future.status == "pending"}
        without = {index for index in pending & self._with_preference if self._futures[index].key not in assigned}
        for index in without & self._without_worker:
            orphan = self._futures[index]
            self._resubmit(index)
            orphan.cancel()
        self._without_worker = without

    def _is_retried(self, index: int) -> bool:
        """Return whether a task whose worker failed is retried: the scheduler blames all tasks of such a worker.

        Only a worker that had started the task can have failed on it, and that is recorded in the marker.
        """
        future = self._futures[index]
        was_killed = future.status == "error" and _is_killed_worker(future.exception())
        if not was_killed or count_attempts(self._spec.marker, index) > N_RETRIES:
            return False
        self._resubmit(index)
        return True

    def _resubmit(self, index: int) -> None:
        """Submit a task to any worker, under a new key: one that failed cannot be used twice."""
        self._n_resubmitted += 1
        self._with_preference.discard(index)
        self._submit(index, ())

    def _result(self, index: int) -> list[Outcome]:
        """Fetch the outcomes of a task."""
        future, task = self._futures.pop(index), self._tasks[index]
        if future.status == "error":
            return self._failed(task, future.exception())
        try:
            return future.result()
        except _CONNECTION_LOST:
            raise
        except Exception as error:  # whatever happened to the worker, the other tasks continue
            return self._failed(task, error)

    def _failed(self, task: CTTask, error: BaseException | None) -> list[Outcome]:
        """Return the outcome of a task that no worker could run, and clean up after the last of them."""
        for path in task.output_paths(self._context):
            with suppress(OutputError):
                recover(path)
        if isinstance(error, N2BError):
            return task.failed(error)
        got = "none that survived it" if _is_killed_worker(error) else type(error).__name__
        remedy = "look into the workers' logs; memory is the usual reason"
        return task.failed(ClusterError(explain(task.subject, "must be done by some worker", got, remedy)))

    def _on_progress(self, event: tuple[float, dict[str, Any]]) -> None:
        report = event[1]
        self._events.put((report["task"], (report["n_slices"], report["name"])))

    def _count(self, index: int, n_slices: int, name: str) -> None:
        """Count slices; a task that was retried reports its slices once more."""
        n_more = n_slices - self._n_counted[index]
        if n_more > 0:
            self._n_counted[index] = n_slices
            self._context.progress.advance(n_more, name)


def _is_killed_worker(error: BaseException | None) -> bool:
    from distributed.scheduler import KilledWorker

    return isinstance(error, KilledWorker)
