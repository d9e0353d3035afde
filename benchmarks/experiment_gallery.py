"""Draw an experiment's rows on a photograph that may be shown (as in Lin et al. 2019, Fig. 6, 8, 9 and 11 to 13).

    python -m benchmarks.experiment_gallery tables/bsd68_gaussian25 [tables/text_removal ...]

The test images of a table are not ours to publish. This takes a photograph of scikit-image instead, ``camera`` for
gray and ``chelsea`` for RGB (both CC0), lays the noise of the table's first column on it, and denoises it by every row
whose run is finished and by every row without training but WNNM. A column of really noisy images has none to lay on:

    python -m benchmarks.experiment_gallery tables/camera_noise --noise '{kind: camera, iso: 1600}'
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import yaml
from skimage import data

from n2b_ct.data.natural_images import Stream, corrupted
from n2b_ct.errors import N2BError
from n2b_ct.evaluation.image_fidelity import measure_image
from n2b_ct.experiments.benchmark import EXPERIMENT_FILE, NOISY
from n2b_ct.experiments.experiment import ColumnSection, RowSection, load_experiment
from n2b_ct.experiments.markdown import in_words
from n2b_ct.experiments.plots import TRUTH, Panel, draw_gallery
from n2b_ct.experiments.rows import RUNS_DIR, RowDenoiser, baseline_denoiser, trained_denoiser
from n2b_ct.noises.noise import WHITE_8_BIT

REPOSITORY = Path(__file__).resolve().parents[1]
PHOTOGRAPHS = {"gray": ("camera", (60, 170, 160)), "rgb": ("chelsea", (40, 90, 190))}
"""Colour to scikit-image's photograph and the square that is shown: first row, first column, side."""
SLOW = ("wnnm",)


def main(folder: Path, noise_yaml: str = "") -> None:
    experiment = load_experiment(folder / EXPERIMENT_FILE)
    section = experiment.section
    column = section.tests[0]
    if noise_yaml:
        column = ColumnSection.model_validate(
            {**column.model_dump(), "noisy": None, "noise": yaml.safe_load(noise_yaml)}
        )
    if column.noise is None:
        sys.exit(f"{section.name}: its first column is of really noisy images; pass --noise")
    photograph, crop = PHOTOGRAPHS[experiment.colour]
    truth = getattr(data, photograph)().astype(np.float32) / np.float32(WHITE_8_BIT)
    panel = Panel(photograph, tiles(truth, column, denoisers(folder, section.rows)), crop)
    noise = in_words({"kind": column.noise.kind, **column.noise.model_dump(mode="json", exclude_defaults=True)})
    place = REPOSITORY / "docs" / "images" / f"{section.name}_gallery.png"
    place.write_bytes(draw_gallery([panel], f"{section.name}: {noise}"))
    print(place.relative_to(REPOSITORY))


def denoisers(folder: Path, rows: tuple[RowSection, ...]) -> dict[str, RowDenoiser]:
    """What denoises, by row; rows that cannot are left out and named."""
    found = {}
    for row in rows:
        try:
            if row.baseline is None:
                found[row.name] = trained_denoiser(folder / RUNS_DIR / row.slug, torch.device("cpu"))
            elif row.baseline.name not in SLOW:
                found[row.name] = baseline_denoiser(row.baseline)
        except N2BError as error:
            print(f"left out: {row.name}: {error}", file=sys.stderr)
    return found


def tiles(truth: np.ndarray, column: ColumnSection, rows: Mapping[str, RowDenoiser]) -> dict[str, np.ndarray]:
    """Heading to image: noisy, denoised by each row, truth."""
    if column.noise is None:
        return {TRUTH: truth}
    noisy = corrupted(truth, column.noise.noise(), column.seed, 0, Stream.TEST)
    sigma = column.noise.known_sigma
    images = {NOISY: noisy}
    images |= {name: row.denoise(noisy, None if sigma is None else sigma / WHITE_8_BIT) for name, row in rows.items()}
    return {f"{name}  {_psnr(truth, image)}": image for name, image in images.items()} | {TRUTH: truth}


def _psnr(truth: np.ndarray, denoised: np.ndarray) -> str:
    psnr_db = measure_image(truth, denoised).psnr_db
    return "identical" if psnr_db is None else f"{psnr_db:.2f} dB"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="tables' folders with their runs")
    parser.add_argument("--noise", default="", help="YAML of a noise, instead of the first column's")
    given = parser.parse_args()
    for one in given.folders:
        main(one, given.noise)
