"""Fit a model to one protocol: calibrate, train each recipe from the base's weights, check, keep the best.

::

    RUN/model.pt          the chosen model; the base's own weights where no fit was better for sure
    RUN/summary.json      of its training, and under ``fit`` what was chosen and why
    RUN/calibration.json  photons, electronic noise and texture, measured in the noisy slices
    RUN/check.json        how the candidates compare on slices that no training saw, where there are enough
    RUN/pipeline.yaml, history.csv, losses.png    of the chosen training
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from n2b_ct.config.phantom_data import PhantomSection
from n2b_ct.config.windows import WindowSection
from n2b_ct.data.inserted_noise import MARGIN_PX
from n2b_ct.data.phantom_source import PhantomSource, phantom_source
from n2b_ct.errors import DataError, TrainingError, explain
from n2b_ct.fitting.check import Choice, Judged, choose
from n2b_ct.fitting.own_noise import calibrated, own_noise
from n2b_ct.fitting.recipes import (
    MOST_ITERATIONS,
    RECIPES,
    USUAL_RECIPES,
    patch_px_of,
    recipe_pipeline,
    train_recipe,
)
from n2b_ct.fitting.sampled_slices import SampledSlices
from n2b_ct.fitting.time_limit import Stopwatch
from n2b_ct.hu import Window
from n2b_ct.inference.model import MODEL_FILE, Model, load_model, save_model
from n2b_ct.inference.slices import denoise_hu
from n2b_ct.io.atomic import write_text_atomically
from n2b_ct.io.progress import Progress
from n2b_ct.simulation.calibration import Calibration
from n2b_ct.training.run_dir import HISTORY_FILE, PIPELINE_FILE, PLOT_FILE, SUMMARY_FILE, make_run_dir, write_summary

CALIBRATION_FILE, CHECK_FILE = "calibration.json", "check.json"
CANDIDATES_DIR = "candidates"
PHANTOM_SHARE = 0.5
"""Of the time, about, goes into phantoms that the cache does not hold."""
CHECK_RESERVE = 1.5
"""Time kept for the check, as a multiple of what one pass of the base lets expect."""
PHANTOMS_AT_ONCE = 8
N_FIELDS = 2
"""Draws of the noise for every slice."""
BASE_NAME = "base"
"""What the model that a fit begins with is called in its results, whatever it is."""

Status = Literal["fitted", "kept", "refused"]


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How to fit.

    Attributes:
        init: Where the base lies: ``base`` or a path.
        limit_s: Seconds for one protocol.
        device: Where to train.
        seed: Of all draws.
        phantoms_root: Folder that keeps the phantoms; None: the user's cache.
        recipes: What is tried; they share the time.
        iterations: Steps of each recipe; None: as many as the time allows.
        phantoms: The phantoms; None: of all parts of the body, as many as the time allows.
    """

    init: str
    limit_s: float
    device: torch.device
    seed: int = 0
    phantoms_root: Path | None = None
    recipes: tuple[str, ...] = USUAL_RECIPES
    iterations: int | None = None
    phantoms: PhantomSection | None = None

    @property
    def n_slices(self) -> int:
        """Slices of the protocol that are read."""
        return int(min(max(self.limit_s / 15.0, 9.0), 18.0))

    def phantoms_in(self, window: Window) -> PhantomSection:
        """Return the phantoms, seen through the base's window; more of them for more time."""
        ends = WindowSection(lower_hu=window.lower_hu, upper_hu=window.upper_hu)
        n_slices = PHANTOMS_AT_ONCE * round(min(max(self.limit_s / 48.0, 2.0), 7.0))
        usual = PhantomSection(kind="phantom", n_slices=n_slices, n_noise_fields=1)
        return (self.phantoms or usual).model_copy(update={"n_validation_slices": 0, "window": ends})


