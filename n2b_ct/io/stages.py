"""Stages that overlap: what comes before a piece of work is made ahead of it, what comes after is done behind it.

Each stage is one thread that takes one item after the other, so order, results and errors are those of a plain loop::

    with ahead(read_all(), 2) as found, behind(map(change, found), write, 2) as written:
        for result in written:
            count(result)

Here ``read_all`` runs in a thread, ``change`` in the caller's, ``write`` in another one. Leaving the block, by whatever
way, ends the threads: what is being done is finished, the rest is left out.
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
    """What comes after the last item."""


@contextmanager
def ahead(items: Iterable[T], n_ahead: int) -> Iterator[Iterator[T]]:
    """Let a thread take up to ``n_ahead`` items that nobody has asked for yet.

    The caller gets them in their order, and an error of taking one in its turn.

    Args:
        items: Nobody but that thread touches them; a generator is closed when the block is left.
        n_ahead: Items that wait, at least 1; the caller holds one more.
    """
    source = iter(items)
    with _closed(source), _one_thread("ahead") as thread, closing(_taken(source, thread, n_ahead)) as taken:
        yield taken


@contextmanager
def behind(items: Iterable[T], work: Callable[[T], R], n_behind: int) -> Iterator[Iterator[R]]:
    """Let a thread work on items, up to ``n_behind`` of them behind the caller.

    The caller gets results in the items' order, and an error of the work or of the items in its turn, when all that
    came before has ended.

    Args:
        items: Taken in the caller's thread, when it asks for results.
        work: Done on one item after the other.
        n_behind: Items that wait or are worked on, at least 1.
    """
    with _one_thread("behind") as thread, closing(_worked_on(items, work, thread, n_behind)) as results:
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


def _taken(source: Iterator[T], thread: ThreadPoolExecutor, n_ahead: int) -> Generator[T, None, None]:
    waiting = deque(thread.submit(_next, source) for _ in range(n_ahead))
    while not isinstance(item := waiting.popleft().result(), _End):
        waiting.append(thread.submit(_next, source))
        yield item


def _next(source: Iterator[T]) -> T | _End:
    return next(source, _End())


def _worked_on(
    items: Iterable[T], work: Callable[[T], R], thread: ThreadPoolExecutor, n_behind: int
) -> Generator[R, None, None]:
    waiting: deque[Future[R]] = deque()
    for future in _handed_over(items, work, thread):
        waiting.append(future)
        while waiting and (len(waiting) > n_behind or waiting[0].done()):
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _handed_over(items: Iterable[T], work: Callable[[T], R], thread: ThreadPoolExecutor) -> Iterator[Future[R]]:
    """Hand items over to the thread; an error of the items waits for its turn like one of the work."""
    try:
        for item in items:
            yield thread.submit(work, item)
    except Exception as error:
        failed: Future[R] = Future()
        failed.set_exception(error)
        yield failed
