"""Progress: a bar with time left on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from n2b_ct.io.progress import Progress

_PLAIN_LINE_EVERY_S = 15.0


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """Give a callback ``(done, all, what)`` that draws on stderr."""
    if sys.stderr.isatty():
        with _terminal_bar(what) as callback:
            yield callback
    else:
        yield _plain_lines(what)


@contextmanager
def _terminal_bar(title: str) -> Iterator[Progress]:
    from rich.console import Console
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
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(title, total=None)

        def callback(done: int, total: int, what: str) -> None:
            bars.update(task, completed=done, total=total, description=f"{title}: {what}" if what != title else title)

        yield callback


def _plain_lines(title: str) -> Progress:
    started = last = time.monotonic()

    def callback(done: int, total: int, what: str) -> None:
        nonlocal last
        now = time.monotonic()
        if done < total and now - last < _PLAIN_LINE_EVERY_S:
            return
        last = now
        left = (now - started) * (total - done) / max(done, 1)
        sys.stderr.write(f"{title}: {done}/{total} {what}, {left:.0f} s left\n")

    return callback
