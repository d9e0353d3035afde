"""Regular expressions from untrusted files and options: only those that cannot take exponential time are accepted.

Python tries every way to divide a text among repeats, so ``(a+)+$`` over forty letters takes years. What makes the
ways multiply is refused before any text is met: a repeat or an alternative inside a repeat, and many of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from re import _parser as parser  # type: ignore[attr-defined]  # the only way to a pattern's structure
from typing import Any

MOST_TEXT = 256
"""Characters of a text that are searched."""
_MOST_PATTERN = 500
_MOST_REPEATS = 4
_MOST_CHOICES = 8
_FEW = 8
_REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}


def is_found(pattern: re.Pattern[str], text: str) -> bool:
    """Search a text of a header, its first :data:`MOST_TEXT` characters."""
    return pattern.search(text[:MOST_TEXT]) is not None


@lru_cache(maxsize=4096)
def checked_pattern(text: str) -> re.Pattern[str]:
    """Compile a regular expression that ignores case.

    Raises:
        ValueError: It is none, or could take a very long time.
    """
    if len(text) > _MOST_PATTERN:
        msg = f"must have at most {_MOST_PATTERN} characters"
        raise ValueError(msg)
    try:
        compiled = re.compile(text, re.IGNORECASE)
        kinds = list(_kinds(parser.parse(text), is_repeated=False))
    except (re.error, RecursionError, OverflowError) as error:
        msg = f"must be a regular expression: {str(error) or type(error).__name__}"
        raise ValueError(msg) from error
    if "nested" in kinds:
        msg = "must have no repeat and no alternative inside a repeat, such as (a+)+ or (a|b)*"
        raise ValueError(msg)
    if kinds.count("repeat") > _MOST_REPEATS or len(kinds) > _MOST_CHOICES:
        msg = f"must have at most {_MOST_REPEATS} repeats and {_MOST_CHOICES} repeats, optional parts and alternatives"
        raise ValueError(msg)
    return compiled


def _kinds(parsed: Iterable[Any], *, is_repeated: bool) -> Iterator[str]:
    """Name what multiplies the ways to match: ``repeat``, ``choice``, and ``nested`` where one lies in a repeat."""
    for operation, argument in parsed:
        name = str(operation)
        inside = is_repeated
        if name in _REPEATS and argument[0] != argument[1]:
            is_long = argument[1] > _FEW
            yield "nested" if is_repeated else "repeat" if is_long else "choice"
            inside = True
        elif name in _REPEATS:
            inside = is_repeated or argument[1] > _FEW
        elif name in {"BRANCH", "GROUPREF_EXISTS"}:
            yield "nested" if is_repeated else "choice"
        for part in _parts(argument):
            yield from _kinds(part, is_repeated=inside)


def _parts(argument: Any) -> Iterator[Iterable[Any]]:
    """Find the patterns inside an operation's argument, wherever the parser puts them."""
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, tuple | list):
        for one in argument:
            yield from _parts(one)
