"""Why a worker process ended, and whether its item is to blame.

A machine can end a worker too: it swaps, runs out of memory, or somebody kills the process. So nothing is blamed on an
item before several workers have crashed on it, the later ones with nothing else to do.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from n2b_ct.errors import SeriesError, explain

_TRIES, _TRIES_KILLED, _STARTS_KILLED = 2, 8, 24
_PAUSE_KILLED_S, _LONGEST_PAUSE_S = 0.2, 2.0  # doubled from try to try: memory may come back
_OWN_FAULTS = frozenset(
    getattr(signal, name, None) for name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGSYS", "SIGTRAP")
)
_N_BYTES_PER_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Crash:
    """Why a worker ended.

    Attributes:
        reason: A code of :mod:`n2b_ct.io.dicom.reasons`.
        requirement, got, remedy: As an error says it.
        is_killed: Something outside has ended it.
    """

    reason: str
    requirement: str
    got: str
    remedy: str = "leave it out"
    is_killed: bool = False

    @property
    def n_tries(self) -> int:
        """Number of such crashes before the item is blamed."""
        return _TRIES_KILLED if self.is_killed else _TRIES

    @property
    def n_starts(self) -> int:
        """How many workers may end so before they had an item, until no more are started."""
        return _STARTS_KILLED if self.is_killed else _TRIES

    def pause_s(self, n_crashes: int) -> float:
        """Seconds before the next try."""
        return min(_PAUSE_KILLED_S * 2 ** (n_crashes - 1), _LONGEST_PAUSE_S) if self.is_killed else 0.0

    def as_error(self, n_crashes: int) -> SeriesError:
        """Return it as an error of the item."""
        got = f"{self.got}, in {n_crashes} readers one after the other"
        return SeriesError(self.reason, explain("file", self.requirement, got, self.remedy))


def crash_from_exit_status(status: int, cpu_s: float) -> Crash:
    """Return the crash for a worker's exit status, negative for a signal."""
    if status >= 0:
        return Crash("reader_crashed", "must be readable", f"exit status {status} of its reader")
    number = -status
    if number == getattr(signal, "SIGPROF", None):
        return Crash("time_limit", "must be read in time", f"{cpu_s:g} s of processor time used up")
    if number in _OWN_FAULTS:
        return Crash("reader_crashed", "must be readable", f"a crash of its decoder ({_name(number)})")
    got, remedy = f"an end from outside ({_name(number)})", "look whether memory ran out, then try again"
    return Crash("reader_killed", "must be read undisturbed", got, remedy, is_killed=True)


def crash_from_idling(idle_s: float) -> Crash:
    """A worker waited for something that never came."""
    got, remedy = f"nothing from its disk in {idle_s:g} s", "look whether the disk or the network share answers"
    return Crash("time_limit", "must be read in time", got, remedy)


def crash_from_memory(n_bytes: int) -> Crash:
    """A worker asked for more memory than it may have."""
    got = f"more than {n_bytes / _N_BYTES_PER_GIB:g} GiB"
    return Crash("memory_limit", "must be readable in little memory", got)


def crash_from_missing_import(missing: str) -> Crash:
    """A worker did not find what its task needs."""
    return Crash("reader_crashed", "must find what it needs", missing)


def crash_from_failed_start(why: str) -> Crash:
    """The system started no worker at all, for now."""
    return Crash("reader_killed", "must start", why, is_killed=True)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
