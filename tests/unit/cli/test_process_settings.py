"""Freed memory stays with the process, and waiting threads sleep, unless somebody has said otherwise."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

with_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")

FAULTS_OF_A_SECOND_ARRAY = """
import resource, sys
import numpy as np
from n2b_ct.cli.process_settings import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else False
np.ones(40 << 20, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(40 << 20, np.uint8)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
N_PAGES = (40 << 20) // (64 << 10)
"""Of 64 KiB, the largest that a system has by default."""


def second_array(what: str, **environment: str) -> tuple[bool, int]:
    """Whether memory was said to be kept, and how many pages an array of 40 MiB takes after one like it was freed."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", FAULTS_OF_A_SECOND_ARRAY, what]
    found = subprocess.run(command, env={**own, "NUMPY_MADVISE_HUGEPAGE": "0", **environment}, capture_output=True)
    kept, n_faults = found.stdout.split()
    return kept == b"True", int(n_faults)


@with_glibc
def test_a_second_array_takes_the_pages_of_the_first():
    kept, n_faults = second_array("keep")
    assert kept
    assert n_faults < N_PAGES / 10


@with_glibc
def test_without_it_every_array_takes_new_pages():
    assert second_array("leave")[1] >= N_PAGES


@with_glibc
def test_what_the_environment_says_stays():
    assert second_array("keep", MALLOC_TRIM_THRESHOLD_="131072")[0] is False


SPINS_OF_A_COMMAND = """
import os, sys
from n2b_ct.cli import main
try:
    main(["--version"])
finally:
    print(os.environ.get("GOMP_SPINCOUNT"), "torch" in sys.modules)
"""


@pytest.mark.parametrize(
    ("said", "spins"),
    [({}, "1000"), ({"OMP_WAIT_POLICY": "active"}, "None"), ({"GOMP_SPINCOUNT": "5"}, "5")],
)
def test_waiting_threads_sleep_soon_unless_the_environment_says_how_they_wait(said, spins):
    """It counts only if it is set before torch, with its OpenMP, is loaded."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    command = [sys.executable, "-c", SPINS_OF_A_COMMAND]
    found = subprocess.run(command, env={**own, **said}, capture_output=True, text=True)
    assert found.stdout.splitlines()[-1] == f"{spins} False"
