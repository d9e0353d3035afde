"""Compare the noise extractor's own image with the denoiser's (Lin et al. 2019, section 4.1).

    python -m benchmarks.noise_extractor tables/bsd68_gaussian25 --row N2B --data-root DATA

Of a row of Noise2Blur, on every column of its table: the denoiser's ŷ = F(x), and ỹ = x − H(x − F(x)). F is the
averaged denoiser of the model, as in the table; H lies in the newest checkpoint of the run. The paper reads from their
closeness that H has not learned to blur. Results of other rows and tables stay in ``results/noise_extractor.json``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from benchmarks.results_files import RESULTS, write_results
from n2b_ct.config.pipeline import load_pipeline
from n2b_ct.errors import ConfigError, explain
from n2b_ct.experiments.benchmark import EXPERIMENT_FILE
from n2b_ct.experiments.columns import find_columns
from n2b_ct.experiments.experiment import load_experiment
from n2b_ct.experiments.markdown import number, signed
from n2b_ct.experiments.rows import ROWS_DIR, RUNS_DIR, trained_denoiser
from n2b_ct.experiments.scoring import RowDenoiser, ScoreCache, score_column, summarised
from n2b_ct.inference.model import Model, load_natural_image_model, read_tensors
from n2b_ct.inference.tiles import denoise_natural_image
from n2b_ct.io.natural_images import Colour
from n2b_ct.methods.noise2blur import Noise2BlurConfig
from n2b_ct.networks.build import build_network
from n2b_ct.training.checkpoints import newest_checkpoint
from n2b_ct.training.run_dir import CHECKPOINT_DIR, PIPELINE_FILE

NAME = "noise_extractor"
PUBLISHED = {"row": "N2B", "test": "the paper, RGB BSD300, σ 25", "denoiser_db": 30.86, "extractor_db": 29.22}
"""Lin et al. 2019, section 4.1."""
_WEIGHTS = "networks"
_Rows = list[dict[str, Any]]


class NoiseSubtracted(nn.Module):
    """ỹ = x − H(x − F(x)), from x ``[batch, channels, rows, cols]``.

    Args:
        denoiser: F.
        noise_extractor: H.
    """

    def __init__(self, denoiser: nn.Module, noise_extractor: nn.Module) -> None:
        super().__init__()
        self.denoiser, self.noise_extractor = denoiser, noise_extractor

    def forward(self, x: Tensor) -> Tensor:
        """Subtract what H keeps of what F removes."""
        n_hat = x - self.denoiser(x)  # (11)
        extracted: Tensor = x - self.noise_extractor(n_hat)  # (12), (4)
        return extracted


def main(folder: Path, row_name: str, data_root: Path) -> None:
    rows = [one for one in earlier_rows() if (one["experiment"], one["row"]) != (folder_name(folder), row_name)]
    rows += measured_rows(folder, row_name, data_root)
    write_results(NAME, {"published": PUBLISHED, "rows": rows}, table(rows))


def folder_name(folder: Path) -> str:
    """The experiment of a table's folder."""
    return load_experiment(folder / EXPERIMENT_FILE).section.name


def earlier_rows(results: Path = RESULTS) -> _Rows:
    """What was measured before."""
    path = results / f"{NAME}.json"
    return list(json.loads(path.read_text(encoding="utf-8"))["rows"]) if path.is_file() else []


def measured_rows(folder: Path, row_name: str, data_root: Path) -> _Rows:
    """Score both images of a row on each column; scores that are there are kept, as in the table.

    Raises:
        N2BError: There is no such row, run or checkpoint, or images are missing.
    """
    experiment = load_experiment(folder / EXPERIMENT_FILE).only([row_name])
    row = next(row for row in experiment.section.rows if row.name == row_name)
    run = folder / RUNS_DIR / row.slug
    model, iteration = extractor_model(run)
    ours = {
        "denoiser_db": (row.slug, trained_denoiser(run, torch.device("cpu"))),
        "extractor_db": (f"{NAME}_{row.slug}", _row_denoiser(model)),
    }
    rows = []
    for column in find_columns(experiment.section, data_root, cast(Colour, experiment.colour)):
        found: dict[str, Any] = {"experiment": experiment.section.name, "row": row_name, "test": column.name}
        for key, (slug, denoiser) in ours.items():
            cache = ScoreCache(folder / ROWS_DIR / slug, denoiser.identity)
            found[key] = summarised(column.name, score_column(denoiser, column, cache)).psnr_db.mean
        rows.append({**found, "n_images": len(column.truths), "checkpoint_iteration": iteration})
    return rows


def extractor_model(run: Path) -> tuple[Model, int]:
    """A run's model with ỹ in place of ŷ, and the iteration of the checkpoint that H is from.

    Raises:
        ConfigError: The run is not one of Noise2Blur, or has no checkpoint.
    """
    pipeline = load_pipeline(run / PIPELINE_FILE)
    checkpoint = newest_checkpoint(run / CHECKPOINT_DIR)
    if not isinstance(pipeline.method, Noise2BlurConfig) or checkpoint is None:
        need = "must be a run of noise2blur with a checkpoint, which holds the extractor"
        got = "no checkpoint" if checkpoint is None else pipeline.method.name
        raise ConfigError(explain(f"run {run.name}", need, got, "name another row, or train it again"))
    model = load_natural_image_model(run)
    section = pipeline.method.noise_extractor
    extractor = build_network(section.name, section.arguments, n_channels=model.scale.n_channels)
    weights = read_tensors(checkpoint.path)[_WEIGHTS]
    extractor.load_state_dict(
        {key.removeprefix(f"{NAME}."): value.float() for key, value in weights.items() if key.startswith(f"{NAME}.")}
    )
    digest = f"{model.digest} with the extractor of iteration {checkpoint.iteration}"
    both = NoiseSubtracted(model.denoiser, extractor).eval().requires_grad_(False)
    return replace(model, denoiser=both, digest=digest), checkpoint.iteration


def _row_denoiser(model: Model) -> RowDenoiser:
    return RowDenoiser({"model": model.digest}, lambda noisy, _: denoise_natural_image(model, noisy))


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The results beside the paper's."""
    lines = ["| row | images | denoiser ŷ, dB | extractor ỹ, dB | ỹ − ŷ, dB |", "| --- | --- | --- | --- | --- |"]
    for one in [PUBLISHED, *rows]:
        images = f"{one['experiment']}, {one['test']}" if "experiment" in one else one["test"]
        both = one["denoiser_db"], one["extractor_db"]
        lines.append(
            f"| {one['row']} | {images} | {number(both[0], 2)} | {number(both[1], 2)} | {signed(both[1] - both[0])} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a table's folder with its runs")
    parser.add_argument("--row", default="N2B", help="a row of Noise2Blur")
    parser.add_argument("--data-root", type=Path, required=True, help="the folder that the experiment's folders lie in")
    given = parser.parse_args()
    main(given.folder, given.row, given.data_root)
