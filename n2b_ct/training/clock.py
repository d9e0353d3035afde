"""How long a training has taken, over all its legs."""

from __future__ import annotations

import time


class TrainingClock:
    """Counts seconds from :meth:`start`; what a checkpoint kept is added, so a resumed run knows its whole time."""

    def __init__(self) -> None:
        self._before = 0.0
        self._started: float | None = None

    def start(self) -> None:
        """Begin this leg; a second call changes nothing."""
        if self._started is None:
            self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of all legs so far."""
        return self._before + (0.0 if self._started is None else time.monotonic() - self._started)

    def state_dict(self) -> dict[str, float]:
        """What a checkpoint must keep."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from a checkpoint: this leg begins now."""
        self._before = state["seconds"]
        if self._started is not None:
            self._started = time.monotonic()
