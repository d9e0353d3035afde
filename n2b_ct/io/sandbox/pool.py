"""A pool of worker processes, which replaces crashed ones."""

from __future__ import annotations

import atexit
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from queue import Empty, LifoQueue
from threading import Event
from typing import Any

from n2b_ct.errors import DataError, SeriesError, explain
from n2b_ct.io.sandbox.crashes import Crash, crash_from_failed_start
from n2b_ct.io.sandbox.messages import Answer
from n2b_ct.io.sandbox.process import Limits, NotReadyError, WorkerCrashedError, WorkerProcess

_N_WORKERS_MAX = 8

Outcome = Answer | SeriesError
Item = dict[str, Any]


class Sandbox:
    """Runs tasks on untrusted files in worker processes.

    Workers start when there is work for them and stay for the next; one that crashes is replaced.

    Args:
        n_workers: Processes at most; None: one a core, eight at most.
        limits: What one item may cost.
    """

    def __init__(self, n_workers: int | None = None, limits: Limits | None = None) -> None:
        self.n_workers = n_workers or min(_n_cores(), _N_WORKERS_MAX)
        self._workers = WorkerPool(limits or Limits())
        self._threads = ThreadPoolExecutor(self.n_workers, thread_name_prefix="n2b-ct-sandbox")

    def ask(self, task: str, **arguments: Any) -> Answer:
        """Run one task and wait for it.

        Args:
            task: ``"module:function"`` within n2b_ct.io.
            arguments: JSON values.

        Raises:
            SeriesError: What the task raised; ``time_limit``, ``memory_limit``, ``reader_crashed`` or
                ``reader_killed`` where several workers ended on it.
            DataError: No worker starts.
        """
        outcome = self._outcomes(task, [arguments], Event())[0]
        if isinstance(outcome, SeriesError):
            raise outcome
        return outcome

    def ask_each(self, task: str, items: Iterable[Item], *, n_together: int = 1) -> Iterator[Outcome]:
        """Run a task on many items, in parallel; yields the outcomes in the items' order.

        Args:
            task: ``"module:function"`` within n2b_ct.io.
            items: Keyword arguments for each; taken only a little ahead of what was yielded.
            n_together: Items in one request: many where each is short.

        Raises:
            DataError: No worker starts.
        """
        remaining = iter(items)
        waiting: deque[Future[list[Outcome]]] = deque()
        cancelled = Event()
        try:
            while True:
                while len(waiting) < self.n_workers + 1 and (together := list(islice(remaining, n_together))):
                    waiting.append(self._threads.submit(self._outcomes, task, together, cancelled))
                if not waiting:
                    return
                yield from waiting.popleft().result()
        finally:
            cancelled.set()
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """End all workers; the sandbox cannot be used again."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._workers.close()

    def _outcomes(self, task: str, items: Sequence[Item], cancelled: Event) -> list[Outcome]:
        """Run items one after the other; those after a crash continue in another worker."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(items):
            worker = self._workers.begin(task, items[len(outcomes) :], cancelled)
            crash = self._extend(outcomes, worker, len(items) - len(outcomes))
            if crash is not None:
                outcomes.append(self._again(task, items[len(outcomes)], crash, cancelled))
        return outcomes

    def _again(self, task: str, item: Item, crash: Crash, cancelled: Event) -> Outcome:
        """Retry an item that a worker crashed on in new workers, alone; it is blamed once they have crashed as well."""
        outcomes: list[Outcome] = []
        n_crashes = 1
        while n_crashes < crash.n_tries:
            cancelled.wait(crash.pause_s(n_crashes))
            worker = self._workers.begin(task, [item], cancelled, is_last_try=True)
            last = self._extend(outcomes, worker, 1)
            if last is None:
                return outcomes[0]
            crash, n_crashes = last, n_crashes + 1
        return crash.as_error(n_crashes)

    def _extend(self, outcomes: list[Outcome], worker: WorkerProcess, n_items: int) -> Crash | None:
        """Append the outcomes of a worker's items; return its crash, if it did not finish."""
        try:
            for outcome in worker.outcomes(n_items):
                outcomes.append(outcome)
        except WorkerCrashedError as end:
            worker.close()
            return end.crash
        except BaseException:
            worker.close()
            raise
        self._workers.take_back(worker)
        return None


class WorkerPool:
    """Provides workers that have begun a piece of work, and reuses idle ones.

    Args:
        limits: What one item may cost.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._idle: LifoQueue[WorkerProcess] = LifoQueue()
        self._is_closed = False

    def begin(
        self, task: str, items: Sequence[dict[str, Any]], cancelled: Event, *, is_last_try: bool = False
    ) -> WorkerProcess:
        """Start a worker on items; one that fails before is no item's fault, and another one is tried.

        Args:
            task: ``"module:function"`` within n2b_ct.io.
            items: Keyword arguments for each.
            cancelled: Set when the work is cancelled.
            is_last_try: Take a new worker, and give every item the full processor time.

        Raises:
            DataError: Workers do not start.
            WorkCancelledError: The work was cancelled.
        """
        n_failures = 0
        while True:
            begun = self._begun(task, items, cancelled, is_last_try)
            if isinstance(begun, WorkerProcess):
                return begun
            n_failures += 1
            if n_failures >= begun.n_starts:
                raise DataError(explain("reader process", "must start", begun.got, "check memory and process limits"))
            cancelled.wait(begun.pause_s(n_failures))

    def take_back(self, worker: WorkerProcess) -> None:
        """Keep a worker for the next piece of work, unless its memory has grown too much."""
        if self._is_closed or worker.has_grown:
            worker.close()
        else:
            self._idle.put(worker)

    def close(self) -> None:
        """End all idle workers, and those that come back later."""
        self._is_closed = True
        while not self._idle.empty():
            self._idle.get_nowait().close()

    def _begun(
        self, task: str, items: Sequence[dict[str, Any]], cancelled: Event, is_last_try: bool
    ) -> WorkerProcess | Crash:
        try:
            worker = (None if is_last_try else self._idle_one()) or WorkerProcess(self._limits, cancelled.is_set)
        except NotReadyError as failure:
            return failure.crash
        except OSError as error:
            return crash_from_failed_start(error.strerror or type(error).__name__)
        try:
            worker.begin(task, items, is_last_try=is_last_try, is_cancelled=cancelled.is_set)
        except NotReadyError as failure:
            worker.close()
            return failure.crash
        except BaseException:
            worker.close()
            raise
        return worker

    def _idle_one(self) -> WorkerProcess | None:
        """Return an idle worker that still runs, or None."""
        while not self._idle.empty():
            try:
                worker = self._idle.get_nowait()
            except Empty:
                return None
            if worker.is_alive:
                return worker
            worker.close()
        return None


_shared: dict[int, Sandbox] = {}


def shared_sandbox() -> Sandbox:
    """The sandbox of this process; a forked child gets its own, as two cannot share a pipe."""
    own = _shared.get(os.getpid())
    if own is None:
        own = _shared[os.getpid()] = Sandbox()
        atexit.register(own.close)
    return own


def _n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
