"""One batch run in a process group of its own, forked from a process that has imported everything already.

The child either ends by itself, is signalled by its parent after a while, or kills itself and its group right before
its k-th step on the file system: a rename, a removal, a new folder, a file opened for writing.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import n2b_ct.api
import n2b_ct.cli.app  # noqa: F401  (imported here, so that no child has to)
from n2b_ct.cli import run

CREATED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
_PATIENCE_S = 60.0
_LOOK_S = 0.001
_STEPS = frozenset(["os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"])


@dataclass(frozen=True, slots=True)
class Batch:
    """One command: what to denoise, where to, and what to do with what is there.

    Attributes:
        source, output, model: Its arguments.
        log: Takes what it prints.
        options: Its other options.
        created: The time that it writes.
    """

    source: Path
    output: Path
    model: Path
    log: Path
    options: tuple[str, ...] = ("--resume",)
    created: datetime = CREATED

    @property
    def arguments(self) -> list[str]:
        """The command line."""
        places = ["denoise", str(self.source), str(self.output), "--model", str(self.model)]
        return [*places, *self.options, "--device", "cpu", "--created", self.created.isoformat()]


@dataclass(frozen=True, slots=True)
class Moment:
    """When a run is to be ended: after a time, or right before a step on the file system; and how."""

    after_s: float | None = None
    before_step: int | None = None
    how: signal.Signals = signal.SIGKILL


def run_undisturbed(batch: Batch) -> tuple[float, int]:
    """Run a batch to its end; returns its seconds and its steps on the file system.

    Raises:
        RuntimeError: It failed.
    """
    read_end, write_end = os.pipe()
    started = time.monotonic()
    child = _fork(batch, lambda count: os.write(write_end, str(count).encode()), None)
    status = os.waitpid(child, 0)[1]
    os.close(write_end)
    with os.fdopen(read_end) as told:
        n_steps = told.read()
    if status:
        raise RuntimeError(_unexpected(batch, status))
    return time.monotonic() - started, int(n_steps)


def run_until(batch: Batch, moment: Moment) -> bool:
    """Run a batch up to a moment; whether it was ended there, and not by itself before.

    Raises:
        RuntimeError: It failed by itself, or did not answer the signal.
    """
    child = _fork(batch, None, moment)
    started = time.monotonic()
    is_signalled = False
    while time.monotonic() - started < _PATIENCE_S:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            _end_group(child)
            return _was_ended(batch, status, is_signalled or moment.before_step is not None)
        if not is_signalled and moment.after_s is not None and time.monotonic() - started >= moment.after_s:
            os.killpg(child, moment.how)
            is_signalled = True
        time.sleep(_LOOK_S)
    _end_group(child)
    os.waitpid(child, 0)
    msg = f"the run was still there {_PATIENCE_S:g} s after {moment}"
    raise RuntimeError(msg)


def _fork(batch: Batch, report: Callable[[int], Any] | None, moment: Moment | None) -> int:
    """Start a child; the group is made on both sides, so that neither has to wait for the other."""
    child = os.fork()
    if child:
        _make_group(child)
        return child
    code = 1
    try:
        _make_group(0)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let background jobs ignore it
        _print_to(batch.log)
        steps = _count_steps(moment)
        code = run(batch.arguments)
        if report is not None:
            report(steps())
    except BaseException:  # the child must not come back as a second parent
        traceback.print_exc()
    finally:
        os._exit(code)


def _print_to(log: Path) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def _make_group(pid: int) -> None:
    try:
        os.setpgid(pid, 0)
    except (PermissionError, ProcessLookupError):
        return


def _count_steps(moment: Moment | None) -> Callable[[], int]:
    """Count steps on the file system from now on, and end the group before the one that was asked for."""
    n_steps = 0

    def count(event: str, arguments: Sequence[Any]) -> None:
        nonlocal n_steps
        if event in _STEPS or (event == "open" and _is_writing(arguments)):
            n_steps += 1
            if moment is not None and n_steps == moment.before_step:
                os.killpg(0, moment.how)

    sys.addaudithook(count)
    return lambda: n_steps


def _is_writing(arguments: Sequence[Any]) -> bool:
    flags = arguments[2]
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


def _was_ended(batch: Batch, status: int, is_expected: bool) -> bool:
    """Tell an end that was asked for from one that the run came to by itself."""
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
        return False
    is_signal = os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 130
    if is_expected and is_signal:
        return True
    raise RuntimeError(_unexpected(batch, status))


def _unexpected(batch: Batch, status: int) -> str:
    said = batch.log.read_text(encoding="utf-8").splitlines() if batch.log.exists() else []
    return "\n".join([f"the run ended with status {status}, which nobody asked for; its last words:", *said[-8:]])


def _end_group(group: int) -> None:
    """Readers that the run had started die with it."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
