"""summary.json: plain values that come back as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from n2b_ct.config import Pipeline
from n2b_ct.data.ct_source import CTSource
from n2b_ct.data.manifest_series import DatasetSeries
from n2b_ct.data.roles import Roles, RoleSlice
from n2b_ct.errors import DataError
from n2b_ct.training.run_dir import read_summary, training_summary, write_summary


def test_a_summary_comes_back_as_it_was_written(tmp_path):
    pipeline = Pipeline.model_validate(
        {"name": "p", "data": {"manifest": "m"}, "method": {"name": "noise2blur"}, "training": {"iterations": 7}}
    )
    slices = tuple(RoleSlice(DatasetSeries("s", None, Path("s"), (0.0, 1.0), "patient", (8, 8)), k) for k in (0, 1))
    summary = training_summary(
        pipeline,
        CTSource(pipeline.ct, Roles(slices, slices[:1], (), ())),
        device=torch.device("cpu"),
        autocast=None,
        n_parameters=5,
        seconds=1.23,
        last_row={"loss_n2c": 0.5},
        data_digest="ab",
    )
    assert (summary["iterations"], summary["seconds"], summary["precision"]) == (7, 1.2, "fp32")
    assert summary["n_images"] == {"noisy": 1, "clean": 2}
    assert "patient" not in str(summary)
    write_summary(summary, tmp_path / "summary.json")
    assert read_summary(tmp_path / "summary.json") == summary


def test_a_damaged_summary_is_said(tmp_path):
    (tmp_path / "summary.json").write_text("{")
    with pytest.raises(DataError, match=r"summary\.json"):
        read_summary(tmp_path / "summary.json")
