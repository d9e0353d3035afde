"""The truth behind a digital piglet's noisy images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from n2b_ct.errors import DataError
from n2b_ct.io.dicom.ct_reader import read_slice
from n2b_ct.phantom.ground_truth import SOFT_TISSUE_HU, TRUTH_FILE
from n2b_ct.phantom.noise_free import read_noise_free
from n2b_ct.phantom.piglet import PigletSummary, write_piglet


@pytest.fixture(scope="module")
def piglet(tmp_path_factory: pytest.TempPathFactory) -> PigletSummary:
    folder = tmp_path_factory.mktemp("data") / "piglet"
    return write_piglet(folder, n_slices=8, size_px=64, seed=3, doses=(1.0, 0.25), decoy=False)


def test_images_are_the_truth_and_noise_of_the_stated_strength(piglet: PigletSummary) -> None:
    truth = read_noise_free(piglet.output_dir)
    noises = []
    for path in piglet.series_dirs["FBP 25"].iterdir():
        one = read_slice(path)
        clean = truth.at(float(one.dataset.SliceLocation), (64, 64))
        is_soft = (clean > SOFT_TISSUE_HU[0]) & (clean < SOFT_TISSUE_HU[1])
        noises.append((one.hu - clean)[is_soft])
    assert np.concatenate(noises).std() == pytest.approx(piglet.noise_hu["FBP 25"], rel=0.01)


def test_no_truth_is_given_for_places_and_sizes_that_were_not_made(piglet: PigletSummary) -> None:
    truth = read_noise_free(piglet.output_dir)
    location_mm = truth.plan.position_mm(2)
    assert truth.at(location_mm, (64, 64)) is not None
    assert truth.at(location_mm + 1.0, (64, 64)) is None
    assert truth.at(location_mm, (32, 32)) is None
    assert truth.at(None, (64, 64)) is None


def test_another_anatomy_or_none_at_all_has_no_truth(piglet: PigletSummary, tmp_path: Path) -> None:
    assert read_noise_free(tmp_path) is None
    facts = json.loads((piglet.output_dir / TRUTH_FILE).read_text("utf-8"))
    facts["parameters"]["anatomy"] -= 1
    (tmp_path / TRUTH_FILE).write_text(json.dumps(facts), "utf-8")
    assert read_noise_free(tmp_path) is None


def test_damaged_parameters_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / TRUTH_FILE).write_text('{"parameters": {"anatomy": 2}}', "utf-8")
    with pytest.raises(DataError, match=r"piglet\.json: must hold its parameters, got damage; make the digital piglet"):
        read_noise_free(tmp_path)
