"""The phantom report on FDA's published images: beside LCD_CT's method, and beside the truth of their noise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import phantom_lcd
from benchmarks.results_files import RESULTS
from n2b_ct.config.quality_phantom import load_quality_phantom
from n2b_ct.evaluation.observers import laguerre_gauss_channels
from n2b_ct.evaluation.quality_phantom.measuring import PhantomSummary, measure_scans

DOSE = "100"
LARGEST_BIAS, LARGEST_DIFFERENCE = 3.0, 5.0
"""Percent, of the truth and of LCD_CT's d′."""


@pytest.fixture(scope="module")
def summary(shared_data: Path) -> PhantomSummary:
    images = {DOSE: shared_data / "ct_sim_lcd" / f"dose_{DOSE}_signal_present"}
    return measure_scans(load_quality_phantom("mita-lcd"), images, {}, hu_offset=phantom_lcd.OFFSET_HU)


def test_lcd_cts_channels_are_those_of_scipys_polynomials_but_for_their_norm():
    own = phantom_lcd.lcd_channels(25, 8.0, [12.0, 12.0])
    assert own / np.linalg.norm(own, axis=0) == pytest.approx(laguerre_gauss_channels(25, 8.0, 5), abs=1e-12)


@pytest.mark.real_data
def test_on_the_published_images_d_prime_is_that_of_lcd_cts_observer(summary, shared_data):
    rows = phantom_lcd.published_rows(summary, shared_data / "ct_sim_lcd", DOSE)
    assert [row["insert"] for row in rows] == ["3 mm", "5 mm", "7 mm", "10 mm"]
    assert max(abs(row["difference_percent"]) for row in rows) < LARGEST_DIFFERENCE


@pytest.mark.real_data
def test_in_an_ensemble_of_their_noise_d_prime_is_the_truth(shared_data, monkeypatch):
    monkeypatch.setattr(phantom_lcd, "N_DRAWS", 8)
    phantom = load_quality_phantom("mita-lcd")
    phantom = phantom.model_copy(update={"inserts": phantom.inserts[1:3]})
    for row in phantom_lcd.ensemble_rows(phantom, shared_data / "ct_sim_lcd", DOSE):
        assert abs(row["to_truth_percent"]) < LARGEST_BIAS
        assert abs(row["npw_to_truth_percent"]) < LARGEST_BIAS
        assert abs(row["to_lcd_ct_percent"]) < LARGEST_DIFFERENCE


@pytest.mark.real_data
def test_noise_of_the_phantom_and_of_the_water_disk_is_the_ensembles(summary, shared_data):
    rows = [phantom_lcd.noise_row(summary, shared_data / "ct_sim_lcd", DOSE), phantom_lcd.water_row(shared_data)]
    for row in rows:
        assert abs(row["to_ensemble_percent"]) < LARGEST_BIAS
        assert abs(row["spectrum_to_ensemble_percent"]) < LARGEST_BIAS


@pytest.mark.real_data
def test_the_pixel_size_that_the_files_do_not_state_is_the_phantoms(summary):
    assert summary.scans[0].placement.pixel_mm == pytest.approx((200.0 / 232.7,) * 2, rel=0.002)


def test_the_committed_table_says_the_same_of_all_doses():
    document = json.loads((RESULTS / "phantom_lcd.json").read_text(encoding="utf-8"))
    assert max(abs(row["difference_percent"]) for row in document["published"]) < LARGEST_DIFFERENCE
    assert max(abs(row["to_truth_percent"]) for row in document["ensemble"]) < LARGEST_BIAS
    assert max(abs(row["npw_to_truth_percent"]) for row in document["ensemble"]) < LARGEST_BIAS
    clear = [row for row in document["ensemble"] if row["truth"] > 1.5]
    assert len(clear) == 8
    assert max(abs(row["to_lcd_ct_percent"]) for row in clear) < LARGEST_DIFFERENCE
    assert (RESULTS / "phantom_lcd.md").read_text(encoding="utf-8") == phantom_lcd.table(document)
