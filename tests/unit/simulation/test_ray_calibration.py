"""Bowtie filter, modulated current and electronic noise are found again in the noise of slices made with them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from n2b_ct.simulation.calibration import Calibration, noise_gain
from n2b_ct.simulation.calibration_regions import line_integrals
from n2b_ct.simulation.directional_noise import N_DIRECTIONS, sectors
from n2b_ct.simulation.dose import WATER_PER_MM
from n2b_ct.simulation.noise_texture import NoiseTexture
from n2b_ct.simulation.projection import ParallelBeam, filtered_back_project
from n2b_ct.simulation.ray_calibration import (
    RegionRays,
    SliceExposure,
    calibrate_rays,
    inverse_photons,
    measure_rays,
    measure_slice,
    refined,
    slice_exposure,
    smoothed,
)

SIZE, PIXEL_MM = 192, 1.6
BEAM = ParallelBeam.for_image(SIZE, PIXEL_MM)
PLAIN = Calibration(4e5, 150.0, NoiseTexture(0.3, 2.5), PIXEL_MM)
CLINICAL = replace(PLAIN, bowtie=0.6, modulation=0.4)


def ellipse() -> np.ndarray:
    """Water, twice as wide as it is high."""
    y, x = (np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2) * PIXEL_MM
    return np.where((x / 145.0) ** 2 + (y / 85.0) ** 2 < 1.0, 0.0, -1000.0).astype(np.float32)


@cache
def integrals() -> np.ndarray:
    return smoothed(line_integrals(ellipse(), PIXEL_MM)[0])


def scanned(calibration: Calibration, seed: int, own: SliceExposure = SliceExposure()) -> np.ndarray:  # noqa: B008
    """The ellipse with the noise of a scan, HU."""
    inverse = inverse_photons(integrals(), BEAM, calibration, calibration.photons / own.excess, own)
    spread = np.repeat(np.sqrt(2.0 * (inverse + calibration.electronic_variance * inverse**2)), 2, axis=-1)
    noise = (spread * np.random.default_rng(seed).standard_normal(spread.shape)).astype(np.float32)
    image = filtered_back_project(noise[None], BEAM, apodisation=calibration.texture.apodisation, bins_per_px=2)[0]
    return ellipse() + image * np.float32(1000.0 / WATER_PER_MM)


@cache
def measured(calibration: Calibration, seed: int, own: SliceExposure = SliceExposure()) -> RegionRays:  # noqa: B008
    return measure_rays(scanned(calibration, seed, own), integrals(), BEAM, None)


@pytest.mark.parametrize(("scanner", "bowtie", "modulation"), [(PLAIN, 0.0, 0.0), (CLINICAL, 0.6, 0.4)])
def test_bowtie_and_modulation_are_found_in_the_noise(scanner, bowtie, modulation):
    found = refined(PLAIN, [measured(scanner, seed) for seed in range(4)], BEAM, bowtie=None, electronic_variance=None)
    assert found.bowtie == pytest.approx(bowtie, abs=0.25)
    assert found.modulation == pytest.approx(modulation, abs=0.1)


def test_a_bowtie_and_an_electronic_noise_that_are_given_stay():
    found = refined(PLAIN, [measured(CLINICAL, 0)], BEAM, bowtie=0.1, electronic_variance=33.0)
    assert (found.bowtie, found.electronic_variance) == (0.1, pytest.approx(33.0))


def test_the_level_is_that_of_the_noise():
    wrong = replace(CLINICAL, photons=8e5)
    found = refined(wrong, [measured(CLINICAL, seed) for seed in range(4)], BEAM, bowtie=0.6, electronic_variance=150.0)
    assert found.photons == pytest.approx(4e5, rel=0.1)


def test_a_slice_whose_current_follows_another_angle_shows_it():
    found = slice_exposure(measured(CLINICAL, 5, SliceExposure(0.5, -0.3, 1.0)), CLINICAL, BEAM)
    assert found.cosine == pytest.approx(0.5, abs=0.15)
    assert found.sine == pytest.approx(-0.3, abs=0.15)
    assert found.excess == pytest.approx(1.0, abs=0.1)


def test_a_slice_of_half_the_photons_shows_it():
    assert slice_exposure(measured(CLINICAL, 6, SliceExposure(excess=2.0)), CLINICAL, BEAM).excess == pytest.approx(
        2.0, rel=0.15
    )


def test_a_slice_without_flat_tissue_counts_as_an_ordinary_one():
    air = measure_rays(np.full((SIZE, SIZE), -1000.0), integrals(), BEAM, None)
    assert len(air) == 0
    assert slice_exposure(air, CLINICAL, BEAM) == SliceExposure()
    assert refined(CLINICAL, [air], BEAM, bowtie=None, electronic_variance=None) == CLINICAL


def test_photons_that_are_given_leave_the_rays_alike():
    found = calibrate_rays([measure_slice(scanned(CLINICAL, 0), PIXEL_MM)], BEAM, 3.0, photons=7e5)
    assert (found.photons, found.bowtie, found.modulation) == (7e5, 0.0, 0.0)


def test_noise_from_one_direction_lands_in_its_sector():
    cells = sectors(NoiseTexture(0.3, 2.5))
    np.testing.assert_allclose(cells.mixing.sum(axis=1), 1.0, rtol=1e-6)
    along_the_rows = cells.mixing[:, 0] + cells.mixing[:, N_DIRECTIONS - 1]
    assert along_the_rows.argmax() % 8 == 0


def test_white_noise_of_the_texture_has_its_variance_in_every_cell():
    flat = replace(PLAIN, electronic_variance=0.0)
    rays = measured(flat, 7)
    expected = noise_gain(flat.texture, BEAM) * np.exp(rays.paths).mean(axis=(1, 2)) / flat.photons
    means = sectors(flat.texture).means(rays.periodograms)
    assert np.average(means / expected[:, None]) == pytest.approx(1.0, abs=0.15)
