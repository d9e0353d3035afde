"""Noise2Void's equations: what the network may see, where the loss lies, and losses computed by hand."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from n2b_ct.methods.noise2void import (
    NO_DONOR,
    Noise2VoidConfig,
    draw_donors,
    draw_spots,
    hidden_around,
    noise2void_losses,
    replaced,
)
from n2b_ct.networks import build_network
from tests.toy_methods import toy_method


class SelfAndLeft(nn.Module):
    """F(z)_i = own · z_i + left · z_(i−1): asymmetric, so that a swapped pixel shows."""

    def __init__(self, own: float, left: float) -> None:
        super().__init__()
        self.own, self.left = nn.Parameter(torch.tensor(own)), nn.Parameter(torch.tensor(left))

    def forward(self, z: Tensor) -> Tensor:
        return self.own * z + self.left * z.roll(1, dims=-1)


class PixelShifts(nn.Module):
    """F(z) = z + shift, one weight a pixel, which shows where gradient arrives."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(shape))

    def forward(self, z: Tensor) -> Tensor:
        return z + self.shift


def row(*values: float) -> Tensor:
    return torch.tensor(values).reshape(1, 1, 1, -1)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(
    shape: torch.Size, seed: int, fraction: float = 64 / 64**2, structure_px: tuple[int, int] = (1, 1)
) -> tuple[Tensor, Tensor, Tensor]:
    """Blind spots, hidden pixels and donors."""
    generator = seeded(seed)
    spots = draw_spots(shape, fraction, generator=generator)
    hidden = hidden_around(spots, structure_px)
    return spots, hidden, draw_donors(hidden, 11, generator=generator)


# ── The loss ──


def test_the_loss_equals_the_value_computed_by_hand():
    # pixels 1 and 3 are blind, with donors 2 and 0: x̃ = (1, 4, 4, 1); F(x̃) = 2 z + 5 left
    # F_1 = 2 · 4 + 5 · 1 = 13, x_1 = 2: 121;  F_3 = 2 · 1 + 5 · 4 = 22, x_3 = 8: 196;  mean 158.5
    spots, donors = row(0, 1, 0, 1).bool(), row(0, 2, 2, 0).long()
    losses = noise2void_losses(SelfAndLeft(2.0, 5.0), row(1, 2, 4, 8), spots, donors)
    assert losses["noise2void"].item() == pytest.approx(158.5)


def test_a_hidden_neighbour_is_replaced_but_not_predicted():
    # the spot is pixel 2; pixel 1 is hidden beside it: x̃ = (1, 8, 1, 8); F_2 = 2 · 1 + 5 · 8 = 42, x_2 = 4: 1444
    spots, donors = row(0, 0, 1, 0).bool(), row(0, 3, 0, 3).long()
    losses = noise2void_losses(SelfAndLeft(2.0, 5.0), row(1, 2, 4, 8), spots, donors)
    assert losses["noise2void"].item() == pytest.approx(1444.0)


def test_all_channels_of_a_colour_image_are_averaged():
    # gray: F_1 = 2 · 4 + 5 · 1 = 13 for 2: 121; ten times the values give a hundred times the square; mean 6110.5
    x = torch.cat([row(1, 2, 4), 10 * row(1, 2, 4)], dim=1)
    losses = noise2void_losses(SelfAndLeft(2.0, 5.0), x, row(0, 1, 0).bool(), row(0, 2, 2).long())
    assert losses["noise2void"].item() == pytest.approx((121 + 12100) / 2)


def test_gradient_arrives_at_blind_spots_only():
    x = torch.rand(2, 1, 32, 32, generator=seeded(1))
    spots, hidden, donors = drawn(x.shape, 2, structure_px=(1, 5))
    network = PixelShifts(x.shape)
    noise2void_losses(network, x, spots, donors)["noise2void"].backward()
    assert torch.equal(network.shift.grad != 0, spots)
    assert hidden.sum() > spots.sum()


