"""The error against a truth that no scan shows, on simulated pairs whose truth is known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2b_ct.evaluation import truth_error
from n2b_ct.evaluation.assemble import assemble
from n2b_ct.evaluation.cases import CaseSource, SliceCase
from n2b_ct.evaluation.measures import measure_slice
from n2b_ct.evaluation.measuring import MeasurementOptions, measure_sources
from n2b_ct.evaluation.summary import root_statistic
from n2b_ct.evaluation.truth_error import InsertedNoise, inserted_noise, truth_region
from n2b_ct.hu import WINDOWS
from n2b_ct.simulation.dose import STANDARD, kernel_blur, scan
from tests.report_rows import value_of

WINDOW = {"abdomen": WINDOWS["abdomen"]}
SIZE_PX, N_SLICES, DOSE = 144, 6, 0.25


def anatomy_hu(seed: int) -> np.ndarray:
    """A body with organs and fat, HU."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:SIZE_PX, :SIZE_PX] / (SIZE_PX - 1) * 2 - 1
    texture = 12.0 * gaussian_filter(rng.standard_normal(rows.shape), 6.0) / 0.047
    body = np.where(texture > 18.0, -90.0, 50.0 + 0.3 * texture)
    return np.where(np.hypot(rows, 1.2 * cols) < 0.85, body, -1000.0).astype(np.float32)


@cache
def pair(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, full dose and quarter dose of one slice, HU."""
    anatomy = anatomy_hu(seed)
    rng = np.random.default_rng(seed)
    full, quarter = scan(anatomy, (1.0, DOSE), pixel_mm=1.6, photons=2e4, electronic_variance=0.0, rng=rng)
    return kernel_blur(anatomy, STANDARD), full, quarter


def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    return [(quarter, full) for _, full, quarter in map(pair, range(N_SLICES))]


def sources() -> list[CaseSource]:
    found = []
    for k in range(N_SLICES):
        _, full, quarter = pair(k)
        one = SliceCase("A", DOSE, k, quarter, {}, full)
        found.append(CaseSource("A", k, DOSE, None, lambda one=one: (one, [])))
    return found


DENOISERS = {
    "blur": lambda hu: gaussian_filter(hu, 1.0),
    "half": lambda hu: 0.5 * hu + 0.5 * gaussian_filter(hu, 1.5),
}


@cache
def summary_of(reference_dose: float | None = 1.0):
    how = MeasurementOptions(WINDOW, reference_dose=reference_dose, n_workers=1)
    return assemble(measure_sources(sources(), DENOISERS, how, inserting=False), how, ("blur",))


def true_error_hu(denoise, k: int) -> float:
    truth, full, quarter = pair(k)
    return float(np.sqrt(np.mean((denoise(quarter) - truth)[truth_region(full, WINDOWS["abdomen"])] ** 2)))


def test_ideal_insertion_has_the_factor_of_its_dose_and_independent_noises():
    found = inserted_noise(pairs(), DOSE)
    assert found.factor == pytest.approx(DOSE / (1.0 - DOSE), abs=0.04)
    assert found.covariance == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize("method", ["input", *DENOISERS])
def test_the_estimate_is_the_true_error_within_its_interval(method):
    summary = summary_of()
    interval = summary.interval(summary.levels[0], method, "truth_error_hu")
    denoise = DENOISERS.get(method, lambda hu: hu)
    true = np.sqrt(np.mean([true_error_hu(denoise, k) ** 2 for k in range(N_SLICES)]))
    assert interval.low < true < interval.high
    assert interval.mean == pytest.approx(true, rel=0.03)
    assert interval.high - interval.low < 0.25 * true


def test_the_error_against_the_reference_is_another_one():
    summary = summary_of()
    truth = summary.mean(summary.levels[0], "input", "truth_error_hu").mean
    region = {k: truth_region(pair(k)[1], WINDOWS["abdomen"]) for k in range(N_SLICES)}
    squares = [np.mean((quarter - full)[region[k]] ** 2) for k, (quarter, full) in enumerate(pairs())]
    against_reference = np.sqrt(np.mean(squares))
    assert truth == pytest.approx(against_reference * np.sqrt(4 / 3), rel=0.05)


def test_two_scans_of_the_same_anatomy_are_no_inserted_noise():
    found = [(pair(k)[2], kernel_blur(anatomy_hu(k), STANDARD) + pair(k + 10)[1] - pair(k + 10)[0]) for k in range(3)]
    assert inserted_noise(found, DOSE) == InsertedNoise(
        None, pytest.approx(-0.25, abs=0.1), truth_error.NOT_INSERTED, pytest.approx(0.0, abs=0.05)
    )


def test_another_dose_than_the_noise_shows_is_refused():
    assert inserted_noise(pairs(), 0.05).remark == truth_error.NOT_INSERTED


def test_a_pair_without_noise_between_them_is_refused():
    assert inserted_noise([(full, full) for _, full in pairs()], DOSE).remark == truth_error.NOT_INSERTED


@pytest.mark.parametrize("dose", [None, 1.0, 2.0])
def test_without_a_lower_dose_there_is_no_estimate(dose):
    assert inserted_noise(pairs(), dose).remark == truth_error.UNKNOWN_DOSE


def test_the_noise_that_both_share_is_known_without_a_dose_too():
    told = inserted_noise(pairs(), DOSE)
    assert inserted_noise(pairs(), None).shared == told.shared == told.factor == pytest.approx(1 / 3, abs=0.1)


def test_too_little_soft_tissue_gives_no_estimate():
    assert (
        inserted_noise([(np.full((64, 64), -900.0), np.full((64, 64), -905.0))], DOSE).remark == truth_error.FEW_REGIONS
    )


def test_a_report_without_an_estimate_says_why():
    summary = summary_of(None)
    assert summary.mean(summary.levels[0], "input", "truth_error_hu").mean is None
    assert f"The error against the truth is not measurable: {truth_error.UNKNOWN_DOSE}." in summary.dropped


def test_a_known_truth_is_measured_against_as_it_is():
    truth, full, quarter = pair(0)
    case = SliceCase("A", DOSE, 0, quarter, {"off": truth + 3.0}, full, truth_hu=truth)
    rows = measure_slice(case, WINDOW)
    assert value_of(rows, "truth_error_hu", "off", "abdomen") == pytest.approx(3.0, rel=1e-6)


def test_a_region_that_is_too_small_has_no_error():
    truth, full, quarter = (image[:30, :30] for image in pair(0))
    case = SliceCase("A", DOSE, 0, quarter, {}, full, truth_hu=truth)
    assert value_of(measure_slice(case, WINDOW), "truth_error_hu", "input", "abdomen") is None


def test_means_of_roots_are_roots_of_mean_squares_and_none_below_zero():
    assert root_statistic([3.0, 4.0, None]).mean == pytest.approx(np.sqrt(12.5))
    assert root_statistic([-1.0, 3.0]).mean == pytest.approx(2.0)
    assert root_statistic([-3.0, 1.0]).mean is None


def test_the_estimate_by_hand():
    reference, inserted = np.array([0.0, 2.0]), np.array([4.0, -4.0])
    found = InsertedNoise(0.25, 0.05).squared_error_hu2(np.array([1.0, 1.0]), reference, inserted)
    assert found == pytest.approx(((1 + 1) ** 2 + (1 - 3) ** 2) / 2 - 1.25 * 0.2 * 16.0)
