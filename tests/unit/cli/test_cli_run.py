"""The command line's own laws: exit codes, stderr, --debug, interruption."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

import n2b_ct
from n2b_ct import api, cli
from n2b_ct.cli import app as app_module
from n2b_ct.errors import CollapseError, ConfigError


@pytest.fixture
def answering(monkeypatch):
    """Make the application raise or return what the test wants."""

    def answer(outcome):
        def app(**_):
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr(app_module, "app", app)

    return answer


@pytest.mark.parametrize(("outcome", "code"), [(None, 0), (0, 0), (1, 1), (2, 2)])
def test_a_commands_exit_code_is_the_exit_code(answering, outcome, code):
    answering(outcome)
    assert cli.run(["train"]) == code


def test_every_problem_is_a_line_on_stderr(answering, capsys):
    answering(ConfigError(["one: a", "two: b"]))
    assert cli.run(["train"]) == 2
    assert capsys.readouterr() == ("", "error: one: a\nerror: two: b\n")


def test_text_that_looks_like_markup_is_kept(answering, capsys):
    answering(CollapseError("window: must be [red], got [/red]; see [240, -160]"))
    assert cli.run(["train"]) == 2
    assert capsys.readouterr().err == "error: window: must be [red], got [/red]; see [240, -160]\n"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), typer.Abort(), 130])
def test_an_interruption_is_130(answering, capsys, interruption):
    answering(interruption)
    assert cli.run(["train"]) == 130
    assert capsys.readouterr().err == "interrupted; nothing is half-written\n"


def test_what_nobody_foresaw_is_one_line_and_with_debug_a_traceback(answering, capsys):
    answering(ZeroDivisionError("details"))
    assert cli.run(["train"]) == 2
    assert capsys.readouterr().err == (
        "error: internal error: ZeroDivisionError; run again with --debug and report it\n"
    )
    assert cli.run(["train"], debug=True) == 2
    assert "Traceback" in capsys.readouterr().err


def test_debug_works_anywhere_on_the_line(monkeypatch):
    given = []
    monkeypatch.setattr(cli, "run", lambda arguments, debug: given.append((arguments, debug)) or 0)
    for arguments in (["--debug", "train", "x"], ["train", "x", "--debug"], ["train", "x"]):
        with pytest.raises(SystemExit, match="0"):
            cli.main(arguments)
    assert given == [(["train", "x"], True), (["train", "x"], True), (["train", "x"], False)]


def test_the_version_is_the_packages(capsys):
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"n2b-ct {n2b_ct.__version__}\n"


def test_no_command_shows_the_help_and_is_bad_usage(capsys):
    assert cli.run([]) == 2
    assert "Usage: n2b-ct" in capsys.readouterr().out


def test_the_package_runs_as_a_module():
    ended = subprocess.run([sys.executable, "-m", "n2b_ct", "--version"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, f"n2b-ct {n2b_ct.__version__}\n")


def test_training_is_told_its_threads(monkeypatch):
    told = {}
    monkeypatch.setattr(api, "train", lambda *_, **how: told.update(how) or {})
    assert cli.run(["train", "piglet.yaml", "--threads", "3"]) == 0
    assert told["threads"] == 3
