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


def rows(n_series: int = 1, reference: bool = True) -> list[Row]:
    rng = np.random.default_rng(0)
    return [
        row
        for dose in (0.1, 0.25)
        for s in range(n_series)
        for k in range(8)
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


def summary_of(own: list[Row]) -> Summary:
    plain = summarise(own, TWO)
    return replace(plain, table=Table((*plain.table.rows, *uncertainty_rows(plain))))


def interval(summary: Summary, level: str, method: str, window: str, measure: str) -> MeanInterval | None:
    return summary.table.get("intervals", measure, level, method, window)


def comparisons(summary: Summary) -> list[Row]:
    return summary.table.of_part("comparisons")


def test_every_mean_has_the_interval_of_its_slices():
    own = rows()
    summary = summary_of(own)
    assert interval(summary, "10 %", "nlm", "abdomen", "psnr_db") == mean_interval(values(own, "nlm", 0.1))
    assert interval(summary, "all doses", "nlm", "lung", "rmse_hu").mean == pytest.approx(10.0)
    assert interval(summary, "10 %", "n2b", "", "hu_bias_soft_hu").mean == pytest.approx(0.4)
    assert interval(summary, "10 %", "n2b", "", "hu_bias_bone_hu").mean is None
    assert interval(summary, "10 %", "n2b", "", "noise_reduction_percent").mean == pytest.approx(50.0, abs=1)
    assert interval(summary, "10 %", "n2b", "lung", "noise_std_hu") is None


def test_a_model_is_tested_against_the_input_and_the_best_baseline():
    own = rows()
    summary = summary_of(own)
    assert {best.method for best in summary.table.of_part("best_baselines")} == {"nlm"}
    found = {
        (one.level, against_role(one)): one
        for one in comparisons(summary)
        if (one.method, one.window, one.measure) == ("n2b", "abdomen", "psnr_db")
    }
    one = found["10 %", "best baseline"]
    expected = compare_paired(values(own, "n2b", 0.1), values(own, "nlm", 0.1))
    assert (one.against, one.value) == ("nlm", expected)
    assert is_better(summary, one) is True
    assert found["10 %", "input"].value.difference.mean == pytest.approx(3.0, abs=0.3)


def test_worse_and_undecided_are_said_as_such_and_less_noise_is_better():
    own = rows()
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
