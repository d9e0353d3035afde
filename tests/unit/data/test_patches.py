"""Patch batches: a function of seed and number, one place for an image and its targets, MONAI's own geometry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from n2b_ct.data.dataset import InMemoryDataset
from n2b_ct.data.patch_sampler import PatchSampler, body_share
from n2b_ct.data.patches import PatchBatches, ResumeSampler
from n2b_ct.errors import DataError

PATCH_PX = 8


def dataset(
    n_slices: int = 3, rows: int = 20, cols: int = 24, *, offset: float = 0.0, key: str | None = None
) -> InMemoryDataset:
    """Slices whose every pixel has a value of its own, and a companion that is 1000 higher."""
    values = torch.arange(n_slices * rows * cols, dtype=torch.float32).reshape(n_slices, 1, rows, cols) + offset
    images = list(values)
    targets = {key: [image + 1000.0 for image in images]} if key else {}
    return InMemoryDataset(images, [np.ones((rows, cols), dtype=bool) for _ in images], targets)


def batches(noisy: InMemoryDataset, clean: InMemoryDataset | None = None, **changes) -> PatchBatches:
    options = {"patch_px": PATCH_PX, "batch_size": 4, "n_batches": 10, "seed": 0, **changes}
    return PatchBatches(noisy, clean, **options)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_a_batch_depends_on_seed_and_number_alone():
    forwards, backwards = batches(dataset(), dataset()), batches(dataset(), dataset())
    expected = [forwards[k] for k in range(6)]
    assert all(same(backwards[k], expected[k]) for k in reversed(range(6)))
    assert not same(expected[0], expected[1])
    assert not same(batches(dataset(), dataset(), seed=1)[0], expected[0])


def test_torchs_and_numpys_own_generators_change_nothing_and_are_left_alone():
    expected = batches(dataset())[3]
    torch.manual_seed(99)
    np.random.seed(99)
    before = torch.get_rng_state(), np.random.get_state()[1]
    assert same(batches(dataset())[3], expected)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])


def test_the_number_of_batches_does_not_change_them():
    assert same(batches(dataset(), n_batches=10)[3], batches(dataset(), n_batches=99)[3])


def test_noisy_patches_and_their_companions_are_cut_at_one_place():
    batch = batches(dataset(key="blurred"))[0]
    assert torch.equal(batch["blurred"], batch["noisy"] + 1000.0)


def test_clean_patches_are_drawn_independently_of_the_noisy_ones():
    both, alone = batches(dataset(), dataset(offset=1e5)), batches(dataset())
    batch = both[0]
    assert torch.equal(batch["noisy"], alone[0]["noisy"])
    assert not torch.equal(batch["clean"] - 1e5, batch["noisy"])
    assert "clean" not in alone[0]


def test_patches_have_batch_channel_rows_and_cols():
    batch = batches(dataset(), dataset(rows=9, cols=8))[0]
    assert batch["noisy"].shape == batch["clean"].shape == (4, 1, PATCH_PX, PATCH_PX)
    assert batch["noisy"].dtype == torch.float32


def test_all_slices_corners_and_symmetries_are_drawn():
    sampler = PatchSampler("noisy", dataset(2, PATCH_PX + 1, PATCH_PX + 1), PATCH_PX, 0.0)
    random_state = np.random.RandomState(0)
    patches = {sampler.draw(random_state) for _ in range(600)}
    assert len(patches) == 2 * 2 * 2 * 2 * 4


def test_the_share_of_body_equals_a_count_by_hand():
    mask = np.random.default_rng(0).random((11, 13)) > 0.5
    share = body_share(mask, 4)
    assert share.shape == (8, 10)
    expected = [[mask[row : row + 4, col : col + 4].mean() for col in range(10)] for row in range(8)]
    np.testing.assert_allclose(share, expected)


@pytest.mark.parametrize("role", ["noisy", "clean"])
def test_patches_hold_the_share_of_body_that_is_asked_for(role):
    sparse = dataset(2, 40, 40)
    for mask, image in zip(sparse.body, sparse.images, strict=True):
        mask[:] = False
        mask[10:20, 12:22] = True
        image[:] = torch.from_numpy(mask)[None]
    options = {"noisy_body_fraction": 0.9} if role == "noisy" else {"clean_body_fraction": 0.9}
    drawn = batches(sparse, sparse, batch_size=50, **options)[0][role]
    assert (drawn.mean(dim=(1, 2, 3)) >= 0.9).all()


def test_a_slice_without_body_is_never_drawn():
    mixed = dataset(3)
    mixed.body[1][:] = False
    drawn = batches(mixed, batch_size=200, noisy_body_fraction=0.5)[0]["noisy"]
    per_slice = mixed.images[0].numel()
    assert {int(value) // per_slice for value in drawn.flatten().tolist()} == {0, 2}


def test_no_body_at_all_is_said():
    empty = dataset()
    for mask in empty.body:
        mask[:] = False
    with pytest.raises(DataError, match="role clean: patches of 8 px must lie to 50% inside the window"):
        batches(dataset(), empty, clean_body_fraction=0.5)


@pytest.mark.parametrize("role", ["noisy", "clean"])
def test_a_slice_smaller_than_the_patch_is_said(role):
    small = dataset(rows=7)
    with pytest.raises(DataError, match=f"role {role}: slices must be at least training.patch_px = 8 .* got 7"):
        batches(*((small, dataset()) if role == "noisy" else (dataset(), small)))


def test_a_slice_exactly_as_large_as_the_patch_will_do():
    assert batches(dataset(rows=8, cols=8))[0]["noisy"].shape[-2:] == (8, 8)


def test_a_resumed_sampler_goes_on_where_training_stood():
    drawn = batches(dataset(), dataset())
    whole = list(DataLoader(drawn, batch_size=None, sampler=ResumeSampler(0, 6)))
    rest = list(DataLoader(drawn, batch_size=None, sampler=ResumeSampler(4, 6)))
    assert len(ResumeSampler(4, 6)) == len(rest) == 2
    assert all(same(one, other) for one, other in zip(whole[4:], rest, strict=True))
    assert len(ResumeSampler(6, 6)) == 0
