"""The page of speeds says what the committed results say."""

from __future__ import annotations

import json

import pytest

from benchmarks import experiment_tables, targets
from benchmarks.targets import Target
from tests.contracts.test_documents import text_of


def test_the_page_shows_the_committed_results():
    page = targets.PAGE.read_text(encoding="utf-8")
    assert targets.filled(page) == page, "run python -m benchmarks.targets"


def test_the_methods_page_shows_the_committed_ct_table():
    table = (targets.RESULTS / "mayo_methods.md").read_text(encoding="utf-8")
    assert table.strip() in text_of("docs/methods.md")


def test_the_pages_of_experiments_show_the_committed_tables():
    differing = [str(path) for path, text in experiment_tables.pages().items() if path.read_text("utf-8") != text]
    assert differing == [], "run python -m benchmarks.experiment_tables"


@pytest.mark.parametrize(
    ("at_most", "value", "said"),
    [(True, 2.0, "met"), (True, 2.1, "**missed**"), (False, 2.0, "met"), (False, 1.9, "**missed**")],
)
def test_a_promise_is_met_or_missed(tmp_path, monkeypatch, at_most, value, said):
    monkeypatch.setattr(targets, "RESULTS", tmp_path)
    (tmp_path / "found.json").write_text(json.dumps({"ratio": value}), encoding="utf-8")
    row = Target("a : b", 2.0, at_most, "found", lambda document: document["ratio"]).row()
    assert row.split(" | ")[3] == said


@pytest.mark.parametrize("content", [None, {}, {"rows": []}])
def test_a_promise_without_its_result_is_not_measured(tmp_path, monkeypatch, content):
    monkeypatch.setattr(targets, "RESULTS", tmp_path)
    if content is not None:
        (tmp_path / "found.json").write_text(json.dumps(content), encoding="utf-8")
    target = Target("a : b", 2.0, True, "found", lambda document: next(iter(document["rows"])))
    assert "not measured" in target.row()
