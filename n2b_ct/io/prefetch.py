"""Overlapped stages: a thread prefetches items, another writes results behind the caller.

Each stage is one thread that takes one item after the other, so order, results and errors are those of a plain loop::

    with prefetch(read_all(), 2) as items, write_behind(map(change, items), write, 2) as written:
        for result in written:
            count(result)

Here ``read_all`` runs in a thread, ``change`` in the caller's, ``write`` in another one. Leaving the block ends the
threads: an item in progress is finished, the others are dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _End:
    """Follows the last item."""


@contextmanager
def prefetch(items: Iterable[T], n_items: int) -> Iterator[Iterator[T]]:
    """Let a thread take up to ``n_items`` items before they are asked for.

    The caller gets them in their order; an error is raised in the turn of the item that caused it.

    Args:
        items: Used by that thread alone; a generator is closed when the block is left.
        n_items: Size of the queue, at least 1; the caller holds one more.
    """
    source = iter(items)
    with _closed(source), _one_thread("prefetch") as thread, closing(_prefetched(source, thread, n_items)) as taken:
        yield taken


@contextmanager
def write_behind(items: Iterable[T], write: Callable[[T], R], n_items: int) -> Iterator[Iterator[R]]:
    """Let a thread call ``write`` on items, up to ``n_items`` of them behind the caller.

    The caller gets results in the items' order; an error of ``write`` or of the items is raised in its turn, after all
    earlier calls have returned.

    Args:
        items: Taken in the caller's thread, when it asks for results.
        write: Called on one item after the other.
        n_items: Size of the queue, with the item in progress, at least 1.
    """
    with _one_thread("write-behind") as thread, closing(_written(items, write, thread, n_items)) as results:
        yield results


@contextmanager
def _closed(source: Iterator[T]) -> Iterator[None]:
    try:
        yield
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()


@contextmanager
def _one_thread(name: str) -> Iterator[ThreadPoolExecutor]:
    thread = ThreadPoolExecutor(1, thread_name_prefix=f"n2b-ct-{name}")
    try:
        yield thread
    finally:
        thread.shutdown(cancel_futures=True)


def _prefetched(source: Iterator[T], thread: ThreadPoolExecutor, n_items: int) -> Generator[T, None, None]:
    queue = deque(thread.submit(_next, source) for _ in range(n_items))
    while not isinstance(item := queue.popleft().result(), _End):
        queue.append(thread.submit(_next, source))
        yield item


def _next(source: Iterator[T]) -> T | _End:
    return next(source, _End())


def _written(
    items: Iterable[T], write: Callable[[T], R], thread: ThreadPoolExecutor, n_items: int
) -> Generator[R, None, None]:
    queue: deque[Future[R]] = deque()
    for future in _submitted(items, write, thread):
        queue.append(future)
        while queue and (len(queue) > n_items or queue[0].done()):
            yield queue.popleft().result()
    while queue:
        yield queue.popleft().result()


def _submitted(items: Iterable[T], write: Callable[[T], R], thread: ThreadPoolExecutor) -> Iterator[Future[R]]:
    """Submit every item to the thread; an error of the items becomes a future, so that it is raised in its turn."""
    try:
        for item in items:
            yield thread.submit(write, item)
    except Exception as error:
        failed: Future[R] = Future()
        failed.set_exception(error)
        yield failed
