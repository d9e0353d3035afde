"""How long work tells its progress: whoever called it decides whether that becomes a bar, a line or nothing."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called with (done, all, what)."""