@pytest.mark.parametrize("output", ["direct", "residual", "lowpass"])
def test_no_output_form_lets_a_hidden_pixel_into_a_prediction(output):
    network = build_network("SimpleUNet", {"n_features": 4, "depth": 2}, output, kernel_px=5, seed=3)
    x = torch.rand(1, 1, 32, 32, generator=seeded(4)).requires_grad_()
    spots, hidden, donors = drawn(x.shape, 5, structure_px=(3, 1))
    network(replaced(x, donors))[spots].sum().backward()
    assert x.grad is not None
    assert not x.grad[hidden].any()
    assert x.grad[~hidden].abs().sum() > 0


# ── Drawing and applying ──


@pytest.mark.parametrize("structure_px", [(1, 1), (1, 7), (5, 3)])
@pytest.mark.parametrize("seed", range(5))
def test_what_the_network_sees_does_not_depend_on_hidden_values(structure_px, seed):
    x = torch.rand(3, 1, 40, 24, generator=seeded(seed))
    _, hidden, donors = drawn(x.shape, seed, structure_px=structure_px, fraction=0.03)
    other = torch.where(hidden, 100.0 + x, x)
    assert torch.equal(replaced(other, donors), replaced(x, donors))
    assert torch.equal(replaced(x, donors)[~hidden], x[~hidden])


def test_one_pixel_is_blind_in_each_cell_as_in_the_paper():
    spots = draw_spots(torch.Size((3, 1, 64, 64)), Noise2VoidConfig().masked_fraction, generator=seeded(6))
    in_cells = spots.view(3, 8, 8, 8, 8).sum((2, 4))
    assert torch.equal(in_cells, torch.ones_like(in_cells))


