"""The trainer around one process function: schedule, order, equality with a loop by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from n2b_ct.config.sections import TrainingSection
from n2b_ct.errors import DataError, TrainingError
from n2b_ct.methods.method import ImageTraits, Method, NetworkUnit, StepResult
from n2b_ct.methods.noise2blur import Noise2Blur, Noise2BlurConfig
from n2b_ct.training import distribution, trainer
from n2b_ct.training.history import read_history
from n2b_ct.training.step import GradientClipper
from n2b_ct.training.trainer import Assembled, assemble, build_optimizer, build_trainer, learning_rate_factor
from tests.tiny_training import tiny_images, tiny_pipeline

CPU = torch.device("cpu")
TRAITS = ImageTraits(1, 3, clipped=True, unit=NetworkUnit(1000.0, "HU", "hu", "slice"))


class Line(Method):
    """One weight that shall become the mean of what it sees; remembers the progress it is told."""

    def __init__(self, dropout: float = 0.0, factors: Mapping[str, float] | None = None) -> None:
        self.weight = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.weight.weight, 0.25)
        self.networks = nn.ModuleDict({"denoiser": self.weight})
        self.dropout = nn.Dropout(dropout)
        self.progress: list[float] = []
        self.factors = dict(factors or {})

    def learning_rate_factors(self) -> dict[str, float]:
        return self.factors

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:
        self.progress.append(progress)
        return StepResult({"square": (self.dropout(self.weight.weight) - batch["noisy"].mean()).square().mean()})


def batches(n: int) -> list[dict[str, Tensor]]:
    return [{"noisy": torch.full((2, 1, 4, 4), 1.0 + 0.1 * k)} for k in range(n)]


def trained(section: TrainingSection, method: Line) -> list[float]:
    """Train, and return the learning rate of every iteration."""
    optimizer, scheduler = build_optimizer(method, section)
    trainer = build_trainer(method, batches(section.iterations), optimizer, scheduler, section, CPU, None)
    rates: list[float] = []
    inner = trainer._process_function

    def process(engine, batch):
        rates.append(optimizer.param_groups[0]["lr"])
        return inner(engine, batch)

    trainer._process_function = process
    trainer.run()
    return rates


def test_a_network_learns_at_the_rate_of_its_factor_on_the_same_schedule():
    method = Line(factors={"noise_extractor": 10.0})
    method.networks["noise_extractor"] = nn.Linear(1, 1)
    section = TrainingSection(iterations=100, learning_rate=1e-3, final_learning_rate_fraction=0.1)
    optimizer, scheduler = build_optimizer(method, section)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1e-3, 1e-2])
    assert [len(group["params"]) for group in optimizer.param_groups] == [1, 2]
    for _ in range(100):
        optimizer.step()
        scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1e-4, 1e-3])


def test_only_a_factor_that_is_asked_for_makes_a_group_of_its_own():
    asked = {"noise_extractor": {"learning_rate_factor": 4.0}}
    assert Noise2Blur(Noise2BlurConfig.model_validate(asked), TRAITS).learning_rate_factors() == {
        "noise_extractor": 4.0
    }
    assert Noise2Blur(Noise2BlurConfig(), TRAITS).learning_rate_factors() == {}
    assert len(build_optimizer(Line(), TrainingSection(iterations=10))[0].param_groups) == 1


def test_the_cosine_falls_from_1_to_the_fraction_asked_for():
    section = TrainingSection(iterations=100, final_learning_rate_fraction=0.1)
    assert learning_rate_factor(section, 0) == 1.0
    assert learning_rate_factor(section, 50) == pytest.approx(0.55)
    assert learning_rate_factor(section, 100) == pytest.approx(0.1)
    assert learning_rate_factor(section, 500) == pytest.approx(0.1)
    factors = [learning_rate_factor(section, k) for k in range(101)]
    assert factors == sorted(factors, reverse=True)


def test_the_cosine_equals_torchs_own():
    section = TrainingSection(iterations=40, learning_rate=2e-3, final_learning_rate_fraction=0.05)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2e-3)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40, eta_min=2e-3 * 0.05)
    for k in range(40):
        assert 2e-3 * learning_rate_factor(section, k) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-5)
        optimizer.step()
        reference.step()


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_the_learning_rate_rises_linearly_over_the_warmup_and_then_follows_its_schedule(schedule):
    plain, warm = (TrainingSection(iterations=100, schedule=schedule, warmup_iterations=n) for n in (0, 10))
    ratios = [learning_rate_factor(warm, k) / learning_rate_factor(plain, k) for k in range(100)]
    assert ratios == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, *[1.0] * 91])


def test_a_constant_schedule_stays():
    section = TrainingSection(iterations=10, schedule="constant")
    assert {learning_rate_factor(section, k) for k in range(11)} == {1.0}


def test_every_iteration_uses_its_own_learning_rate_and_progress():
    section, method = TrainingSection(iterations=8, learning_rate=0.1), Line()
    rates = trained(section, method)
    assert rates == pytest.approx([0.1 * learning_rate_factor(section, k) for k in range(8)])
    assert method.progress == pytest.approx([k / 8 for k in range(8)])


def test_training_equals_adam_by_hand():
    section, method = TrainingSection(iterations=5, learning_rate=0.1, schedule="constant"), Line()
    trained(section, method)
    weight, mean, square = 0.25, 0.0, 0.0
    for k, batch in enumerate(batches(5), start=1):
        gradient = 2 * (weight - float(batch["noisy"].mean()))
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        weight -= 0.1 * (mean / (1 - 0.9**k)) / (math.sqrt(square / (1 - 0.999**k)) + 1e-8)
    assert method.weight.weight.item() == pytest.approx(weight, rel=1e-5)


def test_randomness_inside_a_network_follows_from_seed_and_iteration():
    section = TrainingSection(iterations=6, learning_rate=0.1, seed=3)
    results = []
    for disturbance in (0, 1):
        torch.manual_seed(disturbance)
        method = Line(dropout=0.5)
        trained(section, method)
        results.append(method.weight.weight.item())
    assert results[0] == results[1]


def test_each_networks_gradient_is_shortened_by_itself_and_only_when_it_is_long():
    networks = nn.ModuleDict({name: nn.Linear(2, 1, bias=False) for name in ("long", "short")} | {"empty": nn.ReLU()})
    for name, gradient in (("long", [3.0, 4.0]), ("short", [0.3, 0.4])):
        networks[name].weight.grad = torch.tensor([gradient])
    GradientClipper(networks, 1.0, None).apply_to(networks)
    torch.testing.assert_close(networks["long"].weight.grad, torch.tensor([[0.6, 0.8]]), atol=1e-5, rtol=0)
    assert networks["short"].weight.grad.tolist() == [[pytest.approx(0.3), pytest.approx(0.4)]]


def test_a_limit_on_gradients_reaches_the_step():
    """Adam divides by the gradient's size; with a tiny limit its epsilon rules, and the weight hardly moves."""
    moved = {}
    for limit in (None, 1e-12):
        method = Line()
        trained(TrainingSection(iterations=3, gradient_norm_limit=limit), method)
        moved[limit] = abs(float(method.weight.weight.detach()) - 0.25)
    assert moved[1e-12] < 0.01 * moved[None]


