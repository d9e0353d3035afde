"""Progress: a bar with time left on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from n2b_ct.cli.console import bar_console, is_terminal, say_err
from n2b_ct.errors import printable

if TYPE_CHECKING:
    from n2b_ct.io.progress import Progress

_PLAIN_LINE_EVERY_S = 15.0


@contextmanager
def progress_bar(what: str, *, shown: bool = True) -> Iterator[Progress]:
    """Yield a callback ``(done, all, what)`` that draws on stderr, or does nothing unless ``shown``."""
    if not shown:
        yield lambda done, total, what: None  # noqa: ARG005 (another process of the same job draws)
    elif is_terminal():
        with _terminal_bar(what) as callback:
            yield callback
    else:
        yield _plain_lines(what)


@contextmanager
def _terminal_bar(title: str) -> Iterator[Progress]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=bar_console()) as bars:
        title = printable(title)
        task = bars.add_task(title, total=None)

        pace = _Pace()

        def callback(done: int, total: int, what: str) -> None:
            if pace.begins(done, total):
                bars.reset(task, completed=done, total=total)
            described = f"{title}: {printable(what)}" if what != title else title
            bars.update(task, completed=done, total=total, description=described)

        yield callback


class _Pace:
    """Speed since the start: a resumed job does not count what was done before."""

    def __init__(self) -> None:
        self._first, self._last, self._total, self._started = 0, -1, -1, 0.0

    def begins(self, done: int, total: int) -> bool:
        """Record a count; return True where the total changed or the count fell."""
        anew = total != self._total or done < self._last
        if anew:
            self._first, self._total, self._started = done, total, time.monotonic()
        self._last = done
        return anew

    def seconds_left(self) -> float | None:
        """Time left at the pace so far; None before anything was done."""
        if self._last >= self._total:
            return 0.0
        n_done = self._last - self._first
        return (time.monotonic() - self._started) * (self._total - self._last) / n_done if n_done > 0 else None


def _plain_lines(title: str) -> Progress:
    last, pace = time.monotonic(), _Pace()

    def callback(done: int, total: int, what: str) -> None:
        nonlocal last
        pace.begins(done, total)
        now = time.monotonic()
        if done < total and now - last < _PLAIN_LINE_EVERY_S:
            return
        last = now
        left = pace.seconds_left()
        time_left = "" if left is None else f", {left:.0f} s left"
        say_err(f"{title}: {done}/{total} {what}{time_left}")

    return callback
