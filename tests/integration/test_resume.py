"""A kill is no loss: ``--resume`` goes on to what an uninterrupted command would have made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from n2b_ct.cli import run
from n2b_ct.training.history import read_history
from tests.conftest import REPOSITORY
from tests.integration.scenes import (
    assert_same_weights,
    biased_model,
    error_lines,
    tissue_hu,
    tree_of,
    weights_of,
    write_series,
)

_PATIENCE_S = 90.0
_LISTENING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # background shells ignore it
_ONE_THREAD = "import sys, torch; torch.set_num_threads(1); from n2b_ct.cli import main; main(sys.argv[1:])"


def run_and_kill(arguments: list[str], when: Callable[[], bool], how: int = signal.SIGKILL) -> tuple[int, str]:
    """Run a command in a process of its own and signal it once ``when`` holds; returns exit code and stderr."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", _LISTENING + _ONE_THREAD, *arguments]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + _PATIENCE_S
        while not when():
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(how)
        _, stderr = process.communicate()
        return process.returncode, stderr


@pytest.fixture
def train(world: Path) -> list[str]:
    # Long enough that no machine ends it between the first checkpoint and the kill.
    long = ["--set", "training.iterations=120", "--set", "training.checkpoint_every=10"]
    return ["train", str(world), "--data-root", str(world.parent / "data"), *long]


def test_a_killed_training_resumes_to_the_same_weights(train, capsys):
    assert run([*train, "--out", "whole"]) == 0
    code, _ = run_and_kill([*train, "--out", "killed"], has_checkpoint("killed"))
    assert code == -signal.SIGKILL
    assert not Path("killed/model.pt").exists()
    n_rows = len(read_history(Path("killed/history.csv")))
    assert n_rows < len(read_history(Path("whole/history.csv")))
    assert run([*train, "--out", "killed", "--resume"]) == 0
    assert_same_weights(weights_of(Path("whole")), weights_of(Path("killed")))
    iterations = [row["iteration"] for row in read_history(Path("killed/history.csv"))]
    assert iterations == [row["iteration"] for row in read_history(Path("whole/history.csv"))]
    digests = [json.loads(Path(name, "summary.json").read_text())["model_digest"] for name in ("whole", "killed")]
    assert digests[0] == digests[1]
    assert error_lines(capsys.readouterr().err) == []


def has_checkpoint(name: str) -> Callable[[], bool]:
    return lambda: any(Path(name, "checkpoints").glob("checkpoint*.pt"))


def test_an_interrupted_training_says_so_and_resumes(train):
    code, stderr = run_and_kill([*train, "--out", "run"], has_checkpoint("run"), signal.SIGINT)
    assert code == 130
    assert stderr.splitlines()[-1] == "interrupted; nothing is half-written"
    assert "Traceback" not in stderr
    assert not Path("run/model.pt").exists()
    assert run([*train, "--out", "run", "--resume"]) == 0


def short(train: list[str], *more: str) -> list[str]:
    return [*train, "--set", "training.iterations=12", "--set", "training.checkpoint_every=4", *more]


def test_a_network_with_dropout_resumes_to_the_same_weights(train):
    network = "method.denoiser={name: BasicUNet, arguments: {features: [4, 4, 4, 4, 4, 4], dropout: 0.5}}"
    more = ["--set", network, "--set", "method.collapse_ratio=[0.001, 1000]"]
    assert run(short(train, "--out", "whole", *more)) == 0
    interrupt(short(train, "--out", "parted", *more), keep=8)
    assert run(short(train, "--out", "parted", *more, "--resume")) == 0
    assert_same_weights(weights_of(Path("whole")), weights_of(Path("parted")))


def interrupt(arguments: list[str], keep: int) -> None:
    """Leave what a run looks like that was killed after iteration ``keep``."""
    assert run(arguments) == 0
    out = Path(arguments[arguments.index("--out") + 1])
    for name in ("model.pt", "summary.json", "losses.png"):
        (out / name).unlink()
    kept = out / "checkpoints" / f"checkpoint_iteration={keep}.pt"
    for path in (out / "checkpoints").iterdir():
        if int(path.stem.partition("=")[2]) > keep:
            path.unlink()
    if not kept.exists():
        pytest.fail(f"no such checkpoint among {tree_of(out)}")


