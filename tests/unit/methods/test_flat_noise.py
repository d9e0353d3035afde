"""The measure of extracted noise without ground truth, and the anchor that follows it."""

from __future__ import annotations

import math

import pytest
import torch

from n2b_ct.methods.flat_noise import NoiseAnchor, flat_noise_std


def white_noise(sigma: float, seed: int = 0) -> torch.Tensor:
    return sigma * torch.randn(8, 1, 64, 64, generator=torch.Generator().manual_seed(seed))


MID_GREY = torch.full((8, 1, 64, 64), 0.5)


def test_white_noise_of_known_sigma_is_measured():
    noise_std, slice_std = flat_noise_std(white_noise(0.03, 1), white_noise(0.06, 2), MID_GREY)
    assert noise_std.item() == pytest.approx(0.03, rel=0.05)
    assert slice_std.item() == pytest.approx(0.06, rel=0.12)  # the flattest quarter lies a little low


def test_an_edge_in_a_patch_does_not_count():
    n_b = white_noise(0.06, 2)
    n_b[..., 20:24] += 1.0
    assert flat_noise_std(n_b, n_b, MID_GREY)[1].item() == pytest.approx(0.06, rel=0.12)


def test_without_a_block_inside_the_window_there_is_no_measure():
    noise_std, slice_std = flat_noise_std(white_noise(0.03), white_noise(0.06), torch.zeros(8, 1, 64, 64))
    assert math.isnan(noise_std)
    assert math.isnan(slice_std)


def test_the_anchor_brings_weak_noise_up_to_the_slices_own():
    anchor = NoiseAnchor(rate=0.05)
    weak, own = white_noise(0.05, 1), white_noise(0.06, 2)
    for _ in range(200):
        anchor.follow(weak, own, MID_GREY)
    noise_std, slice_std = flat_noise_std(anchor(weak), own, MID_GREY)
    assert noise_std.item() == pytest.approx(slice_std.item(), rel=0.01)


def test_the_anchor_never_more_than_helps():
    anchor = NoiseAnchor(rate=0.5)
    for _ in range(100):
        anchor.follow(white_noise(1e-4, 1), white_noise(0.06, 2), MID_GREY)
    assert anchor.gain.item() == pytest.approx(1.5)


def test_a_batch_without_flat_blocks_leaves_the_gain():
    anchor = NoiseAnchor()
    anchor.follow(white_noise(0.03), white_noise(0.06), torch.zeros(8, 1, 64, 64))
    assert anchor.gain.item() == 1.0


def test_the_gain_is_kept_in_checkpoints_and_has_no_gradient():
    anchor = NoiseAnchor()
    assert "gain" in anchor.state_dict()
    assert list(anchor.parameters()) == []
