"""Can this pipeline train on these slices? Every obstacle at once, before a pixel is read."""

from __future__ import annotations

from n2b_ct.config.methods import Noise2BlurSection
from n2b_ct.config.sections import Pipeline
from n2b_ct.data.places import too_small
from n2b_ct.data.roles import Roles, RoleSlice
from n2b_ct.errors import DataError, explain
from n2b_ct.networks.build import size_multiple
from n2b_ct.networks.denoiser import build_denoiser


def require_ready(pipeline: Pipeline, roles: Roles) -> None:
    """Check roles, references, sizes and the patch against the network.

    Raises:
        DataError: One line for every obstacle.
        ConfigError: A network's name or arguments are wrong.
    """
    patch_px = pipeline.training.patch_px
    problems = _network_problems(pipeline)
    for role, slices in _needed_roles(pipeline, roles).items():
        if not slices:
            problems.append(
                explain(
                    f"role {role}",
                    "must hold at least one slice",
                    0,
                    "see the manifest's split and data.doses",
                )
            )
        smallest = min((min(one.series.size_px) for one in slices), default=patch_px)
        if smallest < patch_px:
            problems.append(too_small(role, smallest, patch_px))
    if pipeline.method.name == "supervised" and any(one.reference is None for one in roles.noisy):
        problems.append(
            explain(
                "role noisy",
                "supervised training needs a reference for every slice",
                "none for some",
                "name one in the manifest, or train noise2blur",
            )
        )
    if any(one.reference is None for one in roles.validation):
        problems.append(
            explain(
                "role validation",
                "needs a reference for every slice",
                "none for some",
                "name one in the manifest, or leave the role out",
            )
        )
    if problems:
        raise DataError("\n".join(problems))


def _needed_roles(pipeline: Pipeline, roles: Roles) -> dict[str, tuple[RoleSlice, ...]]:
    needed = {"noisy": roles.noisy}
    if isinstance(pipeline.method, Noise2BlurSection):
        needed["clean"] = roles.clean
    return needed


def _network_problems(pipeline: Pipeline) -> list[str]:
    multiple = size_multiple(build_denoiser(pipeline.method.denoiser))
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
