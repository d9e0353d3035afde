"""The two-dimensional spectra of a report: a streak's direction shows, and the sum is the variance."""

import numpy as np
import pytest

from n2b_ct.evaluation.rois import tile_rois
from n2b_ct.evaluation.slice_noise import _plane
from n2b_ct.evaluation.texture import noise_power


def planes_of(image, pixel_mm=(0.5, 0.5)):
    return noise_power(tile_rois(np.ones(image.shape, dtype=bool), 32).cut(image), pixel_mm)


def test_zero_frequency_lies_in_the_middle_and_the_sum_is_the_variance():
    noise = np.random.default_rng(0).normal(0.0, 10.0, (256, 256))
    power = planes_of(noise)
    plane = np.asarray(_plane([power, power]))
    assert plane[16, 16] < 1e-6 * plane.max()
    assert plane.sum() / (32 * 32 * 0.5 * 0.5) == pytest.approx(power.variance_hu2, rel=1e-4)


def test_noise_that_runs_along_rows_lies_on_the_other_axis():
    rng = np.random.default_rng(1)
    streaks = np.repeat(rng.normal(0.0, 10.0, (256, 1)), 256, axis=1) + rng.normal(0.0, 0.1, (256, 256))
    plane = np.asarray(_plane([planes_of(streaks)]))
    assert plane[:, 16].sum() > 0.99 * plane.sum()


def test_no_spectra_make_no_plane():
    assert _plane([]) == ()
