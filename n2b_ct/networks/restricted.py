"""Restricted construction of networks: no sockets, no files, no programs, and a limit on weights.

Names and arguments of networks come from files that anyone may have written. What they may say is bounded in
:mod:`n2b_ct.config.networks`; this is for what a library does with them. It is an audit hook
(PEP 578), so it sees every way to a socket, a file or a process, and it looks at the thread that builds alone.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import PurePath

from torch import Tensor, nn
from torch.nn.modules import module as torch_modules

from n2b_ct.errors import ConfigError, explain

MOST_PARAMETERS = 100_000_000
"""Of one network: 400 MB of float32."""
MOST_MODULES = 20_000

_REFUSED = (
    *("socket.", "urllib.", "http.", "ftplib.", "subprocess.", "shutil.", "ctypes.dlopen"),
    *("os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.fork"),
    *("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.link"),
)
_IMPORTED = {".py", ".pyc", ".so", ".pyd", ".dll", ".dylib"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class _Building(threading.local):
    """Whether this thread is building a network."""

    is_active = False


_building = _Building()


class _RestrictedError(PermissionError):
    """A constructor reached outside."""


@contextmanager
def restricted(name: str, most_weights: int = MOST_PARAMETERS) -> Iterator[None]:
    """Let this thread build a network and nothing else.

    Args:
        name: Of the network.
        most_weights: What it may have, where a file says how many there are to fill it.

    Raises:
        ConfigError: The constructor reached for the network, a file or a program, or made too many weights.
    """
    _watch()
    limit = _SizeLimit(name, min(most_weights, MOST_PARAMETERS))
    hooks = (
        torch_modules.register_module_parameter_registration_hook(limit.count_parameter),
        torch_modules.register_module_buffer_registration_hook(limit.count_buffer),
        torch_modules.register_module_module_registration_hook(limit.count_module),
    )
    _building.is_active = True
    try:
        yield
    except _RestrictedError as error:
        remedy = "leave out what names an address or a path"
        raise ConfigError(
            explain(f"network {name}", "must be built from its arguments alone", error, remedy)
        ) from error
    finally:
        _building.is_active = False
        for hook in hooks:
            hook.remove()


class _SizeLimit:
    """Counts weights while they are made, before any is filled; other threads that build are left alone."""

    def __init__(self, name: str, most_weights: int) -> None:
        self._name, self._most_weights, self._thread = name, most_weights, threading.get_ident()
        self._n_parameters = self._n_in_buffers = self._n_modules = 0

    def count_parameter(self, _module: nn.Module, _name: str, parameter: Tensor | None) -> None:
        """Take in a parameter."""
        if parameter is not None and threading.get_ident() == self._thread:
            self._n_parameters += parameter.numel()
            self._require("weights", self._n_parameters, self._most_weights)

    def count_buffer(self, _module: nn.Module, _name: str, buffer: Tensor | None) -> None:
        """Take in what a layer keeps beside its weights."""
        if buffer is not None and threading.get_ident() == self._thread:
            self._n_in_buffers += buffer.numel()
            self._require("values kept beside its weights", self._n_in_buffers, MOST_PARAMETERS)

    def count_module(self, _module: nn.Module, _name: str, _submodule: nn.Module | None) -> None:
        """Take in a layer."""
        if threading.get_ident() == self._thread:
            self._n_modules += 1
            self._require("layers", self._n_modules, MOST_MODULES)

    def _require(self, what: str, n: int, most: int) -> None:
        if n > most:
            remedy = "lower its widths, depths or kernels"
            raise ConfigError(explain(f"network {self._name}", f"must have at most {most:,} {what}", "more", remedy))


@cache
def _watch() -> None:
    """Begin to watch, once in a process: an audit hook stays."""
    sys.addaudithook(_refuse_reaching_out)


def _refuse_reaching_out(event: str, arguments: tuple[object, ...]) -> None:
    if not _building.is_active:
        return
    if event.startswith(_REFUSED) or (event == "open" and not _is_import(arguments)):
        raise _RestrictedError(f"a call of {event}")


def _is_import(arguments: tuple[object, ...]) -> bool:
    """Whether a file is only read, as a module that is imported late is."""
    path, mode, flags = (*arguments, None, None, None)[:3]
    is_writing = any(letter in str(mode or "") for letter in "wax+") or bool(int(flags or 0) & _WRITES)  # type: ignore[call-overload]
    is_module = isinstance(path, str) and PurePath(path).suffix in _IMPORTED
    return is_module and not is_writing
