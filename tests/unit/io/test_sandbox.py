"""The sandbox against tasks that crash, hang, eat memory and lie."""

import io
import os
import signal
import struct
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from n2b_ct.errors import DataError, SeriesError
from n2b_ct.io.sandbox import crashes, process
from n2b_ct.io.sandbox.idle import IdleClock, IdleTooLongError
from n2b_ct.io.sandbox.messages import receive, send
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
    opened = Sandbox(2, Limits(first_cpu_s=0.3, cpu_s=0.6, n_memory_bytes=2**30))
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


def test_time_is_counted_for_each_item_apart(sandbox):
    outcomes = list(sandbox.ask_each(hazard("burn"), [{"seconds": 0.2}] * 4, n_together=4))
    assert not any(isinstance(outcome, SeriesError) for outcome in outcomes)


def test_what_a_worker_waits_for_does_not_count_as_processor_time(sandbox):
    assert sandbox.ask(hazard("sleep"), seconds=0.7).note == {}


def test_an_item_alone_may_use_more_processor_time_than_one_in_company(sandbox):
    assert sandbox.ask(hazard("burn"), seconds=0.4).note == {}


def test_the_timer_ends_a_worker_that_was_born_deaf_to_its_signal(sandbox):
    earlier = signal.signal(signal.SIGPROF, signal.SIG_IGN)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPROF})
    try:
        assert reason_of(sandbox, "burn", seconds=60) == "time_limit"
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(signal.SIGPROF, earlier)


WAYS_TO_DIE = {
    "crash": ("reader_crashed", r"file: must be readable, got a crash of its decoder \(SIGSEGV\), in 2 readers"),
    "exit": ("reader_crashed", "file: must be readable, got exit status 0 of its reader, in 2 readers"),
    "burn": ("time_limit", "file: must be read in time, got 0.6 s of processor time used up, in 2 readers"),
    "hang": ("time_limit", "file: must be read in time, got nothing from its disk in 1 s, in 2 readers"),
    "memory": ("memory_limit", "file: must be readable in little memory, got more than 1 GiB, in 2 readers"),
    "SIGKILL": ("reader_killed", r"got an end from outside \(SIGKILL\), in 8 readers .*; look whether memory ran out"),
    "SIGTERM": ("reader_killed", r"got an end from outside \(SIGTERM\), in 8 readers .*; look whether memory ran out"),
}
NEEDS_LIMITED_MEMORY = pytest.mark.skipif(sys.platform != "linux", reason="the address space is limited on Linux only")


@pytest.fixture
def without_pauses(monkeypatch):
    monkeypatch.setattr(crashes, "_PAUSE_KILLED_S", 0.0)


def impatient(sandbox):
    """Lower the limit of idle time, for tests of that alone: a busy disk may make any worker idle for a while."""
    sandbox._workers._limits = replace(sandbox._workers._limits, idle_s=1.0)


@pytest.mark.parametrize("how", WAYS_TO_DIE)
def test_one_death_costs_no_item_and_none_of_its_company(sandbox, tmp_path, how):
    if how == "hang":
        impatient(sandbox)
    items = [{"folder": str(tmp_path), "n_deaths": 1, "how": how}] * 3
    outcomes = list(sandbox.ask_each(hazard("die_at_first"), items, n_together=3))
    assert [outcome.note["n_before"] for outcome in outcomes] == [1, 2, 3]


@pytest.mark.parametrize("how", WAYS_TO_DIE)
def test_an_item_that_readers_die_of_again_is_refused_with_what_they_died_of(sandbox, tmp_path, without_pauses, how):
    if how == "hang":
        impatient(sandbox)
    reason, said = WAYS_TO_DIE[how]
    with pytest.raises(SeriesError, match=said) as caught:
        sandbox.ask(hazard("die_at_first"), folder=str(tmp_path), n_deaths=99, how=how)
    assert caught.value.reason == reason


def test_a_worker_that_was_killed_while_it_had_nothing_to_do_is_replaced(sandbox):
    worker = sandbox.ask(hazard("echo"), value=0).note["process"]
    os.kill(worker, signal.SIGKILL)
    assert sandbox.ask(hazard("echo"), value=0).note["process"] != worker


@NEEDS_LIMITED_MEMORY
def test_an_item_does_not_lack_the_memory_that_earlier_ones_kept(sandbox):
    sizes = [600 * 2**20, 600 * 2**20]
    hoards = list(sandbox.ask_each(hazard("hoard"), [{"n_bytes": n} for n in sizes], n_together=2))
    assert hoards[0].note["process"] != hoards[1].note["process"]


@NEEDS_LIMITED_MEMORY
def test_a_worker_that_has_grown_is_replaced(sandbox):
    workers = [sandbox.ask(hazard("hoard"), n_bytes=n).note["process"] for n in (2**20, 2**26, 2**26, 2**20)]
    assert workers[0] == workers[1] == workers[2] != workers[3]


