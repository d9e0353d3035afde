"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real CT beside the repository; the test skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real CT is not here: shared/data beside the repository is absent")
    return SHARED_DATA
