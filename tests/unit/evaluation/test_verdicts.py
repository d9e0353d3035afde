"""Green, amber and red: every limit by a method that is just below and just above it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from n2b_ct.evaluation.disks import Task
from n2b_ct.evaluation.intervals import MeanInterval
from n2b_ct.evaluation.low_contrast.results import recovery_values
from n2b_ct.evaluation.summary import Summary, summarise
from n2b_ct.evaluation.table import Row, Table, rows_of
from n2b_ct.evaluation.verdicts import DEFINITIONS, Verdict, outside_training, verdicts
from n2b_ct.hu import WINDOWS
from tests.report_rows import slice_rows

WINDOW = {"abdomen": WINDOWS["abdomen"]}
SAFE = {(10.0, 5.0): 0.95}


def own_rows(method: str, psnr_db: float | None, ssim: float | None, **changes) -> list[Row]:
    values = {"psnr_db": psnr_db, "ssim": ssim, "rmse_hu": 10.0, "noise_std_hu": 10.0, "hu_bias_hu": 0.1}
    biases = {"soft": 0.0, "lung": 0.0} | changes.pop("biases", {})
    return slice_rows(method, dose=0.25, series="A", slice_index=0, biases=biases, **(values | changes))


def summary_of(rows: list[Row], more: list[Row] = (), recovered: dict[tuple[float, float], float] = SAFE) -> Summary:
    plain = summarise([*own_rows("input", 28.0, 0.8, noise_std_hu=20.0), *rows], WINDOW, baselines=())
    lesions = [
        row
        for (contrast_hu, size_mm), left in recovered.items()
        for row in rows_of(
            "low_contrast",
            "n2b",
            recovery_values(left, left - 0.05, left + 0.05, 9, "inserted lesions"),
            level="25 %",
            task=Task("lesion", contrast_hu, 0.5 * size_mm, 0.0),
        )
    ]
    return replace(plain, table=Table((*plain.table.rows, *lesions, *more)))


def verdict_of(summary: Summary) -> Verdict:
    (found,) = verdicts(summary)
    return found


def residual(n_warned: int) -> list[Row]:
    values = {"n_warned": n_warned, "n_slices": 20, "warns": n_warned > 2}
    return rows_of("residual", "n2b", values, level="25 %")


def test_a_method_that_passes_no_limit_is_green_without_a_reason():
    assert verdict_of(summary_of(own_rows("n2b", 30.0, 0.9), residual(0))) == Verdict("n2b", "green", ())


@pytest.mark.parametrize(
    ("psnr_db", "ssim", "verdict", "reason"),
    [
        (27.0, 0.7, "red", "worse than the input: PSNR 27.00 dB after 28.00, SSIM 0.700 after 0.800"),
        (29.0, 0.7, "amber", "worse than the input: SSIM 0.700 after 0.800"),
        (27.998, 0.8, "green", None),
    ],
)
def test_worse_than_the_input_is_red_by_both_measures_and_amber_by_one(psnr_db, ssim, verdict, reason):
    found = verdict_of(summary_of(own_rows("n2b", psnr_db, ssim)))
    assert (found.verdict, found.reasons) == (verdict, (reason,) if reason else ())


def test_without_a_reference_more_noise_than_the_input_is_red():
    rows = own_rows("n2b", None, None, noise_std_hu=21.0)
    plain = summarise([*own_rows("input", None, None, noise_std_hu=20.0), *rows], WINDOW, baselines=())
    assert "worse than the input: noise 21.0 HU after 20.0" in verdict_of(plain).reasons


@pytest.mark.parametrize(("n_warned", "verdict"), [(0, "green"), (2, "amber"), (3, "red")])
def test_anatomy_in_the_residual_is_amber_in_a_slice_and_red_in_more_than_a_tenth(n_warned, verdict):
    found = verdict_of(summary_of(own_rows("n2b", 30.0, 0.9), residual(n_warned)))
    assert found.verdict == verdict
    assert bool(found.reasons) == any(f"in {n_warned} of 20 slices" in reason for reason in found.reasons)


@pytest.mark.parametrize(("n_warned", "verdict"), [(0, "green"), (2, "green"), (3, "amber"), (11, "red")])
def test_faint_structure_in_the_residual_counts_by_the_share_of_slices(n_warned, verdict):
    taken = MeanInterval(62.0, None, None, 20, 0, 1, "slices")
    own = {"n_faint_slices": 20, "n_faint_warned": n_warned, "faint_removed_percent": taken}
    more = [*residual(0), *rows_of("residual", "n2b", own, level="25 %")]
    found = verdict_of(summary_of(own_rows("n2b", 30.0, 0.9), more))
    reason = f"faint structure removed: 62 % of it, too much in {n_warned} of 20 slices"
    assert (found.verdict, found.reasons) == (verdict, () if verdict == "green" else (reason,))


@pytest.mark.parametrize(
    ("tissue", "shift_hu", "verdict"),
    [
        ("soft", -1.9, "green"),
        ("soft", -2.1, "amber"),
        ("soft", 5.1, "red"),
        ("lung", 9.0, "green"),
        ("lung", -21, "red"),
    ],
)
def test_a_shift_of_hu_counts_by_the_limit_of_its_tissue(tissue, shift_hu, verdict):
    found = verdict_of(summary_of(own_rows("n2b", 30.0, 0.9, biases={tissue: shift_hu})))
    assert found.verdict == verdict
    assert verdict == "green" or found.reasons[0].startswith(
        f"HU shifted: {shift_hu:+.1f} HU in {tissue}".replace("-", "−")
    )


@pytest.mark.parametrize(
    ("recovered", "verdict"),
    [
        ({(10.0, 5.0): 0.1, (20.0, 10.0): 0.9}, "red"),
        ({(10.0, 5.0): 0.6}, "amber"),
        ({(5.0, 3.0): 0.1, (10.0, 5.0): 0.9}, "green"),
        ({}, "amber"),
    ],
)
def test_a_lost_lesion_is_red_one_at_risk_amber_and_none_measured_amber(recovered, verdict):
    found = verdict_of(summary_of(own_rows("n2b", 30.0, 0.9), recovered=recovered))
    assert found.verdict == verdict
    if not recovered:
        assert found.reasons[0].startswith("low contrast not measured")


def test_a_coarse_texture_lost_resolution_and_what_was_not_trained_for_are_amber():
    shift = MeanInterval(-30.0, None, None, 1, 0, 1, "slices")
    task = Task("large", 50.0, 4.0, 0.0)
    more = [
        *rows_of("texture", "n2b", {"mean_frequency_shift_percent": shift}, level="25 %"),
        *rows_of("resolution", "n2b", {"f50_change_percent": -25.0}, level="25 %", task=task),
    ]
    summary = replace(
        summary_of(own_rows("n2b", 30.0, 0.9), more), outside_training={"n2b": ("noise of 90 HU, trained for 6 to 70",)}
    )
    assert verdict_of(summary) == Verdict(
        "n2b",
        "amber",
        (
            "noise texture coarser: mean frequency −30 %",
            "resolution lost: 50 % frequency −25 % for a disk of 50 HU",
            "outside of its training: noise of 90 HU, trained for 6 to 70",
        ),
    )


def test_red_reasons_come_first():
    found = verdict_of(summary_of(own_rows("n2b", 30.0, 0.7, biases={"soft": 9.0})))
    assert [reason.split(":")[0] for reason in found.reasons] == ["HU shifted", "worse than the input"]


def test_without_an_input_nothing_is_green():
    plain = summarise(own_rows("n2b", 30.0, 0.9), WINDOW, baselines=())
    assert verdict_of(plain).verdict == "amber"
    assert verdict_of(plain).reasons[0].startswith("input not known")


def test_every_kind_of_reason_has_its_limit_and_source_among_the_definitions():
    assert all(name.startswith("verdict") and len(text) > 60 for name, text in DEFINITIONS.items())
    assert {"verdict_hu_shifted", "verdict_low_contrast", "verdict_anatomy_removed"} <= set(DEFINITIONS)


def test_noise_and_pixels_beyond_what_a_model_saw_are_outside_of_its_training():
    summary = summary_of(own_rows("n2b", 30.0, 0.9))  # its input has 20 HU
    inside = {"noise_std_hu": [24.0, 90.0], "pixel_mm": [0.5, 0.9]}
    assert outside_training(summary, inside, {0.7}) == ()
    assert outside_training(summary, {"noise_std_hu": [26.0, 90.0]}, {0.7}) == (
        "noise of 20 HU, trained for 26 to 90 HU",
    )
    assert outside_training(summary, inside, {0.7, 1.4}) == ("pixels of 1.4 mm, trained for 0.5 to 0.9 mm",)
    assert outside_training(summary, {}, {0.7}) == ()


def test_a_reason_names_the_dose_where_there_are_several():
    other = [replace(row, dose=0.05) for row in own_rows("input", 20.0, 0.5, noise_std_hu=40.0)]
    summary = summarise(
        [*own_rows("input", 28.0, 0.8, noise_std_hu=20.0), *own_rows("n2b", 29.0, 0.7), *other], WINDOW, baselines=()
    )
    assert "worse than the input at 25 % dose: SSIM 0.700 after 0.800" in verdict_of(summary).reasons
