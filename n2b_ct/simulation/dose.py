"""Lower doses from a normal-dose image, in the projection domain (Yu et al. 2012).

::

    p       line integrals of the image (its forward projection)
    I0      photons that enter each ray at full dose
    Ne      variance of the electronic noise, photons²
    a       dose fraction
    full    σ²(p) = e^p/I0 + Ne·(e^p/I0)²
    added   σ²(p_a) − σ²(p) = ((1−a)/a)·(e^p/I0)·(1 + ((1+a)/a)·Ne·e^p/I0)

The second line is a log-transformed Poisson count with Gaussian read-out noise; the third is what a scan
at ``a·I0`` has more of. Filtered back-projection is linear, so the low-dose image is the image plus the
reconstruction of the added noise alone: the image itself is never resampled, and its own noise stays.

References:
    Yu, Shiung, Jondal, McCollough 2012, J. Comput. Assist. Tomogr. 36(4), 477-487.
    NIST XCOM for the attenuation of water.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from n2b_ct.errors import DataError, explain
from n2b_ct.hu import AIR_HU, LARGEST_HU
from n2b_ct.simulation.projection import ParallelBeam, filtered_back_project, forward_project

WATER_PER_MM = 0.0193
"""Linear attenuation of water near 70 keV, the effective energy of a 120 kVp beam, per mm (NIST XCOM)."""

_LEAST_PHOTONS = 1.0
"""A ray that would be darker than this at full dose counts as this dark: detectors and logarithms end there."""
MOST_PHOTONS = 1e18
"""Per ray, and for the variance of what is added to them: far beyond any tube, and single precision still holds it."""
LEAST_DOSE = 1e-6
_LARGEST_PIXEL_MM = 1000.0


@dataclass(frozen=True, slots=True)
class Kernel:
    """A reconstruction kernel: the ramp, then a Gaussian point spread.

    Attributes:
        name: What the scanner's menu would call it.
        blur_px: Standard deviation of the point spread, pixels.
    """

    name: str
    blur_px: float


KERNELS: dict[str, Kernel] = {
    "sharp": Kernel("SHARP", 0.4),
    "standard": Kernel("STANDARD", 0.65),
    "soft": Kernel("SOFT", 0.9),
}
"""Lag-1 autocorrelation of their noise: about 0.18, 0.40 and 0.61."""
STANDARD = KERNELS["standard"]


def simulate_dose(
    image_hu: np.ndarray,
    dose: float,
    *,
    pixel_mm: float,
    photons: float,
    electronic_variance: float,
    rng: np.random.Generator,
    kernel: Kernel = STANDARD,
) -> np.ndarray:
    """Make a normal-dose image look as if scanned with a fraction of its dose.

    Args:
        image_hu: ``[rows, cols]``, HU.
        dose: Fraction ``a`` of the image's dose, above 0 and up to 1.
        pixel_mm: Pixel size, mm.
        photons: ``I0``, photons per ray at the image's own dose.
        electronic_variance: ``Ne``, photons².
        rng: Source of the noise.
        kernel: Kernel the added noise is reconstructed with; choose the image's own.

    Returns:
        HU, float32 ``[rows, cols]``; equal to the image where ``dose`` is 1.

    Raises:
        DataError: A parameter is outside its range, or the image is not 2-D or not finite.
    """
    return simulate_doses(
        image_hu,
        [dose],
        pixel_mm=pixel_mm,
        photons=photons,
        electronic_variance=electronic_variance,
        rng=rng,
        kernel=kernel,
    )[0]


def simulate_doses(
    image_hu: np.ndarray,
    doses: Sequence[float],
    *,
    pixel_mm: float,
    photons: float,
    electronic_variance: float,
    rng: np.random.Generator,
    kernel: Kernel = STANDARD,
) -> np.ndarray:
    """Make several dose levels of one image; they share its forward projection, not their noise.

    Arguments as :func:`simulate_dose`, with a sequence of doses.

    Returns:
        HU, float32 ``[doses, rows, cols]``.

    Raises:
        DataError: As :func:`simulate_dose`.
    """
    require_simulable(image_hu, doses, pixel_mm, photons, electronic_variance)
    square = pad_to_square(image_hu)
    beam = ParallelBeam.for_image(len(square), pixel_mm)
    integrals = forward_project(attenuation_per_mm(square), beam)
    noises = np.stack(
        [
            np.sqrt(added_variance(integrals, dose, photons, electronic_variance)) * _normal(rng, integrals)
            for dose in doses
        ]
    )
    rows, cols = image_hu.shape
    return image_hu.astype(np.float32) + noise_hu(noises, beam, kernel)[:, :rows, :cols]


def scan(
    noise_free_hu: np.ndarray,
    doses: Sequence[float],
    *,
    pixel_mm: float,
    photons: float,
    electronic_variance: float,
    rng: np.random.Generator,
    kernel: Kernel = STANDARD,
) -> np.ndarray:
    """Scan a phantom at full dose, then derive its dose levels from that scan by noise insertion.

    Every level carries the full-dose scan's noise and its own, as in clinical noise insertion; dose 1 is
    the full-dose scan itself. The kernel blurs the phantom too.

    Args:
        noise_free_hu: ``[size, size]``, HU.
        doses: Fractions, above 0 and up to 1.
        pixel_mm: Pixel size, mm.
        photons: ``I0`` at full dose.
        electronic_variance: ``Ne``, photons².
        rng: Source of the noise.
        kernel: Reconstruction kernel.

    Returns:
        HU, float32 ``[doses, size, size]``.

    Raises:
        DataError: As :func:`simulate_dose`.
    """
    require_simulable(noise_free_hu, doses, pixel_mm, photons, electronic_variance)
    beam = ParallelBeam.for_image(len(noise_free_hu), pixel_mm)
    clean = forward_project(attenuation_per_mm(noise_free_hu), beam)
    noises = _scan_noises(clean, doses, photons, electronic_variance, rng)
    return kernel_blur(noise_free_hu, kernel) + noise_hu(noises, beam, kernel)


def kernel_blur(image_hu: np.ndarray, kernel: Kernel) -> np.ndarray:
    """Show an image as the kernel would without any noise, float32 ``[rows, cols]``."""
    return np.asarray(gaussian_filter(image_hu.astype(np.float32), kernel.blur_px, mode="nearest"))


def attenuation_per_mm(image_hu: np.ndarray) -> np.ndarray:
    """Turn HU into linear attenuation, per mm; nothing attenuates less than air."""
    return WATER_PER_MM * np.maximum(1.0 + image_hu.astype(np.float32) / 1000.0, 0.0)


def full_dose_variance(line_integrals: np.ndarray, photons: float, electronic_variance: float) -> np.ndarray:
    """Variance of a full-dose line integral: quantum plus electronic noise."""
    relative = _inverse_count(line_integrals, photons)
    return relative + electronic_variance * relative**2


def added_variance(line_integrals: np.ndarray, dose: float, photons: float, electronic_variance: float) -> np.ndarray:
    """Variance that a scan at ``dose`` has more than the full-dose scan (Yu et al.)."""
    relative = _inverse_count(line_integrals, photons)
    return (1.0 - dose) / dose * relative * (1.0 + (1.0 + dose) / dose * electronic_variance * relative)


def noise_hu(noises: np.ndarray, beam: ParallelBeam, kernel: Kernel) -> np.ndarray:
    """Reconstruct noise of line integrals ``[n, views, bins]`` to HU, float32 ``[n, rows, cols]``."""
    return filtered_back_project(noises, beam, blur_px=kernel.blur_px) * np.float32(1000.0 / WATER_PER_MM)


def _scan_noises(
    clean: np.ndarray,
    doses: Sequence[float],
    photons: float,
    electronic_variance: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw the full-dose scan's noise, and to it each level's own, ``[doses, views, bins]``."""
    full = np.sqrt(full_dose_variance(clean, photons, electronic_variance)) * _normal(rng, clean)
    measured = clean + full
    return np.stack(
        [
            full + np.sqrt(added_variance(measured, dose, photons, electronic_variance)) * _normal(rng, clean)
            for dose in doses
        ]
    )


