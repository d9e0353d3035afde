"""A training that starts from a model's weights: with its network and window, and never from another's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from n2b_ct import api
from n2b_ct.config import Pipeline
from n2b_ct.errors import ConfigError, ModelError
from n2b_ct.inference.model import load_any_model
from n2b_ct.training.initial_weights import with_initial_network
from n2b_ct.training.run import require_ready
from n2b_ct.training.trainer import assemble
from tests.shipped_base import ship_stand_in
from tests.tiny_training import CPU, TRAINING, slices_hu, tiny_images, tiny_pipeline, train_tiny


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A trained model of the tiny network."""
    train_tiny(tiny_pipeline(training={"seed": 3}), tmp_path / "run")
    return tmp_path / "run"


def started(init: Path, **values: Any) -> Pipeline:
    return tiny_pipeline(**values, init=str(init))


@pytest.mark.parametrize("name", ["supervised", "noise2blur", "noise2noise"])
def test_the_denoiser_begins_with_the_weights_of_the_model(run, tmp_path, name):
    pipeline = started(run, name=name)
    assembled = assemble(pipeline, tiny_images(pipeline), tmp_path / "next", CPU)
    wanted = load_any_model(run).denoiser.state_dict()
    for state in (assembled.method.networks["denoiser"].state_dict(), assembled.denoiser.state_dict()):
        assert state.keys() == wanted.keys()
        assert all(torch.equal(state[key], wanted[key]) for key in wanted)


def test_network_and_window_are_the_models_where_the_pipeline_names_none(run):
    values = {"name": "p", "training": TRAINING, "method": {"name": "supervised", "init": str(run)}}
    pipeline = with_initial_network(Pipeline.model_validate({**values, "data": {"manifest": None}}))
    model = load_any_model(run)
    assert (pipeline.method.denoiser, pipeline.ct.window.window) == (model.section, model.window)


def test_a_pipeline_that_starts_from_nothing_stays_as_it_is():
    pipeline = tiny_pipeline()
    assert with_initial_network(pipeline) is pipeline


def test_a_model_of_another_network_is_refused(run):
    pipeline = started(run, denoiser={"arguments": {"n_features": 3, "depth": 2}})
    message = re.escape(
        f"method.init {run}: must be a model of method.denoiser, SimpleUNet(n_features=3, depth=2) lowpass, "
        "got SimpleUNet(n_features=2, depth=2) lowpass; leave method.denoiser out"
    )
    with pytest.raises(ModelError, match=message):
        require_ready(pipeline, tiny_images(pipeline))


def test_a_model_of_another_window_is_refused(run):
    pipeline = started(run)
    values = pipeline.plain()
    other = Pipeline.model_validate({**values, "data": {**values["data"], "window": [-160, 240]}})
    with pytest.raises(
        ModelError, match=r"window \[-160, 240\] HU, got \[-500, 500\] HU; set data.window to \[-500, 500\]"
    ):
        require_ready(other, tiny_images(other))


def test_a_model_that_is_not_there_is_said(tmp_path):
    pipeline = started(tmp_path / "none")
    with pytest.raises(ModelError, match="must be a run folder or a model file, got nothing there"):
        require_ready(pipeline, tiny_images(pipeline))


def test_the_text_base_is_the_shipped_model(tmp_path, monkeypatch):
    folder = ship_stand_in(tmp_path / "package" / "base", monkeypatch)
    values = {"method": {"name": "supervised", "init": "base"}, "training": TRAINING}
    hu = slices_hu()
    summary = api.train(values, noisy=hu["noisy"], references=hu["references"], out=tmp_path / "run", device="cpu")
    assert summary["initial_weights"] == load_any_model(folder / "base.pt").digest


def test_a_summary_without_a_model_to_start_from_says_none(tmp_path):
    assert train_tiny(tiny_pipeline(), tmp_path / "run")["initial_weights"] is None


def test_a_run_that_started_from_another_model_is_not_resumed(run, tmp_path):
    pipeline, place = started(run), tmp_path / "next"
    train_tiny(pipeline, place)
    train_tiny(tiny_pipeline(training={"seed": 4}), run)
    with pytest.raises(ConfigError, match="must resume with the images it was trained on, got other initial weights"):
        train_tiny(pipeline, place, resume=True)


def test_resumed_it_ends_with_the_weights_of_an_uninterrupted_run(run, tmp_path):
    whole, part = started(run), tmp_path / "part"
    train_tiny(whole, tmp_path / "whole")
    assemble(whole, tiny_images(whole), part, CPU).trainer.run()
    (part / "checkpoints" / "checkpoint_iteration=4.pt").unlink()
    train_tiny(whole, part, resume=True)
    assert load_any_model(part).digest == load_any_model(tmp_path / "whole").digest
