"""What the page leaves out, and what it shows at one dose."""

from __future__ import annotations

from dataclasses import replace

from n2b_ct.evaluation.intervals import MeanInterval
from n2b_ct.evaluation.report.charts import Chart, Curve, draw_charts
from n2b_ct.evaluation.report.page_parts import Part, fold, table_part, without_empty
from n2b_ct.evaluation.report.page_sections import dose_table
from n2b_ct.evaluation.report.tables import Line, PageTable, TableRow, glance_table, without_empty_columns
from n2b_ct.evaluation.report.theme import line_styles
from n2b_ct.evaluation.summary import Summary, summarise
from n2b_ct.evaluation.table import Table, rows_of
from n2b_ct.hu import WINDOWS
from tests.report_rows import slice_rows

NOTHING = (Line("–"),)
SCORES = {"input": (28.0, 0.8, 30.0), "nlm": (30.0, 0.85, 12.0), "n2b": (31.5, 0.89, 15.0)}


def table_of(*cells: tuple[tuple[Line, ...], ...]) -> PageTable:
    heads = tuple((f"column {k}", "") for k in range(len(cells[0])))
    return PageTable(heads, tuple(TableRow(f"method {k}", "model", own) for k, own in enumerate(cells)))


def at_one_dose() -> Summary:
    rows = [
        one
        for method, (psnr_db, ssim, noise_hu) in SCORES.items()
        for one in slice_rows(
            method,
            dose=0.25,
            series="A",
            slice_index=0,
            psnr_db=psnr_db,
            ssim=ssim,
            rmse_hu=9.0,
            noise_std_hu=noise_hu,
            hu_bias_hu=0.0,
            biases={"soft": 0.2, "bone": -3.1},
        )
    ]
    summary = summarise(rows, {"abdomen": WINDOWS["abdomen"]}, baselines=("nlm",))
    shift = MeanInterval(-21.4, None, None, 1, 0, 1, "slices")
    texture = rows_of("texture", "n2b", {"mean_frequency_shift_percent": shift}, level="25 %")
    return replace(summary, table=Table((*summary.table.rows, *texture)))


def test_columns_and_rows_in_which_nothing_was_measured_are_left_out():
    found = without_empty_columns(table_of(((Line("1.0"),), NOTHING), (NOTHING, (Line(""), Line("– %")))))
    assert found.heads == (("column 0", ""),)
    assert [row.method for row in found.rows] == ["method 0"]


def test_tables_that_hold_nothing_are_left_out_with_the_folds_around_them():
    empty, full = table_part("a", "", table_of((NOTHING,))), table_part("b", "", table_of(((Line("1"),),)))
    assert without_empty([empty, full, fold("folded", [empty])]) == (full,)
    assert without_empty([fold("folded", [empty, full])]) == (Part("fold", "folded", parts=(full,)),)


def test_at_one_dose_the_first_table_shows_every_leading_measure_with_the_shift_of_the_noise():
    summary = at_one_dose()
    part = dose_table(summary)
    assert part.title == "At a glance, 25 %"
    assert [head for head, _ in part.table.heads] == [
        "PSNR, dB",
        "SSIM",
        "noise, HU",
        "noise texture",
        "largest HU shift",
    ]
    by_method = {row.method: [[line.text for line in cell] for cell in row.cells] for row in part.table.rows}
    assert by_method["n2b"][2:] == [["15.0 ± –", "−50 %"], ["−21 %"], ["−3.1 HU", "bone"]]
    best = {row.method: row.cells[0][0].best for row in glance_table(summary).rows}
    assert best == {"input": False, "nlm": False, "n2b": True}


def test_a_unit_stands_on_the_axis_that_its_values_run_along():
    style = line_styles({"n2b": "model"})["n2b"]
    curve = Curve("n2b", style, (0.0,), (31.0,), (30.0,), (32.0,))
    chart = Chart("psnr", "PSNR", "dose", "dB", (curve,), "words", by_row=True)
    (rows,) = draw_charts([chart]).axes
    assert (rows.get_xlabel(), rows.get_ylabel()) == ("dB", "")
    (curves,) = draw_charts([replace(chart, by_row=False)]).axes
    assert (curves.get_xlabel(), curves.get_ylabel()) == ("dose", "dB")
