"""What a fit trains: the pipeline of a recipe, as long as the time allows, from the base's weights."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import Trainer

from n2b_ct.config import Pipeline
from n2b_ct.config.phantom_data import PhantomSection
from n2b_ct.config.pipeline import checked_pipeline
from n2b_ct.data.phantom_source import PhantomSource
from n2b_ct.data.recorruption import Recorruption
from n2b_ct.errors import ConfigError, explain
from n2b_ct.fitting.time_limit import Stopwatch
from n2b_ct.inference.model import Model
from n2b_ct.io.progress import Progress
from n2b_ct.training.run import require_ready, run_assembled
from n2b_ct.training.trainer import assemble


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a fit learns from.

    Attributes:
        loss: Of the method ``noise_insertion``; squared errors where a target is noisy.
        recorruption: How the series' own slices are used; None: phantoms alone.
    """

    loss: str = "l1"
    recorruption: Recorruption | None = None


RECIPES: Mapping[str, Recipe] = {
    "inserted-noise": Recipe("huber"),
    "r2r": Recipe("l2", Recorruption(1.0, alpha=2.0)),
    "both": Recipe("l2", Recorruption(0.5, alpha=2.0)),
}
USUAL_RECIPES = ("inserted-noise",)
"""At equal steps it gained most on phantoms: docs/decisions/0025-a-fit-must-prove-itself.md."""

MOST_ITERATIONS = 3000
MIN_ITERATIONS = 20
"""At least so many are tried, however little time there is."""
PATCH_PX = 64
LEARNING_RATE = 3e-4

_N_TIMED = 6
_SAFETY = 0.9


def recipe_pipeline(
    recipe: str, name: str, base: Model, init: str, data: PhantomSection, iterations: int, seed: int
) -> Pipeline:
    """Return the pipeline of a recipe.

    Args:
        recipe: One of :data:`RECIPES`.
        name: Of the pipeline and its model.
        base: The model to begin with.
        init: Where it lies: ``base`` or a path.
        data: The phantoms.
        iterations: Optimiser steps.
        seed: Of all draws.
    """
    values = {
        "name": name,
        "description": f"Fitted to one protocol from its noisy series alone: {recipe}",
        "data": data.model_dump(mode="json"),
        "method": {
            "name": "noise_insertion",
            "loss": RECIPES[recipe].loss,
            "init": init,
            "denoiser": base.section.model_dump(mode="json"),
        },
        "training": {
            "iterations": iterations,
            "patch_px": patch_px_of(base),
            "learning_rate": LEARNING_RATE,
            "seed": seed,
            "checkpoint_every": MOST_ITERATIONS,
            "log_every": 10,
            "cache": "memory",
        },
        "denoising": base.denoising.model_dump(mode="json"),
    }
    return checked_pipeline(values, "fit")


def required_recipes(names: Sequence[str]) -> tuple[str, ...]:
    """Return the recipes that are asked for.

    Raises:
        ConfigError: There is none, one is unknown, or one comes twice.
    """
    wrong = [name for name in names if name not in RECIPES]
    if wrong or not names or len(set(names)) < len(names):
        requirement = f"must be some of {', '.join(RECIPES)}, each once"
        raise ConfigError(explain("recipes", requirement, ", ".join(wrong or names) or "none", "leave it out"))
    return tuple(names)


def patch_px_of(base: Model) -> int:
    """Return the side of patches that suits the base's network."""
    return max(1, round(PATCH_PX / base.multiple_px)) * base.multiple_px


def train_recipe(
    pipeline: Pipeline,
    images: PhantomSource,
    run_dir: Path,
    device: torch.device,
    clock: Stopwatch,
    until_s: float,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train in the time that is left; returns the summary, whose ``iterations`` are those that were done.

    The schedule is made for as many steps as the measured pace allows; a slower machine than measured ends it early.

    Args:
        pipeline: Of :func:`recipe_pipeline`; its iterations are an upper limit.
        images: Phantoms with the protocol's noise.
        run_dir: The run's folder.
        device: Where to train.
        clock: Of the fit.
        until_s: Seconds on it at which the training must have ended; infinite: all iterations are done.
        progress: Called with (done, all, what).

    Raises:
        DataError: The images do not suit.
        TrainingError: The training failed.
    """
    require_ready(pipeline, images)
    if until_s < math.inf:
        step_s = _seconds_a_step(pipeline, images, run_dir, device)
        planned = int(_SAFETY * (until_s - clock.spent_s) / step_s)
        pipeline = _with_iterations(pipeline, max(MIN_ITERATIONS, min(planned, pipeline.training.iterations)))
    assembled = assemble(pipeline, images, run_dir, device, progress=progress)
    deadline = _Deadline(clock, until_s)
    deadline.attach(assembled.trainer)
    summary = run_assembled(pipeline, images, run_dir, device, assembled)
    return summary | {"iterations": deadline.n_done, "planned_iterations": pipeline.training.iterations}


class _Deadline:
    """End a training when its time is over.

    Args:
        clock: Of the fit.
        until_s: Seconds on it.
    """

    def __init__(self, clock: Stopwatch, until_s: float) -> None:
        self._clock, self._until_s = clock, until_s
        self.n_done = 0

    def attach(self, trainer: Trainer) -> None:
        """Look at the clock after every iteration."""
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self._look)

    def _look(self, engine: Engine) -> None:
        self.n_done = engine.state.iteration
        if self._clock.spent_s > self._until_s:
            engine.terminate()


def _seconds_a_step(pipeline: Pipeline, images: PhantomSource, run_dir: Path, device: torch.device) -> float:
    """Time some steps; their weights are thrown away. The first ones, which warm up, do not count."""
    times: list[float] = []
    trial = assemble(_with_iterations(pipeline, _N_TIMED), images, run_dir, device)
    trial.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: times.append(time.monotonic()))
    trial.trainer.run()
    return max((times[-1] - times[1]) / (len(times) - 2), 1e-4)


def _with_iterations(pipeline: Pipeline, iterations: int) -> Pipeline:
    training = pipeline.training.model_copy(update={"iterations": iterations})
    return pipeline.model_copy(update={"training": training})
