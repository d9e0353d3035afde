"""The worker process, started by :mod:`.process` with the arguments IMPORT_PATH SECONDS MEMORY_BYTES.

It reads requests from standard input and answers on standard output, until its input ends. Its limits are
the kernel's: address space, no core file, no file may be written, and an alarm that ends the process when
one item takes too long. (Where the system has no such limits, it runs without them.)
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.sandbox.frames import Answer, failure_note, receive, send

_TASK_ROOM = "n2b_ct.io."

Task = Callable[..., Answer]


def main() -> None:
    """Answer requests until there are no more."""
    seconds, n_memory_bytes = float(sys.argv[2]), int(sys.argv[3])
    requests, answers = _private_streams()
    if hasattr(signal, "SIGINT"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    _limit_resources(n_memory_bytes)
    send(answers, {"ready": True})
    while (request := receive(requests)) is not None:
        _go_to(str(request.note["folder"]))
        for arguments in request.note["items"]:
            _set_alarm(seconds)
            note, payload = _answer(str(request.note["task"]), arguments)
            _set_alarm(0)
            send(answers, note, payload)


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep the two pipes; what a decoder prints goes nowhere and what it reads is empty."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):
        os.dup2(nowhere, standard)
    return requests, answers


def _go_to(folder: str) -> None:
    """Stand where the parent stands, so that relative paths mean the same; nowhere, if that folder is gone."""
    try:
        os.chdir(folder)
    except OSError:
        os.chdir(os.sep)


def _limit_resources(n_memory_bytes: int) -> None:
    try:
        import resource
    except ImportError:
        return
    for kind, limit in (
        (resource.RLIMIT_AS, n_memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        lowered = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (lowered, lowered))


def _set_alarm(seconds: float) -> None:
    """Let the kernel end this process after a while, in Python code or not; 0 calls it off."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _answer(name: str, arguments: dict[str, Any]) -> tuple[dict[str, Any], bytes | bytearray | memoryview]:
    """Run one task; whatever it raises becomes an answer."""
    try:
        answer = _task(name)(**arguments)
    except SeriesError as error:
        return failure_note(error), b""
    except MemoryError:
        message = explain("file", "must be readable in little memory", "more than the limit", "leave it out")
        return failure_note(SeriesError("memory_limit", message)), b""
    except Exception as error:
        message = explain("file", "must be readable", type(error).__name__, "replace the file or leave it out")
        return failure_note(SeriesError("unreadable", message)), b""
    return answer.note, answer.payload


def _task(name: str) -> Task:
    module, _, function = name.partition(":")
    if not module.startswith(_TASK_ROOM):
        msg = f"{name} is no task"
        raise ValueError(msg)
    return cast("Task", getattr(importlib.import_module(module), function))
