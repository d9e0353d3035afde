"""Many slices through all measures: in order, in threads, and with faults that cost no more than themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from n2b_ct.errors import DataError
from n2b_ct.evaluation.assemble import assemble
from n2b_ct.evaluation.cases import CaseSource, SliceCase, fault_lines
from n2b_ct.evaluation.measuring import MeasurementOptions, Measurements, measure_sources
from n2b_ct.hu import WINDOWS

HOW = MeasurementOptions({"abdomen": WINDOWS["abdomen"]}, n_workers=2)
PIXEL_MM = (0.8, 0.8)


def truth_hu(size_px: int = 96) -> np.ndarray:
    rows, cols = np.mgrid[:size_px, :size_px] - size_px / 2
    return np.where(np.hypot(rows, cols) < 0.46 * size_px, 50.0, -1000.0)


def case(k: int, dose: float = 0.25, **changes) -> SliceCase:
    noise = np.random.default_rng(k).normal(0.0, 10.0 / np.sqrt(dose), (96, 96))
    values = {
        "series": "series",
        "dose": dose,
        "slice_index": k,
        "input_hu": truth_hu() + noise,
        "candidates": {},
        "reference_hu": truth_hu(),
        "pixel_mm": PIXEL_MM,
    }
    return SliceCase(**{**values, **changes})


def source(one: SliceCase) -> CaseSource:
    return CaseSource(one.series, one.slice_index, one.dose, one.pixel_mm, lambda: (one, []))


def unreadable() -> tuple[SliceCase, list]:
    raise DataError("pixels: must be whole, got half; copy it again")


def half(hu: np.ndarray) -> np.ndarray:
    return 0.5 * (hu + truth_hu())


def test_results_come_in_the_order_of_the_slices_whatever_the_threads_do():
    told: list[tuple[int, int, str]] = []
    cases = [case(k) for k in range(7)]
    measured = measure_sources(list(map(source, cases)), {"half": half}, HOW, lambda *step: told.append(step))
    alone = measure_sources(list(map(source, cases)), {"half": half}, MeasurementOptions(HOW.windows, n_workers=1))
    order = [row.slice_index for row in measured.rows if (row.method, row.measure) == ("input", "noise_std_hu")]
    assert order == list(range(7))
    assert measured.rows == alone.rows
    assert [panel.case.slice_index for panel in measured.panels] == [3]
    of_slices = [step for step in told if step[2] != "by half"]
    assert [step[0] for step in of_slices] == list(range(1, 8))
    assert len(told) > len(of_slices)  # a denoiser that takes minutes says that it is at work


def test_a_nan_a_wrong_size_and_a_constant_candidate_cost_only_themselves():
    nan = np.where(truth_hu() > 0, np.nan, truth_hu())
    bad = case(0, candidates={"nan": nan, "small": truth_hu(64), "flat": np.zeros((96, 96)), "good": truth_hu()})
    measured = measure_sources([source(bad)], {}, HOW)
    assert {row.method for row in measured.rows} == {"input", "flat", "good", "reference"}
    lines = fault_lines(measured.faults)
    assert "series, nan: HU must be finite, got NaN or infinity in slice 0; left out" in lines[0]
    assert "series, small: compared slices must share one size, got 64x64 and 96x96 in slice 0" in lines[1]
    assert "series, flat: a scan is never constant, got one value in slice 0; kept" in lines[2]


def test_a_bad_reference_drops_the_fidelity_of_its_slice_alone():
    cases = [case(0, reference_hu=np.full((96, 96), np.inf)), case(1)]
    measured = measure_sources(list(map(source, cases)), {}, HOW)
    known = [row.value is not None for row in measured.rows if (row.method, row.measure) == ("input", "psnr_db")]
    assert known == [False, True]


def test_faults_of_many_slices_become_one_line():
    cases = [case(k, candidates={"n2b": np.full((96, 96), np.nan)}) for k in range(3)]
    measured = measure_sources(list(map(source, cases)), {}, HOW)
    (line,) = fault_lines(measured.faults)
    assert "got NaN or infinity in 3 slices, the first 0" in line


def test_a_slice_that_cannot_be_read_is_left_out_and_nothing_at_all_is_an_error():
    lost = CaseSource("series", 1, 0.25, PIXEL_MM, unreadable)
    measured = measure_sources([source(case(0)), lost], {}, HOW)
    assert {row.slice_index for row in measured.rows} == {0}
    with pytest.raises(DataError, match="must be readable, got pixels: must be whole"):
        measure_sources([lost], {}, HOW)
    with pytest.raises(DataError, match="at least one slice is needed"):
        measure_sources([], {}, HOW)


def whole(doses: tuple[float, ...], **options) -> tuple[Measurements, MeasurementOptions]:
    how = MeasurementOptions(HOW.windows, n_workers=2, **options)
    cases = [case(k, dose) for dose in doses for k in range(3)]
    return measure_sources(list(map(source, cases)), {"half": half}, how), how


def test_a_summary_says_what_it_has_and_what_was_dropped():
    measured, how = whole((0.1, 0.25))
    summary = assemble(measured, how, (), reference_dose=1.0)
    assert summary.problems == ()
    texture = {(one["level"], one["method"]): one for one in summary.table.records("texture")}
    assert set(texture) == {(d, m) for d in ("10 %", "25 %") for m in ("input", "half", "reference")}
    assert texture["25 %", "half"]["noise_reduction_percent"].mean == pytest.approx(50.0)
    assert texture["25 %", "half"]["mean_frequency_shift_percent"].mean == pytest.approx(0.0, abs=1e-9)
    assert {one["observer"] for one in summary.table.records("detectability")} == {"cho", "npw"}
    assert any("need a noise-free truth" in sentence for sentence in summary.dropped)
    level = summary.levels[0]
    interval = summary.interval(level, "half", "psnr_db")
    assert interval.mean == pytest.approx(summary.mean(level, "half", "psnr_db").mean)
    assert interval.low < interval.mean < interval.high


def test_a_noise_free_reference_allows_the_checks_that_need_one():
    measured, how = whole((0.25,), noise_free_reference=True)
    summary = assemble(measured, how, ())
    assert summary.table.get("texture", "source", "25 %", "half") == "method − reference in flat regions"
    assert summary.table.record("texture", "25 %", "reference") == {}
    (invented,) = summary.table.records("hallucination")
    assert (invented["method"], invented["warns"]) == ("half", False)
    assert not any("noise-free truth" in sentence for sentence in summary.dropped)
    assert any("two or more known doses" in sentence for sentence in summary.dropped)


def test_without_an_input_the_anchor_takes_its_place_and_the_summary_says_so():
    one = case(0, input_hu=truth_hu() + 1.0, reference_hu=truth_hu() + 1.0, anchor="reference")
    shifted = replace(one, candidates={"n2b": truth_hu()})
    measured = measure_sources([source(shifted)], {}, HOW)
    summary = assemble(measured, HOW, (), anchor="reference")
    assert set(summary.roles) == {"n2b", "reference"}
    assert summary.mean(summary.levels[0], "n2b", "hu_bias_hu").mean == pytest.approx(-1.0)
    assert summary.mean(summary.levels[0], "n2b", "rmse_hu").mean == pytest.approx(1.0, rel=0.5)
    assert any("noisy input is not known" in sentence for sentence in summary.dropped)
