"""Intervals on every mean and paired tests, from rows whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from n2b_ct.evaluation.intervals import MeanInterval, compare_paired, mean_interval
from n2b_ct.evaluation.report import Summary, summarise
from n2b_ct.evaluation.table import Row, Table
from n2b_ct.evaluation.uncertainty import against_role, is_better, uncertainty_rows
from n2b_ct.hu import WINDOWS
from tests.report_rows import slice_rows

TWO = {name: WINDOWS[name] for name in ("abdomen", "lung")}
PSNR = {"input": 28.0, "gaussian": 27.0, "nlm": 30.0, "n2b": 31.0}
NOISE = {"input": 30.0, "gaussian": 10.0, "nlm": 12.0, "n2b": 15.0}


def rows(n_series: int = 1, reference: bool = True, n_slices: int = 8) -> list[Row]:
    rng = np.random.default_rng(0)
    return [
        row
        for dose in (0.1, 0.25)
        for s in range(n_series)
        for k in range(n_slices)
        for method, psnr in PSNR.items()
        for window in (TWO if reference else ["abdomen"])
        for row in slice_rows(
            method,
            window,
            dose=dose,
            series=f"s{s}",
            slice_index=k,
            psnr_db=psnr + rng.normal(0.0, 0.2) if reference else None,
            ssim=0.8 if reference else None,
            rmse_hu=10.0 if reference else None,
            noise_std_hu=NOISE[method] + rng.normal(0.0, 0.1),
            hu_bias_hu=0.5,
            biases={"soft": 0.4, "bone": None},
        )
    ]


def values(own: list[Row], method: str, dose: float, series: str = "s0") -> list[float | None]:
    place = ("psnr_db", method, dose, "abdomen", series)
    return [r.value for r in own if (r.measure, r.method, r.dose, r.window, r.series) == place]


def summary_of(own: list[Row], patients: dict[str, str] | None = None) -> Summary:
    """The summary; each series is of a patient of its own unless it is told otherwise."""
    series = dict.fromkeys(row.series for row in own)
    plain = summarise(own, TWO, patients={name: f"patient {name}" for name in series} if patients is None else patients)
    return replace(plain, table=Table((*plain.table.rows, *uncertainty_rows(plain))))


def interval(summary: Summary, level: str, method: str, window: str, measure: str) -> MeanInterval | None:
    return summary.table.get("intervals", measure, level, method, window)


def comparisons(summary: Summary) -> list[Row]:
    return summary.table.of_part("comparisons")


def test_every_mean_has_the_interval_of_its_slices():
    own = rows()
    summary = summary_of(own)
    assert interval(summary, "10 %", "nlm", "abdomen", "psnr_db") == mean_interval(values(own, "nlm", 0.1), ["s0"] * 8)
    assert interval(summary, "all doses", "nlm", "lung", "rmse_hu").mean == pytest.approx(10.0)
    assert interval(summary, "10 %", "n2b", "", "hu_bias_soft_hu").mean == pytest.approx(0.4)
    assert interval(summary, "10 %", "n2b", "", "hu_bias_bone_hu").mean is None
    assert interval(summary, "10 %", "n2b", "", "noise_reduction_percent").mean == pytest.approx(50.0, abs=1)
    assert interval(summary, "10 %", "n2b", "lung", "noise_std_hu") is None


def test_a_model_is_tested_against_the_input_and_the_best_baseline():
    own = rows(6, n_slices=3)
    summary = summary_of(own)
    assert {best.method for best in summary.table.of_part("best_baselines")} == {"nlm"}
    found = {
        (one.level, against_role(one)): one
        for one in comparisons(summary)
        if (one.method, one.window, one.measure) == ("n2b", "abdomen", "psnr_db")
    }
    one = found["10 %", "best baseline"]
    of = [[value for s in range(6) for value in values(own, name, 0.1, f"s{s}")] for name in ("n2b", "nlm")]
    expected = compare_paired(*of, [s for s in range(6) for _ in range(3)])
    assert (one.against, replace(one.value, p_holm=None)) == ("nlm", expected)
    assert one.value.p_holm >= one.value.p_student
    assert is_better(summary, one) is True
    assert found["10 %", "input"].value.difference.mean == pytest.approx(3.0, abs=0.3)


def test_worse_and_undecided_are_said_as_such_and_less_noise_is_better():
    own = rows(6, n_slices=3)
    summary = summary_of(own)
    found = {
        (one.method, one.measure): is_better(summary, one)
        for one in comparisons(summary)
        if (one.level, against_role(one)) == ("25 %", "input") and one.window in ("abdomen", "")
    }
    assert found["gaussian", "psnr_db"] is False
    assert found["n2b", "ssim"] is None
    assert found["n2b", "noise_std_hu"] is True


def test_without_a_reference_the_best_baseline_is_the_strongest_one_and_says_so():
    own = rows(reference=False)
    summary = summary_of(own)
    assert {(best.method, best.value) for best in summary.table.of_part("best_baselines")} == {
        ("gaussian", "noise reduction")
    }
    assert {one.measure for one in comparisons(summary)} == {"noise_std_hu"}


def test_series_have_their_own_lines():
    own = rows(n_series=2)
    summary = summary_of(own)
    series = summary.table.of_part("per_series")
    lines = [one for one in series if (one.measure, one.method, one.window) == ("psnr_db", "n2b", "abdomen")]
    assert [(one.dose, one.series, one.value.n) for one in lines] == [
        (0.1, "s0", 8),
        (0.1, "s1", 8),
        (0.25, "s0", 8),
        (0.25, "s1", 8),
    ]
    assert lines[0].value.mean == pytest.approx(np.mean(values(own, "n2b", 0.1)))


def test_six_series_of_one_patient_decide_nothing_and_six_patients_do():
    own = rows(6, n_slices=3)
    one_patient = summary_of(own, {f"s{k}": "patient 1" for k in range(6)})
    assert {is_better(one_patient, one) for one in comparisons(one_patient)} == {None}
    assert (one_patient.overall.n_series, one_patient.overall.n_patients) == (6, 1)
    assert any(is_better(summary, one) for summary in [summary_of(own)] for one in comparisons(summary))


def test_series_without_a_patient_count_as_one():
    own = rows(7, n_slices=1)
    some = summary_of(own, {"s0": "patient 1", "s1": "patient 2"})
    assert some.overall.n_patients == 3
    assert summary_of(own, {}).overall.n_patients == 1


def test_equal_methods_are_falsely_decided_in_at_most_seven_percent_of_reports():
    """Six patients of 50 slices, neighbours correlated by 0.9, each patient with a difference of its own."""
    rng, runs, wrong = np.random.default_rng(13), 300, 0
    patients = {f"s{p}": f"patient {p}" for p in range(6)}
    template = summary_of(psnr_rows(np.zeros((6, 2))), patients)
    for _ in range(runs):
        noise = rng.normal(size=(6, 50))
        for k in range(1, 50):
            noise[:, k] = 0.9 * noise[:, k - 1] + np.sqrt(1.0 - 0.81) * noise[:, k]
        differences = noise + rng.normal(0.0, 0.5, (6, 1))
        paired = compare_paired(list(differences.ravel()), [0.0] * 300, list(np.repeat(np.arange(6), 50)))
        row = Row("comparisons", "psnr_db", "n2b", replace(paired, p_holm=paired.p_student), against="input")
        wrong += is_better(template, row) is not None
    assert wrong / runs <= 0.07


def psnr_rows(differences: np.ndarray) -> list[Row]:
    return [
        Row("slices", "psnr_db", method, 30.0 + gain * own, series=f"s{p}", slice_index=k, window="abdomen")
        for p, of_patient in enumerate(differences)
        for k, own in enumerate(of_patient)
        for method, gain in (("input", 0.0), ("n2b", 1.0))
    ]
