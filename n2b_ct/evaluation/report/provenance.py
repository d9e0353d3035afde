"""Where a report's numbers come from: what was run, on what, with which versions, when."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import n2b_ct

_MEASURING_PACKAGES = ("numpy", "scipy", "scikit-image", "matplotlib")


def _installed_versions() -> dict[str, str]:
    """Versions of what took part in measuring; a package without metadata is left out."""
    found = {"n2b-ct": n2b_ct.__version__, "Python": platform.python_version()}
    for name in _MEASURING_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Everything is printed as it is, so it must name no patient.

    Attributes:
        title: Heading of the report.
        pipeline: Name of the pipeline, or an empty string.
        data: What was measured, as label to text: data set, split, series, licence.
        methods: Method name to how it was made: run folder, network, steps. Baselines describe themselves.
        commands: The command lines that make this report again.
        versions: Package to version.
        created: ISO 8601 time, UTC.
    """

    title: str = "Dose-level report"
    pipeline: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    methods: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=_installed_versions)
    created: str = field(default_factory=_now)