@dataclass(frozen=True, slots=True)
class FitResult:
    """What became of one protocol.

    Attributes:
        name: The protocol's.
        status: ``fitted``; ``kept``, the base, as nothing was better for sure; ``refused``, as nothing could be fitted.
        chosen: The recipe, or ``base``.
        why: One line.
        run_dir: Where its model lies; None where it was refused.
        n_slices: Slices of its series.
        iterations: Optimiser steps of the chosen training.
        seconds: What it took.
        noise_hu: σ in flat tissue, as calibrated, HU.
    """

    name: str
    status: Status
    chosen: str
    why: str
    run_dir: Path | None
    n_slices: int = 0
    iterations: int = 0
    seconds: float = 0.0
    noise_hu: float | None = None

    @property
    def plain(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "run_dir": None if self.run_dir is None else str(self.run_dir)}


def fit_slices(
    slices: SampledSlices,
    base: Model,
    run_dir: Path,
    name: str,
    settings: FitSettings,
    progress: Progress | None = None,
) -> FitResult:
    """Fit a model to slices of one protocol and write its run folder.

    Args:
        slices: To learn from and to judge by.
        base: The model to begin with.
        run_dir: The run's folder; it is made, and cleared of an earlier run.
        name: The protocol's, and the model's.
        settings: How.
        progress: Called with (done, all, what).

    Returns:
        What was chosen; ``refused``, and nothing written, where the noise cannot be calibrated or no time is left.

    Raises:
        OutputError: The folder cannot be written.
    """
    clock = Stopwatch(settings.limit_s)
    try:
        return _fitted(slices, base, run_dir, name, settings, clock, progress)
    except (DataError, TrainingError) as error:
        shutil.rmtree(run_dir / CANDIDATES_DIR, ignore_errors=True)
        return FitResult(name, "refused", BASE_NAME, str(error), None, len(slices), seconds=round(clock.spent_s, 1))


def _fitted(
    slices: SampledSlices,
    base: Model,
    run_dir: Path,
    name: str,
    settings: FitSettings,
    clock: Stopwatch,
    progress: Progress | None,
) -> FitResult:
    _require_size(slices, base)
    calibration = calibrated(slices)
    learned = own_noise(slices.learned, calibration, N_FIELDS, settings.seed)
    judged = _judged(slices.judged, calibration, settings.seed + 1)
    source = phantom_source(settings.phantoms_in(base.window), settings.phantoms_root)
    images = replace(source, noise=learned)
    make_run_dir(run_dir, keep=False)
    summaries = _train_all(base, images, judged, run_dir, name, settings, clock, progress)
    models = {BASE_NAME: base}
    models |= {recipe: load_model(_candidate_dir(run_dir, recipe), settings.device) for recipe in summaries}
    choice = choose({key: partial(_denoise, model) for key, model in models.items()}, judged, base.window)
    iterations = int(summaries.get(choice.name, {}).get("iterations", 0))
    status: Status = "kept" if choice.name == BASE_NAME else "fitted"
    result = FitResult(
        name,
        status,
        choice.name,
        choice.why,
        run_dir,
        len(slices),
        iterations,
        round(clock.spent_s, 1),
        calibration.noise_std_hu,
    )
    _write(result, base, choice, summaries, calibration, is_split=slices.is_split)
    return result


def _require_size(slices: SampledSlices, base: Model) -> None:
    least = patch_px_of(base) + 2 * MARGIN_PX
    smallest = min(min(one.shape) for one in slices.hu)
    if smallest < least:
        requirement = f"rows and columns must be at least {least} to fit a model to"
        raise DataError(explain("series", requirement, smallest, "use the model as it is"))


def _judged(slices: SampledSlices, calibration: Calibration, seed: int) -> list[Judged]:
    noises = own_noise(slices, calibration, N_FIELDS, seed).shown
    return [Judged(*parts) for parts in zip(slices.hu, noises, slices.is_padding, strict=True)]


