"""The house: layers hold, nothing heavy loads early, the error tree is drawn whole, no machine shows through."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from n2b_ct import errors
from tests.conftest import REPOSITORY

WITHOUT_TORCH = ("errors", "hu", "config", "io", "filters", "simulation", "phantom", "evaluation", "cli")
OWN_FOLDERS = ("n2b_ct", "tests", "pipelines", "data_manifests", "quality_phantoms", "docs", "benchmarks", ".ci")
OWN_SUFFIXES = {".py", ".yaml", ".yml", ".md", ".toml", ".txt", ".cff", ".css", ".j2", ".json", ""}
_MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:" + "|".join(("work", "tmp", "root", "home", "usr/local")) + r")(?:/|\b)")


def python(code: str) -> str:
    """Run Python code in a process of its own and return what it prints."""
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def own_files() -> list[Path]:
    """Every text file of the project."""
    below = [path for folder in OWN_FOLDERS for path in (REPOSITORY / folder).rglob("*")]
    files = [path for path in (*REPOSITORY.iterdir(), *below) if path.is_file() and "cache" not in str(path)]
    return [path for path in files if path.suffix in OWN_SUFFIXES and path.name != "LICENSE"]


def test_the_import_contract_holds():
    python("from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])")


def test_every_layer_stands_in_the_import_contract():
    layers = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    rooms = [path for path in (REPOSITORY / "n2b_ct").iterdir() if not path.name.startswith("_")]
    missing = [path.stem for path in rooms if path.suffix in {"", ".py"} and f"n2b_ct.{path.stem}" not in layers]
    assert missing == []


@pytest.mark.parametrize("package", WITHOUT_TORCH)
def test_a_package_that_needs_no_torch_does_not_load_it(package):
    code = (
        "import importlib, json, pkgutil, sys\n"
        f"top = importlib.import_module('n2b_ct.{package}')\n"
        "for found in pkgutil.walk_packages(getattr(top, '__path__', []), top.__name__ + '.'):\n"
        "    importlib.import_module(found.name)\n"
        "print(json.dumps([name for name in ('torch', 'monai', 'ignite') if name in sys.modules]))\n"
    )
    assert json.loads(python(code)) == []


def test_the_error_tree_is_drawn_whole():
    drawn = errors.__doc__ or ""
    classes = [value for _, value in inspect.getmembers(errors, inspect.isclass)]
    assert [one.__name__ for one in classes if not re.search(rf"\b{one.__name__}\b", drawn)] == []
    named = set(re.findall(r"\b\w+Error\b", drawn))
    assert named == {one.__name__ for one in classes}
    assert all(issubclass(one, errors.N2BError) for one in classes)


def test_the_error_tree_is_drawn_as_it_is():
    depth = {}
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"^([ │├└─]*)(\w+Error)\b", line):
            depth[found[2]] = len(found[1])
    for name, indent in depth.items():
        (parent,) = getattr(errors, name).__bases__
        assert parent is Exception or depth[parent.__name__] < indent


def test_an_explanation_has_the_projects_one_form():
    assert errors.explain("a", "must be b", 5, "do c") == "a: must be b, got 5; do c"


def test_no_path_of_some_machine_shows_through():
    found = [
        f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()}"
        for path in own_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if _MACHINE_PATH.search(line)
    ]
    assert found == []


def test_nothing_below_the_command_line_prints():
    found = [
        str(path.relative_to(REPOSITORY))
        for path in (REPOSITORY / "n2b_ct").rglob("*.py")
        if "cli" not in path.parts and re.search(r"(?<![\w.])print\(|sys\.(stdout|stderr|exit)", path.read_text())
    ]
    assert found == []


def test_the_command_line_prints_through_one_door():
    """What is printed elsewhere would reach a terminal as a file or a folder's name has it."""
    door = REPOSITORY / "n2b_ct" / "cli" / "console.py"
    direct = re.compile(
        r"(?<![\w.])print\(|\.print\(|typer\.(echo|secho|style)|sys\.(stdout|stderr)|print_exc|Console\(|StreamHandler\("
    )
    files = [path for path in door.parent.rglob("*.py") if path != door]
    assert len(files) > 8
    assert [path.name for path in files if direct.search(path.read_text(encoding="utf-8"))] == []


def test_no_two_test_files_outside_of_packages_have_one_name():
    files = [path for path in (REPOSITORY / "tests").rglob("test_*.py") if not (path.parent / "__init__.py").is_file()]
    names = [path.name for path in files]
    assert sorted(names) == sorted(set(names))
