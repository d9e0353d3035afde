"""One row of a table: trained where it must be, denoised, scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from n2b_ct.api.inputs import images_of
from n2b_ct.api.training import train
from n2b_ct.config.sections import Pipeline
from n2b_ct.errors import ConfigError, N2BError
from n2b_ct.experiments.columns import Column
from n2b_ct.experiments.experiment import INPUT_ROW, BaselineRow, PublishedValue, RowSection, file_slug
from n2b_ct.experiments.progress_counter import ProgressCounter
from n2b_ct.experiments.results import Budget, ImageScore, Plain, Published, Row, RowKind, RowStatus, Score
from n2b_ct.experiments.scoring import RowDenoiser, ScoreCache, cached_scores, score_column
from n2b_ct.filters.baselines import installed_baseline, licence_notices
from n2b_ct.filters.image_input import estimated_sigma
from n2b_ct.inference.model import load_natural_image_model
from n2b_ct.inference.tiles import denoise_natural_image
from n2b_ct.io.progress import Progress
from n2b_ct.methods.method import BatchNeeds
from n2b_ct.noises.noise import WHITE_8_BIT
from n2b_ct.training.checkpoints import verified_summary
from n2b_ct.version import __version__

RUNS_DIR = "runs"
ROWS_DIR = "rows"


def input_denoiser() -> RowDenoiser:
    """The noisy images as they are."""
    return RowDenoiser({"input": __version__}, lambda noisy, _: noisy)


def trained_denoiser(run_dir: Path, device: torch.device) -> RowDenoiser:
    """The model of a run folder.

    Raises:
        ModelError: There is none, or it is not of images.
    """
    model = load_natural_image_model(run_dir, device)
    identity = {"model": model.digest, "version": __version__}
    return RowDenoiser(identity, lambda noisy, _: denoise_natural_image(model, noisy))


def baseline_denoiser(section: BaselineRow) -> RowDenoiser:
    """A denoiser without training; the noise level is given or estimated.

    Raises:
        ConfigError: Its package is not installed.
    """
    baseline = installed_baseline(section.name)

    def denoise(noisy: np.ndarray, sigma: float | None) -> np.ndarray:
        sigma_used = section.sigma / WHITE_8_BIT if section.sigma is not None else sigma
        return baseline(noisy, estimated_sigma(noisy) if sigma_used is None else sigma_used)

    identity = {**section.model_dump(mode="json"), "how": baseline.description, "version": __version__}
    return RowDenoiser(identity, denoise)


def missing_package(row: RowSection, pipeline: Pipeline | None) -> str:
    """One line where a row needs an optional package that is not installed, else nothing."""
    try:
        if row.baseline is not None:
            installed_baseline(row.baseline.name)
        if pipeline is not None:
            pipeline.method.require_installed()
    except ConfigError as error:
        return str(error)
    return ""


def notices(row: RowSection, pipeline: Pipeline | None) -> tuple[str, ...]:
    """Return the licence notices of a row."""
    if row.baseline is not None:
        return licence_notices([row.baseline.name])
    return pipeline.method.licence_notices() if pipeline is not None else ()


@dataclass(frozen=True, slots=True)
class TableContext:
    """What all rows of a table share.

    Attributes:
        columns: The test images.
        out: The output folder.
        data_root: The data's folder.
        device: Where rows are trained and denoise.
        gallery_images: Column to names of the images that the gallery shows.
    """

    columns: tuple[Column, ...]
    out: Path
    data_root: Path
    device: torch.device
    gallery_images: Mapping[str, tuple[str, ...]]

    def run_dir(self, row: RowSection) -> Path:
        """Where a row is trained."""
        return self.out / RUNS_DIR / row.slug

    def pipeline(self, row: RowSection, pipeline: Pipeline) -> Pipeline:
        """A row's pipeline; where another row is its teacher, with that one's run."""
        if row.teacher is None:
            return pipeline
        teacher_run = (self.out / RUNS_DIR / file_slug(row.teacher)).resolve()
        return pipeline.model_copy(update={"method": pipeline.method.with_teacher_run(teacher_run)})

    def finished(self, row: RowSection, pipeline: Pipeline) -> dict[str, Any] | None:
        """The summary of a row's finished run, or None.

        Raises:
            ConfigError: The existing run has other settings or images.
        """
        own = self.pipeline(row, pipeline)
        return verified_summary(own, images_of(own, self.data_root), self.run_dir(row))

    def train(
        self, row: RowSection, pipeline: Pipeline, *, overwrite: bool, progress: Progress | None
    ) -> dict[str, Any]:
        """Train a row as ``n2b-ct train`` does, or resume from its newest checkpoint; return the summary.

        Args:
            row: Whose.
            pipeline: What is trained.
            overwrite: Retrain where the existing run has other settings or images.
            progress: Called with (done, all, what).

        Raises:
            N2BError: It cannot be trained.
        """
        anew = overwrite and not self._has_same_run(row, pipeline)
        return train(
            self.pipeline(row, pipeline),
            data_root=self.data_root,
            out=self.run_dir(row),
            device=str(self.device),
            resume=not anew,
            overwrite=anew,
            progress=progress,
        )

    def _has_same_run(self, row: RowSection, pipeline: Pipeline) -> bool:
        try:
            self.finished(row, pipeline)
        except ConfigError:
            return False
        return True

    def cache(self, slug: str, denoiser: RowDenoiser) -> ScoreCache:
        """A row's scores."""
        return ScoreCache(self.out / ROWS_DIR / slug, denoiser.identity)

    def caches(self, outcomes: Sequence[RowOutcome]) -> Iterator[tuple[str, ScoreCache]]:
        """Names and scores of the noisy images and of every row that was made."""
        yield INPUT_ROW, self.cache(INPUT_ROW, input_denoiser())
        for one in outcomes:
            if one.denoiser is not None:
                yield one.row.name, self.cache(one.row.slug, one.denoiser)


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """The outcome of one row.

    Attributes:
        row: Its section.
        scores: Column to the scores of its images; empty where it failed or was not run.
        summary: Of its training.
        denoiser: Where it has one.
        problem: One line where it failed.
    """

    row: RowSection
    scores: Mapping[str, Sequence[ImageScore]]
    summary: Mapping[str, Any] | None = None
    denoiser: RowDenoiser | None = None
    problem: str = ""


