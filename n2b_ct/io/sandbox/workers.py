"""The workers at hand: they start when there is work for them and stay for more; one that dies is replaced."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from threading import Event
from typing import Any

from n2b_ct.errors import DataError, explain
from n2b_ct.io.sandbox.deaths import Death, death_by_refusal
from n2b_ct.io.sandbox.process import Limits, NotReadyError, WorkerProcess


class Workers:
    """Gives out workers that have begun a piece of work, and takes them back.

    Args:
        limits: What one item may cost.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._idle: queue.LifoQueue[WorkerProcess] = queue.LifoQueue()
        self._is_closed = False

    def begin(
        self, task: str, items: Sequence[dict[str, Any]], is_over: Event, *, is_last_try: bool = False
    ) -> WorkerProcess:
        """Let a worker begin; one that does not come so far is no item's fault, and another one is tried.

        Args:
            task: ``"module:function"`` within n2b_ct.io.
            items: Keyword arguments for each.
            is_over: Set when nobody waits any more.
            is_last_try: Take a new worker, and give every item all of its processor time.

        Raises:
            DataError: Workers do not start.
            UnwantedError: Nobody waits any more.
        """
        n_failures = 0
        while True:
            begun = self._begun(task, items, is_over, is_last_try)
            if isinstance(begun, WorkerProcess):
                return begun
            n_failures += 1
            if n_failures >= begun.n_starts:
                raise DataError(explain("reader process", "must start", begun.got, "check memory and process limits"))
            is_over.wait(begun.pause_s(n_failures))

    def take_back(self, worker: WorkerProcess) -> None:
        """Keep a worker for the next piece of work, unless earlier ones have left too much in its memory."""
        if self._is_closed or worker.has_grown:
            worker.close()
        else:
            self._idle.put(worker)

    def close(self) -> None:
        """End all that are at hand, and those that come back later."""
        self._is_closed = True
        while not self._idle.empty():
            self._idle.get_nowait().close()

    def _begun(
        self, task: str, items: Sequence[dict[str, Any]], is_over: Event, is_last_try: bool
    ) -> WorkerProcess | Death:
        def is_wanted() -> bool:
            return not is_over.is_set()

        try:
            worker = (None if is_last_try else self._idle_one()) or WorkerProcess(self._limits, is_wanted)
        except NotReadyError as failure:
            return failure.death
        except OSError as error:
            return death_by_refusal(error.strerror or type(error).__name__)
        try:
            worker.begin(task, items, is_last_try=is_last_try, is_wanted=is_wanted)
        except NotReadyError as failure:
            worker.close()
            return failure.death
        except BaseException:
            worker.close()
            raise
        return worker

    def _idle_one(self) -> WorkerProcess | None:
        """One that is at hand and lives."""
        while not self._idle.empty():
            try:
                worker = self._idle.get_nowait()
            except queue.Empty:
                return None
            if worker.is_alive:
                return worker
            worker.close()
        return None
