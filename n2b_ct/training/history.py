"""Reporting of a training: history.csv, MONAI's statistics, TensorBoard and progress; losses.png at the end."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from monai.engines import Trainer
from monai.handlers import StatsHandler

from n2b_ct.config.sections import TrainingSection
from n2b_ct.errors import ConfigError, explain
from n2b_ct.io.atomic import write_atomically, write_text_atomically
from n2b_ct.io.progress import Progress
from n2b_ct.training.monitors import TrainingClock
from n2b_ct.training.run_dir import HISTORY_FILE, TENSORBOARD_DIR

Columns = Callable[[], Mapping[str, float]]


class HistoryWriter:
    """Average every ``every`` iterations into one row of history.csv.

    Args:
        path: The CSV file; rows after the resumed iteration are dropped, new ones appended.
        every: Iterations a row.
        watched: Called at every row; their numbers become columns.
        clock: Counts the seconds; None: a new one.
    """

    def __init__(
        self, path: Path, every: int, watched: Sequence[Columns] = (), clock: TrainingClock | None = None
    ) -> None:
        self._path, self._every, self._watched = path, every, watched
        self._sums: dict[str, float] = {}
        self._n = 0
        self._clock = clock or TrainingClock()

    def attach(self, engine: Engine) -> None:
        """Attach to an engine."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)

    def _start(self, engine: Engine) -> None:
        self._clock.start()
        rows = [row for row in read_history(self._path) if row["iteration"] <= engine.state.iteration]
        _write(self._path, rows)

    def _add(self, engine: Engine) -> None:
        self._n += 1
        for name, value in engine.state.output["losses"].items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        if engine.state.iteration % self._every == 0 or engine.state.iteration == engine.state.epoch_length:
            self._flush(engine)

    def _flush(self, engine: Engine) -> None:
        row: dict[str, float] = {"iteration": engine.state.iteration}
        row |= {f"loss_{name}": round(float(value) / self._n, 6) for name, value in self._sums.items()}
        for columns in self._watched:
            row |= columns()
        row["seconds"] = round(self._clock.seconds, 1)
        _write(self._path, [*read_history(self._path), row])
        self._sums, self._n = {}, 0


def read_history(path: Path) -> list[dict[str, float]]:
    """Read history.csv; empty cells are left out of their row."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]


def plot_history(rows: list[dict[str, float]], path: Path, title: str) -> None:
    """Draw the losses and, below, the extracted noise against the noise that the slices show.

    Raises:
        OutputError: The path cannot be written.
    """
    names = sorted({key for row in rows for key in row if key.startswith("loss_")})
    extracted, own = _noise_columns(rows)
    with_noise = bool(extracted)
    figure = Figure(figsize=(8, 6 if with_noise else 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2 if with_noise else 1, 1, sharex=True, squeeze=False)[:, 0]
    for name in names:
        _curve(axes[0], rows, name, f"$L_\\mathrm{{{name.removeprefix('loss_')}}}$")
    axes[0].set(ylabel="loss (network units)", title=title)
    if names:
        axes[0].legend(frameon=False)
    if with_noise:
        _curve(axes[1], rows, extracted, "extracted noise ñ")
        _curve(axes[1], rows, own, "noise of the flattest patches")
        unit = "HU" if extracted.endswith("_hu") else "grey levels"
        axes[1].set(ylabel=f"standard deviation ({unit})", ylim=(0, None))
        axes[1].legend(frameon=False)
    axes[-1].set_xlabel("iteration")
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25)
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=120))


def _noise_columns(rows: list[dict[str, float]]) -> tuple[str, str]:
    """Name the columns of ñ and of the images' own noise; empty where a method extracts none."""
    names = {key for row in rows for key in row}
    extracted = next((key for key in sorted(names) if key.startswith("noise_std_")), "")
    own = next((key for key in sorted(names) if key.endswith(f"_{extracted}")), "") if extracted else ""
    return extracted, own


def _curve(ax: Any, rows: list[dict[str, float]], key: str, label: str) -> None:
    points = [(row["iteration"], row[key]) for row in rows if key in row]
    if points:
        ax.plot(*zip(*points, strict=True), label=label, linewidth=1.4)


def _write(path: Path, rows: list[dict[str, float]]) -> None:
    fields = list(dict.fromkeys(key for row in rows for key in row)) or ["iteration"]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fields)
    writer.writeheader()
    writer.writerows(rows)
    write_text_atomically(path, text.getvalue())


LOGGER_NAME = "n2b_ct.training"


def attach_reports(
    trainer: Trainer,
    training: TrainingSection,
    run_dir: Path,
    columns: Sequence[Columns],
    clock: TrainingClock,
    progress: Progress | None,
) -> None:
    """Attach all reporting handlers; none changes the training.

    Args:
        trainer: The engine.
        training: How often, and whether TensorBoard is wanted.
        run_dir: Folder of the files.
        columns: More columns of the history: asked at every row.
        clock: Counts the seconds.
        progress: Called with (iteration, all, what).

    Raises:
        ConfigError: TensorBoard is wanted and not installed.
    """
    HistoryWriter(run_dir / HISTORY_FILE, training.log_every, columns, clock).attach(trainer)
    _stats(training.log_every).attach(trainer)
    if training.tensorboard:
        _tensorboard(run_dir).attach(trainer)
    if progress is not None:
        trainer.add_event_handler(
            Events.ITERATION_COMPLETED,
            lambda engine: progress(engine.state.iteration, training.iterations, "training"),
        )


def _stats(every: int) -> StatsHandler:
    """MONAI's StatsHandler as a library's logger: it prints nothing unless a handler is configured."""
    handler = StatsHandler(
        iteration_log=lambda _, iteration: iteration % every == 0,
        epoch_log=False,
        name=LOGGER_NAME,
        output_transform=_loss,
    )
    logger = logging.getLogger(LOGGER_NAME)
    logger.handlers[:] = [logging.NullHandler()]  # MONAI adds one that writes to stdout, Python's last resort to stderr
    logger.propagate = True
    return handler


def _tensorboard(run_dir: Path) -> Any:
    try:
        from monai.handlers import TensorBoardStatsHandler

        return TensorBoardStatsHandler(log_dir=str(run_dir / TENSORBOARD_DIR), epoch_log=False, output_transform=_loss)
    except (ImportError, RuntimeError) as error:
        raise ConfigError(
            explain(
                "training.tensorboard",
                "needs the package tensorboard",
                "not installed",
                "pip install 'n2b-ct[tensorboard]'",
            )
        ) from error


def _loss(output: dict[str, Any]) -> Any:
    return output["loss"].item()
