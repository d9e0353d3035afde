"""The watch over the losses: a network that was thrown is not trained on for hours."""

from __future__ import annotations

import math

import pytest
import torch
from ignite.engine import Engine

from n2b_ct.errors import TrainingError
from n2b_ct.training.monitors import DivergenceMonitor


def watching(losses: list[float], every: int = 1) -> None:
    engine = Engine(lambda engine, loss: {"loss": torch.tensor(loss)})
    DivergenceMonitor(every=every, patience=3).attach(engine)
    engine.run(losses, max_epochs=1)


def test_losses_as_usual_are_left_alone():
    watching([0.5, 0.01, -3.0, 99.0] * 5)
    watching([0.5, 0.01, 0.0003, *[0.9] * 9])


@pytest.mark.parametrize(("loss", "said"), [(math.nan, "nan"), (math.inf, "inf")])
def test_what_is_not_finite_stops_the_run_at_once(loss, said):
    expected = f"training, iteration 2: losses must stay finite and below 100, got {said}: .*; lower training.learning_"
    with pytest.raises(TrainingError, match=expected):
        watching([0.1, loss])


def test_a_network_that_was_thrown_is_stopped_after_three_looks():
    watching([0.01, 4e3, 2e7, 0.02, 4e3, 2e7, 0.02])
    with pytest.raises(TrainingError, match=r"iteration 4: .* got 2e\+07: the networks diverged"):
        watching([0.01, 4e3, 2e6, 2e7])


def test_a_thousand_times_its_best_is_thrown_as_soon_as_it_is_a_window_wide():
    """As seen: a U-Net told by Huber's loss went from 0.004 to 5–50 for some 300 iterations, and never came back."""
    watching([0.004, 7.3, 34.8, 0.5, 47.8])
    with pytest.raises(TrainingError, match=r"iteration 4: .* below 4, got 47.8: the networks diverged"):
        watching([0.004, 7.3, 34.8, 47.8])
    with pytest.raises(TrainingError, match=r"iteration 4: .* below 1, got 1.4"):
        watching([0.0001, 1.2, 1.3, 1.4])


def test_it_looks_only_now_and_then():
    with pytest.raises(TrainingError, match="iteration 15:"):
        watching([1e3] * 20, every=5)


@pytest.mark.parametrize(("loss", "stops"), [(99.9, False), (-99.9, False), (100.0, True), (-100.0, True)])
def test_the_limit_is_100_on_both_sides_of_nothing_and_three_looks_are_the_patience_unless_said(loss, stops):
    def watched(n: int) -> None:
        engine = Engine(lambda engine, value: {"loss": torch.tensor(value)})
        DivergenceMonitor(every=1).attach(engine)
        engine.run([loss] * n, max_epochs=1)

    watched(2)
    if not stops:
        watched(9)
        return
    expected = (
        rf"^training, iteration 3: losses must stay finite and below 100, got {loss:g}\.?0*: the networks diverged; "
        r"lower training\.learning_rate, gradient_norm_limit or adaptive_gradient_clipping, "
        r"or set training\.precision=fp32$"
    )
    with pytest.raises(TrainingError, match=expected):
        watched(3)
