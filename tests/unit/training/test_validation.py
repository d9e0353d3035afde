"""Validation while training: whole slices of any size, scored by MONAI, handed on once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from n2b_ct.data.dataset import InMemoryDataset
from n2b_ct.networks.build import build_network
from n2b_ct.training import monitors
from n2b_ct.training.monitors import ValidationColumns, build_validator


def dataset(rows: int, cols: int) -> InMemoryDataset:
    generator = torch.Generator().manual_seed(0)
    references = [torch.rand((1, rows, cols), generator=generator) for _ in range(2)]
    images = [(one + 0.1 * torch.randn(one.shape, generator=generator)).clamp(0, 1) for one in references]
    masks = [np.ones((rows, cols), dtype=bool)] * 2
    return InMemoryDataset(images, masks, {"reference": references})


def baseline(output: str = "residual", *, zero: bool = True) -> torch.nn.Module:
    network = build_network("SimpleUNet", {"n_features": 2, "depth": 3}, output, seed=0)
    if zero:
        for weight in network.parameters():
            torch.nn.init.zeros_(weight)
    return network


@pytest.mark.parametrize("size_px", [(32, 32), (33, 47)])
def test_scores_of_an_identity_network_equal_scikit_images(size_px):
    slices = dataset(*size_px)
    validator = build_validator(baseline(), slices, torch.device("cpu"))
    validator.run()
    expected = np.mean(
        [
            peak_signal_noise_ratio(reference.numpy(), image.numpy(), data_range=1.0)
            for image, reference in zip(slices.images, slices.targets["reference"], strict=True)
        ]
    )
    assert validator.state.metrics["psnr_db"] == pytest.approx(expected, rel=1e-4)
    assert 0 < validator.state.metrics["ssim"] < 1


@pytest.mark.parametrize("is_training", [True, False])
def test_a_network_is_left_in_the_mode_that_it_was_in(is_training):
    denoiser = baseline(zero=False).train(is_training)
    build_validator(denoiser, dataset(32, 32), torch.device("cpu")).run()
    assert denoiser.training is is_training


def test_scores_are_handed_on_once():
    validator, scores = build_validator(baseline(), dataset(32, 32), torch.device("cpu")), ValidationColumns()
    scores.attach(validator)
    assert scores.columns() == {}
    validator.run()
    assert set(scores.columns()) == {"psnr_db", "ssim"}
    assert scores.columns() == {}


class Answers(torch.nn.Module):
    """Gives back what it sees, moved; remembers how it was called."""

    multiple = 8

    def __init__(self, moved: float = 0.0) -> None:
        super().__init__()
        self.moved, self.calls = moved, []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.append((tuple(x.shape), self.training, torch.is_inference_mode_enabled()))
        return x + self.moved


def test_whole_slices_are_seen_at_the_networks_multiple_in_evaluation_without_gradient():
    denoiser = Answers().train()
    build_validator(denoiser, dataset(33, 47), torch.device("cpu")).run()
    assert denoiser.calls == [((1, 1, 40, 48), False, True)] * 2


@pytest.mark.parametrize(("moved", "clipped_to"), [(5.0, 1.0), (-5.0, 0.0)])
def test_answers_beyond_the_window_are_clipped_to_its_ends(moved, clipped_to):
    slices = dataset(32, 32)
    validator = build_validator(Answers(moved), slices, torch.device("cpu"))
    validator.run()
    expected = np.mean(
        [
            peak_signal_noise_ratio(reference.numpy(), np.full(reference.shape, clipped_to, np.float32), data_range=1.0)
            for reference in slices.targets["reference"]
        ]
    )
    assert validator.state.metrics["psnr_db"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("rank", "world_size", "numbers"), [(0, 2, [0]), (1, 2, [1]), (2, 3, [0, 1]), (0, 1, [0, 1])])
def test_several_processes_share_the_slices_while_there_is_one_for_each(monkeypatch, rank, world_size, numbers):
    slices = dataset(16, 16)
    monkeypatch.setattr(monitors.idist, "get_rank", lambda: rank)
    monkeypatch.setattr(monitors.idist, "get_world_size", lambda: world_size)
    validator = build_validator(Answers(), slices, torch.device("cpu"))
    shared = list(validator.data_loader)
    assert validator.state.epoch_length == len(shared) == len(numbers)
    for pair, number in zip(shared, numbers, strict=True):
        assert torch.equal(pair["image"][0], slices.images[number])
        assert torch.equal(pair["label"][0], slices.targets["reference"][number])


def test_scores_are_rounded_to_four_digits():
    validator, scores = build_validator(Answers(), dataset(32, 32), torch.device("cpu")), ValidationColumns()
    scores.attach(validator)
    validator.run()
    assert scores.columns() == {name: round(float(value), 4) for name, value in validator.state.metrics.items()}
