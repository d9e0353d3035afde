"""The table's files: JSON by its schema, Markdown by its numbers, CSV by its lines, images by their pixels."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from n2b_ct.experiments.markdown import counted, in_words, number, signed, table_markdown
from n2b_ct.experiments.plots import Panel, cropped, draw_gallery, draw_scores
from n2b_ct.experiments.progress_counter import Cost, ProgressCounter, cost_of, progress_counters
from n2b_ct.experiments.results import (
    SCHEMA_PATH,
    Budget,
    ImageScore,
    Interval,
    Machine,
    Published,
    Row,
    Score,
    Table,
    TableColumn,
    installed_versions,
    per_image_csv,
    schema_text,
    table_json,
    table_schema,
)
from n2b_ct.experiments.scoring import DEFINITIONS, summarised
from n2b_ct.training.devices import processor_name
from tests.json_schema import schema_problems


def scores(*psnr_db):
    return [ImageScore(f"p{k}", value, 0.8, 0.5) for k, value in enumerate(psnr_db)]


@pytest.fixture
def table():
    budget = Budget(6000, 1830.0, 16, 64, 0, {"noisy": 200, "clean": 200}, "cpu", "A Processor", "bf16", 2)
    compare_with = scores(29.0, 31.0)
    here = Published("t", 28.95, None, "a", "", 0.05)
    there = Published("t", 30.87, 0.873, "b", "RGB BSD300", None)
    rows = (
        Row("input", "input", "done", scores=(summarised("t", scores(20.0, 21.0), compare_with),)),
        Row("U-Net", "trained", "done", n_parameters=913953, budget=budget, scores=(summarised("t", compare_with),)),
        Row(
            "N2B",
            "trained",
            "done",
            scores=(summarised("t", scores(28.0, 30.5), compare_with),),
            published=(here, there),
        ),
        Row("N2B|v", "trained", "failed", problem="training: collapsed, got 0; raise it"),
        Row("TV", "baseline", "not run"),
        Row("UPI", "published", "published", published=(here,)),
    )
    return Table(
        experiment="tiny",
        description="A table.",
        command="n2b-ct benchmark tiny.yaml",
        created="2026-01-01T00:00:00+00:00",
        machine=Machine("a processor", 2, 1, None, None),
        versions={"n2b-ct": "0"},
        colour="gray",
        tests=(TableColumn("t", "folder", 2, {"kind": "gaussian", "sigma": 25.0}, 0),),
        compare_with="U-Net",
        rows=rows,
        sources={"a": "First et al.", "b": "Second et al."},
        notes=("A remark.",),
        definitions={"psnr_db": "of PSNR", "ssim": "of SSIM", **DEFINITIONS},
    )


def test_a_score_is_the_mean_with_the_paired_difference_to_the_baseline():
    found = summarised("t", scores(28.0, 30.5, None), scores(29.0, 31.0, 33.0))
    assert found.psnr_db.mean == pytest.approx(29.25)
    assert found.psnr_gain_db.mean == pytest.approx(-0.75)
    assert found.psnr_gain_db.low < -0.75 < found.psnr_gain_db.high
    assert (found.n_images, found.n_identical, found.seconds_per_image) == (3, 1, 0.5)


def test_json_has_the_form_of_its_committed_schema(table):
    document = json.loads(table_json(table))
    assert schema_problems(document, table_schema()) == []
    assert SCHEMA_PATH.read_text(encoding="utf-8") == schema_text()
    row = document["rows"][2]
    assert row["scores"][0]["psnr_db"]["mean"] == pytest.approx(29.25)
    assert [one["difference_db"] for one in row["published"]] == [0.05, None]


def test_markdown_sets_our_numbers_beside_the_papers(table):
    text = table_markdown(table)
    lines = {line.split(" | ")[0].lstrip("| "): line for line in text.splitlines() if line.startswith("| ")}
    assert "**30.00**" in lines["U-Net"]
    assert "200 noisy, 200 clean | 6\u202f000 | 30.5 | 913\u202f953 |" in lines["U-Net"]
    assert "28.95¹, *30.87*²" in lines["N2B"]
    assert "−0.75" in lines["N2B"]
    assert lines["UPI"].count("28.95¹") == 1
    widths = {line.replace(r"\|", "").count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1
    for sentence in (
        "1. First et al.\n2. Second et al.; what differs: RGB BSD300",
        r"- N2B\|v failed: training: collapsed, got 0; raise it",
        "- Not run yet: TV",
        "- t: 2 images of `folder` (gray), Gaussian noise, σ 25 of 255",
        "- command: `n2b-ct benchmark tiny.yaml`",
        "- A remark.",
    ):
        assert sentence in text


def test_csv_has_a_line_per_image():
    text = per_image_csv({("N2B", "t"): scores(28.12346, None)})
    assert text.splitlines() == [
        "method,test,image,psnr_db,ssim,seconds",
        "N2B,t,p0,28.1235,0.80000,0.500",
        "N2B,t,p1,,0.80000,0.500",
    ]


def test_the_chart_is_a_png_of_readable_size(table):
    with Image.open(io.BytesIO(draw_scores(table))) as image:
        assert image.format == "PNG"
        assert image.width > 600
        colours = np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)
    assert len(colours) > 10


def test_the_gallery_shows_the_very_pixels_of_the_crop():
    truth = np.zeros((40, 40), np.float32)
    truth[10:26, 10:26] = 0.5
    tiles = {"noisy": truth + 2.0, "truth": truth}
    with Image.open(io.BytesIO(draw_gallery([Panel("p", tiles, (10, 10, 16))], "a table"))) as drawn:
        pixels = np.asarray(drawn.convert("L"))
    assert (pixels == 128).sum() > 200**2
    assert (pixels == 255).sum() > 200**2
    assert (pixels == 0).sum() == 0


def test_a_crop_stays_inside_the_image():
    image = np.arange(20 * 30 * 3).reshape(20, 30, 3)
    np.testing.assert_array_equal(cropped(image, (15, 28, 8)), image[12:20, 22:30])
    np.testing.assert_array_equal(cropped(image, None), image[:, 5:25])


def test_numbers_and_noises_in_words():
    assert (number(None, 1), number(913953, 0), signed(-0.754)) == ("", "913\u202f953", "−0.75")
    assert in_words({"kind": "text", "probability": "0 to 0.2"}) == "text, p 0 to 0.2"
    assert in_words({}) == "their own noise"
    assert (counted(1, "image"), counted(68, "image")) == ("1 image", "68 images")


def test_the_machine_is_named_without_its_host(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A Processor 3000\n")
    assert processor_name(tmp_path / "cpuinfo") == "A Processor 3000"
    assert processor_name(tmp_path / "absent")
    assert {"n2b-ct", "Python", "torch"} <= set(installed_versions())


def test_progress_runs_over_all_rows_by_what_they_cost():
    told = []
    costs = {"input": Cost(0.0, 25.0), "N2B": Cost(20.0, 5.0), "WNNM": Cost(0.0, 50.0)}
    steps = progress_counters(costs, lambda *step: told.append(step))["N2B"]
    assert steps.training_share == 0.8
    steps.part(0.0, 0.8).training(9, 10, "a.png")
    steps.part(0.0, 0.8).training(50, 100, "training")
    steps.part(0.8, 1.0)(1, 2, "p1")
    ProgressCounter(None, "nobody listens")(1, 1, "p1")
    assert told == [(250, 1000, "N2B, a.png 9/10"), (350, 1000, "N2B, training 50/100"), (475, 1000, "N2B, p1 1/2")]


def test_a_row_costs_what_networks_see_of_it():
    training = SimpleNamespace(iterations=1000, batch_size=16, patch_px=64)
    assert cost_of(10, SimpleNamespace(training=training)) == Cost(pytest.approx(6 * 65.536), pytest.approx(1.5))
    assert cost_of(10) == cost_of(10, baseline="tv") == Cost(0.0, pytest.approx(1.5))
    assert cost_of(10, baseline="wnnm").scoring > 10 * cost_of(10, baseline="bm3d").scoring


def test_an_interval_needs_something_to_resample():
    assert summarised("t", scores(28.0)).psnr_db == Interval(28.0, None, None)
    assert summarised("t", scores(28.0)).psnr_gain_db is None


def test_a_score_is_found_by_its_column(table):
    assert isinstance(table.rows[1].score("t"), Score)
    assert table.rows[1].score("u") is None
    assert [row.name for row in table.failed] == ["N2B|v"]
