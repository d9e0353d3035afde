"""Two processes under torchrun, on loopback: the training of one, a death that all notice, a restart that goes on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from n2b_ct.cli import run
from n2b_ct.training.history import read_history
from tests.conftest import REPOSITORY
from tests.integration.scenes import tissue_hu, weights_of, write_series

_PATIENCE_S = 150.0
_SETTINGS = (
    "training.precision=fp32",
    "training.batch_size=4",
    "training.checkpoint_every=5",
    "training.log_every=5",
    "method.collapse_ratio=null",  # so small a training may collapse, which is not what is asked here
)


@pytest.fixture
def train(world: Path) -> list[str]:
    settings = [word for setting in _SETTINGS for word in ("--set", setting)]
    return ["train", str(world), "--data-root", str(world.parent / "data"), *settings]


def torchrun(arguments: list[str], *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *options]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, "-m", "n2b_ct", *arguments], env=environment, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, stderr = process.communicate(timeout=_PATIENCE_S)
    return process.returncode, stderr


def kill_second(launcher: subprocess.Popen[str], checkpoints: Path) -> None:
    """Kill the process of rank 1 once there is a checkpoint."""
    deadline = time.monotonic() + _PATIENCE_S
    while not any(checkpoints.glob("checkpoint*.pt")):
        assert launcher.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(rank_1_of(launcher.pid), signal.SIGKILL)


def rank_1_of(launcher: int) -> int:
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return next(int(child) for child in children if b"\0RANK=1\0" in Path(f"/proc/{child}/environ").read_bytes())


def assert_nearly_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    """Hold that two models differ by rounding alone: a sum of two means is rounded in another order than one mean."""
    assert one.keys() == other.keys()
    for key, value in one.items():
        torch.testing.assert_close(other[key], value, rtol=0, atol=2e-4)


def test_two_processes_give_the_result_of_one(train, capsys):
    short = [*train, "--set", "training.iterations=10"]
    assert run([*short, "--out", "one"]) == 0
    code, stderr = finished(torchrun([*short, "--out", "two"]))
    assert code == 0, stderr
    assert_nearly_same(weights_of(Path("one")), weights_of(Path("two")))
    one, two = (read_history(Path(name, "history.csv")) for name in ("one", "two"))
    assert [row["iteration"] for row in two] == [row["iteration"] for row in one] == [5, 10]
    for key in ("loss_n2b", "loss_n2c"):
        assert [row.get(key) for row in two] == pytest.approx([row.get(key) for row in one], rel=2e-3), key
    assert sorted(path.name for path in Path("two").iterdir()) == sorted(path.name for path in Path("one").iterdir())
    assert stderr.count("training, 0 s left") <= 1
    assert capsys.readouterr().out.count("trained noise2blur") == 1


def test_two_processes_train_a_network_that_a_method_leaves_a_part_of(train):
    network = '{"name": "NoiseScaledUNet", "arguments": {"n_features": 4, "depth": 3, "max_features": 8}}'
    short = [*train, "--set", "training.iterations=2", "--set", f"method.denoiser={network}"]
    code, stderr = finished(torchrun([*short, "--out", "two"]))
    assert code == 0, stderr
    assert Path("two", "model.pt").is_file()


def test_what_one_process_began_two_can_end(train):
    assert run([*train, "--set", "training.iterations=10", "--out", "one"]) == 0
    assert run([*train, "--set", "training.iterations=10", "--out", "parted"]) == 0
    for name in ("model.pt", "summary.json", "checkpoints/checkpoint_iteration=10.pt"):
        Path("parted", name).unlink()
    arguments = [*train, "--set", "training.iterations=10", "--out", "parted", "--resume"]
    code, stderr = finished(torchrun(arguments))
    assert code == 0, stderr
    assert_nearly_same(weights_of(Path("one")), weights_of(Path("parted")))


def test_all_processes_refuse_data_that_changed(train, world):
    given = [*train, "--set", "training.iterations=10", "--out", "run"]
    assert run(given) == 0
    write_series(world.parent / "data/clean", tissue_hu(99), uid=10, patient="a")
    Path("run/model.pt").unlink()
    code, stderr = finished(torchrun([*given, "--resume"]))
    assert code != 0
    said = {line for line in stderr.splitlines() if line.startswith("error: ")}
    (line,) = said
    assert "got 3 of 3 clean images changed (number 1, 2, 3); restore the data" in line
    assert not Path("run/model.pt").exists()


_DIFFERING = """
import os
from pathlib import Path
from n2b_ct.errors import DataError
from n2b_ct.training.devices import choose_device
from n2b_ct.training.distribution import process_group, require_agreement

with process_group(choose_device("cpu")):
    require_agreement("ab" * 32)
    try:
        require_agreement(os.environ["RANK"] * 64)
    except DataError as error:
        Path("said" + os.environ["RANK"]).write_text(str(error))
"""


def test_processes_that_read_different_images_all_say_so(tmp_path):
    (tmp_path / "differing.py").write_text(_DIFFERING)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "differing.py"]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, timeout=_PATIENCE_S)
    said = [(tmp_path / f"said{rank}").read_text() for rank in (0, 1)]
    assert said[0] == said[1]
    assert said[0].startswith("training: all processes must read the same images, got 2 sets; give all processes")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the process to kill in /proc")
def test_a_killed_process_stops_all_with_one_line_or_starts_all_again(train):
    whole = [*train, "--set", "training.iterations=60"]
    for out, options, code_wanted in (("stopped", (), 1), ("restarted", ("--max-restarts", "1"), 0)):
        launcher = torchrun([*whole, "--out", out], *options)
        kill_second(launcher, Path(out, "checkpoints"))
        code, stderr = finished(launcher)
        assert code == code_wanted, stderr
        said = [line for line in stderr.splitlines() if line.startswith("error: ")]
        assert len(said) <= 1  # torchrun may end the other before it speaks
        assert all(
            re.match(r"error: training: needs all its processes, got one that has ended; ", line) for line in said
        )
        assert Path(out, "model.pt").exists() == (code == 0)
    rows = [row["iteration"] for row in read_history(Path("restarted/history.csv"))]
    assert rows == list(range(5, 65, 5))
