"""Rows of a slice, their means, and the sentences that the means allow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from n2b_ct.errors import DataError
from n2b_ct.evaluation.fidelity import measure_fidelity
from n2b_ct.evaluation.report import SliceCase, measure_slice, summarise
from n2b_ct.evaluation.report.formatting import listing, mean_sd, number
from n2b_ct.evaluation.report.sentences import notes, summary_sentences
from n2b_ct.evaluation.summary import dose_label, statistic
from n2b_ct.evaluation.table import Row, Table
from n2b_ct.evaluation.uncertainty import uncertainty_rows
from n2b_ct.hu import WINDOWS
from tests.report_rows import FIDELITY, slice_rows, value_of

ONE_WINDOW = {"abdomen": WINDOWS["abdomen"]}
TWO_WINDOWS = {name: WINDOWS[name] for name in ("abdomen", "lung")}


def row(method: str, psnr_db: float | None, ssim: float | None, dose: float | None = 0.1, k: int = 0, **changes):
    values = {
        "psnr_db": psnr_db,
        "ssim": ssim,
        "rmse_hu": None if psnr_db is None else 400.0 * 10 ** (-psnr_db / 20),
        "noise_std_hu": {"input": 30.0, "reference": 15.0}.get(method, 10.0),
        "hu_bias_hu": 0.5,
        "biases": {"soft": 0.4, "bone": -8.36},
    }
    series = changes.pop("series", "series")
    return slice_rows(method, dose=dose, series=series, slice_index=k, **(values | changes))


def good_rows(n2b_loss_db: float = 0.0) -> list[Row]:
    """Two doses, two slices each; at 10 % n2b may lose some PSNR."""
    scores = {"input": (28.0, 0.80), "gaussian": (27.0, 0.82), "nlm": (30.0, 0.85), "n2b": (31.5, 0.89)}
    rows = [
        row(method, psnr + step - (n2b_loss_db if (method, dose) == ("n2b", 0.1) else 0.0), ssim + step / 100, dose, k)
        for dose, level in ((0.05, 0.0), (0.1, 1.0))
        for k in range(2)
        for method, (psnr, ssim) in scores.items()
        for step in (level + 0.4 * k,)
    ]
    return flat([*rows, row("reference", None, None)])


def flat(rows: list[list[Row]]) -> list[Row]:
    return [one for own in rows for one in own]


@pytest.fixture
def case() -> SliceCase:
    rng = np.random.default_rng(1)
    truth = np.full((96, 96), 50.0)
    noisy = truth + rng.normal(0.0, 20.0, truth.shape)
    return SliceCase("series A", 0.1, 4, noisy, {"n2b": 0.5 * (truth + noisy) + 1.0}, truth, -12.5)


def test_a_slice_gives_a_row_per_method_and_window_and_the_reference_its_own(case: SliceCase) -> None:
    rows = measure_slice(case, TWO_WINDOWS)
    assert [(r.method, r.window) for r in rows if r.measure == "psnr_db"] == [
        ("input", "abdomen"),
        ("input", "lung"),
        ("n2b", "abdomen"),
        ("n2b", "lung"),
        ("reference", "abdomen"),
    ]
    expected = measure_fidelity(case.reference_hu, case.candidates["n2b"], WINDOWS["lung"])
    found = [value_of(rows, measure, "n2b", "lung") for measure in ("psnr_db", "ssim", "rmse_hu")]
    assert found == [expected.psnr_db, expected.ssim, expected.rmse_hu]
    assert value_of(rows, "psnr_db", "reference", "abdomen") is None


def test_noise_and_bias_of_a_row_are_those_of_the_flat_regions(case: SliceCase) -> None:
    rows = measure_slice(case, ONE_WINDOW)
    assert value_of(rows, "noise_std_hu", "input") == pytest.approx(20.0, rel=0.08)
    assert value_of(rows, "noise_std_hu", "n2b") == pytest.approx(
        0.5 * value_of(rows, "noise_std_hu", "input"), rel=1e-9
    )
    assert value_of(rows, "hu_bias_hu", "input") == 0.0
    assert value_of(rows, "hu_bias_soft_hu", "n2b") == pytest.approx(1.0, abs=0.5)
    assert value_of(rows, "hu_bias_bone_hu", "n2b") is None


def test_without_a_reference_a_slice_has_noise_but_no_fidelity(case: SliceCase) -> None:
    rows = measure_slice(replace(case, reference_hu=None), TWO_WINDOWS)
    assert list(dict.fromkeys(r.method for r in rows)) == ["input", "n2b"]
    assert {r.value for r in rows if r.measure in FIDELITY} == {None}
    assert value_of(rows, "noise_std_hu", "input") > 0.0
    assert not summarise(rows, TWO_WINDOWS).has_reference


def test_a_nan_candidate_is_named_with_its_slice(case: SliceCase) -> None:
    broken = replace(case, candidates={"n2b": np.full((96, 96), np.nan)})
    with pytest.raises(DataError, match=r"series A, slice 4, n2b: HU must be finite, got 9216 NaN or infinite"):
        measure_slice(broken, ONE_WINDOW)


def test_a_method_must_not_be_called_input(case: SliceCase) -> None:
    with pytest.raises(DataError, match=r"slice 4: input is no method's name, got a method input; "):
        measure_slice(replace(case, candidates={"input": case.input_hu}), ONE_WINDOW)


def test_means_and_deviations_equal_numpy_per_dose_and_overall() -> None:
    rows = good_rows()
    summary = summarise(rows, ONE_WINDOW)
    assert [level.label for level in summary.columns] == ["5 %", "10 %", "all doses"]
    for level in summary.columns:
        values = [r.value for r in rows if (r.method, r.measure) == ("n2b", "psnr_db") and level.dose in (None, r.dose)]
        found = summary.mean(level, "n2b", "psnr_db")
        assert found.mean == pytest.approx(np.mean(values))
        assert found.sd == pytest.approx(np.std(values, ddof=1))
        assert found.n == len(values)


def test_differences_to_the_input_are_paired_by_slice() -> None:
    result = summarise(good_rows(), ONE_WINDOW)
    delta = result.mean(result.overall, "n2b", "delta_psnr_db")
    assert delta.mean == pytest.approx(3.5)
    assert delta.sd == pytest.approx(0.0, abs=1e-9)
    reduction = result.mean(result.overall, "n2b", "noise_reduction_percent")
    assert reduction.mean == pytest.approx(100 * (1 - 10 / 30))


def test_one_slice_has_no_deviation_and_an_identical_one_is_counted_not_averaged() -> None:
    one = statistic([31.0])
    assert (one.mean, one.sd, one.n, one.n_excluded) == (31.0, None, 1, 0)
    two = statistic([31.0, None])
    assert (two.mean, two.sd, two.n, two.n_excluded) == (31.0, None, 1, 1)
    assert statistic([]).mean is None


def test_roles_order_the_methods_and_the_dose_levels_rise() -> None:
    rows = [row("n2b", 31.0, 0.9, dose) for dose in (None, 0.5, 0.1)]
    rows += [row(name, 30.0, 0.8, 0.1) for name in ("nlm", "reference", "input")]
    rows += [row("input", 30.0, 0.8, dose) for dose in (None, 0.5)]
    summary = summarise(flat(rows), ONE_WINDOW)
    assert list(summary.roles.items()) == [
        ("input", "input"),
        ("nlm", "baseline"),
        ("n2b", "model"),
        ("reference", "reference"),
    ]
    assert [level.label for level in summary.levels] == ["10 %", "50 %", "dose unknown"]


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match=r"report: at least one slice is needed, got none; "):
        summarise([], ONE_WINDOW)


def test_a_model_that_wins_everywhere_is_said_to_win() -> None:
    sentences = summary_sentences(summarise(good_rows(), ONE_WINDOW))
    assert len(sentences) == 3
    assert (
        "4 slices of 1 series (patient unknown) at 2 dose levels, in the window abdomen [-160, 240] HU" in sentences[0]
    )
    assert "n2b raises PSNR from 28.70 to 32.20 dB (+3.50) and SSIM from 0.807 to 0.897 (+0.090)" in sentences[0]
    assert "lowers noise from 30.0 to 10.0 HU (−67 %, mean over slices)" in sentences[0]
    assert "−8.4 HU in bone" in sentences[1]
    lead = "n2b has a higher mean PSNR and SSIM at every dose level, a lead that is not decided"
    assert lead in sentences[2]
    assert "nlm, reaches 30.70 dB, SSIM 0.857" in sentences[2]
    assert sentences[2].endswith("all of it holds for this patient only and says nothing about other patients.")


def test_a_model_scores_above_the_baselines_where_that_is_decided() -> None:
    """Eight patients, and a lead of 1.5 dB that each of them shows."""
    rng = np.random.default_rng(5)
    rows = [
        row(method, psnr + rng.normal(0.0, 0.1), ssim + rng.normal(0.0, 0.001), series=f"s{p}", k=k)
        for p in range(8)
        for k in range(2)
        for method, psnr, ssim in (("input", 28.0, 0.80), ("nlm", 30.0, 0.85), ("n2b", 31.5, 0.89))
    ]
    plain = summarise(flat(rows), ONE_WINDOW, patients={f"s{p}": f"patient {p}" for p in range(8)})
    summary = replace(plain, table=Table((*plain.table.rows, *uncertainty_rows(plain))))
    sentences = summary_sentences(summary)
    assert sentences[0].startswith("Over 16 slices of 8 series (8 patients), in the window")
    assert "n2b scores above each of them in both PSNR and SSIM (the best by PSNR, nlm, reaches" in sentences[2]
    last = "over 8 patients, and tests are corrected for their number (Holm, each measure for itself)."
    assert sentences[2].endswith(last)


def test_who_the_sentences_speak_of_is_said_where_some_series_name_no_patient() -> None:
    rows = [row(m, p, 0.8, series=s) for s in ("a", "b", "c") for m, p in (("input", 28.0), ("n2b", 30.0))]
    summary = summarise(flat(rows), ONE_WINDOW, patients={"a": "patient 1", "b": "patient 1"})
    assert "(1 patient and series whose patient is unknown)" in summary_sentences(summary)[0]


def test_a_model_below_a_baseline_at_one_dose_is_said_to_lose_there() -> None:
    sentence = summary_sentences(summarise(good_rows(n2b_loss_db=2.0), ONE_WINDOW))[2]
    assert "n2b does not win: nlm is ahead in PSNR by 0.50 dB at 10 %;" in sentence


def test_a_model_that_equals_a_baseline_in_print_does_not_win() -> None:
    rows = [row("input", 28.0, 0.8), row("nlm", 30.001, 0.85), row("n2b", 30.004, 0.86)]
    assert "n2b does not win: nlm has the same PSNR;" in summary_sentences(summarise(flat(rows), ONE_WINDOW))[2]


def test_a_model_worse_than_its_input_is_said_to_lower_and_raise() -> None:
    rows = [row("input", 28.0, 0.8), row("n2b", 25.0, 0.81, noise_std_hu=36.0), row("gaussian", 29.0, 0.82)]
    sentences = summary_sentences(summarise(flat(rows), ONE_WINDOW))
    assert "n2b lowers PSNR from 28.00 to 25.00 dB (−3.00) and raises SSIM from 0.800 to 0.810 (+0.010)" in sentences[0]
    assert "gaussian is ahead in PSNR by 4.00 dB, gaussian is ahead in SSIM by 0.010" in sentences[2]
    assert "raises noise from 30.0 to 36.0 HU (+20 %)" in sentences[0]


def test_two_models_are_judged_one_by_one() -> None:
    rows = [row("input", 28.0, 0.8), row("nlm", 30.0, 0.85), row("good", 31.0, 0.9), row("bad", 29.0, 0.9)]
    sentence = summary_sentences(summarise(flat(rows), ONE_WINDOW))[2]
    assert "good has a higher mean PSNR and SSIM, a lead that is not decided" in sentence
    assert "bad does not win: nlm is ahead in PSNR by 1.00 dB" in sentence


def test_without_baselines_or_models_the_sentence_says_that() -> None:
    no_baseline = summarise(flat([row("input", 28.0, 0.8), row("n2b", 30.0, 0.9)]), ONE_WINDOW)
    assert "No baseline was measured" in summary_sentences(no_baseline)[2]
    no_model = summarise(flat([row("input", 28.0, 0.8), row("nlm", 30.0, 0.9)]), ONE_WINDOW)
    assert "No model was measured" in summary_sentences(no_model)[2]
    alone = summarise(flat([row("input", 28.0, 0.8)]), ONE_WINDOW)
    assert "the input alone was measured: 28.00 dB, SSIM 0.800" in summary_sentences(alone)[0]


def test_without_a_reference_the_first_sentence_says_what_is_left_out() -> None:
    rows = [row("input", None, None), row("nlm", None, None), row("n2b", None, None)]
    sentences = summary_sentences(summarise(flat(rows), ONE_WINDOW))
    assert "without a normal-dose reference (PSNR and SSIM need one and are left out)" in sentences[0]
    assert "n2b lowers noise from 30.0 to 10.0 HU" in sentences[0]
    assert "a strong blur lowers it too" in sentences[2]


def test_the_notes_warn_of_what_makes_numbers_incomparable() -> None:
    rows = [
        good_rows(),
        row("half", 30.0, 0.9),
        row("n2b", None, 1.0, k=9, rmse_hu=0.0),
        row("input", 28.0, 0.8, k=9, noise_std_hu=None),
    ]
    text = " ".join(notes(summarise(flat(rows), ONE_WINDOW)))
    assert "The reference is not free of noise: 15.0 HU" in text
    assert "1 slice and method equal the reference" in text
    assert "half on 1 of 5; their means are not comparable" in text
    assert "No flat soft tissue was found in 1 slice" in text


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (number(-0.04, 1), "0.0"),
        (number(-3.14159, 2), "−3.14"),
        (number(2.0, 1, signed=True), "+2.0"),
        (number(None, 1), "–"),
        (mean_sd(statistic([31.0, 32.0]), 2), "31.50 ± 0.71"),
        (mean_sd(statistic([31.0]), 2), "31.00 ± –"),
        (mean_sd(statistic([None]), 2), "–"),
        (listing(["a", "b", "c"]), "a, b and c"),
        (dose_label(0.05), "5 %"),
        (dose_label(0.125), "12.5 %"),
    ],
)
def test_numbers_are_written_as_people_read_them(written: str, text: str) -> None:
    assert written == text
