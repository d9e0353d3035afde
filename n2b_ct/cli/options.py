"""Options that commands share, and the option names in messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, get_type_hints

import typer
from typer.models import OptionInfo

SkipBadSlices = Annotated[
    bool, typer.Option("--skip-bad-slices", help="Leave bad slices out; by default they fail their series.")
]
AssumeHU = Annotated[bool, typer.Option("--assume-hu", help="Assume that values are HU where a file does not say so.")]
VolumeOffsetHU = Annotated[
    float, typer.Option("--volume-offset-hu", help="Added to the values of NIfTI, NRRD and MetaImage to get HU.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads; one per core if not given.")]
DataRoot = Annotated[Path | None, typer.Option(help="Where the data lies.")]
Select = Annotated[str | None, typer.Option(help="Regular expression on SeriesDescription.")]
KeepProved = Annotated[
    bool, typer.Option("--resume", help="Keep outputs that are what this run would make; do the others.")
]
ReplaceOutputs = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]
ReplaceReport = Annotated[bool, typer.Option("--overwrite", help="Replace a report that is there.")]
Created = Annotated[
    str | None, typer.Option(metavar="ISO-TIME", help="Time to write, for equal bytes; now if not given.")
]


def share_of(text: str | float) -> float:
    """Read a share that is written as ``50%`` or ``0.5``.

    Raises:
        BadParameter: It is neither, or not from 0 to 1.
    """
    number, percent, rest = str(text).strip().partition("%")
    try:
        share = float(number) / (100.0 if percent else 1.0)
    except ValueError:
        share = float("nan")
    if rest or not 0.0 <= share <= 1.0:
        msg = f"must be from 0% to 100%, got {text}; write 50% or 0.5"
        raise typer.BadParameter(msg)
    return share


def strength_of(text: str | float) -> float | str:
    """Read a strength: ``auto``, or a number from 0 to 1.

    Raises:
        BadParameter: It is neither.
    """
    if text == "auto":
        return "auto"
    try:
        strength = float(text)
    except ValueError:
        strength = float("nan")
    if not 0.0 <= strength <= 1.0:
        msg = f"must be from 0 to 1 or auto, got {text}; 0 removes nothing, 1 all noise found"
        raise typer.BadParameter(msg)
    return strength


_commands: list[Callable[..., None]] = []


def with_options(message: str) -> str:
    """Rewrite a library's message for the command line: parameters become options.

    ``baselines: must be …`` becomes ``--baseline: must be …``, ``overwrite=True`` becomes ``--overwrite`` and
    ``data_root=DIR`` becomes ``--data-root DIR``; ``out=…`` stands for an option without its value. What a line says it
    got stays as it is, for it is somebody else's text.
    """
    return "\n".join(map(_with_options, message.split("\n")))


def remember_options(command: Callable[..., None]) -> None:
    """Let :func:`with_options` know the options of a command."""
    _commands.append(command)
    option_names.cache_clear()


@cache
def option_names() -> dict[str, str]:
    """Return the option of every parameter that some command has."""

    def option_of(name: str, info: OptionInfo) -> str:
        declared = (info.default, *(info.param_decls or ()))  # typer takes the first for a default value
        return next((str(text) for text in declared if str(text).startswith("--")), f"--{name.replace('_', '-')}")

    return {
        name: option_of(name, info)
        for command in _commands
        for name, hint in get_type_hints(command, include_extras=True).items()
        for info in getattr(hint, "__metadata__", ())
        if isinstance(info, OptionInfo)
    }


def _with_options(line: str) -> str:
    options = option_names()
    names = "|".join(options)

    def option_of(found: re.Match[str]) -> str:
        return options[found[1]] + ("" if found[2] else " ")

    def worded(part: str) -> str:
        return re.sub(rf"(?<![\w.-])({names})=(True\b|…)?", option_of, part)

    before, got, after = line.partition(", got ")
    value, semicolon, remedy = after.rpartition("; ")
    before = re.sub(rf"^({names})(?=: )", lambda found: options[found[1]], before)
    return f"{worded(before)}{got}{value}{semicolon}{worded(remedy)}"
