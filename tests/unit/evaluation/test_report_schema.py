"""The committed schema says what ``report.json`` holds."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest

from n2b_ct.evaluation.assemble import assemble
from n2b_ct.evaluation.cases import CaseSource, SliceCase
from n2b_ct.evaluation.measuring import MeasurementOptions, measure_sources
from n2b_ct.evaluation.report.csv_files import csv_files
from n2b_ct.evaluation.report.document import DEFINITIONS, Provenance, report_document
from n2b_ct.evaluation.report.schema import SCHEMA_NAME, report_schema, schema_text
from n2b_ct.hu import WINDOWS
from tests.json_schema import schema_problems


@pytest.fixture(scope="module")
def measured():
    truth = np.full((128, 128), 40.0)
    sources = []
    for dose in (0.1, 0.25):
        for k in range(2):
            noisy = truth + np.random.default_rng(k).normal(0.0, 10.0 / np.sqrt(dose), truth.shape)
            one = SliceCase("series", dose, k, noisy, {}, truth, 2.0 * k, (0.8, 0.8))
            sources.append(CaseSource("series", k, dose, (0.8, 0.8), lambda one=one: (one, [])))
    how = MeasurementOptions(dict(WINDOWS), noise_free_reference=True, n_workers=1)
    found = measure_sources(sources, {"half": lambda hu: 0.5 * (hu + 40.0)}, how)
    return found, assemble(found, how, ())


def test_the_committed_schema_is_the_one_that_the_classes_make():
    committed = files("n2b_ct.evaluation.report").joinpath(SCHEMA_NAME).read_text("utf-8")
    assert committed == schema_text()


def test_a_report_with_every_part_keeps_its_schema(measured):
    _, summary = measured
    document = json.loads(json.dumps(report_document(summary, Provenance(), []), allow_nan=False))
    assert schema_problems(document, report_schema()) == []
    parts = document["physics"]
    assert [name for name in parts if not parts[name]] == ["lesions", "z_resolution"]
    assert all(document["certainty"][name] for name in ("intervals", "comparisons", "per_series"))


def test_the_schema_refuses_what_does_not_belong(measured):
    _, summary = measured
    document = json.loads(json.dumps(report_document(summary, Provenance(), [])))
    document["results"][0]["psnr_db"]["mean"] = "high"
    document["surprise"] = 1
    del document["anchor"]
    problems = schema_problems(document, report_schema())
    assert [line.split(":")[0] for line in problems] == ["$", "$.results[0].psnr_db.mean", "$"]


def test_tables_for_spreadsheets_hold_the_same_numbers(measured):
    _, summary = measured
    tables = csv_files(summary)
    assert set(tables) == {
        "per_slice.csv",
        "per_series.csv",
        "nps.csv",
        "ttf.csv",
        "detectability.csv",
        "comparisons.csv",
    }
    head, first = tables["nps.csv"].splitlines()[:2]
    assert head == "level,method,role,frequency_per_mm,nps_hu2_mm2,n_rois,source"
    one = summary.table.record("texture", "10 %", "input")
    power = one["power_hu2_mm2"]
    assert first.startswith(f"10 %,input,input,{one['frequency_per_mm'][0]},{power[0]},{one['n_rois']},")
    n_d_primes = len(tables["detectability.csv"].splitlines()) - 1
    assert n_d_primes == len(summary.table.records("detectability")) == 2 * 2 * 2 * 4


def test_every_term_of_the_new_measures_is_defined():
    assert {"ttf", "cho", "inserted_d_prime", "edge_null", "interval", "best_baseline", "flat_rois"} <= set(DEFINITIONS)
