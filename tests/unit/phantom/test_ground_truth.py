"""The lesions' labels: spheres of the stated size at the stated place."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from n2b_ct.phantom.ground_truth import lesion_entries, lesion_labels, write_lesion_labels
from n2b_ct.phantom.lesions import Lesion
from n2b_ct.phantom.piglet_plan import PigletPlan

PLAN = PigletPlan(n_slices=906, size_px=160)
LESIONS = (
    Lesion("liver", (-36.0, -8.0, 376.0), 6.0, -30.0),
    Lesion("spleen", (62.25, 8.5, 420.0), 4.0, -20.0),
)


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return lesion_labels(PLAN, LESIONS)


def test_a_label_is_a_ball_of_the_stated_radius_around_the_stated_centre(labels: np.ndarray) -> None:
    for number, lesion in enumerate(LESIONS, 1):
        places = np.argwhere(labels == number)
        voxel_mm3 = PLAN.pixel_mm**2 * PLAN.spacing_mm
        assert len(places) * voxel_mm3 == pytest.approx(4 / 3 * math.pi * lesion.radius_mm**3, rel=0.05)
        slices, rows, cols = places.mean(axis=0)
        centre = [(cols - 79.5) * PLAN.pixel_mm, (rows - 79.5) * PLAN.pixel_mm, PLAN.distance_mm(0) + slices * 0.625]
        np.testing.assert_allclose(centre, lesion.centre_mm, atol=0.2)


def test_facts_name_label_place_and_size_in_the_images_coordinates(labels: np.ndarray) -> None:
    facts = lesion_entries(LESIONS, labels)
    assert [fact["label"] for fact in facts] == [1, 2]
    assert [fact["n_voxels"] for fact in facts] == [int((labels == 1).sum()), int((labels == 2).sum())]
    assert facts[0]["centre_mm"] == [-36.0, -8.0, pytest.approx(566.25 / 2 - 376.0)]
    assert facts[0]["contrast_hu"] == -30.0


def test_the_file_holds_the_slices_by_ascending_location(labels: np.ndarray, tmp_path: Path) -> None:
    write_lesion_labels(tmp_path, PLAN, labels)
    with np.load(tmp_path / "lesions.npz") as truth:
        places = np.argwhere(truth["labels"] == 1)
        locations_mm = truth["slice_location_mm"]
    np.testing.assert_allclose(np.diff(locations_mm), 0.625)
    assert locations_mm[places[:, 0]].mean() == pytest.approx(566.25 / 2 - 376.0, abs=0.2)


def test_slices_too_far_apart_to_meet_a_lesion_say_so() -> None:
    plan = PigletPlan(n_slices=8, size_px=64)
    facts = lesion_entries(LESIONS, lesion_labels(plan, LESIONS))
    assert 0 in [fact["n_voxels"] for fact in facts]
