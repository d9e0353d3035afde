"""Bootstrap intervals and paired tests: coverage on known distributions, and against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from n2b_ct.errors import DataError
from n2b_ct.evaluation.intervals import MIN_PATIENTS, N_RESAMPLES, compare_paired, holm, mean_interval


def test_the_interval_is_scipys_bca_interval() -> None:
    values = np.random.default_rng(0).exponential(3.0, 40)
    ours = mean_interval(list(values), seed=1)
    expanded = 2.0 * stats.norm.cdf(stats.t.ppf(0.975, 39) * np.sqrt(40 / 39)) - 1.0
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20000, method="BCa", rng=2, confidence_level=expanded
    ).confidence_interval
    # a quantile from B resamples: √(p(1 − p)/B) / density at 1.96 σ, of both, five times
    error = 5.0 * np.sqrt(0.025 * 0.975 * (1 / N_RESAMPLES + 1 / 20000)) / stats.norm.pdf(1.96)
    width = values.std(ddof=1) / np.sqrt(40)
    assert ours.low == pytest.approx(theirs.low, abs=error * width)
    assert ours.high == pytest.approx(theirs.high, abs=error * width)
    assert ours.mean == pytest.approx(values.mean())


@pytest.mark.parametrize("shape", ["normal", "skewed"])
def test_the_interval_holds_the_true_mean_about_nineteen_times_of_twenty(shape: str) -> None:
    rng, runs = np.random.default_rng(4), 600
    hits = 0
    for _ in range(runs):
        values = rng.normal(1.0, 1.0, 60) if shape == "normal" else rng.exponential(1.0, 60)
        found = mean_interval(list(values))
        hits += found.low <= 1.0 <= found.high
    assert stats.binomtest(hits, runs, 0.95).pvalue > 1e-3


def test_the_interval_of_few_values_is_as_wide_as_students() -> None:
    rng, runs = np.random.default_rng(11), 400
    widths = []
    for _ in range(runs):
        values = rng.normal(size=10)
        found = mean_interval(list(values))
        widths.append((found.high - found.low) / (2.0 * stats.t.ppf(0.975, 9) * stats.sem(values)))
    assert np.mean(widths) == pytest.approx(1.0, abs=0.03)  # ten values have lighter tails than the normal's


def test_whole_patients_are_resampled_where_there_are_enough() -> None:
    """Slices of a patient share the patient's shift: counting them as independent would be far too sure."""
    rng, runs, hits, widths = np.random.default_rng(5), 400, 0, []
    for _ in range(runs):
        shifts = np.repeat(rng.normal(0.0, 1.0, 15), 10)
        values = list(shifts + rng.normal(0.0, 0.3, 150))
        by_patient = mean_interval(values, [f"s{i // 10}" for i in range(150)])
        hits += by_patient.low <= 0.0 <= by_patient.high
        widths.append((by_patient.high - by_patient.low) / (2 * 1.96 * np.sqrt(1.0 / 15)))
        assert (by_patient.unit, by_patient.n_patients) == ("patients", 15)
    assert stats.binomtest(hits, runs, 0.95).pvalue > 1e-3
    # Student's interval of 15 means of variance 1 + 0.3²/10; a deviation from 15 values comes out 1.8 % low
    exact = stats.t.ppf(0.975, 14) / 1.96 * np.sqrt(1.009) * 0.982
    assert np.mean(widths) == pytest.approx(exact, rel=4.0 / np.sqrt(2 * 14 * runs))


def test_with_few_patients_slices_are_resampled_inside_each() -> None:
    """The difference between two patients is no part of the interval: it speaks of these two only."""
    rng = np.random.default_rng(6)
    values = [*rng.normal(0.0, 1.0, 50), *rng.normal(100.0, 1.0, 50)]
    found = mean_interval(values, ["a"] * 50 + ["b"] * 50)
    assert (found.unit, found.n_patients) == ("slices", 2)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 1.0 / np.sqrt(100), rel=0.25)


def test_the_unit_changes_at_the_stated_number_of_patients() -> None:
    values = list(np.arange(12.0))
    for n_patients, unit in ((MIN_PATIENTS - 1, "slices"), (MIN_PATIENTS, "patients")):
        assert mean_interval(values, [k % n_patients for k in range(12)]).unit == unit


