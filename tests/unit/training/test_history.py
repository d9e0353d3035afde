"""history.csv: averages, extra columns, going on after a kill; and its image."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from matplotlib.figure import Figure
from monai.engines import Trainer
from PIL import Image

from n2b_ct.config.sections import TrainingSection
from n2b_ct.errors import ConfigError
from n2b_ct.training import history, monitors
from n2b_ct.training.history import LOGGER_NAME, HistoryWriter, attach_reports, plot_history, read_history
from n2b_ct.training.monitors import TrainingClock


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


def test_losses_are_rounded_to_six_digits_and_seconds_to_one(tmp_path, monkeypatch):
    now = iter([100.0, 112.34])
    monkeypatch.setattr(monitors.time, "monotonic", lambda: next(now))
    engine = Engine(lambda engine, batch: {"losses": {"n2c": torch.tensor(2.0 / 3.0, dtype=torch.float64)}})
    HistoryWriter(tmp_path / "history.csv", 1).attach(engine)
    engine.run([0], max_epochs=1)
    assert read_history(tmp_path / "history.csv") == [{"iteration": 1.0, "loss_n2c": 0.666667, "seconds": 12.3}]


def test_seconds_are_those_of_the_clock_that_is_handed_over(tmp_path):
    clock = TrainingClock()
    clock.load_state_dict({"seconds": 5000.0})
    engine = Engine(lambda engine, batch: {"losses": {}})
    HistoryWriter(tmp_path / "history.csv", 1, (), clock).attach(engine)
    engine.run([0], max_epochs=1)
    assert 5000 <= read_history(tmp_path / "history.csv")[0]["seconds"] < 5600


def test_a_history_without_rows_has_a_head(tmp_path):
    engine = Engine(lambda engine, batch: {"losses": {}})
    HistoryWriter(tmp_path / "history.csv", 1).attach(engine)
    engine.run([0], max_epochs=0)
    HistoryWriter(tmp_path / "history.csv", 1)._start(engine)
    assert (tmp_path / "history.csv").read_text() == "iteration\n"


# ── losses.png ──

ROWS = [{"iteration": float(k), "loss_n2c": 1.0 / k, "loss_n2b": 2.0 / k, "seconds": 1.0} for k in (2, 4, 6)]


def drawn(rows: list[dict[str, float]], path: Path, monkeypatch: pytest.MonkeyPatch) -> Figure:
    """Draw, and return the figure."""
    figures: list[Figure] = []

    def recording(**options: Any) -> Figure:
        figures.append(Figure(**options))
        return figures[-1]

    monkeypatch.setattr(history, "Figure", recording)
    plot_history(rows, path, "p: noise2blur")
    return figures[0]


def curves(ax: Any) -> dict[str, list[tuple[float, float]]]:
    return {line.get_label(): [tuple(point) for point in line.get_xydata().tolist()] for line in ax.get_lines()}


def test_the_plot_shows_every_loss_by_its_name_over_the_iterations(tmp_path, monkeypatch):
    (ax,) = drawn(ROWS, tmp_path / "losses.png", monkeypatch).axes
    assert (ax.get_title(), ax.get_xlabel()) == ("p: noise2blur", "iteration")
    assert ax.get_ylabel() == "loss (network units)"
    assert curves(ax) == {
        "$L_\\mathrm{n2b}$": [(2.0, 1.0), (4.0, 0.5), (6.0, 2.0 / 6.0)],
        "$L_\\mathrm{n2c}$": [(2.0, 0.5), (4.0, 0.25), (6.0, 1.0 / 6.0)],
    }
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(curves(ax))


@pytest.mark.parametrize(
    ("extracted", "own", "unit"),
    [
        ("noise_std_hu", "slice_noise_std_hu", "HU"),
        ("noise_std_grey", "image_noise_std_grey", "grey levels"),
    ],
)
def test_extracted_noise_stands_below_beside_the_images_own(tmp_path, monkeypatch, extracted, own, unit):
    rows = [*({**row, extracted: 20.0, own: 30.0} for row in ROWS[1:]), {**ROWS[0], "iteration": 8.0}]
    losses, noise = drawn(rows, tmp_path / "losses.png", monkeypatch).axes
    assert curves(noise) == {
        "extracted noise ñ": [(4.0, 20.0), (6.0, 20.0)],
        "noise of the flattest patches": [(4.0, 30.0), (6.0, 30.0)],
    }
    assert [text.get_text() for text in noise.get_legend().get_texts()] == list(curves(noise))
    assert noise.get_ylabel() == f"standard deviation ({unit})"
    assert noise.get_ylim()[0] == 0
    assert noise.get_xlabel() == "iteration"
    assert losses.get_xlabel() == ""
    assert losses.get_xlim() == noise.get_xlim()
    assert len(curves(losses)) == 2


@pytest.mark.parametrize(("noise", "size_px"), [({}, (960, 420)), ({"noise_std_hu": 2.0}, (960, 720))])
def test_the_image_is_a_png_that_is_higher_with_noise(tmp_path, noise, size_px):
    plot_history([{**row, **noise} for row in ROWS], tmp_path / "losses.png", "title")
    with Image.open(tmp_path / "losses.png") as image:
        assert (image.format, image.size) == ("PNG", size_px)


# ── Who else is told ──


def reported(tmp_path: Path, progress: Any = None, **training: Any) -> Trainer:
    """Run six iterations whose loss is their number, with all reports."""
    section = TrainingSection.model_validate({"iterations": 6, "log_every": 3, **training})
    trainer = Trainer(
        device=torch.device("cpu"),
        max_epochs=1,
        data_loader=range(6),
        epoch_length=6,
        prepare_batch=lambda batch, *_: (batch, None),
        iteration_update=lambda engine, _: {
            "loss": torch.tensor(float(engine.state.iteration)),
            "losses": {"n2c": torch.tensor(float(engine.state.iteration))},
        },
        decollate=False,
    )
    attach_reports(trainer, section, tmp_path, [lambda: {"psnr_db": 30.5}], TrainingClock(), progress)
    trainer.run()
    return trainer


def test_those_who_listen_hear_the_loss_at_every_row_and_nothing_is_printed(tmp_path, caplog, capfd):
    with caplog.at_level(logging.INFO, logger=LOGGER_NAME):
        reported(tmp_path)
    said = [record.getMessage() for record in caplog.records if record.name == LOGGER_NAME]
    assert said == ["Epoch: 1/1, Iter: 3/6 -- Loss: 3.0000 ", "Epoch: 1/1, Iter: 6/6 -- Loss: 6.0000 "]
    assert capfd.readouterr() == ("", "")
    assert [type(one) for one in logging.getLogger(LOGGER_NAME).handlers] == [logging.NullHandler]
    assert logging.getLogger(LOGGER_NAME).propagate


def test_more_columns_and_the_progress_are_asked_and_told(tmp_path):
    told: list[tuple[int, int, str]] = []
    reported(tmp_path, progress=lambda *step: told.append(step))
    assert told == [(k, 6, "training") for k in range(1, 7)]
    rows = read_history(tmp_path / "history.csv")
    assert [(row["iteration"], row["loss_n2c"], row["psnr_db"]) for row in rows] == [(3, 2.0, 30.5), (6, 5.0, 30.5)]


def test_tensorboard_gets_the_loss_in_a_folder_of_its_own(tmp_path, monkeypatch):
    made: list[dict[str, Any]] = []

    class Recording:
        def __init__(self, **options: Any) -> None:
            made.append(options)

        def attach(self, engine: Engine) -> None:
            made.append({"engine": engine})

    monkeypatch.setattr("monai.handlers.TensorBoardStatsHandler", Recording)
    trainer = reported(tmp_path, tensorboard=True)
    loss = made[0].pop("output_transform")({"loss": torch.tensor(0.5)})
    assert (loss, type(loss)) == (0.5, float)
    assert made == [{"log_dir": str(tmp_path / "tensorboard"), "epoch_log": False}, {"engine": trainer}]


@pytest.mark.parametrize("error", [ImportError("No module"), RuntimeError("This module requires tensorboard")])
def test_tensorboard_that_is_not_installed_is_asked_for(tmp_path, monkeypatch, error):
    def absent(**_: Any) -> None:
        raise error

    monkeypatch.setattr("monai.handlers.TensorBoardStatsHandler", absent)
    needs = r"^training\.tensorboard: needs the package tensorboard, got not installed"
    with pytest.raises(ConfigError, match=needs + r"; pip install 'n2b-ct\[tensorboard\]'$"):
        reported(tmp_path, tensorboard=True)
