"""A real slice at lower doses: noise of line integrals, reconstructed with the series' own kernel and added.

::

    p       line integrals of the slice (its forward projection, parallel beam, water-equivalent)
    added   sqrt(((1−a)/a) · (e^p/I0) · (1 + ((1+a)/a) · Ne·e^p/I0)) · N(0, 1)        Yu et al. 2012
    low     slice + FBP(added), the ramp apodised to the texture that the series' own noise has

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

from n2b_ct.simulation.calibration import BINS_PER_PX, SLICE_REGION_PX, Calibration, noise_excess
from n2b_ct.simulation.calibration_regions import line_integrals, measure_projected
from n2b_ct.simulation.dose import WATER_PER_MM, added_variance, require_simulable
from n2b_ct.simulation.projection import ParallelBeam, filtered_back_project


@dataclass(frozen=True, slots=True, eq=False)
class LowDoseSlice:
    """One slice at several doses.

    Attributes:
        hu: Float32 ``[doses, rows, cols]``.
        photons: ``I0`` that this slice was given at full dose.
    """

    hu: np.ndarray
    photons: float


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
        measures_slice: Adapt ``I0`` to the noise in the slice's own flat regions.

    Raises:
        DataError: A parameter is outside its range, or the slice is not 2-D or not finite.
    """
    photons = calibration.photons_at(current)
    require_simulable(hu, doses, calibration.pixel_mm, photons, calibration.electronic_variance)
    integrals, beam = line_integrals(hu, calibration.pixel_mm, calibration.bowtie)
    if measures_slice:
        regions = measure_projected(hu, integrals, beam, current, (SLICE_REGION_PX,))[SLICE_REGION_PX]
        photons /= noise_excess(regions, calibration, beam)
    added = np.stack(
        [
            _noise(integrals, dose, photons, calibration.electronic_variance, _rng(seed, identity, dose))
            for dose in doses
        ]
    )
    noise_hu = _reconstructed(added, beam, calibration)[:, : hu.shape[0], : hu.shape[1]]
    if is_fixed is not None:
        noise_hu[:, is_fixed] = 0.0
    return LowDoseSlice(hu.astype(np.float32) + noise_hu, photons)


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


def _noise(
    integrals: np.ndarray, dose: float, photons: float, electronic_variance: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw what the line integrals get, ``[views, bins · BINS_PER_PX]``; a narrower ray has fewer photons."""
    spread = np.sqrt(BINS_PER_PX * added_variance(integrals, dose, photons, electronic_variance)).astype(np.float32)
    spread = np.repeat(spread, BINS_PER_PX, axis=-1)
    return np.asarray(spread * rng.standard_normal(spread.shape, dtype=np.float32))


def _reconstructed(added: np.ndarray, beam: ParallelBeam, calibration: Calibration) -> np.ndarray:
    images = filtered_back_project(added, beam, apodisation=calibration.texture.apodisation, bins_per_px=BINS_PER_PX)
    return images * np.float32(1000.0 / WATER_PER_MM)


def _rng(seed: int, identity: str, dose: float) -> np.random.Generator:
    """A stream of its own for every slice and dose, whatever the order they are made in."""
    digest = hashlib.sha256(f"{seed}|{identity}|{dose!r}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))
