"""Tiny packages with entry points, as pip would install them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from n2b_ct.registry import Registry

MODULE = "outside_parts"


def lay_package(site: Path, name: str, entry_points: dict[str, dict[str, str]], **modules: str) -> Path:
    """Lay a package into a folder as pip does; returns the folder.

    Args:
        site: The folder.
        name: Of the package.
        entry_points: Group to the names of its entry points and what they lead to.
        modules: Name of a module to its source.
    """
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    for module, source in modules.items():
        (site / f"{module}.py").write_text(source, encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    groups = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entry_points[group].items())
        for group in entry_points
    ]
    (info / "entry_points.txt").write_text("\n".join(groups), encoding="utf-8")
    return site


@contextmanager
def installed(folder: Path, registry: Registry[Any], source: str, **names: str) -> Iterator[None]:
    """Install a package of one module ``outside_parts``; afterwards the registry knows nothing of it.

    Args:
        folder: Where it lies.
        registry: Whose entry points it has.
        source: Of the module.
        names: Name of an entry point to what it leads to in the module.
    """
    offered = {name: f"{MODULE}:{attribute}" for name, attribute in names.items()}
    lay_package(folder, "outside-parts", {registry.group: offered}, **{MODULE: source})
    registry.names()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_members", dict(registry._members))
        patch.syspath_prepend(folder)
        try:
            yield
        finally:
            sys.modules.pop(MODULE, None)
