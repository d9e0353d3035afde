"""Draw an experiment's rows on a photograph that may be shown (as in Lin et al. 2019, Fig. 6, 8, 9 and 11 to 13).

    python -m benchmarks.experiment_gallery tables/bsd68_gaussian25 [tables/text_removal ...]

The test images of a table are not ours to publish. This takes a photograph of scikit-image instead, ``camera`` for
gray and ``chelsea`` for RGB (both CC0), lays the noise of the table's first column on it, and denoises it by every row
whose run is finished and by every row without training but WNNM.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
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


def main(folder: Path) -> None:
    experiment = load_experiment(folder / EXPERIMENT_FILE)
    section, column = experiment.section, experiment.section.tests[0]
    if column.noise is None:
        sys.exit(f"{section.name}: its first column has noise of its own, which no photograph can be given")
    photograph, crop = PHOTOGRAPHS[experiment.colour]
    truth = getattr(data, photograph)().astype(np.float32) / np.float32(WHITE_8_BIT)
    panel = Panel(photograph, tiles(truth, column, denoisers(folder, section.rows)), crop)
    noise = in_words(column.noise.model_dump(mode="json"))
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
    for one in sys.argv[1:] or sys.exit(__doc__):
        main(Path(one))
