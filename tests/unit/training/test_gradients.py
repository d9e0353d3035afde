"""Gradients are held to a norm, or to a multiple of what is usual, each network's by itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from n2b_ct.training.step import GradientClipper


def networks() -> nn.ModuleDict:
    return nn.ModuleDict({"denoiser": nn.Linear(2, 1, bias=False), "noise_extractor": nn.Linear(2, 1, bias=False)})


def norm_after(limits: GradientClipper, both: nn.ModuleDict, norm: float, other: float = 5.0) -> float:
    """Give the two networks gradients of these norms; returns the first one's after the limits."""
    for network, size in zip(both.values(), (norm, other), strict=True):
        network.weight.grad = torch.tensor([[0.6, 0.8]]) * size
    limits.apply_to(both)
    return both["denoiser"].weight.grad.norm().item()


def test_a_norm_is_shortened_to_the_limit_and_a_shorter_one_left_alone():
    both = networks()
    limits = GradientClipper(both, 2.0, None)
    assert norm_after(limits, both, 8.0) == pytest.approx(2.0)
    assert both["noise_extractor"].weight.grad.tolist()[0] == pytest.approx([1.2, 1.6])
    assert norm_after(limits, both, 1.5) == pytest.approx(1.5)


def test_a_surge_is_shortened_to_a_multiple_of_what_is_usual():
    both = networks()
    limits = GradientClipper(both, None, 10.0)
    for _ in range(5):
        assert norm_after(limits, both, 0.5) == pytest.approx(0.5)
    assert norm_after(limits, both, 1e9, other=5.0) == pytest.approx(5.0)
    assert both["noise_extractor"].weight.grad.norm().item() == pytest.approx(5.0)
    assert norm_after(limits, both, 0.5) == pytest.approx(0.5)


def test_the_shorter_of_two_limits_counts():
    both = networks()
    limits = GradientClipper(both, 2.0, 10.0)
    assert norm_after(limits, both, 0.01) == pytest.approx(0.01)
    assert norm_after(limits, both, 8.0) == pytest.approx(0.1)


def test_a_lasting_change_becomes_usual():
    both = networks()
    limits = GradientClipper(both, None, 10.0)
    norm_after(limits, both, 1.0)
    found = [norm_after(limits, both, 100.0) for _ in range(200)]
    assert found[0] == pytest.approx(10.0)
    assert found == sorted(found)
    assert found[-1] == pytest.approx(100.0)


def test_what_is_usual_is_a_slow_geometric_mean_and_part_of_a_checkpoint():
    both = networks()
    limits = GradientClipper(both, None, 10.0)
    norm_after(limits, both, 1.0)
    norm_after(limits, both, 2.0)
    assert limits.state_dict()["denoiser"].item() == pytest.approx(2.0**0.02)
    resumed = GradientClipper(both, None, 10.0)
    resumed.load_state_dict(limits.state_dict())
    assert norm_after(resumed, both, 1e6) == pytest.approx(10.0 * 2.0**0.02)


def test_no_gradient_at_all_is_no_usual_one():
    both = networks()
    limits = GradientClipper(both, None, 10.0)
    assert norm_after(limits, both, 0.0) == 0.0
    assert norm_after(limits, both, 3.0) == pytest.approx(3.0)
    both["denoiser"].weight.grad = None
    limits.apply_to(both)


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_a_gradient_that_is_not_finite_stays_so(broken):
    both = networks()
    limits = GradientClipper(both, 2.0, 10.0)
    norm_after(limits, both, 1.0)
    assert not torch.isfinite(torch.tensor(norm_after(limits, both, broken)))
    assert norm_after(limits, both, 1.0) == pytest.approx(1.0)


def test_without_limits_nothing_is_touched():
    both = networks()
    assert norm_after(GradientClipper(both, None, None), both, 1e15) == pytest.approx(1e15)
