"""Patch batches: a function of seed and number, one place for an image and its companions, MONAI's own geometry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from n2b_ct.data.patches import FromIteration, PatchBatches
from n2b_ct.data.places import body_share
from n2b_ct.data.slices import SliceBank
from n2b_ct.errors import DataError

PATCH_PX = 8


def bank(
    n_slices: int = 3, rows: int = 20, cols: int = 24, *, offset: float = 0.0, key: str | None = None
) -> SliceBank:
    """Slices whose every pixel has a value of its own, and a companion that is 1000 higher."""
    values = torch.arange(n_slices * rows * cols, dtype=torch.float32).reshape(n_slices, 1, rows, cols) + offset
    images = list(values)
    companions = {key: [image + 1000.0 for image in images]} if key else {}
    return SliceBank(images, [np.ones((rows, cols), dtype=bool) for _ in images], companions)


def batches(noisy: SliceBank, clean: SliceBank | None = None, **changes) -> PatchBatches:
    options = {"patch_px": PATCH_PX, "batch_size": 4, "n_batches": 10, "seed": 0, **changes}
    return PatchBatches(noisy, clean, **options)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_a_batch_depends_on_seed_and_number_alone():
    forwards, backwards = batches(bank(), bank()), batches(bank(), bank())
    expected = [forwards[k] for k in range(6)]
    assert all(same(backwards[k], expected[k]) for k in reversed(range(6)))
    assert not same(expected[0], expected[1])
    assert not same(batches(bank(), bank(), seed=1)[0], expected[0])


def test_torchs_and_numpys_own_generators_change_nothing():
    expected = batches(bank())[3]
    torch.manual_seed(99)
    np.random.default_rng(99)
    assert same(batches(bank())[3], expected)


def test_the_number_of_batches_does_not_change_them():
    assert same(batches(bank(), n_batches=10)[3], batches(bank(), n_batches=99)[3])


def test_noisy_patches_and_their_companions_are_cut_at_one_place():
    batch = batches(bank(key="blurred"))[0]
    assert torch.equal(batch["blurred"], batch["noisy"] + 1000.0)


def test_clean_patches_are_drawn_independently_of_the_noisy_ones():
    both, alone = batches(bank(), bank(offset=1e5)), batches(bank())
    batch = both[0]
    assert torch.equal(batch["noisy"], alone[0]["noisy"])
    assert not torch.equal(batch["clean"] - 1e5, batch["noisy"])
    assert "clean" not in alone[0]


def test_patches_have_batch_channel_rows_and_cols():
    batch = batches(bank(), bank(rows=9, cols=8))[0]
    assert batch["noisy"].shape == batch["clean"].shape == (4, 1, PATCH_PX, PATCH_PX)
    assert batch["noisy"].dtype == torch.float32


def test_all_slices_corners_and_symmetries_are_drawn():
    drawn = batches(bank(2, PATCH_PX + 1, PATCH_PX + 1), batch_size=600)
    drawn.set_random_state(seed=0)
    patches = set(drawn._draw(drawn._noisy))
    assert len(patches) == 2 * 2 * 2 * 2 * 4


def test_the_share_of_body_equals_a_count_by_hand():
    mask = np.random.default_rng(0).random((11, 13)) > 0.5
    share = body_share(mask, 4)
    assert share.shape == (8, 10)
    expected = [[mask[row : row + 4, col : col + 4].mean() for col in range(10)] for row in range(8)]
    np.testing.assert_allclose(share, expected)


@pytest.mark.parametrize("role", ["noisy", "clean"])
def test_patches_hold_the_share_of_body_that_is_asked_for(role):
    sparse = bank(2, 40, 40)
    for mask, image in zip(sparse.body, sparse.images, strict=True):
        mask[:] = False
        mask[10:20, 12:22] = True
        image[:] = torch.from_numpy(mask)[None]
    options = {"noisy_body_fraction": 0.9} if role == "noisy" else {"clean_body_fraction": 0.9}
    drawn = batches(sparse, sparse, batch_size=50, **options)[0][role]
    assert (drawn.mean(dim=(1, 2, 3)) >= 0.9).all()


def test_a_slice_without_body_is_never_drawn():
    mixed = bank(3)
    mixed.body[1][:] = False
    drawn = batches(mixed, batch_size=200, noisy_body_fraction=0.5)[0]["noisy"]
    per_slice = mixed.images[0].numel()
    assert {int(value) // per_slice for value in drawn.flatten().tolist()} == {0, 2}


def test_no_body_at_all_is_said():
    empty = bank()
    for mask in empty.body:
        mask[:] = False
    with pytest.raises(DataError, match="role clean: patches of 8 px must lie to 50% inside the window"):
        batches(bank(), empty, clean_body_fraction=0.5)


@pytest.mark.parametrize("role", ["noisy", "clean"])
def test_a_slice_smaller_than_the_patch_is_said(role):
    small = bank(rows=7)
    with pytest.raises(DataError, match=f"role {role}: slices must be at least training.patch_px = 8 .* got 7"):
        batches(*((small, bank()) if role == "noisy" else (bank(), small)))


def test_a_slice_exactly_as_large_as_the_patch_will_do():
    assert batches(bank(rows=8, cols=8))[0]["noisy"].shape[-2:] == (8, 8)


def test_a_resumed_sampler_goes_on_where_training_stood():
    dataset = batches(bank(), bank())
    whole = list(DataLoader(dataset, batch_size=None, sampler=FromIteration(0, 6)))
    rest = list(DataLoader(dataset, batch_size=None, sampler=FromIteration(4, 6)))
    assert len(FromIteration(4, 6)) == len(rest) == 2
    assert all(same(one, other) for one, other in zip(whole[4:], rest, strict=True))
    assert len(FromIteration(6, 6)) == 0
