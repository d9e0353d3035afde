"""Waiting for a worker while it makes progress, however slow the machine is.

What counts is the time in which the worker neither computes nor waits for a processor: it waits for a disk or a network
share then, and one that never answers must not hold up the run.
"""

from __future__ import annotations

import io
import select
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

_TICK_S = 1.0


class IdleTooLongError(Exception):
    """A process has been idle for longer than its limit."""


class IdleClock:
    """Counts the seconds that a process is idle, in ticks: one that is stopped together with this process costs one.

    Where the system does not tell what a process is at (no ``/proc``), all of its time counts.

    Args:
        process_number: The process.
        limit_s: How long it may be idle between two restarts.
    """

    def __init__(self, process_number: int, limit_s: float) -> None:
        self._status = Path(f"/proc/{process_number}/stat")
        self._limit_s = limit_s
        self._idle_s = 0.0
        self._used: list[str] = []
        self.tick_s = min(_TICK_S, limit_s / 4)

    def restart(self) -> None:
        """Restart counting."""
        self._idle_s = 0.0

    def tick(self) -> None:
        """Count a tick that has passed, if the process was idle.

        Raises:
            IdleTooLongError: The limit is reached.
        """
        if self._is_idle():
            self._idle_s += self.tick_s
        if self._idle_s >= self._limit_s:
            raise IdleTooLongError

    def _is_idle(self) -> bool:
        """Not runnable (R), and no processor time used since the last look; see proc(5)."""
        try:
            fields = self._status.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            return True
        state, used = fields[0], fields[11:13]
        is_idle = state != "R" and used == self._used
        self._used = used
        return is_idle


class PolledPipe(io.RawIOBase):
    """A pipe whose reader looks up at every tick; where a pipe cannot be polled (Windows), it waits for ever.

    Args:
        pipe: What is read.
        tick_s: How often.
        on_tick: Called at every tick while nothing comes; what it raises ends the reading.
    """

    def __init__(self, pipe: BinaryIO, tick_s: float, on_tick: Callable[[], None]) -> None:
        self._pipe = cast("io.RawIOBase", getattr(pipe, "raw", pipe))
        self._tick_ms = 1000 * tick_s
        self._on_tick = on_tick
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            self._poll.register(pipe.fileno(), select.POLLIN)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int | None:  # type: ignore[override]
        """Wait, and read what is there."""
        while self._poll is not None and not self._poll.poll(self._tick_ms):
            self._on_tick()
        return self._pipe.readinto(buffer)
