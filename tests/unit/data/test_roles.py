"""Split rules: counts of both publications, pairing by position, patients apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from n2b_ct.data import roles as roles_module
from n2b_ct.data.manifest import Manifest, load_manifest
from n2b_ct.data.manifest_series import DatasetSeries
from n2b_ct.data.roles import Roles, RoleSlice, assign_roles, proportion_masks
from n2b_ct.errors import ConfigError, DataError
from n2b_ct.io.series import FileRecord


def series(name: str, n_slices: int = 10, *, first_mm: float = 0.0, **changes: Any) -> DatasetSeries:
    fields = {
        "name": name,
        "dose": None,
        "source": Path(name),
        "positions_mm": tuple(first_mm + 0.625 * k for k in range(n_slices)),
        "patient_key": name,
        "size_px": (8, 8),
    }
    return DatasetSeries(**{**fields, **changes})


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> dict[str, DatasetSeries]:
    """Series that seem to lie on disk."""
    there: dict[str, DatasetSeries] = {}
    monkeypatch.setattr(
        roles_module, "find_series", lambda manifest, root, names, **rules: {n: there[n] for n in names}
    )
    return there


def manifest_of(split: dict[str, Any], names: dict[str, float | None], **changes: Any) -> Manifest:
    entries = {name: {"path": name, "dose": dose} for name, dose in names.items()}
    return Manifest.model_validate(
        {"format": 1, "name": "set", "series": entries, "splits": {"default": split}, **changes}
    )


def indices(role: tuple[RoleSlice, ...], name: str) -> list[int]:
    return [one.index for one in role if one.series.name == name]


# ── Proportions ──


def shares(n_slices: int, clean: int = 400, noisy: int = 400, test: int = 106, block: int = 50):
    is_test, is_clean = proportion_masks(n_slices, clean, noisy, test, block)
    return is_test, is_clean, ~is_test & ~is_clean


def test_906_slices_give_exactly_400_400_and_106():
    is_test, is_clean, is_noisy = shares(906)
    assert (is_clean.sum(), is_noisy.sum(), is_test.sum()) == (400, 400, 106)
    assert not (is_test & is_clean).any()


def test_test_slices_are_spread_evenly():
    is_test, _, _ = shares(906)
    steps = np.diff(np.flatnonzero(is_test))
    assert set(steps.tolist()) == {8, 9}


def test_clean_and_noisy_blocks_alternate_through_the_whole_volume():
    _, is_clean, is_noisy = shares(906)
    labels = is_clean[is_clean | is_noisy]
    blocks = np.split(labels, np.flatnonzero(np.diff(labels.astype(int))) + 1)
    assert [len(block) for block in blocks] == [50] * 16
    assert [bool(block[0]) for block in blocks] == [True, False] * 8


def test_96_slices_keep_the_proportions():
    is_test, is_clean, is_noisy = shares(96)
    assert is_test.sum() == round(96 * 106 / 906)
    assert abs(int(is_clean.sum()) - int(is_noisy.sum())) <= 8
    assert is_test.sum() + is_clean.sum() + is_noisy.sum() == 96
    assert min(np.ptp(np.flatnonzero(mask)) for mask in (is_clean, is_noisy, is_test)) > 96 / 2


@pytest.mark.parametrize("n_slices", [8, 9, 17, 24, 40, 200, 1000])
def test_no_volume_of_some_size_leaves_a_role_empty(n_slices):
    assert all(mask.sum() > 0 for mask in shares(n_slices))


def test_unequal_proportions_are_kept():
    is_test, is_clean, is_noisy = shares(400, clean=100, noisy=200, test=100, block=20)
    assert (is_test.sum(), is_clean.sum(), is_noisy.sum()) == (100, 100, 200)


def piglet(on_disk: dict[str, DatasetSeries], n_slices: int, split: str | None, **options: Any) -> Roles:
    manifest = load_manifest("piglet.yaml")
    for name, entry in manifest.series.items():
        on_disk[name] = series(name, n_slices, dose=entry.dose, patient_key="piglet")
    return assign_roles(manifest, Path(), split, **options)


def test_the_piglets_default_split_is_the_papers(on_disk):
    roles = piglet(on_disk, 906, None)
    assert (len(roles.clean), len(roles.noisy), len(roles.test)) == (400, 4 * 400, 4 * 106)
    assert {one.series.name for one in roles.clean} == {"full"}
    positions = [{one.index for one in role} for role in (roles.clean, roles.noisy, roles.test)]
    assert [len(one) for one in positions] == [400, 400, 106]
    assert len(set.union(*positions)) == 906
    assert all(one.reference is not None and one.reference.name == "full" for one in (*roles.noisy, *roles.test))
    assert all(one.reference_index == one.index for one in (*roles.noisy, *roles.test))


def test_the_sagan_split_uses_slices_21_to_870_and_tests_every_sixth(on_disk):
    roles = piglet(on_disk, 906, "sagan")
    tested = [index - 20 + 1 for index in indices(roles.test, "dose_5")]  # counted from 1 among the used ones
    assert tested == list(range(1, 848, 6))
    assert len(tested) == 142
    used = set(indices(roles.test, "dose_5")) | set(indices(roles.noisy, "dose_5"))
    assert used == set(range(20, 870))
    assert len(used) == 850
    assert indices(roles.clean, "full") == indices(roles.noisy, "dose_10")


def test_every_nth_needs_a_long_enough_series(on_disk):
    with pytest.raises(DataError, match="series full: must have at least 870 slices for this split, got 96"):
        piglet(on_disk, 96, "sagan")


def test_doses_choose_the_low_dose_series(on_disk):
    roles = piglet(on_disk, 906, None, doses=[0.05, 0.25])
    assert {one.series.name for one in (*roles.noisy, *roles.test)} == {"dose_25", "dose_5"}
    assert len(roles.clean) == 400
    roles = piglet(on_disk, 906, None, doses=[0.33])
    assert (len(roles.noisy), len(roles.test), len(roles.clean)) == (0, 0, 400)


def without(found: DatasetSeries, index: int) -> DatasetSeries:
    """The series after a file of it was refused and left out."""
    places = tuple(mm for k, mm in enumerate(found.positions_mm) if k != index)
    return replace(found, positions_mm=places, refused=(FileRecord(Path("IM7"), "error", "unreadable"),))


@pytest.mark.parametrize("split", [None, "sagan"])
@pytest.mark.parametrize("lost", [0, 25, 400, 905])
def test_a_slice_that_was_left_out_moves_no_other_into_another_role(on_disk, split, lost):
    manifest = load_manifest("piglet.yaml")
    whole = piglet(on_disk, 906, split)
    on_disk["dose_5"] = without(on_disk["dose_5"], lost)
    roles = assign_roles(manifest, Path(), split, skip_bad_slices=True)

    def places(slices: tuple[RoleSlice, ...]) -> list[float]:
        return [one.series.positions_mm[one.index] for one in slices if one.series.name == "dose_5"]

    gone = 0.625 * lost
    assert sorted(places(roles.noisy)) == [mm for mm in places(whole.noisy) if mm != gone]
    assert sorted(places(roles.test)) == [mm for mm in places(whole.test) if mm != gone]
    assert roles.clean == whole.clean
    pairs = [one for one in (*roles.noisy, *roles.test) if one.reference is not None]
    assert all(one.reference.positions_mm[one.reference_index] == one.series.positions_mm[one.index] for one in pairs)


@pytest.mark.parametrize("split", [None, "sagan"])
def test_where_slices_are_counted_the_counted_series_must_be_whole(on_disk, split):
    piglet(on_disk, 906, split)
    on_disk["full"] = without(on_disk["full"], 400)
    message = r"series full: must be whole where slices are counted, got 1 left out \(IM7: unreadable\)"
    with pytest.raises(DataError, match=message):
        assign_roles(load_manifest("piglet.yaml"), Path(), split, skip_bad_slices=True)


def test_a_series_that_is_shorter_for_another_reason_is_refused(on_disk):
    piglet(on_disk, 906, None)
    on_disk["dose_5"] = replace(without(on_disk["dose_5"], 7), refused=())
    with pytest.raises(DataError, match="series dose_5: must have as many slices as full"):
        assign_roles(load_manifest("piglet.yaml"), Path(), None)


def test_low_dose_series_must_be_as_long_as_the_full_one(on_disk):
    manifest = load_manifest("piglet.yaml")
    for name in manifest.series:
        on_disk[name] = series(name, 90 if name == "dose_10" else 96)
    with pytest.raises(DataError, match=r"series dose_10: must have as many slices as full \(96\), got 90"):
        assign_roles(manifest, Path())


# ── Series by series ──

BY_SERIES = {
    "rule": "series",
    "clean": ["clean"],
    "noisy": [{"series": "low", "slices": "1::2", "reference": "full"}],
    "test": ["other"],
}
NAMES = {"clean": 1.0, "low": 0.25, "full": 1.0, "other": 0.25}


def test_roles_take_the_slices_that_the_manifest_says(on_disk):
    on_disk |= {name: series(name) for name in NAMES}
    roles = assign_roles(manifest_of(BY_SERIES, NAMES), Path())
    assert indices(roles.clean, "clean") == list(range(10))
    assert indices(roles.noisy, "low") == [1, 3, 5, 7, 9]
    assert roles.validation == ()
    assert roles.test[0].reference is None


def test_slices_are_paired_by_position_never_by_number(on_disk):
    on_disk |= {name: series(name) for name in NAMES}
    on_disk["full"] = series("full", 20, first_mm=-2 * 0.625)
    roles = assign_roles(manifest_of(BY_SERIES, NAMES), Path())
    assert [one.reference_index for one in roles.noisy] == [3, 5, 7, 9, 11]
    on_disk["full"] = series("full", positions_mm=tuple(reversed(series("low").positions_mm)))
    roles = assign_roles(manifest_of(BY_SERIES, NAMES), Path())
    assert [one.reference_index for one in roles.noisy] == [8, 6, 4, 2, 0]


def test_a_tenth_of_a_millimetre_still_pairs_and_more_does_not(on_disk):
    on_disk |= {name: series(name) for name in NAMES}
    on_disk["full"] = series("full", first_mm=0.09)
    assert len(assign_roles(manifest_of(BY_SERIES, NAMES), Path()).noisy) == 5
    on_disk["full"] = series("full", first_mm=0.11)
    with pytest.raises(
        DataError, match=r"series low, slice 1: its reference in full must lie within 0.1 mm .* 0.11 mm"
    ):
        assign_roles(manifest_of(BY_SERIES, NAMES), Path())


def test_a_reference_must_have_the_size_of_its_slice(on_disk):
    on_disk |= {name: series(name) for name in NAMES}
    on_disk["full"] = series("full", size_px=(16, 16))
    with pytest.raises(DataError, match=r"must lie within 0.1 mm and be 8x8, got 0.00 mm away, 16x16"):
        assign_roles(manifest_of(BY_SERIES, NAMES), Path())


def test_doses_leave_clean_series_and_references_alone(on_disk):
    on_disk |= {name: series(name) for name in NAMES}
    roles = assign_roles(manifest_of(BY_SERIES, {**NAMES, "low": 0.1}), Path(), doses=[0.1])
    assert (len(roles.noisy), len(roles.clean), len(roles.test)) == (5, 10, 0)


def test_one_patient_on_both_sides_is_refused_unless_the_manifest_says_why(on_disk):
    on_disk |= {name: series(name) for name in NAMES}
    for trained in ("clean", "low"):
        on_disk |= {trained: series(trained, patient_key="same"), "other": series("other", patient_key="same")}
        with pytest.raises(ConfigError, match="must come from different patients, got 1 shared"):
            assign_roles(manifest_of(BY_SERIES, NAMES), Path())
        roles = assign_roles(manifest_of(BY_SERIES, NAMES, shared_patient="one animal"), Path())
        assert len(roles.test) == 10
        on_disk[trained] = series(trained)


@pytest.mark.parametrize(
    ("trained", "tested", "is_shared"),
    [
        ({"patient_key": "P1"}, {"patient_key": "P2"}, False),
        ({"patient_key": "P1"}, {"patient_key": "study"}, True),
        ({"patient_key": "study"}, {"patient_key": "P2"}, True),
        ({"patient_key": "study"}, {"patient_key": "study"}, True),
        ({"patient_key": "study"}, {"patient_key": "P2", "study_key": "other"}, False),
    ],
)
def test_a_series_without_patient_may_be_of_any_patient_of_its_study(on_disk, trained, tested, is_shared):
    on_disk |= {name: series(name) for name in NAMES}
    for name, keys in (("low", trained), ("other", tested)):
        on_disk[name] = series(name, **{"study_key": "study", **keys})
    if is_shared:
        with pytest.raises(ConfigError, match="must come from different patients, got 1 shared"):
            assign_roles(manifest_of(BY_SERIES, NAMES), Path())
    else:
        assert len(assign_roles(manifest_of(BY_SERIES, NAMES), Path()).test) == 10


def test_an_unknown_split_is_said(on_disk):
    with pytest.raises(ConfigError, match=r"data.split: must be a split of set, got other"):
        assign_roles(manifest_of(BY_SERIES, NAMES), Path(), "other")


# ── Without a clean role ──


def test_without_a_clean_role_the_series_of_that_role_alone_need_not_be_there(on_disk):
    split = {"rule": "series", "clean": ["normal"], "noisy": ["low"], "test": ["other"]}
    manifest = manifest_of(split, {"normal": 1.0, "low": 0.25, "other": 0.25})
    on_disk |= {name: series(name) for name in ("low", "other")}
    roles = assign_roles(manifest, Path("root"), with_clean=False)
    assert (roles.clean, indices(roles.noisy, "low")) == ((), list(range(10)))


def test_without_a_clean_role_the_other_slices_of_a_counted_split_keep_theirs(on_disk):
    whole, rest = piglet(on_disk, 96, None), piglet(on_disk, 96, None, with_clean=False)
    assert rest == replace(whole, clean=())
