"""A Dask scheduler and workers on loopback, each a process of its own that can be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import REPOSITORY

HOSTS = ("127.0.0.1", "127.0.0.2")
"""Two machines, as far as addresses tell."""
_PATIENCE_S = 60.0


class Fleet:
    """One scheduler and any number of workers.

    Args:
        folder: Where workers keep what is theirs, and logs go.
        protocol: ``tcp`` or ``tls``.
        settings: Environment variables of scheduler and workers.
    """

    def __init__(self, folder: Path, protocol: str = "tcp", **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._settings, port = folder, settings, _free_port()
        self.address = f"{protocol}://{HOSTS[0]}:{port}"
        self.workers: list[subprocess.Popen[bytes]] = []
        command = ["dask_scheduler", "--host", HOSTS[0], "--port", str(port), "--no-dashboard"]
        self.scheduler = self._start("scheduler", *command, "--protocol", protocol)

    def add_worker(self, host: str = HOSTS[0]) -> subprocess.Popen[bytes]:
        """Start a worker without a nanny, so that killing it is killing the one who works."""
        options = ["--host", host, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0"]
        name = f"worker{len(self.workers)}"
        local = ["--local-directory", str(self._folder / name), "--death-timeout", "60"]
        self.workers.append(self._start(name, "dask_worker", self.address, *options, *local))
        return self.workers[-1]

    def stop(self) -> None:
        """End every process that is left."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _start(self, name: str, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", **self._settings}
        with (self._folder / f"{name}.log").open("wb") as log:
            command = [sys.executable, "-m", f"distributed.cli.{program}", *arguments]
            return subprocess.Popen(command, cwd=self._folder, env=environment, stdout=log, stderr=log)


@contextmanager
def fleet_of(n_workers: int, folder: Path, protocol: str = "tcp", **settings: str) -> Iterator[Fleet]:
    """Start a fleet, its workers on both hosts in turn, and end it."""
    fleet = Fleet(folder, protocol, **settings)
    try:
        for index in range(n_workers):
            fleet.add_worker(HOSTS[index % len(HOSTS)])
        yield fleet
    finally:
        fleet.stop()


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill as the kernel does when memory runs out."""
    process.send_signal(signal.SIGKILL)
    process.wait()


@contextmanager
def running(work: Callable[[], None]) -> Iterator[None]:
    """Do something beside; what goes wrong there goes wrong here."""
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(work)
        yield
        future.result()


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Wait for something to become true, and fail where it does not."""
    end = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.005)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOSTS[0], 0))
        port: int = probe.getsockname()[1]
        return port
