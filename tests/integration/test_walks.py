"""The two walks that ARCHITECTURE.md lists, walked: every file named is on the way, and no list is long."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from benchmarks.walk import HereAndNow, Walk
from n2b_ct.cli import run
from n2b_ct.io.sandbox import pool
from tests.conftest import REPOSITORY
from tests.integration.scenes import tissue_hu, write_series


def listed_files(walk: str) -> list[str]:
    """The files of a walk's numbered list, in order."""
    page = (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = page.partition(f"**{walk}**")[2].partition("\n\n**")[0].partition("\n## ")[0]
    return re.findall(r"^\d+\. `(n2b_ct/[^`]+)`", section, re.MULTILINE)


@pytest.fixture
def in_this_process(monkeypatch):
    """Tasks of the sandbox's workers are done here, where they can be watched."""
    monkeypatch.setitem(pool._shared, os.getpid(), HereAndNow())


def test_a_slice_passes_every_file_of_its_list(tmp_path, identity, in_this_process):
    write_series(tmp_path / "in", tissue_hu(1), uid=30)
    with Walk() as walk:
        assert run(["denoise", str(tmp_path / "in"), str(tmp_path / "out"), "--model", str(identity)]) == 0
    listed = listed_files("One slice")
    assert 10 < len(listed) <= 15
    assert [file for file in listed if file not in dict(walk.files())] == []


def test_a_batch_passes_every_file_of_its_list(world: Path, in_this_process):
    with Walk() as walk:
        assert run(["train", str(world), "--data-root", str(world.parent / "data"), "--out", "run"]) == 0
    listed = listed_files("One batch")
    assert 10 < len(listed) <= 15
    assert [file for file in listed if file not in dict(walk.files())] == []
