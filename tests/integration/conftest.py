"""What whole commands need: one thread, and a world on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.integration.scenes import write_world


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Tiny networks run faster on one thread, and more than one would make runs hard to compare."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder beside data, manifest and pipeline; returns the pipeline's path."""
    pipeline = write_world(tmp_path / "world")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return pipeline
