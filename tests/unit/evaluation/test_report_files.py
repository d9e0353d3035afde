"""The report on disk: the same numbers everywhere, one page that needs nothing, whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from n2b_ct.config.sections import ReportSection
from n2b_ct.errors import DataError, OutputError
from n2b_ct.evaluation.ct_baselines import denoise_slice
from n2b_ct.evaluation.report import Panel, Provenance, SliceCase, measure_slice, summarise, write_report
from n2b_ct.evaluation.report.formatting import mean_sd
from n2b_ct.evaluation.report.slice_images import draw_panel, find_body, residual_limit_hu
from n2b_ct.evaluation.table import Row
from n2b_ct.hu import WINDOWS
from n2b_ct.registry import BASELINES

WINDOWS_USED = {name: WINDOWS[name] for name in ("abdomen", "lung")}
DEFAULT_BASELINES = ReportSection().baselines
NASTY = "n2b <i>&\"'"


def make_cases(doses: Sequence[float | None], n_slices: int, reference: bool = True) -> list[SliceCase]:
    rows, cols = np.mgrid[:112, :120]
    radius = np.hypot(rows - 56, cols - 60)
    truth = np.select([radius < 14, radius < 44, radius < 50], [140.0, 45.0, -90.0], -1000.0)
    cases = []
    for dose in doses:
        for k in range(n_slices):
            rng = np.random.default_rng(100 * k + int(1000 * (dose or 0)))
            noisy = truth + rng.normal(0.0, 10.0 / np.sqrt(dose or 0.25), truth.shape)
            candidates = {name: denoise_slice(BASELINES.get(name), noisy) for name in DEFAULT_BASELINES}
            candidates[NASTY] = 0.95 * truth + 0.05 * noisy
            cases.append(SliceCase("A<b>", dose, k, noisy, candidates, truth if reference else None, 3.0 * k))
    return cases


def measure(cases: Sequence[SliceCase]) -> list[Row]:
    return [row for case in cases for row in measure_slice(case, WINDOWS_USED)]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return measure(make_cases([0.05, 0.25], 2))


@pytest.fixture(scope="module")
def report(tmp_path_factory, rows) -> Path:
    provenance = Provenance(
        title="<script>alert(1)</script> & more",
        pipeline="piglet.yaml",
        data={"Data set": "a < b"},
        commands=("n2b-ct report piglet.yaml --out 'x & y'",),
        created="2026-01-02T03:04:05+00:00",
    )
    panel = Panel(make_cases([0.05], 1)[0], (NASTY, "nlm"), "the first slice")
    out_dir = tmp_path_factory.mktemp("reports") / "report"
    page = write_report(out_dir, summarise(rows, WINDOWS_USED), [panel], provenance)
    assert page == out_dir / "report.html"
    return out_dir


class Page(HTMLParser):
    """Collects what a page fetches, its elements, its table cells and its words, code and data left out."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.scripts: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"src", "href", "srcset", "data", "poster", "action"}]
        self.links += re.findall(r"url\(([^)]*)\)", dict(attrs).get("style") or "")
        if tag == "script":
            self.scripts.append(dict(attrs).get("type", "code"))

    def handle_data(self, data) -> None:
        if self.cdata_elem is not None:
            return
        self.words += data
        if self.tags and self.tags[-1] == "span" and data.strip():
            self.cells.append(data.strip())


def test_the_page_fetches_nothing(report: Path) -> None:
    text = (report / "report.html").read_text("utf-8")
    page = Page(text)
    assert page.links
    assert all(link.startswith(("data:text/csv", "data:application/json", "#")) for link in page.links)
    assert not {"link", "iframe", "object", "img"} & set(page.tags)
    assert page.scripts.count("code") == 1
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    policy = text[text.index("Content-Security-Policy") :]
    assert policy.startswith('Content-Security-Policy" content="default-src &#39;none&#39;; script-src &#39;sha256-')


def test_special_characters_are_escaped(report: Path) -> None:
    text = (report / "report.html").read_text("utf-8")
    assert "<script>alert" not in text
    assert "<i>&" not in text
    page = Page(text)
    assert "<script>alert(1)</script> & more" in page.words
    assert NASTY in page.words
    assert "x & y" in page.words
    assert "A\\u003cb>, slice 0" in text


