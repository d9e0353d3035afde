"""Sections on texture, resolution, low contrast and what was removed: their charts, tables, warnings and absence."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from n2b_ct.evaluation.disks import Task
from n2b_ct.evaluation.intervals import MeanInterval, PairedComparison
from n2b_ct.evaluation.report import Provenance, summarise
from n2b_ct.evaluation.report.charts import inline_svg
from n2b_ct.evaluation.report.figures import (
    d_prime_charts,
    figure_files,
    nps_charts,
    nps_planes_png,
    planes_in_words,
    ttf_charts,
)
from n2b_ct.evaluation.report.page import render_page
from n2b_ct.evaluation.report.page_parts import table_csv
from n2b_ct.evaluation.report.page_sections import (
    curves_section,
    detection_section,
    fidelity_section,
    removal_section,
    resolution_section,
    texture_section,
)
from n2b_ct.evaluation.report.physics_tables import potential_table, residual_table
from n2b_ct.evaluation.report.tables import comparison_table, p_text
from n2b_ct.evaluation.report.trade_offs import trade_off_sentence
from n2b_ct.evaluation.summary import Summary
from n2b_ct.evaluation.table import Row, Table, rows_of
from n2b_ct.hu import WINDOWS
from tests.report_rows import slice_rows

METHODS = ("input", "nlm", "n2b", "reference")
DOSES = {"5 %": 0.05, "25 %": 0.25}
LEVELS = tuple(DOSES)
TASK = Task("large", 20.0, 2.5, 0.0)


def about(value: float) -> MeanInterval:
    return MeanInterval(value, value - 0.1, value + 0.1, 8, 0, 6, "patients")


def make_rows() -> list[Row]:
    return [
        row
        for dose in (0.05, 0.25)
        for k in range(2)
        for name in METHODS
        for psnr, ssim in ([(None, None)] if name == "reference" else [(30.0, 0.9)])
        for row in slice_rows(
            name,
            dose=dose,
            series="A",
            slice_index=k,
            psnr_db=psnr,
            ssim=ssim,
            rmse_hu=8.0,
            noise_std_hu=10.0,
            hu_bias_hu=0.5,
            biases={"soft": 0.4},
        )
    ]


def make_physics() -> list[Row]:
    levels = [(level, name) for level in LEVELS for name in METHODS]
    judged = [(level, name) for level, name in levels if name != "reference"]
    made = [(level, name) for level, name in judged if name != "input"]
    target = {"target_dose": 0.25, "target_d_prime": 2.0}
    invented = {"structure_hu": 1.25, "p_value": 0.0004, "warns": True, "false_positive_rate": 0.08}
    lesions = {"cnr": about(2.0), "contrast_recovery_percent": about(95.0), "n_lesions": 4}
    rows = [rows_of("texture", name, _texture(name), level=level) for level, name in levels]
    rows += [rows_of("resolution", name, _resolution(level, name), level=level, task=TASK) for level, name in judged]
    rows += [
        rows_of("detectability", name, _detection(level), level=level, dose=DOSES[level], task=TASK, observer=observer)
        for level, name in judged
        for observer in ("cho", "npw")
    ]
    rows += [
        rows_of("potential", name, target | values, task=TASK, observer="cho")
        for name, values in (
            ("nlm", {"dose": None, "reduction_percent": None, "remark": "not reached"}),
            ("n2b", {"dose": 0.1, "reduction_percent": 60.0, "remark": ""}),
        )
    ]
    rows += [rows_of("residual", name, _residual(name), level=level) for level, name in made]
    more = {"expected_rate": 0.05, "n_regions": 40}
    rows += [rows_of("hallucination", "n2b", invented | more, level="5 %", task=TASK)]
    rows += [rows_of("lesions", "n2b", lesions, level="5 %")]
    return [row for own in rows for row in own]


def _texture(method: str) -> dict:
    shift = None if method == "input" else about(-12.0)
    return {
        "frequency_per_mm": (0.1, 0.3, 0.5),
        "power_hu2_mm2": (100.0, 300.0, 50.0),
        "plane_hu2_mm2": ((0.0, 1.0), (2.0, 3.0)),
        "plane_step_per_mm": (0.5, 0.5),
        "peak_frequency_per_mm": 0.3,
        "noise_std_hu": about(20.0),
        "mean_frequency_per_mm": about(0.31),
        "lag1_autocorrelation": about(0.4),
        "noise_reduction_percent": shift,
        "mean_frequency_shift_percent": shift,
        "n_rois": 12,
        "roi_size_px": 48,
        "source": "flat regions",
    }


def _resolution(level: str, method: str) -> dict:
    numbers = dict.fromkeys(("f50_per_mm", "f10_per_mm", "f50_change_percent", "contrast_recovery_percent"))
    if (level, method) == ("5 %", "nlm"):
        curves = dict.fromkeys(("frequency_per_mm", "ttf", "standard_error"), ())
        return curves | numbers | {"n_insertions": 4, "remark": "too noisy"}
    numbers |= dict.fromkeys(f"{name}_{end}_per_mm" for name in ("f50", "f10") for end in ("low", "high"))
    known = {"f50_per_mm": 0.37, "contrast_recovery_percent": 97.0}
    return {
        "frequency_per_mm": (0.0, 0.3, 0.6),
        "ttf": (1.0, 0.6, 0.2),
        "standard_error": (0.0, 0.01, 0.02),
        **(numbers | known | {"f50_change_percent": None if method == "input" else -20.0}),
        "n_insertions": 4,
        "remark": "",
    }


def _detection(level: str) -> dict:
    d_prime = {"5 %": 1.0, "25 %": 2.0}[level]
    bounds = {"low": 0.8, "high": 2.4}
    return {"d_prime": d_prime, **bounds, "auc": 0.8, "cnr": 1.1, "n_pairs": 100, "remark": ""}


def _residual(method: str) -> dict:
    warns = method == "nlm"
    lags = (0.5, 0.2, 0.1, 0.0)
    return {
        "edge_correlation": about(0.2),
        "null_correlation": 0.1,
        "deviation_sds": about(9.0),
        "edge_excess_percent": about(30.0),
        "n_slices": 2,
        "n_warned": 2 * warns,
        "warns": warns,
        "worst": "A, slice 1",
        "residual_autocorrelation": lags,
        "noise_autocorrelation": lags,
        "detail_removed_percent": None,
        "faint_removed_percent": about(31.0),
        "n_faint_slices": 4,
        "n_faint_warned": 3,
    }


@pytest.fixture(scope="module")
def summary() -> Summary:
    plain = summarise(make_rows(), {"abdomen": WINDOWS["abdomen"]}, baselines=("nlm",))
    paired = PairedComparison(about(1.5), 0.03125, 0.0001, 0.0002)
    comparison = Row("comparisons", "psnr_db", "n2b", paired, level="5 %", window="abdomen", against="nlm")
    return replace(
        plain,
        table=Table((*plain.table.rows, *make_physics(), comparison)),
        tasks=(TASK,),
        dropped=("Nothing else was dropped.",),
        problems=("A <b>, slice 7: must share one size; left out",),
    )


def test_a_spectrum_is_drawn_per_dose_and_its_shape_has_a_unit_area(summary: Summary) -> None:
    charts = nps_charts(summary)
    assert [chart.title for chart in charts] == ["Noise power spectrum, 5 %", "Noise power spectrum, 25 %"]
    assert charts[0].curves[0].y == (100.0, 300.0, 50.0)
    shape = nps_charts(summary, normalised=True)[0].curves[0]
    assert 0.2 * (shape.y[0] / 2 + shape.y[1] + shape.y[2] / 2) == pytest.approx(1.0)


def test_two_dimensional_spectra_are_one_image_that_says_what_it_shows(summary: Summary) -> None:
    png = nps_planes_png(summary)
    assert png is not None
    assert min(Image.open(io.BytesIO(png)).size) > 200
    assert "n2b" in planes_in_words(summary)
    folds = [part for part in texture_section(summary).parts if part.kind == "fold"]
    assert any(part.kind == "image" and part.png == png for fold in folds for part in fold.parts)


def test_a_transfer_function_without_a_curve_is_left_out_of_the_chart_but_not_of_the_table(summary: Summary) -> None:
    (chart,) = ttf_charts(summary, "5 %")
    assert [curve.label for curve in chart.curves] == ["inserted sharp disk", "n2b"]
    assert chart.curves[1].low[2] == pytest.approx(0.2 - 1.96 * 0.02)
    section = resolution_section(summary)
    table = next(part for part in section.parts if part.kind == "table").table
    assert [[line.text for line in row.cells[0]] for row in table.rows] == [
        ["0.370", "–", ""],
        ["–", "too noisy"],
        ["0.370", "–", "−20 % · contrast 97 %"],
    ]


def test_detectability_is_drawn_against_dose_with_the_input_s_best_as_a_line(summary: Summary) -> None:
    (chart,) = d_prime_charts(summary, "cho")
    assert chart.level == 2.0
    assert chart.curves[0].y == (1.0, 2.0)
    assert (chart.curves[0].low, chart.curves[0].high) == ((0.8, 0.8), (2.4, 2.4))
    assert "d′, disk of +20 HU, 5 mm (CHO, anatomy counts as noise)" in inline_svg(chart)


def test_the_dose_potential_says_a_number_or_why_there_is_none(summary: Summary) -> None:
    table = potential_table(summary, "cho")
    assert [[line.text for line in row.cells[0]] for row in table.rows] == [
        ["not reached"],
        ["−60 % dose", "10 % does what 25 % did"],
    ]
    assert potential_table(summary, "npw").rows == ()


def test_anatomy_in_a_residual_warns_once_a_method_with_every_dose(summary: Summary) -> None:
    section = removal_section(summary)
    warnings = [line for part in section.parts if part.kind == "warning" for line in part.lines]
    assert warnings == [
        "Anatomy was found in what nlm removed at 5 % (2 of 2 slices) and 25 % (2 of 2 slices), most in A, slice 1 "
        "at 5 %.",
        "n2b invents structure where the truth holds none at 5 %: 1.25 HU over 40 regions.",
    ]
    table = residual_table(summary, "5 %")
    assert [row.cells[0][0].text for row in table.rows] == ["⚠ 2 of 2", "0 of 2"]
    assert len(table.heads) == 5


def test_faint_structure_in_a_residual_is_told_in_numbers_and_in_words(summary: Summary) -> None:
    (table,) = [part for part in removal_section(summary).parts if part.table][:1]
    heads = [name for name, _ in table.table.heads]
    cells = {row.method: row.cells[heads.index("faint structure taken")] for row in table.table.rows}
    assert all(cell[1].text == "⚠ 3 of 4 slices" for cell in cells.values())
    assert "of faint structure of 1.5 to 6 px it took 31 %, too much in 3 of 4 slices" in trade_off_sentence(
        summary, ["n2b"]
    )


def test_paired_tests_mark_what_is_better_and_never_write_a_p_of_zero(summary: Summary) -> None:
    (row,) = comparison_table(summary, "5 %", "abdomen").rows
    assert [(line.text, line.best) for line in row.cells[0]] == [
        ("+1.50 [+1.40, +1.60]", True),
        ("better, p < 0.001 (Holm)", False),
    ]
    assert (p_text(None), p_text(0.04)) == ("–", "0.040")


def test_a_table_is_taken_away_with_plain_minus_signs(summary: Summary) -> None:
    part = next(part for part in texture_section(summary).parts if part.kind == "table")
    lines = table_csv(part.corner, part.table).splitlines()
    assert lines[0] == "1/mm,role,5 % 2 slices,25 % 2 slices"
    assert lines[2].startswith('nlm,baseline,"0.310 [0.210, 0.410] | -12 [-12, -12] %"')


def test_the_first_screen_of_curves_holds_psnr_ssim_noise_and_detectability(summary: Summary) -> None:
    (part,) = curves_section(summary).parts
    assert [chart.key for chart in part.charts] == ["psnr-db", "ssim", "noise", "detect-cho-0"]


def test_every_group_of_charts_is_written_beside_the_page(summary: Summary) -> None:
    assert sorted(figure_files(summary)) == [
        f"figures/{name}.png"
        for name in (
            "detectability_cho",
            "detectability_npw",
            "dose_curves",
            "nps",
            "nps_planes",
            "residual_autocorrelation",
            "ttf",
        )
    ]


def test_a_section_without_numbers_is_absent_and_says_why(summary: Summary) -> None:
    rows = [row for row in summary.table.rows if row.part in ("slices", "means")]
    bare = replace(summary, table=Table(rows), has_reference=False)
    makers = (texture_section, resolution_section, detection_section, removal_section, fidelity_section)
    absent = [make(bare) for make in makers]
    assert all(part.reason for part in absent)
    page = render_page(bare, [], Provenance(), {})
    for part in absent:
        assert f"{part.title}: {part.reason}." in page


def test_the_page_lays_out_every_section_and_escapes_its_problems(summary: Summary) -> None:
    page = render_page(summary, [], Provenance(), {"report.json": b"{}", "figures/nps.png": b""})
    for anchor in ("curves", "fidelity", "noise", "texture", "resolution", "detection", "removed", "absent"):
        assert page.count(f'id="{anchor}"') == 1
    assert "A &lt;b&gt;, slice 7: must share one size; left out" in page
    assert "Nothing else was dropped." in page
    assert page.count('download="report.json"') == 1
    assert "nps.png" not in page
    assert 'id="viewer"' not in page


def test_lesions_and_the_second_observer_have_their_place(summary: Summary) -> None:
    section = detection_section(summary)
    assert section.reason == ""
    assert [part.title for part in section.parts if part.kind == "table"] == [
        "Dose-reduction potential at equal d′, CHO, anatomy counts as noise",
        "True lesions",
    ]
    folds = [part.title for part in section.parts if part.kind == "fold"]
    assert folds == [
        "d′ and CNR in numbers, CHO, anatomy counts as noise",
        "The same for the non-prewhitening observer (anatomy counts as noise)",
    ]
