"""One image through a denoiser: colours, logarithm, strength, and tiles that leave no seam."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from n2b_ct.config.networks import DenoiserSection
from n2b_ct.config.sections import DenoisingSection
from n2b_ct.data.natural_images import NaturalImageScale
from n2b_ct.errors import DataError
from n2b_ct.inference import tiles
from n2b_ct.inference.model import Model
from n2b_ct.inference.tiles import denoise_natural_image
from n2b_ct.networks.build import build_denoiser, size_multiple
from n2b_ct.noises.speckle import apply_speckle, draw_speckle


class Scaled(nn.Module):
    """F(x) = x / 4: what it removes is not symmetric to what it keeps."""

    def forward(self, x):
        return x / 4


def model_of(denoiser, colour="gray", multiple_px=1, **how):
    scale = NaturalImageScale(colour, how.pop("logarithm", False), how.pop("clipped", False))
    return Model(
        denoiser=denoiser.eval(),
        section=DenoiserSection(),
        input_scale=scale,
        name="toy",
        method="supervised",
        digest="0",
        multiple_px=multiple_px,
        facts={},
        denoising=DenoisingSection(**how),
    )


def unet(n_channels=1, **how):
    torch.manual_seed(4)
    network = build_denoiser(DenoiserSection(arguments={"n_features": 6, "max_features": 8}), n_channels)
    for parameter in network.parameters():
        parameter.data *= 1.5  # an untrained network says next to nothing
    return model_of(network, "rgb" if n_channels == 3 else "gray", size_multiple(network), **how)


def random_image(*shape, seed=1):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def rounding_of(values):
    """What sums in another order may differ by: 32 float32 roundings of the largest value.

    For every size of image the library chooses anew how it adds up a convolution, and it chooses otherwise on every
    instruction set: with AVX-512 both orders happen to agree to 1e-6, without it they do not.
    """
    return 32 * np.finfo(np.float32).eps * np.abs(values).max()


def test_what_is_removed_is_scaled_by_strength():
    image = random_image(6, 7)
    model = model_of(Scaled(), strength=0.5)
    np.testing.assert_allclose(denoise_natural_image(model, image, 1.0), image / 4, rtol=1e-6)
    np.testing.assert_allclose(denoise_natural_image(model, image), image * (1 - 0.5 * 0.75), rtol=1e-6)
    np.testing.assert_array_equal(denoise_natural_image(model, image, 0.0), image)


def test_a_model_of_the_logarithm_denoises_there_and_keeps_the_mean():
    image = np.array([[0.0, 0.25], [0.5, 1.0]], dtype=np.float32)
    denoised = denoise_natural_image(model_of(Scaled(), logarithm=True), image)
    expected = (256 ** (np.log2(255 * image + 1) / 8 / 4) - 1) / 255
    np.testing.assert_allclose(denoised, expected * image.mean() / expected.mean(), rtol=1e-5)


class MeanLogarithm(nn.Module):
    """F knows a flat image: it gives every pixel the mean of what it sees."""

    def forward(self, x):
        return x.mean(dim=(-2, -1), keepdim=True).expand_as(x)


@pytest.mark.parametrize("colour", ["gray", "rgb"])
def test_speckle_removed_in_the_logarithm_leaves_no_darker_image(colour):
    shape, grey = (64, 64, 3)[: 2 if colour == "gray" else 3], 0.4
    speckle = draw_speckle(shape, 0.2, np.random.default_rng(3))
    noisy = apply_speckle(np.full(shape, grey, np.float32), speckle)
    denoised = denoise_natural_image(model_of(MeanLogarithm(), colour, logarithm=True), noisy)
    np.testing.assert_allclose(denoised, np.broadcast_to(noisy.mean(axis=(0, 1)), shape), rtol=1e-5)
    assert np.expm1(np.log1p(255 * noisy).mean()) / 255 < 0.9 * noisy.mean()  # what it was without


def test_a_black_image_stays_black_in_the_logarithm():
    black = np.zeros((8, 8), np.float32)
    np.testing.assert_array_equal(denoise_natural_image(model_of(Scaled(), logarithm=True), black), black)


def test_a_model_of_clipped_images_sees_them_clipped():
    image = np.array([[-0.4, 0.5], [0.75, 1.6]], dtype=np.float32)
    denoised = denoise_natural_image(model_of(Scaled(), clipped=True), image)
    np.testing.assert_allclose(denoised, image.clip(0, 1) / 4, atol=1e-6)


class Mixing(nn.Module):
    """F gives every channel the next one's values."""

    def forward(self, x):
        return x.roll(1, dims=1)


