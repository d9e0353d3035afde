"""YAML text to plain values, in time and memory that grow with its length and no faster.

YAML lets ten lines stand for more than any memory (an alias of a list of aliases) and nests without end. A pipeline or
a manifest needs neither, so anchors, aliases, tags and merge keys are refused, and size, depth and lengths have bounds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
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
        YamlTextError: It is no YAML, holds anchors, aliases, merge keys, a key twice, or more than is taken.
    """
    try:
        _require_plain(text)
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
            raise _refusal("a merge key <<", node)
        keys = [self.construct_object(key, deep=True) for key, _ in pairs]
        counts = Counter(key for key in keys if isinstance(key, Hashable))  # the parser refuses the others
        twice = sorted(str(key) for key, n in counts.items() if n > 1)
        if twice:
            raise _refusal(f"key written twice: {', '.join(twice[:5])}", node)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > _MOST_DIGITS:
            raise _refusal(f"a number of more than {_MOST_DIGITS} digits", node)
        return super().construct_yaml_int(node)


_PlainLoader.add_constructor("tag:yaml.org,2002:int", _PlainLoader.construct_yaml_int)


def _require_plain(text: str) -> None:
    """Walk through the text once, without building anything, and stop at what is not taken."""
    n_nested = 0
    for n_values, event in enumerate(yaml.parse(text, Loader=_Parser)):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refusal("an anchor or alias", event)
        if getattr(event, "tag", None) is not None:
            raise _refusal("a tag", event)
        if n_values > _MOST_VALUES:
            raise _refusal(f"more than {_MOST_VALUES} values", event)
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > _MOST_CHARACTERS:
            raise _refusal(f"a text of more than {_MOST_CHARACTERS} characters", event)
        n_nested += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if n_nested > _MOST_NESTED:
            raise _refusal(f"brackets nested more than {_MOST_NESTED} deep", event)


def _refusal(problem: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, place.start_mark)


def _problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0] or "something else"
    return f"{problem} in line {mark.line + 1}" if mark else str(problem)
