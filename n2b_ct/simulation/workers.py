"""Work on a stream in several processes, answers in the stream's order, never more than a few items ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from types import TracebackType
from typing import Any, TypeVar

from n2b_ct.errors import OutputError, explain

_Kept = TypeVar("_Kept")
_Answer = TypeVar("_Answer")
_AHEAD_PER_WORKER = 2


class Workers:
    """Processes that start with the first task; a context manager.

    Args:
        n_workers: Processes; at most 1 works here instead.
    """

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        """Start nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the processes; tasks that wait are dropped."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(
        self, function: Callable[..., _Answer], tasks: Iterable[tuple[_Kept, tuple[Any, ...]]]
    ) -> Iterator[tuple[_Kept, _Answer]]:
        """Call ``function`` on the arguments of each task.

        Args:
            function: Can be pickled.
            tasks: Of each, what stays here and the arguments that travel.

        Yields:
            What stayed here, with the answer.

        Raises:
            OutputError: A process died.
        """
        if self._n_workers <= 1:
            for kept, arguments in tasks:
                yield kept, function(*arguments)
            return
        waiting: deque[tuple[_Kept, Future[_Answer]]] = deque()
        try:
            for kept, arguments in tasks:
                waiting.append((kept, self._started().submit(function, *arguments)))
                if len(waiting) > _AHEAD_PER_WORKER * self._n_workers:
                    yield _answered(waiting)
            while waiting:
                yield _answered(waiting)
        except BrokenProcessPool as error:
            remedy = "guard the script's main part with __name__ == '__main__', or use one worker"
            raise OutputError(explain("workers", "must stay alive", "one that died", remedy)) from error
        finally:
            for _, future in waiting:
                future.cancel()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._n_workers, mp_context=get_context("spawn"), initializer=_die_with_parent
            )
        return self._pool


def _answered(waiting: deque[tuple[_Kept, Future[_Answer]]]) -> tuple[_Kept, _Answer]:
    kept, future = waiting.popleft()
    return kept, future.result()


def _die_with_parent() -> None:
    """End a worker whose parent was killed; it would wait for work for ever."""

    def watch() -> None:
        parent = parent_process()
        if parent is not None:
            connection.wait([parent.sentinel])
            os._exit(1)

    Thread(target=watch, daemon=True).start()
