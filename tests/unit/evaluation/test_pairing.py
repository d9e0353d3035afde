"""Which series may be compared: matched by position, refused with one clear line where they do not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from n2b_ct.evaluation.folders import FolderSeries
from n2b_ct.evaluation.pairing import TOLERANCE_MM, _same_positions, match

AXIAL = np.array([0.0, 0.0, 1.0])


def volume(n_slices: int = 9, size_px: int = 48, seed: int = 0) -> np.ndarray:
    """A body whose slices differ: a bright rod wanders through it."""
    rows, cols = np.mgrid[:size_px, :size_px]
    noise = np.random.default_rng(seed).normal(0.0, 5.0, (n_slices, size_px, size_px))
    hu = np.where(np.hypot(rows - size_px / 2, cols - size_px / 2) < 0.4 * size_px, 40.0, -1000.0)[None] + noise
    for k in range(n_slices):
        hu[k, 15:30, 10 + 3 * k : 18 + 3 * k] += 400.0
    return hu


def series(hu: np.ndarray, **changes) -> FolderSeries:
    values = {
        "name": "series",
        "folder": "a",
        "study_uid": "1.2",
        "positions_mm": tuple(3.0 * k for k in range(len(hu))),
        "size_px": hu.shape[1:],
        "pixel_mm": (0.8, 0.8),
        "normal": AXIAL,
        "corner_mm": np.array([-16.0, -12.0]),
        "read": lambda index: hu[index],
    }
    return FolderSeries(**{**values, **changes})


def test_slices_match_by_position_whatever_their_order():
    hu = volume()
    turned = series(hu[::-1], positions_mm=tuple(3.0 * k for k in reversed(range(9))))
    found, lines = match("n2b", series(hu), [turned], 1)
    assert lines == []
    assert found.indices == {k: 8 - k for k in range(9)}


def test_a_missing_slice_is_told_and_the_others_are_compared():
    hu = volume()
    fewer = series(hu[[0, 1, 2, 4, 5, 6, 7, 8]], positions_mm=tuple(3.0 * k for k in (0, 1, 2, 4, 5, 6, 7, 8)))
    found, (line,) = match("n2b", series(hu), [fewer], 1)
    assert found.indices == {0: 0, 1: 1, 2: 2, 4: 3, 5: 4, 6: 5, 7: 6, 8: 7}
    assert "series, n2b: must have a slice at each of 9 positions, got 8" in line


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (series(volume(size_px=40)), "must share one size, got 40x40 and 48x48"),
        (series(volume(), pixel_mm=(0.7, 0.7)), "must share one pixel spacing, got 0.7 mm and 0.8 mm"),
        (series(volume(), normal=np.array([1.0, 0.0, 0.0])), "must lie in one plane, got another orientation"),
        (series(volume(), corner_mm=np.array([-16.0, -8.0])), "must show the same field, got a shift of 5.0 px"),
        (series(volume(), positions_mm=tuple(100.0 + k for k in range(9))), "within 0.1 mm of the others, got none"),
        (series(volume() + 1024.0), "must share one HU scale, got a median difference of 1024 HU in tissue"),
        (series(1e-3 * volume()), "must share one HU scale, got values over"),
        (series(volume()[::-1]), "must lie where their position says, got slices in reverse"),
    ],
)
def test_what_does_not_fit_is_refused_with_one_line(other, words):
    found, (line,) = match("n2b", series(volume(seed=1)), [other], 1)
    assert found is None
    assert words in line
    assert line.startswith("series, n2b: ")


def test_strong_noise_beside_its_denoised_self_is_no_other_scale():
    clean, noisy = volume(), volume() + np.random.default_rng(3).normal(0.0, 90.0, (9, 48, 48))
    found, lines = match("n2b", series(noisy), [series(clean)], 1)
    assert (lines, len(found.indices)) == ([], 9)


def test_among_many_series_the_mirrored_place_decides_then_the_study():
    anchor = series(volume())
    here, elsewhere = series(volume(seed=2)), series(volume(seed=3), folder="b", study_uid="1.3")
    assert match("n2b", anchor, [elsewhere, here], 2)[0].series is here
    moved = replace(here, folder="c")
    assert match("n2b", anchor, [elsewhere, moved], 2)[0].series is moved
    others = [replace(here, folder="c", patient_key=patient) for patient in ("P1", "P2")]
    assert match("n2b", replace(anchor, patient_key="P2"), others, 2)[0].series is others[1]
    found, (line,) = match("n2b", anchor, [elsewhere, replace(elsewhere, folder="d")], 2)
    assert found is None
    assert "must have one series of the same place or study, got 2 others" in line


def test_positions_are_matched_as_by_comparing_every_pair():
    rng = np.random.default_rng(3)
    ours = np.round(rng.uniform(0.0, 20.0, 300), 2)
    theirs = np.concatenate(
        [ours[::2] + rng.choice([0.0, 0.05, -0.1, 0.1, 0.11], 150), np.round(rng.uniform(0, 20, 80), 2)]
    )
    hu = np.zeros((1, 48, 48))
    first, second = (series(hu, positions_mm=tuple(float(mm) for mm in positions)) for positions in (ours, theirs))
    near = [np.flatnonzero(np.abs(theirs - mm) <= TOLERANCE_MM) for mm in ours]
    expected = {k: int(found[0]) for k, found in enumerate(near) if found.size == 1}
    assert 20 < len(expected) < 280
    assert _same_positions(first, second) == expected
