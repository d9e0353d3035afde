"""Connection to a scheduler: plain TCP, or TLS with the certificates of Dask's own configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLError
from typing import TYPE_CHECKING

from n2b_ct.errors import ClusterError, ConfigError, explain

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

CONNECT_WITHIN_S = 30.0

_TLS = "DASK_DISTRIBUTED__COMM__TLS__"
_ADDRESS = re.compile(r"(tcp|tls)://[^/\s]+:\d+")


@contextmanager
def connected(scheduler: str) -> Iterator[Client]:
    """Connect to a Dask scheduler; leaving the context cancels tasks that were not begun.

    Raises:
        ConfigError: The extra is not installed, that is no address, or ``tls://`` has no certificates to show.
        ClusterError: No answer, or either side does not trust the other's certificate.
    """
    try:
        from distributed import Client
        from distributed.security import Security
    except ImportError as error:
        remedy = "pip install 'n2b-ct[cluster]'"
        raise ConfigError(explain("scheduler", "needs the package distributed", "none", remedy)) from error
    if not _ADDRESS.fullmatch(scheduler):
        raise ConfigError(explain("scheduler", "must be an address", scheduler, "write tls://host:8786"))
    security = Security()
    if scheduler.startswith("tls:"):
        _require_certificates(scheduler, security)
    try:
        client = Client(scheduler, security=security, timeout=CONNECT_WITHIN_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(_no_connection(scheduler, error)) from error
    with client:
        yield client


def _no_connection(scheduler: str, error: BaseException | None) -> str:
    """Return the error of a failed connection: one that is opened and then closed fails over certificates."""
    from distributed.comm.core import CommClosedError

    subject, chain = f"scheduler={scheduler}", []
    while error is not None:
        chain.append(error)
        error = error.__cause__ or error.__context__
    if scheduler.startswith("tls:") and any(isinstance(one, CommClosedError | SSLError) for one in chain):
        requirement = "must hold a certificate of the authority configured here, and trust the one shown to it"
        remedy = "give both sides certificates of one authority, see docs/cluster.md"
        return explain(subject, requirement, "no agreement", remedy)
    got = f"no scheduler within {CONNECT_WITHIN_S:g} s"
    remedy = "start one with `dask scheduler`, check the address, tcp:// or tls:// too, or its machine is too busy"
    return explain(subject, "must answer", got, remedy)


def _require_certificates(scheduler: str, security: Security) -> None:
    """Load this side's certificates before connecting, for a clear error."""
    try:
        context = security.get_connection_args("client").get("ssl_context")
    except (OSError, ValueError) as error:  # also ssl.SSLError
        requirement = "its certificates must be PEM files that can be read"
        got = getattr(error, "strerror", None) or type(error).__name__
        remedy = "check distributed.comm.tls in Dask's configuration"
        raise ConfigError(explain(f"scheduler={scheduler}", requirement, got, remedy)) from error
    if context is None:
        remedy = f"set {_TLS}CA_FILE, {_TLS}CLIENT__CERT and {_TLS}CLIENT__KEY, see docs/cluster.md"
        raise ConfigError(explain(f"scheduler={scheduler}", "needs a client's certificate", "none", remedy))


def lost(scheduler: str) -> ClusterError:
    """Return the error of a scheduler lost during the run."""
    remedy = "finished outputs stay; start it again and pass resume=True"
    return ClusterError(explain(f"scheduler={scheduler}", "must stay until all is done", "no connection", remedy))
