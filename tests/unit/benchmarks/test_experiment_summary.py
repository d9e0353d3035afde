"""The summary of experiments: every number by hand from small tables."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks import experiment_tables
from benchmarks.experiment_summary import ablations, compares_methods, summary
from n2b_ct.experiments.results import Interval, Machine, Published, Row, Score, Table, TableColumn, table_json

BLIND = {"data.noise.sigma": "[0.0, 50.0]"}


def score(psnr_db, test="t"):
    interval = Interval(psnr_db, None, None)
    return Score(test, interval, interval, None, None, 2, 0, 0.1)


def paper(psnr_db, source="a", differs="RGB"):
    return Published("t", psnr_db, None, source, differs, None)


ROWS = (
    Row("input", "input", "done", method="none", scores=(score(20.0),)),
    Row(
        "U-Net", "trained", "done", method="supervised", settings=BLIND, scores=(score(30.0),), published=(paper(31.0),)
    ),
    Row(
        "N2B",
        "trained",
        "done",
        method="noise2blur",
        scores=(score(29.5),),
        published=(paper(29.0, "b", ""), paper(30.25)),
    ),
    Row("UPI", "trained", "failed", method="upi", published=(paper(29.4, "b", ""),)),
    Row("TV", "baseline", "done", method="tv", scores=(score(27.0),)),
    Row("NLM", "baseline", "done", method="nlm", scores=(score(28.0),)),
    Row("WNNM", "published", "published", published=(paper(28.9),)),
)


@pytest.fixture
def table():
    return Table(
        experiment="tiny",
        description="A table.",
        command="",
        created="2026-01-01T00:00:00+00:00",
        machine=Machine("a processor", 2, 1, None, None),
        versions={"n2b-ct": "0"},
        colour="rgb",
        tests=(
            TableColumn("t", "natural/one", 2, {"kind": "gaussian", "sigma": 25.0}, 0),
            TableColumn("again", "natural/two", 2, {"kind": "gaussian", "sigma": 25.0}, 0),
        ),
        compare_with="U-Net",
        rows=ROWS,
        sources={"a": "First 2019, Title, arXiv 1, Table 1", "b": "Second 2020, Other, CVPR"},
        notes=(),
        definitions={"psnr_db": "of PSNR", "ssim": "of SSIM", "interval": "of intervals", "gain": "of gains"},
    )


def cells(text):
    """Method and whose to the cells of its noises."""
    found, name = {}, ""
    for line in (line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")):
        first, whose, *rest = (cell.strip() for cell in line)
        name = first or name
        found[name, whose] = rest
    return found


def test_a_cell_is_the_psnr_and_the_gap_to_the_unet_of_the_same_table(table):
    found = cells(summary([table]))
    assert found["noisy", "ours"] == ["20.00"]
    assert found["U-Net", "ours"] == ["**30.00**"]
    assert found["N2B", "ours"] == ["29.50<br>−0.50"]


def test_a_papers_gap_is_to_the_unet_of_the_same_source(table):
    found = cells(summary([table]))
    assert found["U-Net", "papers"] == ["*31.00*"]
    assert found["N2B", "papers"] == ["*30.25*<br>−0.75"]
    assert found["UPI", "papers"] == ["29.40²"]


def test_a_row_without_a_score_says_why(table):
    found = cells(summary([table]))
    assert found["UPI", "ours"] == ["failed"]
    assert found["WNNM", "ours"] == ["not run"]
    assert found["WNNM", "papers"] == ["*28.90*<br>−2.10"]


def test_of_baselines_that_no_paper_has_the_best_is_named(table):
    assert cells(summary([table]))["best other filter", "ours"] == ["NLM<br>28.00<br>−2.00"]


def test_a_noise_is_one_column_with_a_link_to_its_page(table):
    head = summary([table]).splitlines()[0]
    assert head == "| RGB images |  | Gaussian<br>[σ 25](experiments/tiny.md)<br>blind |"


def test_the_works_stand_below_without_their_tables(table):
    assert summary([table]).endswith("\n\nPapers: First 2019, Title, arXiv 1; ² Second 2020, Other, CVPR.")


def test_gray_and_rgb_are_tables_of_their_own_with_noises_in_their_order(table):
    text = replace(table, experiment="text", tests=(TableColumn("t", "f", 2, {"kind": "text", "probability": 0.1}, 0),))
    gray = replace(table, experiment="z_gray", colour="gray")
    real = replace(table, experiment="a_real", tests=(TableColumn("t", "f", 2, {}, 0),))
    found = summary([real, text, table, gray])
    heads = [line for line in found.splitlines() if " images |" in line]
    assert [head.split(" | ")[0] for head in heads] == ["| gray images", "| RGB images"]
    order = [found.index(f"experiments/{name}.md") for name in ("z_gray", "tiny", "text", "a_real")]
    assert order == sorted(order)


def test_a_table_without_a_unet_has_no_gaps(table):
    alone = replace(table, rows=tuple(row for row in ROWS if row.name not in ("U-Net", "UPI")))
    assert cells(summary([alone]))["N2B", "ours"] == ["**29.50**"]
    assert cells(summary([alone]))["N2B", "papers"] == ["*30.25*"]


def test_variants_of_one_method_are_a_line_of_text(table):
    n2b = replace(ROWS[2], published=(paper(30.25),))
    variants = replace(table, rows=(ROWS[0], n2b, replace(n2b, name="N2B_v", scores=(), published=())))
    assert not compares_methods(variants)
    assert (
        ablations([variants, table]) == "- [A table.](experiments/tiny.md), t: N2B 29.50 (paper 30.25) · N2B_v not run"
    )


@pytest.fixture
def repository(tmp_path, monkeypatch, table):
    """A repository with one page of methods and a table folder beside it."""
    docs, results = tmp_path / "docs", tmp_path / "results"
    (docs / "images").mkdir(parents=True)
    marks = "".join(f"<!-- {mark} -->\n<!-- end -->\n" for mark in ("summary", "ablations", "noise extractor"))
    page = f"by hand\n{marks}"
    (docs / "methods.md").write_text(page, encoding="utf-8")
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "table.json").write_text(table_json(table), encoding="utf-8")
    for name, place in (
        ("REPOSITORY", tmp_path),
        ("TABLES", results),
        ("IMAGES", docs / "images"),
        ("METHODS_PAGE", docs / "methods.md"),
        ("PAGES", docs / "experiments"),
        ("EXTRACTOR", results / "noise_extractor.md"),
    ):
        monkeypatch.setattr(experiment_tables, name, place)
    return tmp_path


def test_one_command_writes_the_table_its_page_and_the_summary(repository):
    experiment_tables.main([repository / "made"])
    assert json.loads((repository / "results/tiny/table.json").read_text("utf-8"))["experiment"] == "tiny"
    methods = (repository / "docs/methods.md").read_text("utf-8")
    assert methods.startswith("by hand\n<!-- summary -->\n| RGB images |  | Gaussian")
    page = (repository / "docs/experiments/tiny.md").read_text("utf-8")
    assert page.startswith("# A table.\n\n<!-- table -->\n| method |")
    assert "![tiny: scores](../images/tiny_scores.png)" in page
    assert page.index("scores.png") < page.index("**Columns**") < page.index("**Papers**")


def test_words_by_hand_stay_when_pages_are_written_again(repository):
    experiment_tables.main([repository / "made"])
    page = repository / "docs/experiments/tiny.md"
    page.write_text(page.read_text("utf-8").replace("# A table.\n", "# A table.\n\nBecause of this.\n"), "utf-8")
    written = page.read_text("utf-8")
    experiment_tables.main([])
    assert page.read_text("utf-8") == written