def test_a_model_of_rgb_sees_all_channels_at_once():
    image = random_image(5, 6, 3)
    np.testing.assert_allclose(
        denoise_natural_image(model_of(Mixing(), "rgb"), image), np.roll(image, 1, -1), atol=1e-6
    )


def test_a_model_of_gray_denoises_rgb_only_where_that_is_wanted():
    image = random_image(5, 6, 3)
    with pytest.raises(DataError, match=r"must be gray, as what the model was trained on, got rgb.*per_channel=True"):
        denoise_natural_image(model_of(Scaled()), image)
    np.testing.assert_allclose(denoise_natural_image(model_of(Scaled()), image, per_channel=True), image / 4, rtol=1e-6)


def test_a_model_of_rgb_refuses_gray():
    with pytest.raises(DataError, match=r"must be rgb, as what the model was trained on, got gray"):
        denoise_natural_image(model_of(Mixing(), "rgb"), random_image(5, 6), per_channel=True)


@pytest.mark.parametrize("shape", [(2, 2), (3, 50), (50, 3), (17, 31)])
def test_sides_of_any_length_are_denoised(shape):
    image = random_image(*shape)
    denoised = denoise_natural_image(unet(), image)
    assert (denoised.shape, denoised.dtype) == (shape, np.float32)
    assert np.isfinite(denoised).all()


def test_the_eight_symmetries_are_averaged():
    image = random_image(48, 32)
    model = unet()
    symmetric = replace(model, denoising=DenoisingSection(test_time_augmentation=8))
    expected = np.mean(
        [
            back(denoise_natural_image(model, np.ascontiguousarray(turned)))
            for turned, back in (
                (np.rot90(flip(image), k), lambda image, k=k, flip=flip: flip(np.rot90(image, -k)))
                for flip in (np.asarray, np.flipud)
                for k in range(4)
            )
        ],
        axis=0,
    )
    np.testing.assert_allclose(denoise_natural_image(symmetric, image), expected, atol=rounding_of(expected))


# ── Tiles ──


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "TILE_PX", 70)


def in_tiles(model, image):
    return denoise_natural_image(model, image, whole_limit_px=0)


@pytest.mark.parametrize("shape", [(300, 211), (64, 400), (150, 171)])
@pytest.mark.parametrize("test_time_augmentation", [1, 8])
def test_tiles_leave_no_seam(small_tiles, shape, test_time_augmentation):
    model = unet(test_time_augmentation=test_time_augmentation)
    image = random_image(*shape)
    whole, tiled = denoise_natural_image(model, image), in_tiles(model, image)
    removed_std = float((image - whole).std())
    assert removed_std > 0.02
    assert np.abs(tiled - whole).max() < 1e-4 * removed_std


def test_tiles_without_a_halo_would_leave_seams(small_tiles, monkeypatch):
    monkeypatch.setattr(tiles, "HALO_PX", 0)
    model, image = unet(), random_image(200, 200)
    assert np.abs(in_tiles(model, image) - denoise_natural_image(model, image)).max() > 1e-3


def test_rgb_is_denoised_in_tiles_too(small_tiles):
    model, image = unet(3), random_image(100, 171, 3)
    whole = denoise_natural_image(model, image)
    np.testing.assert_allclose(in_tiles(model, image), whole, atol=rounding_of(whole))


def test_tiles_cover_every_pixel_exactly_once(small_tiles):
    image = random_image(213, 95)
    np.testing.assert_allclose(in_tiles(model_of(Scaled(), multiple_px=16), image), image / 4, rtol=1e-6)


def test_only_large_images_are_seen_in_tiles(small_tiles):
    seen = []

    class Watching(nn.Module):
        def forward(self, x):
            seen.append(tuple(x.shape[-2:]))
            return x

    model, image = model_of(Watching()), random_image(400, 400)
    denoise_natural_image(model, image, whole_limit_px=160_000)
    assert seen == [(400, 400)]
    seen.clear()
    denoise_natural_image(model, image, whole_limit_px=159_999)
    assert len(seen) == 36
    assert max(max(shape) for shape in seen) == 70 + 2 * 128
