"""Where others' ways run: in a process of their own, which holds its memory as any script does.

n2b-ct's command keeps freed memory for the next slice (decision 0012); what it is measured against shall not profit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import TracebackType
from typing import Any

Ways = dict[str, Callable[[], Any]]
_ways: Ways = {}


class OtherProcess:
    """Does by name what ``prepare(*arguments)``, called there, has made.

    Args:
        prepare: A module's function.
        arguments: Plain values.
    """

    def __init__(self, prepare: Callable[..., Ways], *arguments: Any) -> None:
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), _prepare, (prepare, arguments))

    def __enter__(self) -> OtherProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def names(self) -> list[str]:
        return self._pool.submit(_names).result()

    def timed(self, name: str) -> tuple[float, Any]:
        """Seconds that it took there, and what came of it."""
        return self._pool.submit(_timed, name).result()


def timed(way: Callable[[], Any]) -> tuple[float, Any]:
    """The same in this process."""
    started = time.perf_counter()
    found = way()
    return time.perf_counter() - started, found


def _prepare(prepare: Callable[..., Ways], arguments: tuple[Any, ...]) -> None:
    _ways.update(prepare(*arguments))


def _names() -> list[str]:
    return list(_ways)


def _timed(name: str) -> tuple[float, Any]:
    return timed(_ways[name])