def test_a_patient_weighs_as_many_slices_as_there_are() -> None:
    found = mean_interval([1.0] * 30 + [4.0] * 10, ["a"] * 30 + ["b"] * 10)
    assert found.mean == pytest.approx(1.75)


def test_slices_without_a_finite_value_are_counted_not_averaged() -> None:
    found = mean_interval([30.0, np.inf, 32.0, None, float("nan"), 31.0])
    assert (found.mean, found.n, found.n_excluded) == (31.0, 3, 3)
    assert 30.0 <= found.low <= found.high <= 32.0


def test_one_slice_of_each_of_few_patients_leaves_nothing_to_resample() -> None:
    found = mean_interval([1.0, 2.0, 3.0], ["a", "b", "c"])
    assert (found.mean, found.low, found.high) == (2.0, None, None)
    assert mean_interval([1.0, 2.0, 4.0], ["a", "b", "b"]).low is not None


@pytest.mark.parametrize(("values", "mean"), [([], None), ([None, np.inf], None), ([7.0], 7.0)])
def test_too_few_values_have_no_interval(values, mean) -> None:
    found = mean_interval(values)
    assert (found.mean, found.low, found.high) == (mean, None, None)


def test_equal_values_have_an_interval_of_no_width() -> None:
    found = mean_interval([2.5] * 9)
    assert (found.low, found.high) == (2.5, 2.5)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = list(np.random.default_rng(7).normal(size=25))
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3)
    assert mean_interval(values, seed=3).low != mean_interval(values, seed=4).low


def test_pairs_are_compared_slice_by_slice() -> None:
    rng = np.random.default_rng(8)
    slices = rng.normal(30.0, 5.0, 60)  # slices differ far more than methods do
    method, other = slices + 0.5 + rng.normal(0.0, 0.2, 60), slices
    found = compare_paired(list(method), list(other))
    assert found.difference.mean == pytest.approx(np.mean(method - other))
    assert 0.4 < found.difference.low < found.difference.high < 0.6
    assert found.p_value == pytest.approx(stats.wilcoxon(method, other).pvalue)
    assert found.p_value < 1e-6


def test_p_of_no_difference_is_uniform() -> None:
    rng = np.random.default_rng(9)
    p = [compare_paired(list(rng.normal(size=20)), list(rng.normal(size=20))).p_value for _ in range(200)]
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_with_enough_patients_the_tests_are_of_their_means() -> None:
    rng = np.random.default_rng(10)
    shifts = rng.normal(0.0, 1.0, 8)
    series = np.repeat(np.arange(8), 25)
    method = shifts[series] + rng.normal(0.0, 0.05, 200)
    found = compare_paired(list(method), [0.0] * 200, list(series))
    means = [method[series == k].mean() for k in range(8)]
    assert found.p_value == pytest.approx(stats.wilcoxon(means).pvalue)
    assert found.p_student == pytest.approx(stats.ttest_1samp(means, 0.0).pvalue)


def test_below_six_patients_nothing_is_tested() -> None:
    method = np.random.default_rng(12).normal(5.0, 0.1, 100)
    found = compare_paired(list(method), [0.0] * 100, [k % (MIN_PATIENTS - 1) for k in range(100)])
    assert (found.difference.unit, found.p_value, found.p_student) == ("slices", None, None)


def test_holm_multiplies_the_smallest_p_by_their_number_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])  # Holm 1979, by hand
    assert holm([0.7, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_pair_with_one_missing_value_is_left_out_of_both() -> None:
    found = compare_paired([1.0, np.inf, 3.0, 5.0], [0.0, 1.0, None, 2.0])
    assert (found.difference.n, found.difference.n_excluded) == (2, 2)
    assert found.difference.mean == pytest.approx(2.0)


def test_identical_methods_do_not_differ() -> None:
    found = compare_paired([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert (found.difference.mean, found.p_value) == (0.0, 1.0)
    assert compare_paired([None], [1.0]).p_value is None


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(DataError, match="both methods need the same slices, got 2 and 1"):
        compare_paired([1.0, 2.0], [1.0])
    with pytest.raises(DataError, match="every value needs its patient, got 2 values, 1 names"):
        mean_interval([1.0, 2.0], ["a"])
