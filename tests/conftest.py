"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

pytest.register_assert_rewrite(
    "tests.bad_input", "tests.dicom_tools", "tests.integration.twins", "tests.integration.verdicts"
)

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real CT beside the repository; the test skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real CT is not here: shared/data beside the repository is absent")
    return SHARED_DATA


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Tiny tensors run faster on one thread, and more than one would make runs hard to compare."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
