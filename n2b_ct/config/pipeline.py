"""Load a pipeline: find the file, apply overrides, report every problem at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from n2b_ct.config.sections import Pipeline
from n2b_ct.config.yaml_files import find_yaml, problems_of, read_yaml, with_overrides
from n2b_ct.errors import ConfigError


def load_pipeline(name: str | Path, overrides: Iterable[str] = ()) -> Pipeline:
    """Read and validate a pipeline.

    Args:
        name: A path, or the name of a shipped pipeline such as ``piglet.yaml``.
        overrides: ``section.key=value`` texts that win over the file.

    Raises:
        ConfigError: With one line for every problem that the file and the overrides have.
    """
    path = find_yaml(name, "pipelines")
    values = with_overrides(read_yaml(path), overrides)
    values.setdefault("name", path.stem)
    try:
        return Pipeline.model_validate(values)
    except ValidationError as error:
        raise ConfigError(problems_of(error, path.name)) from error
