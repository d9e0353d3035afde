"""How many photons a real series was scanned with, and its kernel: both from the noise of its own flat regions.

::

    σ²(x) = g · ⟨ e^p/I0(k) + Ne·(e^p/I0(k))² ⟩      over the rays through x
    I0(k) = I0 · mA(k)/mA                            slice k, tube current modulated along the patient

``g`` is the gain of the kernel, in closed form once its texture is known. Every region's periodogram is divided by
what its rays let expect, so that regions of thin and thick parts of the patient can be averaged; one fit of the
average then gives texture and ``I0``. Only ratios of tube currents within the series count, never a dose.

One series at one dose cannot tell electronic noise from quantum noise. ``Ne`` is that of a typical detector
sample, times the number of such samples that one ray of the simulation stands for.

References:
    Yu et al. 2012, J. Comput. Assist. Tomogr. 36(4), 477-487. Zeng et al. 2015, IEEE Trans. Nucl. Sci. 62(5):
    electronic noise of about ten photons².
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from n2b_ct.errors import DataError, explain
from n2b_ct.simulation.calibration_regions import FLAT_STEEPNESS, SIZES_PX, NoiseRegions
from n2b_ct.simulation.dose import MOST_PHOTONS, WATER_PER_MM, require_photons
from n2b_ct.simulation.noise_texture import NoiseTexture, TextureFit, fit_texture, noise_amplitude
from n2b_ct.simulation.projection import ParallelBeam, kernel_response

BINS_PER_PX = 2
SLICE_REGION_PX = 16
"""Width of the regions that tell a slice's own noise."""
MOST_MISFIT = 0.15
"""Above it the texture is no filtered ramp's; scans reconstructed without iterations have 0.02 to 0.07."""
MIN_REGIONS = 6
"""With fewer, a series is not calibrated."""
ENOUGH_REGIONS = 16
"""Of the widths of which there are so many flat regions, the largest is used."""
SAMPLE_ELECTRONIC_VARIANCE = 10.0
"""Electronic noise of one detector sample, photons²."""
SAMPLE_MM = 0.6
"""Side of a detector sample at the centre of rotation, mm."""
SAMPLED_VIEWS = 1000
"""Views of a scanner's full turn; half a turn has as many rays that differ, as every ray is measured twice."""

_N_ROUNDS = 12
_CONVERGED = 1e-3
_LEAST_VARIANCE_HU2 = 1e-3
_MIN_SLICE_REGIONS = 3
_WILD = 1e-6
"""A slice's noise below this part of the series', or above its inverse, is no scan's."""
_SLICE_PRIOR_REGIONS = 6.0
"""A slice's own noise counts against the series' as its regions do against so many."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the simulation must know of a series.

    Attributes:
        photons: ``I0``, photons per ray at full dose and at the reference current.
        electronic_variance: ``Ne``, photons² per ray.
        texture: The kernel's noise.
        pixel_mm: Pixel size, mm.
        bowtie: What the bowtie filter adds to the line integral 100 mm off the middle; 0: none.
        modulation: How far the tube current follows the attenuation view by view: 0 not at all, 0.5 its square root.
        samples_per_ray: Detector samples that one ray of the simulation stands for.
        reference_current: Mean tube current of the slices measured, mA; None where unknown.
        noise_std_hu: Typical noise in the regions, HU; None where nothing was measured.
        n_regions, region_px: What was measured.
        anatomy_share, misfit: Of the fit.
    """

    photons: float
    electronic_variance: float
    texture: NoiseTexture
    pixel_mm: float
    bowtie: float = 0.0
    modulation: float = 0.0
    samples_per_ray: float = 1.0
    reference_current: float | None = None
    noise_std_hu: float | None = None
    n_regions: int = 0
    region_px: int = 0
    anatomy_share: float = 0.0
    misfit: float = 0.0

    def photons_at(self, current: float | None) -> float:
        """``I0`` of a slice with this tube current."""
        return self.photons * relative_current(current, self.reference_current)


