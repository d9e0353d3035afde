"""Validation while training: whole slices of any size, scored by MONAI, handed on once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from n2b_ct.data.dataset import InMemoryDataset
from n2b_ct.networks.build import build_network
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


def test_a_network_is_left_in_the_mode_that_it_was_in():
    denoiser = baseline(zero=False).train()
    build_validator(denoiser, dataset(32, 32), torch.device("cpu")).run()
    assert denoiser.training


def test_scores_are_handed_on_once():
    validator, scores = build_validator(baseline(), dataset(32, 32), torch.device("cpu")), ValidationColumns()
    scores.attach(validator)
    assert scores.columns() == {}
    validator.run()
    assert set(scores.columns()) == {"psnr_db", "ssim"}
    assert scores.columns() == {}
