"""What a training tells while it runs: history.csv, MONAI's statistics, TensorBoard, a progress callback."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Events
from monai.engines import Trainer
from monai.handlers import StatsHandler

from n2b_ct.config.sections import TrainingSection
from n2b_ct.errors import ConfigError, explain
from n2b_ct.io.progress import Progress
from n2b_ct.training.clock import TrainingClock
from n2b_ct.training.history import HISTORY_FILE, Columns, HistoryWriter
from n2b_ct.training.run_dir import TENSORBOARD_DIR

LOGGER_NAME = "n2b_ct.training"


def attach_reports(
    trainer: Trainer,
    training: TrainingSection,
    run_dir: Path,
    columns: Sequence[Columns],
    clock: TrainingClock,
    progress: Progress | None,
) -> None:
    """Attach everything that reports on a training and changes nothing in it.

    Args:
        trainer: The engine.
        training: How often, and whether TensorBoard is wanted.
        run_dir: Where the files go.
        columns: More columns of the history: asked at every row.
        clock: Tells the seconds.
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
    """MONAI's StatsHandler as a library's logger: it tells those who listen, and prints for nobody."""
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