def calibrate(
    slices: Sequence[dict[int, NoiseRegions]],
    beam: ParallelBeam,
    slice_mm: float,
    *,
    photons: float | None = None,
    electronic_variance: float | None = None,
    bowtie: float = 0.0,
) -> Calibration:
    """Find photons and kernel of a series.

    Args:
        slices: Of each slice, what :func:`n2b_ct.simulation.calibration_regions.measure_regions` gave.
        beam: The scan that will be simulated.
        slice_mm: Slice thickness, mm.
        photons: ``I0`` if it is known; the texture is measured all the same.
        electronic_variance: ``Ne`` per ray of the simulation if it is known.
        bowtie: The one that the slices were measured with.

    Raises:
        DataError: The series has too few flat regions of soft tissue, or no noise in them, or a number is out of range.
    """
    regions = _pooled(slices)
    if regions.periodograms.mean() < _LEAST_VARIANCE_HU2:
        got, remedy = "none", "choose a scan, not a drawing"
        raise DataError(explain("series", "must show some noise in flat tissue", got, remedy))
    ne = electronic_variance_of(beam, slice_mm) if electronic_variance is None else electronic_variance
    i0 = 1e6 if photons is None else photons
    require_photons(i0, ne)
    near = None
    for _ in range(_N_ROUNDS):
        expected = regions.expected_variance(i0, ne)
        fit = fit_texture(np.mean(regions.periodograms / expected[:, None, None], axis=0), near)
        near = fit.texture
        change = noise_gain(fit.texture, beam) / fit.variance
        if photons is not None or abs(change - 1.0) < _CONVERGED:
            break
        i0 *= change
        if not 1.0 / MOST_PHOTONS < i0 < MOST_PHOTONS:
            raise _no_photons(i0)
    found = _calibration(regions, fit, beam, i0, ne, expected)
    return replace(found, bowtie=bowtie, samples_per_ray=samples_per_ray(beam, slice_mm))


def noise_excess(regions: NoiseRegions, calibration: Calibration, beam: ParallelBeam) -> float:
    """How much more variance a slice has than its series lets expect, as far as its own flat regions tell.

    Tube current that follows the patient, beam-hardening and a patient wider than the image make slices differ. A
    slice with few flat regions is taken for an ordinary one.

    Args:
        regions: Of the slice, any width.
        calibration: Of its series.
        beam: The scan that will be simulated.

    Returns:
        A factor, 1 where nothing can be told.
    """
    flat = regions.only(regions.steepness <= FLAT_STEEPNESS)
    if len(flat) < _MIN_SLICE_REGIONS:
        return 1.0
    expected = noise_gain(calibration.texture, beam) * _expected(flat, calibration)
    found = noise_amplitude(np.mean(flat.periodograms / expected[:, None, None], axis=0), calibration.texture)
    if found <= 0.0:
        return 1.0
    found = min(max(found, _WILD), 1.0 / _WILD)
    return float(found ** (len(flat) / (len(flat) + _SLICE_PRIOR_REGIONS)))


def _expected(regions: NoiseRegions, calibration: Calibration) -> np.ndarray:
    i0 = calibration.photons_at(regions.current)
    relative, squared = regions.inverse_transmission / i0, regions.inverse_transmission_squared / i0**2
    return np.asarray(relative + calibration.electronic_variance * squared)


def noise_gain(texture: NoiseTexture, beam: ParallelBeam) -> float:
    """Variance of the image, HU², for line integrals of variance one at one bin per pixel.

    White noise through the kernel keeps the mean of its squared response; a sum over views averages. A ray of half
    a pixel has half the photons, so the variance of its line integral is doubled.
    """
    response = kernel_response(beam, apodisation=texture.apodisation, bins_per_px=BINS_PER_PX)
    kept = float(np.mean(np.concatenate([response, response[1:-1]]) ** 2))
    return (1000.0 / WATER_PER_MM) ** 2 * np.pi**2 / beam.n_views * BINS_PER_PX * kept


