"""The sandbox against tasks that crash, hang, eat memory and lie."""

import io
import os
import signal
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from n2b_ct.errors import DataError, SeriesError
from n2b_ct.io.sandbox import process
from n2b_ct.io.sandbox.frames import receive, send
from n2b_ct.io.sandbox.pool import Sandbox, shared_sandbox
from n2b_ct.io.sandbox.process import Limits

_ENTRY_WITH_HAZARDS = f"""
import json, sys
sys.path[:] = [*json.loads(sys.argv[1]), {str(Path(__file__).parent)!r}]
import sandbox_hazards
sys.modules["n2b_ct.io.hazards"] = sandbox_hazards
from n2b_ct.io.sandbox.worker import main
main()
"""


@pytest.fixture
def sandbox(monkeypatch):
    monkeypatch.setattr(process, "_ENTRY", _ENTRY_WITH_HAZARDS)
    opened = Sandbox(2, Limits(seconds=2.0, n_memory_bytes=2**30))
    yield opened
    opened.close()


def hazard(name):
    return f"n2b_ct.io.hazards:{name}"


def reason_of(sandbox, name, **arguments):
    with pytest.raises(SeriesError, match="; ") as caught:
        sandbox.ask(hazard(name), **arguments)
    return caught.value.reason


def test_values_and_bytes_come_back(sandbox):
    answer = sandbox.ask(hazard("echo"), value=3)
    assert (answer.note["value"], bytes(answer.payload)) == (3, b"\0\0\0")


def test_a_path_of_undecodable_bytes_survives_the_way(sandbox):
    name = os.fsdecode(b"slice-\xff\xfe")
    assert sandbox.ask(hazard("echo"), value=name).note["value"] == name


def test_workers_run_beside_this_process_and_stay_for_the_next_item(sandbox):
    first, second = (sandbox.ask(hazard("echo"), value=0).note["process"] for _ in range(2))
    assert first == second != os.getpid()


def test_relative_paths_mean_the_same_in_a_worker_wherever_this_process_goes(sandbox, tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert sandbox.ask(hazard("where")).note == {"folder": str(tmp_path / name)}


def test_a_folder_that_is_gone_ends_no_worker(sandbox, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert sandbox.ask(hazard("where")).note == {"folder": os.sep}


def test_outcomes_keep_the_order_of_the_items(sandbox):
    outcomes = sandbox.ask_each(hazard("echo"), [{"value": n} for n in range(100)], n_together=7)
    assert [outcome.note["value"] for outcome in outcomes] == list(range(100))


def test_items_are_taken_only_a_little_ahead(sandbox):
    taken = []
    items = ({"value": taken.append(n) or 0} for n in range(100))
    outcomes = sandbox.ask_each(hazard("echo"), items)
    next(outcomes)
    assert len(taken) <= 4
    outcomes.close()


def test_what_a_task_refuses_is_refused_here(sandbox):
    assert reason_of(sandbox, "refuse") == "bad_value"


def test_an_unforeseen_exception_tells_its_kind_and_nothing_else(sandbox):
    with pytest.raises(SeriesError, match="KeyError") as caught:
        sandbox.ask(hazard("fail"))
    assert caught.value.reason == "unreadable"
    assert "name" not in str(caught.value)


def test_a_crash_costs_its_item_only(sandbox):
    assert reason_of(sandbox, "crash") == "reader_crashed"
    assert sandbox.ask(hazard("echo"), value=1).note["value"] == 1


def test_a_hang_ends_after_its_time(sandbox):
    started = time.monotonic()
    assert reason_of(sandbox, "sleep", seconds=60) == "time_limit"
    assert time.monotonic() - started < 20


def test_time_is_counted_for_each_item_apart(sandbox):
    outcomes = list(sandbox.ask_each(hazard("sleep"), [{"seconds": 0.7}] * 4, n_together=4))
    assert not any(isinstance(outcome, SeriesError) for outcome in outcomes)


@pytest.mark.skipif(sys.platform != "linux", reason="the address space is limited on Linux only")
def test_a_memory_blow_up_is_refused_by_the_kernel(sandbox):
    assert reason_of(sandbox, "fill_memory") == "memory_limit"


def test_a_worker_cannot_write_files(sandbox, tmp_path):
    assert reason_of(sandbox, "write", path=str(tmp_path / "new")) in ("unreadable", "reader_crashed")
    assert [path.stat().st_size for path in tmp_path.iterdir()] in ([], [0])


def test_what_a_decoder_prints_does_not_disturb_the_answers(sandbox, capfd):
    assert sandbox.ask(hazard("chatter")).note == {"heard": False}
    assert capfd.readouterr() == ("", "")


def test_items_behind_a_deadly_one_in_the_same_request_are_done(sandbox):
    seconds = [0, 60, 0, 0]
    outcomes = list(sandbox.ask_each(hazard("sleep"), [{"seconds": s} for s in seconds], n_together=4))
    assert [isinstance(outcome, SeriesError) for outcome in outcomes] == [False, True, False, False]


def test_a_task_outside_the_io_room_is_refused(sandbox):
    with pytest.raises(SeriesError, match="ValueError"):
        sandbox.ask("os:getcwd")


def test_a_worker_that_cannot_start_is_named(monkeypatch):
    monkeypatch.setattr(process, "_ENTRY", "raise SystemExit(7)")
    with pytest.raises(DataError, match="reader process: must start, got exit status 7"):
        Sandbox(1).ask(hazard("echo"), value=0)


def test_closing_ends_every_worker(sandbox):
    worker = sandbox.ask(hazard("echo"), value=0).note["process"]
    sandbox.close()
    with pytest.raises(ProcessLookupError, match="No such process"):
        os.kill(worker, 0)


def test_a_worker_follows_its_killed_parent(tmp_path):
    script = textwrap.dedent("""
        import sys, time
        from n2b_ct.io.sandbox.pool import shared_sandbox
        sandbox = shared_sandbox()
        list(sandbox.ask_each("n2b_ct.io.dicom.examine:examine", [{"path": "absent"}]))
        worker = sandbox._idle.get_nowait()
        print(worker._process.pid, flush=True)
        time.sleep(60)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(process.__file__).parents[3])},
    ) as parent:
        worker = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(worker)


def is_running(number):
    """A process that ended but was not waited for by its foster parent counts as ended."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{number}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_gets_a_sandbox_of_its_own():
    own = shared_sandbox()
    child = os.fork()
    if child == 0:
        os._exit(0 if shared_sandbox() is not own else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert shared_sandbox() is own


@pytest.mark.parametrize(
    "content",
    [b"", b"short", struct.pack("<QQ", 2**40, 0), struct.pack("<QQ", 2, 2**40) + b"{}", struct.pack("<QQ", 2, 9)],
)
def test_nonsense_from_a_worker_is_no_frame(content):
    assert receive(io.BytesIO(content)) is None


def test_a_frame_cut_in_its_payload_is_no_frame():
    stream = io.BytesIO()
    send(stream, {"a": 1}, b"12345")
    assert bytes(receive(io.BytesIO(stream.getvalue())).payload) == b"12345"
    assert receive(io.BytesIO(stream.getvalue()[:-1])) is None
