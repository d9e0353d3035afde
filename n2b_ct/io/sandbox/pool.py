"""A pool of workers that outlives its workers."""

from __future__ import annotations

import atexit
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from threading import Event
from typing import Any

from n2b_ct.errors import SeriesError
from n2b_ct.io.sandbox.deaths import Death
from n2b_ct.io.sandbox.frames import Answer
from n2b_ct.io.sandbox.process import Limits, WorkerDiedError, WorkerProcess
from n2b_ct.io.sandbox.workers import Workers

_N_WORKERS_MAX = 8

Outcome = Answer | SeriesError
Item = dict[str, Any]


class Sandbox:
    """Runs tasks on untrusted files in worker processes.

    Workers start when there is work for them and stay for the next; one that dies is replaced.

    Args:
        n_workers: Processes at most; None: one a core, eight at most.
        limits: What one item may cost.
    """

    def __init__(self, n_workers: int | None = None, limits: Limits | None = None) -> None:
        self.n_workers = n_workers or min(_n_cores(), _N_WORKERS_MAX)
        self._workers = Workers(limits or Limits())
        self._threads = ThreadPoolExecutor(self.n_workers, thread_name_prefix="n2b-ct-sandbox")

    def ask(self, task: str, **arguments: Any) -> Answer:
        """Run one task and wait for it.

        Args:
            task: ``"module:function"`` within n2b_ct.io.
            arguments: JSON values.

        Raises:
            SeriesError: What the task raised; ``time_limit``, ``memory_limit``, ``reader_crashed`` or
                ``reader_killed`` where several workers died of it.
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
        is_over = Event()
        try:
            while True:
                while len(waiting) < self.n_workers + 1 and (together := list(islice(remaining, n_together))):
                    waiting.append(self._threads.submit(self._outcomes, task, together, is_over))
                if not waiting:
                    return
                yield from waiting.popleft().result()
        finally:
            is_over.set()
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """End all workers; the sandbox cannot be used again."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._workers.close()

    def _outcomes(self, task: str, items: Sequence[Item], is_over: Event) -> list[Outcome]:
        """Run items one after the other; those behind one that a worker dies of go on in another worker."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(items):
            worker = self._workers.begin(task, items[len(outcomes) :], is_over)
            death = self._extend(outcomes, worker, len(items) - len(outcomes))
            if death is not None:
                outcomes.append(self._again(task, items[len(outcomes)], death, is_over))
        return outcomes

    def _again(self, task: str, item: Item, death: Death, is_over: Event) -> Outcome:
        """Give an item that a worker died of to new workers, alone; it is blamed once they have died of it as well."""
        outcomes: list[Outcome] = []
        n_deaths = 1
        while n_deaths < death.n_tries:
            is_over.wait(death.pause_s(n_deaths))
            worker = self._workers.begin(task, [item], is_over, is_last_try=True)
            last = self._extend(outcomes, worker, 1)
            if last is None:
                return outcomes[0]
            death, n_deaths = last, n_deaths + 1
        return death.as_error(n_deaths)

    def _extend(self, outcomes: list[Outcome], worker: WorkerProcess, n_items: int) -> Death | None:
        """Take in the outcomes of what a worker has begun; returns what it died of, if it did."""
        try:
            for outcome in worker.outcomes(n_items):
                outcomes.append(outcome)
        except WorkerDiedError as end:
            worker.close()
            return end.death
        except BaseException:
            worker.close()
            raise
        self._workers.take_back(worker)
        return None


_shared: dict[int, Sandbox] = {}


def shared_sandbox() -> Sandbox:
    """The sandbox of this process; a forked child gets its own, for two cannot talk through one pipe."""
    own = _shared.get(os.getpid())
    if own is None:
        own = _shared[os.getpid()] = Sandbox()
        atexit.register(own.close)
    return own


def _n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
