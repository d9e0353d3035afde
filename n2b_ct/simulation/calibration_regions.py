"""Where a slice's noise can be measured: flat soft tissue, and what each region's rays have come through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_erosion, gaussian_filter, gaussian_gradient_magnitude

from n2b_ct.simulation.dose import attenuation_per_mm, pad_to_square, require_scan
from n2b_ct.simulation.noise_texture import hann_periodograms
from n2b_ct.simulation.projection import ParallelBeam, forward_project, mean_over_views

SIZES_PX = (32, 24, 16)
"""Widths of the regions; the largest of which a series holds enough is used."""

FLAT_STEEPNESS = 0.01
"""Regions up to this steepness are flat: what anatomy they hold does not reach the noise's own frequencies.

Steeper ones let anatomy in, fewer ones leave too little to fit; docs/dose-simulation.md says what depends on it.
"""

_SOFT_TISSUE_HU = (-50.0, 250.0)
"""Blood with contrast medium included."""
_NOISE_BAND = (0.25, 0.5)
"""Cycles per pixel; anatomy has next to no power there."""
_SMOOTH_SIGMA_PX = 3.0
_MARGIN_PX = 3
_STEPS_PER_REGION = 4
_MAX_REGIONS = 40
_BOWTIE_MM = 100.0
_LONGEST_PATH = 20.0
"""Line integrals count as at most this: behind metal no photon is left anyway."""


@dataclass(frozen=True, slots=True, eq=False)
class NoiseRegions:
    """Square regions of one slice.

    Attributes:
        periodograms: Power under a Hann window, HU², ``[n, size, size]``.
        inverse_transmission: Mean over the rays through the region of ``e^p``, ``[n]``.
        inverse_transmission_squared: Mean of ``e^2p``, ``[n]``.
        steepness: Mean squared gradient of the smoothed slice over the region's own noise power at high frequencies,
            1/px², ``[n]``; small is flat.
        current: Tube current of the slice, mA; None where unknown.
    """

    periodograms: np.ndarray
    inverse_transmission: np.ndarray
    inverse_transmission_squared: np.ndarray
    steepness: np.ndarray
    current: float | None

    def __len__(self) -> int:
        return len(self.steepness)

    @property
    def size_px(self) -> int:
        """Rows and columns of each region."""
        return self.periodograms.shape[1]

    def only(self, chosen: np.ndarray) -> NoiseRegions:
        """Keep some of the regions."""
        return NoiseRegions(
            self.periodograms[chosen],
            self.inverse_transmission[chosen],
            self.inverse_transmission_squared[chosen],
            self.steepness[chosen],
            self.current,
        )


def line_integrals(hu: np.ndarray, pixel_mm: float, bowtie: float = 0.0) -> tuple[np.ndarray, ParallelBeam]:
    """Project a slice, and add what a bowtie filter takes.

    Args:
        hu: ``[rows, cols]``; made square with air.
        pixel_mm: Pixel size, mm.
        bowtie: What the filter adds to the line integral 100 mm off the image's middle; it grows with the square.

    Returns:
        Line integrals ``[views, bins]``, float32, and the scan.

    Raises:
        DataError: It is no slice in HU.
    """
    require_scan(hu)
    square = pad_to_square(hu)
    beam = ParallelBeam.for_image(len(square), pixel_mm)
    return forward_project(attenuation_per_mm(square), beam) + bowtie_integrals(beam, bowtie), beam


def bowtie_integrals(beam: ParallelBeam, bowtie: float) -> np.ndarray:
    """What a bowtie filter adds to each ray's line integral, float32 ``[bins]``."""
    offset = (np.arange(beam.n_bins) - (beam.n_bins - 1) / 2) * beam.pixel_mm / _BOWTIE_MM
    return (bowtie * offset**2).astype(np.float32)


def measure_regions(
    hu: np.ndarray, pixel_mm: float, current: float | None = None, bowtie: float = 0.0
) -> dict[int, NoiseRegions]:
    """Measure the noise in a slice's flat soft tissue, for every width of :data:`SIZES_PX`.

    Args:
        hu: ``[rows, cols]``.
        pixel_mm: Pixel size, mm.
        current: Tube current, mA, if known.
        bowtie: As in :func:`line_integrals`.
    """
    return measure_projected(hu, *line_integrals(hu, pixel_mm, bowtie), current)


def measure_projected(
    hu: np.ndarray,
    integrals: np.ndarray,
    beam: ParallelBeam,
    current: float | None = None,
    sizes_px: tuple[int, ...] = SIZES_PX,
) -> dict[int, NoiseRegions]:
    """As :func:`measure_regions`, for a slice whose line integrals ``[views, bins]`` are known already."""
    is_tissue = soft_tissue(hu)
    slope = gaussian_gradient_magnitude(hu.astype(np.float64), _SMOOTH_SIGMA_PX) ** 2
    corners = {size: _flattest(is_tissue, slope, size) for size in sizes_px}
    rays = _ray_means(integrals, beam)[:, : hu.shape[0], : hu.shape[1]] if any(corners.values()) else np.stack([hu] * 2)
    return {size: _measured(hu, rays, slope, corners[size], size, current) for size in sizes_px}


