"""Readiness: every obstacle at once, before a pixel is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from n2b_ct.config import Pipeline
from n2b_ct.data.ct_source import CTSource
from n2b_ct.data.manifest_series import DatasetSeries
from n2b_ct.data.roles import Roles, RoleSlice
from n2b_ct.errors import ConfigError, DataError
from n2b_ct.training.run import require_ready as require_ready_for


def pipeline(method: str = "noise2blur", patch_px: int = 32, **denoiser: Any) -> Pipeline:
    network = {"arguments": {"n_features": 2, "depth": 4}, **denoiser}
    return Pipeline.model_validate(
        {
            "name": "p",
            "data": {"manifest": "m"},
            "method": {"name": method, "denoiser": network},
            "training": {"iterations": 1, "patch_px": patch_px},
        }
    )


def require_ready(on: Pipeline, roles: Roles) -> None:
    require_ready_for(on, CTSource(on.ct, roles))


def role(size_px: tuple[int, int] = (64, 64), *, paired: bool = False) -> tuple[RoleSlice, ...]:
    series = DatasetSeries("s", None, Path("s"), (0.0,), "p", size_px)
    return (RoleSlice(series, 0, series, 0) if paired else RoleSlice(series, 0),)


def test_a_fitting_pipeline_is_ready():
    require_ready(pipeline(), Roles(role(), role(), (), ()))
    require_ready(pipeline("supervised"), Roles((), role(paired=True), role(paired=True), ()))


def test_every_obstacle_gets_a_line():
    with pytest.raises(DataError, match=r"training.patch_px") as caught:
        require_ready(pipeline(patch_px=33), Roles((), role((64, 20)), role(), ()))
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "training.patch_px",
        "role noisy",
        "role clean",
        "role validation",
    ]


def test_the_patch_must_be_a_multiple_of_what_the_network_needs():
    with pytest.raises(DataError, match="must be a multiple of 8 for this denoiser, got 33; use 32"):
        require_ready(pipeline(patch_px=33), Roles(role(), role(), (), ()))


def test_supervised_training_needs_references_but_no_clean_role():
    with pytest.raises(DataError, match="supervised training needs a reference for every slice") as caught:
        require_ready(pipeline("supervised"), Roles((), role(), (), ()))
    assert "role clean" not in str(caught.value)


@pytest.mark.parametrize("denoiser", [{"name": "Magic"}, {"arguments": {"n_feature": 2}}])
def test_a_network_that_does_not_exist_is_said(denoiser):
    with pytest.raises(ConfigError, match=r"network\.(name|arguments)"):
        require_ready(pipeline(**denoiser), Roles(role(), role(), (), ()))


def test_d_bsn_without_blind_spots_is_refused_before_training():
    with pytest.raises(ConfigError, match=r"method.denoiser.name: must be BayesDenoiser .*, got SimpleUNet"):
        require_ready(pipeline("dbsn"), Roles((), role(), (), ()))
