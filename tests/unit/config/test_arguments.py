"""Arguments that the annotations of a public function do not allow: one line for each, by its parameter."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import n2b_ct as n2b
from n2b_ct.config.arguments import checked_arguments
from n2b_ct.errors import ConfigError


@checked_arguments(but=("hu",))
def take(
    path: str | os.PathLike[str] = "a",
    strength: float | None = None,
    n_slices: int = 1,
    doses: Sequence[float] = (),
    models: Mapping[str, str | os.PathLike[str]] = {},
    overrides: Sequence[str] | Mapping[str, Any] = (),
    compress: Literal["none", "rle"] = "none",
    is_whole: bool = False,
    progress: Callable[[int], None] | None = None,
    hu: Any = None,
) -> dict[str, Any]:
    """Return its arguments."""
    return locals()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("path", ["a", Path("a")]),
        ("strength", [0.5, 1, None, np.float32(0.5), np.array(0.5)]),
        ("n_slices", [3, np.int64(3), True]),
        ("doses", [[0.5], (1, np.float32(0.5)), np.array([0.5]), []]),
        ("models", [{"a": "b", "c": Path("d")}, {}]),
        ("overrides", [["a=1"], {"a": object()}, ()]),
        ("compress", ["rle"]),
        ("is_whole", [True, np.True_]),
        ("progress", [print, None]),
    ],
)
def test_what_the_annotation_allows_reaches_the_function_as_it_is(name, values):
    for value in values:
        assert take(**{name: value})[name] is value


@pytest.mark.parametrize(
    ("name", "values", "requirement"),
    [
        ("path", [b"a", 3, None, "a\0b", ["a"]], "must be a path (str or os.PathLike)"),
        ("strength", ["0.5", 1j, [0.5], np.array([0.5])], "must be a number or None"),
        ("n_slices", ["3", 3.0, None, np.array([3])], "must be an integer"),
        ("doses", [0.5, "0.5", ["a"], None, {0.5: 1}, (x for x in [0.5])], "must be a list, each a number"),
        (
            "models",
            ["a", ["a"], {"a": 1}, {1: "a"}, None],
            "must be a mapping from a text to a path (str or os.PathLike)",
        ),
        ("overrides", ["a=1", 3], "must be a list, each a text or a mapping from a text to any value"),
        ("compress", ["zip", None, 3], "must be none or rle"),
        ("is_whole", ["yes", 1, None], "must be True or False"),
        ("progress", ["bar"], "must be a function or None"),
    ],
)
def test_what_the_annotation_does_not_allow_is_refused_in_one_line(name, values, requirement):
    for value in values:
        with pytest.raises(ConfigError) as caught:
            take(**{name: value})
        (line,) = caught.value.problems
        assert line.startswith(f"{name}: {requirement}, got ")
        assert line.endswith("; see help(n2b_ct.take)")


def test_every_argument_that_does_not_suit_gets_a_line():
    with pytest.raises(ConfigError) as caught:
        take(3, n_slices="x", hu="not looked at")
    assert [line.partition(" (")[0].partition(",")[0] for line in caught.value.problems] == [
        "path: must be a path",
        "n_slices: must be an integer",
    ]


def test_a_parameter_that_is_not_there_is_said_as_python_says_it():
    with pytest.raises(TypeError, match=r"take\(\) got an unexpected keyword argument 'stength'"):
        take(stength=0.5)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: n2b.load(None), "model: must be a path (str or os.PathLike), got None; see"),
        (lambda: n2b.load("a", device=3), "device: must be a text, got 3; see help(n2b_ct.load)"),
        (
            lambda: n2b.read_series(b"a"),
            "path: must be a path (str or os.PathLike) or a list, each a path (",
        ),
        (
            lambda: n2b.train(None),
            "pipeline: must be a path (str or os.PathLike) or a Pipeline or a mapping from a text",
        ),
        (lambda: n2b.train("a", threads="x"), "threads: must be an integer or None, got 'x'; see help(n2b_ct.train)"),
        (
            lambda: n2b.denoise("a", "b", model=None),
            "model: must be a path (str or os.PathLike) or a Denoiser or a Model, got None",
        ),
        (lambda: n2b.denoise("a", "b", model="c", compress="x"), "compress: must be none or "),
        (lambda: n2b.denoise("a", "b", model="c", equipment="x"), "equipment: must be scanner or "),
        (
            lambda: n2b.denoise("a", "b", model="c", content_qualification="x"),
            "content_qualification: must be ",
        ),
        (
            lambda: n2b.denoise("a", "b", model="c", created="2020"),
            "created: must be a datetime or None, got '2020'",
        ),
        (
            lambda: n2b.denoise(np.zeros((4, 4)), "b", model="c"),
            "source: must be a path (str or os.PathLike), got an object of",
        ),
        (lambda: n2b.simulate("a", "b", doses=0.5), "doses: must be a list, each a number, got 0.5; see"),
        (
            lambda: n2b.report("a", ["runs/a"], "out"),
            "models: must be a mapping from a text to a path (str or os.PathLike), got an object",
        ),
        (
            lambda: n2b.evaluate("a", "out"),
            "candidates: must be a mapping from a text to a path (str or os.PathLike), got 'a'; see",
        ),
    ],
)
def test_the_public_functions_name_the_parameter_of_an_argument_of_another_type(call, line):
    with pytest.raises(ConfigError) as caught:
        call()
    (problem,) = caught.value.problems
    assert problem.startswith(line)
