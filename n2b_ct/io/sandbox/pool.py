"""A pool of workers that outlives its workers."""

from __future__ import annotations

import atexit
import os
import queue
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.sandbox.frames import Answer
from n2b_ct.io.sandbox.process import Limits, WorkerDiedError, WorkerProcess

_N_WORKERS_MAX = 8

Outcome = Answer | SeriesError

_DEATHS = {
    "time_limit": ("must be read in time", "a reader that never ended"),
    "memory_limit": ("must be readable in little memory", "more than the limit"),
    "reader_crashed": ("must be readable", "a crash of its decoder"),
}


class Sandbox:
    """Runs tasks on untrusted files in worker processes.

    Workers start when there is work for them and stay for the next; one that dies is replaced.

    Args:
        n_workers: Processes at most; None: one a core, eight at most.
        limits: What one item may cost.
    """

    def __init__(self, n_workers: int | None = None, limits: Limits | None = None) -> None:
        self.n_workers = n_workers or min(_n_cores(), _N_WORKERS_MAX)
        self._limits = limits or Limits()
        self._idle: queue.LifoQueue[WorkerProcess] = queue.LifoQueue()
        self._threads = ThreadPoolExecutor(self.n_workers, thread_name_prefix="n2b-ct-sandbox")
        self._is_closed = False

    def ask(self, task: str, **arguments: Any) -> Answer:
        """Run one task and wait for it.

        Args:
            task: ``"module:function"`` within n2b_ct.io.
            arguments: JSON values.

        Raises:
            SeriesError: What the task raised, or ``time_limit``, ``memory_limit``, ``reader_crashed``.
        """
        outcome = self._run(task, [arguments])[0]
        if isinstance(outcome, SeriesError):
            raise outcome
        return outcome

    def ask_each(self, task: str, items: Iterable[dict[str, Any]], *, n_together: int = 1) -> Iterator[Outcome]:
        """Run a task on many items, in parallel; yields the outcomes in the items' order.

        Args:
            task: ``"module:function"`` within n2b_ct.io.
            items: Keyword arguments for each; taken only a little ahead of what was yielded.
            n_together: Items in one request: many where each is short.
        """
        remaining = iter(items)
        waiting: deque[Future[list[Outcome]]] = deque()
        try:
            while True:
                while len(waiting) < self.n_workers + 1 and (together := list(islice(remaining, n_together))):
                    waiting.append(self._threads.submit(self._run, task, together))
                if not waiting:
                    return
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """End all workers; the sandbox cannot be used again."""
        self._is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        while not self._idle.empty():
            self._idle.get_nowait().close()

    def _run(self, task: str, items: Sequence[dict[str, Any]]) -> list[Outcome]:
        """Run items one after the other; the item that a worker dies of gets the blame."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(items):
            worker = self._worker()
            try:
                for outcome in worker.ask(task, items[len(outcomes) :]):
                    outcomes.append(outcome)
            except WorkerDiedError as death:
                worker.close()
                outcomes.append(_death(death.reason))
            except BaseException:
                worker.close()
                raise
            else:
                self._keep(worker)
        return outcomes

    def _worker(self) -> WorkerProcess:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return WorkerProcess(self._limits)

    def _keep(self, worker: WorkerProcess) -> None:
        if self._is_closed:
            worker.close()
        else:
            self._idle.put(worker)


_shared: dict[int, Sandbox] = {}


def shared_sandbox() -> Sandbox:
    """The sandbox of this process; a forked child gets its own, for two cannot talk through one pipe."""
    own = _shared.get(os.getpid())
    if own is None:
        own = _shared[os.getpid()] = Sandbox()
        atexit.register(own.close)
    return own


def _death(reason: str) -> SeriesError:
    requirement, got = _DEATHS[reason]
    return SeriesError(reason, explain("file", requirement, got, "leave it out"))


def _n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