def test_json_csv_and_page_hold_the_same_numbers(report: Path) -> None:
    document = json.loads((report / "report.json").read_text("utf-8"))
    lines = list(csv.DictReader(io.StringIO((report / "per_slice.csv").read_text("utf-8"))))
    cells = Page((report / "report.html").read_text("utf-8")).cells
    for result in document["results"]:
        if result["role"] == "reference":
            continue
        own = [line for line in lines if (line["method"], line["window"]) == (result["method"], result["window"])]
        if result["level"] != "all doses":
            own = [line for line in own if float(line["dose"]) == result["dose"]]
        for measure_name, decimals in (("psnr_db", 2), ("ssim", 3), ("rmse_hu", 1)):
            values = [float(line[measure_name]) for line in own]
            assert result[measure_name]["n"] == len(values)
            assert result[measure_name]["mean"] == pytest.approx(np.mean(values), rel=1e-12)
            assert result[measure_name]["sd"] == pytest.approx(np.std(values, ddof=1), rel=1e-9)
            shown = f"{np.mean(values):.{decimals}f} ± {np.std(values, ddof=1):.{decimals}f}"
            assert shown in cells


def test_the_json_names_its_schema_definitions_and_origin(report: Path) -> None:
    document = json.loads((report / "report.json").read_text("utf-8"))
    assert (document["schema"], document["schema_version"]) == ("n2b-ct/report", 3)
    assert {"psnr_db", "ssim", "rmse_hu", "noise_std_hu", "hu_bias_hu"} <= set(document["definitions"])
    assert document["windows"][0] == {"name": "abdomen", "lower_hu": -160.0, "upper_hu": 240.0, "data_range_hu": 400.0}
    assert document["provenance"]["created"] == "2026-01-02T03:04:05+00:00"
    assert document["provenance"]["versions"]["n2b-ct"]
    assert "not a medical device" in document["disclaimer"]
    roles = [method["role"] for method in document["methods"]]
    assert roles == ["input", *(["baseline"] * len(DEFAULT_BASELINES)), "model", "reference"]
    assert all((report / name).is_file() for name in document["figures"])


def test_the_page_says_window_range_definitions_and_disclaimer(report: Path) -> None:
    words = Page((report / "report.html").read_text("utf-8")).words
    for part in ("[-160, 240] HU", "data range 400 HU", "sigma=1.5", "not a medical device", "h = 0.8 σ", "a < b"):
        assert part in words
    document = json.loads((report / "report.json").read_text("utf-8"))
    assert all(sentence in words for sentence in document["summary"] + document["notes"])


def test_the_best_of_every_column_is_marked(report: Path) -> None:
    text = (report / "report.html").read_text("utf-8")
    fidelity = text[text.index('id="summary"') : text.index("</table>")]
    assert fidelity.count('class="best"') == 2 * 3
    model_row = fidelity[fidelity.index('class="model"') :]
    assert model_row.count('class="best"') == 2 * 3


def test_images_are_written_as_grey_png_beside_the_page(report: Path) -> None:
    found = sorted(path.name for path in (report / "figures").glob("panel_01_*.png"))
    assert found == [
        "panel_01_0_input.png",
        "panel_01_0_input_zoom.png",
        "panel_01_1_n2b_i.png",
        "panel_01_1_n2b_i_residual.png",
        "panel_01_1_n2b_i_zoom.png",
        "panel_01_2_nlm.png",
        "panel_01_2_nlm_residual.png",
        "panel_01_2_nlm_zoom.png",
        "panel_01_3_reference.png",
        "panel_01_3_reference_residual.png",
        "panel_01_3_reference_zoom.png",
    ]
    with Image.open(report / "figures" / found[0]) as image:
        assert image.mode == "L"


def test_without_a_reference_the_page_drops_psnr_and_says_so(tmp_path: Path) -> None:
    cases = make_cases([None], 2, reference=False)
    rows = measure(cases)
    page = write_report(tmp_path / "report", summarise(rows, WINDOWS_USED), [Panel(cases[0], ("nlm",))])
    text = page.read_text("utf-8")
    words = Page(text).words
    assert 'id="fidelity"' not in text
    assert "PSNR and SSIM need one and are left out" in words
    assert "HU bias by tissue class" in words
    assert "dose unknown" in words
    assert "difference to normal dose" not in words
    assert "Fidelity: PSNR, SSIM and RMSE need a reference, and no slice has one." in words
    lines = list(csv.DictReader(io.StringIO((tmp_path / "report" / "per_slice.csv").read_text("utf-8"))))
    assert all(line["psnr_db"] == "" and line["dose"] == "" for line in lines)


