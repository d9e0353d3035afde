"""A driver process seen from outside: its clock, its memory and its children's, its end, its standard error."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks.fuzz.promises import names_patient

_GLANCE_S = 0.05
_START_LIMIT_S = 120.0
_REPOSITORY = Path(__file__).resolve().parents[2]

DRIVER = (sys.executable, "-m", "benchmarks.fuzz.driver")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may cost: wall time, and memory of the driver and of each process it starts."""

    seconds: float = 30.0
    mib: int = 2048


LIMITS = Limits()


def watched_rows(
    seed: int,
    indices: Sequence[int],
    seeds_dir: Path | None = None,
    *,
    limits: Limits = LIMITS,
    command: Sequence[str] = DRIVER,
) -> Iterator[Row]:
    """Drive files in one process after another: each that dies costs the file it was at, and a new one goes on.

    Args:
        seed: Seed of the run.
        indices: Files to drive.
        seeds_dir: Real files to start from as well.
        limits: What ends a file.
        command: The driver.
    """
    left = list(indices)
    while left:
        orders = {"seed": seed, "indices": left, "seeds_dir": str(seeds_dir) if seeds_dir else ""}
        for row in _Driver(orders, limits, command).rows():
            left.remove(row["index"])
            yield row


class _Driver:
    """One driver process."""

    def __init__(self, orders: Row, limits: Limits, command: Sequence[str]) -> None:
        self._limits = limits
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  (closed at the end of the rows)
        self._process = subprocess.Popen(  # noqa: S603  (our own module)
            list(command),
            cwd=_REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(_REPOSITORY), "OMP_NUM_THREADS": "1"},
        )
        stdin = _pipe(self._process.stdin)
        stdin.write(json.dumps(orders).encode())
        stdin.close()
        self._n_read = 0
        self._peak_mib = 0
        self._begun: Row | None = None
        self._since = time.monotonic()

    def rows(self) -> Iterator[Row]:
        """Yield one row per file, up to the end of the process or the first file that it does not survive."""
        n_rows = 0
        try:
            for line in self._lines():
                told = json.loads(line)
                if "began" in told:
                    self._begin(told)
                else:
                    yield self._judged(told)
                    self._begun, n_rows = None, n_rows + 1
            if self._process.wait() != 0 or self._begun is not None or not n_rows:
                yield self._casualty("crash", f"exit status {self._process.returncode}")
        except _LimitError as limit:
            yield self._casualty(limit.problem, str(limit))
        finally:
            self._end()

    def _begin(self, told: Row) -> None:
        self._begun = {"index": told["began"], "mutator": told["mutator"], "seed_file": told["seed_file"]}
        self._since, self._peak_mib = time.monotonic(), 0
        for pid in _family(self._process.pid)[1:]:
            _forget_peak(pid)

    def _lines(self) -> Iterator[bytes]:
        """Lines of the driver, with a glance at clock and memory between them."""
        stdout = _pipe(self._process.stdout)
        buffer = b""
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while True:
                ready = selector.select(_GLANCE_S)
                self._glance()
                if not ready:
                    continue
                chunk = os.read(stdout.fileno(), 1 << 16)
                if not chunk:
                    return
                *lines, buffer = (buffer + chunk).split(b"\n")
                yield from lines

    def _glance(self) -> None:
        limit_s = self._limits.seconds if self._begun else _START_LIMIT_S
        if time.monotonic() - self._since > limit_s:
            raise _LimitError("hang", f"more than {limit_s:g} s")
        for pid in _family(self._process.pid):
            field = "VmRSS" if pid == self._process.pid else "VmHWM"  # the driver tells its own peak
            self._peak_mib = max(self._peak_mib, _memory_mib(pid, field))
        if self._peak_mib > self._limits.mib:
            raise _LimitError("memory", f"{self._peak_mib} MiB")

    def _judged(self, row: Row) -> Row:
        """Add what only the watcher can see."""
        row["peak_mib"] = max(row["peak_mib"], self._peak_mib)
        found = list(row["problems"])
        if row["seconds"] > self._limits.seconds:
            found.append("hang")
        if row["peak_mib"] > self._limits.mib:
            found.append("memory")
        noise = self._new_noise(row.pop("stderr_end"))
        found += ["traceback"] if "Traceback" in noise else ["noise"] if noise else []
        found += ["leak"] if names_patient(noise) else []
        detail = {"stderr": noise[-2000:]} if noise else {}
        return {**row, **detail, "problems": sorted(set(found))}

    def _casualty(self, problem: str, detail: str) -> Row:
        if self._begun is None:
            msg = f"the driver failed before its first file ({detail}): {self._new_noise()[-2000:]}"
            raise RuntimeError(msg)
        return {
            **self._begun,
            "n_bytes": None,
            "action": "",
            "reason": "",
            "derived": "",
            "problems": [problem],
            "detail": detail,
            "seconds": round(time.monotonic() - self._since, 4),
            "peak_mib": self._peak_mib,
            "stderr": self._new_noise()[-4000:],
        }

    def _new_noise(self, end: int | None = None) -> str:
        """What was written to standard error since the last look, or up to a place."""
        end = os.fstat(self._stderr.fileno()).st_size if end is None else end
        new = os.pread(self._stderr.fileno(), end - self._n_read, self._n_read)
        self._n_read = end
        return new.decode("utf-8", "replace")

    def _end(self) -> None:
        """Leave no process behind: neither the driver's own nor one whose parent has died already."""
        for pid in (*_family(self._process.pid), -self._process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait()
        _pipe(self._process.stdout).close()
        self._stderr.close()


class _LimitError(Exception):
    """A file took too long or too much."""

    def __init__(self, problem: str, detail: str) -> None:
        self.problem = problem
        super().__init__(detail)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        msg = "the driver has no pipe"
        raise RuntimeError(msg)
    return pipe


def _family(pid: int) -> list[int]:
    """A process and all that descend from it (Linux)."""
    family = [pid]
    for one in family:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                family += map(int, task.read_text(encoding="ascii").split())
            except OSError:
                continue
    return family


def _forget_peak(pid: int) -> None:
    """Let the peak of a process that serves many files begin anew."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def _memory_mib(pid: int, field: str) -> int:
    """A line of a process's status; 0 once it has gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith(field)), 0)
