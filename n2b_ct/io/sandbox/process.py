"""One worker process, seen from its parent."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from n2b_ct.errors import SeriesError
from n2b_ct.io.sandbox.crashes import (
    Crash,
    crash_from_exit_status,
    crash_from_idling,
    crash_from_memory,
    crash_from_missing_import,
)
from n2b_ct.io.sandbox.idle import IdleClock, IdleTooLongError, PolledPipe
from n2b_ct.io.sandbox.messages import Answer, as_outcome, receive, send
from n2b_ct.io.sandbox.worker import n_address_bytes

_ENTRY = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from n2b_ct.io.sandbox.worker import main; main()"
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_CLOSE_TIMEOUTS_S = (1.0, 1.0)  # until a process that is no longer needed is killed, and then until it is let go
_EXIT_TIMEOUTS_S = (10.0, 60.0)  # the same for one that has crashed: on a busy machine even its end takes time
_GROWN_SHARE = 0.125  # of the memory that one item may take


@dataclass(frozen=True, slots=True)
class Limits:
    """What one item may cost.

    Attributes:
        first_cpu_s: Processor time of its first reader.
        cpu_s: Processor time of its second one, which reads it alone; both together stay below half a minute.
        idle_s: Time in which its reader neither computes nor waits for a processor.
        n_memory_bytes: Address space that it may take beyond what the worker has when it is ready.
    """

    first_cpu_s: float = 8.0
    cpu_s: float = 20.0
    idle_s: float = 300.0
    n_memory_bytes: int = 3 * 2**29


class NotReadyError(Exception):
    """A worker ended before it had an item in hand: no item is to blame."""

    def __init__(self, crash: Crash) -> None:
        self.crash = crash
        super().__init__(crash.got)


class WorkerCrashedError(Exception):
    """A worker ended while it had an item in hand."""

    def __init__(self, crash: Crash) -> None:
        self.crash = crash
        super().__init__(crash.got)


class WorkCancelledError(Exception):
    """The work was cancelled."""


class WorkerProcess:
    """A running worker process.

    Args:
        limits: What one item may cost.
        is_cancelled: Asked now and then; once it returns True, the waiting for the worker ends.

    Raises:
        OSError: The system starts no process.
        NotReadyError: It started one, which ended.
        WorkCancelledError: The work was cancelled.
    """

    def __init__(self, limits: Limits, is_cancelled: Callable[[], bool]) -> None:
        self._limits = limits
        self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
            [sys.executable, "-P", "-c", _ENTRY, _import_path(), str(limits.n_memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1"), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        self._clock = IdleClock(self._process.pid, limits.idle_s)
        self._requests = cast("BinaryIO", self._process.stdin)
        pipe = cast("BinaryIO", self._process.stdout)
        self._answers = cast("BinaryIO", io.BufferedReader(PolledPipe(pipe, self._clock.tick_s, self._on_tick)))
        self._is_cancelled = is_cancelled
        self._n_bytes_at_first = 0
        self._cpu_s = limits.first_cpu_s
        try:
            self._require_ready()
        except BaseException:
            self.close()
            raise

    def begin(
        self, task: str, items: Sequence[dict[str, Any]], *, is_last_try: bool, is_cancelled: Callable[[], bool]
    ) -> None:
        """Hand over items of work, and wait until the worker has all that the task needs.

        Args:
            task: ``"module:function"`` within n2b_ct.io.
            items: Keyword arguments for each.
            is_last_try: Give every item the full processor time.
            is_cancelled: As for the worker itself, from now on.

        Raises:
            NotReadyError: The worker is gone.
            WorkCancelledError: The work was cancelled.
        """
        self._is_cancelled = is_cancelled
        self._cpu_s = self._limits.cpu_s if is_last_try else self._limits.first_cpu_s
        # paths may be relative, and the parent may have gone elsewhere since the worker started
        request = {"task": task, "items": list(items), "folder": _working_folder(), "cpu_s": self._cpu_s}
        with suppress(BrokenPipeError):  # why it ended is found out next
            send(self._requests, request)
        self._require_ready()

    def outcomes(self, n_items: int) -> Iterator[Answer | SeriesError]:
        """Yield the outcomes of the items, in order, each as soon as it is available.

        Raises:
            WorkerCrashedError: At the first item without an outcome; those after it have none either.
            WorkCancelledError: The work was cancelled.
        """
        for _ in range(n_items):
            answer = self._next_answer()
            if isinstance(answer, Crash):
                raise WorkerCrashedError(answer)
            outcome = as_outcome(answer)
            if isinstance(outcome, SeriesError) and outcome.reason == "memory_limit":
                raise WorkerCrashedError(crash_from_memory(self._limits.n_memory_bytes))
            yield outcome

    @property
    def is_alive(self) -> bool:
        """Whether it is still running."""
        return self._process.poll() is None

    @property
    def has_grown(self) -> bool:
        """Whether its memory has grown so much that the next item might lack some."""
        n_more = n_address_bytes(self._process.pid) - self._n_bytes_at_first
        return n_more > _GROWN_SHARE * self._limits.n_memory_bytes

    def close(self) -> None:
        """End the process, by a kill if it is busy; one that cannot be killed is left to the system."""
        for stream in (self._requests, self._answers, self._process.stdout):
            with suppress(OSError):  # what was left to be said no longer matters
                cast("BinaryIO", stream).close()
        self._ended(_CLOSE_TIMEOUTS_S)

    def _require_ready(self) -> None:
        answer = self._next_answer()
        if isinstance(answer, Crash):
            raise NotReadyError(answer)
        if not answer.note["ready"]:
            raise NotReadyError(crash_from_missing_import(answer.note["missing"]))
        self._n_bytes_at_first = self._n_bytes_at_first or int(answer.note["n_bytes"])

    def _next_answer(self) -> Answer | Crash:
        """Return the next message; where there is none, why the worker ended."""
        self._clock.restart()
        try:
            answer = receive(self._answers)
        except IdleTooLongError:
            self._process.kill()
            return crash_from_idling(self._limits.idle_s)
        return crash_from_exit_status(self._ended(_EXIT_TIMEOUTS_S), self._cpu_s) if answer is None else answer

    def _on_tick(self) -> None:
        if self._is_cancelled():
            raise WorkCancelledError
        self._clock.tick()

    def _ended(self, patience_s: tuple[float, float]) -> int:
        """Wait until the process has ended, or kill it; returns its exit status, negative for a signal."""
        for wait_s in patience_s:
            try:
                return self._process.wait(wait_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return -getattr(signal, "SIGKILL", 0)


def _import_path() -> str:
    """Where this process finds modules, as JSON: a worker must run the very same package."""
    return json.dumps([folder or _working_folder() for folder in sys.path])


def _working_folder() -> str:
    """Where relative paths start; from a folder that was removed meanwhile they lead nowhere."""
    try:
        return str(Path.cwd())
    except OSError:
        return os.sep
