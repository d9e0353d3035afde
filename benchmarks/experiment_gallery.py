"""Draw the documentation's gallery of methods on a photograph that may be shown.

    python -m benchmarks.experiment_gallery tables/bsd68_gaussian25

The test images of a table are not ours to publish. This takes scikit-image's ``camera`` (CC0) instead, lays the
noise of the table's first column on it, and denoises it by every row whose run is finished and by every row without
training but WNNM.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from skimage.data import camera

from n2b_ct.data.natural_images import Stream, corrupted
from n2b_ct.errors import N2BError
from n2b_ct.evaluation.image_fidelity import measure_image
from n2b_ct.experiments.experiment import RowSection, load_experiment
from n2b_ct.experiments.plots import Panel, draw_gallery
from n2b_ct.experiments.rows import RUNS_DIR, RowDenoiser, baseline_denoiser, trained_denoiser

REPOSITORY = Path(__file__).resolve().parents[1]
CROP = (60, 170, 160)
SLOW = ("wnnm",)


def main(folder: Path) -> None:
    experiment = load_experiment(folder / "experiment.yaml").section
    column = experiment.tests[0]
    truth = camera().astype(np.float32) / np.float32(255)
    noisy = corrupted(truth, column.noise.noise(), column.seed, 0, Stream.TEST)
    sigma = column.noise.sigma / 255
    tiles = {f"noisy  {_psnr(truth, noisy)}": noisy}
    for row in experiment.rows:
        denoiser = _denoiser(row, folder)
        if denoiser is not None:
            denoised = denoiser.denoise(noisy, sigma)
            tiles[f"{row.name}  {_psnr(truth, denoised)}"] = denoised
    tiles["truth"] = truth
    place = REPOSITORY / "docs" / "images" / f"{experiment.name}_gallery.png"
    place.write_bytes(
        draw_gallery([Panel("camera", tiles, CROP)], f"{experiment.name}: {column.name.split()[0]}'s noise")
    )
    print(place.relative_to(REPOSITORY))


def _denoiser(row: RowSection, folder: Path) -> RowDenoiser | None:
    try:
        if row.baseline is not None:
            return None if row.baseline.name in SLOW else baseline_denoiser(row.baseline)
        return trained_denoiser(folder / RUNS_DIR / row.slug, torch.device("cpu"))
    except N2BError:
        return None


def _psnr(truth: np.ndarray, denoised: np.ndarray) -> str:
    return f"{measure_image(truth, denoised).psnr_db:.2f} dB"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
