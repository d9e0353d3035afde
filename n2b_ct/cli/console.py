"""Printing: every line for the terminal is written here, with unprintable characters escaped.

Folder names, series descriptions, names in a YAML and in a model file come from others. Unescaped, they could clear a
screen, reverse text or forge a line; here unprintable characters are escaped. JSON keeps such values, with JSON's own
escapes.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from n2b_ct.cli.streams import Stream, occupy_closed_descriptors
from n2b_ct.errors import printable

if TYPE_CHECKING:
    from rich.console import Console


def guard_streams() -> tuple[Stream, Stream]:
    """Wrap standard output and standard error, so that a failure to print does not stop the work."""
    occupy_closed_descriptors()
    output, errors = Stream(sys.stdout, 1), Stream(sys.stderr, 2)
    sys.stdout, sys.stderr = output, errors
    return output, errors


def say(line: str) -> None:
    """Print a line of the result on stdout."""
    _write(line, err=False)


def say_err(line: str) -> None:
    """Print a line about the work on stderr: progress, warnings, errors, licences."""
    _write(line, err=True)


def say_json(values: Any) -> None:
    """Print plain values as JSON on stdout."""
    import typer

    typer.echo(json_text(values))


def json_text(values: Any) -> str:
    """Write plain values as JSON in ASCII, without control characters."""
    return json.dumps(values, indent=2).replace("\x7f", "\\u007f")


def say_table(headings: Sequence[str], rows: Iterable[Sequence[str]], width: int) -> None:
    """Print a table on stdout, headings and cells cleaned."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def cell(text: str) -> Text:
        return Text(_encodable(printable(text), sys.stdout))

    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(cell(heading))
    for row in rows:
        table.add_row(*map(cell, row))
    Console(width=width).print(table)


def is_terminal() -> bool:
    """Whether stderr is a terminal."""
    return sys.stderr.isatty()


def bar_console() -> Console:
    """Return the console of progress bars; clean their text by :func:`n2b_ct.errors.printable`."""
    from rich.console import Console

    return Console(stderr=True)


def say_traceback() -> None:
    """Print the traceback of the current error on stderr."""
    for line in traceback.format_exc().splitlines():
        say_err(line)


def log_handler() -> logging.Handler:
    """Make a handler that writes log records on stderr, each line cleaned."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_CleanFormatter(logging.BASIC_FORMAT))
    return handler


class _CleanFormatter(logging.Formatter):
    """Formats a record; its lines, those of a traceback too, stay lines."""

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).split("\n")
        return "\n".join(_encodable(printable(line), sys.stderr) for line in lines)


def _write(line: str, *, err: bool) -> None:
    import typer

    typer.echo(_encodable(printable(line), sys.stderr if err else sys.stdout), err=err)


def _encodable(text: str, stream: TextIO) -> str:
    """Escape what the stream's encoding cannot hold, such as µ where it is ASCII."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
