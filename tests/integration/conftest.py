"""What whole commands need: a world on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bad_input import Tree
from tests.integration.scenes import identity_model, write_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder beside data, manifest and pipeline; returns the pipeline's path."""
    pipeline = write_world(tmp_path / "world")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return pipeline


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that finds no noise."""
    return identity_model(tmp_path_factory.mktemp("model") / "identity.pt")


@pytest.fixture
def tree(tmp_path: Path, identity: Path) -> Tree:
    """A folder of input with one good series in it, for bad files to join."""
    return Tree.make(tmp_path, identity)