def _inverse_count(line_integrals: np.ndarray, photons: float) -> np.ndarray:
    """``e^p / I0``, at most one over the least count."""
    darkest = np.float32(np.log(photons / _LEAST_PHOTONS))
    return np.exp(np.minimum(line_integrals, darkest)) / np.float32(photons)


def _normal(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """Draw N(0, 1) in the shape of ``like``, float32."""
    return rng.standard_normal(like.shape, dtype=np.float32)


def pad_to_square(image_hu: np.ndarray) -> np.ndarray:
    """Add air below or at the right until the image is square."""
    rows, cols = image_hu.shape
    side = max(rows, cols)
    return np.pad(image_hu, ((0, side - rows), (0, side - cols)), constant_values=AIR_HU)


def require_scan(image_hu: np.ndarray) -> None:
    """Refuse what is no slice in HU.

    Raises:
        DataError: The image is not 2-D, or holds NaN, infinity or values beyond any HU.
    """
    if image_hu.ndim != 2 or min(image_hu.shape) < 2 or not np.isfinite(image_hu).all():
        raise DataError(explain("image", "must be a finite 2-D slice", image_hu.shape, "pass one slice in HU"))
    largest = float(np.abs(image_hu).max())
    if largest > LARGEST_HU:
        remedy = "give pixels outside the scan the HU of air"
        raise DataError(explain("image", f"HU must lie within ±{LARGEST_HU:g}", f"{largest:g}", remedy))


def require_simulable(
    image_hu: np.ndarray, doses: Sequence[float], pixel_mm: float, photons: float, electronic_variance: float
) -> None:
    """Refuse what no scanner could do.

    Raises:
        DataError: The image is not a finite slice, or a number is outside its range.
    """
    require_scan(image_hu)
    for dose in doses:
        if not LEAST_DOSE <= dose <= 1.0:
            raise DataError(
                explain("dose", f"must be at least {LEAST_DOSE:g} and at most 1", dose, "give a fraction such as 0.25")
            )
    if not 0.0 < pixel_mm <= _LARGEST_PIXEL_MM:
        raise DataError(explain("pixel size", "must be physical", pixel_mm, "0.2 to 2 mm are usual"))
    require_photons(photons, electronic_variance)


def require_photons(photons: float, electronic_variance: float) -> None:
    """Refuse what no tube and no detector has.

    Raises:
        DataError: A number is outside its range.
    """
    for name, value, is_fine in (
        ("photons", photons, _LEAST_PHOTONS < photons <= MOST_PHOTONS),
        ("electronic variance", electronic_variance, 0 <= electronic_variance <= MOST_PHOTONS),
    ):
        if not is_fine:
            raise DataError(explain(name, "must be physical", value, "1e4 to 1e6 photons and 0 to 100 are usual"))
