"""A phantom's numbers against closed forms: linearity, jackknife, noise of repeats, d′ of a known insert."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from n2b_ct.config.quality_phantom import load_quality_phantom
from n2b_ct.errors import DataError
from n2b_ct.evaluation.quality_phantom.estimates import Estimate, jackknifed
from n2b_ct.evaluation.quality_phantom.insert_measures import measure_insert
from n2b_ct.evaluation.quality_phantom.linearity import fit_linearity
from n2b_ct.evaluation.quality_phantom.noise_measures import measure_noise
from n2b_ct.evaluation.quality_phantom.placement import Placement
from n2b_ct.evaluation.quality_phantom.regions import Regions
from n2b_ct.evaluation.quality_phantom.scans import Repeats, Scan
from n2b_ct.evaluation.quality_phantom.sentences import is_apart_from_zero
from tests.phantom_scans import PIXEL_MM, PLACE, SHAPE, draw_phantom

FAINT = load_quality_phantom("mita-lcd")
N, SD_HU = 40, 5.0


def white(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, SD_HU, (n, *SHAPE))


def repeats(images: np.ndarray, group: np.ndarray | None = None) -> Repeats:
    return Repeats(images.astype(np.float32), np.zeros(len(images), dtype=int) if group is None else group)


@pytest.fixture(scope="module")
def faint() -> tuple[Scan, Regions]:
    present, absent = (draw_phantom(FAINT, inserts=shown) for shown in (True, False))
    scan = Scan("input", repeats(present + white(N, 1)), repeats(absent + white(N, 2)), PIXEL_MM, True)
    return scan, Regions(FAINT, PLACE, SHAPE)


def test_a_line_through_inserts_is_the_one_of_scipy():
    nominal, measured = [-1000.0, -100.0, 0.0, 900.0], [-985.0, -96.0, 4.0, 880.0]
    found = fit_linearity(["air", "LDPE", "water", "bone"], nominal, measured)
    slope, intercept = np.polyfit(nominal, measured, 1)
    assert (found.slope.value, found.intercept_hu.value) == pytest.approx((slope, intercept))
    assert found.r_squared == pytest.approx(np.corrcoef(nominal, measured)[0, 1] ** 2)
    assert (found.largest_deviation_hu, found.insert) == (-20.0, "bone")
    width = stats.t.ppf(0.975, 2) * stats.linregress(nominal, measured).stderr
    assert found.slope.high == pytest.approx(slope + width)


@pytest.mark.parametrize("nominal", [[0.0, 500.0], [0.0, 5.0, 14.0]])
def test_a_line_needs_three_inserts_far_apart(nominal):
    with pytest.raises(DataError, match="HU linearity: needs 3 inserts over 100 HU"):
        fit_linearity(["a"] * len(nominal), nominal, nominal)


def test_the_jackknife_of_a_mean_is_students_interval():
    sample = np.random.default_rng(0).normal(size=12)
    found = jackknifed(np.mean, sample)
    low, high = stats.t.interval(0.95, 11, sample.mean(), stats.sem(sample))
    assert (found.value, found.low, found.high) == pytest.approx((sample.mean(), low, high))
    assert jackknifed(np.mean, sample[:2]) == Estimate(sample[:2].mean())


def test_the_noise_of_repeats_has_one_images_variance_whatever_they_share():
    shared = np.random.default_rng(1).normal(0.0, 300.0, (2, *SHAPE))
    group = np.array([0, 1, 0, 1, 0, 1])
    found = repeats(shared[group] + white(6, 3), group).noise_hu
    assert found is not None
    assert found.std() == pytest.approx(SD_HU, rel=0.005)
    assert repeats(shared, np.array([0, 1])).noise_hu is None


def test_contrast_cnr_and_noise_of_faint_inserts_are_those_drawn(faint):
    for insert in FAINT.inserts[2:]:  # large enough that the blur of 0.6 mm leaves the core alone
        found = measure_insert(*faint, insert)
        assert found.contrast_hu.low < insert.hu < found.contrast_hu.high
        assert found.noise_hu.value == pytest.approx(SD_HU, rel=0.02)
        assert found.cnr.value == pytest.approx(insert.hu / SD_HU, rel=0.25)
        assert found.cnr.low < found.cnr.value < found.cnr.high


def test_without_a_signal_cnr_is_around_zero_and_has_both_signs(faint):
    scan, regions = faint
    flat = Scan("flat", repeats(draw_phantom(FAINT, inserts=False) + white(N, 4)), scan.absent, PIXEL_MM, True)
    ratios = [measure_insert(flat, regions, insert).cnr for insert in FAINT.inserts]
    assert not any(is_apart_from_zero(one) for one in ratios)
    assert {np.sign(one.value) for one in ratios} == {-1.0, 1.0}


def test_npw_of_an_insert_in_white_noise_is_its_energy_over_sigma(faint):
    scan, regions = faint
    insert = FAINT.inserts[3]
    template = regions.template(insert, regions.square(insert))
    exact = np.sqrt(np.sum(template**2)) / SD_HU
    found = measure_insert(scan, regions, insert).d_primes
    assert found["npw"].d_prime_low < exact < found["npw"].d_prime_high
    assert found["cho"].d_prime_low < exact
    assert found["cho"].d_prime_high > 0.8 * exact


def test_where_nothing_was_scanned_without_inserts_the_background_stands_in(faint):
    scan, regions = faint
    alone = Scan("alone", scan.present, None, PIXEL_MM, True)
    insert = FAINT.inserts[3]
    with_absent, found = (measure_insert(one, regions, insert) for one in (scan, alone))
    assert found.n_absent > N
    assert found.n_absent % N == 0
    assert found.d_primes["npw"].d_prime == pytest.approx(with_absent.d_primes["npw"].d_prime, abs=1.0)


def test_empty_squares_hold_neither_inserts_nor_each_other(faint):
    regions = faint[1]
    for insert in FAINT.inserts:
        squares = regions.empty_squares(insert)
        taken = np.zeros(SHAPE)
        for one in squares:
            row, col = one.corner
            taken[row : row + one.size_px, col : col + one.size_px] += 1
        assert squares
        assert taken.max() == 1
        assert not (taken > 0)[~regions.background & (draw_phantom(FAINT) > -500)].any()


def test_noise_by_place_and_its_spectrum_hold_the_same_variance(faint):
    found = measure_noise(*faint)
    for value in (found.noise_hu, found.centre_hu, found.rim_hu):
        assert value.value == pytest.approx(SD_HU, rel=0.01)
    assert found.nps is not None
    assert found.nps.noise_std_hu == pytest.approx(SD_HU, rel=0.01)
    assert found.is_by_subtraction


def test_a_phantom_without_room_for_squares_and_repeats_has_no_noise():
    tiny = Regions(FAINT, Placement(PLACE.centre_px, 0.0, False, (8.0, 8.0)), SHAPE)
    scan = Scan("input", repeats(draw_phantom(FAINT)[None]), None, (8.0, 8.0), True)
    with pytest.raises(DataError, match="noise: needs repeats or a flat square of 24 px, got neither; scan twice"):
        measure_noise(scan, tiny)