def varied(n: int) -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [{"noisy": torch.rand(4, 1, 4, 4, generator=generator)} for _ in range(n)]


@pytest.mark.parametrize("parts", [2, 4])
def test_a_batch_in_parts_makes_the_same_step(parts):
    weights = []
    for gradient_accumulation_steps in (1, parts):
        section = TrainingSection(
            iterations=5, learning_rate=0.1, batch_size=4, gradient_accumulation_steps=gradient_accumulation_steps
        )
        method = MeanError()
        optimizer, scheduler = build_optimizer(method, section)
        trainer = build_trainer(method, varied(5), optimizer, scheduler, section, CPU, None)
        trainer.run()
        weights.append(method.networks["denoiser"].weight.item())
        assert trainer.state.output["noise"].shape == (4, 1, 4, 4)
        assert trainer.state.output["loss"].item() == pytest.approx(trainer.state.output["losses"]["square"].item())
    assert weights[1] == pytest.approx(weights[0], rel=1e-5)
    assert weights[0] != 0.25


class MeanError(Line):
    """Its loss is a mean over the batch, as those of all methods are."""

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:
        error = self.weight.weight - batch["noisy"]
        return StepResult({"square": error.square().mean()}, noise=error.detach())


# ── What is wired ──


def wired(tmp_path: Path, name: str = "supervised", **training: Any) -> Assembled:
    pipeline = tiny_pipeline(name, {"patch_px": 32, **training})
    return assemble(pipeline, tiny_images(pipeline), tmp_path, CPU)


def test_networks_are_trained_laid_out_channels_last(tmp_path):
    networks = wired(tmp_path).method.networks
    kernels = [weight for weight in networks.parameters() if weight.ndim == 4]
    assert networks.training
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in kernels)


def test_a_moving_average_is_kept_only_where_one_is_asked_for(tmp_path):
    assert wired(tmp_path / "a", ema_decay=0.0).average is None
    assembled = wired(tmp_path / "b", ema_decay=0.01)
    assert assembled.average.momentum == pytest.approx(0.99)
    assert assembled.denoiser is assembled.average.ema_model


def test_a_training_has_as_many_batches_as_iterations_and_ends_after_them(tmp_path):
    assembled = wired(tmp_path, iterations=3)
    assembled.trainer.run()
    assert len(assembled.batches) == assembled.trainer.state.iteration == 3


def test_a_training_that_diverges_is_stopped(tmp_path):
    assembled = wired(tmp_path, learning_rate=1e9, log_every=1, iterations=9)
    assembled.trainer.logger.disabled = True
    with pytest.raises(TrainingError, match=r"^training, iteration \d: losses must stay finite and below 100, got "):
        assembled.trainer.run()


@pytest.mark.parametrize(("device", "images_on", "pinned"), [("cuda", "cpu", True), ("cpu", "cpu", False)])
def test_batches_that_are_cut_in_memory_are_pinned_for_a_gpu(tmp_path, device, images_on, pinned):
    loader = trainer._loader(wired(tmp_path).batches, 0, torch.device(device))
    assert loader.pin_memory is pinned


def test_a_loader_goes_on_from_the_iteration_that_was_reached(tmp_path):
    batches = wired(tmp_path).batches
    (last,) = trainer._loader(batches, 3, CPU)
    assert torch.equal(last["noisy"], batches[3]["noisy"])


def test_all_processes_must_read_the_same_images(tmp_path, monkeypatch):
    monkeypatch.setattr(distribution.idist, "all_gather", lambda digest: [digest, "other"])
    with pytest.raises(DataError, match=r"^training: all processes must read the same images, got 2 sets; "):
        wired(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_validations_come_every_so_many_iterations(tmp_path):
    wired(tmp_path, iterations=6, log_every=1, validate_every=3).trainer.run()
    rows = read_history(tmp_path / "history.csv")
    assert [row["iteration"] for row in rows if "psnr_db" in row] == [3, 6]
