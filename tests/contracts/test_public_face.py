"""What ``import n2b_ct as n2b`` gives: the public names, lazily, with docstrings whose examples run."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import n2b_ct as n2b
from n2b_ct import errors
from n2b_ct.cli.options import option_names, with_options
from n2b_ct.config.quality_phantom import load_quality_phantom
from n2b_ct.inference.denoiser import Denoiser
from tests.conftest import REPOSITORY
from tests.integration.scenes import identity_model, manifest_values, pipeline_values, write_patients, write_yaml_file
from tests.phantom_scans import ct_noise, draw_phantom, save_repeats

PROMISED = {
    "load",
    "denoise",
    "fit",
    "train",
    "report",
    "evaluate",
    "phantom_report",
    "simulate",
    "read_series",
    "errors",
}
FUNCTIONS = sorted(PROMISED - {"errors"})
HEAVY = ("torch", "monai", "ignite", "numpy", "scipy", "pydicom", "pydantic", "yaml", "typer")


def python(code: str) -> str:
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_the_promised_names_are_the_public_ones():
    assert set(n2b.__all__) == PROMISED
    assert {name for name in dir(n2b) if not name.startswith("__")} == PROMISED
    assert n2b.errors is errors


def test_importing_loads_nothing_heavy():
    code = f"import sys, n2b_ct; dir(n2b_ct); n2b_ct.errors; print([m for m in {HEAVY} if m in sys.modules])"
    assert python(code) == "[]"


def test_reading_a_series_needs_no_torch():
    assert python("import sys, n2b_ct; n2b_ct.read_series; print('torch' in sys.modules)") == "False"


def test_a_name_that_is_not_there_is_said_as_python_says_it():
    with pytest.raises(AttributeError, match="module 'n2b_ct' has no attribute 'denoize'"):
        n2b.denoize  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'denoize'"):
        from n2b_ct import denoize  # noqa: F401


def test_type_checkers_see_what_is_loaded_lazily():
    """The names imported for type checkers come from the modules that the loading imports them from."""
    tree = ast.parse(Path(n2b.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in block.body for alias in node.names}  # type: ignore[attr-defined]
    assert seen == {**n2b._HOMES, "errors": "n2b_ct"}
    assert [name for name in FUNCTIONS if getattr(n2b, name).__module__ != seen[name]] == []


def test_type_checkers_are_told_that_the_package_has_types():
    assert Path(n2b.__file__).with_name("py.typed").is_file()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with what the examples speak of."""
    write_patients(tmp_path / "data")
    write_yaml_file(tmp_path / "patients.yaml", manifest_values())
    write_yaml_file(tmp_path / "abdomen.yaml", pipeline_values())
    (tmp_path / "runs").mkdir()
    identity_model(tmp_path / "runs" / "model.pt")
    (tmp_path / "runs" / "abdomen").mkdir()
    (tmp_path / "runs" / "model.pt").rename(tmp_path / "runs" / "abdomen" / "model.pt")
    image = draw_phantom(load_quality_phantom("acr-464"))
    for folder, sd_hu in (("acr", 20.0), ("acr-denoised", 10.0)):
        save_repeats(image, ct_noise(3, sd_hu, 1), tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "public", [*(getattr(n2b, name) for name in FUNCTIONS), Denoiser], ids=lambda one: one.__name__
)
def test_every_public_name_has_an_example_that_runs(public, place):
    (example,) = doctest.DocTestFinder(recurse=False).find(public, public.__name__, globs={})
    assert example.examples
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(example, out=said.append)
    assert said == []


def python_blocks(document: str) -> list[str]:
    text = (REPOSITORY / document).read_text(encoding="utf-8")
    return [
        block for block in re.findall(r"^```python\n(.*?)^```", text, re.M | re.S) if "import n2b_ct as n2b" in block
    ]


@pytest.mark.parametrize("document", ["README.md", "docs/user-guide.md"])
def test_the_python_that_a_document_shows_runs(document, place, capsys):
    write_yaml_file(place / "my_pipeline.yaml", pipeline_values())
    (block,) = python_blocks(document)
    exec(compile(block, document, "exec"), {})  # noqa: S102 (a document of this repository)
    assert capsys.readouterr().out.count("\n") == block.count("print(")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_is_told_of(name):
    function = getattr(n2b, name)
    told = re.findall(r"^\s+(\w+): ", textwrap.dedent(inspect.getdoc(function) or ""), re.MULTILINE)
    assert [one for one in inspect.signature(function).parameters if one not in told] == []


ONLY_IN_PYTHON = {
    *("source", "output", "pipeline", "spec", "path", "progress", "command", "panels_per_series", "series_uid"),
    *("noisy", "clean", "references", "validation", "truths"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_that_the_command_line_has_can_be_said_as_its_option(name):
    parameters = set(inspect.signature(getattr(n2b, name)).parameters) - ONLY_IN_PYTHON
    assert parameters <= set(option_names())


@pytest.mark.parametrize(
    ("said", "worded"),
    [
        ("baselines: must be among a, b, got c; choose one", "--baseline: must be among a, b, got c; choose one"),
        ("x: must be new, got y; pass overwrite=True", "x: must be new, got y; pass --overwrite"),
        ("x: must be y, got z; pass data_root=DIR", "x: must be y, got z; pass --data-root DIR"),
        ("x: must be y, got z; pass another out=…", "x: must be y, got z; pass another --out"),
        ("resume=True and overwrite=True: only one", "--resume and --overwrite: only one"),
        ("scheduler=tls://h:1: must answer", "--scheduler tls://h:1: must answer"),
        ("x: must be y, got out=1; go", "x: must be y, got out=1; go"),
        ("model m.pt: must be ours", "model m.pt: must be ours"),
        ("out: a\ndevice: b", "--out: a\n--device: b"),
        ("training.device=1: must be y", "training.device=1: must be y"),
    ],
)
def test_a_message_names_parameters_in_python_and_options_on_the_command_line(said, worded):
    assert with_options(said) == worded
