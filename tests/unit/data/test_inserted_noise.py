"""Batches with inserted noise: what is drawn, what is filtered, and what a scanner would have stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from n2b_ct.data.inserted_noise import (
    MARGIN_PX,
    AnyNoise,
    Images,
    InsertedNoiseBatches,
    NoiseDraw,
    OneKernel,
    Storage,
    stored,
    through_kernels,
)
from n2b_ct.hu import Window
from n2b_ct.simulation.kernel_responses import KernelResponse, filters

SIZE_PX, PATCH_PX = 96, 16
WINDOW = Window(-1024.0, 3072.0)
IDENTITY = KernelResponse(50.0, 6.0)
RNG = np.random.default_rng(0)
CELLS = [np.array([[32, 32], [48, 48]])] * 3
ANATOMY = Images([np.full((1, SIZE_PX, SIZE_PX), 160 + 4 * k, np.int16) for k in range(3)], 0.25, CELLS, 16)
FIELDS = Images(
    [RNG.normal(0.0, 1000.0, (2, SIZE_PX, SIZE_PX)).astype(np.int16) for _ in range(3)],
    1e-3,
    CELLS,
    16,
    [(5.0, 7.0)] * 3,
)


@dataclass(frozen=True)
class Same:
    """A prior that draws the same always."""

    noise: NoiseDraw

    def draw(self, rng: np.random.Generator) -> NoiseDraw:
        return self.noise


def batches(noise: NoiseDraw, *, is_paired: bool = True, seed: int = 0, **options: object) -> InsertedNoiseBatches:
    return InsertedNoiseBatches(
        options.pop("anatomy", ANATOMY),  # type: ignore[arg-type]
        FIELDS,
        Same(noise),
        WINDOW,
        patch_px=PATCH_PX,
        batch_size=8,
        n_batches=4,
        seed=seed,
        is_paired=is_paired,
        **options,  # type: ignore[arg-type]
    )


def test_a_batch_is_a_function_of_seed_and_number() -> None:
    one = batches(NoiseDraw(IDENTITY, 20.0))
    _, second = one[0], one[1]
    again = batches(NoiseDraw(IDENTITY, 20.0))[1]
    for key in ("noisy", "reference", "index"):
        torch.testing.assert_close(second[key], again[key], rtol=0, atol=0)
    assert not torch.equal(second["noisy"], batches(NoiseDraw(IDENTITY, 20.0), seed=1)[1]["noisy"])
    assert len(one) == 4


def test_shapes_are_those_of_patches_and_values_those_of_the_window() -> None:
    batch = batches(NoiseDraw(IDENTITY, 20.0))[0]
    assert batch["noisy"].shape == batch["reference"].shape == (8, 1, PATCH_PX, PATCH_PX)
    assert batch["noisy"].dtype == torch.float32
    assert 0.0 <= float(batch["noisy"].min()) < float(batch["noisy"].max()) <= 1.0


def test_a_share_of_a_batch_is_that_part_of_the_whole() -> None:
    whole = batches(NoiseDraw(IDENTITY, 20.0))[2]
    part = batches(NoiseDraw(IDENTITY, 20.0), share=slice(3, 6))[2]
    torch.testing.assert_close(part["noisy"], whole["noisy"][3:6])


@pytest.mark.parametrize("is_paired", [True, False])
def test_noise_has_the_drawn_strength_behind_its_kernel(is_paired: bool) -> None:
    response = KernelResponse(0.25, 2.0)
    one = batches(NoiseDraw(response, 20.0), is_paired=is_paired)
    # the toy fields are white: their gain is the mean square of the filter, not that of the ramp's noise
    found = filters([response], PATCH_PX + 2 * MARGIN_PX)
    white_gain = np.mean(np.concatenate([found.noise[0], found.noise[0][:, 1:-1]], axis=1) ** 2)
    expected = 20.0 * np.sqrt(white_gain / found.noise_gain[0])
    noise = torch.cat([one[k]["noisy"] - one[k]["reference"] for k in range(4)]) * WINDOW.width_hu
    assert float(noise.std()) == pytest.approx(expected, rel=0.1)


def test_without_a_drawn_strength_fields_keep_their_own_times_the_factor() -> None:
    response = KernelResponse(0.3, 4.0)
    plain, double, drawn = (batches(NoiseDraw(response, *how))[0] for how in ((None,), (None, 2.0), (30.0,)))
    own, twice, fixed = ((one["noisy"] - one["reference"]).std(dim=(1, 2, 3)) for one in (plain, double, drawn))
    np.testing.assert_allclose(twice / own, 2.0, rtol=0.05)
    ratios = own / fixed
    assert float(ratios.max() / ratios.min()) == pytest.approx(7.0 / 5.0, rel=0.1)


def test_paired_noise_lies_at_its_own_slices_place_half_of_the_time() -> None:
    number = np.arange(SIZE_PX**2).reshape(1, SIZE_PX, SIZE_PX) % 30000
    same = Images([number.astype(np.int16)] * 3, 1.0, CELLS, 16, [(1.0,)] * 3)
    one = InsertedNoiseBatches(
        Images(same.planes, 1.0, CELLS, 16),
        same,
        Same(NoiseDraw(IDENTITY, None)),
        Window(-1e6, 1e6),
        patch_px=PATCH_PX,
        batch_size=200,
        n_batches=1,
        seed=0,
    )
    patches = one._drawn_batch(0)
    places = [(p.anatomy.slice_index, p.anatomy.row_px, p.anatomy.col_px) for p in patches]
    of_fields = [(p.field.slice_index, p.field.row_px, p.field.col_px) for p in patches]
    n_paired = sum(a == b for a, b in zip(places, of_fields, strict=True))
    assert 75 < n_paired < 125


def test_patches_lie_in_the_body_nearly_always() -> None:
    patches = [p for k in range(4) for p in batches(NoiseDraw(IDENTITY, 1.0))._drawn_batch(k)]
    half = PATCH_PX // 2 + MARGIN_PX
    is_inside = [32 <= p.anatomy.row_px + half <= 64 and 32 <= p.anatomy.col_px + half <= 64 for p in patches]
    assert np.mean(is_inside) > 0.85


def test_anatomy_and_noise_pass_their_own_filters() -> None:
    response = KernelResponse(0.2, 2.0, noise_cutoff_per_px=0.1, blur_px=0.5)
    kernels = filters([response], 32)
    anatomy, field = np.float32(RNG.normal(size=(2, 1, 32, 32)))
    truth, noise = through_kernels(anatomy, field, kernels, torch.device("cpu"))
    for found, image, response_of in ((truth, anatomy, kernels.anatomy), (noise, field, kernels.noise)):
        expected = np.fft.irfft2(np.fft.rfft2(image) * response_of, s=(32, 32))
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_what_is_stored_is_rounded_and_clipped_at_the_scanners_floor() -> None:
    truth = torch.tensor([[[-1010.0, 40.3, 3500.0]]])
    noise = torch.tensor([[[-30.0, 0.4, 0.0]]])
    noisy, clean = stored(truth, noise, [Storage(-1024.0, is_rounded=True)], WINDOW)
    hu = [values * WINDOW.width_hu + WINDOW.lower_hu for values in (noisy, clean)]
    np.testing.assert_allclose(hu[0].numpy(), [[[-1024.0, 41.0, 3071.0]]], atol=1e-3)
    np.testing.assert_allclose(hu[1].numpy(), [[[-1010.0, 40.3, 3071.0]]], atol=1e-3)


def test_a_floor_at_air_clips_the_truth_too() -> None:
    truth, noise = torch.full((1, 1, 1), -1010.0), torch.zeros((1, 1, 1))
    noisy, clean = stored(truth, noise, [Storage(-1000.0, is_rounded=False)], WINDOW)
    assert float(noisy) == float(clean) == pytest.approx(24.0 / 4096.0)


def test_drawn_strengths_span_the_range_and_sharp_kernels_reach_further() -> None:
    draws = [AnyNoise((3.0, 90.0)).draw(np.random.default_rng(k)) for k in range(300)]
    sharp = [one.std_hu or 0.0 for one in draws if one.response.is_sharp]
    smooth = [one.std_hu or 0.0 for one in draws if not one.response.is_sharp]
    assert 3.0 <= min(smooth) < 4.0
    assert 70.0 < max(smooth) <= 90.0
    assert 120.0 < max(sharp) <= 198.0


def test_soft_tissue_is_given_other_contrasts_and_air_is_left_alone() -> None:
    with_air = Images([np.full((1, SIZE_PX, SIZE_PX), -4000, np.int16)] * 3, 0.25, CELLS, 16)
    airs = torch.cat([batches(NoiseDraw(IDENTITY, 1.0), anatomy=with_air)[k]["reference"] for k in range(4)])
    np.testing.assert_allclose(airs.numpy() * 4096 - 1024, -1000.0, atol=0.01)
    softs = torch.cat([batches(NoiseDraw(IDENTITY, 1.0))[k]["reference"] for k in range(4)]) * 4096 - 1024
    assert float(softs.max() - softs.min()) > 20.0


def test_the_noise_of_one_kernel_keeps_about_the_fields_strength() -> None:
    draws = [OneKernel(KernelResponse(0.3, 2.0)).draw(np.random.default_rng(k)) for k in range(50)]
    assert {one.std_hu for one in draws} == {None}
    assert {one.response.cutoff_per_px for one in draws} == {0.3}
    assert 0.8 <= min(one.factor for one in draws) < 0.85 < 1.2 < max(one.factor for one in draws) <= 1.25
