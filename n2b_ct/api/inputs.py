"""What every call begins with: the pipeline, and its images by role."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from n2b_ct.config import Pipeline, load_pipeline
from n2b_ct.config.natural_images import NaturalImageSection
from n2b_ct.data.manifest import load_manifest
from n2b_ct.data.roles import Roles, assign_roles
from n2b_ct.errors import ConfigError, explain
from n2b_ct.training.ct_images import ct_images
from n2b_ct.training.data import TrainingImages
from n2b_ct.training.natural_image_source import find_natural_images_of


def loaded_pipeline(pipeline: str | Path | Pipeline, overrides: Sequence[str]) -> Pipeline:
    """Load a pipeline unless it is loaded already."""
    return pipeline if isinstance(pipeline, Pipeline) else load_pipeline(pipeline, overrides)


def images_of(pipeline: Pipeline, data_root: Path | None = None, *, skip_bad_slices: bool = False) -> TrainingImages:
    """Find a pipeline's images by role: slices of CT, or images.

    Args:
        pipeline: Whose.
        data_root: The data's folder; None: the pipeline's.
        skip_bad_slices: Leave out slices that cannot be used; by default one of them fails its series.

    Raises:
        ConfigError, DataError: The manifest or the data are wrong, or nobody says where the data lies.
    """
    if isinstance(pipeline.data, NaturalImageSection):
        return find_natural_images_of(pipeline.data, _root(pipeline, data_root))
    roles = roles_of(pipeline, data_root, skip_bad_slices=skip_bad_slices)
    return ct_images(pipeline.data, roles, pipeline.method)


def roles_of(pipeline: Pipeline, data_root: Path | None = None, *, skip_bad_slices: bool = False) -> Roles:
    """Find a pipeline's slices by role; arguments as above.

    Raises:
        ConfigError, DataError: The manifest or the data are wrong, or nobody says where the data lies.
    """
    data = pipeline.ct
    manifest, root = load_manifest(data.manifest), _root(pipeline, data_root)
    return assign_roles(manifest, root, data.split, data.doses, skip_bad_slices=skip_bad_slices)


def _root(pipeline: Pipeline, data_root: Path | None) -> Path:
    root = data_root or pipeline.data.root
    if root is None:
        need = "needs to know where the data lies"
        raise ConfigError(explain(f"pipeline {pipeline.name}", need, "no folder", "pass --data-root DIR"))
    return root
