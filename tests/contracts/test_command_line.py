"""The command line is a contract: its commands, their help and examples, and what it costs to ask for help."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys

import pytest
import typer.main

from n2b_ct.cli.app import app
from tests.conftest import REPOSITORY

GROUP = typer.main.get_command(app)
COMMANDS = sorted(GROUP.commands)  # type: ignore[attr-defined]
PROMISED = {
    "train": ["--data-root", "--out", "--device", "--resume", "--set", "--check"],
    "denoise": ["--model", "--strength", "--residual", "--device", "--overwrite", "--resume", "--json"],
    "report": ["--model", "--baseline", "--out"],
    "phantom": ["--images", "--absent", "--out"],
    "benchmark": ["--data-root", "--out", "--only", "--set", "--device", "--overwrite", "--check"],
    "simulate": ["--slices", "--dose"],
    "index": ["--out"],
    "inspect": [],
}
_HELP = """
import io, json, sys
from contextlib import redirect_stdout
from n2b_ct.cli import run
answers = {}
for arguments in json.loads(sys.argv[1]):
    text = io.StringIO()
    with redirect_stdout(text):
        code = run([*arguments, "--help"])
    answers[" ".join(arguments)] = (code, text.getvalue())
heavy = [name for name in ("torch", "monai", "ignite", "scipy", "skimage", "pydicom") if name in sys.modules]
print(json.dumps([answers, heavy]))
"""


def parse(line: str) -> None:
    """Parse a command line as the program would, without running it."""
    program, *arguments = shlex.split(line, comments=True)
    assert program == "n2b-ct"
    if arguments[:1] in (["--help"], ["--version"]):
        return
    command = GROUP.commands[arguments[0]]  # type: ignore[attr-defined]
    command.make_context(arguments[0], arguments[1:])


def commands_of(text: str) -> list[str]:
    """The ``n2b-ct`` lines of every console block of a Markdown text."""
    blocks = re.findall(r"^```(?:bash|console|sh|shell)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip().removeprefix("$ ") for line in lines if re.match(r"\s*(\$ )?n2b-ct ", line)]


@pytest.fixture(scope="module")
def asked() -> tuple[dict[str, tuple[int, str]], list[str]]:
    """Ask for all help texts in a process of its own; also returns what heavy modules that loaded."""
    arguments = json.dumps([[], *([name] for name in COMMANDS)])
    ended = subprocess.run(
        [sys.executable, "-c", _HELP, arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    answers, heavy = json.loads(ended.stdout)
    return answers, heavy


def test_the_promised_commands_are_there():
    assert set(COMMANDS) >= set(PROMISED)


def test_help_loads_nothing_heavy(asked):
    answers, heavy = asked
    assert heavy == []
    assert {code for code, _ in answers.values()} == {0}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_commands_help_has_an_example_that_parses(name, asked):
    _, text = asked[0][name]
    example = re.search(r"Example: (n2b-ct .*?)\n\n", text, re.DOTALL)
    assert example is not None, text
    parse(" ".join(example[1].split()))


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_every_promised_option_is_in_the_help(name, asked):
    _, text = asked[0][name]
    assert [option for option in PROMISED[name] if not re.search(rf"{option}\b", text)] == []


def test_the_help_says_that_it_is_no_medical_device(asked):
    assert "not a medical device" in " ".join(asked[0][""][1].split())


@pytest.mark.parametrize(
    "document", ["README.md", "docs/user-guide.md", "docs/experiments/README.md", "CONTRIBUTING.md"]
)
def test_every_command_in_prose_parses(document):
    for line in commands_of((REPOSITORY / document).read_text(encoding="utf-8")):
        parse(line)


def test_the_readme_shows_commands_at_all():
    names = {line.split()[1] for line in commands_of((REPOSITORY / "README.md").read_text(encoding="utf-8"))}
    assert names >= {"train", "denoise"}


def test_every_command_of_the_makefile_parses():
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ").replace("$$", "$")
    lines = re.findall(r"\$\(BIN\)/(n2b-ct .*)", text)
    assert lines
    for line in lines:
        parse(line)


def test_every_demo_pipeline_of_the_makefile_ships():
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"\b[\w-]+\.yaml\b", text))
    assert [name for name in named if not (REPOSITORY / "pipelines" / name).is_file()] == []
