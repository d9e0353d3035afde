"""BM3D as a baseline of a report: its licence is said once, and its absence in one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from n2b_ct.cli import run
from tests.integration.scenes import error_lines


@pytest.fixture
def evaluate(world: Path) -> list[str]:
    """``n2b-ct evaluate`` on a noisy series and its normal-dose twin."""
    data = world.parent / "data"
    folders = ["--reference", f"{data}/test_full", "--input", f"{data}/test", "--candidate", f"same={data}/test"]
    return ["evaluate", *folders, "--window", "abdomen", "--out", "report"]


def licence_lines(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("licence: ")]


def test_a_report_with_bm3d_says_its_licence_once_and_names_it_in_the_table(evaluate, capsys):
    pytest.importorskip("bm3d", reason="pip install 'n2b-ct[bm3d]', for non-commercial use only")
    assert run([*evaluate, "--baseline", "bm3d"]) == 0
    (line,) = licence_lines(capsys.readouterr().err)
    assert "for non-commercial use only" in line
    assert "for non-commercial use only" in Path("report/report.html").read_text()
    methods = {one["name"]: one for one in json.loads(Path("report/report.json").read_text())["methods"]}
    assert methods["bm3d"]["role"] == "baseline"


def test_a_report_without_it_says_nothing_of_it(evaluate, capsys):
    assert run([*evaluate, "--baseline", "bilateral"]) == 0
    assert licence_lines(capsys.readouterr().err) == []


def test_without_the_package_the_report_is_refused_before_it_is_begun(evaluate, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", None)
    assert run([*evaluate, "--baseline", "bm3d"]) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert "bm3d: needs the package bm3d, which is optional" in line
    assert "pip install 'n2b-ct[bm3d]'" in line
    assert not Path("report").exists()
