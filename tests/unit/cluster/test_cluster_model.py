"""The paper model of a cluster, against values by hand and its two asymptotes."""

from __future__ import annotations

import pytest

from benchmarks.cluster_model import ClusterModel


def test_one_worker_never_waits():
    assert ClusterModel(own_s=0.15, storage_s=0.05).slices_per_s(1) == pytest.approx(5.0)


def test_two_workers_wait_for_each_other_as_computed_by_hand():
    model = ClusterModel(own_s=3.0, storage_s=1.0)
    # Q(1) = 1/4; R(2) = 5/4; X(2) = 2 / (3 + 5/4)
    assert model.slices_per_s(2) == pytest.approx(8 / 17)


def test_the_storage_is_the_limit_in_the_end():
    model = ClusterModel(own_s=3.0, storage_s=1.0)
    assert model.saturation_workers == pytest.approx(4.0)
    speeds = [model.slices_per_s(n) for n in range(1, 60)]
    assert speeds == sorted(speeds)
    assert all(speed <= min(n / 4.0, 1.0) + 1e-12 for n, speed in enumerate(speeds, start=1))
    assert speeds[-1] == pytest.approx(1.0, rel=1e-6)


def test_a_slice_costs_more_where_workers_wait():
    model = ClusterModel(own_s=3.0, storage_s=1.0)
    assert model.worker_hours_per_million(1) == pytest.approx(4e6 / 3600)
    assert model.worker_hours_per_million(8) > 7e6 / 3600
