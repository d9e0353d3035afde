"""The measure of extracted noise without ground truth, and the anchor that follows it."""

from __future__ import annotations

import math

import pytest
import torch

from n2b_ct.methods.flat_noise import NoiseAnchor, flat_noise_std, flat_std


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


def follow(
    anchor: NoiseAnchor, noise: torch.Tensor, *, own: float = 0.06, clean: float = 0.0, times: int = 200
) -> None:
    for _ in range(times):
        anchor.follow(noise, white_noise(own, 2), MID_GREY, white_noise(clean, 3), MID_GREY)


@pytest.mark.parametrize(("extracted", "clean"), [(0.05, 0.0), (0.05, 0.03), (0.07, 0.03)])
def test_composed_slices_become_as_noisy_as_real_ones(extracted, clean):
    anchor, noise = NoiseAnchor(rate=0.05), extracted / 0.06 * white_noise(0.06, 2)  # a weakened copy of n_b
    follow(anchor, noise, clean=clean)
    composed = flat_std(anchor(noise) + white_noise(clean, 3), MID_GREY)
    assert composed.item() == pytest.approx(flat_std(white_noise(0.06, 2), MID_GREY).item(), rel=0.03)


def test_clean_slices_that_are_as_noisy_still_get_half():
    anchor, noise = NoiseAnchor(rate=0.05), white_noise(0.06, 1)
    follow(anchor, noise, clean=0.08)
    assert anchor.gain.item() == pytest.approx(0.5, rel=0.1)


def test_the_gain_has_a_limit():
    anchor = NoiseAnchor(rate=0.5)
    follow(anchor, white_noise(1e-4, 1), times=20)
    assert anchor.gain.item() == pytest.approx(2.0)


def test_a_batch_without_flat_blocks_leaves_the_gain():
    anchor, air = NoiseAnchor(), torch.zeros(8, 1, 64, 64)
    anchor.follow(white_noise(0.03), white_noise(0.06), air, white_noise(0.01), air)
    assert anchor.gain.item() == 1.0


def test_the_gain_is_kept_in_checkpoints_and_has_no_gradient():
    anchor = NoiseAnchor()
    assert "gain" in anchor.state_dict()
    assert list(anchor.parameters()) == []
