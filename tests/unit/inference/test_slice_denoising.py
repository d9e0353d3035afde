"""One slice: identity in = out, the window's law, padding, any size, strength."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from n2b_ct.config.networks import DenoiserSection
from n2b_ct.config.sections import DenoisingSection
from n2b_ct.errors import ConfigError, SeriesError
from n2b_ct.hu import Window
from n2b_ct.inference.model import Model
from n2b_ct.inference.slices import denoise_hu, noise_hu, reflected, required_strength

WINDOW = Window(-160.0, 240.0)


class Plus(nn.Module):
    """F(x) = x + amount, and it remembers what it saw."""

    def __init__(self, amount: float = 0.0, multiple: int = 1) -> None:
        super().__init__()
        self.amount, self.multiple, self.seen = amount, multiple, torch.empty(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.shape[-1] % self.multiple == x.shape[-2] % self.multiple == 0
        self.seen = x
        return x + self.amount


class Greedy(nn.Module):
    """Asks for more memory than any machine has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.empty(2**56, dtype=torch.uint8).sum()


class Broken(nn.Module):
    """Fails in another way."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ torch.ones(3, 3)


def model(denoiser: nn.Module, multiple: int = 1, **changes: Any) -> Model:
    fields = {
        "denoiser": denoiser,
        "section": DenoiserSection(),
        "input_scale": WINDOW,
        "name": "toy",
        "method": "none",
        "digest": "00",
        "multiple_px": multiple,
        "facts": {},
    }
    return Model(**{**fields, **changes})


def body(rows: int = 24, cols: int = 32, seed: int = 0) -> np.ndarray:
    """HU from air to bone."""
    return np.random.default_rng(seed).uniform(-1024, 1500, (rows, cols)).astype(np.float32)


def inside(hu: np.ndarray) -> np.ndarray:
    return (hu > -160) & (hu < 240)


def test_an_identity_network_returns_its_input_bit_for_bit():
    hu = body()
    np.testing.assert_array_equal(denoise_hu(model(Plus()), hu), hu)
    assert denoise_hu(model(Plus()), hu).dtype == np.float32


def test_a_constant_is_removed_inside_the_window_and_nothing_moves_outside():
    hu = body()
    denoised = denoise_hu(model(Plus(-0.1)), hu)
    np.testing.assert_allclose(denoised[inside(hu)], hu[inside(hu)] - 40.0, atol=1e-3)
    np.testing.assert_array_equal(denoised[~inside(hu)], hu[~inside(hu)])


def test_the_windows_own_ends_do_not_move():
    hu = np.array([[-160.0, 240.0, 0.0]], dtype=np.float32)
    np.testing.assert_allclose(denoise_hu(model(Plus(-0.1)), hu), [[-160.0, 240.0, -40.0]], atol=1e-4)


def test_the_network_sees_the_whole_slice_in_network_units():
    hu, denoiser = body(), Plus()
    noise_hu(model(denoiser), hu)
    np.testing.assert_array_equal(denoiser.seen[0, 0].numpy(), WINDOW.normalise(hu))


def test_padding_keeps_its_value_and_does_not_bleed():
    hu, is_padding, denoiser = body(), np.zeros((24, 32), dtype=bool), Plus(-0.1)
    is_padding[:, :5] = True
    low, high = hu.copy(), hu.copy()
    low[is_padding], high[is_padding] = -2000.0, 100.0
    denoised_low = denoise_hu(model(denoiser), low, is_padding)
    seen = denoiser.seen.clone()
    denoised_high = denoise_hu(model(denoiser), high, is_padding)
    assert torch.equal(denoiser.seen, seen)
    assert (denoised_low[is_padding] == -2000.0).all()
    assert (denoised_high[is_padding] == 100.0).all()
    np.testing.assert_array_equal(denoised_low[~is_padding], denoised_high[~is_padding])


def test_a_slice_of_padding_alone_does_not_move():
    hu = np.full((8, 8), 50.0, dtype=np.float32)
    np.testing.assert_array_equal(denoise_hu(model(Plus(-0.1)), hu, np.ones((8, 8), dtype=bool)), hu)


@pytest.mark.parametrize("size_px", [(33, 47), (7, 5), (1, 9), (9, 1), (1, 1), (64, 64), (2, 63)])
@pytest.mark.parametrize("multiple", [1, 8, 64])
def test_any_size_works(size_px, multiple):
    hu = np.random.default_rng(0).uniform(-100, 200, size_px).astype(np.float32)
    np.testing.assert_array_equal(denoise_hu(model(Plus(0.0, multiple), multiple), hu), hu)
    denoised = denoise_hu(model(Plus(-0.1, multiple), multiple), hu)
    np.testing.assert_allclose(denoised, hu - 40.0, atol=1e-3)


@pytest.mark.parametrize(
    ("size_px", "multiple"), [((33, 47), 8), ((17, 31), 32), ((16, 16), 16), ((5, 3), 32), ((16, 9), 16), ((9, 16), 16)]
)
def test_the_extension_is_numpys_reflection(size_px, multiple):
    image = np.random.default_rng(0).random(size_px)
    extended = reflected(torch.from_numpy(image)[None, None], multiple)[0, 0].numpy()
    rows, cols = (-(-side // multiple) * multiple for side in size_px)
    expected = np.pad(image, ((0, rows - size_px[0]), (0, cols - size_px[1])), mode="reflect")
    np.testing.assert_array_equal(extended, expected)


@pytest.mark.parametrize("strength", [0.0, 0.25, 0.5, 1.0])
def test_strength_is_linear(strength):
    hu = body()
    full = noise_hu(model(Plus(-0.1)), hu)
    np.testing.assert_array_equal(
        denoise_hu(model(Plus(-0.1)), hu, strength=strength), hu - np.float32(strength) * full
    )


def test_strength_0_returns_the_input_bit_for_bit():
    hu = body()
    np.testing.assert_array_equal(denoise_hu(model(Plus(-0.1)), hu, strength=0.0), hu)


def test_noise_is_what_denoising_takes_away():
    hu = body()
    np.testing.assert_allclose(hu - denoise_hu(model(Plus(-0.1)), hu), noise_hu(model(Plus(-0.1)), hu), atol=1e-3)


def test_no_gradient_is_kept():
    class Recording(nn.Conv2d):
        def forward(self, x):
            self.answer = super().forward(x)
            return self.answer

    network = Recording(1, 1, 1)
    noise_hu(model(network), body())
    assert network.weight.requires_grad
    assert not network.answer.requires_grad


def test_noise_is_float32_whatever_the_type_of_the_slice():
    for dtype in (np.float32, np.float64):
        assert noise_hu(model(Plus(-0.1)), body().astype(dtype)).dtype == np.float32


@pytest.mark.parametrize("strength", [0, 0.5, 1])
def test_a_strength_from_0_to_1_is_taken_as_it_is(strength):
    assert required_strength(strength, model(Plus())) == strength


@pytest.mark.parametrize("strength", [-0.01, 1.01, float("nan")])
def test_another_strength_is_refused(strength):
    expected = rf"^strength: must be from 0 to 1, got {strength}; 0 removes nothing, 1 all noise found$"
    with pytest.raises(ConfigError, match=expected):
        required_strength(strength, model(Plus()))


def test_without_a_strength_it_is_the_models_own():
    assert required_strength(None, model(Plus(), denoising=DenoisingSection(strength=0.25))) == 0.25


def test_eight_symmetries_average_what_each_of_them_removes():
    hu = np.random.default_rng(0).normal(40.0, 30.0, (24, 16)).astype(np.float32)
    lopsided = model(Lopsided())
    averaged = noise_hu(model(Lopsided(), denoising=DenoisingSection(test_time_augmentation=8)), hu)
    by_hand = [
        undo(noise_hu(lopsided, np.ascontiguousarray(do(hu))))
        for flip in (False, True)
        for turns in range(4)
        for do, undo in [symmetry(turns, flip)]
    ]
    np.testing.assert_allclose(averaged, np.mean(by_hand, axis=0), atol=1e-4)
    assert not np.allclose(averaged, noise_hu(lopsided, hu), atol=0.1)


def symmetry(turns: int, flip: bool):
    def do(image):
        return np.rot90(image[::-1] if flip else image, turns)

    def undo(image):
        back = np.rot90(image, -turns)
        return back[::-1] if flip else back

    return do, undo


class Lopsided(nn.Module):
    """Takes the pixel above: a denoiser that knows up from down."""

    def forward(self, x):
        return torch.roll(x, 1, dims=-2)


def test_a_slice_that_does_not_fit_into_memory_has_a_reason_and_other_faults_stay_what_they_are():
    with pytest.raises(SeriesError, match="SimpleUNet on 24x32 pixels: must fit into memory, got more than") as caught:
        noise_hu(model(Greedy()), body())
    assert caught.value.reason == "memory_limit"
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        noise_hu(model(Broken()), body())
