"""The worker process, started by :mod:`.process` with the arguments IMPORT_PATH MEMORY_BYTES.

It reads requests from standard input and answers on standard output, until its input ends. What a task imports is
there before its first item, so no item pays for it. Its limits are the kernel's: address space beyond what the ready
worker has, no core file, no file may be written, and a timer of processor time that ends the process when one item
takes too much. (Where the system has no such limits, it runs without them.)
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

from n2b_ct.errors import SeriesError, explain
from n2b_ct.io.sandbox.messages import Answer, failure_note, receive, send

_TASK_PACKAGE = "n2b_ct.io."
_PREPARE = "prepare"

Task = Callable[..., Answer]


def main() -> None:
    """Process requests until the input ends."""
    n_memory_bytes = int(sys.argv[2])
    requests, answers = _private_streams()
    _set_signals()
    _forbid_files()
    send(answers, {"ready": True, "n_bytes": 0})
    while (request := receive(requests)) is not None:
        try:
            task = _prepared(str(request.note["task"]), n_memory_bytes)
        except Exception as error:
            send(answers, {"ready": False, "missing": type(error).__name__})
            continue
        _change_folder(str(request.note["folder"]))
        send(answers, {"ready": True, "n_bytes": n_address_bytes()})
        for arguments in request.note["items"]:
            _limit_cpu(request.note["cpu_s"])
            note, payload = _answer(task, arguments)
            _limit_cpu(0)
            send(answers, note, payload)
            if note.get("reason") == "memory_limit":
                return  # what is left of this process's memory is no fair share for the next item


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """Duplicate the two pipes; redirect standard streams to the null device."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):
        os.dup2(nowhere, standard)
    return requests, answers


def _set_signals() -> None:
    """Leave Ctrl-C, which reaches the whole group, to the parent; let the timer end this process, come what may."""
    if hasattr(signal, "SIGINT"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGPROF"):
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF})


def _forbid_files() -> None:
    """No core file, and no other file of more than 0 bytes."""
    try:
        import resource
    except ImportError:
        return
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(kind, (0, 0))


def _prepared(name: str, n_memory_bytes: int) -> Task:
    """Import a task and all that it will need, without limits; its module's ``prepare`` loads what it imports late."""
    _limit_address_space(None)
    module_name, _, function = name.partition(":")
    if not module_name.startswith(_TASK_PACKAGE):
        msg = f"{name} is no task"
        raise ValueError(msg)
    module = importlib.import_module(module_name)
    getattr(module, _PREPARE, lambda: None)()
    _limit_address_space(n_memory_bytes)
    return cast("Task", getattr(module, function))


def n_address_bytes(process: int | str = "self") -> int:
    """Address space of a process (proc(5), statm); 0 where the system does not tell."""
    try:
        n_pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[0])
    except (OSError, IndexError):
        return 0
    return n_pages * os.sysconf("SC_PAGE_SIZE")


def _limit_address_space(n_more_bytes: int | None) -> None:
    """Let this process have so much more than it has now, for libraries take more or less of it on each machine.

    Args:
        n_more_bytes: None: as much as its parent may have.
    """
    n_bytes = n_address_bytes()
    if not n_bytes:
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = hard if n_more_bytes is None else n_bytes + n_more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _limit_cpu(seconds: float) -> None:
    """Let the kernel end this process after so much processor time, in Python code or not; 0 calls it off.

    No handler, so no decoder's loop can put it off.
    """
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _change_folder(folder: str) -> None:
    """Change to the parent's working folder, so that relative paths resolve alike; to none, if that folder is gone."""
    try:
        os.chdir(folder)
    except OSError:
        os.chdir(os.sep)


def _answer(task: Task, arguments: dict[str, Any]) -> tuple[dict[str, Any], bytes | bytearray | memoryview]:
    """Run one task; any exception becomes an answer."""
    try:
        answer = task(**arguments)
    except SeriesError as error:
        return failure_note(error), b""
    except MemoryError:
        message = explain("file", "must be readable in little memory", "more than the limit", "leave it out")
        return failure_note(SeriesError("memory_limit", message)), b""
    except Exception as error:
        message = explain("file", "must be readable", type(error).__name__, "replace the file or leave it out")
        return failure_note(SeriesError("unreadable", message)), b""
    return answer.note, answer.payload