@pytest.mark.parametrize("side", [8, 11, 16])
def test_every_pixel_is_as_likely_to_be_blind(side):
    n_images = 20_000
    spots = draw_spots(torch.Size((n_images, 1, side, side)), 1 / 64 + 1e-9, generator=seeded(7))
    expected = max(1, side // 8) ** 2 / side**2
    deviation = (expected * (1 - expected) / n_images) ** 0.5
    assert (spots.float().mean(dim=0) - expected).abs().max() < 5 * deviation


def test_donors_are_drawn_evenly_from_the_visible_part_of_the_box():
    hidden = torch.zeros(9000, 1, 4, 4, dtype=torch.bool)
    hidden[:, 0, 0, 0] = hidden[:, 0, 1, 1] = True
    donors = draw_donors(hidden, 3, generator=seeded(8))
    for place, box in (((0, 0), [1, 4]), ((1, 1), [1, 2, 4, 6, 8, 9, 10])):
        found = donors[:, 0, *place]
        shares = torch.bincount(found[found != NO_DONOR], minlength=16) / 9000
        assert shares.nonzero().flatten().tolist() == box
        torch.testing.assert_close(shares[box], torch.full((len(box),), 1 / len(box)), atol=0.03, rtol=0)


def test_visible_pixels_are_their_own_donors():
    hidden = row(0, 1, 0).bool()
    assert draw_donors(hidden, 3, generator=seeded(9)).flatten().tolist() in ([0, 0, 2], [0, 2, 2])


def test_a_pixel_without_visible_pixels_in_its_box_gets_the_mean_of_the_visible_ones():
    hidden = row(1, 1, 0, 0).bool()
    donors = draw_donors(hidden, 3, generator=seeded(10))
    assert donors.flatten().tolist() == [NO_DONOR, 2, 2, 3]
    assert replaced(row(1, 2, 4, 8), donors).flatten().tolist() == [6, 4, 4, 8]


def test_an_image_hidden_whole_is_seen_as_zeros():
    donors = draw_donors(torch.ones(1, 1, 3, 3, dtype=torch.bool), 3, generator=seeded(11))
    assert not replaced(torch.ones(1, 1, 3, 3), donors).any()


def test_the_structure_spans_rows_and_columns_and_ends_at_the_border():
    spots = torch.zeros(1, 1, 5, 6, dtype=torch.bool)
    spots[0, 0, 0, 0] = spots[0, 0, 3, 3] = True
    assert hidden_around(spots, (1, 3))[0, 0].int().tolist() == [
        [1, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    assert hidden_around(spots, (3, 1))[0, 0, :, 3].int().tolist() == [0, 0, 1, 1, 1]
    assert torch.equal(hidden_around(spots, (1, 1)), spots)


@pytest.mark.parametrize(
    ("is_correlated", "structure_px", "expected"), [(True, (1, 1), -1.0), (True, (1, 3), 0.0), (False, (1, 1), 0.0)]
)
def test_noise_is_learned_from_a_correlated_neighbour_unless_the_structure_hides_it(
    is_correlated, structure_px, expected
):
    # n = (e + left e) / √2 has variance 1 and correlation 1/2 along columns: dL/dw = −2 E[n_i n_(i−1)] = −1 at w = 0
    e = torch.randn(64, 1, 64, 64, generator=seeded(12))
    noise = (e + e.roll(1, dims=-1)) / 2**0.5 if is_correlated else e
    spots, _, donors = drawn(noise.shape, 13, structure_px=structure_px)
    network = SelfAndLeft(0.0, 0.0)
    noise2void_losses(network, noise, spots, donors)["noise2void"].backward()
    assert network.left.grad.item() == pytest.approx(expected, abs=0.15)
    assert network.own.grad.item() == pytest.approx(expected * 0.0, abs=0.15)


# ── The method ──


def test_a_step_needs_noisy_patches_alone_and_extracts_no_noise():
    needs, method = Noise2VoidConfig.needs, toy_method("noise2void", networks={"denoiser": nn.Identity()})
    assert (needs.clean, needs.blurred, needs.reference) == (False, False, False)
    result = method.step({"noisy": torch.rand(2, 1, 32, 32)}, progress=0.5)
    assert set(result.losses) == {"noise2void"}
    assert result.noise is None
    assert result.blur_residual is None


def test_the_blind_spots_follow_from_torchs_seed():
    batch = {"noisy": torch.rand(2, 1, 32, 32, generator=seeded(14))}
    losses, method = [], toy_method("noise2void", networks={"denoiser": nn.Identity()})
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(method.step(batch, progress=0.0).losses["noise2void"].item())
    assert losses[0] == losses[1] != losses[2]


def section(**values) -> Noise2VoidConfig:
    return Noise2VoidConfig.model_validate(values)


def test_the_papers_share_of_blind_spots_is_the_default():
    assert section().masked_fraction * 64 * 64 == 64


def test_a_pipelines_masking_reaches_the_method():
    chosen = {"masked_fraction": 0.01, "box_px": 9, "structure": [3, 7]}
    method = toy_method("noise2void", networks={"denoiser": nn.Identity()}, **chosen)
    x = torch.rand(2, 1, 32, 32, generator=seeded(15))
    torch.manual_seed(16)
    loss = method.step({"noisy": x}, progress=0.0).losses["noise2void"]
    torch.manual_seed(16)
    spots = draw_spots(x.shape, 0.01)
    donors = draw_donors(hidden_around(spots, (3, 7)), 9)
    assert torch.equal(loss, noise2void_losses(nn.Identity(), x, spots, donors)["noise2void"])
    assert set(method.networks) == {"denoiser"}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"masked_fraction": 0.0}, "greater than 0"),
        ({"masked_fraction": 2.0}, "less than or equal to 0.25"),
        ({"box_px": 8}, "must be odd and at least 1"),
        ({"structure": [1, 4]}, "must be odd and at least 1"),
        ({"structure": [-1, 1]}, "must be odd and at least 1"),
        ({"structure": [1, 11]}, r"box_px must be above both sides of structure \[1, 11\], got 11"),
        ({"masked_fraction": 0.1, "structure": [3, 3]}, "must be at most 0.5, got 0.9"),
    ],
)
def test_a_masking_that_cannot_work_is_said(values, complaint):
    with pytest.raises(ValidationError, match=complaint):
        section(**values)


def test_the_mean_that_stands_for_a_donor_is_of_the_visible_pixels_of_the_same_image_and_channel():
    x = torch.stack([torch.cat([row(1, 2, 4, 8), row(10, 20, 40, 80)], dim=1)[0], torch.full((2, 1, 4), 3.0)])
    donors = torch.cat([row(NO_DONOR, 2, 2, 3), row(NO_DONOR, 1, 2, 3)]).long()
    found = replaced(x, donors)
    assert found[0].flatten().tolist() == [6, 4, 4, 8, 60, 40, 40, 80]
    assert (found[1] == 3.0).all()
