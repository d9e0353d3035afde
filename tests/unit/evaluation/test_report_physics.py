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
from n2b_ct.evaluation.report.figure_files import figure_files
from n2b_ct.evaluation.report.nps_planes import nps_planes_png, planes_in_words
from n2b_ct.evaluation.report.page import render_page
from n2b_ct.evaluation.report.page_parts import (
    Absent,
    FoldPart,
    ImagePart,
    Section,
    TablePart,
    WarningPart,
    table_csv,
)
from n2b_ct.evaluation.report.physics_figures import d_prime_charts, nps_charts, ttf_charts
from n2b_ct.evaluation.report.physics_sections import (
    detection_section,
    removal_section,
    resolution_section,
    texture_section,
)
from n2b_ct.evaluation.report.physics_tables import comparison_table, p_text, potential_table, residual_table
from n2b_ct.evaluation.report.sections import curves_section, fidelity_section
from n2b_ct.evaluation.report.summary import Summary
from n2b_ct.evaluation.results import (
    DetectabilityResult,
    HallucinationResult,
    LesionResult,
    Physics,
    PotentialResult,
    ResidualResult,
    ResolutionResult,
    TextureResult,
)
from n2b_ct.evaluation.table import Row, Table
from n2b_ct.hu import WINDOWS
from tests.report_rows import slice_rows

METHODS = ("input", "nlm", "n2b", "reference")
LEVELS = ("5 %", "25 %")
TASK = Task("large", 20.0, 2.5, 0.0)


def about(value: float) -> MeanInterval:
    return MeanInterval(value, value - 0.1, value + 0.1, 8, 0, 2, "slices")


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


def make_physics() -> Physics:
    places = [(level, name) for level in LEVELS for name in METHODS]
    judged = [(level, name) for level, name in places if name != "reference"]
    made = [(level, name) for level, name in judged if name != "input"]
    return Physics(
        texture={place: _texture(*place) for place in places},
        resolution=tuple(_resolution(*place) for place in judged),
        detectability=tuple(_detection(*place, observer) for place in judged for observer in ("cho", "npw")),
        potential=(
            PotentialResult("nlm", TASK, "cho", 0.25, 2.0, None, None, "not reached"),
            PotentialResult("n2b", TASK, "cho", 0.25, 2.0, 0.1, 60.0),
        ),
        residual={place: _residual(*place) for place in made},
        hallucination=(HallucinationResult("5 %", "n2b", TASK, 1.25, 0.0004, True, 0.08, 0.05, 40),),
        lesions=(LesionResult("5 %", "n2b", about(2.0), about(95.0), 4),),
        tasks=(TASK,),
        dropped=("Nothing else was dropped.",),
        problems=("A <b>, slice 7: must share one size; left out",),
    )


def _texture(level: str, method: str) -> TextureResult:
    shift = None if method == "input" else about(-12.0)
    frequencies, power = (0.1, 0.3, 0.5), (100.0, 300.0, 50.0)
    return TextureResult(
        level,
        method,
        frequencies,
        power,
        ((0.0, 1.0), (2.0, 3.0)),
        (0.5, 0.5),
        0.3,
        about(20.0),
        about(0.31),
        about(0.4),
        shift,
        shift,
        12,
        48,
        "flat regions",
    )


def _resolution(level: str, method: str) -> ResolutionResult:
    if (level, method) == ("5 %", "nlm"):
        return ResolutionResult(level, method, TASK, (), (), (), None, None, None, None, 4, "too noisy")
    curve, error = (1.0, 0.6, 0.2), (0.0, 0.01, 0.02)
    change = None if method == "input" else -20.0
    return ResolutionResult(level, method, TASK, (0.0, 0.3, 0.6), curve, error, 0.37, None, change, 97.0, 4)


def _detection(level: str, method: str, observer: str) -> DetectabilityResult:
    dose = float(level.split()[0]) / 100
    d_prime = {"5 %": 1.0, "25 %": 2.0}[level]
    return DetectabilityResult(level, dose, method, TASK, observer, d_prime, 0.8, 2.4, 0.8, 1.1, 100)


def _residual(level: str, method: str) -> ResidualResult:
    warns = method == "nlm"
    lags = (0.5, 0.2, 0.1, 0.0)
    return ResidualResult(
        level, method, about(0.2), 0.1, about(9.0), about(30.0), 2, 2 * warns, warns, "A, slice 1", lags, lags, None
    )


