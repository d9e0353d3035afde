"""Draw the two losses of Noise2Blur over the training (Lin et al. 2019, Fig. 7) from the runs of an experiment.

    python -m benchmarks.experiment_losses tables/gradient_interruption [--row N2B --row N2B_v]

Left the "noise-to-blur" loss of the noise extractor (13), right the "noise-to-clean" loss of the denoiser (9); the
initial stage is shaded. Without a row, every row of Noise2Blur whose run has a history is a line.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from n2b_ct.config.pipeline import load_pipeline
from n2b_ct.evaluation.report.theme import LIGHT
from n2b_ct.experiments.benchmark import EXPERIMENT_FILE
from n2b_ct.experiments.experiment import load_experiment
from n2b_ct.experiments.rows import RUNS_DIR
from n2b_ct.methods.noise2blur import Noise2BlurConfig
from n2b_ct.training.history import read_history
from n2b_ct.training.run_dir import HISTORY_FILE, PIPELINE_FILE

REPOSITORY = Path(__file__).resolve().parents[1]
LOSSES = {"loss_n2b": "“noise-to-blur” loss of the extractor", "loss_n2c": "“noise-to-clean” loss of the denoiser"}
_INKS = [LIGHT[name] for name in ("model-1", "model-2", "model-3", "model-4", "baseline-1", "baseline-2")]
_DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
_STEEP_START = 0.02
"""Share of the training whose first values, up to many times the later ones, may leave the panel."""


@dataclass(frozen=True)
class LossCurves:
    """One run.

    Attributes:
        name: The row.
        history: Its ``history.csv``.
        initial: Iterations of the initial stage.
    """

    name: str
    history: Sequence[dict[str, float]]
    initial: int


def main(folder: Path, names: Sequence[str]) -> None:
    curves = loss_curves(folder, names)
    if not curves:
        sys.exit(f"{folder}: no such row of Noise2Blur has a run with a history")
    experiment = load_experiment(folder / EXPERIMENT_FILE).section
    place = REPOSITORY / "docs" / "images" / f"{experiment.name}_losses.png"
    content = io.BytesIO()
    draw_losses(curves).savefig(content, format="png", dpi=160, metadata={"Software": None})
    place.write_bytes(content.getvalue())
    print(place.relative_to(REPOSITORY))


def loss_curves(folder: Path, names: Sequence[str] = ()) -> list[LossCurves]:
    """The histories of an experiment's rows of Noise2Blur that have one; of some rows where names are given."""
    curves = []
    for row in load_experiment(folder / EXPERIMENT_FILE).section.rows:
        run = folder / RUNS_DIR / row.slug
        history = read_history(run / HISTORY_FILE) if row.name in names or not names else []
        if not history:
            continue
        pipeline = load_pipeline(run / PIPELINE_FILE)
        if isinstance(pipeline.method, Noise2BlurConfig):
            initial = round(pipeline.method.initial_fraction * pipeline.training.iterations)
            curves.append(LossCurves(row.name, history, initial))
    return curves


def draw_losses(curves: Sequence[LossCurves]) -> Figure:
    """Draw a panel a loss and a line a run; the shade is the longest initial stage."""
    figure = Figure(figsize=(9.5, 3.4), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    for axes, (key, title) in zip(figure.subplots(1, 2), LOSSES.items(), strict=True):
        _draw_panel(axes, key, title, curves)
    figure.axes[0].set_ylabel("mean absolute error, white is 1", fontsize=8.5, color=LIGHT["quiet"])
    return figure


def _draw_panel(axes: Axes, key: str, title: str, curves: Sequence[LossCurves]) -> None:
    axes.axvspan(0, max(one.initial for one in curves), color=LIGHT["best"], label="initial stage")
    settled = []
    for k, one in enumerate(curves):
        points = [(row["iteration"], row[key]) for row in one.history if key in row]
        if points:
            dash, ink = _DASHES[k % len(_DASHES)], _INKS[k % len(_INKS)]
            axes.plot(*zip(*points, strict=True), label=one.name, linestyle=dash, color=ink, linewidth=1.3)
            settled += [loss for iteration, loss in points if iteration > _STEEP_START * points[-1][0]]
    axes.set_ylim(0, 1.05 * max(settled, default=1.0))
    axes.set_xlim(0, max(one.history[-1]["iteration"] for one in curves))
    axes.set_title(title, fontsize=9.5, color=LIGHT["ink"], loc="left")
    axes.set_xlabel("iteration", fontsize=8.5, color=LIGHT["quiet"])
    axes.tick_params(colors=LIGHT["quiet"], labelsize=8, length=0)
    axes.grid(color=LIGHT["line"], linewidth=0.7)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a table's folder with its runs")
    parser.add_argument("--row", action="append", default=[], help="a row to draw; may be repeated")
    given = parser.parse_args()
    main(given.folder, given.row)
