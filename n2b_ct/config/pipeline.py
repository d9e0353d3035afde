"""Load a pipeline: find the file, apply overrides, report every problem at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from n2b_ct.config.sections import Pipeline
from n2b_ct.config.yaml_files import Overrides, find_yaml, problems_of, read_yaml, shipped_dir, with_overrides
from n2b_ct.errors import ConfigError


def load_pipeline(name: str | Path, overrides: Overrides = ()) -> Pipeline:
    """Read and validate a pipeline.

    Args:
        name: A path, or the name of a shipped pipeline such as ``piglet.yaml``.
        overrides: Win over the file: ``section.key=value`` texts, or a mapping of ``section.key`` to its value.

    Raises:
        ConfigError: With one line for every problem that the file and the overrides have.
    """
    path = find_yaml(name, "pipelines")
    values = with_overrides(read_yaml(path), overrides)
    values.setdefault("name", path.stem)
    return checked_pipeline(_with_manifest_found(values, path), path.name)


def checked_pipeline(values: Mapping[str, Any], subject: str) -> Pipeline:
    """Validate plain values.

    Raises:
        ConfigError: With one line for every problem, which begins with ``subject``.
    """
    try:
        return Pipeline.model_validate(values)
    except ValidationError as error:
        raise ConfigError(problems_of(error, subject)) from error


def _with_manifest_found(values: dict[str, Any], pipeline: Path) -> dict[str, Any]:
    """Let a pipeline name a manifest that lies beside it, and a run be resumed from any folder.

    A pipeline may have its manifest's name, as the shipped ones do; it is never taken for the manifest.
    """
    data = values.get("data")
    name = data.get("manifest") if isinstance(data, dict) else None
    if not isinstance(name, str):
        return values
    local = [(place / name).resolve() for place in (Path(), pipeline.parent)]
    found = [path for path in local if path.is_file() and not _is_pipeline(path, pipeline)]
    if Path(name).is_file():
        found.append(shipped_dir("data_manifests") / name)
    return {**values, "data": {**values["data"], "manifest": str(found[0])}} if found else values


def _is_pipeline(path: Path, pipeline: Path) -> bool:
    return path == pipeline.resolve() or path.parent == shipped_dir("pipelines").resolve()
