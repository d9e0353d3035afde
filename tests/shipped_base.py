"""A stand-in for the shipped model: what is tested of its place does not depend on its weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.ship_base import ship
from n2b_ct.inference import shipped
from tests.integration.scenes import smoothing_model


def ship_stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ship a model that smooths from a folder, in the place of the installed one; returns the folder."""
    folder.parent.mkdir(parents=True)
    ship(smoothing_model(folder.parent / "run.pt"), folder)
    monkeypatch.setattr(shipped, "base_dir", lambda: folder)
    return folder
