"""Installs a tiny package with entry points, as pip would, for one test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from n2b_ct.registry import Registry

MODULE = "outside_parts"


@contextmanager
def installed(folder: Path, registry: Registry[Any], source: str, **names: str) -> Iterator[None]:
    """Install a package of one module ``outside_parts``; afterwards the registry knows nothing of it.

    Args:
        folder: Where it lies.
        registry: Whose entry points it has.
        source: Of the module.
        names: Name of an entry point to what it leads to in the module.
    """
    (folder / f"{MODULE}.py").write_text(source, encoding="utf-8")
    info = folder / f"{MODULE}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-parts\nVersion: 1\n")
    lines = [f"{name} = {MODULE}:{attribute}" for name, attribute in names.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{registry.group}]", *lines, ""]))
    registry.names()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_members", dict(registry._members))
        patch.syspath_prepend(folder)
        try:
            yield
        finally:
            sys.modules.pop(MODULE, None)
