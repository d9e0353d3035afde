"""What whole commands need: a world on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.scenes import write_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder beside data, manifest and pipeline; returns the pipeline's path."""
    pipeline = write_world(tmp_path / "world")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return pipeline
