"""Registries of extension points: methods, networks, filters, baselines, noises, formats, measures.

A name in a file or on the command line is looked up in three places, in this order:

1. what was registered in this process, by :meth:`Registry.register`;
2. the modules of this package that hold the kind, imported when first asked;
3. the entry points of installed packages, one group a kind (``n2b_ct.methods`` and so on). Their names are read without
   importing anything; the one that is asked for is imported then.

So no file makes the program import code that was not installed or registered, and a package outside that cannot be
imported affects only uses of its names. A name of this package is never replaced from outside.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

from n2b_ct.errors import ConfigError, explain

T = TypeVar("T")
_N_CHARACTERS = 64


class UnavailableError(ConfigError):
    """No member has this name, or its package cannot be imported."""

    def __init__(self, subject: str, requirement: str, got: str, remedy: str) -> None:
        self.requirement, self.got, self.remedy = requirement, got, remedy
        super().__init__(explain(subject, requirement, got, remedy))


class Registry(Generic[T]):
    """The members of one kind, by name.

    Args:
        kind: What a member is called in messages, such as ``method``.
        group: Entry-point group of packages outside.
        homes: Modules of this package that register members; of a package, all its modules.
    """

    def __init__(self, kind: str, group: str, homes: tuple[str, ...]) -> None:
        self.kind = kind
        self.group = group
        self._homes = homes
        self._is_home_loaded = False
        self._members: dict[str, T] = {}
        self._loaders: dict[str, Callable[[], T]] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers a class or function by ``name`` and returns it unchanged.

        Raises:
            ConfigError: The name is already in use.
        """

        def decorate(member: T) -> T:
            if not str(getattr(member, "__module__", "")).startswith(self._homes):
                self._load_homes()
            if name in self._loaders or self._members.get(name, member) is not member:
                remedy = "register it under another"
                raise ConfigError(explain(f"{self.kind} {name}", "must be a new name", "one in use", remedy))
            self._members[name] = member
            return member

        return decorate

    def register_lazily(self, name: str, load: Callable[[], T]) -> None:
        """Register by ``name`` what ``load`` returns; it is called on first use."""
        self._loaders[name] = load

    def get(self, name: str, subject: str | None = None) -> T:
        """Return the member of this name.

        Args:
            name: From a file or a command line.
            subject: What the message is about, such as ``method.name``; the kind where None.

        Raises:
            UnavailableError: There is none (the message names the known ones and the nearest), or the package that
                offers it cannot be imported.
        """
        self._load_homes()
        if name in self._loaders:
            return self._loaders[name]()
        if name not in self._members:
            self._members[name] = self._loaded(name, subject or self.kind)
        return self._members[name]

    def names(self) -> tuple[str, ...]:
        """Return all names: this package's by module, then those of packages outside, without importing them."""
        self._load_homes()
        own = sorted(self._members, key=lambda name: str(getattr(self._members[name], "__module__", "")))
        return tuple(dict.fromkeys([*own, *self._loaders, *self._entry_points()]))

    def unknown(self, name: str) -> tuple[str, str, str]:
        """Return requirement, value and remedy of the message on an unknown name."""
        known = self.names()
        close = difflib.get_close_matches(name[:_N_CHARACTERS], known, n=3)
        remedy = f"did you mean {' or '.join(close)}?" if close else "choose one of them"
        return f"must be one of {', '.join(known)}", name[:_N_CHARACTERS], remedy

    def _load_homes(self) -> None:
        if self._is_home_loaded:
            return
        for home in self._homes:
            module = import_module(home)
            for one in iter_modules(getattr(module, "__path__", ())):
                import_module(f"{home}.{one.name}")
        self._is_home_loaded = True

    def _entry_points(self) -> dict[str, EntryPoint]:
        return _entry_points(self.group, tuple(sys.path))

    def _loaded(self, name: str, subject: str) -> T:
        entry_point = self._entry_points().get(name)
        if entry_point is None:
            raise UnavailableError(subject, *self.unknown(name))
        try:
            return entry_point.load()
        except (Exception, SystemExit) as error:  # other packages may raise anything while they are imported
            package = entry_point.dist.name if entry_point.dist is not None else entry_point.module
            message = str(error).partition("\n")[0]
            got = f"{type(error).__name__}: {message}" if message else type(error).__name__
            requirement = f"{name} must be importable from the installed package {package}"
            raise UnavailableError(subject, requirement, got, "repair or uninstall that package") from error


@lru_cache
def _entry_points(group: str, path: tuple[str, ...]) -> dict[str, EntryPoint]:  # noqa: ARG001
    """Return the entry points of a group by name; looked up anew where Python's path has changed."""
    return {one.name: one for one in sorted(entry_points(group=group), key=lambda one: one.name)}


METHODS: Registry[Any] = Registry("method", "n2b_ct.methods", ("n2b_ct.methods",))
NETWORKS: Registry[Any] = Registry("network", "n2b_ct.networks", ("n2b_ct.networks",))
LABEL_FILTERS: Registry[Any] = Registry("blurred-label filter", "n2b_ct.label_filters", ("n2b_ct.filters",))
BASELINES: Registry[Any] = Registry("baseline", "n2b_ct.baselines", ("n2b_ct.filters.baselines",))
NOISES: Registry[Any] = Registry("noise", "n2b_ct.noises", ("n2b_ct.noises",))
VOLUME_FORMATS: Registry[Any] = Registry("volume format", "n2b_ct.volume_formats", ("n2b_ct.io.volume_formats",))
MEASURES: Registry[Any] = Registry("report measure", "n2b_ct.measures", ("n2b_ct.evaluation.measures",))
