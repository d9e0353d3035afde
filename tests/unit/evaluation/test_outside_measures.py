"""Measures that installed packages add to a report, and packages that are broken."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from n2b_ct.errors import DataError
from n2b_ct.evaluation.assemble import assemble
from n2b_ct.evaluation.cases import CaseSource, SliceCase
from n2b_ct.evaluation.measures import BUILT_IN, known_measures, measure_slice
from n2b_ct.evaluation.measuring import MeasurementOptions, measure_sources
from n2b_ct.evaluation.report import Provenance, Summary, write_report
from n2b_ct.evaluation.report.schema import report_schema
from n2b_ct.hu import WINDOWS
from n2b_ct.registry import MEASURES
from tests.json_schema import schema_problems
from tests.outside_package import lay_package

TWO = {name: WINDOWS[name] for name in ("abdomen", "lung")}
SOURCE = """
import numpy as np
from n2b_ct.evaluation.measures import Measure

def mae_hu(hu, case, window):
    return np.mean(np.abs(window.clip(hu) - window.clip(case.reference_hu)))

MAE = Measure("MAE", "Mean of |method - reference|, HU, inside the window.", mae_hu, "HU", 2,
              higher_is_better=False, needs_reference=True)
MAXIMUM = Measure("maximum", "The largest value, HU.", lambda hu, case, window: float(hu.max()), "HU", 0)
ENDLESS = Measure("endless", "Nothing finite.", lambda hu, case, window: float("inf"))
FAILING = Measure("failing", "Always raises.", lambda hu, case, window: 1 / 0)
WORD = "no measure"
"""


@pytest.fixture
def install(tmp_path, monkeypatch) -> Iterator[Callable[..., None]]:
    """Return what installs a package of one module with an entry point for every name."""
    monkeypatch.setattr(MEASURES, "_members", dict(MEASURES._members))

    def make(source: str, **names: str) -> None:
        root = tmp_path / "site"
        offered = {name: f"outside_measures:{attribute}" for name, attribute in names.items()}
        lay_package(root, "outside-measures", {"n2b_ct.measures": offered}, outside_measures=source)
        monkeypatch.syspath_prepend(root)

    yield make
    sys.modules.pop("outside_measures", None)


def make_case(k: int) -> SliceCase:
    truth = np.full((96, 96), 40.0)
    truth[0, 0] = 41.0
    noisy = truth + np.random.default_rng(k).normal(0.0, 20.0, truth.shape)
    return SliceCase(
        f"A{k}", 0.25, 0, noisy, {"gaussian": 0.6 * truth + 0.4 * noisy, "n2b": truth + 2.0}, truth, 3.0 * k
    )


def report(folder: Path) -> Summary:
    cases = [make_case(k) for k in range(6)]
    sources = [CaseSource(one.series, 0, 0.25, None, lambda one=one: (one, []), one.series) for one in cases]
    how = MeasurementOptions(TWO, n_workers=1)
    measured = measure_sources(sources, {}, how, inserting=False)
    summary = assemble(measured, how, ("gaussian",))
    write_report(folder, summary, measured.panels, Provenance())
    return summary


def test_a_measure_of_an_installed_package_is_a_further_column_of_json_csv_and_page(install, tmp_path):
    install(SOURCE, mae_hu="MAE", maximum_hu="MAXIMUM")
    summary = report(tmp_path / "report")
    with (tmp_path / "report" / "per_slice.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "n2b"]
    assert list(rows[0])[-2:] == ["mae_hu", "maximum_hu"]
    assert [(row["window"], row["mae_hu"], row["maximum_hu"]) for row in rows] == 6 * [
        ("abdomen", "2.0", "43.0"),
        ("lung", "2.0", "43.0"),
    ]
    document = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert schema_problems(document, report_schema()) == []
    own = next(one for one in document["results"] if (one["method"], one["window"]) == ("n2b", "abdomen"))
    assert own["mae_hu"] == {"mean": 2.0, "sd": 0.0, "n": 6, "n_excluded": 0}
    assert document["definitions"]["mae_hu"] == "Mean of |method - reference|, HU, inside the window."
    tests = {(one["measure"], one["method"], one["against"]): one for one in document["certainty"]["comparisons"]}
    assert tests["mae_hu", "n2b", "gaussian"]["better"] is True
    assert ("maximum_hu", "n2b", "input") not in tests
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    section = page[page.index('<section id="further"') :]
    assert "MAE, window lung" in section
    assert "2.00 [2.00, 2.00]" in section
    assert summary.problems == ()


def test_without_such_a_package_there_are_the_measures_of_this_one(tmp_path):
    assert tuple(known_measures()[0]) == BUILT_IN
    report(tmp_path / "report")
    assert '<section id="further"' not in (tmp_path / "report" / "report.html").read_text("utf-8")


def test_a_package_that_cannot_be_imported_costs_one_line_and_the_report_is_written(install, tmp_path):
    install("raise RuntimeError('half of it is missing')", mae_hu="MAE")
    summary = report(tmp_path / "report")
    (line,) = summary.problems
    wanted = "mae_hu must be importable from the installed package outside-measures, got RuntimeError: half of it"
    assert line.startswith(f"report measure: {wanted}")
    assert "mae_hu" not in summary.measures
    assert (tmp_path / "report" / "report.html").is_file()


def test_what_is_no_measure_costs_one_line(install):
    install(SOURCE, word="WORD")
    found, (line,) = known_measures()
    assert "word" not in found
    assert line == (
        "report measure: word of the installed package outside-measures must be a Measure, got an object of str; "
        "repair or uninstall that package"
    )


def test_an_infinite_value_counts_as_none(install):
    install(SOURCE, endless="ENDLESS")
    rows = measure_slice(make_case(0), TWO)
    assert {row.value for row in rows if row.measure == "endless"} == {None}


def test_a_measure_that_raises_is_named_with_its_slice(install):
    install(SOURCE, failing="FAILING")
    wanted = r"report measure: failing must return a number or None, got ZeroDivisionError on A0, slice 0; repair"
    with pytest.raises(DataError, match=wanted):
        measure_slice(make_case(0), TWO)
