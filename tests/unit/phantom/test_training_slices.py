"""Phantom slices with noise fields in a folder: what they follow from, what is kept, what is made again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from n2b_ct.errors import DataError, OutputError
from n2b_ct.phantom import subjects, training_slices
from n2b_ct.phantom.subjects import PIGLET, draw_subject
from n2b_ct.phantom.training_slices import (
    HU_UNIT,
    NOISE_UNIT,
    SliceName,
    SliceSettings,
    drawn_slice,
    make_slices,
)
from n2b_ct.simulation.body_cells import CELL_PX
from tests.toy_subjects import draw_disc

SETTINGS = SliceSettings(seed=3, size_px=64)


@pytest.fixture(autouse=True)
def _discs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_slices, "draw_subject", draw_disc)
    training_slices._patient.cache_clear()


def test_a_slice_follows_from_settings_role_and_number_alone() -> None:
    planes, facts = drawn_slice(SETTINGS, SliceName("train", PIGLET, 5))
    again, same_facts = drawn_slice(SETTINGS, SliceName("train", PIGLET, 5))
    np.testing.assert_array_equal(planes, again)
    assert facts == same_facts
    others = [(SETTINGS, SliceName("train", PIGLET, 6)), (SETTINGS, SliceName("validation", PIGLET, 5))]
    others += [(replace(SETTINGS, seed=4), SliceName("train", PIGLET, 5)), (SETTINGS, SliceName("train", "tail", 5))]
    digests = {facts["digest"], *(drawn_slice(*other)[1]["digest"] for other in others)}
    assert len(digests) == 5


def test_anatomy_is_stored_in_quarters_of_a_hu_and_fields_in_thousandths_of_their_noise_in_the_body() -> None:
    planes, facts = drawn_slice(SETTINGS, SliceName("train", PIGLET, 0))
    assert planes.dtype == np.int16
    assert planes.shape == (3, 64, 64)
    hu = planes[0] * HU_UNIT
    assert hu.min() == -1000.0
    assert hu.max() == 900.0
    assert np.isclose(hu, facts["z_mm"], atol=HU_UNIT / 2).any()
    body = hu > -500.0
    for field in planes[1:] * NOISE_UNIT:
        assert field[body].std() == pytest.approx(1.0, rel=0.1)
    assert min(facts["field_std_hu"]) > 0.0


def test_pixels_suit_the_body_and_stay_the_same_within_a_patient() -> None:
    facts = [drawn_slice(SETTINGS, SliceName("train", PIGLET, k))[1] for k in range(5)]
    assert len({one["pixel_mm"] for one in facts[:4]}) == 1
    assert facts[4]["pixel_mm"] != facts[0]["pixel_mm"]
    assert 0.35 * 8 <= facts[0]["pixel_mm"] <= 0.95 * 8


def test_slices_are_made_once_and_more_are_added_to_them(tmp_path: Path) -> None:
    calls: list[tuple[int, int, str]] = []
    first = make_slices(tmp_path, SETTINGS, "train", 2, regions=[PIGLET], n_workers=1)
    times = [one.path.stat().st_mtime_ns for one in first]
    more = make_slices(
        tmp_path, SETTINGS, "train", 4, regions=[PIGLET], n_workers=1, progress=lambda *told: calls.append(told)
    )
    assert [one.path.stat().st_mtime_ns for one in more[:2]] == times
    assert len(more) == 4
    assert calls == [(4, 4, "phantoms")]
    np.testing.assert_array_equal(more[3].pixels(), drawn_slice(SETTINGS, SliceName("train", PIGLET, 3))[0])


def test_a_slice_without_its_facts_is_made_again(tmp_path: Path) -> None:
    stored = make_slices(tmp_path, SETTINGS, "train", 1, regions=[PIGLET], n_workers=1)[0]
    stored.path.write_bytes(b"half a slice")
    stored.path.with_suffix(".json").unlink()
    again = make_slices(tmp_path, SETTINGS, "train", 1, regions=[PIGLET], n_workers=1)[0]
    np.testing.assert_array_equal(again.pixels(), drawn_slice(SETTINGS, SliceName("train", PIGLET, 0))[0])


def test_a_damaged_slice_is_refused_with_its_remedy(tmp_path: Path) -> None:
    stored = make_slices(tmp_path, SETTINGS, "train", 1, regions=[PIGLET], n_workers=1)[0]
    stored.path.write_bytes(b"half a slice")
    with pytest.raises(DataError, match=r"train-piglet-00000\.npy: must hold a slice, got damage; remove it"):
        stored.pixels()


def test_cells_are_where_the_body_is(tmp_path: Path) -> None:
    stored = make_slices(tmp_path, SETTINGS, "train", 1, regions=[PIGLET], n_workers=1)[0]
    body = stored.pixels()[0] * HU_UNIT > -300.0
    assert len(stored.cells) > 0
    for row, col in stored.cells * CELL_PX:
        assert body[row : row + CELL_PX, col : col + CELL_PX].mean() > 0.0


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="must be writable"):
        make_slices(tmp_path / "file" / "folder", SETTINGS, "train", 1)


def test_the_settings_name_the_folder() -> None:
    assert SETTINGS.digest == SliceSettings(seed=3, size_px=64).digest
    assert SETTINGS.digest != replace(SETTINGS, n_noise_fields=1).digest


def test_a_region_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DataError, match=r"region: must be one of .*piglet"):
        draw_subject(0, "tail", "adult")


def test_a_thick_slice_of_the_piglet_is_the_mean_of_thin_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    heights: list[float] = []

    def plane(animal: object, z_mm: float, size_px: int, field_of_view_mm: float) -> np.ndarray:
        heights.append(z_mm)
        return np.full((size_px, size_px), field_of_view_mm + z_mm, np.float32)

    monkeypatch.setattr(subjects, "grow_animal", lambda seed: seed)
    monkeypatch.setattr(subjects, "slice_hu", plane)
    found = draw_subject(0, PIGLET, "adult").slice_hu(300.0, size_px=4, pixel_mm=2.0, thickness_mm=3.0)
    np.testing.assert_allclose(heights, [299.25, 300.75])
    np.testing.assert_allclose(found, 308.0)


def test_patients_of_all_parts_of_the_body_take_turns_and_more_parts_leave_slices_as_they_are() -> None:
    names = [SliceName.at("train", ["head", "neck"], k) for k in range(16)]
    assert [name.region for name in names[::4]] == ["head", "neck", "head", "neck"]
    assert [name.number for name in names[:4]] == list(range(4))
    assert names[8] == SliceName("train", "head", 4)
    assert names[8].patient == 1
    assert set(names[:4]) < {SliceName.at("train", ["head", "neck", "thorax"], k) for k in range(12)}
