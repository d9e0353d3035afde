"""Where the time of some work goes."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from pathlib import Path
from typing import Any


def largest_costs(work: Callable[[], object], n: int = 3) -> list[dict[str, Any]]:
    """The functions that take most time by themselves, in this thread: a profile sees no other."""
    profile = cProfile.Profile()
    profile.runcall(work)
    costs: dict[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total_s = sum(own_s for _, _, own_s, _, _ in costs.values())
    largest = sorted(costs.items(), key=lambda item: item[1][2], reverse=True)[:n]
    return [
        {"function": f"{Path(where[0]).name}:{where[2]}", "n_calls": cost[1], "share": round(cost[2] / total_s, 3)}
        for where, cost in largest
    ]
