"""Neighbouring slices as second observations: never overlapping, never far, never from another role."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from n2b_ct.config.method import NeighboursSection
from n2b_ct.data.manifest_series import DatasetSeries
from n2b_ct.data.neighbours import neighbour_images, neighbour_indices, neighbour_problems, with_neighbours
from n2b_ct.data.roles import RoleSlice
from n2b_ct.errors import DataError
from n2b_ct.evaluation.flat_regions import find_flat_blocks
from n2b_ct.io.dicom.ct_reader import read_series
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.series import SeriesRef

AS_USUAL = NeighboursSection()


def series(name: str, positions_mm: tuple[float, ...], thickness: str | None = None) -> DatasetSeries:
    facts = {} if thickness is None else {"SliceThickness": thickness}
    source = SeriesRef("1", "1", "p", "", 6, 8, None, (), (), (), facts)
    return DatasetSeries(name, None, source, positions_mm, "p", (6, 8))


def role(one: DatasetSeries, *indices: int) -> list[RoleSlice]:
    return [RoleSlice(one, index) for index in indices or range(len(one))]


def images(n: int) -> list[torch.Tensor]:
    return [torch.full((1, 6, 8), float(k)) for k in range(n)]


def found(slices: list[RoleSlice], section: NeighboursSection = AS_USUAL) -> list[set[int]]:
    return [set(places) for places in neighbour_indices(slices, section)]


# ── Which slices ──


def test_touching_slices_are_each_others_neighbours():
    assert found(role(series("s", (0.0, 3.0, 6.0, 9.0), "3"))) == [{1}, {0, 2}, {1, 3}, {2}]


def test_slices_that_overlap_are_passed_over_for_they_share_noise():
    # 3 mm slices every 2 mm: the next one overlaps by 1 mm, the one after it by nothing
    assert found(role(series("s", (0.0, 2.0, 4.0, 6.0), "3.000000"))) == [{2}, {3}, {0}, {1}]


def test_slices_further_than_two_thicknesses_are_no_neighbours():
    assert found(role(series("s", (0.0, 6.0, 12.5), "3"))) == [{1}, {0}, set()]


def test_the_range_can_be_said():
    slices = role(series("s", (0.0, 2.0, 4.0, 6.0), "3"))
    assert found(slices, NeighboursSection(min_gap_mm=2.0)) == [{1}, {0, 2}, {1, 3}, {2}]
    assert found(slices, NeighboursSection(min_gap_mm=5.0, max_gap_mm=7.0)) == [{3}, set(), set(), {0}]
    assert found(slices, NeighboursSection(max_gap_mm=3.5)) == [set()] * 4


def test_one_side_is_the_nearer_one():
    slices = role(series("s", (0.0, 5.0, 8.0), "3"))
    assert neighbour_indices(slices, NeighboursSection(sides="one")) == [(1,), (2,), (1,)]


@pytest.mark.parametrize("thickness", [None, "", "thin", "0", "1e400", "nan"])
def test_without_a_thickness_slices_count_as_touching(thickness):
    assert found(role(series("s", (0.0, 2.0, 4.0), thickness))) == [{1}, {0, 2}, {1}]


def test_a_volume_counts_in_slices():
    volume = DatasetSeries("v", None, Path("v.nii"), (0.0, 1.0, 2.0), "p", (6, 8))
    assert found(role(volume)) == [{1}, {0, 2}, {1}]


def test_series_do_not_mix_and_order_does_not_matter():
    one, other = series("one", (0.0, 3.0), "3"), series("other", (0.0, 3.0), "3")
    slices = [RoleSlice(one, 1), RoleSlice(other, 0), RoleSlice(one, 0), RoleSlice(other, 1)]
    assert found(slices) == [{2}, {3}, {0}, {1}]


def test_a_slice_of_another_role_is_never_a_neighbour():
    slices = role(series("s", (0.0, 3.0, 6.0, 9.0), "3"), 0, 1, 3)
    assert found(slices, NeighboursSection(max_gap_mm=4.0)) == [{1}, {0}, set()]


def test_two_slices_at_one_place_are_no_neighbours():
    assert found(role(series("s", (0.0, 0.0, 3.0), "3")))[0] == {2}


# ── Their images ──


def test_the_second_observation_is_the_mean_of_both_sides():
    slices = role(series("s", (0.0, 3.0, 6.0, 9.0), "3"))
    again = neighbour_images(slices, images(4), AS_USUAL)
    assert [image.unique().item() for image in again] == [1.0, 1.0, 2.0, 2.0]
    assert all(image.shape == (1, 6, 8) for image in again)
    one_sided = neighbour_images(slices, images(4), NeighboursSection(sides="one"))
    assert [image.unique().item() for image in one_sided] == [1.0, 2.0, 3.0, 2.0]


def test_slices_without_neighbour_are_left_out_and_the_others_keep_theirs():
    slices = role(series("s", (0.0, 3.0, 20.0, 40.0, 43.0), "3"))
    kept = with_neighbours(slices, AS_USUAL)
    assert [one.index for one in kept] == [0, 1, 3, 4]
    again = neighbour_images(kept, images(4), AS_USUAL)
    assert [image.unique().item() for image in again] == [1.0, 0.0, 3.0, 2.0]


# ── Refusals ──


LINE = (
    r"series s: noise2noise needs noisy slices 3 to 6 mm apart, whose noise is independent and whose anatomy is nearly "
    r"the same, got gaps of 10 to 12 mm; set method\.neighbours\.min_gap_mm and max_gap_mm, use a denser series, or "
    r"train noise2blur"
)


def test_a_series_of_gaps_is_refused_with_its_gaps():
    slices = role(series("s", (0.0, 10.0, 22.0), "3"))
    assert len(neighbour_problems(slices, AS_USUAL)) == 1
    with pytest.raises(DataError, match=LINE):
        with_neighbours(slices, AS_USUAL)
    with pytest.raises(DataError, match=LINE):
        neighbour_images(slices, images(3), AS_USUAL)


def test_a_single_slice_is_refused_as_one_and_every_series_is_named():
    slices = role(series("s", (0.0,), "3")) + role(series("t", (0.0, 50.0), "3"))
    first, second = neighbour_problems(slices, AS_USUAL)
    assert "series s: " in first
    assert "got a single slice; " in first
    assert "series t: " in second


def test_nothing_is_said_where_one_slice_has_a_neighbour_or_where_there_is_none():
    assert neighbour_problems(role(series("s", (0.0, 3.0, 50.0), "3")), AS_USUAL) == []
    assert neighbour_problems([], AS_USUAL) == []


# ── What the rule rests on ──


@pytest.mark.real_data
def test_overlapping_slices_share_noise_and_slices_a_thickness_apart_do_not(shared_data: Path):
    (thin,) = scan(shared_data / "ct_noisy").series
    hu = read_series(thin, list(range(10)), None).hu
    correlations = {lag: np.mean([noise_correlation(hu[k], hu[k + lag]) for k in range(8)]) for lag in (1, 2)}
    assert correlations[1] > 0.3  # 0.8 mm apart, 1.25 mm thick
    assert abs(correlations[2]) < 0.08  # 1.6 mm apart


def noise_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation in flat tissue, after each block's mean is taken off."""
    blocks = find_flat_blocks((one + other) / 2)
    left, right = (values - values.mean(axis=1, keepdims=True) for values in (blocks.values(one), blocks.values(other)))
    return float((left * right).sum() / np.sqrt((left**2).sum() * (right**2).sum()))
