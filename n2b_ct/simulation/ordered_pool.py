"""A process pool that maps a stream in order, with a short prefetch queue."""

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

_Context = TypeVar("_Context")
_Answer = TypeVar("_Answer")
_N_AHEAD_PER_WORKER = 2


class OrderedPool:
    """Processes that start with the first task; a context manager.

    Args:
        n_workers: Processes; at most 1 works here instead.
    """

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> OrderedPool:
        """Start nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the processes; pending tasks are dropped."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(
        self, function: Callable[..., _Answer], tasks: Iterable[tuple[_Context, tuple[Any, ...]]]
    ) -> Iterator[tuple[_Context, _Answer]]:
        """Call ``function`` on the arguments of each task.

        Args:
            function: Can be pickled.
            tasks: Of each, a context that stays here and the arguments that are sent.

        Yields:
            The context with the answer.

        Raises:
            OutputError: A process ended unexpectedly.
        """
        if self._n_workers <= 1:
            for context, arguments in tasks:
                yield context, function(*arguments)
            return
        pending: deque[tuple[_Context, Future[_Answer]]] = deque()
        try:
            for context, arguments in tasks:
                pending.append((context, self._process_pool().submit(function, *arguments)))
                if len(pending) > _N_AHEAD_PER_WORKER * self._n_workers:
                    yield _next_answer(pending)
            while pending:
                yield _next_answer(pending)
        except BrokenProcessPool as error:
            remedy = "guard the script's main part with __name__ == '__main__', or use one worker"
            raise OutputError(explain("workers", "must stay alive", "one that died", remedy)) from error
        finally:
            for _, future in pending:
                future.cancel()

    def _process_pool(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._n_workers, mp_context=get_context("spawn"), initializer=_exit_with_parent
            )
        return self._pool


def _next_answer(pending: deque[tuple[_Context, Future[_Answer]]]) -> tuple[_Context, _Answer]:
    context, future = pending.popleft()
    return context, future.result()


def _exit_with_parent() -> None:
    """End a worker whose parent was killed; it would wait for work for ever."""

    def watch() -> None:
        parent = parent_process()
        if parent is not None:
            connection.wait([parent.sentinel])
            os._exit(1)

    Thread(target=watch, daemon=True).start()
