"""How a scan's noise depends on the ray: bowtie filter, modulated tube current and electronic noise, from one series.

::

    log E   p + w·(r/100 mm)² − m·(d(θ) − mean d) − α·cos 2θ − β·sin 2θ − b − log I0       one over the photons of a ray
    σ²      E + Ne·E²
    w, Ne   bowtie filter and electronic noise, of the series; d(θ): the darkest ray of a view
    m       tube current that follows the attenuation view by view, of the series; α, β: what it does beside, of a slice
    b       a slice's own level

:mod:`n2b_ct.simulation.directional_noise` measures ``σ²`` by place and by direction in flat tissue. Rays through one
place differ by an ``e^p`` of one to ten and more, which tells the linear term from the quadratic one as far as one dose
can; a region's sector means are gamma distributed about what is expected, and the numbers are those of the largest
posterior density. Where a series tells little, they stay near typical ones. Anatomy has a term of its own, in
proportion to each region's gradient.

The level is not taken from here, where anatomy and the texture's misfit disturb it, but from
:func:`n2b_ct.simulation.noise_texture.noise_amplitude`, as elsewhere.

References:
    Kalender, Wolf, Suess 1999, Med. Phys. 26(11), 2248-2253, and Gies et al. 1999, 2235-2247: tube current modulated by
    the angle. Whittle 1953, Ark. Mat. 2, 423-434: likelihood of a periodogram.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize

from n2b_ct.simulation.calibration import Calibration, calibrate, noise_gain, relative_current
from n2b_ct.simulation.calibration_regions import (
    NoiseRegions,
    bowtie_integrals,
    flat_regions,
    line_integrals,
    measure_projected,
)
from n2b_ct.simulation.directional_noise import REGION_PX, Sectors, direction_of, sectors
from n2b_ct.simulation.noise_texture import noise_amplitude
from n2b_ct.simulation.projection import ParallelBeam

MIN_REGIONS = 3
"""A slice with fewer flat regions tells nothing of its own."""

_SMOOTHING = (1.0, 2.0)
"""Views and bins; noise of the line integrals would raise the mean of ``e^p``."""
_N_VIEWS = 96
_ACROSS = (-0.3, 0.0, 0.3)
"""Rays through a region, in parts of its width."""
_BOWTIE_MM = 100.0
_LARGEST_EXPONENT = 20.0
_SLICE_PRIOR_REGIONS = 6.0
_WILD = 1e-6

_ELECTRONIC, _BOWTIE, _MODULATION = (0.0, 0.5), (0.4, 0.4), (0.25, 0.25)
"""Mean and spread of the prior: logarithm over the typical electronic noise, bowtie filter, modulation."""
_ANGULAR_SPREAD, _LEVEL_SPREAD = 0.3, 0.15
_MOST_BOWTIE, _MOST_MODULATION = 2.0, 0.8
_SERIES_NUMBERS, _SLICE_NUMBERS = 6, 3


@dataclass(frozen=True, slots=True)
class SliceExposure:
    """What a slice has of its own.

    Attributes:
        cosine: ``α``.
        sine: ``β``.
        excess: Variance over what its series lets expect.
    """

    cosine: float = 0.0
    sine: float = 0.0
    excess: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class RegionRays:
    """A slice's flat regions and the rays through them.

    Attributes:
        periodograms: HU², ``[n, size, size]``.
        paths: Line integrals, ``[n, views, rays across]``.
        offsets_squared: Of the middle ray from the image's middle, (100 mm)², ``[n, views]``.
        darkness: Of each view's darkest ray, less its mean, ``[views]``.
        angles_rad: Of the views.
        slopes: Mean squared gradient of the smoothed slice.
        current: Tube current of the slice, mA; None where unknown.
    """

    periodograms: np.ndarray
    paths: np.ndarray
    offsets_squared: np.ndarray
    darkness: np.ndarray
    angles_rad: np.ndarray
    slopes: np.ndarray
    current: float | None

    def __len__(self) -> int:
        return len(self.periodograms)


def smoothed(integrals: np.ndarray) -> np.ndarray:
    """Take most of the noise from line integrals ``[views, bins]``."""
    return np.asarray(gaussian_filter(integrals, _SMOOTHING, mode="nearest"))


def measure_rays(hu: np.ndarray, integrals: np.ndarray, beam: ParallelBeam, current: float | None) -> RegionRays:
    """Measure the flat regions of a slice.

    Args:
        hu: ``[rows, cols]``.
        integrals: Its line integrals, :func:`smoothed`, without a bowtie filter.
        beam: Their scan.
        current: Tube current, mA, if known.
    """
    regions = flat_regions(hu, REGION_PX)
    views = np.linspace(0, beam.n_views - 1, _N_VIEWS).round().astype(int)
    angles = beam.angles_rad[views]
    offsets = _offsets_px(regions.corners, beam, angles)
    across = offsets[..., None] + REGION_PX * np.array(_ACROSS)
    bins = np.clip(np.rint(across + (beam.n_bins - 1) / 2).astype(int), 0, beam.n_bins - 1)
    return RegionRays(
        periodograms=regions.periodograms,
        paths=integrals[views[None, :, None], bins].astype(np.float64),
        offsets_squared=(offsets * beam.pixel_mm / _BOWTIE_MM) ** 2,
        darkness=_darkness(integrals)[views],
        angles_rad=angles,
        slopes=regions.slopes,
        current=current,
    )


def measure_slice(
    hu: np.ndarray, pixel_mm: float, current: float | None = None, bowtie: float = 0.0
) -> tuple[dict[int, NoiseRegions], RegionRays]:
    """Measure a slice for :func:`calibrate_rays`.

    Args:
        hu: ``[rows, cols]``.
        pixel_mm: Pixel size, mm.
        current: Tube current, mA, if known.
        bowtie: What the bowtie filter is known to add 100 mm off the middle.
    """
    integrals, beam = line_integrals(hu, pixel_mm)
    regions = measure_projected(hu, integrals + bowtie_integrals(beam, bowtie), beam, current)
    return regions, measure_rays(hu, smoothed(integrals), beam, current)


def calibrate_rays(
    slices: Sequence[tuple[dict[int, NoiseRegions], RegionRays]],
    beam: ParallelBeam,
    slice_mm: float,
    *,
    photons: float | None = None,
    electronic_variance: float | None = None,
    bowtie: float | None = None,
) -> Calibration:
    """Calibrate a series as :func:`n2b_ct.simulation.calibration.calibrate` does, then ray by ray.

    Args:
        slices: What :func:`measure_slice` gave.
        beam: The scan that will be simulated.
        slice_mm: Slice thickness, mm.
        photons: ``I0`` if it is known; then nothing but the texture is measured, and the current has no modulation.
        electronic_variance: ``Ne`` per ray if it is known.
        bowtie: The filter if it is known; None: measured.

    Raises:
        DataError: As :func:`n2b_ct.simulation.calibration.calibrate`.
    """
    regions, rays = [one for one, _ in slices], [one for _, one in slices]
    given = {"photons": photons, "electronic_variance": electronic_variance}
    found = calibrate(regions, beam, slice_mm, **given, bowtie=bowtie or 0.0)
    if photons is not None:
        return found
    return refined(found, rays, beam, bowtie=bowtie, electronic_variance=electronic_variance)


def refined(
    calibration: Calibration,
    slices: Sequence[RegionRays],
    beam: ParallelBeam,
    *,
    bowtie: float | None,
    electronic_variance: float | None,
) -> Calibration:
    """Add to a calibration what depends on the ray.

    Args:
        calibration: Texture and photons of the series.
        slices: What :func:`measure_rays` gave of some slices.
        beam: The scan that will be simulated.
        bowtie: The filter if it is known; None: measured.
        electronic_variance: ``Ne`` per ray if it is known; None: measured.

    Returns:
        The calibration with photons, electronic noise, bowtie filter and modulation; as it is where no slice has flat
        regions enough.
    """
    used = [one for one in slices if len(one) >= MIN_REGIONS]
    if not used:
        return calibration
    fixed = {index: value for index, value in ((1, _log(electronic_variance)), (2, bowtie)) if value is not None}
    found = _Posterior(used, calibration, beam).largest(fixed)
    log_photons, log_electronic, measured_bowtie, modulation = found[:4].tolist()
    shaped = replace(
        calibration,
        photons=math.exp(log_photons),
        electronic_variance=electronic_variance if electronic_variance is not None else math.exp(log_electronic),
        bowtie=measured_bowtie,
        modulation=modulation,
    )
    own = found[_SERIES_NUMBERS:].reshape(-1, _SLICE_NUMBERS)
    parts = [
        one.periodograms
        / _expected(one, shaped, beam, SliceExposure(values[0], values[1], math.exp(-values[2])))[:, None, None]
        for one, values in zip(used, own, strict=True)
    ]
    level = noise_amplitude(np.mean(np.concatenate(parts), axis=0), calibration.texture)
    return _at_level(shaped, level, is_given=electronic_variance is not None)


def slice_exposure(rays: RegionRays, calibration: Calibration, beam: ParallelBeam) -> SliceExposure:
    """Measure what a slice has of its own; one with few flat regions is taken for an ordinary one."""
    if len(rays) < MIN_REGIONS:
        return SliceExposure()
    fixed = dict(
        enumerate(
            (
                math.log(calibration.photons),
                math.log(max(calibration.electronic_variance, 1e-9)),
                calibration.bowtie,
                calibration.modulation,
            )
        )
    )
    cosine, sine, _ = _Posterior([rays], calibration, beam).largest(fixed)[_SERIES_NUMBERS:].tolist()
    expected = _expected(rays, calibration, beam, SliceExposure(cosine, sine))
    found = noise_amplitude(np.mean(rays.periodograms / expected[:, None, None], axis=0), calibration.texture)
    if found <= 0.0:
        return SliceExposure(cosine, sine)
    found = min(max(found, _WILD), 1.0 / _WILD)
    return SliceExposure(cosine, sine, float(found ** (len(rays) / (len(rays) + _SLICE_PRIOR_REGIONS))))


def inverse_photons(
    integrals: np.ndarray, beam: ParallelBeam, calibration: Calibration, photons: float, own: SliceExposure
) -> np.ndarray:
    """One over the photons of every ray, ``[views, bins]``.

    Args:
        integrals: :func:`smoothed`, without a bowtie filter.
        beam: Their scan.
        calibration: Of the series.
        photons: ``I0`` of the slice, its own level included.
        own: What the slice has of its own.
    """
    twice = 2.0 * beam.angles_rad
    by_view = calibration.modulation * _darkness(integrals) + own.cosine * np.cos(twice) + own.sine * np.sin(twice)
    path = integrals + bowtie_integrals(beam, calibration.bowtie) - by_view[:, None]
    return np.asarray(np.exp(np.minimum(path, _LARGEST_EXPONENT)) / photons)


class _Posterior:
    """Minus the logarithm of the posterior density, with its gradient.

    The numbers are log I0, log Ne, w, m and two amplitudes of anatomy, then α, β and b of every slice.
    """

    def __init__(self, slices: Sequence[RegionRays], calibration: Calibration, beam: ParallelBeam) -> None:
        self._calibration = calibration
        self._typical = _log(calibration.electronic_variance) or 0.0
        cells = sectors(calibration.texture)
        gain = noise_gain(calibration.texture, beam)
        slope = max(float(np.mean(np.concatenate([one.slopes for one in slices]))), 1e-12)
        self._slices = [_SliceTerms(one, cells, gain, calibration, slope) for one in slices]

    def largest(self, fixed: dict[int, float]) -> np.ndarray:
        """Find the numbers of the largest density, some of them given."""
        start = np.zeros(_SERIES_NUMBERS + _SLICE_NUMBERS * len(self._slices))
        start[:_SERIES_NUMBERS] = (math.log(self._calibration.photons), self._typical, 0.3, 0.2, 0.01, 0.01)
        photons, electronic = start[0], start[1]
        bounds = [(photons - 5, photons + 5), (electronic - 5, electronic + 5), (0.0, _MOST_BOWTIE)]
        bounds += [(0.0, _MOST_MODULATION), (0.0, 10.0), (0.0, 10.0)]
        bounds += [(-2.0, 2.0)] * (len(start) - len(bounds))
        for index, value in fixed.items():
            start[index], bounds[index] = value, (value, value)
        options = {"maxiter": 400, "ftol": 1e-9}
        return np.asarray(minimize(self, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x)

    def __call__(self, values: np.ndarray) -> tuple[float, np.ndarray]:
        means, spreads = self._prior(len(values))
        deviation = (values - means) / spreads
        total, gradient = 0.5 * float(deviation @ deviation), deviation / spreads
        for k, terms in enumerate(self._slices):
            own = slice(_SERIES_NUMBERS + _SLICE_NUMBERS * k, _SERIES_NUMBERS + _SLICE_NUMBERS * (k + 1))
            value, of_series, of_slice = terms.misfit(values[:_SERIES_NUMBERS], values[own])
            total += value
            gradient[:_SERIES_NUMBERS] += of_series
            gradient[own] += of_slice
        return total, gradient

    def _prior(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        means, spreads = np.zeros(n), np.full(n, np.inf)
        spreads[_SERIES_NUMBERS:] = np.tile([_ANGULAR_SPREAD, _ANGULAR_SPREAD, _LEVEL_SPREAD], len(self._slices))
        for index, (mean, spread) in zip((1, 2, 3), (_ELECTRONIC, _BOWTIE, _MODULATION), strict=True):
            means[index], spreads[index] = mean, spread
        means[1] += self._typical
        return means, spreads


class _SliceTerms:
    """One slice's part of the likelihood."""

    def __init__(self, rays: RegionRays, cells: Sectors, gain: float, calibration: Calibration, slope: float) -> None:
        self._measured = np.maximum(cells.means(rays.periodograms), 1e-12)
        self._n = cells.n_independent
        self._gain = gain
        self._paths = rays.paths - math.log(relative_current(rays.current, calibration.reference_current))
        twice = 2.0 * rays.angles_rad
        ones = np.ones_like(rays.offsets_squared)
        self._basis = [-ones, rays.offsets_squared, -rays.darkness * ones]
        self._basis += [-np.cos(twice) * ones, -np.sin(twice) * ones, -ones]
        self._mixing = _by_view(cells, rays.angles_rad)
        anatomy = cells.anatomy * float(self._measured.mean())
        self._anatomy = (np.broadcast_to(anatomy, self._measured.shape), anatomy * (rays.slopes / slope)[:, None])

    def misfit(self, series: np.ndarray, own: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Minus the log-likelihood, and its gradient by the series' numbers and by the slice's own."""
        electronic = math.exp(series[1])
        numbers = (series[0], series[2], series[3], *own)
        exponent = sum(value * basis for value, basis in zip(numbers, self._basis, strict=True))
        inverse = np.exp(np.minimum(self._paths + np.asarray(exponent)[..., None], _LARGEST_EXPONENT))
        quantum, readout = (self._gain * one.mean(axis=-1) for one in (inverse, electronic * inverse**2))
        expected = (quantum + readout) @ self._mixing.T + series[4] * self._anatomy[0] + series[5] * self._anatomy[1]
        ratio = self._measured / expected
        by_cell = self._n * (1.0 - ratio) / expected
        by_ray = by_cell @ self._mixing
        slopes = [float((by_ray * (quantum + 2.0 * readout) * basis).sum()) for basis in self._basis]
        by_anatomy = [float((by_cell * one).sum()) for one in self._anatomy]
        of_series = np.array([slopes[0], float((by_ray * readout).sum()), slopes[1], slopes[2], *by_anatomy])
        return float((self._n * (np.log(expected) + ratio)).sum()), of_series, np.array(slopes[3:])


def _expected(rays: RegionRays, calibration: Calibration, beam: ParallelBeam, own: SliceExposure) -> np.ndarray:
    """Variance that the rays through each region let expect, HU², ``[n]``."""
    twice = 2.0 * rays.angles_rad
    by_view = calibration.modulation * rays.darkness + own.cosine * np.cos(twice) + own.sine * np.sin(twice)
    path = rays.paths + (calibration.bowtie * rays.offsets_squared - by_view)[..., None]
    photons = calibration.photons_at(rays.current) / own.excess
    inverse = np.exp(np.minimum(path, _LARGEST_EXPONENT)) / photons
    variance = (inverse + calibration.electronic_variance * inverse**2).mean(axis=(1, 2))
    return np.asarray(noise_gain(calibration.texture, beam) * variance)


def _at_level(calibration: Calibration, level: float, *, is_given: bool) -> Calibration:
    """Scale the variance, quantum and electronic alike; electronic noise that was given stays."""
    if not level > 0.0:
        return calibration
    electronic = calibration.electronic_variance / (1.0 if is_given else level)
    return replace(calibration, photons=calibration.photons / level, electronic_variance=electronic)


def _by_view(cells: Sectors, angles_rad: np.ndarray) -> np.ndarray:
    """Mixing of the views of a measurement, ``[cells, views]``."""
    direction = direction_of(angles_rad)
    n_views = np.bincount(direction, minlength=cells.mixing.shape[1])
    return np.asarray((cells.mixing / np.maximum(n_views, 1))[:, direction])


def _offsets_px(corners: np.ndarray, beam: ParallelBeam, angles_rad: np.ndarray) -> np.ndarray:
    """Distance from the image's middle of the ray through each region's middle, pixels, ``[n, views]``."""
    middle = (REGION_PX - 1) / 2 - (beam.size_px - 1) / 2
    right, up = corners[:, 1] + middle, -(corners[:, 0] + middle)
    return np.asarray(right[:, None] * np.cos(angles_rad) + up[:, None] * np.sin(angles_rad))


def _darkness(integrals: np.ndarray) -> np.ndarray:
    """Darkest ray of each view, smoothed, less the mean of all, ``[views]``."""
    darkest = gaussian_filter(integrals.max(axis=1).astype(np.float64), 2.0, mode="wrap")
    return np.asarray(darkest - darkest.mean())


def _log(value: float | None) -> float | None:
    return None if value is None else math.log(max(value, 1e-9))
