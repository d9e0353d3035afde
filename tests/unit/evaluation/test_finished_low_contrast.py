"""Faint structure in finished images of known truth: what is left of it, and who is right where candidates differ."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from scipy import ndimage

from n2b_ct.evaluation.cases import SliceCase
from n2b_ct.evaluation.disks import Disk, disk_hu
from n2b_ct.evaluation.low_contrast.finished import measure_finished
from n2b_ct.evaluation.low_contrast.finished_results import finished_rows
from n2b_ct.evaluation.low_contrast.results import DISAGREEMENT, DISAGREEMENT_BY_INPUT, STRUCTURE, low_contrast
from n2b_ct.evaluation.table import Table
from n2b_ct.evaluation.truth_error import InsertedNoise

PIXEL_MM = (0.7, 0.7)
SIZE_PX = 256
PLACES = [(row, col) for row in range(48, 220, 40) for col in range(48, 220, 40)]
N_SLICES = 3


@lru_cache
def lesions_hu(sign: int = 1) -> np.ndarray:
    disks = [disk_hu((SIZE_PX, SIZE_PX), Disk(place, 2.5, 10.0 * sign), PIXEL_MM) for place in PLACES]
    return np.sum(disks, axis=0)


@lru_cache
def noise_hu(seed: int, sigma_hu: float) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, sigma_hu, (SIZE_PX, SIZE_PX))


@lru_cache
def texture_hu(seed: int) -> np.ndarray:
    """Faint structure of a few pixels, as organs have."""
    rough = ndimage.gaussian_filter(noise_hu(seed + 900, 1.0), 3.0)
    return 12.0 * rough / rough.std()


def rows_of(candidates, *, truth=None, reference=True, shared=0.0, compared=None):
    """Rows of slices: ``candidates`` maps a name to a function of (truth without lesions, noise, lesions)."""
    found = []
    for k in range(N_SLICES):
        organ = 40.0 + (np.zeros((SIZE_PX, SIZE_PX)) if truth is None else truth(k))
        noise = noise_hu(k, 20.0)
        images = {name: make(organ, noise, lesions_hu()) for name, make in candidates.items()}
        own = 0.5 * noise + noise_hu(k + 50, 9.0) if shared else noise_hu(k + 50, 10.0)
        case = SliceCase(
            "series",
            0.25,
            k,
            organ + noise + lesions_hu(),
            images,
            organ + own + lesions_hu() if reference else None,
            pixel_mm=PIXEL_MM,
            inserted_noise=InsertedNoise(None, shared=shared),
        )
        found.append(measure_finished(case, list(compared or candidates)))
    return Table(finished_rows(found, {0.25: "25 %"}, {}))


def left_noise(noise):
    return 0.3 * ndimage.gaussian_filter(noise, 1.0)


THREE = {
    "keep": lambda organ, noise, lesions: organ + left_noise(noise) + lesions,
    "halve": lambda organ, noise, lesions: organ + left_noise(noise) + 0.5 * lesions,
    "erase": lambda organ, noise, lesions: organ + left_noise(noise),
}


@pytest.mark.parametrize(("reference", "measured_on"), [(True, DISAGREEMENT), (False, DISAGREEMENT_BY_INPUT)])
def test_candidates_that_keep_halve_and_erase_lesions_are_told_apart(reference, measured_on):
    rows = {
        one.method: one for one in low_contrast(rows_of(THREE, reference=reference)) if one.measured_on == measured_on
    }
    assert {(one.contrast_hu, one.size_mm) for one in rows.values()} == {(10.0, 5.0)}
    for name, share, grade in (("keep", 1.0, "safe"), ("halve", 0.5, "at risk"), ("erase", 0.0, "lost")):
        assert rows[name].recovery == pytest.approx(share, abs=0.1)
        assert rows[name].low <= share <= rows[name].high
        assert rows[name].grade == grade


def test_dark_lesions_are_lost_like_bright_ones():
    three = {name: lambda o, n, b, make=make: make(o, n, lesions_hu(-1)) for name, make in THREE.items()}
    found = []
    for k in range(N_SLICES):
        organ = np.full((SIZE_PX, SIZE_PX), 40.0)
        images = {name: make(organ, noise_hu(k, 20.0), None) for name, make in three.items()}
        dark = organ + lesions_hu(-1)
        case = SliceCase("s", None, k, dark + noise_hu(k, 20.0), images, dark + noise_hu(k + 9, 9.0), pixel_mm=PIXEL_MM)
        found.append(measure_finished(case, list(images)))
    rows = {
        one.method: one
        for one in low_contrast(Table(finished_rows(found, {None: ""}, {})))
        if one.measured_on == DISAGREEMENT
    }
    assert [rows[name].grade for name in THREE] == ["safe", "at risk", "lost"]


def test_what_one_candidate_invents_is_no_loss_of_the_other():
    two = {"honest": THREE["keep"], "inventive": lambda o, n, b: THREE["keep"](o, n, b) + np.roll(b, 20, axis=1)}
    assert all(one.measured_on != DISAGREEMENT for one in low_contrast(rows_of(two)))


def test_noise_that_one_candidate_leaves_is_no_loss_of_the_other():
    two = {"clean": THREE["keep"], "noisy": lambda o, n, b: o + b + ndimage.gaussian_filter(n, 1.0)}
    assert all(one.measured_on != DISAGREEMENT for one in low_contrast(rows_of(two)))


WHOLE = {
    "same": lambda organ, noise, lesions: organ + noise + lesions,
    "perfect": lambda organ, noise, lesions: organ + lesions,
    "fade": lambda organ, noise, lesions: 40.0 + 0.5 * (organ + lesions + noise - 40.0),
    "remove": lambda organ, noise, lesions: np.full_like(organ, 40.0) + left_noise(noise),
}


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_what_is_left_of_the_structure_of_an_organ_is_its_share_whatever_noise_is_left(shared):
    rows = low_contrast(rows_of(WHOLE, truth=texture_hu, shared=shared, compared=["none"]))
    assert {one.measured_on for one in rows} == {STRUCTURE}
    for name, share in (("same", 1.0), ("perfect", 1.0), ("fade", 0.5), ("remove", 0.0)):
        own = [one for one in rows if one.method == name and one.contrast_hu >= 10.0]
        assert len(own) >= 4
        for one in own:
            assert one.recovery == pytest.approx(share, abs=0.15)
            assert one.low - 0.03 <= share <= one.high + 0.03


def test_noise_without_structure_says_nothing_of_structure():
    assert (
        low_contrast(rows_of({"same": lambda o, n, b: o + n}, truth=lambda _: -lesions_hu(), compared=["none"])) == []
    )


def test_a_coarse_slice_or_one_of_unknown_pixels_is_not_read():
    hu = noise_hu(0, 20.0) + 40.0
    for pixel_mm in (None, (6.0, 6.0)):
        found = measure_finished(SliceCase("s", None, 0, hu, {"a": hu}, hu, pixel_mm=pixel_mm), ["a"])
        assert (found.structure, found.places) == ([], [])
