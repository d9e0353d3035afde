"""A whole table: check everything, make row by row, write the numbers after each."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch

from n2b_ct.config.experiment import INPUT_ROW, RowSection
from n2b_ct.config.experiment_rows import Experiment
from n2b_ct.config.sections import Pipeline
from n2b_ct.config.yaml_files import as_yaml
from n2b_ct.errors import ConfigError, DataError, N2BError, OutputError, explain
from n2b_ct.experiments.assemble import assemble_table
from n2b_ct.experiments.columns import Column, find_columns
from n2b_ct.experiments.denoisers import input_denoiser, missing_package
from n2b_ct.experiments.results import Table
from n2b_ct.experiments.rows import Job, Made, Trainer, make_row, recorded_row, score_row
from n2b_ct.experiments.steps import Cost, cost_of, planned
from n2b_ct.experiments.writer import write_natural_images, write_numbers
from n2b_ct.io.atomic import write_text_atomically
from n2b_ct.io.natural_images import Colour
from n2b_ct.io.progress import Progress

EXPERIMENT_FILE = "experiment.yaml"


def check_table(experiment: Experiment, root: Path, trainer: Trainer) -> tuple[Column, ...]:
    """Find all test images and check every chosen row, without training.

    Returns:
        The columns.

    Raises:
        DataError, ConfigError: With one line for every problem.
    """
    columns = find_columns(experiment.section, root, cast(Colour, experiment.colour))
    problems: dict[str, None] = {}
    for name, pipeline in experiment.pipelines.items():
        row = next(row for row in experiment.section.rows if row.name == name)
        if not experiment.is_chosen(name) or missing_package(row, pipeline):
            continue
        try:
            trainer.check(pipeline)
        except N2BError as error:
            problems |= dict.fromkeys(f"row {name}: {line}" for line in str(error).splitlines())
    if problems:
        raise DataError("\n".join(problems))
    return columns


def make_table(
    experiment: Experiment,
    root: Path,
    out: Path,
    trainer: Trainer,
    device: torch.device,
    *,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> Table:
    """Train, denoise, score and write; a command that was killed goes on where it was.

    Args:
        experiment: The table.
        root: The data's folder.
        out: Runs, scores and the table go there.
        trainer: Trains the rows.
        device: Where models denoise.
        overwrite: Train rows anew whose settings or images have changed since their run.
        command: The command line, to be printed in the table.
        progress: Called with (thousandths done, 1000, what).

    Raises:
        DataError, ConfigError: The data or a row cannot be used; nothing has been trained.
        OutputError: ``out`` holds something else, or cannot be written.
    """
    columns = check_table(experiment, root, trainer)
    gallery = experiment.section.gallery
    shown = {gallery.test: tuple(gallery.images)} if gallery is not None else {}
    job = Job(columns, out, device, trainer, shown)
    _require_place(out)
    if not overwrite:
        _require_same_runs(experiment, job)
    _begin(experiment, out)
    return _make_rows(experiment, job, overwrite, command, progress)


def _make_rows(experiment: Experiment, job: Job, overwrite: bool, command: str, progress: Progress | None) -> Table:
    rows, pipelines = experiment.section.rows, experiment.pipelines
    steps = planned(_costs(experiment, job), progress)
    inputs = score_row(job, INPUT_ROW, input_denoiser(), steps[INPUT_ROW])
    own: dict[str, Made] = {}
    for row in rows:
        if experiment.is_chosen(row.name):
            own[row.name] = make_row(job, row, pipelines.get(row.name), overwrite, steps[row.name])
            # Other commands may have made other rows in the meantime.
            made = [own.get(one.name) or recorded_row(job, one, pipelines.get(one.name)) for one in rows]
            table = assemble_table(experiment, job, inputs, made, command)
            write_numbers(job.out, table, inputs, made)
    write_natural_images(job, experiment.section, table, made)
    return table


def _costs(experiment: Experiment, job: Job) -> dict[str, Cost]:
    n_images = sum(len(column.truths) for column in job.columns)
    costs = {INPUT_ROW: cost_of(n_images)}
    for row in experiment.section.rows:
        if experiment.is_chosen(row.name):
            baseline = row.baseline.name if row.baseline is not None else None
            costs[row.name] = cost_of(n_images, _to_train(experiment, job, row), baseline)
    return costs


def _to_train(experiment: Experiment, job: Job, row: RowSection) -> Pipeline | None:
    pipeline = experiment.pipelines.get(row.name)
    try:
        is_trained = pipeline is not None and job.finished(row, pipeline) is not None
    except ConfigError:  # a run of other settings, to be overwritten
        is_trained = False
    return None if is_trained else pipeline


def _require_place(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not (out / EXPERIMENT_FILE).is_file():
        got = "something else" if out.is_dir() else "a file"
        raise OutputError(
            explain(f"--out {out}", "must be new, empty or hold an experiment's rows", got, "pass another")
        )


def _require_same_runs(experiment: Experiment, job: Job) -> None:
    """Refuse, before anything is trained, runs of other settings under a chosen row's name."""
    problems = []
    for row in experiment.section.rows:
        pipeline = experiment.pipelines.get(row.name)
        if pipeline is None or not experiment.is_chosen(row.name):
            continue
        try:
            job.finished(row, pipeline)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)


def _begin(experiment: Experiment, out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(explain(f"--out {out}", "must be writable", error.strerror, "pass another")) from error
    write_text_atomically(out / EXPERIMENT_FILE, as_yaml(experiment.section.plain()))
