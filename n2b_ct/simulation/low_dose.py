"""A real slice at lower doses: noise of line integrals, reconstructed with the series' own kernel and added.

::

    p       line integrals of the slice (its forward projection, parallel beam, water-equivalent), slightly smoothed
    E       one over the photons of a ray at full dose, e^p/I0 with bowtie filter and modulated tube current
    V(E)    variance of the logarithm of a count, E + Ne·E² where photons are many
    added   sqrt(V(E/a) − V(E)) · N(0, 1)                  Yu et al. 2012: ((1−a)/a)·E·(1 + ((1+a)/a)·Ne·E)
    low     slice + FBP(added), the ramp apodised to the texture that the series' own noise has

Where photons run out, the mean of the logarithm moves as well (:mod:`n2b_ct.simulation.log_counts`). That shift is
added where it is asked for; otherwise the noise has mean zero even there, and the share of such rays says so.

The slice itself is never projected and reconstructed, so it is never resampled: dose 1 gives it back bit for bit.
Line integrals are sampled with two bins a pixel, so that a sharp kernel's noise reaches the corners of the spectrum.

References:
    Yu et al. 2012, J. Comput. Assist. Tomogr. 36(4), 477-487.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from n2b_ct.simulation.calibration import BINS_PER_PX, Calibration
from n2b_ct.simulation.calibration_regions import line_integrals
from n2b_ct.simulation.dose import WATER_PER_MM, require_simulable
from n2b_ct.simulation.log_counts import STARVED_PHOTONS, log_count_bias, log_count_variance
from n2b_ct.simulation.projection import ParallelBeam, filtered_back_project
from n2b_ct.simulation.ray_calibration import (
    SliceExposure,
    inverse_photons,
    measure_rays,
    slice_exposure,
    smoothed,
)

_IN_BODY = 0.5
"""Line integrals above it go through the patient."""


@dataclass(frozen=True, slots=True, eq=False)
class LowDoseSlice:
    """One slice at several doses.

    Attributes:
        hu: Float32 ``[doses, rows, cols]``.
        photons: ``I0`` that this slice was given at full dose.
        starved_shares: Of the rays through the body, by dose: those whose detector samples expect fewer than
            :data:`n2b_ct.simulation.log_counts.STARVED_PHOTONS`.
    """

    hu: np.ndarray
    photons: float
    starved_shares: tuple[float, ...] = ()


def lower_doses(
    hu: np.ndarray,
    doses: Sequence[float],
    calibration: Calibration,
    *,
    seed: int,
    identity: str,
    current: float | None = None,
    is_fixed: np.ndarray | None = None,
    measures_slice: bool = True,
    is_biased: bool = False,
) -> LowDoseSlice:
    """Make a slice look as if scanned with fractions of its dose; the doses share one forward projection.

    Args:
        hu: ``[rows, cols]``, HU.
        doses: Fractions of the slice's dose, above 0 and up to 1.
        calibration: Of its series.
        seed: Seed of the noise, together with ``identity`` and the dose: equal ones give equal noise.
        identity: Identifies the slice, such as its SOPInstanceUID.
        current: Its tube current, mA, if known.
        is_fixed: True where pixels must stay, such as padding, bool ``[rows, cols]``.
        measures_slice: Adapt ``I0`` and its modulation by angle to the noise in the slice's own flat regions.
        is_biased: Shift the mean as the logarithm of few counts does; otherwise the noise has mean zero.

    Raises:
        DataError: A parameter is outside its range, or the slice is not 2-D or not finite.
    """
    photons = calibration.photons_at(current)
    require_simulable(hu, doses, calibration.pixel_mm, photons, calibration.electronic_variance)
    projected, beam = line_integrals(hu, calibration.pixel_mm)
    integrals = smoothed(projected)
    own = SliceExposure()
    if measures_slice:
        own = slice_exposure(measure_rays(hu, integrals, beam, current), calibration, beam)
        photons /= own.excess
    rays = _Rays(inverse_photons(integrals, beam, calibration, photons, own), calibration)
    added = np.stack([rays.noise(dose, _rng(seed, identity, dose)) for dose in doses])
    if is_biased:
        added += np.stack([rays.shift(dose) for dose in doses])
    noise_hu = _reconstructed(added, beam, calibration)[:, : hu.shape[0], : hu.shape[1]]
    if is_fixed is not None:
        noise_hu[:, is_fixed] = 0.0
    starved = tuple(rays.starved_share(dose, integrals > _IN_BODY) for dose in doses)
    return LowDoseSlice(hu.astype(np.float32) + noise_hu, photons, starved)


def outside_reconstruction(hu: np.ndarray, is_padding: np.ndarray) -> np.ndarray:
    """Mark what the scanner did not reconstruct: padding, and the one value outside the inscribed circle.

    Args:
        hu: ``[rows, cols]``.
        is_padding: True where the header says so.
    """
    row, col = (np.arange(n) - (n - 1) / 2 for n in hu.shape)
    outside = (row[:, None] / (hu.shape[0] / 2)) ** 2 + (col[None] / (hu.shape[1] / 2)) ** 2 > 1.0
    values = hu[outside]
    is_uniform = values.size > 0 and values.min() == values.max()
    return np.asarray(is_padding | outside if is_uniform else is_padding)


class _Rays:
    """What a dose makes of the rays of one slice; a ray stands for several samples of the detector."""

    def __init__(self, inverse: np.ndarray, calibration: Calibration) -> None:
        self._n_samples = calibration.samples_per_ray
        self._photons = 1.0 / (inverse * self._n_samples)
        self._electronic = calibration.electronic_variance / self._n_samples

    def noise(self, dose: float, rng: np.random.Generator) -> np.ndarray:
        """Draw what is added, ``[views, bins · BINS_PER_PX]``; a narrower ray has fewer photons."""
        low, full = (log_count_variance(part * self._photons, self._electronic) for part in (dose, 1.0))
        variance = np.maximum(low - full, 0.0) * (BINS_PER_PX / self._n_samples)
        spread = np.repeat(np.sqrt(variance).astype(np.float32), BINS_PER_PX, axis=-1)
        return np.asarray(spread * rng.standard_normal(spread.shape, dtype=np.float32))

    def shift(self, dose: float) -> np.ndarray:
        """How much darker the rays look on average than at full dose, ``[views, bins · BINS_PER_PX]``."""
        low, full = (log_count_bias(part * self._photons, self._electronic) for part in (dose, 1.0))
        return np.repeat((low - full).astype(np.float32), BINS_PER_PX, axis=-1)

    def starved_share(self, dose: float, in_body: np.ndarray) -> float:
        """Share of the rays through the body whose samples are starved."""
        return float(np.mean(dose * self._photons[in_body] < STARVED_PHOTONS)) if in_body.any() else 0.0


def _reconstructed(added: np.ndarray, beam: ParallelBeam, calibration: Calibration) -> np.ndarray:
    images = filtered_back_project(added, beam, apodisation=calibration.texture.apodisation, bins_per_px=BINS_PER_PX)
    return images * np.float32(1000.0 / WATER_PER_MM)


def _rng(seed: int, identity: str, dose: float) -> np.random.Generator:
    """A stream of its own for every slice and dose, whatever the order they are made in."""
    digest = hashlib.sha256(f"{seed}|{identity}|{dose!r}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))
