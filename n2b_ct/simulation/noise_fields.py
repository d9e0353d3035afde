"""Noise of one slice, reconstructed with the bare ramp; a kernel is applied later, in the image.

::

    p       line integrals of the slice (parallel beam, water-equivalent)
    p'      s·p + w·(r/100 mm)²                        s: beam quality and build, w: bowtie filter
    I(θ)    I0 · exp(m·(max_r p'(θ, r) − mean))        tube current modulated by angle
    c       max(I(θ)·e^−p', least count)               counts of a ray
    σ²      1/c + Ne/c²                                log-transformed Poisson counts with Gaussian read-out noise
    field   FBP(σ·N(0, 1)) with the ramp alone, band-limited to the frequencies of the pixel grid

Filtered back-projection is linear and a kernel depends on the frequency alone, so a field filtered by a kernel's
response (:mod:`n2b_ct.simulation.kernel_responses`) is the noise that this kernel would show: one field serves all
kernels. Its power goes with ``|f|`` on the whole square of the grid's frequencies. Line integrals have two bins a
pixel; a ray of half a pixel has half the photons.

The variance follows the patient: higher in the middle, highest along streaks through shoulders, hips and metal.

Not modelled: the bias of the logarithm at few counts, with its dark streaks, and the smoothing of starved rays beyond
the least count; beam hardening and scatter; fan and cone beams, helical interpolation, correlations between slices and
between detector samples; the true shape of a bowtie filter, for which there is a parabola.

References:
    Yu et al. 2012, J. Comput. Assist. Tomogr. 36(4), 477-487: the variance. Riederer, Pelc, Chesler 1978, Phys. Med.
    Biol. 23(3): the power after filtered back-projection. Gies et al. 1999, Med. Phys. 26(11): modulation by the square
    root of the attenuation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from n2b_ct.simulation.calibration import BINS_PER_PX, electronic_variance_of
from n2b_ct.simulation.calibration_regions import line_integrals
from n2b_ct.simulation.dose import WATER_PER_MM, require_photons
from n2b_ct.simulation.kernel_responses import log_uniform
from n2b_ct.simulation.projection import ParallelBeam, filtered_back_project

PHOTONS = (1e4, 3e6)
"""Range of the prior: from starved shoulders to a generous scan of a child's head."""

_BOWTIE_MM = 100.0
_MOST_MODULATION = 0.5
_LARGEST_EXPONENT = 60.0


@dataclass(frozen=True, slots=True)
class Exposure:
    """How a slice was scanned.

    Attributes:
        photons: ``I0``, photons per ray of one pixel's width.
        electronic_variance: ``Ne``, photons² per ray.
        attenuation: ``s``: factor of the line integrals, below 1 for higher tube voltages, above 1 for lower ones and
            for larger patients.
        bowtie: ``w``: what the bowtie filter adds 100 mm off the middle.
        modulation: ``m``: 0 for a constant tube current, 0.5 for one that follows the square root of the attenuation.
        least_count: Of a ray; scanners keep darker ones from counting for more.
    """

    photons: float
    electronic_variance: float
    attenuation: float = 1.0
    bowtie: float = 0.0
    modulation: float = 0.0
    least_count: float = 1.0


def draw_exposure(rng: np.random.Generator, size_px: int, pixel_mm: float, slice_mm: float) -> Exposure:
    """Draw an exposure from the prior over dose, tube voltage, build, bowtie filter and modulation.

    Args:
        rng: Source of randomness.
        size_px: Side of the image.
        pixel_mm: Pixel size, mm.
        slice_mm: Slice thickness, mm; thick slices add up the electronic noise of more detector rows.
    """
    electronic = electronic_variance_of(ParallelBeam.for_image(size_px, pixel_mm), slice_mm)
    return Exposure(
        photons=log_uniform(rng, *PHOTONS),
        electronic_variance=electronic * log_uniform(rng, 0.3, 3.0),
        attenuation=rng.uniform(0.9, 1.15) * rng.choice([1.0, rng.uniform(1.0, 1.4)]),
        bowtie=float(rng.choice([0.0, rng.uniform(0.0, 1.0)])),
        modulation=float(rng.choice([0.0, rng.uniform(0.0, _MOST_MODULATION)])),
        least_count=log_uniform(rng, 1.0, 20.0),
    )


def noise_fields(
    hu: np.ndarray, pixel_mm: float, exposures: Sequence[Exposure], rng: np.random.Generator
) -> np.ndarray:
    """Draw one noise field for each exposure; they share the slice's forward projection.

    Args:
        hu: Noise-free slice ``[rows, cols]``, HU, of any size; metal has its own HU.
        pixel_mm: Pixel size, mm.
        exposures: How it is scanned.
        rng: Source of the noise.

    Returns:
        HU, float32 ``[exposures, rows, cols]``.

    Raises:
        DataError: It is no slice in HU, or an exposure is none that a scanner could have.
    """
    for exposure in exposures:
        require_photons(exposure.photons, exposure.electronic_variance)
    integrals, beam = line_integrals(hu, pixel_mm)
    spreads = np.stack([np.sqrt(BINS_PER_PX * ray_variance(integrals, beam, one)) for one in exposures])
    return fields_of(spreads, beam, rng)[:, : hu.shape[0], : hu.shape[1]]


def ray_variance(integrals: np.ndarray, beam: ParallelBeam, exposure: Exposure) -> np.ndarray:
    """Variance of the line integrals of rays of one pixel's width, float32 ``[views, bins]``."""
    offset = (np.arange(beam.n_bins) - (beam.n_bins - 1) / 2) * beam.pixel_mm / _BOWTIE_MM
    path = exposure.attenuation * integrals + (exposure.bowtie * offset**2).astype(np.float32)
    darkest = path.max(axis=1, keepdims=True)
    brightness = exposure.modulation * (darkest - darkest.mean()) - path
    counts = exposure.photons * np.exp(np.clip(brightness, -_LARGEST_EXPONENT, _LARGEST_EXPONENT))
    inverse = 1.0 / np.maximum(counts, exposure.least_count)
    return np.asarray(inverse + exposure.electronic_variance * inverse**2, np.float32)


def fields_of(spreads: np.ndarray, beam: ParallelBeam, rng: np.random.Generator) -> np.ndarray:
    """Draw noise of line integrals and reconstruct it with the bare ramp, HU, float32 ``[n, size, size]``.

    Args:
        spreads: Standard deviation of bins of half a pixel, ``[n, views, bins]``, the two halves of a pixel alike.
        beam: The scan.
        rng: Source of the noise.
    """
    fine = np.repeat(spreads.astype(np.float32, copy=False), BINS_PER_PX, axis=-1)
    noises = fine * rng.standard_normal(fine.shape, dtype=np.float32)
    images = filtered_back_project(noises, beam, bins_per_px=BINS_PER_PX, is_band_limited=True)
    return images * np.float32(1000.0 / WATER_PER_MM)
