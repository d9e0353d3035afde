"""Cutting a batch by one gather: the pixels of one cut after another, whatever the sizes, channels and symmetries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.transforms import Flip, Rotate90, SpatialCrop

from n2b_ct.data.image_store import ImageStore
from n2b_ct.data.patch_sampler import Patch
from n2b_ct.data.patches import BatchCutter, cut

PATCH_PX = 8
CPU = torch.device("cpu")


def images(n_channels: int = 1) -> list[torch.Tensor]:
    """Three images of three sizes; every pixel of all of them has a value of its own."""
    sizes = [(20, 24), (8, 31), (17, 8)]
    whole = torch.arange(float(sum(n_channels * rows * cols for rows, cols in sizes)))
    parts = whole.split([n_channels * rows * cols for rows, cols in sizes])
    return [part.view(n_channels, *size) for part, size in zip(parts, sizes, strict=True)]


ALL_SYMMETRIES = [Patch(0, 5, 11, flipped, turns) for flipped in (False, True) for turns in range(4)]
CORNERS = [Patch(0, 12, 16, True, 1), Patch(1, 0, 23, False, 3), Patch(2, 9, 0, True, 2), Patch(2, 0, 0, False, 0)]


@pytest.mark.parametrize("patch", ALL_SYMMETRIES)
def test_a_cut_equals_monais_own_transforms(patch):
    image = images()[0]
    expected = SpatialCrop(roi_start=(5, 11), roi_end=(5 + PATCH_PX, 11 + PATCH_PX))(image)
    if patch.flipped:
        expected = Flip(spatial_axis=0)(expected)
    expected = Rotate90(k=patch.quarter_turns, spatial_axes=(0, 1))(expected)
    assert torch.equal(cut(image, patch, PATCH_PX), torch.as_tensor(expected))


@pytest.mark.parametrize("n_channels", [1, 3])
def test_a_batch_holds_what_single_cuts_do(n_channels):
    sources, patches = images(n_channels), [*ALL_SYMMETRIES, *CORNERS]
    batch = BatchCutter({"noisy": ImageStore.of(sources)}, PATCH_PX, CPU)(patches)["noisy"]
    expected = torch.stack([cut(sources[one.image_index], one, PATCH_PX) for one in patches])
    assert torch.equal(batch, expected)
    assert batch.is_contiguous(memory_format=torch.channels_last)


def test_companions_are_cut_at_the_same_places():
    sources = images()
    targets = [image + 1000.0 for image in sources]
    cutter = BatchCutter({"noisy": ImageStore.of(sources), "blurred": ImageStore.of(targets)}, PATCH_PX, CPU)
    batch = cutter(CORNERS)
    assert torch.equal(batch["blurred"], batch["noisy"] + 1000.0)


def test_a_store_in_a_file_gives_the_same_batch_and_leaves_no_file(tmp_path):
    sources = images()
    stored = ImageStore.of(sources, tmp_path)
    assert list(tmp_path.iterdir()) == []
    in_file = BatchCutter({"noisy": stored}, PATCH_PX, CPU)(CORNERS)["noisy"]
    assert torch.equal(in_file, BatchCutter({"noisy": ImageStore.of(sources)}, PATCH_PX, CPU)(CORNERS)["noisy"])
    np.testing.assert_array_equal(stored.flat, torch.cat([image.flatten() for image in sources]))
