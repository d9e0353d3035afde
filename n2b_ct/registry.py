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
import re
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

from n2b_ct.errors import ConfigError, DataError, N2BError, explain

T = TypeVar("T")
_N_CHARACTERS = 64
_NAME = re.compile(rf"[A-Za-z0-9_.+-]{{1,{_N_CHARACTERS}}}")
_NAME_RULE = f"must be of 1 to {_N_CHARACTERS} letters, digits, _, -, + and dots"


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
        self._requirement = "must be a member"
        self._is_member: Callable[[object], bool] = _anything

    def expect(self, requirement: str, is_member: Callable[[object], bool]) -> None:
        """Refuse from outside what is no such member; a home of the kind says it once.

        Args:
            requirement: Such as ``must be a subclass of Method``.
            is_member: Whether a class or object is one.
        """
        self._requirement, self._is_member = requirement, is_member

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers a class or function by ``name`` and returns it unchanged.

        Raises:
            ConfigError: The name is already in use or not allowed, or the member is not of this kind.
        """

        def decorate(member: T) -> T:
            if not str(getattr(member, "__module__", "")).startswith(self._homes):
                self._load_homes()
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ConfigError(explain(f"{self.kind} {name}", _NAME_RULE, repr(name), "register it under another"))
            if name in self._loaders or self._members.get(name, member) is not member:
                remedy = "register it under another"
                raise ConfigError(explain(f"{self.kind} {name}", "must be a new name", "one in use", remedy))
            if not self._is_member(member):
                raise ConfigError(explain(f"{self.kind} {name}", self._requirement, _shown(member), "correct it"))
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
        known, shown = self.names(), name[:_N_CHARACTERS]
        return f"must be one of {', '.join(known)}", shown, did_you_mean(shown, known, "choose one of them")

    def _load_homes(self) -> None:
        if self._is_home_loaded:
            return
        for home in self._homes:
            module = import_module(home)
            for one in iter_modules(getattr(module, "__path__", ())):
                import_module(f"{home}.{one.name}")
        self._is_home_loaded = True

    def _entry_points(self) -> dict[str, list[EntryPoint]]:
        return _entry_points(self.group, tuple(sys.path))

    def _loaded(self, name: str, subject: str) -> T:
        found = self._entry_points().get(name, [])
        if not found:
            raise UnavailableError(subject, *self.unknown(name))
        packages, entry_point = sorted(map(_package, found)), found[0]
        if len(found) > 1:
            requirement, remedy = f"{name} must be offered by one installed package", "uninstall all but one"
            raise UnavailableError(subject, requirement, " and ".join(packages), remedy)
        remedy = "repair or uninstall that package"
        if not _NAME.fullmatch(name):
            requirement = f"the name that the installed package {packages[0]} offers {_NAME_RULE}"
            raise UnavailableError(subject, requirement, repr(name), remedy)
        try:
            member: T = entry_point.load()
        except (Exception, SystemExit) as error:  # other packages may raise anything while they are imported
            message = str(error).partition("\n")[0]
            got = f"{type(error).__name__}: {message}" if message else type(error).__name__
            requirement = f"{name} must be importable from the installed package {packages[0]}"
            raise UnavailableError(subject, requirement, got, remedy) from error
        if not self._is_member(member):
            requirement = f"{name} of the installed package {packages[0]} {self._requirement}"
            raise UnavailableError(subject, requirement, _shown(member), remedy)
        return member


def did_you_mean(name: str, known: Collection[str], otherwise: str) -> str:
    """Return a remedy that names what is nearest to an unknown name, or ``otherwise`` where nothing is near."""
    close = difflib.get_close_matches(name[:_N_CHARACTERS], known, n=3)
    return f"did you mean {' or '.join(close)}?" if close else otherwise


def is_subclass(member: object, base: type) -> bool:
    """Whether a member is a class derived from ``base``."""
    return isinstance(member, type) and base in member.__mro__


@contextmanager
def blamed(subject: str, requirement: str) -> Iterator[None]:
    """Turn whatever the code of a member raises into one line that names the member; our own errors stay.

    Args:
        subject: The member, such as ``blurred-label filter fourier``.
        requirement: What it must do.

    Raises:
        DataError: It raised something.
    """
    try:
        yield
    except (N2BError, MemoryError):
        raise
    except Exception as error:
        remedy = "repair or uninstall the package that offers it"
        raise DataError(explain(subject, requirement, type(error).__name__, remedy)) from error


def _anything(_: object) -> bool:
    return True


def _shown(member: object) -> str:
    return f"the class {member.__name__}" if isinstance(member, type) else f"an object of {type(member).__name__}"


def _package(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist is not None else entry_point.module


@lru_cache
def _entry_points(group: str, path: tuple[str, ...]) -> dict[str, list[EntryPoint]]:  # noqa: ARG001
    """Return the entry points of a group by name; looked up anew where Python's path has changed."""
    found: dict[str, list[EntryPoint]] = {}
    for one in sorted(set(entry_points(group=group)), key=lambda one: (one.name, one.value)):
        found.setdefault(one.name, []).append(one)
    return found


METHODS: Registry[Any] = Registry("method", "n2b_ct.methods", ("n2b_ct.methods",))
NETWORKS: Registry[Any] = Registry("network", "n2b_ct.networks", ("n2b_ct.networks",))
LABEL_FILTERS: Registry[Any] = Registry("blurred-label filter", "n2b_ct.label_filters", ("n2b_ct.filters",))
BASELINES: Registry[Any] = Registry("baseline", "n2b_ct.baselines", ("n2b_ct.filters.baselines",))
NOISES: Registry[Any] = Registry("noise", "n2b_ct.noises", ("n2b_ct.noises",))
VOLUME_FORMATS: Registry[Any] = Registry("volume format", "n2b_ct.volume_formats", ("n2b_ct.io.volume_formats",))
MEASURES: Registry[Any] = Registry("report measure", "n2b_ct.measures", ("n2b_ct.evaluation.measures",))
