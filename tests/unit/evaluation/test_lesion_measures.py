"""True lesions: contrast that is left and contrast-to-noise, against lesions that were drawn by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from n2b_ct.errors import DataError
from n2b_ct.evaluation.cases import SliceCase
from n2b_ct.evaluation.lesion_contrast import lesion_rows, measure_lesions
from n2b_ct.evaluation.table import Table
from n2b_ct.phantom.ground_truth import TRUTH_FILE, read_lesion_truth

CONTRAST_HU = {1: -30.0, 2: 20.0}


def labels() -> np.ndarray:
    rows, cols = np.mgrid[:96, :96]
    found = np.zeros((96, 96), np.uint8)
    found[np.hypot(rows - 30, cols - 30) < 7] = 1
    found[np.hypot(rows - 66, cols - 60) < 7] = 2
    return found


def case(share: float) -> SliceCase:
    signal = np.select([labels() == 1, labels() == 2], [-30.0, 20.0], 0.0)
    noise = np.random.default_rng(0).normal(0.0, 2.0, signal.shape)
    methods = {"fade": 60.0 + share * (signal + noise)}
    truth = 60.0 + signal
    return SliceCase("s", 0.25, 0, truth + noise, methods, truth, lesion_labels=labels())


def test_a_method_that_keeps_half_the_contrast_is_found_to_and_keeps_the_cnr():
    found = {(one.method, one.label): one for one in measure_lesions(case(0.5), CONTRAST_HU)}
    assert len(found) == 6
    for label in CONTRAST_HU:
        assert found["reference", label].recovery_percent == pytest.approx(100.0)
        assert found["input", label].recovery_percent == pytest.approx(100.0, abs=3.0)
        assert found["fade", label].recovery_percent == pytest.approx(0.5 * found["input", label].recovery_percent)
        assert found["fade", label].cnr == pytest.approx(found["input", label].cnr)
        assert found["input", label].cnr == pytest.approx(abs(CONTRAST_HU[label]) / 2.0, rel=0.15)
        assert found["reference", label].cnr is None


def test_results_are_means_over_lesions_by_level_and_method():
    rows = lesion_rows(measure_lesions(case(0.5), CONTRAST_HU), {0.25: "25 %", 0.5: "50 %"})
    results = Table(rows).records("lesions")
    assert [(one["level"], one["method"], one["n_lesions"]) for one in results] == [
        ("25 %", "input", 2),
        ("25 %", "fade", 2),
        ("25 %", "reference", 2),
    ]
    assert results[1]["contrast_recovery_percent"].mean == pytest.approx(50.0, abs=2.0)


def test_a_slice_without_lesions_or_with_tiny_ones_gives_nothing():
    plain = case(1.0)
    assert measure_lesions(SliceCase("s", None, 0, plain.input_hu, {}), CONTRAST_HU) == []
    tiny = np.zeros((96, 96), np.uint8)
    tiny[40:42, 40:42] = 1
    assert measure_lesions(SliceCase("s", None, 0, plain.input_hu, {}, lesion_labels=tiny), CONTRAST_HU) == []


def write_truth(folder: Path) -> None:
    facts = [{"label": label, "contrast_hu": hu} for label, hu in CONTRAST_HU.items()]
    (folder / "piglet.json").write_text(json.dumps({"lesions": facts}), encoding="utf-8")
    stack = np.stack([np.zeros((96, 96), np.uint8), labels()])
    np.savez_compressed(folder / "lesions.npz", labels=stack, slice_location_mm=np.array([-3.0, 0.0]))


def test_truth_is_found_by_slice_location(tmp_path):
    assert read_lesion_truth(tmp_path) is None
    write_truth(tmp_path)
    truth = read_lesion_truth(tmp_path)
    assert truth.contrast_hu == CONTRAST_HU
    np.testing.assert_array_equal(truth.at(0.02, (96, 96)), labels())
    assert truth.at(-3.0, (96, 96)) is None
    assert truth.at(1.0, (96, 96)) is None
    assert truth.at(0.0, (64, 64)) is None
    assert truth.at(None, (96, 96)) is None


def test_damaged_truth_is_one_clear_error(tmp_path):
    write_truth(tmp_path)
    (tmp_path / "lesions.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"piglet\.json, lesions\.npz: must hold lesions, got damage"):
        read_lesion_truth(tmp_path)


@pytest.mark.parametrize("contrast", [0, "nan", "inf"])
def test_a_lesion_without_a_contrast_is_damage(tmp_path, contrast):
    write_truth(tmp_path)
    truth = json.loads((tmp_path / TRUTH_FILE).read_text("utf-8"))
    truth["lesions"][0]["contrast_hu"] = contrast
    (tmp_path / TRUTH_FILE).write_text(json.dumps(truth), "utf-8")
    with pytest.raises(DataError, match=r"piglet\.json, lesions\.npz: must hold lesions, got damage"):
        read_lesion_truth(tmp_path)