def electronic_variance_of(beam: ParallelBeam, slice_mm: float) -> float:
    """Electronic noise of all detector samples that one ray of the simulation stands for, photons²."""
    return SAMPLE_ELECTRONIC_VARIANCE * samples_per_ray(beam, slice_mm)


def samples_per_ray(beam: ParallelBeam, slice_mm: float) -> float:
    """Detector samples that one ray of the simulation stands for, at least one."""
    return max(slice_mm * beam.pixel_mm / SAMPLE_MM**2 * SAMPLED_VIEWS / beam.n_views, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Regions:
    """The regions of all slices together."""

    periodograms: np.ndarray
    inverse: np.ndarray
    inverse_squared: np.ndarray
    relative_current: np.ndarray
    reference_current: float | None

    def expected_variance(self, photons: float, electronic_variance: float) -> np.ndarray:
        """Mean variance of the line integrals through each region, ``[n]``."""
        i0 = photons * self.relative_current
        return np.asarray(self.inverse / i0 + electronic_variance * self.inverse_squared / i0**2)


def _pooled(slices: Sequence[dict[int, NoiseRegions]]) -> _Regions:
    """Take the flat regions of all slices."""
    measured = [one for one in _flat_ones(slices) if len(one)]
    currents = [one.current for one in measured]
    known = [current for current in currents if current]
    reference = float(np.mean(known)) if len(known) == len(currents) else None
    return _Regions(
        np.concatenate([one.periodograms for one in measured]),
        np.concatenate([one.inverse_transmission for one in measured]),
        np.concatenate([one.inverse_transmission_squared for one in measured]),
        np.concatenate([np.full(len(one), relative_current(one.current, reference)) for one in measured]),
        reference,
    )


def _flat_ones(slices: Sequence[dict[int, NoiseRegions]]) -> list[NoiseRegions]:
    """Choose the largest width of which there are enough flat regions; failing that, the flattest small ones."""
    for size in SIZES_PX:
        flat = [measured[size].only(measured[size].steepness <= FLAT_STEEPNESS) for measured in slices]
        if sum(map(len, flat)) >= ENOUGH_REGIONS:
            return flat
    smallest = [measured[SIZES_PX[-1]] for measured in slices]
    steepness = np.sort(np.concatenate([one.steepness for one in smallest])) if smallest else np.empty(0)
    if len(steepness) < MIN_REGIONS:
        got, remedy = f"{len(steepness)} regions", "choose a series with more soft tissue"
        raise DataError(explain("series", f"needs {MIN_REGIONS} flat regions of soft tissue to measure", got, remedy))
    limit = max(FLAT_STEEPNESS, float(steepness[:ENOUGH_REGIONS][-1]))
    return [one.only(one.steepness <= limit) for one in smallest]


def _calibration(
    regions: _Regions, fit: TextureFit, beam: ParallelBeam, photons: float, ne: float, expected: np.ndarray
) -> Calibration:
    noise_variance = fit.variance * float(np.median(expected))
    if not (np.isfinite(photons) and photons > 1.0 and noise_variance > 0.0):
        raise _no_photons(photons)
    return Calibration(
        photons=photons,
        electronic_variance=ne,
        texture=fit.texture,
        pixel_mm=beam.pixel_mm,
        reference_current=regions.reference_current,
        noise_std_hu=noise_variance**0.5,
        n_regions=len(expected),
        region_px=regions.periodograms.shape[1],
        anatomy_share=fit.anatomy_share,
        misfit=fit.misfit,
    )


def _no_photons(photons: float) -> DataError:
    remedy = "choose a reconstruction that was not smoothed away, or pass photons=…"
    return DataError(explain("series", "must show some noise in flat tissue", f"{photons:g} photons", remedy))


def relative_current(current: float | None, reference: float | None) -> float:
    """Ratio of two tube currents; 1 where one is unknown."""
    return current / reference if current and reference else 1.0
