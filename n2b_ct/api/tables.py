"""The papers' tables on natural images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from n2b_ct.api.inputs import images_of
from n2b_ct.api.training import check, train
from n2b_ct.config import Pipeline
from n2b_ct.config.experiment_rows import Experiment, load_experiment
from n2b_ct.errors import ConfigError
from n2b_ct.experiments.job import check_table, make_table
from n2b_ct.experiments.results import Table
from n2b_ct.io.progress import Progress
from n2b_ct.training.devices import choose_device
from n2b_ct.training.earlier_run import proved_summary


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

    Finished rows and scored images are kept; a command that was killed goes on where it was.

    Args:
        experiment: A loaded experiment, a path, or the name of a shipped one.
        out: The table's folder; runs and scores lie there too.
        data_root: The folder that the experiment's folders lie in.
        only: Names of rows to make now; none: all. Rows that earlier commands made stay in the table.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        overwrite: Train rows anew whose settings are not those of the run that is there.
        overrides: ``section.key=value`` texts that win over the file and its rows, when ``experiment`` is a name.
        command: The command line, to be printed in the table.
        progress: Called with (thousandths done, 1000, what).

    Returns:
        The table; ``failed`` holds the rows that could not be made.

    Raises:
        ConfigError, DataError: The experiment or the data are wrong; nothing has been trained.
        OutputError: ``out`` holds something else, or cannot be written.
    """
    loaded = _loaded_experiment(experiment, overrides).only(only)
    chosen = choose_device(device)
    trainer = _RowTrainer(data_root, device)
    return make_table(loaded, data_root, out, trainer, chosen, overwrite=overwrite, command=command, progress=progress)


def check_benchmark(
    experiment: str | Path | Experiment, *, data_root: Path, only: Sequence[str] = (), overrides: Sequence[str] = ()
) -> dict[str, int]:
    """Validate an experiment, its folders and every row, without training; returns the images of each column.

    Raises:
        ConfigError, DataError: With one line for every problem.
    """
    loaded = _loaded_experiment(experiment, overrides).only(only)
    columns = check_table(loaded, data_root, _RowTrainer(data_root, "cpu"))
    return {column.name: len(column.truths) for column in columns}


@dataclass(frozen=True, slots=True)
class _RowTrainer:
    """Trains a table's rows as :func:`train` does."""

    data_root: Path
    device: str

    def check(self, pipeline: Pipeline) -> None:
        check(pipeline, data_root=self.data_root)

    def finished(self, pipeline: Pipeline, run_dir: Path) -> dict[str, Any] | None:
        return proved_summary(pipeline, images_of(pipeline, self.data_root), run_dir)

    def train(self, pipeline: Pipeline, run_dir: Path, *, overwrite: bool, progress: Progress | None) -> dict[str, Any]:
        anew = overwrite and not self._is_same(pipeline, run_dir)
        return train(
            pipeline,
            data_root=self.data_root,
            out=run_dir,
            device=self.device,
            resume=not anew,
            overwrite=anew,
            progress=progress,
        )

    def _is_same(self, pipeline: Pipeline, run_dir: Path) -> bool:
        try:
            self.finished(pipeline, run_dir)
        except ConfigError:
            return False
        return True


def _loaded_experiment(experiment: str | Path | Experiment, overrides: Sequence[str]) -> Experiment:
    return experiment if isinstance(experiment, Experiment) else load_experiment(experiment, overrides)
