"""The process function: parts of a batch, precision, what several processes share, and what it gives out."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import Tensor, nn

from n2b_ct.config.sections import TrainingSection
from n2b_ct.errors import TrainingError
from n2b_ct.methods.method import Method, StepResult
from n2b_ct.training import step as step_module
from n2b_ct.training.step import GradientClipper, Losses, training_step, wrap_ddp

CPU = torch.device("cpu")


class Recording(Method):
    """Two losses of one weight; remembers what it was given, in which precision, and what it would have drawn."""

    def __init__(self) -> None:
        self.weight = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.weight.weight, 0.5)
        self.networks = nn.ModuleDict({"denoiser": self.weight})
        self.batches: list[dict[str, Tensor]] = []
        self.autocast: list[torch.dtype | None] = []
        self.drawn: list[float] = []

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:
        self.batches.append(batch)
        is_on = torch.is_autocast_enabled("cpu")
        self.autocast.append(torch.get_autocast_dtype("cpu") if is_on else None)
        self.drawn.append(torch.rand(()).item())
        x = batch["noisy"]
        losses = {"first": (self.weight.weight * x).mean(), "second": self.weight.weight.sum() * 3.0}
        return StepResult(losses, noise=x + 1.0, blur_residual=x + 2.0)


def batch_of(n: int) -> dict[str, Tensor]:
    noisy = torch.arange(float(n)).reshape(n, 1, 1, 1).expand(n, 1, 4, 4).clone()
    return {"noisy": noisy, "index": torch.arange(n)}


def stepped(method: Method, *, autocast: torch.dtype | None = None, **training: Any) -> dict[str, Any]:
    """Make one step, the third of four, with a learning rate of 1."""
    section = TrainingSection.model_validate({"iterations": 4, "batch_size": 4, **training})
    optimizer = torch.optim.SGD(method.networks.parameters(), lr=1.0)
    process = training_step(method, optimizer, section, CPU, autocast, GradientClipper(method.networks, None, None))
    engine = Engine(process)
    engine.state.iteration = 3
    return process(engine, batch_of(4))


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_a_step_gives_out_mean_losses_and_what_all_parts_have_seen_in_order(parts):
    method = Recording()
    output = stepped(method, gradient_accumulation_steps=parts)
    assert set(output) == {"loss", "losses", "noise", "blur_residual"}
    assert {name: loss.item() for name, loss in output["losses"].items()} == {"first": 0.75, "second": 1.5}
    assert output["loss"].item() == 2.25
    assert not output["loss"].requires_grad
    assert torch.equal(output["noise"], batch_of(4)["noisy"] + 1.0)
    assert torch.equal(output["blur_residual"], batch_of(4)["noisy"] + 2.0)
    assert [batch["index"].tolist() for batch in method.batches] == torch.arange(4).reshape(parts, -1).tolist()
    assert method.weight.weight.item() == pytest.approx(0.5 - (1.5 + 3.0))


def test_batches_of_images_are_laid_out_channels_last_and_others_as_they_were():
    method = Recording()
    stepped(method)
    (batch,) = method.batches
    assert batch["noisy"].is_contiguous(memory_format=torch.channels_last)
    assert batch["index"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("autocast", [None, torch.bfloat16])
def test_losses_are_computed_in_the_precision_that_is_asked_for(autocast):
    method = Recording()
    stepped(method, autocast=autocast)
    assert method.autocast == [autocast]


def test_a_gradient_of_an_earlier_step_is_forgotten():
    method = Recording()
    method.weight.weight.grad = torch.full((1, 1), 1e6)
    stepped(method)
    assert method.weight.weight.item() == pytest.approx(-4.0)


def test_what_is_drawn_follows_from_seed_iteration_and_process(monkeypatch):
    def drawn(seed: int, rank: int) -> float:
        monkeypatch.setattr(step_module.idist, "get_rank", lambda: rank)
        method = Recording()
        stepped(method, seed=seed)
        return method.drawn[0]

    generator = torch.Generator().manual_seed(7 + 3)
    assert drawn(7, 0) == torch.rand((), generator=generator).item()
    assert len({drawn(seed, rank) for seed in (7, 8) for rank in (0, 1, 2)}) == 6
    assert drawn(7, 1) == drawn(7, 1)


def test_a_method_without_noise_gives_out_none():
    class Silent(Recording):
        def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:
            return StepResult(super().step(batch, progress).losses)

    output = stepped(Silent(), gradient_accumulation_steps=2)
    assert output["noise"] is None
    assert output["blur_residual"] is None


# ── Several processes ──


class Wrapped(nn.Module):
    """Stands for DistributedDataParallel: remembers how it was made, and which parts kept their gradients back."""

    made: dict[str, Any]

    def __init__(self, module: nn.Module, **options: Any) -> None:
        super().__init__()
        self.module, self.made, self.is_held_back, self.held_back = module, options, False, []

    @contextmanager
    def no_sync(self):
        self.is_held_back = True
        yield
        self.is_held_back = False

    def forward(self, *arguments: Any) -> StepResult:
        self.held_back.append(self.is_held_back)
        return self.module(*arguments)


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> list[Wrapped]:
    """The first of two; the other one's losses are 1 higher each."""
    made: list[Wrapped] = []

    class Remembered(Wrapped):
        def __init__(self, module: nn.Module, **options: Any) -> None:
            super().__init__(module, **options)
            made.append(self)

    monkeypatch.setattr(step_module.idist, "get_world_size", lambda: 2)
    monkeypatch.setattr(step_module.idist, "all_reduce", lambda means: 2.0 * means + 1.0)
    monkeypatch.setattr(step_module, "DistributedDataParallel", Remembered)
    return made


