"""The digital piglet goes through the shipped pipeline as it stands: simulated, trained on, reported by dose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from n2b_ct.cli import run
from tests.integration.scenes import error_lines

_SMALL = {
    "training.iterations": "6",
    "training.batch_size": "2",
    "training.patch_px": "32",
    "training.precision": "fp32",
    "method.denoiser.arguments": "{n_features: 4, depth: 2}",
}


@pytest.fixture(scope="module")
def piglet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("piglet") / "piglet"
    assert run(["simulate", "piglet", str(folder), "--slices", "12", "--size", "96", "--workers", "1"]) == 0
    return folder


def test_piglet_yaml_runs_unchanged_on_the_digital_piglet(piglet, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings = [part for key, value in _SMALL.items() for part in ("--set", f"{key}={value}")]
    data = ["--data-root", str(piglet)]
    assert run(["train", "piglet.yaml", *data, *settings]) == 0
    assert run(["report", "piglet.yaml", *data, "--model", "n2b=runs/piglet", "--out", "report"]) == 0
    captured = capsys.readouterr()
    assert error_lines(captured.err) == []
    assert [dose for dose in ("5 %", "10 %", "25 %", "50 %") if dose not in captured.out] == []
    assert json.loads(Path("report/report.json").read_text())


def test_the_piglets_roles_are_shared_out_by_proportion(piglet, capsys):
    assert run(["train", "piglet.yaml", "--data-root", str(piglet), "--check", "--set", "training.patch_px=64"]) == 0
    out = capsys.readouterr().out
    assert "20 noisy, 6 clean, 0 validation, 4 test" in out
    assert "96x96" in out
