"""Intervals on every mean and paired tests, from rows whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from n2b_ct.evaluation.intervals import compare_paired, mean_interval
from n2b_ct.evaluation.report import SliceMeasure, summarise
from n2b_ct.evaluation.report.certainty import certainty_of
from n2b_ct.hu import WINDOWS

TWO = {name: WINDOWS[name] for name in ("abdomen", "lung")}
PSNR = {"input": 28.0, "gaussian": 27.0, "nlm": 30.0, "n2b": 31.0}
NOISE = {"input": 30.0, "gaussian": 10.0, "nlm": 12.0, "n2b": 15.0}


def rows(n_series: int = 1, reference: bool = True) -> list[SliceMeasure]:
    rng = np.random.default_rng(0)
    return [
        SliceMeasure(
            dose=dose,
            series=f"s{s}",
            slice_index=k,
            position_mm=None,
            method=method,
            window=window,
            psnr_db=psnr + rng.normal(0.0, 0.2) if reference else None,
            ssim=0.8 if reference else None,
            rmse_hu=10.0 if reference else None,
            identical=False,
            noise_std_hu=NOISE[method] + rng.normal(0.0, 0.1),
            hu_bias_hu=0.5,
            class_bias_hu={"soft": 0.4, "bone": None},
        )
        for dose in (0.1, 0.25)
        for s in range(n_series)
        for k in range(8)
        for method, psnr in PSNR.items()
        for window in (TWO if reference else ["abdomen"])
    ]


def values(own: list[SliceMeasure], method: str, dose: float) -> list[float | None]:
    return [r.psnr_db for r in own if (r.method, r.dose, r.window) == (method, dose, "abdomen")]


def test_every_mean_has_the_interval_of_its_slices():
    own = rows()
    certainty = certainty_of(summarise(own, TWO), own)
    assert certainty.intervals["10 %", "nlm", "abdomen", "psnr_db"] == mean_interval(values(own, "nlm", 0.1))
    assert certainty.intervals["all doses", "nlm", "lung", "rmse_hu"].mean == pytest.approx(10.0)
    assert certainty.intervals["10 %", "n2b", "abdomen", "hu_bias_soft_hu"].mean == pytest.approx(0.4)
    assert certainty.intervals["10 %", "n2b", "abdomen", "hu_bias_bone_hu"].mean is None
    assert certainty.intervals["10 %", "n2b", "abdomen", "noise_reduction_percent"].mean == pytest.approx(50.0, abs=1)
    assert ("10 %", "n2b", "lung", "noise_std_hu") not in certainty.intervals


def test_a_model_is_tested_against_the_input_and_the_best_baseline():
    own = rows()
    certainty = certainty_of(summarise(own, TWO), own)
    assert {best.name for best in certainty.best_baselines.values()} == {"nlm"}
    found = {
        (one.level, one.against_role): one
        for one in certainty.comparisons
        if (one.method, one.window, one.measure) == ("n2b", "abdomen", "psnr_db")
    }
    one = found["10 %", "best baseline"]
    expected = compare_paired(values(own, "n2b", 0.1), values(own, "nlm", 0.1))
    assert (one.against, one.difference, one.p_value) == ("nlm", expected.difference, expected.p_value)
    assert one.better is True
    assert found["10 %", "input"].difference.mean == pytest.approx(3.0, abs=0.3)


def test_worse_and_undecided_are_said_as_such_and_less_noise_is_better():
    own = rows()
    certainty = certainty_of(summarise(own, TWO), own)
    found = {
        (one.method, one.measure): one.better
        for one in certainty.comparisons
        if (one.level, one.window, one.against_role) == ("25 %", "abdomen", "input")
    }
    assert found["gaussian", "psnr_db"] is False
    assert found["n2b", "ssim"] is None
    assert found["n2b", "noise_std_hu"] is True


def test_without_a_reference_the_best_baseline_is_the_strongest_one_and_says_so():
    own = rows(reference=False)
    certainty = certainty_of(summarise(own, TWO), own)
    assert {(best.name, best.by) for best in certainty.best_baselines.values()} == {("gaussian", "noise reduction")}
    assert {one.measure for one in certainty.comparisons} == {"noise_std_hu"}


def test_series_have_their_own_lines():
    own = rows(n_series=2)
    certainty = certainty_of(summarise(own, TWO), own)
    lines = [one for one in certainty.per_series if (one.method, one.window) == ("n2b", "abdomen")]
    assert [(one.dose, one.series, one.n_slices) for one in lines] == [
        (0.1, "s0", 8),
        (0.1, "s1", 8),
        (0.25, "s0", 8),
        (0.25, "s1", 8),
    ]
    first = [r.psnr_db for r in own if (r.method, r.dose, r.window, r.series) == ("n2b", 0.1, "abdomen", "s0")]
    assert lines[0].measures["psnr_db"].mean == pytest.approx(np.mean(first))
