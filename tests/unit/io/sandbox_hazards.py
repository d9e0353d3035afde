"""Tasks that no worker should survive, and some that it should."""

import ctypes
import os
import time
from pathlib import Path

from n2b_ct.errors import SeriesError
from n2b_ct.io.sandbox.frames import Answer


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


def fill_memory():
    return Answer({}, bytes(2**33))


def write(path):
    Path(path).write_bytes(b"x")
    return Answer()


def chatter():
    os.write(1, b"noise on standard output")
    os.write(2, b"noise on standard error")
    return Answer({"heard": False})


def where():
    return Answer({"folder": str(Path.cwd())})
