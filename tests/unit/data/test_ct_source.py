"""The slice dataset: windowed slices, labels from whole slices, references by position."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from n2b_ct.data.ct_source import body_mask, load_slices
from n2b_ct.data.manifest_series import DatasetSeries
from n2b_ct.data.roles import RoleSlice
from n2b_ct.errors import DataError
from n2b_ct.hu import Window

WINDOW = Window(-100.0, 100.0)


class InMemory(DatasetSeries):
    """A series whose HU are a function of the slice's index."""

    def read_hu(self, indices, progress=None):
        return np.stack([np.full(self.size_px, -150.0 + 100.0 * index, np.float32) for index in indices])


class WithNaN(InMemory):
    """One NaN in slice 1."""

    def read_hu(self, indices, progress=None):
        hu = super().read_hu(indices)
        hu[[index == 1 for index in indices], 2, 3] = np.nan
        return hu


def series(kind: type[DatasetSeries] = InMemory, name: str = "s") -> DatasetSeries:
    return kind(name, None, Path(name), (0.0, 1.0, 2.0, 3.0), "p", (6, 8))


def test_slices_come_in_their_order_in_network_units():
    one, other = series(name="one"), series(name="other")
    roles = [RoleSlice(one, 1), RoleSlice(one, 2), RoleSlice(other, 1), RoleSlice(one, 3)]
    dataset = load_slices(roles, WINDOW)
    assert [image[0, 0, 0].item() for image in dataset.images] == [0.25, 0.75, 0.25, 1.0]
    assert all(image.shape == (1, 6, 8) and image.dtype == torch.float32 for image in dataset.images)
    assert (len(dataset), dataset.smallest_px) == (4, 6)


def test_noisy_slices_are_clipped_and_clean_ones_stay_whole():
    roles = [RoleSlice(series(), 0), RoleSlice(series(), 3)]
    assert [image.max().item() for image in load_slices(roles, WINDOW).images] == [0.0, 1.0]
    assert [image.max().item() for image in load_slices(roles, WINDOW, clipped=False).images] == [-0.25, 1.25]


def test_the_mask_says_what_lies_inside_the_window():
    dataset = load_slices([RoleSlice(series(), index) for index in range(4)], WINDOW)
    assert [bool(mask.all()) for mask in dataset.body] == [False, True, True, False]


def test_a_label_is_made_from_the_whole_windowed_slice():
    seen: list[np.ndarray] = []

    def label(image: np.ndarray) -> np.ndarray:
        seen.append(image)
        return image / 2

    dataset = load_slices([RoleSlice(series(), 1), RoleSlice(series(), 3)], WINDOW, label=label)
    assert [image.shape for image in seen] == [(6, 8), (6, 8)]
    assert [blurred.max().item() for blurred in dataset.targets["blurred"]] == [0.125, 0.5]


def test_references_follow_their_slices():
    low, full = series(name="low"), series(name="full")
    roles = [RoleSlice(low, index, full, 3 - index) for index in (1, 2, 0)]
    dataset = load_slices(roles, WINDOW, with_reference=True)
    assert [image.max().item() for image in dataset.targets["reference"]] == [0.75, 0.25, 1.0]


def test_a_missing_reference_is_said():
    roles = [RoleSlice(series(), 0, series(), 0), RoleSlice(series(), 1)]
    with pytest.raises(DataError, match=r"series s: .* needs? a reference for every .*slice"):
        load_slices(roles, WINDOW, with_reference=True)


def test_values_that_are_not_finite_are_said_with_their_count():
    roles = [RoleSlice(series(WithNaN), index) for index in range(3)]
    with pytest.raises(DataError, match="series s: HU must be finite, got 1 slices with NaN or infinity"):
        load_slices(roles, WINDOW)
    references = [RoleSlice(series(), 1, series(WithNaN, "full"), 1)]
    with pytest.raises(DataError, match="series full: HU must be finite"):
        load_slices(references, WINDOW, with_reference=True)


def test_progress_counts_slices_to_the_end():
    told: list[tuple[int, int, str]] = []
    roles = [RoleSlice(series(), 0), RoleSlice(replace(series(), name="t"), 1)]
    load_slices(roles, WINDOW, progress=lambda *args: told.append(args))
    assert told == [(1, 2, "s"), (2, 2, "t")]


def test_air_around_the_body_teaches_nothing_and_noisy_lung_does():
    rng = np.random.default_rng(0)
    hu = np.full((60, 60), -1000.0)
    hu[20:40] = -850.0
    hu[40:] = 40.0
    mask = body_mask((hu + rng.normal(0.0, 30.0, hu.shape)).astype(np.float32), Window(-1100.0, 400.0))
    assert not mask[:15].any()
    assert mask[25:].all()