def make_row(
    context: TableContext, row: RowSection, pipeline: Pipeline | None, overwrite: bool, counter: ProgressCounter
) -> RowOutcome:
    """Train a row, or load its finished run, and score it; an error ends up in the outcome's ``problem``."""
    summary: dict[str, Any] | None = None
    try:
        share = counter.training_share
        if pipeline is not None:
            training = counter.part(0.0, share).training
            summary = context.train(row, pipeline, overwrite=overwrite, progress=training)
        denoiser = _denoiser(context, row)
        scores = score_row(context, row.slug, denoiser, counter.part(share, 1.0))
    except N2BError as error:
        return RowOutcome(row, {}, summary, problem=" ".join(str(error).splitlines()))
    return RowOutcome(row, scores, summary, denoiser)


def recorded_row(context: TableContext, row: RowSection, pipeline: Pipeline | None) -> RowOutcome:
    """Load a row from an earlier run, where it was not chosen now; without scores where that run was incomplete."""
    try:
        summary = context.finished(row, pipeline) if pipeline is not None else None
        if pipeline is not None and summary is None:
            return RowOutcome(row, {})
        denoiser = _denoiser(context, row)
    except N2BError:
        return RowOutcome(row, {})
    cache = context.cache(row.slug, denoiser)
    kept = {column.name: cached_scores(column, cache) for column in context.columns}
    scores = {test: found for test, found in kept.items() if found is not None}
    return RowOutcome(row, scores, summary, denoiser) if len(scores) == len(kept) else RowOutcome(row, {})


