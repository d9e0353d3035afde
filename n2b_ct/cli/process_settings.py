"""Process-wide settings: allocator and OpenMP waiting."""

from __future__ import annotations

import ctypes
import os
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # mallopt(3): M_TRIM_THRESHOLD, M_MMAP_MAX
_KEPT_BYTES = 2**31 - 1
_SPINS = "1000"  # some microseconds; by default a thread spins for milliseconds before it sleeps
_MEMORY_SETTINGS = ("GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_")


def keep_freed_memory() -> bool:
    """Keep up to 2 GiB of freed memory for the next slice or step, instead of handing it back to the system.

    glibc maps an array of many MB by itself and unmaps it when it is freed. A network frees and takes the same sizes
    with every slice, and each time the system has to find and clear their pages, which costs more than some of the
    convolutions (decision 0012). Concerns the thread that runs the command; does nothing where the C library is not
    glibc or where the environment says how it shall allocate.

    Returns:
        Whether memory is kept.
    """
    if not sys.platform.startswith("linux") or any(name in os.environ for name in _MEMORY_SETTINGS):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _KEPT_BYTES))


def wait_asleep() -> bool:
    """Let waiting OpenMP threads sleep soon, instead of spinning.

    The parts of a convolution end together, and whichever is done first waits. Where another process has one of the
    cores, the part on it is late, and threads that spin meanwhile take the time of which it is short: on two cores
    that ten others shared, a step of training took six times as long. Must come before torch is imported; does
    nothing where the environment says how OpenMP shall wait.

    Returns:
        Whether it was set.
    """
    if "OMP_WAIT_POLICY" in os.environ or "GOMP_SPINCOUNT" in os.environ:
        return False
    os.environ["GOMP_SPINCOUNT"] = _SPINS
    return True