def test_a_report_of_one_slice_shows_that_the_deviation_is_undefined(tmp_path: Path) -> None:
    cases = make_cases([0.1], 1)
    rows = measure(cases)
    summary = summarise(rows, WINDOWS_USED)
    page = Page(write_report(tmp_path / "report", summary).read_text("utf-8"))
    shown = mean_sd(summary.mean(summary.levels[0], "nlm", "psnr_db"), 2)
    assert shown.endswith("± –")
    assert shown in page.cells
    assert "± – stands for undefined" in page.words
    assert not any("nan" in cell.lower() or "none" in cell.lower() for cell in page.cells)
    document = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert document["results"][0]["psnr_db"]["sd"] is None


def test_a_full_folder_is_left_alone_unless_told_otherwise(tmp_path: Path, rows) -> None:
    summary = summarise(rows, WINDOWS_USED)
    (tmp_path / "report").mkdir()
    write_report(tmp_path / "report", summary)
    (tmp_path / "report" / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match=r"the folder must be empty, got a folder with files; "):
        write_report(tmp_path / "report", summary)
    before = (tmp_path / "report" / "report.html").stat().st_ino
    write_report(tmp_path / "report", summary, overwrite=True)
    assert (tmp_path / "report" / "report.html").stat().st_ino != before
    assert (tmp_path / "report" / "mine.txt").read_text() == "keep"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_report_that_cannot_be_finished_leaves_nothing(tmp_path: Path, rows) -> None:
    case = make_cases([0.1], 1)[0]
    broken = SliceCase("A", 0.1, 0, case.input_hu, {"bad": np.full(case.input_hu.shape, np.nan)})
    with pytest.raises(DataError, match=r"A, slice 0, bad: HU must be finite"):
        write_report(tmp_path / "report", summarise(rows, WINDOWS_USED), [Panel(broken, ("bad",))])
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_refused(tmp_path: Path, rows) -> None:
    (tmp_path / "report").write_text("a file")
    with pytest.raises(OutputError, match=r"a report goes into a folder, got a file; "):
        write_report(tmp_path / "report", summarise(rows, WINDOWS_USED))


def test_a_formula_in_a_series_label_reaches_a_spreadsheet_as_text(tmp_path: Path) -> None:
    case = make_cases([0.1], 1)[0]
    rows = measure_slice(SliceCase("=1+1", 0.1, 0, case.input_hu, {}), WINDOWS_USED)
    write_report(tmp_path / "report", summarise(rows, WINDOWS_USED))
    lines = list(csv.DictReader(io.StringIO((tmp_path / "report" / "per_slice.csv").read_text("utf-8"))))
    assert lines[0]["series"] == "'=1+1"


def test_a_panel_shows_what_was_removed_on_a_symmetric_scale() -> None:
    case = make_cases([0.1], 1)[0]
    drawn = draw_panel(Panel(case, ("nlm",)), WINDOWS["abdomen"])
    assert list(drawn) == ["input", "nlm", "reference"]
    assert "residual" not in drawn["input"]
    with Image.open(io.BytesIO(drawn["nlm"]["residual"])) as image:
        grey = np.asarray(image, dtype=float)
    body = find_body(case.input_hu)
    removed = body.cut(case.input_hu - case.candidates["nlm"])
    limit = residual_limit_hu([case.input_hu - case.candidates["nlm"]], body)
    np.testing.assert_allclose(grey, 127.5 * (1 + np.clip(removed / limit, -1, 1)), atol=0.51)


def test_the_residual_scale_is_round_and_holds_the_99th_percentile() -> None:
    body = find_body(np.zeros((64, 64)))
    assert residual_limit_hu([np.full((64, 64), 26.0)], body) == 50.0
    assert residual_limit_hu([np.zeros((64, 64))], body) == 25.0
    assert residual_limit_hu([], body) == 25.0


def test_a_panel_of_a_method_that_was_not_run_is_refused() -> None:
    case = make_cases([0.1], 1)[0]
    with pytest.raises(DataError, match=r"a panel shows methods that were run, got unet; choose among gaussian, nlm"):
        draw_panel(Panel(case, ("unet",)), WINDOWS["abdomen"])


def test_a_slice_of_air_still_has_a_image() -> None:
    air = np.full((40, 30), -1000.0)
    drawn = draw_panel(Panel(SliceCase("A", None, 0, air, {"nlm": air}), ("nlm",)), WINDOWS["abdomen"])
    assert len(drawn) == 2
