"""Tasks that no worker should survive, and some that it should."""

import ctypes
import os
import signal
import time
from pathlib import Path

from n2b_ct.errors import SeriesError
from n2b_ct.io.sandbox.messages import Answer


def echo(value):
    return Answer({"value": value, "process": os.getpid()}, bytes(value) if isinstance(value, int) else b"")


def refuse():
    raise SeriesError("bad_value", "slice: must be good, got bad; replace it")


def fail():
    msg = "somebody's name"
    raise KeyError(msg)


def crash():
    ctypes.string_at(0)


def sleep(seconds):
    time.sleep(seconds)
    return Answer()


def burn(seconds):
    started = time.process_time()
    while time.process_time() - started < seconds:
        pass
    return Answer()


def take_memory(n_bytes):
    return Answer({"n_bytes": len(bytes(n_bytes))})


def hoard(n_bytes):
    _hoarded.append(bytes(n_bytes))
    return Answer({"process": os.getpid()})


def die_at_first(folder, n_deaths, how):
    """Die as long as fewer attempts were counted; a worker may make folders, if no files."""
    n_before = len(list(Path(folder).iterdir()))
    Path(folder, str(n_before)).mkdir()
    if n_before < n_deaths:
        _WAYS_TO_DIE[how]()
    return Answer({"n_before": n_before})


def write(path):
    Path(path).write_bytes(b"x")
    return Answer()


def chatter():
    os.write(1, b"noise on standard output")
    os.write(2, b"noise on standard error")
    return Answer({"heard": False})


_hoarded = []
_WAYS_TO_DIE = {
    "crash": crash,
    "burn": lambda: burn(60),
    "hang": lambda: time.sleep(60),
    "memory": lambda: bytes(2**33),
    "exit": lambda: os._exit(0),
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
}


def where():
    return Answer({"folder": str(Path.cwd())})
