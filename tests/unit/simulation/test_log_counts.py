"""The logarithm of few counts: its mean and variance against a simulation, and against the series where many."""

from __future__ import annotations

import numpy as np
import pytest

from n2b_ct.simulation.log_counts import FLOOR_PHOTONS, log_count_bias, log_count_variance


@pytest.mark.parametrize("electronic", [0.0, 10.0])
@pytest.mark.parametrize("photons", [0.5, 3.0, 10.0, 20.0, 100.0])
def test_mean_and_variance_are_those_of_drawn_counts(photons, electronic):
    rng = np.random.default_rng(0)
    counts = rng.poisson(photons, 200_000) + electronic**0.5 * rng.standard_normal(200_000)
    logs = -np.log(np.maximum(counts, FLOOR_PHOTONS) / photons)
    assert log_count_bias(np.array(photons), electronic) == pytest.approx(logs.mean(), abs=5e-3)
    assert log_count_variance(np.array(photons), electronic) == pytest.approx(logs.var(), rel=0.02)


def test_many_photons_have_the_variance_and_bias_of_the_series():
    photons = np.array([5e2, 1e3, 1e5, 1e7])
    expected = 1.0 / photons + 10.0 / photons**2
    np.testing.assert_allclose(log_count_variance(photons, 10.0), expected, rtol=0.01)
    np.testing.assert_allclose(log_count_bias(photons, 10.0), 0.5 * expected, rtol=0.02)


def test_twenty_photons_with_read_out_noise_vary_a_fifth_more_than_the_series_says():
    assert log_count_variance(np.array(20.0), 10.0) / 0.075 == pytest.approx(1.22, abs=0.03)


def test_a_ray_without_photons_looks_no_darker_than_the_floor():
    photons = np.array([1e-6, 1e-4])
    assert log_count_bias(photons, 0.0) == pytest.approx(np.log(photons), abs=0.02)
