"""What is printed is clean, whatever names files, folders and models have."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from n2b_ct.batch.outcomes import Outcome, TreeResult
from n2b_ct.cli import console, progress_bar, run
from n2b_ct.cli.tree_result import tell
from n2b_ct.errors import explain, printable

HOSTILE = "a\x1b[2J\x1b]0;t\x07b\nerror: forged\r\x9b31m\x7f\u202ec\u2066d\u2028e\x85f\x00g\udcffh\ufeffi"
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\u200e\u200f]")
ORDINARY = "Żółć 名前 σ=25 µm é नमस्ते می‌خواهم 👩‍⚕️ a\u00a0b\u3000c"


def clean(text: str, n_lines: int = 1) -> bool:
    return not STEERING.search(text) and text.count("\n") == n_lines and "\nerror: forged" not in text


def test_what_steers_a_terminal_is_shown_as_its_escape():
    assert clean(f"{printable(HOSTILE)}\n")
    assert printable("a\x1b[31m\n\u202e") == r"a\x1b[31m\n\u202e"


def test_any_alphabet_stays_as_it_is():
    assert printable(ORDINARY) == ORDINARY
    assert printable(printable(HOSTILE)) == printable(HOSTILE)
    assert explain(ORDINARY, "a", ORDINARY, "b") == f"{ORDINARY}: a, got {ORDINARY}; b"


@pytest.mark.parametrize("write", [console.say, console.say_err])
def test_a_line_stays_one_line(write, capsys):
    write(HOSTILE)
    assert clean("".join(capsys.readouterr()))


def test_a_stream_that_cannot_hold_a_letter_gets_its_escape(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    console.say("µm")
    console.say_table(["σ"], [["µ"]], 80)
    sys.stdout.flush()
    assert raw.getvalue().split() == [rb"\xb5m", rb"\u03c3", rb"\xb5"]


def test_a_tables_cells_are_clean(capsys):
    console.say_table(["method", HOSTILE], [[HOSTILE, "[red]1[/red]"]], 600)
    said = capsys.readouterr().out
    assert clean(said, 2)
    assert "[red]1[/red]" in said


def test_json_keeps_a_value_and_escapes_it(capsys):
    console.say_json({"name": HOSTILE})
    said = capsys.readouterr().out
    assert json.loads(said) == {"name": HOSTILE}
    assert said.isascii()
    assert not STEERING.search(said)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_is_clean_with_and_without_a_terminal(is_terminal, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    monkeypatch.setenv("COLUMNS", "400")
    with progress_bar.progress_bar(f"{HOSTILE}x") as bar:
        bar(1, 2, HOSTILE)
        bar(2, 2, HOSTILE)
    said = capsys.readouterr().err
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", said)  # what the bar itself needs
    assert not STEERING.search(drawn)
    assert "\nerror: forged" not in drawn
    assert "]0;t\x07" not in said


def test_done_lines_warnings_and_errors_are_clean(capsys, tmp_path):
    done = Outcome(Path("in"), Path(f"out/{HOSTILE}".replace("\x00", "")), "done", n_slices=3)
    failed = Outcome(Path(HOSTILE.replace("\x00", "")), Path("out"), "failed", detail=HOSTILE, reason="x")
    tell(TreeResult([done, failed], []), tmp_path / "status.json")
    captured = capsys.readouterr()
    assert clean(captured.out)
    assert clean(captured.err)
    document = (tmp_path / "status.json").read_text(encoding="utf-8")
    assert document.isascii()
    assert json.loads(document)["series"][1]["detail"] == HOSTILE


def test_errors_of_a_command_are_clean(capsys):
    assert run(["denoise", HOSTILE.replace("\x00", ""), "out", "--model", HOSTILE.replace("\x00", "")]) == 2
    assert run([HOSTILE]) == 2
    assert run(["denoise", f"--{HOSTILE}"]) == 2
    assert not STEERING.search(capsys.readouterr().err)


def test_log_records_are_clean(capsys):
    record = logging.LogRecord("n", logging.WARNING, "p", 1, HOSTILE, None, None)
    handler = console.log_handler()
    handler.emit(record)
    assert not STEERING.search(capsys.readouterr().err)


def test_a_librarys_warning_is_left_out_and_clean_in_debug():
    code = "import sys, warnings; from n2b_ct.cli import run; run(['--version'], debug={}); warnings.warn('a\\x1bb')"
    for debug, said in ((False, ""), (True, r"a\x1bb")):
        ended = subprocess.run([sys.executable, "-c", code.format(debug)], capture_output=True, text=True, check=True)
        assert said in ended.stderr
        assert not STEERING.search(ended.stderr)
        assert debug or ended.stderr == ""


def test_a_traceback_is_clean(capsys):
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        console.say_traceback()
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert not STEERING.search(said)
