"""Arguments of the public functions: what their annotations do not allow is refused in one line for each parameter."""

from __future__ import annotations

import collections.abc
import inspect
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import wraps
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from n2b_ct.errors import ConfigError, explain

F = TypeVar("F", bound=Callable[..., Any])
_WORDS: dict[Any, str] = {
    bool: "True or False",
    int: "an integer",
    float: "a number",
    str: "a text",
    os.PathLike: "a path (str or os.PathLike)",
    collections.abc.Callable: "a function",
    Any: "any value",
    NoneType: "None",
}


def checked_arguments(*, but: Collection[str] = ()) -> Callable[[F], F]:
    """Return a decorator that checks arguments against annotations; nothing is converted.

    Args:
        but: Parameters that the function checks itself.

    Raises:
        ConfigError: Out of the function, with one line for every argument that does not suit.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function)

        @wraps(function)
        def checked(*args: Any, **keywords: Any) -> Any:
            try:
                given = signature.bind(*args, **keywords).arguments
            except TypeError:  # Python itself says which parameter is unknown or missing
                return function(*args, **keywords)
            hints, remedy = get_type_hints(function), f"see help(n2b_ct.{function.__name__})"
            problems = [
                explain(name, f"must be {_words(hints[name])}", _shown(value), remedy)
                for name, value in given.items()
                if name not in but and not _fits(value, hints[name])
            ]
            if problems:
                raise ConfigError(problems)
            return function(*args, **keywords)

        return checked  # type: ignore[return-value]

    return decorate


def _fits(value: Any, hint: Any) -> bool:
    origin, parts = get_origin(hint) or hint, get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if origin is Mapping:
        return isinstance(value, Mapping) and all(_fits(k, parts[0]) and _fits(v, parts[1]) for k, v in value.items())
    if origin is Sequence:
        is_several = isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping)
        return is_several and all(_fits(one, parts[0]) for one in value)
    return hint is Any or _is_a(value, origin)


def _is_a(value: Any, kind: Any) -> bool:
    if kind is str:
        return isinstance(value, str) and "\0" not in value
    if kind is bool:
        return isinstance(value, bool) or type(value).__name__ == "bool"  # NumPy's
    if kind is int:
        return isinstance(value, Integral)
    if kind is float:
        return isinstance(value, Real) or (hasattr(value, "__float__") and getattr(value, "ndim", 1) == 0)
    return callable(value) if kind is collections.abc.Callable else isinstance(value, kind)


def _words(hint: Any) -> str:
    origin, parts = get_origin(hint) or hint, get_args(hint)
    if origin in (Union, UnionType):
        is_path = any(get_origin(part) is os.PathLike for part in parts)
        return " or ".join(dict.fromkeys(_words(part) for part in parts if not (is_path and part is str)))
    if origin is Literal:
        return " or ".join(map(str, parts))
    if origin is Mapping:
        return f"a mapping from {_words(parts[0])} to {_words(parts[1])}"
    if origin is Sequence:
        return f"a list, each {_words(parts[0])}"
    return _WORDS.get(origin) or f"a {origin.__name__}"


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str | bytes | Real | NoneType) else f"an object of {type(value).__name__}"