@NEEDS_LIMITED_MEMORY
def test_memory_is_counted_from_what_the_libraries_have_taken(monkeypatch):
    monkeypatch.setattr(process, "_ENTRY", _ENTRY_WITH_HAZARDS)
    tight = Sandbox(1, Limits(n_memory_bytes=2**24))
    assert tight.ask(hazard("take_memory"), n_bytes=2**22).note == {"n_bytes": 2**22}
    assert reason_of(tight, "take_memory", n_bytes=2**25) == "memory_limit"
    tight.close()


def test_a_worker_cannot_write_files(sandbox, tmp_path):
    assert reason_of(sandbox, "write", path=str(tmp_path / "new")) in ("unreadable", "reader_crashed")
    assert [path.stat().st_size for path in tmp_path.iterdir()] in ([], [0])


def test_what_a_decoder_prints_does_not_disturb_the_answers(sandbox, capfd):
    assert sandbox.ask(hazard("chatter")).note == {"heard": False}
    assert capfd.readouterr() == ("", "")


def test_items_behind_a_deadly_one_in_the_same_request_are_done(sandbox):
    seconds = [0, 60, 0, 0]
    outcomes = list(sandbox.ask_each(hazard("burn"), [{"seconds": s} for s in seconds], n_together=4))
    assert [isinstance(outcome, SeriesError) for outcome in outcomes] == [False, True, False, False]


def test_a_task_outside_the_io_room_is_none(sandbox):
    with pytest.raises(DataError, match="reader process: must start, got ValueError"):
        sandbox.ask("os:getcwd")


def test_a_worker_without_what_a_task_imports_blames_no_item(sandbox):
    with pytest.raises(DataError, match="reader process: must start, got ModuleNotFoundError"):
        sandbox.ask("n2b_ct.io.absent:task")


@pytest.mark.parametrize(
    ("entry", "got"),
    [
        ("raise SystemExit(7)", "exit status 7"),
        ("import time; time.sleep(60)", "nothing from its disk in 1 s"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"an end from outside \(SIGKILL\)"),
    ],
)
def test_a_worker_that_cannot_start_is_named(monkeypatch, without_pauses, entry, got):
    monkeypatch.setattr(process, "_ENTRY", entry)
    with pytest.raises(DataError, match=f"reader process: must start, got {got}.*; check memory"):
        Sandbox(1, Limits(idle_s=1.0)).ask(hazard("echo"), value=0)


def test_a_system_that_starts_no_process_for_a_while_costs_no_item(sandbox, monkeypatch, without_pauses):
    start, refusals = process.subprocess.Popen, [BlockingIOError(11, "Resource temporarily unavailable")] * 2

    def refuse_at_first(*arguments, **options):
        if refusals:
            raise refusals.pop()
        return start(*arguments, **options)

    monkeypatch.setattr(process.subprocess, "Popen", refuse_at_first)
    assert sandbox.ask(hazard("echo"), value=1).note["value"] == 1
    refusals += [BlockingIOError(11, "Resource temporarily unavailable")] * 99
    with pytest.raises(DataError, match="reader process: must start, got Resource temporarily unavailable"):
        Sandbox(1).ask(hazard("echo"), value=1)


@pytest.mark.parametrize(
    ("states", "is_over"),
    [
        (["S 5 1"] * 5, True),  # asleep
        (["D 5 1"] * 5, True),  # waits for a disk
        (["R 5 1"] * 50, False),  # waits for a processor that others have
        ([f"S {n} 1" for n in range(50)], False),  # computes now and then
        ([f"D 5 {n}" for n in range(50)], False),
        (["S 5 1", "R 5 1", "S 5 1", "R 5 1", "S 5 1", "S 5 1", "S 5 1"], True),
        ([None] * 4, True),  # the system does not tell
    ],
)
def test_only_a_process_that_wants_no_processor_is_idle(tmp_path, states, is_over):
    clock = IdleClock(os.getpid(), 4.0)
    clock._status = tmp_path / "stat"
    ticks = 0
    with suppress(IdleTooLongError):
        for state in states:
            if state is not None:
                name, user, system = state.split()
                clock._status.write_text(f"7 (a) b) {name} {'0 ' * 10}{user} {system} 0 0", encoding="ascii")
            clock.tick()
            ticks += 1
    assert (ticks < len(states)) == is_over
    clock.restart()
    clock.tick()


def test_what_nobody_waits_for_any_more_holds_up_nobody(monkeypatch):
    monkeypatch.setattr(process, "_ENTRY", _ENTRY_WITH_HAZARDS)
    sandbox = Sandbox(1)
    outcomes = sandbox.ask_each(hazard("sleep"), [{"seconds": 0}, {"seconds": 3600}])
    next(outcomes)
    outcomes.close()
    sandbox._threads.shutdown(wait=True)
    sandbox.close()


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
        list(sandbox.ask_each("n2b_ct.io.dicom.scan:examine", [{"path": "absent"}]))
        worker = sandbox._workers._idle.get_nowait()
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
    deadline = time.monotonic() + 120
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
