"""What every call begins with: the pipeline, and its images by role."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from n2b_ct.config import Pipeline, load_pipeline
from n2b_ct.config.pictures import PictureSection
from n2b_ct.data.manifest import load_manifest
from n2b_ct.data.roles import Roles, assign_roles
from n2b_ct.errors import ConfigError, explain
from n2b_ct.training.ct_images import ct_images
from n2b_ct.training.data import TrainingImages
from n2b_ct.training.picture_images import find_picture_images


def loaded_pipeline(pipeline: str | Path | Pipeline, overrides: Sequence[str]) -> Pipeline:
    """Load a pipeline unless it is loaded already."""
    return pipeline if isinstance(pipeline, Pipeline) else load_pipeline(pipeline, overrides)


def images_of(pipeline: Pipeline, data_root: Path | None = None) -> TrainingImages:
    """Find a pipeline's images by role: slices of CT, or pictures.

    Raises:
        ConfigError, DataError: The manifest or the data are wrong, or nobody says where the data lies.
    """
    if isinstance(pipeline.data, PictureSection):
        return find_picture_images(pipeline.data, _root(pipeline, data_root))
    return ct_images(pipeline.data, roles_of(pipeline, data_root), pipeline.method)


def roles_of(pipeline: Pipeline, data_root: Path | None = None) -> Roles:
    """Find a pipeline's slices by role.

    Raises:
        ConfigError, DataError: The manifest or the data are wrong, or nobody says where the data lies.
    """
    data = pipeline.ct
    return assign_roles(load_manifest(data.manifest), _root(pipeline, data_root), data.split, data.doses)


def _root(pipeline: Pipeline, data_root: Path | None) -> Path:
    root = data_root or pipeline.data.root
    if root is None:
        need = "needs to know where the data lies"
        raise ConfigError(explain(f"pipeline {pipeline.name}", need, "no folder", "pass --data-root DIR"))
    return root
