"""A short slice of the fuzz run (``python -m benchmarks.fuzz``), and proof that its watcher sees what goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from benchmarks.fuzz.driver import drive
from benchmarks.fuzz.log import Log
from benchmarks.fuzz.mutants import MUTATORS, Case, load_seeds, make_case
from benchmarks.fuzz.promises import (
    broken_by_failure,
    broken_by_scan,
    broken_by_series,
    broken_by_words,
    fingerprint,
)
from benchmarks.fuzz.run import fuzz
from benchmarks.fuzz.seeds import synthetic_seeds
from benchmarks.fuzz.spoil_files import Mutant
from benchmarks.fuzz.summary import PROBLEMS, summarise
from benchmarks.fuzz.watch import Limits, watched_rows
from n2b_ct.io.dicom.ct_reader import read_slice
from n2b_ct.io.series import FileRecord
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched through /proc")

_N_FILES = 150
_SEED = 1


def test_no_broken_file_breaks_the_reader():
    rows = list(fuzz(_N_FILES, _SEED, n_workers=2))
    assert [row for row in rows if row["problems"]] == []
    assert sorted(row["index"] for row in rows) == list(range(_N_FILES))
    assert {row["action"] for row in rows} == {"used", "skipped", "error"}


@pytest.mark.parametrize("name", synthetic_seeds())
def test_a_sound_seed_is_used_and_derived(name, tmp_path):
    case = Case(0, "untouched", name, Mutant(synthetic_seeds()[name]))
    row = drive(case, tmp_path)
    assert (row["action"], row["derived"], row["problems"]) == ("used", "done", [])


def test_a_file_is_a_function_of_its_number():
    seeds = load_seeds()
    cases = [make_case(_SEED, index, seeds) for index in range(40)]
    assert cases == [make_case(_SEED, index, load_seeds()) for index in range(40)]
    assert cases != [make_case(_SEED + 1, index, seeds) for index in range(40)]


def test_every_mutator_changes_most_files():
    seeds = load_seeds()
    sound = {one.content for one in seeds.synthetic}
    cases = [make_case(_SEED, index, seeds) for index in range(1500)]
    assert {case.mutator for case in cases} == set(MUTATORS)
    changed = {case.mutator for case in cases if case.mutant.content not in sound}
    assert changed == set(MUTATORS) - {"files: untouched"}


_FAKE_DRIVER = """
    import json, os, subprocess, sys, time
    MIB = 2**20
    row = {"action": "used", "reason": "", "derived": "done", "problems": [], "seconds": 0.0, "peak_mib": 1}
    hold = "import time; kept = bytearray(%d); time.sleep(60)" % (400 * MIB)
    for index in json.loads(sys.stdin.read())["indices"]:
        print(json.dumps({"began": index, "mutator": "m", "seed_file": "s"}), flush=True)
        if index == 1:
            os.abort()
        if index == 2:
            time.sleep(60)
        if index == 3:
            kept = bytearray(400 * MIB)
            time.sleep(60)
        if index == 4:
            subprocess.run([sys.executable, "-c", hold])
        if index == 5:
            print("Traceback (most recent call last):", file=sys.stderr, flush=True)
        if index == 6:
            print("reading Zzyzx^Quux", file=sys.stderr, flush=True)
        if index == 7:
            sys.exit(0)
        row |= {"index": index, "mutator": "m", "seed_file": "s", "stderr_end": os.fstat(2).st_size}
        print(json.dumps(row), flush=True)