def score_row(
    context: TableContext, slug: str, denoiser: RowDenoiser, counter: ProgressCounter
) -> dict[str, list[ImageScore]]:
    """Score every column with a denoiser.

    Raises:
        N2BError: An image cannot be read, denoised or scored.
    """
    cache, n = context.cache(slug, denoiser), len(context.columns)
    scores = {}
    for k, column in enumerate(context.columns):
        part = counter.part(k / n, (k + 1) / n)
        scores[column.name] = score_column(denoiser, column, cache, context.gallery_images.get(column.name, ()), part)
    return scores


def result(outcomes: RowOutcome, pipeline: Pipeline | None, scores: Sequence[Score]) -> Row:
    """A row as the table holds it."""
    row = outcomes.row
    kind: RowKind = "trained" if pipeline is not None else "baseline"
    summary = outcomes.summary or {}
    status: RowStatus = "failed" if outcomes.problem else "done" if scores else "not run"
    return Row(
        name=row.name,
        kind=kind,
        status=status,
        problem=outcomes.problem,
        method=pipeline.method.name if pipeline is not None else str(row.baseline and row.baseline.name),
        settings=_settings(row, pipeline),
        n_parameters=summary.get("n_parameters"),
        budget=_budget(summary, pipeline) if summary and pipeline is not None else None,
        scores=tuple(scores),
        published=published(row.published, scores),
        note=row.note,
    )


def published(values: Sequence[PublishedValue], scores: Sequence[Score] = ()) -> tuple[Published, ...]:
    """The papers' values, with our difference where the setting is the same."""
    means = {score.test: score.psnr_db.mean for score in scores}
    return tuple(
        Published(
            value.test,
            value.psnr_db,
            value.ssim,
            value.source,
            value.differs,
            _difference(means.get(value.test), None if value.differs else value.psnr_db),
        )
        for value in values
    )


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Plain]:
    """Nested plain values under dotted keys; lists as text."""
    found: dict[str, Plain] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = str(list(value)) if isinstance(value, list | tuple) else value
    return found


def _denoiser(context: TableContext, row: RowSection) -> RowDenoiser:
    if row.baseline is not None:
        return baseline_denoiser(row.baseline)
    return trained_denoiser(context.run_dir(row), context.device)


def _difference(own_db: float | None, paper_db: float | None) -> float | None:
    return None if own_db is None or paper_db is None else own_db - paper_db


def _budget(summary: Mapping[str, Any], pipeline: Pipeline) -> Budget:
    training = pipeline.training
    return Budget(
        iterations=summary["iterations"],
        seconds=summary["seconds"],
        batch_size=training.batch_size,
        patch_px=training.patch_px,
        seed=summary["seed"],
        n_images=_images_used(summary["n_images"], pipeline.method.needs),
        device=summary["device"],
        processor=summary["processor"],
        precision=summary["precision"],
        threads=summary["threads"],
    )


def _images_used(n_images: Mapping[str, int], needs: BatchNeeds) -> dict[str, int]:
    """Images that the method uses, by role; an experiment may name more."""
    n_noisy = n_images["noisy"]
    used = {"noisy": n_noisy}
    used |= {"clean": n_images["clean"]} if needs.clean else {}
    used |= {"truth": n_noisy} if needs.reference else {}
    return used | ({"noisy again": n_noisy} if needs.noisy_again else {})


def _settings(row: RowSection, pipeline: Pipeline | None) -> dict[str, Plain]:
    """Every key of a row, without paths of this machine."""
    if pipeline is not None:
        return {key: value for key, value in flat(pipeline.plain()).items() if key != "data.root"}
    return flat(row.baseline.model_dump(mode="json")) if row.baseline is not None else {}
