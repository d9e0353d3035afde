"""Noise of a given series: new fields of its own strength, along its own rays, with its own texture.

::

    p      line integrals of the series' noisy slice, slightly smoothed
    σ²     e^p/I0 + Ne·(e^p/I0)²            the slice's own noise; half the dose would add as much again

``I0``, ``Ne`` and the kernel come from the calibration, a slice's share of ``I0`` from its own flat regions
(:mod:`n2b_ct.simulation.low_dose`). Nothing but noisy slices is needed. Behind the kernel such a field has the
covariance of the series' own noise, place by place: what noise insertion adds to clean anatomy, and what R2R (Pang et
al. 2021, CVPR) adds to the noisy slices themselves.

Not modelled, beside what :mod:`n2b_ct.simulation.noise_fields` leaves out: what the smoothed slice's noise adds to
``p``, and noise that iterative or learned reconstruction has shaped, of which the calibration's ``misfit`` tells.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import gaussian_filter

from n2b_ct.simulation.calibration import BINS_PER_PX, SLICE_REGION_PX, Calibration, noise_excess
from n2b_ct.simulation.calibration_regions import line_integrals, measure_projected
from n2b_ct.simulation.kernel_responses import KernelResponse, filters
from n2b_ct.simulation.noise_fields import Exposure, fields_of, ray_variance

_SMOOTHING_PX = 1.0
_BODY_ABOVE_HU = -300.0


@dataclass(frozen=True, eq=False)
class SeriesNoise:
    """Noise fields of a series' slices.

    Attributes:
        fields: Of each slice, noise with the bare ramp, HU, float32 ``[fields, rows, cols]``.
        response: The series' kernel.
        slices_hu: The noisy slices that they belong to, ``[rows, cols]`` each.
    """

    fields: Sequence[np.ndarray]
    response: KernelResponse
    slices_hu: Sequence[np.ndarray]

    @cached_property
    def shown(self) -> list[np.ndarray]:
        """The fields behind the kernel: noise of the series' own covariance, HU, float32 ``[fields, rows, cols]``."""
        return [_shown(of_slice, self.response) for of_slice in self.fields]

    @cached_property
    def std_hu(self) -> float:
        """Standard deviation of the fields in the body, HU."""
        pairs = zip(self.fields, self.slices_hu, strict=True)
        bodies = [of_slice[:, gaussian_filter(hu.astype(np.float32), 2.0) > _BODY_ABOVE_HU] for of_slice, hu in pairs]
        return float(np.sqrt(np.mean(np.concatenate([one.ravel() for one in bodies]).astype(np.float64) ** 2)))

    @cached_property
    def digest(self) -> str:
        """Of kernel and fields."""
        sha = hashlib.sha256(repr(self.response).encode())
        for of_slice in self.fields:
            sha.update(np.ascontiguousarray(of_slice).data)
        return sha.hexdigest()[:16]


def series_noise_fields(
    slices_hu: Sequence[np.ndarray],
    calibration: Calibration,
    *,
    n_fields: int = 2,
    seed: int = 0,
    currents: Sequence[float | None] | None = None,
) -> SeriesNoise:
    """Draw noise of a series' own strength and texture.

    Args:
        slices_hu: Its noisy slices, ``[rows, cols]`` each, HU.
        calibration: Of the series.
        n_fields: Fields of each slice.
        seed: Field ``k`` of slice ``j`` follows from seed and ``j`` alone.
        currents: Tube current of each slice, mA, where it is known.

    Raises:
        DataError: A slice is not 2-D or not finite.
    """
    known = [None] * len(slices_hu) if currents is None else currents
    fields = [
        _fields(hu, calibration, current, n_fields, np.random.default_rng([seed, number]))
        for number, (hu, current) in enumerate(zip(slices_hu, known, strict=True))
    ]
    return SeriesNoise(fields, KernelResponse.of_texture(calibration.texture), slices_hu)


def _fields(
    hu: np.ndarray, calibration: Calibration, current: float | None, n_fields: int, rng: np.random.Generator
) -> np.ndarray:
    smooth = gaussian_filter(hu.astype(np.float32), _SMOOTHING_PX)
    integrals, beam = line_integrals(smooth, calibration.pixel_mm, calibration.bowtie)
    regions = measure_projected(hu, integrals, beam, current, (SLICE_REGION_PX,))[SLICE_REGION_PX]
    photons = calibration.photons_at(current) / noise_excess(regions, calibration, beam)
    variance = ray_variance(integrals, beam, Exposure(photons, calibration.electronic_variance))
    spreads = np.broadcast_to(np.sqrt(BINS_PER_PX * variance), (n_fields, *variance.shape))
    return fields_of(spreads, beam, rng)[:, : hu.shape[0], : hu.shape[1]]


def _shown(fields: np.ndarray, response: KernelResponse) -> np.ndarray:
    """Filter fields ``[n, rows, cols]`` of any shape, by a square around them."""
    rows, cols = fields.shape[-2:]
    side = max(rows, cols)
    square = np.pad(fields, ((0, 0), (0, side - rows), (0, side - cols)))
    spectrum = np.fft.rfft2(square) * filters([response], side).noise
    return np.asarray(np.fft.irfft2(spectrum, s=(side, side))[:, :rows, :cols], np.float32)
