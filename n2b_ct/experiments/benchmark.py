"""The papers' tables on natural images: check all inputs, compute row by row, write the table after each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import numpy as np

from n2b_ct.api.training import check
from n2b_ct.config.sections import Pipeline
from n2b_ct.config.yaml_files import as_yaml
from n2b_ct.errors import ConfigError, DataError, N2BError, OutputError, explain
from n2b_ct.evaluation.image_fidelity import DEFINITIONS as FIDELITY
from n2b_ct.experiments.columns import Column, find_columns
from n2b_ct.experiments.experiment import (
    INPUT_ROW,
    Experiment,
    ExperimentSection,
    GallerySection,
    RowSection,
    load_experiment,
)
from n2b_ct.experiments.markdown import table_markdown
from n2b_ct.experiments.plots import TRUTH, Panel, draw_gallery, draw_scores
from n2b_ct.experiments.progress_counter import Cost, cost_of, progress_counters
from n2b_ct.experiments.results import (
    ImageScore,
    Plain,
    Row,
    Score,
    Table,
    TableColumn,
    installed_versions,
    per_image_csv,
    table_json,
    this_machine,
)
from n2b_ct.experiments.rows import (
    RowOutcome,
    TableContext,
    input_denoiser,
    make_row,
    missing_package,
    notices,
    published,
    recorded_row,
    result,
    score_row,
)
from n2b_ct.experiments.scoring import DEFINITIONS as MEANS
from n2b_ct.experiments.scoring import gallery_image, summarised
from n2b_ct.io.atomic import write_atomically, write_text_atomically
from n2b_ct.io.natural_images import Colour
from n2b_ct.io.progress import Progress
from n2b_ct.training.devices import choose_device

EXPERIMENT_FILE = "experiment.yaml"
JSON_NAME, MARKDOWN_NAME, CSV_NAME = "table.json", "table.md", "per_image.csv"
GALLERY_NAME, SCORES_NAME = "gallery.png", "scores.png"
NOISY = "noisy"

_Scores = Mapping[str, Sequence[ImageScore]]


def benchmark(
    experiment: str | Path | Experiment,
    out: Path,
    *,
    data_root: Path,
    only: Sequence[str] = (),
    device: str = "auto",
    overwrite: bool = False,
    overrides: Sequence[str] = (),
    command: str = "",
    progress: Progress | None = None,
) -> Table:
    """Make a table on natural images: train rows, denoise test images, set the scores beside the papers'.

    Finished rows and scored images are kept; a command that was killed resumes.

    Args:
        experiment: A loaded experiment, a path, or the name of a shipped one.
        out: The table's folder, also of runs and scores.
        data_root: The folder that the experiment's folders lie in.
        only: Names of rows to make now; none: all. Rows that earlier commands made stay in the table.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        overwrite: Retrain rows whose settings or images have changed since their run.
        overrides: ``section.key=value`` texts that win over the file and its rows, when ``experiment`` is a name.
        command: The command line, to be printed in the table.
        progress: Called with (thousandths done, 1000, what).

    Returns:
        The table; ``failed`` holds the rows that could not be made.

    Raises:
        ConfigError, DataError: The experiment or the data are wrong; nothing has been trained.
        OutputError: ``out`` holds something else, or cannot be written.
    """
    loaded = _loaded(experiment, overrides).only(only)
    columns = _checked_columns(loaded, data_root)
    gallery = loaded.section.gallery
    gallery_images = {gallery.test: tuple(gallery.images)} if gallery is not None else {}
    context = TableContext(columns, out, data_root, choose_device(device), gallery_images)
    _require_place(out)
    if not overwrite:
        _require_same_runs(loaded, context)
    _begin(loaded, out)
    return _make_rows(loaded, context, overwrite, command, progress)


def check_benchmark(
    experiment: str | Path | Experiment, *, data_root: Path, only: Sequence[str] = (), overrides: Sequence[str] = ()
) -> dict[str, int]:
    """Validate an experiment, its folders and every row, without training; return the number of images by column.

    Raises:
        ConfigError, DataError: With one line for every problem.
    """
    columns = _checked_columns(_loaded(experiment, overrides).only(only), data_root)
    return {column.name: len(column.truths) for column in columns}


def _loaded(experiment: str | Path | Experiment, overrides: Sequence[str]) -> Experiment:
    return experiment if isinstance(experiment, Experiment) else load_experiment(experiment, overrides)


def _checked_columns(experiment: Experiment, data_root: Path) -> tuple[Column, ...]:
    """Find all test images and check every chosen row, without training."""
    columns = find_columns(experiment.section, data_root, cast(Colour, experiment.colour))
    problems: dict[str, None] = {}
    for name, pipeline in experiment.pipelines.items():
        row = next(row for row in experiment.section.rows if row.name == name)
        if not experiment.is_chosen(name) or missing_package(row, pipeline):
            continue
        try:
            check(pipeline, data_root=data_root)
        except N2BError as error:
            problems |= dict.fromkeys(f"row {name}: {line}" for line in str(error).splitlines())
    if problems:
        raise DataError("\n".join(problems))
    return columns


def _make_rows(
    experiment: Experiment, context: TableContext, overwrite: bool, command: str, progress: Progress | None
) -> Table:
    rows, pipelines = experiment.section.rows, experiment.pipelines
    counters = progress_counters(_costs(experiment, context), progress)
    inputs = score_row(context, INPUT_ROW, input_denoiser(), counters[INPUT_ROW])
    own: dict[str, RowOutcome] = {}
    for row in rows:
        if experiment.is_chosen(row.name):
            own[row.name] = make_row(context, row, pipelines.get(row.name), overwrite, counters[row.name])
            # Other commands may have made other rows in the meantime.
            outcomes = [own.get(one.name) or recorded_row(context, one, pipelines.get(one.name)) for one in rows]
            table = _assembled(experiment, context, inputs, outcomes, command)
            _write_numbers(context.out, table, inputs, outcomes)
    _write_plots(context, experiment.section, table, outcomes)
    return table


def _costs(experiment: Experiment, context: TableContext) -> dict[str, Cost]:
    n_images = sum(len(column.truths) for column in context.columns)
    costs = {INPUT_ROW: cost_of(n_images)}
    for row in experiment.section.rows:
        if experiment.is_chosen(row.name):
            baseline = row.baseline.name if row.baseline is not None else None
            costs[row.name] = cost_of(n_images, _to_train(experiment, context, row), baseline)
    return costs


def _to_train(experiment: Experiment, context: TableContext, row: RowSection) -> Pipeline | None:
    pipeline = experiment.pipelines.get(row.name)
    try:
        is_trained = pipeline is not None and context.finished(row, pipeline) is not None
    except ConfigError:  # a run of other settings, to be overwritten
        is_trained = False
    return None if is_trained else pipeline


def _require_place(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not (out / EXPERIMENT_FILE).is_file():
        got = "something else" if out.is_dir() else "a file"
        raise OutputError(explain(f"out={out}", "must be new, empty or hold an experiment's rows", got, "pass another"))


def _require_same_runs(experiment: Experiment, context: TableContext) -> None:
    """Refuse, before anything is trained, runs of other settings under a chosen row's name."""
    problems = []
    for row in experiment.section.rows:
        pipeline = experiment.pipelines.get(row.name)
        if pipeline is None or not experiment.is_chosen(row.name):
            continue
        try:
            context.finished(row, pipeline)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)


