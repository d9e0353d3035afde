"""Lower doses of a slice: its variance, its texture, its seed law, and what must stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from n2b_ct.errors import DataError
from n2b_ct.simulation.calibration import Calibration, calibrate, electronic_variance_of, noise_excess, noise_gain
from n2b_ct.simulation.calibration_regions import measure_regions, transmission_means
from n2b_ct.simulation.low_dose import lower_doses, outside_reconstruction
from n2b_ct.simulation.noise_texture import NoiseTexture, fit_texture, hann_periodograms
from n2b_ct.simulation.projection import ParallelBeam

SIZE, PIXEL_MM = 256, 1.2
BEAM = ParallelBeam.for_image(SIZE, PIXEL_MM)
TEXTURE = NoiseTexture(0.3, 2.5)
SCANNER = Calibration(2e5, 0.0, TEXTURE, PIXEL_MM)
INSIDE = np.s_[64:192, 64:192]


def water(radius_px: float = 105.0) -> np.ndarray:
    """A water disc in air, HU."""
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    return (1000.0 * np.clip(0.5 + radius_px - np.hypot(x, y), 0.0, 1.0) - 1000.0).astype(np.float32)


def scanned(seed: int = 5, calibration: Calibration = SCANNER) -> np.ndarray:
    """A disc as scanned with these photons: the noise that half the dose adds is that of a full scan."""
    return lower_doses(water(), [0.5], calibration, seed=seed, identity="scan", measures_slice=False).hu[0]


def added(dose: float, *, seed: int = 0, calibration: Calibration = SCANNER) -> np.ndarray:
    """The noise that a dose adds, HU."""
    return lower_doses(water(), [dose], calibration, seed=seed, identity="a", measures_slice=False).hu[0] - water()


def mean_frequency(texture: NoiseTexture) -> float:
    """Of the sampled spectrum, cycles per pixel."""
    axis = np.fft.fftfreq(64)
    power = texture.sampled_power(64)
    return float((np.hypot(axis[:, None], axis[None]) * power).sum() / power.sum())


def regions(noise: np.ndarray) -> np.ndarray:
    return noise[INSIDE].reshape(4, 32, 4, 32).transpose(0, 2, 1, 3).reshape(-1, 32, 32)


@pytest.mark.parametrize("texture", [NoiseTexture(0.18, 2.0), NoiseTexture(0.55, 5.0)])
@pytest.mark.parametrize("dose", [0.5, 0.25, 0.1])
def test_the_added_variance_is_that_of_the_closed_form(dose, texture):
    calibration = Calibration(2e5, 20.0, texture, PIXEL_MM)
    inverse, squared = transmission_means(water(), PIXEL_MM)[:, 64:192, 64:192].astype(np.float64)
    per_ray = (1 - dose) / dose * (inverse / 2e5 + (1 + dose) / dose * 20.0 * squared / 2e5**2)
    expected = noise_gain(texture, BEAM) * per_ray.mean()
    assert np.var(added(dose, calibration=calibration)[INSIDE]) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("texture", [NoiseTexture(0.18, 2.0), NoiseTexture(0.55, 5.0)])
def test_the_added_noise_has_the_texture_it_was_asked_for(texture):
    noise = added(0.25, calibration=Calibration(2e5, 0.0, texture, PIXEL_MM))
    fit = fit_texture(hann_periodograms(regions(noise)).mean(axis=0))
    assert mean_frequency(fit.texture) == pytest.approx(mean_frequency(texture), rel=0.05)
    assert fit.texture.lag1_autocorrelation == pytest.approx(texture.lag1_autocorrelation, abs=0.04)


def test_dose_1_gives_the_slice_back_bit_for_bit():
    hu = water() + 0.25
    np.testing.assert_array_equal(lower_doses(hu, [1.0], SCANNER, seed=0, identity="a").hu[0], hu)


def test_equal_seed_slice_and_dose_give_equal_noise_whatever_the_company():
    alone = added(0.25)
    among = lower_doses(water(), [0.5, 0.25], SCANNER, seed=0, identity="a", measures_slice=False).hu[1] - water()
    np.testing.assert_array_equal(alone, among)


@pytest.mark.parametrize("change", [{"seed": 1}, {"identity": "b"}])
def test_another_seed_or_slice_gives_independent_noise(change):
    other = lower_doses(water(), [0.25], SCANNER, **{"seed": 0, "identity": "a", **change}, measures_slice=False).hu[0]
    correlation = np.corrcoef((other - water())[INSIDE].ravel(), added(0.25)[INSIDE].ravel())[0, 1]
    assert abs(correlation) < 0.05


def test_what_is_fixed_stays():
    is_fixed = np.zeros((SIZE, SIZE), dtype=bool)
    is_fixed[:10] = True
    noise = lower_doses(water(), [0.25], SCANNER, seed=0, identity="a", is_fixed=is_fixed).hu[0] - water()
    assert not noise[:10].any()
    assert noise[10:].any(axis=1).all()


def test_the_corners_stay_only_where_the_scanner_left_one_value_there():
    nothing = np.zeros((SIZE, SIZE), dtype=bool)
    corners = outside_reconstruction(np.full((SIZE, SIZE), -1024.0), nothing)
    assert corners[0, 0]
    assert not corners[0, SIZE // 2]
    noisy = np.random.default_rng(0).normal(-1000.0, 5.0, (SIZE, SIZE))
    assert not outside_reconstruction(noisy, nothing).any()


def test_a_slice_that_is_not_square_keeps_its_shape():
    assert lower_doses(water()[:200], [0.25], SCANNER, seed=0, identity="a").hu.shape == (1, 200, SIZE)


def test_the_calibration_finds_photons_and_kernel_of_a_scan():
    measured = [measure_regions(scanned(seed), PIXEL_MM) for seed in range(3)]
    found = calibrate(measured, BEAM, 3.0, electronic_variance=0.0)
    assert found.photons == pytest.approx(2e5, rel=0.08)
    assert found.texture.lag1_autocorrelation == pytest.approx(TEXTURE.lag1_autocorrelation, abs=0.04)
    assert found.noise_std_hu == pytest.approx(np.std((scanned() - water())[INSIDE]), rel=0.2)


def test_the_noise_that_is_added_follows_from_the_noise_that_is_there():
    # a quarter of the dose has four times the variance: three times the measured one is added
    found = calibrate([measure_regions(scanned(seed), PIXEL_MM) for seed in range(3)], BEAM, 3.0, electronic_variance=0)
    there, many = np.var((scanned() - water())[INSIDE]), replace(found, samples_per_ray=1.0)
    assert np.var(added(0.25, calibration=many)[INSIDE]) == pytest.approx(3.0 * there, rel=0.1)


def test_tube_current_that_changes_along_the_patient_is_followed():
    dim = Calibration(1e5, 0.0, TEXTURE, PIXEL_MM)
    measured = [
        measure_regions(scanned(1), PIXEL_MM, current=200.0),
        measure_regions(scanned(2, dim), PIXEL_MM, current=100.0),
    ]
    found = calibrate(measured, BEAM, 3.0, electronic_variance=0.0)
    assert found.reference_current == 150.0
    assert found.photons_at(200.0) == pytest.approx(2e5, rel=0.08)
    assert found.photons_at(100.0) == pytest.approx(1e5, rel=0.08)
    assert found.photons_at(None) == found.photons


def test_a_noisier_slice_than_its_series_shows_in_its_own_regions():
    dim = Calibration(1e5, 0.0, TEXTURE, PIXEL_MM)
    assert noise_excess(measure_regions(scanned(2, dim), PIXEL_MM)[16], SCANNER, BEAM) == pytest.approx(2.0, rel=0.15)
    assert noise_excess(measure_regions(scanned(2), PIXEL_MM)[16], SCANNER, BEAM) == pytest.approx(1.0, abs=0.1)


def test_a_slice_without_flat_tissue_counts_as_an_ordinary_one():
    air = measure_regions(np.full((SIZE, SIZE), -1000.0), PIXEL_MM)[16]
    assert len(air) == 0
    assert noise_excess(air, SCANNER, BEAM) == 1.0


def test_given_photons_stay_as_they_are():
    found = calibrate([measure_regions(scanned(), PIXEL_MM)], BEAM, 3.0, photons=7e5, electronic_variance=3.0)
    assert (found.photons, found.electronic_variance) == (7e5, 3.0)


def test_electronic_noise_counts_every_detector_sample_of_a_ray():
    # 3 mm · 1.2 mm / 0.36 mm² · 1000 / 364 views = 27.47 samples of 10 photons²
    assert BEAM.n_views == 364
    assert electronic_variance_of(BEAM, 3.0) == pytest.approx(274.7, rel=1e-3)


def test_a_series_without_flat_tissue_is_refused():
    air = measure_regions(np.full((SIZE, SIZE), -1000.0), PIXEL_MM)
    with pytest.raises(DataError, match="flat regions of soft tissue to measure, got 0 regions"):
        calibrate([air], BEAM, 3.0)


def test_a_series_without_noise_is_refused():
    with pytest.raises(DataError, match="must show some noise"):
        calibrate([measure_regions(water(), PIXEL_MM)], BEAM, 3.0)


@pytest.mark.parametrize("dose", [0.0, 1.5, -0.25])
def test_a_dose_that_no_scan_has_is_refused(dose):
    with pytest.raises(DataError, match="dose: must be at least 1e-06 and at most 1"):
        lower_doses(water(), [dose], SCANNER, seed=0, identity="a")


@pytest.mark.parametrize("photons", [0.0, -1.0, 1e300])
def test_photons_that_no_tube_gives_are_refused(photons):
    with pytest.raises(DataError, match="photons: must be physical, got"):
        calibrate([measure_regions(scanned(), PIXEL_MM)], BEAM, 3.0, photons=photons)


def test_a_slice_without_noise_among_others_stays_finite():
    calibration = calibrate([measure_regions(scanned(), PIXEL_MM)], BEAM, 3.0)
    lowered = lower_doses(np.zeros((SIZE, SIZE)), [0.5, 1e-6], calibration, seed=0, identity="a")
    assert np.isfinite(lowered.hu).all()
    assert np.isfinite(lowered.photons)


@pytest.mark.parametrize(
    "measure", [measure_regions, lambda hu, mm: lower_doses(hu, [0.5], SCANNER, seed=0, identity="a")]
)
def test_fill_values_of_volume_formats_are_no_hu(measure):
    filled = water()
    filled[:3] = -3.4e38
    with pytest.raises(DataError, match=r"image: HU must lie within ±1e\+09, got 3\.4e\+38; give pixels outside"):
        measure(filled, PIXEL_MM)


def biased(dose: float, photons: float) -> np.ndarray:
    scanner = Calibration(photons, 10.0, TEXTURE, PIXEL_MM)
    common = {"seed": 0, "identity": "a", "measures_slice": False}
    shifted, plain = (lower_doses(water(), [dose], scanner, is_biased=one, **common).hu[0] for one in (True, False))
    return shifted - plain


def test_the_mean_shifts_upwards_where_photons_are_few_and_not_where_many():
    # p is 4.9 through the middle, so a fifth of 2e4 photons leaves 30 there
    assert 2.0 < biased(0.2, 2e4)[INSIDE].mean() < 30.0
    assert abs(biased(0.2, 2e7)[INSIDE].mean()) < 0.1


def test_the_bias_changes_no_noise():
    assert (
        biased(0.2, 2e4)[INSIDE].std() < 0.1 * added(0.2, calibration=Calibration(2e4, 10.0, TEXTURE, PIXEL_MM)).std()
    )


def test_starved_rays_are_counted_at_each_dose():
    starved = lower_doses(water(), [0.5, 0.05], Calibration(2e4, 10.0, TEXTURE, PIXEL_MM), seed=0, identity="a")
    assert starved.starved_shares[0] == 0.0
    assert 0.3 < starved.starved_shares[1] < 1.0
