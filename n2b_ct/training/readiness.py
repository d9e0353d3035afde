"""Can this pipeline train on these images? Every obstacle at once, before a pixel is read."""

from __future__ import annotations

from n2b_ct.config.methods import DbsnSection, Method, UpiSection
from n2b_ct.config.sections import Pipeline
from n2b_ct.errors import DataError, explain
from n2b_ct.filters.baselines import require_installed
from n2b_ct.methods.dbsn import bayes_denoiser
from n2b_ct.networks.build import size_multiple
from n2b_ct.networks.denoiser import build_denoiser
from n2b_ct.training.data import TrainingImages
from n2b_ct.training.labels import label_filters
from n2b_ct.training.methods import needs_of


def require_ready(pipeline: Pipeline, images: TrainingImages) -> None:
    """Check roles, references, sizes and the patch against the network.

    Raises:
        DataError: One line for every obstacle.
        ConfigError: A network's name or arguments are wrong, or an optional package is not installed.
    """
    problems = _network_problems(pipeline, images.traits.n_channels)
    problems += images.problems(pipeline, needs_of(pipeline.method))
    require_installed(label_filters(pipeline.method))
    _require_blind_spots(pipeline.method, images.traits.n_channels)
    if problems:
        raise DataError("\n".join(problems))


def _require_blind_spots(section: Method, n_channels: int) -> None:
    if isinstance(section, DbsnSection):
        bayes_denoiser(build_denoiser(section.denoiser, n_channels), "method.denoiser.name")
    if isinstance(section, UpiSection):
        bayes_denoiser(build_denoiser(section.teacher.denoiser, n_channels), "method.teacher.denoiser.name")


def _network_problems(pipeline: Pipeline, n_channels: int) -> list[str]:
    multiple = size_multiple(build_denoiser(pipeline.method.denoiser, n_channels))
    patch_px = pipeline.training.patch_px
    if patch_px % multiple == 0:
        return []
    return [
        explain(
            "training.patch_px",
            f"must be a multiple of {multiple} for this denoiser",
            patch_px,
            f"use {max(1, round(patch_px / multiple)) * multiple}",
        )
    ]