@pytest.fixture(scope="module")
def summary() -> Summary:
    plain = summarise(make_rows(), {"abdomen": WINDOWS["abdomen"]}, baselines=("nlm",))
    paired = PairedComparison(about(1.5), 0.0002)
    comparison = Row("comparisons", "psnr_db", "n2b", paired, level="5 %", window="abdomen", against="nlm")
    return replace(plain, physics=make_physics(), table=Table((*plain.table.rows, comparison)))


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
    assert any(isinstance(part, ImagePart) and part.png == png for fold in folds for part in fold.parts)


def test_a_transfer_function_without_a_curve_is_left_out_of_the_chart_but_not_of_the_table(summary: Summary) -> None:
    (chart,) = ttf_charts(summary, "5 %")
    assert [curve.label for curve in chart.curves] == ["input", "n2b"]
    assert chart.curves[1].low[2] == pytest.approx(0.2 - 1.96 * 0.02)
    section = resolution_section(summary)
    table = next(part for part in section.parts if isinstance(part, TablePart)).table
    assert [[line.text for line in row.cells[0]] for row in table.rows] == [
        ["0.370 / –", ""],
        ["–", "too noisy"],
        ["0.370 / –", "−20 % · contrast 97 %"],
    ]


def test_detectability_is_drawn_against_dose_with_the_input_s_best_as_a_line(summary: Summary) -> None:
    (chart,) = d_prime_charts(summary, "cho")
    assert chart.level == 2.0
    assert chart.curves[0].y == (1.0, 2.0)
    assert (chart.curves[0].low, chart.curves[0].high) == ((0.8, 0.8), (2.4, 2.4))
    assert "d′, disk of +20 HU, 5 mm (CHO)" in inline_svg(chart)


def test_the_dose_potential_says_a_number_or_why_there_is_none(summary: Summary) -> None:
    table = potential_table(summary, "cho")
    assert [[line.text for line in row.cells[0]] for row in table.rows] == [
        ["not reached"],
        ["−60 % dose", "10 % does what 25 % did"],
    ]
    assert potential_table(summary, "npw").rows == ()


def test_anatomy_in_a_residual_warns_once_a_method_with_every_dose(summary: Summary) -> None:
    section = removal_section(summary)
    warnings = [line for part in section.parts if isinstance(part, WarningPart) for line in part.lines]
    assert warnings == [
        "Anatomy was found in what nlm removed at 5 % (2 of 2 slices) and 25 % (2 of 2 slices), most in A, slice 1 "
        "at 5 %.",
        "n2b invents structure where the truth holds none at 5 %: 1.25 HU over 40 regions.",
    ]
    table = residual_table(summary, "5 %")
    assert [row.cells[0][0].text for row in table.rows] == ["⚠ 2 of 2", "0 of 2"]
    assert len(table.heads) == 4


def test_paired_tests_mark_what_is_better_and_never_write_a_p_of_zero(summary: Summary) -> None:
    (row,) = comparison_table(summary, "5 %", "abdomen").rows
    assert [(line.text, line.best) for line in row.cells[0]] == [
        ("+1.50 [+1.40, +1.60]", True),
        ("better, p < 0.001", False),
    ]
    assert (p_text(None), p_text(0.04)) == ("–", "0.040")


def test_a_table_is_taken_away_with_plain_minus_signs(summary: Summary) -> None:
    part = next(part for part in texture_section(summary).parts if isinstance(part, TablePart))
    lines = table_csv(part).splitlines()
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
    bare = replace(summary, physics=Physics(), has_reference=False)
    makers = (texture_section, resolution_section, detection_section, removal_section, fidelity_section)
    absent = [make(bare) for make in makers]
    assert all(isinstance(part, Absent) for part in absent)
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
    assert isinstance(section, Section)
    assert [part.caption for part in section.parts if isinstance(part, TablePart)] == [
        "Dose-reduction potential at equal d′, CHO",
        "True lesions",
    ]
    folds = [part.title for part in section.parts if isinstance(part, FoldPart)]
    assert folds == ["d′ and CNR in numbers, CHO", "The same for the non-prewhitening observer"]
