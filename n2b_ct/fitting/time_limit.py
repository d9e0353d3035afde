"""How long a fit may take: what a person writes, and how much of it is left."""

from __future__ import annotations

import math
import re
import time

from n2b_ct.errors import ConfigError, explain

LEAST_S = 20.0
"""Reading, calibrating and checking alone take about so long."""

_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?")
_SECONDS = {None: 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def seconds_of(limit: str | float, name: str) -> float:
    """Read a time such as ``5m``, ``90s`` or a number of seconds.

    Args:
        limit: What was given.
        name: The parameter, for the message.

    Raises:
        ConfigError: It is no time, or too short to fit anything.
    """
    found = _FORM.fullmatch(str(limit).strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else math.nan
    if not LEAST_S <= seconds < math.inf:
        remedy = "write 5m, or leave it out to use the model as it is"
        raise ConfigError(explain(name, f"must be a time of at least {LEAST_S:g} s", limit, remedy))
    return seconds


class Stopwatch:
    """Seconds since it was made, and how many of a limit are left.

    Args:
        limit_s: The limit.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s, self._started = limit_s, time.monotonic()

    @property
    def spent_s(self) -> float:
        """Seconds so far."""
        return time.monotonic() - self._started

    @property
    def left_s(self) -> float:
        """Seconds that are left; below zero when the limit has passed."""
        return self.limit_s - self.spent_s
