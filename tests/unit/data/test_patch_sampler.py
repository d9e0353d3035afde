"""Where noisy patches may lie: inside the window, and away from structure."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from n2b_ct.data.dataset import InMemoryDataset
from n2b_ct.data.patch_sampler import PatchSampler, label_steepness, patch_sum, structure_share
from n2b_ct.errors import DataError


def dataset(residual: np.ndarray, mask: np.ndarray | None = None) -> InMemoryDataset:
    label = torch.full((1, *residual.shape), 0.5)
    image = label + torch.from_numpy(residual.astype(np.float32))[None]
    inside = np.ones(residual.shape, dtype=bool) if mask is None else mask
    return InMemoryDataset([image], [inside], {"blurred": [label]})


def noise(sigma: float = 0.05, size: int = 64) -> np.ndarray:
    return np.random.default_rng(0).normal(0.0, sigma, (size, size))


def test_patch_sums_equal_a_naive_loop():
    values = np.random.default_rng(0).random((9, 11))
    naive = [[values[r : r + 4, c : c + 4].sum() for c in range(8)] for r in range(6)]
    np.testing.assert_allclose(patch_sum(values, 4), naive)


def test_white_noise_keeps_a_49th_of_its_energy_in_a_7_by_7_mean():
    assert structure_share(noise(size=256), 200).mean() == pytest.approx(1 / 49, rel=0.05)


def test_how_strong_the_noise_is_does_not_matter():
    np.testing.assert_allclose(structure_share(noise(0.1), 16), structure_share(noise(0.01), 16), rtol=1e-6)


def test_the_flattest_places_are_those_without_an_edge():
    residual = noise()
    residual[:, 40:] += 0.5
    residual[:, 48:] -= 0.5
    corners = PatchSampler("noisy", dataset(residual), 16, 0.0, flat_share=0.3).corners[0]
    assert corners.mean() == pytest.approx(0.3, abs=0.01)
    assert not corners[:, 27:46].any()


def test_without_a_share_or_a_label_every_place_inside_the_window_counts():
    mask = np.ones((64, 64), dtype=bool)
    mask[:32] = False
    assert PatchSampler("noisy", dataset(noise(), mask), 16, 1.0).corners[0].sum() == 17 * 49
    plain = InMemoryDataset([torch.zeros(1, 64, 64)], [mask])
    assert PatchSampler("noisy", plain, 16, 1.0, flat_share=0.3).corners[0].sum() == 17 * 49


def test_a_role_without_a_place_is_refused_with_its_keys():
    with pytest.raises(DataError, match=r"role noisy: patches of 16 px must lie to 95% inside.*noisy_body_fraction"):
        PatchSampler("noisy", dataset(noise(), np.zeros((64, 64), dtype=bool)), 16, 0.95)


def test_across_images_the_flattest_labels_win_whatever_the_noise():
    """A steep label with little noise, a flat one with much: all places come from the flat one."""
    ramp = torch.linspace(0, 1, 64).expand(1, 64, 64).clone()
    flat = torch.full((1, 64, 64), 0.5)
    strong, weak = torch.from_numpy(noise(0.3))[None].float(), torch.from_numpy(noise(0.001))[None].float()
    both = InMemoryDataset([ramp + weak, flat + strong], [np.ones((64, 64), bool)] * 2, {"blurred": [ramp, flat]})
    sampler = PatchSampler("noisy", both, 16, 0.0, flat_share=0.5, flat_across=True)
    assert sampler.image_indices.tolist() == [1]
    assert sampler.corners[1].all()


def test_the_steepness_of_a_ramp_is_its_slope_squared_times_the_pixels():
    np.testing.assert_allclose(label_steepness(np.outer(np.ones(20), 0.5 * np.arange(20)), 4), 16 * 0.25)
