"""Recorrupted patches: noise of two images that share nothing, in batches with phantoms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from n2b_ct.data.patches import Batches
from n2b_ct.data.recorruption import RecorruptedBatches, Recorruption
from n2b_ct.hu import Window
from n2b_ct.simulation.kernel_responses import KernelResponse
from n2b_ct.simulation.series_noise import SeriesNoise

WINDOW = Window(-1024.0, 3072.0)
STD_HU, SIZE_PX, PATCH_PX = 30.0, 96, 32
WHITE = KernelResponse(100.0, 2.0)


class Zeros(Batches):
    """Phantoms: zeros with ones for their truth."""

    device = torch.device("cpu")

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        shape = (4, 1, PATCH_PX, PATCH_PX)
        return {"noisy": torch.zeros(shape), "reference": torch.ones(shape), "index": torch.zeros(4, dtype=torch.long)}


def series(mean_hu: float = 40.0, n_fields: int = 2) -> SeriesNoise:
    """Two slices of nothing but noise, and fields that are noise behind a kernel that keeps all."""
    rng = np.random.default_rng(0)
    slices = [rng.normal(mean_hu, STD_HU, (SIZE_PX, SIZE_PX)).astype(np.float32) for _ in range(2)]
    noise = SeriesNoise([np.zeros((n_fields, SIZE_PX, SIZE_PX), np.float32)] * 2, WHITE, slices)
    noise.__dict__["shown"] = [rng.normal(0.0, STD_HU, (n_fields, SIZE_PX, SIZE_PX)).astype(np.float32) for _ in slices]
    return noise


def batches(
    noise: SeriesNoise, share: float = 1.0, alpha: float = 1.0, part: slice = slice(None)
) -> RecorruptedBatches:
    recorruption = Recorruption(share, alpha)
    return RecorruptedBatches(Zeros(), noise, recorruption, WINDOW, patch_px=PATCH_PX, batch_size=4, seed=0, share=part)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_input_and_target_share_no_noise_and_have_that_of_the_equations(alpha: float) -> None:
    found = [batches(series(), alpha=alpha)[k] for k in range(5)]
    x, y = ((torch.cat([one[key] for one in found]) * 4096.0 - 1064.0).numpy() for key in ("noisy", "reference"))
    assert abs(np.mean(x * y)) < 0.1 * STD_HU**2 * max(alpha, 1.0 / alpha) ** 2
    assert x.std() == pytest.approx(STD_HU * np.hypot(1.0, alpha), rel=0.05)
    assert y.std() == pytest.approx(STD_HU * np.hypot(1.0, 1.0 / alpha), rel=0.05)
    stated = torch.cat([one["noise"] for one in found]).numpy() * 4096.0
    assert stated.std() == pytest.approx(x.std(), rel=0.05)


def test_a_share_of_the_patches_is_recorrupted_and_the_others_are_the_phantoms_own() -> None:
    batch = batches(series(), share=0.5)[0]
    assert batch["noisy"][2:].abs().sum() == 0.0
    assert batch["noise"][2:].eq(-1.0).all()
    assert batch["counted"].eq(1.0).all()
    assert batch["noisy"][:2].std() > 0.0


def test_a_batch_follows_from_seed_and_number_and_its_parts_are_parts_of_it() -> None:
    whole, again = batches(series())[3], batches(series())[3]
    assert torch.equal(whole["noisy"], again["noisy"])
    assert not torch.equal(whole["noisy"], batches(series())[2]["noisy"])


def test_pixels_near_the_end_of_the_window_do_not_count() -> None:
    assert batches(series(-1000.0))[0]["counted"].sum() == 0.0
    assert batches(series(40.0))[0]["counted"].mean() == 1.0


def test_one_field_serves_with_either_sign() -> None:
    batch = batches(series(n_fields=1))[0]
    assert torch.isfinite(batch["reference"]).all()
    assert batch["noise"].std() > 0.0
