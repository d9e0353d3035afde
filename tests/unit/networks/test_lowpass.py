"""The HU law of the low-pass form, for networks that know nothing of HU."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor, nn

from n2b_ct.errors import ConfigError
from n2b_ct.filters import mean_blur
from n2b_ct.networks import DirectHead, LowpassHead, ResidualHead, SimpleUNet, box_mean


class Adds(nn.Module):
    """A toy network: its input, plus an image."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.image = image

    def forward(self, x: Tensor) -> Tensor:
        return x + self.image


@pytest.fixture
def x() -> Tensor:
    return torch.rand(2, 1, 48, 40, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def network() -> SimpleUNet:
    torch.manual_seed(4)
    return SimpleUNet(n_features=4, depth=2).eval()


@pytest.mark.parametrize(("kernel_px", "passes"), [(1, 1), (3, 1), (17, 1), (17, 2), (5, 4)])
def test_the_box_mean_is_the_numpy_mean_blur_so_many_times(x, kernel_px, passes):
    expected = x.double().numpy()
    for _ in range(passes):
        expected = mean_blur(expected, kernel_px)
    np.testing.assert_allclose(box_mean(x.double(), kernel_px, passes), expected, atol=1e-13)


@pytest.mark.parametrize("size", [(300, 128), (129, 600)])
def test_a_large_image_is_averaged_in_blocks_that_nobody_sees(size):
    image = np.random.default_rng(0).random(size)
    expected = mean_blur(mean_blur(image, 17), 17)
    np.testing.assert_allclose(box_mean(torch.from_numpy(image), 17, 2), expected, atol=1e-13)


def test_the_box_mean_is_average_pooling_inside_the_image(x):
    pooled = nn.functional.avg_pool2d(x, 17, stride=1)
    torch.testing.assert_close(box_mean(x, 17, 1)[..., 8:-8, 8:-8], pooled, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (8, 32)])
def test_a_patch_smaller_than_the_box_is_mirrored_again_and_again(size):
    patch = np.random.default_rng(0).random(size)
    expected = ndimage.uniform_filter(np.pad(patch, 90, mode="symmetric"), 33)[90:-90, 90:-90]
    np.testing.assert_allclose(box_mean(torch.from_numpy(patch), 33, 1), expected, atol=1e-12)


@pytest.mark.parametrize("size", [(48, 40), (32, 32), (6, 100)])
def test_the_mean_of_a_slice_survives_any_network(network, size):
    x = torch.rand(1, 1, *size)
    change = LowpassHead(network)(x) - x
    assert change.abs().mean() > 0.1
    assert change.double().mean().abs() < 1e-7


def test_what_the_head_adds_to_the_network_is_the_low_pass_of_its_error(network, x):
    raw, denoised = network(x), LowpassHead(network)(x)
    torch.testing.assert_close(denoised - raw, box_mean(x - raw, 17, 2), rtol=1e-4, atol=1e-6)


def test_the_output_differs_from_the_input_by_high_frequencies_only(network, x):
    change = network(x) - x
    torch.testing.assert_close(LowpassHead(network)(x) - x, change - box_mean(change, 17, 2), rtol=1e-4, atol=1e-6)


def test_an_identity_network_stays_the_identity(x):
    torch.testing.assert_close(LowpassHead(nn.Identity())(x), x, rtol=0, atol=0)


def test_an_offset_is_removed_everywhere(x):
    denoised = LowpassHead(Adds(torch.full((48, 40), 0.25)))(x)
    torch.testing.assert_close(denoised, x, rtol=0, atol=1e-6)


def test_a_ramp_is_removed_where_the_boxes_stay_inside():
    x, ramp = torch.zeros(1, 1, 64, 64), torch.linspace(0, 1, 64).expand(64, 64)
    denoised = LowpassHead(Adds(ramp), kernel_px=17, passes=2)(x)
    assert denoised[..., 16:-16].abs().max() < 1e-6
    assert denoised[..., 15].abs().max() > 1e-6


@pytest.mark.parametrize(("wavelength_px", "left"), [(300, 0.0105), (38, 0.507), (17, 1.0), (4, 288 / 289)])
def test_a_wave_keeps_the_share_that_the_formula_gives(wavelength_px, left):
    frequency = 1 / wavelength_px
    by_hand = 1 - (math.sin(math.pi * frequency * 17) / (17 * math.sin(math.pi * frequency))) ** 2
    assert by_hand == pytest.approx(left, rel=2e-3)
    wave = torch.cos(2 * math.pi * frequency * torch.arange(-300, 301)).expand(8, -1)
    denoised = LowpassHead(Adds(wave))(torch.zeros(1, 1, 8, 601))
    assert denoised[0, 0, 4, 300].item() == pytest.approx(by_hand, abs=1e-5)


def test_white_noise_passes_nearly_whole():
    noise = torch.randn(1, 1, 200, 200, generator=torch.Generator().manual_seed(6))
    kept = LowpassHead(Adds(noise))(torch.zeros(1, 1, 200, 200))
    assert kept.std().item() == pytest.approx(noise.std().item(), rel=0.01)


def test_gradients_reach_the_network_as_the_formula_says(x):
    scale = torch.tensor(2.0, requires_grad=True)

    class Scales(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return scale * x

    weights = torch.rand_like(x)
    (LowpassHead(Scales(), 5, 1)(x) * weights).sum().backward()
    assert scale.grad.item() == pytest.approx(((x - box_mean(x, 5, 1)) * weights).sum().item(), rel=1e-3)


def test_the_box_mean_ignores_autocast(x):
    expected = box_mean(x, 17, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(box_mean(x, 17, 2), expected, rtol=0, atol=0)


def test_the_direct_form_is_the_network_and_the_residual_form_adds_the_input(network, x):
    torch.testing.assert_close(DirectHead(network)(x), network(x), rtol=0, atol=0)
    torch.testing.assert_close(ResidualHead(network)(x), x + network(x), rtol=0, atol=0)


@pytest.mark.parametrize("form", [DirectHead, ResidualHead, LowpassHead])
def test_every_form_answers_in_float32(form, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert form(nn.Conv2d(1, 1, 1))(x).dtype == torch.float32


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_scripted_head_gives_the_same_answer_at_another_size(network):
    head, x = LowpassHead(network), torch.rand(1, 1, 36, 50)
    torch.testing.assert_close(torch.jit.script(head)(x), head(x))


def test_an_impossible_box_is_refused():
    with pytest.raises(ConfigError, match=r"lowpass_kernel_px: must be odd and at least 1, got 16; .*\nlowpass_passes"):
        LowpassHead(nn.Identity(), kernel_px=16, passes=0)


def test_what_inference_has_used_training_may_use():
    head = LowpassHead(SimpleUNet(n_features=4, depth=2), kernel_px=5)
    x = torch.rand(1, 1, 28, 36)
    with torch.inference_mode():
        head(x)
    head(x).sum().backward()
    assert all(weight.grad is not None for weight in head.parameters())