def _train_all(
    base: Model,
    images: PhantomSource,
    judged: Sequence[Judged],
    run_dir: Path,
    name: str,
    settings: FitSettings,
    clock: Stopwatch,
    progress: Progress | None,
) -> dict[str, dict[str, Any]]:
    """Train every recipe in its share of the time; returns their summaries."""
    summaries: dict[str, dict[str, Any]] = {}
    n_passes = (1 + N_FIELDS) * len(judged) * (1 + len(settings.recipes))
    end_s = settings.limit_s - CHECK_RESERVE * _seconds_a_pass(base, judged[0]) * n_passes
    iterations = settings.iterations or MOST_ITERATIONS
    if settings.iterations is None:
        images = _in_time(images, PHANTOM_SHARE * end_s, clock, progress)
    for k, recipe in enumerate(settings.recipes):
        pipeline = recipe_pipeline(recipe, name, base, settings.init, images.section, iterations, settings.seed)
        until_s = clock.spent_s + (end_s - clock.spent_s) / (len(settings.recipes) - k)
        if settings.iterations is not None:
            until_s = math.inf
        place = _candidate_dir(run_dir, recipe)
        own = replace(images, recorruption=RECIPES[recipe].recorruption)
        summaries[recipe] = train_recipe(pipeline, own, place, settings.device, clock, until_s, progress)
    return summaries


def _in_time(images: PhantomSource, until_s: float, clock: Stopwatch, progress: Progress | None) -> PhantomSource:
    """Make phantoms, some at a time, until all are there or the time is over; at least the first ones."""
    for n_slices in range(PHANTOMS_AT_ONCE, images.section.n_slices + PHANTOMS_AT_ONCE, PHANTOMS_AT_ONCE):
        n_wanted = min(n_slices, images.section.n_slices)
        some = replace(images, section=images.section.model_copy(update={"n_slices": n_wanted}))
        some.make(progress)
        if clock.spent_s > until_s:
            return some
    return images


def _seconds_a_pass(base: Model, one: Judged) -> float:
    started = time.monotonic()
    _denoise(base, one.hu)
    return time.monotonic() - started


def _denoise(model: Model, hu: np.ndarray) -> np.ndarray:
    return denoise_hu(model, hu, strength=1.0)


def _candidate_dir(run_dir: Path, recipe: str) -> Path:
    return run_dir / CANDIDATES_DIR / recipe


def _write(
    result: FitResult,
    base: Model,
    choice: Choice,
    summaries: Mapping[str, dict[str, Any]],
    calibration: Calibration,
    *,
    is_split: bool,
) -> None:
    """Write the run folder of the chosen model, and remove what the candidates left."""
    run_dir = result.run_dir
    if run_dir is None:
        return
    if result.status == "kept":
        _save_base(base, run_dir)
        summary: dict[str, Any] = {"pipeline": base.name, "method": base.method, "model_digest": base.digest}
    else:
        for name in (MODEL_FILE, HISTORY_FILE, PLOT_FILE, PIPELINE_FILE):
            shutil.copyfile(_candidate_dir(run_dir, choice.name) / name, run_dir / name)
        summary = summaries[choice.name]
    check = choice.plain | {"slices_were_learned_from": not is_split}
    write_text_atomically(run_dir / CALIBRATION_FILE, json.dumps(asdict(calibration), indent=2) + "\n")
    write_text_atomically(run_dir / CHECK_FILE, json.dumps(check, indent=2) + "\n")
    write_summary(summary | {"fit": result.plain | {"base_digest": base.digest}}, run_dir / SUMMARY_FILE)
    shutil.rmtree(run_dir / CANDIDATES_DIR, ignore_errors=True)


def _save_base(base: Model, run_dir: Path) -> None:
    """Write the base as the run's model; its digest stays, and with it every derived UID."""
    save_model(
        run_dir / MODEL_FILE,
        weights=base.denoiser.state_dict(),
        section=base.section,
        input_scale=base.input_scale,
        name=base.name,
        method=base.method,
        denoising=base.denoising,
        facts=base.facts,
    )
