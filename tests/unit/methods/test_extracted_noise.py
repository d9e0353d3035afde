"""The measure of extracted noise without ground truth, and the anchor that follows it."""

from __future__ import annotations

import pytest
import torch

from n2b_ct.methods.extracted_noise import NoiseAnchor, flat_region_stds


def white_noise(sigma: float, seed: int = 0) -> torch.Tensor:
    return sigma * torch.randn(8, 1, 64, 64, generator=torch.Generator().manual_seed(seed))


GREY = torch.full((8, 1, 64, 64), 0.5)
AIR = torch.zeros(8, 1, 64, 64)


def measured(noise: torch.Tensor, label: torch.Tensor = GREY) -> float:
    return flat_region_stds([noise], label, GREY)[0].median().item()


def follow(anchor: NoiseAnchor, noise: torch.Tensor, own: torch.Tensor, times: int = 200) -> None:
    for _ in range(times):
        anchor.update(noise, own, GREY)


@pytest.mark.parametrize("sigma", [0.01, 0.06])
def test_white_noise_of_known_sigma_is_measured(sigma):
    assert measured(white_noise(sigma)) == pytest.approx(sigma, rel=0.05)


def test_blocks_with_an_edge_in_their_label_do_not_count():
    label, noise = GREY.clone(), white_noise(0.06)
    label[..., :32, :] += torch.linspace(0, 0.3, 64)  # half of the blocks are sloped
    noise[..., :32, :] *= 9.0
    assert measured(noise, label) == pytest.approx(0.06, rel=0.05)


def test_only_blocks_wholly_inside_the_window_count():
    x = GREY.clone()
    x[..., 5, 5] = 1.0  # the first block of every patch touches the window's end
    (stds,) = flat_region_stds([white_noise(0.06)], GREY, x)
    assert stds.numel() == round(0.25 * 8 * 15)
    assert flat_region_stds([white_noise(0.06)], GREY, AIR)[0].numel() == 0


def test_the_anchor_brings_weak_noise_up_to_the_slices_own():
    anchor, own = NoiseAnchor(rate=0.05), white_noise(0.06)
    follow(anchor, 0.8 * own, own)
    assert measured(anchor(0.8 * own)) == pytest.approx(measured(own), rel=0.01)


def test_noise_of_two_doses_is_brought_up_together():
    anchor, own = NoiseAnchor(rate=0.05), white_noise(0.06)
    own[:4] *= 0.2
    follow(anchor, 0.8 * own, own)
    torch.testing.assert_close(anchor(0.8 * own), own, rtol=0.02, atol=0.0)


def test_the_gain_has_limits():
    anchor, own = NoiseAnchor(rate=0.5), white_noise(0.06)
    follow(anchor, 1e-3 * own, own, times=20)
    assert anchor.gain.item() == pytest.approx(1.5)
    follow(anchor, 9.0 * own, own, times=20)
    assert anchor.gain.item() == pytest.approx(2 / 3)


def test_a_batch_without_flat_blocks_leaves_the_anchor():
    anchor = NoiseAnchor()
    anchor.update(white_noise(0.03), white_noise(0.06), AIR)
    assert anchor.gain.item() == 1.0


def test_slices_without_noise_leave_the_anchor():
    """A ratio to nothing is infinite, and would push the gain to its limit at once."""
    anchor = NoiseAnchor()
    follow(anchor, white_noise(0.03), torch.zeros(8, 1, 64, 64), times=1)
    assert anchor.gain.item() == 1.0


def test_the_gain_is_kept_in_checkpoints_and_has_no_gradient():
    anchor = NoiseAnchor()
    assert set(anchor.state_dict()) == {"gain"}
    assert list(anchor.parameters()) == []


def test_a_constant_beside_the_noise_does_not_count():
    assert measured(0.3 + white_noise(0.06)) == pytest.approx(0.06, rel=0.05)
    assert measured(white_noise(0.06) - 0.3) == pytest.approx(0.06, rel=0.05)


def test_one_update_moves_the_gain_by_the_rates_share_of_the_error():
    own = white_noise(0.06)
    anchor = NoiseAnchor()
    anchor.update(0.5 * own, own, GREY)  # g r - 1 = -0.5
    assert anchor.gain.item() == pytest.approx(1.0 + 0.01 * 0.5)
    anchor = NoiseAnchor(rate=0.2)
    anchor.update(1.25 * own, own, GREY)
    assert anchor.gain.item() == pytest.approx(1.0 - 0.2 * 0.25)
