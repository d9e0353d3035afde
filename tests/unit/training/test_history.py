"""history.csv: averages, extra columns, going on after a kill; and its image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events

from n2b_ct.training.history import HistoryWriter, plot_history, read_history


def run(path: Path, n: int, every: int = 2, first: int = 0, watched: Any = ()) -> list[dict[str, float]]:
    """Run iterations whose loss is their number."""

    def step(engine: Engine, batch: int) -> dict[str, Any]:
        return {"losses": {"n2c": torch.tensor(float(engine.state.iteration))}}

    engine = Engine(step)
    if first:

        @engine.on(Events.STARTED)
        def _(engine: Engine) -> None:
            engine.state.iteration = first

    HistoryWriter(path, every, watched).attach(engine)
    engine.run(range(n), max_epochs=1, epoch_length=n)
    return read_history(path)


def test_a_row_averages_the_iterations_since_the_last_one(tmp_path):
    rows = run(tmp_path / "history.csv", 6)
    assert [(row["iteration"], row["loss_n2c"]) for row in rows] == [(2, 1.5), (4, 3.5), (6, 5.5)]
    assert all(row["seconds"] >= 0 for row in rows)


def test_the_last_iterations_get_a_row_of_their_own(tmp_path):
    rows = run(tmp_path / "history.csv", 5)
    assert [(row["iteration"], row["loss_n2c"]) for row in rows] == [(2, 1.5), (4, 3.5), (5, 5.0)]


def test_columns_that_come_and_go_leave_empty_cells(tmp_path):
    answers = iter([{}, {"psnr_db": 30.5}, {}])
    rows = run(tmp_path / "history.csv", 6, watched=[lambda: next(answers), lambda: {"noise_std_hu": 7.0}])
    assert [row.get("psnr_db") for row in rows] == [None, 30.5, None]
    assert [row["noise_std_hu"] for row in rows] == [7.0] * 3


def test_a_resumed_run_drops_the_rows_after_its_checkpoint(tmp_path):
    run(tmp_path / "history.csv", 8)
    writer = HistoryWriter(tmp_path / "history.csv", 2)
    engine = Engine(lambda engine, batch: None)
    engine.state.iteration = 5
    writer._start(engine)
    assert [row["iteration"] for row in read_history(tmp_path / "history.csv")] == [2, 4]


def test_a_new_run_starts_an_empty_history(tmp_path):
    run(tmp_path / "history.csv", 8)
    assert [row["iteration"] for row in run(tmp_path / "history.csv", 2)] == [2]


def test_no_history_reads_as_no_rows(tmp_path):
    assert read_history(tmp_path / "none.csv") == []


@pytest.mark.parametrize("with_noise", [False, True])
def test_the_image_is_a_png(tmp_path, with_noise):
    noise = {"noise_std_hu": 20.0, "slice_noise_std_hu": 30.0} if with_noise else {}
    rows = [{"iteration": float(k), "loss_n2c": 1.0 / k, "loss_n2b": 2.0 / k, **noise} for k in (2, 4, 6)]
    plot_history(rows, tmp_path / "losses.png", "title")
    assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG")
