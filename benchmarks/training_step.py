"""How long a step of Noise2Blur takes, beside its networks alone and beside a plain loop of the same algorithm.

    python -m benchmarks.training_step [--threads 2] [--device cuda]

Trains ``piglet.yaml``'s method (16 noisy and 16 clean patches of 128²) on slices that are made up, and times, taking
turns: a whole iteration of the trainer (drawing, cutting, losses, Adam, weight average, history); the forward and
backward passes of F and H on a ready batch, which any implementation has to pay; and, in a process that holds its
memory as any script does, a step of ``plain_loop.py``. Results: ``benchmarks/results/training_step.json`` and ``.md``
(on a GPU ``training_step_gpu``), with the costs by operator.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn

from benchmarks.other_process import OtherProcess, Ways, timed
from benchmarks.plain_loop import Patches, PlainLoop
from benchmarks.results_files import write_results
from n2b_ct.cli.process_settings import keep_freed_memory
from n2b_ct.config import Pipeline
from n2b_ct.data.dataset import InMemoryDataset
from n2b_ct.data.fingerprint import image_digest
from n2b_ct.data.image_source import Role, Sampling
from n2b_ct.data.image_store import Shape
from n2b_ct.filters import mean_blur
from n2b_ct.hu import Window
from n2b_ct.io.series import Inputs
from n2b_ct.methods.method import ImageTraits, NetworkUnit, build_method
from n2b_ct.training.devices import autocast_dtype, choose_device, processor_name
from n2b_ct.training.trainer import Assembled, assemble

COMMAND = "python -m benchmarks.training_step"
N_SLICES, SIZE_PX = 40, 512
WARM_UP, PER_TURN = 3, 2
PLAIN = "plain loop"


class MadeUpSlices:
    """A source of images without a file: noise on a smooth ground."""

    traits = ImageTraits(n_channels=1, n_noisy=N_SLICES, clipped=True, unit=NetworkUnit(1000.0, "HU", "hu", "slice"))
    n_images = {"noisy": N_SLICES, "clean": N_SLICES, "validation": 0}  # noqa: RUF012 (never changed)
    sizes_px = ((SIZE_PX, SIZE_PX),)
    sees = Window(-500.0, 500.0)
    inputs = Inputs()
    sampling: Sampling = {}  # noqa: RUF012 (never changed)
    digest_keys = ("noisy", "clean")

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        ground = torch.linspace(0.3, 0.7, SIZE_PX).expand(1, SIZE_PX, SIZE_PX)
        self.clean = [ground + 0.05 * torch.rand(1, generator=generator) for _ in range(N_SLICES)]
        self.noisy = [image + 0.03 * torch.randn(image.shape, generator=generator) for image in self.clean]
        self.blurred = [torch.from_numpy(mean_blur(image[0].numpy()))[None] for image in self.noisy]

    def shapes(self, role: Role) -> list[Shape]:
        return [(1, SIZE_PX, SIZE_PX)] * self.n_images[role]

    def problems(self, pipeline: Pipeline) -> list[str]:  # noqa: ARG002
        return []

    def dataset(self, role: Role, *_: Any) -> InMemoryDataset:
        whole = [np.ones((SIZE_PX, SIZE_PX), dtype=bool)] * N_SLICES
        targets = {"blurred": self.blurred} if role == "noisy" else {}
        return InMemoryDataset(self.noisy if role == "noisy" else self.clean, whole, targets, self.digests(role))

    def digests(self, role: Role, *_: Any) -> dict[str, list[str]]:
        return {"images": [image_digest(one.numpy()) for one in (self.noisy if role == "noisy" else self.clean)]}

    def fresh_noise(self, pipeline: Pipeline) -> None:  # noqa: ARG002
        return None

    def settings(self, pipeline: Pipeline) -> dict[str, Any]:  # noqa: ARG002
        return {}


class Networks:
    """F and H on a ready batch: forward without gradient of F, forward and backward of H and of F."""

    def __init__(self, networks: nn.ModuleDict, batch: dict[str, Tensor], autocast: torch.dtype | None) -> None:
        self._denoiser, self._extractor = networks["denoiser"], networks["noise_extractor"]
        self._autocast = autocast
        self._x, self._c = batch["noisy"], batch["clean"]

    def step(self) -> None:
        device = self._x.device.type
        with torch.autocast(device, dtype=self._autocast or torch.bfloat16, enabled=self._autocast is not None):
            with torch.no_grad():
                n_hat = self._x - self._denoiser(self._x)
            loss = self._extractor(n_hat).abs().mean() + (self._denoiser(self._c) - self._c).abs().mean()
        loss.backward()
        for weight in (*self._denoiser.parameters(), *self._extractor.parameters()):
            weight.grad = None


def main() -> None:
    arguments = _arguments()
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.device)
    seconds, costs = measure(device, arguments.turns)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    document = {
        "command": f"{COMMAND} --threads {arguments.threads} --device {device.type}",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name(),
        "threads": arguments.threads,
        "torch": torch.__version__,
        "median_s": {name: round(value, 4) for name, value in medians.items()},
        "step_to_networks": round(medians["step"] / medians["networks"], 3),
        "plain_loop_to_step": round(medians[PLAIN] / medians["step"], 2),
        "n_timed": {name: len(values) for name, values in seconds.items()},
        "largest_costs": costs,
    }
    write_results("training_step_gpu" if device.type == "cuda" else "training_step", document, _table(document))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--turns", type=int, default=10, help="of two steps each")
    return parser.parse_args()


def measure(device: torch.device, n_turns: int) -> tuple[dict[str, list[float]], list[dict[str, Any]]]:
    """Seconds of every timed step by what was timed, and the costs of a step by operator."""
    images = MadeUpSlices()
    pipeline = Pipeline.model_validate(
        {
            "name": "training_step",
            "data": {"manifest": "none.yaml"},
            "method": {"name": "noise2blur", "initial_fraction": 0.0, "collapse_ratio": None},
            "training": {"iterations": WARM_UP + PER_TURN * n_turns, "batch_size": 16, "patch_px": 128},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        assembled = assemble(pipeline, images, Path(folder), device)
        networks = _networks_alone(pipeline, images, assembled, device)
        with OtherProcess(_plain_loop, pipeline, str(device), torch.get_num_threads()) as other:
            ways = {"networks": lambda: timed(waiting(networks.step, device))[0], PLAIN: lambda: other.timed(PLAIN)[0]}
            turns = _Turns(ways, device)
            turns.attach(assembled.trainer)
            assembled.trainer.run()
    return turns.seconds, _largest_costs(networks.step)


def _networks_alone(pipeline: Pipeline, images: MadeUpSlices, assembled: Assembled, device: torch.device) -> Networks:
    ready = {
        key: value.to(device, memory_format=torch.channels_last)
        for key, value in assembled.batches[0].items()
        if value.ndim == 4
    }
    own = build_method(pipeline.method, images.traits).networks
    own.to(device).to(memory_format=torch.channels_last).train()
    return Networks(own, ready, autocast_dtype("auto", device))


def _plain_loop(pipeline: Pipeline, device: str, threads: int) -> Ways:
    torch.set_num_threads(threads)
    images, training = MadeUpSlices(), pipeline.training
    plain = build_method(pipeline.method, images.traits).networks
    n_patches = training.batch_size * training.iterations * 2
    patches = Patches(images.noisy, images.blurred, images.clean, training.patch_px, n_patches)
    where = torch.device(device)
    loop = PlainLoop(plain["denoiser"], plain["noise_extractor"], patches, training.batch_size, where)
    return {PLAIN: waiting(loop.step, where)}


def waiting(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """The step, over when a GPU has done it."""

    def whole() -> None:
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return whole


class _Turns:
    """Times the trainer's iterations; between them the others say their seconds."""

    def __init__(self, others: dict[str, Callable[[], float]], device: torch.device) -> None:
        self._others, self._device = others, device
        self.seconds: dict[str, list[float]] = {name: [] for name in ("step", *others)}
        self._since = 0.0

    def attach(self, trainer: Engine) -> None:
        trainer.add_event_handler(Events.STARTED, lambda _: self._warm_up())
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self._iteration)

    def _warm_up(self) -> None:
        for step in self._others.values():
            for _ in range(WARM_UP):
                step()
        self._since = self._now()

    def _iteration(self, engine: Engine) -> None:
        if engine.state.iteration > WARM_UP:
            self.seconds["step"].append(self._now() - self._since)
        if engine.state.iteration % PER_TURN == 0:
            for name, step in self._others.items():
                for _ in range(PER_TURN):
                    self.seconds[name].append(step())
        self._since = self._now()

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def _largest_costs(step: Callable[[], None], n: int = 3) -> list[dict[str, Any]]:
    with torch.profiler.profile() as profile:
        for _ in range(PER_TURN):
            step()
    operators = sorted(profile.key_averages(), key=lambda one: one.self_cpu_time_total, reverse=True)
    total = sum(one.self_cpu_time_total for one in operators)
    return [{"operator": one.key, "share": round(one.self_cpu_time_total / total, 3)} for one in operators[:n]]


def _table(document: dict[str, Any]) -> str:
    seconds = document["median_s"]
    costs = ", ".join(f"`{one['operator']}` {one['share']:.0%}" for one in document["largest_costs"])
    lines = [
        f"`{document['command']}`; {document['device']}, {document['threads']} threads, torch {document['torch']}; "
        "Noise2Blur, convergence stage, 16 + 16 patches of 128², default network.",
        "",
        "| one step | median s | ratio |",
        "| --- | --- | --- |",
        f"| its networks alone, on a ready batch | {seconds['networks']} | 1 |",
        f"| of the trainer | {seconds['step']} | {document['step_to_networks']} of the networks |",
        f"| of a plain loop | {seconds[PLAIN]} | {document['plain_loop_to_step']} of the trainer |",
        "",
        f"The networks' largest costs: {costs}.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
