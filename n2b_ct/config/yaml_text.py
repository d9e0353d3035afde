"""YAML text to plain values, in time and memory that grow with its length and no faster.

YAML lets ten lines stand for more than any memory (an alias of a list of aliases), nests without end, and can refer to
itself. So size, depth, counts and lengths have bounds, an alias counts as what it stands for, and tags and merge keys,
which no pipeline or manifest needs, are refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    _Parser = yaml.SafeLoader
else:
    _Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, some ten times as fast

MOST_BYTES = 4_000_000
"""Of a file: a manifest of 10,000 series has a tenth of it."""
_MOST_VALUES = 300_000
_MOST_NESTED = 32
_MOST_CHARACTERS = 10_000
_MOST_DIGITS = 50


class YamlTextError(ValueError):
    """A text is no YAML, or none that is taken here; says what in a few words."""


def decoded(content: bytes) -> str:
    """Decode a file's bytes, UTF-8 with or without a byte order mark.

    Raises:
        YamlTextError: It is too long, or not UTF-8.
    """
    if len(content) > MOST_BYTES:
        msg = f"more than {MOST_BYTES / 1e6:.0f} MB"
        raise YamlTextError(msg)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        msg = "UTF-16 instead of UTF-8"
        raise YamlTextError(msg)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        msg = f"a byte that is no UTF-8 in line {line}"
        raise YamlTextError(msg) from error


def parse_yaml(text: str) -> Any:
    """Turn YAML into plain values.

    Raises:
        YamlTextError: It is no YAML, or holds a tag, a merge key, a key twice, an open alias, or more than is taken.
    """
    try:
        walk = _Walk()
        for event in yaml.parse(text, Loader=_Parser):
            walk.take(event)
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        raise YamlTextError(_problem(error)) from error
    except (ValueError, OverflowError) as error:  # a date that no calendar has
        raise YamlTextError(str(error)) from error


class _PlainLoader(_Parser):
    """A SafeLoader that refuses what PyYAML takes in silence: a key written twice, merge keys, endless numbers."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in pairs):
            raise _not_taken("a merge key <<", node)
        keys = [self.construct_object(key, deep=True) for key, _ in pairs]
        counts = Counter(key for key in keys if isinstance(key, Hashable))  # the parser refuses the others
        twice = sorted(str(key) for key, n in counts.items() if n > 1)
        if twice:
            raise _not_taken(f"key written twice: {', '.join(twice[:5])}", node)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > _MOST_DIGITS:
            raise _not_taken(f"a number of more than {_MOST_DIGITS} digits", node)
        return super().construct_yaml_int(node)


_PlainLoader.add_constructor("tag:yaml.org,2002:int", _PlainLoader.construct_yaml_int)


class _Walk:
    """Walks through a text once, builds nothing, counts every alias as what it stands for, and stops at what is
    not taken."""

    def __init__(self) -> None:
        self._n_values = 0
        self._open: list[_Collection] = []
        self._anchored: dict[str, _Collection] = {}

    def take(self, event: Any) -> None:
        """Take the next event in."""
        if getattr(event, "tag", None) is not None:
            raise _not_taken("a tag", event)
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._anchored.pop(event.anchor or "", None)
            self._open.append(_Collection(event.anchor, self._n_values))
            self._n_values += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close(self._open.pop())
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        self._require_bounds(event)

    def _scalar(self, event: Any) -> None:
        if len(event.value) > _MOST_CHARACTERS:
            raise _not_taken(f"a text of more than {_MOST_CHARACTERS} characters", event)
        self._n_values += 1
        if event.anchor is not None:
            self._anchored[event.anchor] = _Collection(event.anchor, 0, n_values=1)

    def _close(self, closed: _Collection) -> None:
        closed.n_values = self._n_values - closed.n_before
        closed.n_nested += 1
        if closed.anchor is not None:
            self._anchored[closed.anchor] = closed
        self._nest(closed.n_nested)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchored:
            raise _not_taken("an alias without an anchor that ends before it", event)
        target = self._anchored[event.anchor]
        self._n_values += target.n_values
        self._nest(target.n_nested)

    def _nest(self, n_nested: int) -> None:
        if self._open:
            self._open[-1].n_nested = max(self._open[-1].n_nested, n_nested)

    def _require_bounds(self, event: Any) -> None:
        if self._n_values > _MOST_VALUES:
            raise _not_taken(f"more than {_MOST_VALUES} values", event)
        if len(self._open) + (self._open[-1].n_nested if self._open else 0) > _MOST_NESTED:
            raise _not_taken(f"brackets nested more than {_MOST_NESTED} deep", event)


@dataclass(slots=True)
class _Collection:
    """A list or mapping of the text: values in it, and how deep they nest."""

    anchor: str | None
    n_before: int
    n_values: int = 0
    n_nested: int = 0


def _not_taken(problem: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, place.start_mark)


def _problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0] or "something else"
    return f"{problem} in line {mark.line + 1}" if mark else str(problem)
