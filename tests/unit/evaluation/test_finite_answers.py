"""A finite slice gives finite numbers, None where there is no value, or an error of ours; warnings are errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from n2b_ct.errors import DataError
from n2b_ct.evaluation.cases import SliceCase
from n2b_ct.evaluation.detectability import d_prime_of_auc, d_prime_of_scores, measure_cnr
from n2b_ct.evaluation.disks import Disk, disk_hu, roi_centre_px
from n2b_ct.evaluation.dose_potential import dose_reduction_potential
from n2b_ct.evaluation.edge_fits import fit_disk
from n2b_ct.evaluation.hallucination import false_positives, invented_structure
from n2b_ct.evaluation.intervals import compare_paired, mean_interval
from n2b_ct.evaluation.measures import measure_slice
from n2b_ct.evaluation.observers import cho, disk_channels, laguerre_gauss_channels, npw
from n2b_ct.evaluation.residual import autocorrelation, detail_removed, edge_structure
from n2b_ct.evaluation.resolution import disk_ttf, edge_ttf
from n2b_ct.evaluation.slice_noise import measure_noise
from n2b_ct.evaluation.texture import compare_texture, detrend, noise_power
from n2b_ct.hu import WINDOWS
from tests.finite import SIZE, awkward_slices, not_finite

SLICES = awkward_slices()
EVERY_SLICE = pytest.mark.parametrize("name", SLICES)
PIXEL_MM = (0.7, 0.7)
DISK = Disk(roi_centre_px(SIZE), 8.0, 50.0)
SIGNAL = disk_hu((SIZE, SIZE), DISK, PIXEL_MM)
TISSUE_HU = 40.1


def tissue(size_px: int = 160) -> np.ndarray:
    """A slice of one value, all of it inside the patient: enough blocks for the residual."""
    return np.full((size_px, size_px), TISSUE_HU)


def answer_of(measure, *arguments, **named):
    """The answer, or None where a project error says that there is none."""
    try:
        return measure(*arguments, **named)
    except DataError:
        return None


@EVERY_SLICE
@pytest.mark.parametrize("made", ["noise", "constant that floats cannot hold"])
def test_the_rows_of_a_report_are_finite(name, made):
    case = SliceCase("s", None, 0, SLICES[name], {"m": SLICES[made]}, SLICES[name], pixel_mm=PIXEL_MM)
    found = [measure_slice(case, WINDOWS), measure_noise(case), measure_noise(case, noise_free=True)]
    assert not_finite(found) == []


@EVERY_SLICE
def test_spectra_are_finite(name):
    power, flat = noise_power(SLICES[name][None], PIXEL_MM), noise_power(SLICES["zero"][None], PIXEL_MM)
    answers = [power, power.radial(), compare_texture(power, flat), compare_texture(flat, power)]
    assert not_finite(answers) == []


@EVERY_SLICE
def test_resolution_is_finite_or_refused(name):
    stack = np.stack([SLICES[name], SLICES[name] + SIGNAL])
    answers = [answer_of(disk_ttf, hu, DISK, PIXEL_MM) for hu in (SLICES[name], stack)]
    answers += [answer_of(edge_ttf, SLICES[name], (31.0, 31.5), 3.0, PIXEL_MM)]
    assert not_finite(answers) == []


@EVERY_SLICE
@pytest.mark.parametrize("paired", [True, False])
def test_observers_are_finite_or_refuse(name, paired):
    absent = np.repeat(SLICES[name][None], 9, axis=0)
    noisy = absent + np.random.default_rng(1).normal(0.0, 10.0, absent.shape)
    channels = disk_channels(SIZE, 11.0)
    for other in (absent, noisy):
        assert not_finite(answer_of(npw, absent + SIGNAL, other, paired=paired)) == []
        assert not_finite(answer_of(cho, absent + SIGNAL, other, channels, paired=paired)) == []
    assert not_finite(invented_structure(absent, SLICES[name])) == []
    assert not_finite(answer_of(false_positives, noisy, SLICES[name], SIGNAL[16:48, 16:48], 50.0)) == []


def test_regions_that_differ_by_rounding_alone_have_no_d_prime():
    """0.1 HU has no exact float: sums of it differ in the last digit, which is no noise to divide by."""
    absent = np.random.default_rng(0).choice([0.1, 0.1 + 1e-16], (9, 24, 24))
    present = absent + 20.0 * (disk_hu((24, 24), Disk((11.5, 11.5), 4.0, 1.0), (1.0, 1.0)) > 0.5)
    with pytest.raises(DataError, match="scores: must vary between regions"):
        npw(present, absent, np.eye(24))
    with pytest.raises(DataError, match="channel outputs: must vary between regions, got a singular covariance"):
        cho(present, absent, disk_channels(24, 4.0))


def test_a_covariance_that_one_region_alone_makes_regular_is_refused():
    """Without that region it is singular, which the jackknife meets."""
    regions = np.random.default_rng(0).normal(0.0, 10.0, (2, 12, 8, 8))
    channels = np.eye(64)[:, :3]
    regions[:, :, 0, 2] = 0.0
    regions[0, 5, 0, 2] = 30.0
    with pytest.raises(DataError, match="channel outputs: must vary between regions, got a singular covariance"):
        cho(regions[0] + 5.0 * (np.arange(64).reshape(8, 8) == 0), regions[1], channels)


def test_one_score_has_no_deviation():
    with pytest.raises(DataError, match="scores: needs 2 of each class, got 1 and 3"):
        d_prime_of_scores(np.ones(1), np.arange(3.0))


@pytest.mark.parametrize("auc", [0.0, 1.0])
def test_a_certain_observer_has_no_d_prime(auc):
    with pytest.raises(DataError, match="AUC: must be above 0 and below 1"):
        d_prime_of_auc(auc)


@pytest.mark.parametrize("width_px", [0.0, 1e-300, 0.01, np.inf])
def test_channels_that_reach_no_pixel_are_refused(width_px):
    with pytest.raises(DataError, match="channels: must "):
        laguerre_gauss_channels(24, width_px)


def test_constant_surroundings_have_no_contrast_to_noise_ratio():
    insert = SIGNAL > 25.0
    assert measure_cnr(np.full((8, SIZE, SIZE), 0.1) + SIGNAL, insert, SIGNAL == 0.0) is None


def test_a_template_without_shape_is_refused():
    with pytest.raises(DataError, match="template: must have a shape, got one constant"):
        false_positives(np.ones((8, 16, 16)), np.zeros((16, 16)), np.full((5, 5), 0.1), 20.0)


def test_a_constant_that_was_taken_off_is_no_anatomy():
    noisy = tissue() + np.random.default_rng(0).normal(0.0, 10.0, (160, 160))
    assert edge_structure(noisy, noisy - 0.1) is None


def test_a_constant_truth_has_neither_edges_nor_detail():
    noise = np.random.default_rng(0).normal(0.0, 10.0, (160, 160))
    assert edge_structure(tissue() + noise, tissue(), tissue()) is None
    assert detail_removed(tissue() + noise, tissue(), tissue()) is None


def test_what_is_constant_in_every_block_cannot_be_told_from_its_null():
    """A method that works in tiles may shift each: turned and moved round in place, a tile stays as it is."""
    rng = np.random.default_rng(0)
    truth = tissue() + 100.0 * (np.arange(160) // 16 % 2)
    shifts = np.kron(rng.normal(0.0, 5.0, (5, 5)), np.ones((32, 32)))
    assert edge_structure(truth, truth - shifts) is None
    found = detail_removed(truth, truth - shifts, truth)
    assert found is not None
    assert not found.warns


def test_a_plane_leaves_nothing_and_has_no_texture():
    plane = SLICES["plane"][None]
    assert not detrend(plane, "quadratic").any()
    assert autocorrelation(detrend(plane, "plane")) is None
    assert noise_power(plane, PIXEL_MM).lag1_autocorrelation is None


@pytest.mark.parametrize("measure", [noise_power, lambda hu, pixel: disk_ttf(hu, DISK, pixel)])
def test_fill_values_of_volume_formats_are_no_hu(measure):
    filled = np.repeat(SLICES["noise"][None], 2, axis=0).astype(np.float32)
    filled[0, 0, 0] = -3.4e38
    with pytest.raises(DataError, match=r"HU must lie within ±1e\+09, got 3\.4e\+38; give pixels outside the scan"):
        measure(filled, PIXEL_MM)


@pytest.mark.parametrize("pixel_mm", [(0.0, 0.7), (0.7, -1.0), (np.inf, 0.7)])
def test_pixels_without_a_size_are_refused(pixel_mm):
    with pytest.raises(DataError, match="pixel spacing: must be above 0 mm"):
        disk_ttf(SLICES["noise"], DISK, pixel_mm)


def test_an_edge_beside_the_region_is_refused():
    with pytest.raises(DataError, match="edge: must cross the region, got one side only"):
        edge_ttf(SLICES["noise"], (-100.0, -100.0), 45.0, PIXEL_MM)


def test_a_disk_between_the_pixels_is_refused():
    with pytest.raises(DataError, match="edge: needs 3 px of image on both sides"):
        disk_ttf(SLICES["noise"], Disk((30.5, 30.5), 0.1, 50.0), PIXEL_MM)


def _nan(*_, x_scale):
    return optimize.OptimizeResult(x=np.full(6, np.nan))


def _raise(*_, x_scale):
    raise ValueError("array must not contain infs or NaNs")


@pytest.mark.parametrize("solver", [_nan, _raise])
def test_a_fit_without_an_answer_is_an_error_of_ours(monkeypatch, solver):
    monkeypatch.setattr(optimize, "least_squares", solver)
    with pytest.raises(DataError, match="edge: must be found by least squares, got no answer"):
        fit_disk(SLICES["noise"], DISK, PIXEL_MM)


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e307])
def test_intervals_of_values_of_any_size_are_alike(size):
    values, series = np.array([1.0, 2.0, 4.0, 3.5, 2.5, 1.5, 3.0]), [0, 1, 2, 3, 4, 5, 5]
    for names in (None, series):
        found, plain = mean_interval(list(values * size), names), mean_interval(list(values), names)
        assert [found.mean, found.low, found.high] == pytest.approx(
            [plain.mean * size, plain.low * size, plain.high * size]
        )
    assert compare_paired(list(values * size), [0.0] * 7).p_value == compare_paired(list(values), [0.0] * 7).p_value


@pytest.mark.parametrize("denoised", [[1.0, 1.0, 1.0], [0.0, 1.0 - 1e-16, 1.0 + 3e-16], [1.0, 2.0, 3.0]])
def test_curves_that_touch_the_target_give_a_dose_or_a_remark(denoised):
    found = dose_reduction_potential([0.1, 0.2, 0.4], [1.0, 1.0, 1.0], denoised)
    assert not_finite(found) == []


def test_doses_that_are_one_but_for_rounding_are_refused():
    with pytest.raises(DataError, match="dose curve: needs different doses, got two alike but for rounding"):
        dose_reduction_potential([1e300, 1e300 * (1.0 + 4e-16)], [1.0, 2.0], [1.0, 2.0])