def test_the_losses_that_a_step_gives_out_are_the_means_of_all_processes(two_processes):
    output = stepped(Recording())
    assert {name: loss.item() for name, loss in output["losses"].items()} == {"first": 1.25, "second": 2.0}
    assert output["loss"].item() == 3.25


def test_gradients_meet_those_of_other_processes_with_the_last_part_alone(two_processes):
    stepped(Recording(), gradient_accumulation_steps=4)
    assert two_processes[0].held_back == [True, True, True, False]


def test_a_process_alone_trains_the_losses_as_they_are_and_several_wrap_them(two_processes, monkeypatch):
    losses = Losses(Recording())
    assert wrap_ddp(losses, CPU).made == {"device_ids": None, "find_unused_parameters": True}
    assert wrap_ddp(losses, torch.device("cuda", 1)).made == {"device_ids": [1], "find_unused_parameters": True}
    assert wrap_ddp(losses, CPU).module is losses
    monkeypatch.setattr(step_module.idist, "get_world_size", lambda: 1)
    assert wrap_ddp(losses, CPU) is losses


@pytest.mark.parametrize(
    ("result", "got"),
    [
        (None, "an object of NoneType"),
        (StepResult({}), "none with a gradient"),
        (StepResult({"a": torch.ones(())}), "none with a gradient"),
        (StepResult({"a": torch.ones(2, requires_grad=True)}), r"a: shape \[2\]"),
        (StepResult({"a": 1.0}), "a: float"),
    ],
)
def test_a_step_that_returns_no_losses_to_minimise_is_told_with_its_method(result, got):
    method = Recording()
    method.step = lambda batch, progress: result
    with pytest.raises(TrainingError, match=f"method Recording: step must return a StepResult .*, got {got}; repair"):
        stepped(method)


def test_what_the_step_of_an_outside_method_raises_names_it():
    method = Recording()
    method.step = lambda batch, progress: batch["blured"]
    with pytest.raises(TrainingError, match="method Recording: step must return losses, got KeyError: 'blured';"):
        stepped(method)


def test_losses_have_the_methods_networks():
    method = Recording()
    assert Losses(method).networks is method.networks
