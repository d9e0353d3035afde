"""One worker process, seen from its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from n2b_ct.errors import DataError, SeriesError, explain
from n2b_ct.io.sandbox.frames import Answer, as_outcome, receive, send

_ENTRY = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from n2b_ct.io.sandbox.worker import main; main()"
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_CLOSING_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one item may cost.

    Attributes:
        seconds: Wall time.
        n_memory_bytes: Address space of the worker; about a tenth of it is the interpreter with its libraries.
    """

    seconds: float = 20.0
    n_memory_bytes: int = 3 * 2**29


class WorkerDiedError(Exception):
    """A worker ended while it had an item in hand; ``reason`` is a code for that item."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class WorkerProcess:
    """A running worker; ask it until it dies, then throw it away.

    Raises:
        DataError: No worker can be started at all.
    """

    def __init__(self, limits: Limits) -> None:
        settings = [_import_path(), str(limits.seconds), str(limits.n_memory_bytes)]
        try:
            self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
                [sys.executable, "-P", "-c", _ENTRY, *settings],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1"), "PYTHONDONTWRITEBYTECODE": "1"},
            )
        except OSError as error:
            raise _cannot_start(error.strerror) from error
        self._requests = cast("BinaryIO", self._process.stdin)
        self._answers = cast("BinaryIO", self._process.stdout)
        if receive(self._answers) is None:
            self.close()
            raise _cannot_start(f"exit status {self._process.returncode}")

    def ask(self, task: str, items: Sequence[dict[str, Any]]) -> Iterator[Answer | SeriesError]:
        """Give several items of work; yields their outcomes in order, each as soon as it is there.

        Raises:
            WorkerDiedError: At the first item that has no outcome; nothing is known of those behind it.
        """
        try:
            # paths may be relative, and the parent may have gone elsewhere since the worker started
            send(self._requests, {"task": task, "items": list(items), "folder": _working_folder()})
        except OSError as error:
            raise WorkerDiedError(self._cause()) from error
        for _ in items:
            answer = receive(self._answers)
            if answer is None:
                raise WorkerDiedError(self._cause())
            yield as_outcome(answer)

    def close(self) -> None:
        """End the process, at once if it is busy."""
        for stream in (self._requests, self._answers):
            try:
                stream.close()
            except OSError:
                continue  # what was left to be said no longer matters
        try:
            self._process.wait(_CLOSING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _cause(self) -> str:
        """Tell from how the process ended what it died of."""
        try:
            status = self._process.wait(_CLOSING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if status == -getattr(signal, "SIGALRM", 0):
            return "time_limit"
        return "memory_limit" if status == -getattr(signal, "SIGKILL", 0) else "reader_crashed"


def _import_path() -> str:
    """Where this process finds modules, as JSON: a worker must run the very same package."""
    return json.dumps([folder or _working_folder() for folder in sys.path])


def _working_folder() -> str:
    """Where relative paths start; from a folder that was removed meanwhile they lead nowhere."""
    try:
        return str(Path.cwd())
    except OSError:
        return os.sep


def _cannot_start(got: str | None) -> DataError:
    return DataError(explain("reader process", "must start", got, "check memory and process limits"))
