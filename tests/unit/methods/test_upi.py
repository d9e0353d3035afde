"""UPI's distillation: both losses by hand, noise from the right function, and what a teacher hands over."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from n2b_ct.errors import ConfigError
from n2b_ct.methods.upi import Upi, UpiConfig, upi_losses, with_noise
from n2b_ct.networks import BayesDenoiser, DirectHead, SimpleUNet
from n2b_ct.networks.noise_level import NoiseLevels
from tests.toy_methods import NATURAL_IMAGES, toy_method


class Quarter(nn.Module):
    """CDN(z) = w z with w = 1/4: asymmetric, so that a swapped sign or image shows."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.25))
        self.seen: list[Tensor] = []

    def forward(self, z: Tensor) -> Tensor:
        self.seen.append(z.detach())
        return self.weight * z


def image(value: float, n_channels: int = 1, side: int = 1) -> Tensor:
    return torch.full((1, n_channels, side, side), value)


def constant_levels(*stds: float) -> NoiseLevels:
    return NoiseLevels(len(stds), start_std=torch.tensor(stds))


def upi(student: nn.Module, levels: NoiseLevels, *, clipped: bool = False, **values) -> Upi:
    traits = replace(NATURAL_IMAGES, n_noisy=len(levels.start_std), clipped=clipped)
    method = toy_method("upi", traits, {"denoiser": student}, **values)
    method.networks["noise_levels"].load_state_dict(levels.state_dict())
    return method


def teacher() -> DirectHead:
    torch.manual_seed(0)
    return DirectHead(BayesDenoiser(n_features=4, steps=(1,))).eval()


def noisy_images(n_images: int = 3) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(1, 16, 12 + number, generator=generator) for number in range(n_images)]


# ── The losses ──


def test_both_losses_equal_the_values_computed_by_hand():
    # ỹ = 8: (2 − 1)² = 1; y = 20: (5 − 3)² = 4, λ = 0.1
    losses = upi_losses(Quarter(), x=image(1), y_tilde=image(8), y=image(20), x_hat=image(3), distillation_weight=0.1)
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx({"composed": 1.0, "distilled": 0.4})


def test_the_noise_of_one_channel_is_its_standard_deviation_times_n_0():
    assert with_noise(image(5), [[image(3)[:, 0]]], image(-2)).item() == -1


def test_the_noise_of_three_channels_goes_through_the_triangle():
    l_n = [[image(value)[:, 0] for value in row] for row in ((1,), (2, 3), (4, 5, 6))]
    n_0 = torch.tensor([1.0, 10.0, 100.0]).reshape(1, 3, 1, 1)
    assert with_noise(image(0, 3), l_n, n_0).flatten().tolist() == [1, 32, 654]


def test_a_step_lays_the_noise_of_the_indexed_image_on_the_clean_patches():
    student = Quarter()
    method = upi(student, constant_levels(0.05, 0.4))
    clean = torch.full((2, 1, 64, 64), 0.5)
    batch = {"clean": clean, "noisy": clean, "distilled": clean, "index": torch.tensor([1, 0])}
    torch.manual_seed(0)
    method.step(batch, 0.0)
    noise = student.seen[0] - clean
    torch.testing.assert_close(noise.std(dim=(1, 2, 3)), torch.tensor([0.4, 0.05]), rtol=0.05, atol=0)
    torch.manual_seed(0)
    method.step(batch, 0.0)
    assert torch.equal(student.seen[2], student.seen[0])


def test_clean_patches_below_the_window_are_clipped_to_it_before_they_are_compared():
    student = Quarter()
    method = upi(student, constant_levels(0.4), clipped=True)
    clean = torch.full((1, 1, 32, 32), -0.25)
    batch = {"clean": clean, "noisy": clean, "distilled": clean, "index": torch.tensor([0])}
    loss = method.step(batch, 0.0).losses["composed"].item()
    assert student.seen[0].min() == 0.0
    assert loss == pytest.approx((0.25 * student.seen[0]).square().mean().item())


def test_composed_images_end_where_clipped_noisy_images_end():
    student = Quarter()
    method = upi(student, constant_levels(0.4), clipped=True)
    clean = torch.full((1, 1, 32, 32), 1.25)
    batch = {"clean": clean, "noisy": clean, "distilled": clean, "index": torch.tensor([0])}
    loss = method.step(batch, 0.0).losses["composed"].item()
    assert student.seen[0].max() == 1.0
    assert loss == pytest.approx((0.25 * student.seen[0] - 1.0).square().mean().item())


def test_the_losses_train_the_student_and_never_the_noise_levels():
    method = upi(Quarter(), constant_levels(0.1))
    batch = {"clean": image(0.5), "noisy": image(0.4), "distilled": image(0.3), "index": torch.tensor([0])}
    sum(method.step(batch, 0.0).losses.values()).backward()
    assert method.networks["denoiser"].weight.grad is not None
    assert all(weight.grad is None for weight in method.networks["noise_levels"].parameters())


# ── The teacher ──


def test_a_teacher_hands_over_what_it_makes_of_whole_images_and_their_noise_levels():
    images, network, told = noisy_images(), teacher(), []
    method = upi(Quarter(), NoiseLevels(3))
    distilled = method.learn_from(network, images, progress=lambda *said: told.append(said))
    for number, image_ in enumerate(images):
        x_hat, levels = network.network.denoise(image_[None])
        assert torch.equal(distilled[number], x_hat[0])
        mine = method.networks["noise_levels"](image_[None], torch.tensor([number]))[0][0]
        torch.testing.assert_close(mine, levels(image_[None], torch.tensor([0]))[0][0])
    assert told == [(1, 3, "distilling"), (2, 3, "distilling"), (3, 3, "distilling")]


def test_a_teacher_without_blind_spots_is_refused():
    with pytest.raises(ConfigError, match=r"method\.teacher_run: must be BayesDenoiser.*got SimpleUNet"):
        upi(Quarter(), NoiseLevels(3)).learn_from(DirectHead(SimpleUNet()), noisy_images())


def test_a_pipeline_builds_it_with_any_student():
    method = toy_method("upi", replace(NATURAL_IMAGES, n_noisy=5), distillation_weight=0.3)
    assert isinstance(method, Upi)
    assert isinstance(method.networks["denoiser"].network, SimpleUNet)
    assert len(method.networks["noise_levels"].start_std) == 5


@pytest.mark.parametrize("n_channels", [1, 3])
def test_a_first_stage_without_blind_spots_is_refused_by_its_key(n_channels):
    UpiConfig().require_ready(n_channels)
    expected = r"^method\.teacher\.denoiser\.name: must be BayesDenoiser.*, got SimpleUNet; .*"
    with pytest.raises(ConfigError, match=expected):
        UpiConfig.model_validate({"teacher": {"denoiser": {"name": "SimpleUNet"}}}).require_ready(n_channels)


def test_the_first_stage_is_what_the_section_says(tmp_path):
    stage = UpiConfig(teacher_iterations=7).first_stage()
    assert (stage.method, stage.iterations, stage.run) == (UpiConfig().teacher, 7, None)
    assert UpiConfig().with_teacher_run(tmp_path).first_stage().run == tmp_path
