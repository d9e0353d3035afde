"""The way to a scheduler."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from n2b_ct.errors import ClusterError, ConfigError, explain

if TYPE_CHECKING:
    from distributed import Client

CONNECT_WITHIN_S = 10.0

_ADDRESS = re.compile(r"(tcp|tls)://[^/\s]+:\d+")


@contextmanager
def connected(scheduler: str) -> Iterator[Client]:
    """Connect to a Dask scheduler; leaving forgets what was not begun, wherever it was waiting.

    Raises:
        ConfigError: The extra is not installed, or that is no address.
        ClusterError: Nobody answers there.
    """
    try:
        from distributed import Client
    except ImportError as error:
        remedy = "pip install 'n2b-ct[cluster]'"
        raise ConfigError(explain("--scheduler", "needs the package distributed", "none", remedy)) from error
    if not _ADDRESS.fullmatch(scheduler):
        raise ConfigError(explain("--scheduler", "must be an address", scheduler, "write tcp://host:8786"))
    try:
        client = Client(scheduler, timeout=CONNECT_WITHIN_S, set_as_default=False)
    except (OSError, ValueError) as error:
        remedy = "start one with `dask scheduler`, or check the address"
        raise ClusterError(explain(f"--scheduler {scheduler}", "must answer", "no scheduler", remedy)) from error
    with client:
        yield client


def lost(scheduler: str) -> ClusterError:
    """Word that a scheduler went away in mid-run."""
    remedy = "what is done stays; start it again and pass --resume"
    return ClusterError(explain(f"--scheduler {scheduler}", "must stay until all is done", "no connection", remedy))
