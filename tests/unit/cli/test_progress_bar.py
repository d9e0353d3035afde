"""Progress: plain lines now and then where there is no terminal, a bar where there is one."""

from __future__ import annotations

import re
import sys

import pytest

from n2b_ct.cli import progress_bar as progress_module
from n2b_ct.cli.progress_bar import progress_bar


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [100.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_a_line_comes_every_quarter_of_a_minute(clock, capsys):
    with progress_bar("training") as progress:
        for done in range(1, 61):
            clock[0] += 1.0
            progress(done, 60, "n2c")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"training: {done}/60 n2c, {60 - done} s left" for done in (15, 30, 45, 60)]


def test_what_was_done_before_says_nothing_about_the_time_left(clock, capsys):
    with progress_bar("training") as progress:
        for done in range(40, 56):
            progress(done, 60, "n2c")
            clock[0] += 1.0
    assert capsys.readouterr().err == "training: 55/60 n2c, 5 s left\n"


def test_a_short_job_says_only_that_it_is_done(clock, capsys):
    with progress_bar("reading") as progress:
        for done in (1, 2, 3):
            progress(done, 3, "headers")
    assert capsys.readouterr() == ("", "reading: 3/3 headers, 0 s left\n")


def test_nothing_to_do_is_no_division_by_zero(clock, capsys):
    with progress_bar("reading") as progress:
        progress(0, 0, "headers")
    assert capsys.readouterr().err == "reading: 0/0 headers, 0 s left\n"


def test_on_a_terminal_a_bar_is_drawn_and_brackets_are_kept(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar("denoising") as progress:
        progress(1, 2, "[red]thorax")
        progress(2, 2, "[red]thorax")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "denoising: [red]thorax" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", captured.err)
