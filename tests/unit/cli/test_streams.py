"""A standard stream that cannot be written takes nothing from what was done, and is said once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from n2b_ct.cli.streams import Stream, exit_code
from tests.helpers import make_ct_dataset, save, save_series

FULL = Path("/dev/full")
LOST = "error: standard output: must be writable, got {}; the work is complete, only its messages are lost"
NOTHING_TOLD = "error: standard output: must be writable, got {}; nothing was printed"
NO_SPACE, CLOSED = "No space left on device", "Bad file descriptor"


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which n2b-ct is this very program."""
    command = f'n2b_ct() {{ {sys.executable} -m n2b_ct "$@"; }}; set -o pipefail; {line}'
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )


def complaints(ended: subprocess.CompletedProcess[str]) -> list[str]:
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    return [line for line in ended.stderr.splitlines() if line.startswith("error: ")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_series(tmp_path / "in")
    return tmp_path


needs_full_device = pytest.mark.skipif(not FULL.exists(), reason="no device here that is always full")


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        pytest.param("n2b_ct index in --out m.yaml >/dev/full", 0, [LOST.format(NO_SPACE)], marks=needs_full_device),
        ("n2b_ct index in --out m.yaml >&-", 0, [LOST.format(CLOSED)]),
        ("n2b_ct index in --out m.yaml <&- >&- 2>&-", 0, []),
        ("n2b_ct index in --out m.yaml | head -c 1", 0, []),
        pytest.param(
            "n2b_ct inspect in --json >/dev/full", 2, [NOTHING_TOLD.format(NO_SPACE)], marks=needs_full_device
        ),
        ("n2b_ct --help >&-", 2, [NOTHING_TOLD.format(CLOSED)]),
    ],
)
def test_the_exit_code_is_that_of_the_work_and_the_loss_is_one_line(folder, line, code, said):
    ended = shell(line, folder)
    assert (ended.returncode, complaints(ended)) == (code, said)
    assert (folder / "m.yaml").exists() == ("index" in line)


@needs_full_device
def test_the_failure_of_the_work_is_kept(folder):
    save(make_ct_dataset(RescaleSlope="0", instance_number=9), folder / "in" / "bad.dcm")
    ended = shell("n2b_ct index in --out m.yaml >/dev/full", folder)
    assert (ended.returncode, complaints(ended)) == (1, [LOST.format(NO_SPACE)])


def test_nothing_is_said_of_a_closed_stream_that_had_nothing_to_hold(folder):
    ended = shell("n2b_ct index nowhere --out m.yaml >&-", folder)
    assert ended.returncode == 2
    (line,) = complaints(ended)
    assert "nowhere: must exist" in line


@needs_full_device
def test_a_stream_says_why_it_failed_and_takes_more_text(tmp_path):
    with FULL.open("w") as full:
        stream = Stream(full, full.fileno())
        assert stream.write("a") == 1
        assert stream.failure is None
        stream.flush()
        assert stream.failure is not None
        assert stream.failure.strerror == NO_SPACE
        assert stream.write("more") == 4
        stream.flush()


def test_what_a_stream_cannot_encode_is_escaped(tmp_path):
    with (tmp_path / "out").open("w", encoding="ascii") as file:
        stream = Stream(file, file.fileno())
        stream.write("caf\udce9 µ")
    assert (tmp_path / "out").read_text() == "caf\\udce9 \\xb5"


def test_a_reader_that_has_gone_has_all_it_wanted(tmp_path, capsys):
    with (tmp_path / "out").open("w") as output, (tmp_path / "err").open("w") as errors:
        streams = Stream(output, output.fileno()), Stream(errors, errors.fileno())
        streams[0].failure = BrokenPipeError(32, "Broken pipe")
        assert exit_code(1, ["inspect"], *streams) == 1
    assert (tmp_path / "err").read_text() == ""