def test_a_kill_after_the_last_iteration_still_ends_in_a_model(train):
    assert run(short(train, "--out", "whole")) == 0
    before = weights_of(Path("whole"))
    Path("whole/model.pt").unlink()
    Path("whole/summary.json").unlink()
    assert run(short(train, "--out", "whole", "--resume")) == 0
    assert_same_weights(before, weights_of(Path("whole")))


def test_a_kill_between_model_and_summary_still_ends_in_both(train):
    assert run(short(train, "--out", "whole")) == 0
    Path("whole/summary.json").unlink()
    assert run(short(train, "--out", "whole", "--resume")) == 0
    assert Path("whole/summary.json").is_file()


def test_resuming_a_finished_run_changes_nothing(train):
    assert run(short(train, "--out", "whole")) == 0
    before = {path: path.read_bytes() for path in Path("whole").rglob("*") if path.is_file()}
    assert run(short(train, "--out", "whole", "--resume")) == 0
    assert {path: path.read_bytes() for path in Path("whole").rglob("*") if path.is_file()} == before


def test_a_torn_newest_checkpoint_is_passed_over(train):
    assert run(short(train, "--out", "whole")) == 0
    interrupt(short(train, "--out", "torn"), keep=12)
    newest = Path("torn/checkpoints/checkpoint_iteration=12.pt")
    newest.write_bytes(newest.read_bytes()[:1000])
    assert run(short(train, "--out", "torn", "--resume")) == 0
    assert_same_weights(weights_of(Path("whole")), weights_of(Path("torn")))


def test_a_run_resumes_from_any_folder(train, world, tmp_path, monkeypatch):
    monkeypatch.chdir(world.parent)
    given = [part if part != str(world) else world.name for part in short(train, "--out", str(tmp_path / "run"))]
    interrupt(given, keep=8)
    monkeypatch.chdir(tmp_path / "work")
    assert run(short(train, "--out", str(tmp_path / "run"), "--resume")) == 0


def test_resume_without_an_earlier_run_begins_one(train):
    assert run(short(train, "--out", "new", "--resume")) == 0
    assert Path("new/model.pt").is_file()


def test_a_killed_denoising_resumes_and_leaves_nothing_partial(tmp_path, monkeypatch, capsys):
    for number in range(1, 5):
        write_series(tmp_path / "in" / f"s{number}", tissue_hu(number, n_slices=12, size_px=128), uid=number)
    model = biased_model(tmp_path / "model.pt")
    monkeypatch.chdir(tmp_path)
    denoise = ["denoise", "in", "out", "--model", str(model), "--residual"]
    run_and_kill(denoise, lambda: Path("out/s1").is_dir())
    done = {path for path in Path("out").iterdir() if not path.name.startswith(".")}
    kept = {path: path.read_bytes() for folder in done for path in folder.iterdir()}
    assert all(len(list(folder.iterdir())) == 12 for folder in done)
    assert len(done) < 8
    assert run([*denoise, "--resume", "--json", "out.json"]) == 0
    names = sorted(path.name for path in Path("out").iterdir())
    assert names == sorted(f"s{number}{end}" for number in range(1, 5) for end in ("", "-residual"))
    assert all(len(list(folder.iterdir())) == 12 for folder in Path("out").iterdir())
    statuses = [one["status"] for one in json.loads(Path("out.json").read_text())["series"]]
    assert statuses[0] == "present"
    assert statuses[-1] == "done"
    assert all(path.read_bytes() == content for path, content in kept.items() if "residual" not in str(path))
    assert error_lines(capsys.readouterr().err) == []


def test_a_residual_without_its_series_is_made_again(tmp_path, monkeypatch):
    write_series(tmp_path / "in", tissue_hu(1), uid=1)
    model = biased_model(tmp_path / "model.pt")
    monkeypatch.chdir(tmp_path)
    denoise = ["denoise", "in", "out", "--model", str(model), "--residual"]
    assert run(denoise) == 0
    for path in Path("out").iterdir():
        path.unlink()
    assert run([*denoise, "--resume"]) == 0
    assert len(tree_of(Path("out"))) == len(tree_of(Path("out-residual"))) == 3
