"""Times as a person writes them."""

from __future__ import annotations

import pytest

from n2b_ct.errors import ConfigError
from n2b_ct.fitting.time_limit import seconds_of


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("5m", 300.0), ("90s", 90.0), ("1.5 min", 90.0), ("120", 120.0), (45, 45.0), ("1h", 3600.0)],
)
def test_minutes_seconds_hours_and_plain_numbers_are_read(written: str | float, seconds: float) -> None:
    assert seconds_of(written, "adapt") == seconds


@pytest.mark.parametrize("written", ["0", 0, "3s", "soon", "", "-5m", "5 weeks", float("inf"), float("nan")])
def test_what_is_no_time_or_too_short_is_refused_in_one_line(written: str | float) -> None:
    with pytest.raises(
        ConfigError, match=r"^adapt: must be a time of at least 20 s, got .*; write 5m, or leave it out"
    ):
        seconds_of(written, "adapt")