def _begin(experiment: Experiment, out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(explain(f"out={out}", "must be writable", error.strerror, "pass another")) from error
    write_text_atomically(out / EXPERIMENT_FILE, as_yaml(experiment.section.plain()))


def _assembled(
    experiment: Experiment, context: TableContext, inputs: _Scores, outcomes: Sequence[RowOutcome], command: str
) -> Table:
    """Assemble rows, published values and provenance; the noisy images are the first row, the papers' own rows the
    last."""
    section, pipelines = experiment.section, experiment.pipelines
    compare_with = next((one.scores for one in outcomes if one.row.name == section.compare_with), {})
    rows = [Row(INPUT_ROW, "input", "done", method="none", scores=tuple(_summaries(inputs, compare_with)))]
    for one in outcomes:
        compared = {} if one.row.name == section.compare_with else compare_with
        rows.append(result(one, pipelines.get(one.row.name), _summaries(one.scores, compared)))
    rows += [
        Row(row.name, "published", "published", published=published(row.published), note=row.note)
        for row in section.published
    ]
    licence_lines = [line for one in outcomes if one.scores for line in notices(one.row, pipelines.get(one.row.name))]
    return Table(
        experiment=section.name,
        description=section.description,
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=this_machine(context.device),
        versions=installed_versions(),
        colour=experiment.colour,
        tests=tuple(map(_table_column, context.columns)),
        compare_with=section.compare_with,
        rows=tuple(rows),
        sources=dict(section.sources),
        notes=(*section.notes, *dict.fromkeys(licence_lines)),
        definitions={**FIDELITY, **MEANS},
    )


def _summaries(scores: _Scores, compare_with: _Scores) -> list[Score]:
    return [summarised(test, found, compare_with.get(test)) for test, found in scores.items()]


def _table_column(column: Column) -> TableColumn:
    section = column.section
    levels = section.noise.model_dump() if section.noise is not None else {}
    noise = {key: _level(value) for key, value in levels.items()}
    return TableColumn(section.name, section.folder, len(column.truths), noise, section.seed)


def _level(value: Plain | tuple[float, float]) -> Plain:
    """A range as text."""
    return f"{value[0]:g} to {value[1]:g}" if isinstance(value, tuple) else value


def _write_numbers(out: Path, table: Table, inputs: _Scores, outcomes: Sequence[RowOutcome]) -> None:
    """Write ``table.json``, ``table.md`` and ``per_image.csv``."""
    scores = {(INPUT_ROW, test): found for test, found in inputs.items()}
    scores |= {(one.row.name, test): found for one in outcomes for test, found in one.scores.items()}
    _write(out / MARKDOWN_NAME, table_markdown(table).encode())
    _write(out / CSV_NAME, per_image_csv(scores).encode())
    _write(out / JSON_NAME, table_json(table).encode())


def _write_plots(
    context: TableContext, section: ExperimentSection, table: Table, outcomes: Sequence[RowOutcome]
) -> None:
    """Write ``scores.png`` and, where the experiment has a gallery, ``gallery.png``."""
    _write(context.out / SCORES_NAME, draw_scores(table))
    gallery = section.gallery
    if gallery is not None:
        column = next(column for column in context.columns if column.name == gallery.test)
        panels = [_panel(context, column, gallery, name, outcomes) for name in gallery.images]
        _write(context.out / GALLERY_NAME, draw_gallery(panels, f"{section.name}: {gallery.test}"))


def _panel(
    context: TableContext, column: Column, gallery: GallerySection, name: str, outcomes: Sequence[RowOutcome]
) -> Panel:
    pair = column.read(column.image_names.index(name))
    return Panel(name, {**dict(_tiles(context, column, name, outcomes)), TRUTH: pair.truth}, gallery.images[name])


def _tiles(
    context: TableContext, column: Column, name: str, outcomes: Sequence[RowOutcome]
) -> Iterator[tuple[str, np.ndarray]]:
    """Heading and whole image of the noisy input and of every row that was kept."""
    for heading, cache in context.caches(outcomes):
        found = gallery_image(column, name, cache)
        if found is not None:
            score, image = found
            psnr = "identical" if score.psnr_db is None else f"{score.psnr_db:.2f} dB"
            yield f"{NOISY if heading == INPUT_ROW else heading}  {psnr}", image


def _write(path: Path, content: bytes) -> None:
    write_atomically(path, lambda file: file.write(content))