"""


def test_the_watcher_sees_crashes_hangs_memory_tracebacks_and_leaks(tmp_path):
    driver = tmp_path / "driver.py"
    driver.write_text(dedent(_FAKE_DRIVER), encoding="utf-8")
    limits = Limits(seconds=1.5, mib=300)
    rows = watched_rows(0, range(9), limits=limits, command=[sys.executable, str(driver)])
    problems = {row["index"]: row["problems"] for row in rows}
    assert problems == {
        0: [],
        1: ["crash"],
        2: ["hang"],
        3: ["memory"],
        4: ["memory"],
        5: ["traceback"],
        6: ["leak", "noise"],
        7: ["crash"],
        8: [],
    }
    assert {code for codes in problems.values() for code in codes} <= PROBLEMS.keys()


def test_a_driver_that_cannot_start_ends_the_run(tmp_path):
    missing = str(tmp_path / "missing.py")
    with pytest.raises(RuntimeError, match=r"the driver failed before its first file \(exit status 2\)"):
        list(watched_rows(0, [0], command=[sys.executable, missing]))


def test_messages_are_held_to_one_clean_line_without_the_patient():
    assert broken_by_words("slice.dcm: must be CT, got MR; leave it out") == {}
    assert broken_by_words("fine", "two\nlines") == {"unprintable": "two\nlines"}
    assert broken_by_words("\x1b[31mred").keys() == {"unprintable"}
    assert broken_by_words("got zzyzx^quux") == {"leak": "got zzyzx^quux"}


def test_a_file_without_a_record_and_an_unknown_reason_are_seen():
    known, unknown = FileRecord(Path("a"), "skipped", "empty"), FileRecord(Path("b"), "error", "no such code")
    assert broken_by_scan([known], [Path("a")]) == {}
    assert broken_by_scan([known], [Path("a"), Path("b")]) == {"records": "1 records"}
    assert broken_by_scan([known, known], [Path("a")]) == {"records": "2 records"}
    assert broken_by_scan([unknown], [Path("b")]) == {"unknown_reason": "error: no such code"}


def test_half_a_series_other_words_and_leftovers_are_seen(tmp_path):
    target = tmp_path / "series"
    target.mkdir()
    (target / "slice").write_bytes(synthetic_seeds()["explicit"])
    right = fingerprint(read_slice(target / "slice"))
    assert broken_by_series(target, [right]) == {}
    assert broken_by_series(target, [right, right]) == {"half_written": "1 of 2"}
    assert broken_by_series(target, ["other"]) == {"changed_words": "1 of 1"}
    assert broken_by_failure(target, "it failed") == {"half_written": "it failed"}
    (tmp_path / ".partial-1").mkdir()
    assert broken_by_series(target, [right]) == {"leftover": ".partial-1"}


def test_a_run_goes_on_where_it_was_stopped(tmp_path):
    run = {"seed": _SEED}
    log = Log(tmp_path / "rows.jsonl", run)
    for row in fuzz(3, _SEED):
        log.append(row)
    with (tmp_path / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"index": 3, "torn')
    again = Log(tmp_path / "rows.jsonl", run)
    assert again.indices == {0, 1, 2}
    assert [row["index"] for row in fuzz(5, _SEED, done=again.indices)] == [3, 4]
    assert summarise(again.rows(5), run)["n_files"] == 3
    with pytest.raises(ValueError, match="is of another run"):
        Log(tmp_path / "rows.jsonl", {"seed": 2})


def test_one_command_fuzzes_and_writes_the_summary(tmp_path):
    command = [sys.executable, "-m", "benchmarks.fuzz", "--out", str(tmp_path / "run"), "--n", "3", "--workers", "1"]
    for arguments in ([], ["--write", "2"]):
        subprocess.run([*command, "--results", str(tmp_path), *arguments], cwd=REPOSITORY, check=True)
    summary = json.loads((tmp_path / "fuzz_dicom.json").read_text(encoding="utf-8"))
    assert summary["n_files"] == 3
    assert sum(summary["by_mutator"].values()) == sum(summary["by_end"].values()) == 3
    assert "3 broken files, seed 0" in (tmp_path / "fuzz_dicom.md").read_text(encoding="utf-8")
    mutant = make_case(0, 2, load_seeds()).mutant
    assert (tmp_path / "run" / mutant.name).read_bytes() == mutant.content
