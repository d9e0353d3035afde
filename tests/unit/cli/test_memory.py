"""Freed memory stays with the process, unless somebody has said otherwise."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")

FAULTS_OF_A_SECOND_ARRAY = """
import resource, sys
import numpy as np
from n2b_ct.cli.memory import keep_freed_memory
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


def test_a_second_array_takes_the_pages_of_the_first():
    kept, n_faults = second_array("keep")
    assert kept
    assert n_faults < N_PAGES / 10


def test_without_it_every_array_takes_new_pages():
    assert second_array("leave")[1] >= N_PAGES


def test_what_the_environment_says_stays():
    assert second_array("keep", MALLOC_TRIM_THRESHOLD_="131072")[0] is False
