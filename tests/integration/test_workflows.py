"""The MONAI faces: properties that MONAI's tools ask for, and the same results as the commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import BundleWorkflow
from monai.engines import Evaluator, Trainer

from n2b_ct import api
from n2b_ct.errors import ConfigError
from n2b_ct.workflows import DenoiseWorkflow, TrainWorkflow
from tests.integration.scenes import biased_model


def train_workflow(world: Path, run_dir: str) -> TrainWorkflow:
    return TrainWorkflow(world, dataset_dir=world.parent / "data", run_dir=run_dir, device="cpu")


def test_a_training_offers_every_property_that_monai_requires(world):
    workflow = train_workflow(world, "run")
    workflow.initialize()
    assert isinstance(workflow, BundleWorkflow)
    assert workflow.check_properties() == []
    assert isinstance(workflow.trainer, Trainer)
    assert workflow.get_workflow_type() == "train"


def test_a_workflow_trains_to_the_weights_of_the_command(world):
    workflow = train_workflow(world, "by_workflow")
    workflow.initialize()
    summary = workflow.run()
    workflow.finalize()
    assert (
        api.train(world, data_root=world.parent / "data", out=Path("by_api"), device="cpu")["model_digest"]
        == (summary["model_digest"])
    )


def test_the_trainer_can_be_given_handlers_and_run_by_hand(world):
    from ignite.engine import Events

    workflow = train_workflow(world, "by_hand")
    workflow.initialize()
    seen: list[int] = []
    workflow.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: seen.append(engine.state.iteration))
    workflow.trainer.run()
    assert seen == list(range(1, len(workflow.train_dataset) + 1))
    assert isinstance(workflow.network_def, torch.nn.Module)


def test_a_workflow_must_be_initialized_before_it_runs(world):
    with pytest.raises(ConfigError, match="must be initialized before it runs"):
        train_workflow(world, "run").run()


def test_denoising_offers_its_properties_and_writes_what_the_command_writes(world):
    model = biased_model(Path("model.pt"))
    workflow = DenoiseWorkflow(model, world.parent / "data", Path("denoised"), device="cpu")
    workflow.initialize()
    assert workflow.check_properties() == []
    assert isinstance(workflow.evaluator, Evaluator)
    result = workflow.run()
    assert result.outcomes
    assert {outcome.status for outcome in result.outcomes} == {"done"}


def test_the_evaluator_denoises_in_memory(world):
    workflow = DenoiseWorkflow(biased_model(Path("model.pt")), world.parent / "data", Path("denoised"), device="cpu")
    workflow.initialize()
    workflow.evaluator.run()
    output = workflow.evaluator.state.output
    assert output["pred"].shape == output["image"].shape
    assert np.isfinite(output["pred"]).all()
