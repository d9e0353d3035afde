"""Arguments of the public functions: paths, the pipeline, and its images by role."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from n2b_ct.config import Pipeline, load_pipeline
from n2b_ct.config.pipeline import checked_pipeline
from n2b_ct.config.yaml_files import Overrides, with_overrides
from n2b_ct.data.ct_source import ct_source
from n2b_ct.data.image_source import ImageSource
from n2b_ct.data.manifest import load_manifest
from n2b_ct.data.natural_image_source import natural_image_source
from n2b_ct.data.phantom_source import phantom_source
from n2b_ct.data.roles import Roles, assign_roles
from n2b_ct.errors import ConfigError, explain

StrPath = str | os.PathLike[str]
"""A path, as Python's own functions take it."""

_PLACE_KEYS = ("data.manifest", "data.split", "data.root", "data.doses")


def loaded_pipeline(pipeline: StrPath | Pipeline | Mapping[str, Any], overrides: Overrides = ()) -> Pipeline:
    """Load and validate a pipeline; a loaded one is returned unchanged, unless there are overrides.

    Args:
        pipeline: A path, the name of a shipped one, a mapping of plain values, or a loaded pipeline.
        overrides: Win over it: ``section.key=value`` texts, or a mapping of ``section.key`` to its value.

    Raises:
        ConfigError: With one line for every problem.
    """
    if isinstance(pipeline, Pipeline):
        return checked_pipeline(with_overrides(pipeline.plain(), overrides), pipeline.name) if overrides else pipeline
    if isinstance(pipeline, Mapping):
        return checked_pipeline({"name": "pipeline", **with_overrides(pipeline, overrides)}, "pipeline")
    return load_pipeline(os.fspath(pipeline), overrides)


def pipeline_for_arrays(pipeline: StrPath | Pipeline | Mapping[str, Any], overrides: Overrides = ()) -> Pipeline:
    """Load a pipeline that learns from arrays: its data section may be missing, and names no folder.

    Raises:
        ConfigError: As :func:`loaded_pipeline`; or the pipeline is about natural images.
    """
    if isinstance(overrides, Mapping):
        overrides = {**overrides, **dict.fromkeys(_PLACE_KEYS)}
    else:
        overrides = [*overrides, *(f"{key}=null" for key in _PLACE_KEYS)]
    return loaded_pipeline(pipeline, overrides)


def optional_path(path: StrPath | None) -> Path | None:
    """Return a path as such, and None as None."""
    return None if path is None else Path(path)


def images_of(pipeline: Pipeline, data_root: Path | None = None, *, skip_bad_slices: bool = False) -> ImageSource:
    """Find a pipeline's images by role: slices of CT, natural images, or phantoms.

    Args:
        pipeline: Whose.
        data_root: The data's folder; None: the pipeline's.
        skip_bad_slices: Leave out slices that cannot be used; by default one of them fails its series.

    Raises:
        ConfigError, DataError: The manifest or the data are wrong, or the data's folder is not given.
    """
    if pipeline.data.kind == "natural_images":
        return natural_image_source(pipeline.data, _root(pipeline, data_root))
    if pipeline.data.kind == "phantom":
        return phantom_source(pipeline.data, data_root)
    roles = roles_of(pipeline, data_root, skip_bad_slices=skip_bad_slices)
    return ct_source(pipeline.data, roles, pipeline.method)


def roles_of(pipeline: Pipeline, data_root: Path | None = None, *, skip_bad_slices: bool = False) -> Roles:
    """Find a pipeline's slices by role; arguments as above.

    Raises:
        ConfigError, DataError: The manifest or the data are wrong, or the data's folder is not given.
    """
    data = pipeline.ct
    manifest, root = load_manifest(data.manifest), _root(pipeline, data_root)
    return assign_roles(
        manifest, root, data.split, data.doses, with_clean=data.clean is None, skip_bad_slices=skip_bad_slices
    )


def _root(pipeline: Pipeline, data_root: Path | None) -> Path:
    root = data_root or pipeline.data.root
    if root is None:
        need = "needs the folder of the data"
        raise ConfigError(explain(f"pipeline {pipeline.name}", need, "no folder", "pass data_root=DIR"))
    return root
