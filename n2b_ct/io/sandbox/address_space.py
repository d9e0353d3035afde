"""How much address space a process has, and may have."""

from __future__ import annotations

import os
from pathlib import Path


def n_address_bytes(process: int | str = "self") -> int:
    """Address space of a process (proc(5), statm); 0 where the system does not tell."""
    try:
        n_pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[0])
    except (OSError, IndexError):
        return 0
    return n_pages * os.sysconf("SC_PAGE_SIZE")


def limit_address_space(n_more_bytes: int | None) -> None:
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