@dataclass(frozen=True, slots=True, eq=False)
class FlatRegions:
    """Flat square regions of one slice.

    Attributes:
        corners: Row and column of their upper left pixels, ``[n, 2]``.
        periodograms: Power under a Hann window, HU², ``[n, size, size]``.
        slopes: Mean squared gradient of the smoothed slice, ``[n]``.
    """

    corners: np.ndarray
    periodograms: np.ndarray
    slopes: np.ndarray


def flat_regions(hu: np.ndarray, size_px: int) -> FlatRegions:
    """Find the flat regions of nothing but soft tissue, of one width."""
    slope = gaussian_gradient_magnitude(hu.astype(np.float64), _SMOOTH_SIGMA_PX) ** 2
    corners = _flattest(soft_tissue(hu), slope, size_px)
    periodograms = hann_periodograms(_cut(hu, corners, size_px))
    slopes = _cut(slope, corners, size_px).mean(axis=(1, 2))
    is_flat = _steepness(slopes, periodograms) <= FLAT_STEEPNESS
    return FlatRegions(np.array(corners, int).reshape(-1, 2)[is_flat], periodograms[is_flat], slopes[is_flat])


def transmission_means(hu: np.ndarray, pixel_mm: float) -> np.ndarray:
    """Mean of ``e^p`` and of ``e^2p`` over the rays through each pixel, ``[2, rows, cols]``."""
    return _ray_means(*line_integrals(hu, pixel_mm))[:, : hu.shape[0], : hu.shape[1]]


def _measured(
    hu: np.ndarray,
    rays: np.ndarray,
    slope: np.ndarray,
    corners: list[tuple[int, int]],
    size: int,
    current: float | None,
) -> NoiseRegions:
    periodograms = hann_periodograms(_cut(hu, corners, size))
    means = [_cut(image, corners, size).mean(axis=(1, 2), dtype=np.float64) for image in (*rays, slope)]
    return NoiseRegions(periodograms, means[0], means[1], _steepness(means[2], periodograms), current)


def _steepness(slopes: np.ndarray, periodograms: np.ndarray) -> np.ndarray:
    axis = np.fft.fftfreq(periodograms.shape[-1])
    frequency = np.hypot(axis[:, None], axis[None])
    power = periodograms[:, (frequency >= _NOISE_BAND[0]) & (frequency <= _NOISE_BAND[1])].mean(axis=1)
    return np.asarray(slopes / np.maximum(power, 1e-12))


def soft_tissue(hu: np.ndarray) -> np.ndarray:
    """Mark soft tissue away from its edges, bool ``[rows, cols]``."""
    smooth_hu = gaussian_filter(hu.astype(np.float32), _SMOOTH_SIGMA_PX)
    return binary_erosion((smooth_hu > _SOFT_TISSUE_HU[0]) & (smooth_hu < _SOFT_TISSUE_HU[1]), iterations=_MARGIN_PX)


def _ray_means(integrals: np.ndarray, beam: ParallelBeam) -> np.ndarray:
    """Mean of ``e^p`` and of ``e^2p`` over the rays through each pixel, ``[2, rows, cols]``."""
    inverse = np.exp(np.minimum(integrals, _LONGEST_PATH))
    return mean_over_views(np.stack([inverse, inverse**2]), beam)


def _flattest(is_tissue: np.ndarray, slope: np.ndarray, size: int) -> list[tuple[int, int]]:
    """Upper left corners of the flattest regions of nothing but tissue, which do not overlap."""
    step = size // _STEPS_PER_REGION
    if min(is_tissue.shape) < size:
        return []
    whole = _box_means(is_tissue, size)[::step, ::step] > 1.0 - 0.5 / size**2
    rows, cols = np.nonzero(whole)
    order = np.argsort(_box_means(slope, size)[::step, ::step][whole], kind="stable")
    taken: list[tuple[int, int]] = []
    for row, col in zip(rows[order] * step, cols[order] * step, strict=True):
        if all(abs(row - r) >= size or abs(col - c) >= size for r, c in taken):
            taken.append((int(row), int(col)))
        if len(taken) == _MAX_REGIONS:
            break
    return taken


def _box_means(image: np.ndarray, size: int) -> np.ndarray:
    """Mean over every square of a width, by its upper left corner."""
    sums = np.pad(image.astype(np.float64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    return (sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]) / size**2


def _cut(image: np.ndarray, corners: list[tuple[int, int]], size: int) -> np.ndarray:
    regions = [image[row : row + size, col : col + size] for row, col in corners]
    return np.stack(regions) if regions else np.empty((0, size, size))
