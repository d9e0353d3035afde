"""d′ with the background known: noise alone counts, so twice the dose is √2, whatever organ the disk lies in."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from n2b_ct.evaluation.cases import SliceCase
from n2b_ct.evaluation.insert_results import CHO, CHO_KNOWN, NPW, NPW_KNOWN, detectability_rows, potential_rows
from n2b_ct.evaluation.inserts import insert_disks, plan_inserts
from n2b_ct.evaluation.known_background import mirrored_slice
from n2b_ct.evaluation.table import Table
from n2b_ct.evaluation.truth_error import InsertedNoise

PIXEL_MM = (0.7, 0.7)
PLAN = plan_inserts(0.7)
FULL_DOSE_HU = 10.0
DOSES = (0.25, 0.5, 1.0)
SIZE_PX = 224
METHODS = {"same": lambda hu: hu, "blur": lambda hu: ndimage.gaussian_filter(hu, 1.2)}


def anatomy_hu(k: int) -> np.ndarray:
    """An organ with texture of a few pixels, too faint to be kept out by any search for flat places."""
    rough = ndimage.gaussian_filter(np.random.default_rng(k + 500).normal(size=(SIZE_PX, SIZE_PX)), 2.5)
    return 40.0 + 6.0 * rough / rough.std()


def case_of(k: int, dose: float) -> SliceCase:
    truth = anatomy_hu(k)
    noise = np.random.default_rng(100 * k + round(1000 * dose)).normal(0.0, FULL_DOSE_HU / np.sqrt(dose), truth.shape)
    hu = truth + noise
    made = {name: run(hu) for name, run in METHODS.items()}
    return SliceCase("series", dose, k, hu, made, truth, pixel_mm=PIXEL_MM, truth_hu=truth)


@pytest.fixture(scope="module")
def rows():
    inserts = {
        (f"{100 * dose:g} %", dose): [
            one for k in range(5) for one in insert_disks(case_of(k, dose), METHODS, PLAN, 3, k, noise_free=True)
        ]
        for dose in DOSES
    }
    return detectability_rows(inserts, PLAN)


def d_prime(rows, dose: float, observer: str, method: str = "input"):
    task = PLAN.detection[0]
    return Table(rows).record("detectability", f"{100 * dose:g} %", dose, method, task, observer)


@pytest.mark.parametrize("observer", [CHO_KNOWN, NPW_KNOWN])
@pytest.mark.parametrize(("low", "high"), [(0.25, 0.5), (0.5, 1.0)])
def test_twice_the_dose_is_a_d_prime_of_the_root_of_two(rows, observer, low, high):
    before, after = d_prime(rows, low, observer), d_prime(rows, high, observer)
    assert after["low"] < np.sqrt(2.0) * before["d_prime"] < after["high"]
    assert after["low"] / before["high"] < np.sqrt(2.0) < after["high"] / before["low"]


def test_known_backgrounds_give_the_closed_form_in_white_noise(rows):
    task = PLAN.detection[0]
    for dose in DOSES:
        found = d_prime(rows, dose, NPW_KNOWN)
        exact = task.contrast_hu * np.sqrt(np.pi * dose) * task.radius_mm / PIXEL_MM[0] / FULL_DOSE_HU
        assert found["low"] < exact < found["high"]


def test_without_the_background_anatomy_counts_as_noise_and_more_dose_gains_less(rows):
    gains = {
        observer: d_prime(rows, 1.0, observer)["d_prime"] / d_prime(rows, 0.25, observer)["d_prime"]
        for observer in (NPW, NPW_KNOWN)
    }
    assert gains[NPW_KNOWN] == pytest.approx(2.0, rel=0.15)
    assert gains[NPW] < 1.5


def test_dose_reduction_is_read_off_the_known_background(rows):
    found = Table(potential_rows(rows, None)).records("potential")
    assert {one["observer"] for one in found} == {CHO_KNOWN, NPW_KNOWN}
    same = [one for one in found if one["method"] == "same"]
    assert all(one["reduction_percent"] == pytest.approx(0.0, abs=1e-6) for one in same)


def test_where_the_noise_is_not_known_there_is_one_d_prime_and_it_is_named(rows):
    case = case_of(0, 0.25)
    bare = SliceCase("s", 0.25, 0, case.input_hu, case.candidates, case.reference_hu, pixel_mm=PIXEL_MM)
    assert mirrored_slice(bare) is None
    inserts = {("25 %", 0.25): insert_disks(bare, METHODS, PLAN, 3, 0, noise_free=False)}
    assert {one.observer for one in detectability_rows(inserts, PLAN)} == {CHO, NPW}


def test_inserted_noise_stands_for_all_of_the_noise():
    rng = np.random.default_rng(3)
    own, inserted = rng.normal(0.0, 15.0, (2, SIZE_PX, SIZE_PX)) * np.array([1.0, np.sqrt(3.0)])[:, None, None]
    full = anatomy_hu(1) + own
    case = SliceCase(
        "s", 0.25, 0, full + inserted, {"half": 0.5 * (full + inserted)}, full, inserted_noise=InsertedNoise(1 / 3)
    )
    mirrored = mirrored_slice(case)
    assert mirrored is not None
    noise = mirrored.noise_hu(case, {"half": 0.5 * mirrored.hu})
    assert noise["input"].std() == pytest.approx(30.0, rel=0.03)
    assert noise["half"].std() == pytest.approx(15.0, rel=0.03)
    assert noise["reference"].std() == pytest.approx(15.0, rel=0.03)
    assert abs(np.corrcoef(noise["input"].ravel(), anatomy_hu(1).ravel())[0, 1]) < 0.02
