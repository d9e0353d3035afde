"""What the process does with memory that it has freed."""

from __future__ import annotations

import ctypes
import os
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # mallopt(3): M_TRIM_THRESHOLD, M_MMAP_MAX
_KEPT_BYTES = 2**31 - 1
_SETTINGS = ("GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_")


def keep_freed_memory() -> bool:
    """Keep up to 2 GiB of freed memory for the next slice or step, instead of handing it back to the system.

    glibc maps an array of many MB by itself and unmaps it when it is freed. A network frees and takes the same sizes
    with every slice, and each time the system has to find and clear their pages, which costs more than some of the
    convolutions (decision 0012). Concerns the thread that runs the command; does nothing where the C library is not
    glibc or where the environment says how it shall allocate.

    Returns:
        Whether memory is kept.
    """
    if not sys.platform.startswith("linux") or any(name in os.environ for name in _SETTINGS):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _KEPT_BYTES))
