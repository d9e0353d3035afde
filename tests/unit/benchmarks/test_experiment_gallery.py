"""The photograph under an experiment's noise."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.experiment_gallery import denoisers, tiles
from n2b_ct.experiments.experiment import ColumnSection, load_experiment
from n2b_ct.experiments.scoring import RowDenoiser
from tests.run_folders import write_table_folder

NOISES = [
    {"kind": "gaussian", "sigma": 25},
    {"kind": "gaussian", "sigma": [0, 50]},
    {"kind": "speckle", "variance": 0.1},
    {"kind": "salt_and_pepper", "probability": 0.15},
    {"kind": "text", "probability": 0.3},
]


@pytest.mark.parametrize("shape", [(96, 96), (96, 96, 3)], ids=["gray", "RGB"])
@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: str(list(noise.values())))
def test_every_noise_of_gray_and_rgb_is_shown(noise, shape):
    column = ColumnSection.model_validate({"name": "t", "folder": "f", "noise": noise})
    truth = np.full(shape, 0.5, np.float32)
    told = []
    rows = {"row": RowDenoiser({}, lambda noisy, sigma: told.append(sigma) or noisy)}
    noisy, denoised, last = tiles(truth, column, rows).values()
    assert not np.array_equal(noisy, truth)
    assert denoised is noisy
    assert last is truth
    assert told == [25 / 255 if noise == NOISES[0] else None]


def test_rows_that_cannot_denoise_are_left_out_and_named(tmp_path, capsys):
    write_table_folder(tmp_path)
    rows = load_experiment(tmp_path / "experiment.yaml").section.rows
    assert list(denoisers(tmp_path, rows)) == ["TV"]
    assert "left out: N2B: model" in capsys.readouterr().err
