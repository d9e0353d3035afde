"""Inserted lesions against methods that do a known thing to them, and what a reader is told of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from n2b_ct.evaluation.cases import SliceCase
from n2b_ct.evaluation.inserts import task_signal
from n2b_ct.evaluation.low_contrast.lesions import insert_lesions, lesion_rounds
from n2b_ct.evaluation.low_contrast.results import grade_of, inserted_lesion_rows, low_contrast
from n2b_ct.evaluation.low_contrast.tasks import CONTRASTS_HU, SIZES_MM, lesion_tasks, reading_weights
from n2b_ct.evaluation.table import Row, Table

PIXEL_MM = (0.7, 0.7)
BLUR_PX = 1.5
METHODS = {
    "same": lambda hu: hu,
    "blur": lambda hu: ndimage.gaussian_filter(hu, BLUR_PX, truncate=6.0),
    "fade": lambda hu: 40.0 + 0.5 * (hu - 40.0),
    "flat": lambda hu: np.full_like(hu, 40.0),
}


def case_of(k: int) -> SliceCase:
    noisy = 40.0 + np.random.default_rng(k).normal(0.0, 20.0, (224, 224)).astype(np.float32)
    return SliceCase("series", 0.25, k, noisy, {name: run(noisy) for name, run in METHODS.items()}, pixel_mm=PIXEL_MM)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    inserts = [one for k in range(4) for one in insert_lesions(case_of(k), METHODS, 2, k)]
    return inserted_lesion_rows(inserts, {0.25: "25 %"}, {})


def test_a_reading_is_the_contrast_of_a_sharp_disk_and_blind_to_a_plane():
    (row, col), size = np.mgrid[:29, :29], 29
    for task in lesion_tasks():
        weights = reading_weights(2.0 * task.radius_mm, PIXEL_MM, size)
        signal = task_signal(task, size, PIXEL_MM)
        assert float(np.sum(weights * signal)) == pytest.approx(task.contrast_hu)
        assert float(np.sum(weights * (70.0 + 0.3 * row - 0.8 * col))) == pytest.approx(0.0, abs=1e-9)


def test_every_contrast_and_size_has_a_row_for_every_method(rows):
    found = {(one.method, one.contrast_hu, one.size_mm) for one in low_contrast(Table(rows))}
    assert found == {(name, hu, mm) for name in METHODS for hu in CONTRASTS_HU for mm in SIZES_MM}


def test_what_is_kept_halved_and_erased_is_told_apart_at_every_lesion(rows):
    for method, share, grade in (("same", 1.0, "safe"), ("fade", 0.5, "at risk"), ("flat", 0.0, "lost")):
        for one in low_contrast(Table(rows)):
            if one.method == method:
                assert one.recovery == pytest.approx(share, abs=2e-3)
                assert one.grade == grade


def test_a_blur_takes_from_small_lesions_what_its_kernel_says_and_makes_them_larger(rows):
    table = Table(rows)
    for task in lesion_tasks():
        one = table.record("low_contrast", "25 %", "blur", task)
        signal = task_signal(task, 61, PIXEL_MM)
        weights = reading_weights(2.0 * task.radius_mm, PIXEL_MM, 61)
        exact = np.sum(weights * ndimage.gaussian_filter(signal, BLUR_PX, truncate=6.0)) / task.contrast_hu
        assert one["recovery"] == pytest.approx(exact, abs=2e-3)
    small, large = (table.record("low_contrast", "25 %", "blur", lesion_tasks()[k]) for k in (0, -1))
    assert small["size_low_mm"] > 3.3
    assert large["size_recovered_mm"] == pytest.approx(10.0, abs=0.3)


def test_a_lesion_that_is_left_alone_has_its_own_size(rows):
    for task in lesion_tasks():
        one = Table(rows).record("low_contrast", "25 %", "same", task)
        assert one["size_recovered_mm"] == pytest.approx(2.0 * task.radius_mm, rel=0.05)


def test_a_row_without_a_recovery_says_nothing(rows):
    unknown = [replace(row, value=None) if row.measure == "recovery" else row for row in rows]
    assert low_contrast(Table(unknown)) == []


@pytest.mark.parametrize(
    ("values", "grade"),
    [
        ((1.0, 0.9, 1.1), "safe"),
        ((0.9, 0.4, 1.4), "at risk"),
        ((0.79, None, None), "at risk"),
        ((0.3, 0.1, 0.9), "at risk"),
        ((0.3, 0.1, 0.5), "lost"),
        ((-0.2, None, None), "lost"),
    ],
)
def test_what_is_not_known_well_enough_is_at_risk(values, grade):
    assert grade_of(*values) == grade


def test_few_slices_are_denoised_more_often():
    assert [lesion_rounds(n) for n in (1, 2, 3, 6, 24)] == [3, 3, 2, 1, 1]


def test_without_pixels_small_enough_or_flat_tissue_nothing_is_inserted():
    case = case_of(0)
    assert insert_lesions(replace(case, pixel_mm=(1.6, 1.6)), METHODS, 1, 0) == []
    assert insert_lesions(replace(case, pixel_mm=None), METHODS, 1, 0) == []
    assert insert_lesions(replace(case, input_hu=case.input_hu - 1000.0), METHODS, 1, 0) == []
