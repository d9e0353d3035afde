"""The clock of a training that was interrupted."""

from __future__ import annotations

import pytest

from n2b_ct.training import monitors
from n2b_ct.training.monitors import TrainingClock


@pytest.fixture
def now(monkeypatch):
    """Time that stands still until a test moves it."""
    times = {"now": 100.0}
    monkeypatch.setattr(monitors.time, "monotonic", lambda: times["now"])
    return times


def test_a_clock_that_was_not_started_stands_at_nothing(now):
    assert TrainingClock().seconds == 0.0


def test_seconds_of_all_legs_are_added_and_the_pause_is_not(now):
    first = TrainingClock()
    first.start()
    now["now"] += 30.0
    kept = first.state_dict()
    now["now"] += 1000.0
    second = TrainingClock()
    second.start()
    now["now"] += 2.0
    second.load_state_dict(kept)
    now["now"] += 5.0
    second.start()
    assert second.seconds == 35.0
