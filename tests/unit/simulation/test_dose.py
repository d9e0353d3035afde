"""Dose reduction: Yu's formula by hand, its statistics in water, and what must not change."""

from __future__ import annotations

import math

import numpy as np
import pytest

from n2b_ct.errors import DataError
from n2b_ct.simulation.dose import (
    KERNELS,
    STANDARD,
    WATER_PER_MM,
    added_variance,
    attenuation_per_mm,
    full_dose_variance,
    noise_hu,
    scan,
    simulate_dose,
    simulate_doses,
)
from n2b_ct.simulation.projection import ParallelBeam, ramp_response

SIZE = 96
SCANNER = {"pixel_mm": 1.5, "photons": 8e4, "electronic_variance": 10.0}


def water(size: int = SIZE, radius: float = 38.0) -> np.ndarray:
    """A water disc in air, HU."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return (1000.0 * np.clip(0.5 + radius - np.hypot(x, y), 0.0, 1.0) - 1000.0).astype(np.float32)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


CENTRE = (slice(32, 64), slice(32, 64))


def test_the_added_variance_is_yus_formula_by_hand() -> None:
    # e² = 7.389056; 3 · 7.389056e-4 · (1 + 5 · 10 · 7.389056e-4) = 2.298613e-3
    value = added_variance(np.array(2.0), 0.25, 1e4, 10.0)
    assert float(value) == pytest.approx(2.298613e-3, rel=1e-6)


def test_full_noise_and_added_noise_make_the_noise_of_a_scan_at_that_dose() -> None:
    p = np.linspace(0.0, 6.0, 7)
    for dose in (0.5, 0.25, 0.05):
        together = full_dose_variance(p, 1e5, 20.0) + added_variance(p, dose, 1e5, 20.0)
        np.testing.assert_allclose(together, full_dose_variance(p, dose * 1e5, 20.0), rtol=1e-6)


def test_the_full_dose_variance_is_that_of_a_logarithm_of_counts() -> None:
    p, photons, electronic_variance = 3.0, 5e4, 400.0
    counts = rng().poisson(photons * math.exp(-p), 400_000) + rng(2).normal(0.0, 20.0, 400_000)
    measured = float(np.var(-np.log(counts / photons)))
    assert measured == pytest.approx(float(full_dose_variance(np.array(p), photons, electronic_variance)), rel=0.01)


def test_attenuation_is_zero_in_air_and_below_and_doubles_at_1000_hu() -> None:
    values = attenuation_per_mm(np.array([-2000.0, -1000.0, 0.0, 1000.0]))
    np.testing.assert_allclose(values, [0.0, 0.0, WATER_PER_MM, 2 * WATER_PER_MM], atol=1e-9)


def test_the_full_dose_is_the_image_itself() -> None:
    np.testing.assert_array_equal(simulate_dose(water(), 1.0, rng=rng(), **SCANNER), water())


def test_a_flood_of_photons_changes_nothing() -> None:
    low = simulate_dose(water(), 0.5, pixel_mm=1.5, photons=1e16, electronic_variance=0.0, rng=rng())
    assert np.abs(low - water()).max() < 0.01


def test_the_same_seed_gives_the_same_noise_and_another_seed_another() -> None:
    first = simulate_dose(water(), 0.25, rng=rng(7), **SCANNER)
    np.testing.assert_array_equal(first, simulate_dose(water(), 0.25, rng=rng(7), **SCANNER))
    assert np.abs(first - simulate_dose(water(), 0.25, rng=rng(8), **SCANNER)).mean() > 1.0


def test_added_noise_goes_with_the_dose_as_the_formula_says() -> None:
    doses = [0.5, 0.25, 0.1]
    scanner = {**SCANNER, "electronic_variance": 0.0}
    noise = simulate_doses(water(), doses, rng=rng(), **scanner) - water()
    deviation = noise[:, *CENTRE].std(axis=(1, 2))
    expected = np.sqrt([(1 - a) / a for a in doses])
    np.testing.assert_allclose(deviation / deviation[0], expected / expected[0], rtol=0.12)


def test_a_scan_at_a_quarter_has_twice_the_noise_and_carries_the_full_scans() -> None:
    scanner = {**SCANNER, "electronic_variance": 0.0}
    images = scan(water(), [1.0, 0.25], rng=rng(), **scanner)
    full, quarter = images[:, *CENTRE]
    assert quarter.std() / full.std() == pytest.approx(2.0, rel=0.12)
    assert np.corrcoef(full.ravel(), quarter.ravel())[0, 1] == pytest.approx(0.5, abs=0.12)


def test_electronic_noise_makes_low_doses_worse_than_photons_alone_would() -> None:
    images = scan(water(), [1.0, 0.05], pixel_mm=1.5, photons=2e4, electronic_variance=200.0, rng=rng())
    full, low = images[:, *CENTRE]
    assert low.std() / full.std() > 1.15 * math.sqrt(20.0)


@pytest.mark.parametrize("dose", [0.5, 0.05])
def test_noise_shifts_no_hu(dose: float) -> None:
    shift = np.mean(
        [(simulate_dose(water(), dose, rng=rng(seed), **SCANNER) - water())[CENTRE].mean() for seed in range(4)]
    )
    assert abs(shift) < 1.0


def test_the_noise_has_the_deviation_that_the_kernel_promises() -> None:
    beam = ParallelBeam.for_image(SIZE, 1.5)
    white = rng().standard_normal((4, beam.n_views, beam.n_bins)).astype(np.float32) * np.float32(0.02)
    n = 512
    taps = np.fft.irfft(ramp_response(n, 1.5, STANDARD.blur_px), n)
    per_mm = 0.02 * math.pi / math.sqrt(beam.n_views) * math.sqrt((taps**2).sum())
    measured = noise_hu(white, beam, STANDARD)[:, *CENTRE].std()
    assert measured == pytest.approx(per_mm * 1000.0 / WATER_PER_MM, rel=0.05)


@pytest.mark.parametrize(
    ("name", "lowest", "highest"), [("sharp", 0.1, 0.25), ("standard", 0.3, 0.5), ("soft", 0.5, 0.7)]
)
def test_neighbouring_pixels_share_noise_as_under_a_real_kernel(name: str, lowest: float, highest: float) -> None:
    beam = ParallelBeam.for_image(SIZE, 1.5)
    white = rng().standard_normal((6, beam.n_views, beam.n_bins)).astype(np.float32)
    noise = noise_hu(white, beam, KERNELS[name])[:, 16:-16, 16:-16]
    lag_one = (noise[:, :, 1:] * noise[:, :, :-1]).mean() / noise.var()
    assert lowest < lag_one < highest


def test_an_oblong_image_keeps_its_shape_and_its_hu() -> None:
    image = water()[:, 8:-8]
    low = simulate_dose(image, 0.5, rng=rng(), **SCANNER)
    assert low.shape == image.shape
    assert abs((low - image)[32:64, 24:56].mean()) < 2.0


def test_padding_and_metal_stay_finite() -> None:
    image = water()
    image[:10], image[40:50, 40:50] = -2000.0, 30_000.0
    assert np.isfinite(simulate_dose(image, 0.05, rng=rng(), **SCANNER)).all()


@pytest.mark.parametrize("dose", [0.0, -0.1, 1.5, math.nan])
def test_an_impossible_dose_is_refused(dose: float) -> None:
    with pytest.raises(DataError, match="dose: must be at least 1e-06 and at most 1"):
        simulate_dose(water(16, 5.0), dose, rng=rng(), **SCANNER)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"pixel_mm": 0.0}, "pixel size"), ({"photons": 0.5}, "photons"), ({"electronic_variance": -1.0}, "electronic")],
)
def test_an_impossible_scanner_is_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        simulate_dose(water(16, 5.0), 0.5, rng=rng(), **{**SCANNER, **change})


@pytest.mark.parametrize("image", [np.zeros((2, 16, 16)), np.full((16, 16), np.nan)])
def test_what_is_no_slice_is_refused(image: np.ndarray) -> None:
    with pytest.raises(DataError, match="image: must be a finite 2-D slice"):
        simulate_dose(image, 0.5, rng=rng(), **SCANNER)
