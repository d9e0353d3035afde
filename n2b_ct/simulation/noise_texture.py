"""The texture of a kernel's noise: two numbers that a noise power spectrum is fitted with.

::

    NPS(f) ∝ f · exp(−(f/f0)^q)          f in cycles per pixel

The ramp of filtered back-projection gives the ``f``; the kernel's roll-off gives the rest: ``q`` is 2 for a Gaussian
apodisation and larger for a kernel that ends sharply. White noise of line integrals, filtered by the ramp times
``exp(−½(f/f0)^q)``, has this spectrum, so the fit *is* the kernel to reconstruct with.

A real slice's flat regions hold anatomy as well. Its power falls as f⁻³ and drowns the noise at the lowest
frequencies, so the fit carries such a term and leaves the first rings out: there the ramp is known anyway.

References:
    Riederer, Pelc, Chesler 1978, Phys. Med. Biol. 23(3): noise power after filtered back-projection.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.optimize import OptimizeResult, least_squares, nnls

from n2b_ct.errors import DataError, explain

ANATOMY_SLOPE = 3.0
"""Anatomy's power falls with this power of the frequency."""
FIRST_RING = 2.5
"""Rings below this many cycles per region are left out of the fit: detrending and anatomy rule there."""

_N_ALIASES = 1
_LARGEST_FREQUENCY = 1.0
"""Cycles per pixel; the simulation has two bins per pixel, so its ramp ends there."""
_FAINT = 0.02
"""Rings with less than this part of the strongest one's noise tell nothing of its amplitude."""
_FLOOR = 0.06
"""Power below this part of the strongest ring's hardly counts: rounding and interpolation rule there."""
_N_REWEIGHTINGS = 5
_TOLERANCES = {"ftol": 1e-7, "xtol": 1e-6}
_STARTS = ((0.15, 2.0), (0.25, 2.0), (0.45, 3.0), (0.7, 2.0))
_LOWEST = (-40.0, math.log(0.05), 0.8, -60.0)
_HIGHEST = (40.0, math.log(1.2), 8.0, 40.0)
_ORDINARY = (1e-14, 1e14)
"""Powers that those bounds are made for."""


@dataclass(frozen=True)
class NoiseTexture:
    """The shape of a noise power spectrum.

    Attributes:
        cutoff_per_px: ``f0``, cycles per pixel.
        exponent: ``q``.
    """

    cutoff_per_px: float
    exponent: float

    def apodisation(self, frequency_per_px: np.ndarray) -> np.ndarray:
        """Factor that makes the ramp this kernel: ``exp(−½(f/f0)^q)``."""
        return np.asarray(np.exp(-0.5 * (frequency_per_px / self.cutoff_per_px) ** self.exponent))

    def power(self, frequency_per_px: np.ndarray) -> np.ndarray:
        """The spectrum, up to a factor, before sampling on the pixel grid."""
        within = frequency_per_px <= _LARGEST_FREQUENCY
        return np.asarray(within * frequency_per_px * self.apodisation(frequency_per_px) ** 2)

    def sampled_power(self, size_px: int) -> np.ndarray:
        """The spectrum of a region of pixels, aliases included, ``[size, size]`` in the order of ``fftfreq``."""
        axis = np.fft.fftfreq(size_px)
        shifts = range(-_N_ALIASES, _N_ALIASES + 1)
        return sum(
            (self.power(np.hypot(axis[:, None] + down, axis[None] + right)) for down in shifts for right in shifts),
            start=np.zeros((size_px, size_px)),
        )

    @cached_property
    def lag1_autocorrelation(self) -> float:
        """Correlation of neighbouring pixels that noise of this texture has."""
        size = 256
        correlation = np.fft.ifft2(self.sampled_power(size)).real
        return float(correlation[0, 1] / correlation[0, 0])


@dataclass(frozen=True, slots=True)
class TextureFit:
    """What a spectrum was taken apart into.

    Attributes:
        texture: The noise's shape.
        variance: The noise's power over all frequencies, in the unit of the spectrum; anatomy does not count.
        anatomy_share: Part of the measured power that the noise does not explain, 0 to 1.
        misfit: Root mean square of log(measured / fitted) over the rings used, weighted as in the fit.
    """

    texture: NoiseTexture
    variance: float
    anatomy_share: float
    misfit: float


def hann_periodograms(regions_hu: np.ndarray) -> np.ndarray:
    """Power of each region after a quadratic trend, under a Hann window, ``[n, size, size]``.

    The window keeps the strong low frequencies of anatomy from leaking into the others. The mean over all bins is
    the variance of stationary noise.

    Args:
        regions_hu: ``[n, size, size]``, HU.
    """
    n, size, _ = regions_hu.shape
    basis = _quadratics(size)
    flat = regions_hu.reshape(n, size**2).astype(np.float64)
    noise = (flat - (flat @ basis) @ basis.T).reshape(n, size, size)
    window = np.outer(*[np.sin(math.pi * (np.arange(size) + 0.5) / size) ** 2] * 2)
    return np.asarray(np.abs(np.fft.fft2(noise * window)) ** 2 / np.sum(window**2))


def fit_texture(power: np.ndarray, near: NoiseTexture | None = None) -> TextureFit:
    """Fit noise and anatomy to a mean periodogram.

    Args:
        power: ``[size, size]``, the mean of :func:`hann_periodograms`, in any unit of variance.
        near: Begin there, where the texture is about known.

    Raises:
        DataError: There is no noise to fit, or the fit has no answer.
    """
    unit = _unit(power)
    if unit != 1.0:
        fit = fit_texture(power / unit, near)
        return replace(fit, variance=fit.variance * unit)
    rings = _Rings(len(power))
    measured = rings.mean(power)
    used = (rings.frequency > FIRST_RING / len(power)) & (measured > 0.0)
    if np.count_nonzero(used) < len(_LOWEST):
        raise _no_noise("power in too few frequencies")
    floor = _FLOOR * float(measured[used].max())
    weight = np.sqrt(rings.n_bins[used] / rings.n_bins[used].sum())

    def misfits(values: np.ndarray) -> np.ndarray:
        fitted = rings.model(_texture(values), values[0])[used] + _anatomy(values, rings.frequency[used])
        return np.asarray(weight * np.log((measured[used] + floor) / (fitted + floor)))

    fits = [
        _least_squares(misfits, _start(measured, rings, *start))
        for start in (_STARTS if near is None else [(near.cutoff_per_px, near.exponent)])
    ]
    best = min(fits, key=lambda fit: float(fit.cost))
    texture = _texture(best.x)
    variance = math.exp(best.x[0]) * float(texture.sampled_power(len(power)).mean())
    share = max(0.0, 1.0 - variance / float(power.mean()))
    return TextureFit(texture, variance, share, math.sqrt(2.0 * float(best.cost)))


def _least_squares(misfits: Callable[[np.ndarray], np.ndarray], start: np.ndarray) -> OptimizeResult:
    try:
        fit = least_squares(misfits, start, bounds=(_LOWEST, _HIGHEST), x_scale=(1, 0.2, 1, 3), **_TOLERANCES)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise _no_noise("no answer of the fit") from error
    if not (np.isfinite(fit.x).all() and np.isfinite(fit.cost)):
        raise _no_noise("no answer of the fit")
    return fit


def _unit(power: np.ndarray) -> float:
    """What brings power of any size to where the fit's bounds are wide; 1 for all that a scan can have."""
    mean = float(power.mean())
    if not 0.0 < mean < math.inf:
        raise _no_noise("none")
    return 1.0 if _ORDINARY[0] < mean < _ORDINARY[1] else mean


def _no_noise(got: str) -> DataError:
    return DataError(explain("noise power", "must be measured in most frequencies", got, "choose a scan with noise"))


def noise_amplitude(power: np.ndarray, texture: NoiseTexture) -> float:
    """Variance of noise of a known texture in a mean periodogram, beside anatomy.

    Args:
        power: ``[size, size]``, the mean of :func:`hann_periodograms`, in any unit.
        texture: The noise's shape.

    Returns:
        0 where there is no noise, or none that could be told.
    """
    unit = float(power.max(initial=0.0))
    if unit == 0.0:
        return 0.0
    if not _ORDINARY[0] < unit < _ORDINARY[1]:
        return unit * noise_amplitude(power / unit, texture)
    rings = _Rings(len(power))
    measured, noise = rings.mean(power), rings.model(texture, 0.0)
    used = (rings.frequency > FIRST_RING / len(power)) & (noise > _FAINT * noise.max())
    if not measured[used].any():
        return 0.0
    columns = np.stack([noise[used], rings.frequency[used] ** -ANATOMY_SLOPE], axis=1)
    columns /= columns.mean(axis=0)
    spread = columns[:, 0]
    for _ in range(_N_REWEIGHTINGS):
        weight = np.sqrt(rings.n_bins[used]) / np.maximum(spread, 1e-9 * measured.max())
        try:
            parts, _ = nnls(columns * weight[:, None], measured[used] * weight)
        except RuntimeError:  # it does not converge
            return 0.0
        spread = columns @ parts
    return float(parts[0] * texture.sampled_power(len(power)).mean() / noise[used].mean())


class _Rings:
    """Rings of one cycle per region in the plane of frequencies, corners included."""

    def __init__(self, size_px: int) -> None:
        self._size = size_px
        axis = np.fft.fftfreq(size_px)
        distance = np.hypot(axis[:, None], axis[None]).ravel()
        self._ring = np.rint(distance * size_px).astype(int)
        self.n_bins = np.bincount(self._ring).astype(np.float64)
        self.frequency = np.bincount(self._ring, weights=distance) / self.n_bins

    def mean(self, power: np.ndarray) -> np.ndarray:
        """Average over each ring."""
        return np.asarray(np.bincount(self._ring, weights=power.ravel()) / self.n_bins)

    def model(self, texture: NoiseTexture, log_amplitude: float) -> np.ndarray:
        """The rings that noise of this texture has under the Hann window."""
        return math.exp(log_amplitude) * self.mean(_seen_through_window(texture.sampled_power(self._size)))


def _seen_through_window(power: np.ndarray) -> np.ndarray:
    """A Hann window mixes each frequency with its neighbours on both axes, by (1, 4, 1)/6 of their power."""
    for axis in (0, 1):
        power = (4.0 * power + np.roll(power, 1, axis) + np.roll(power, -1, axis)) / 6.0
    return power


def _texture(values: np.ndarray) -> NoiseTexture:
    return NoiseTexture(math.exp(values[1]), float(values[2]))


def _anatomy(values: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    return np.asarray(math.exp(values[3]) * frequency**-ANATOMY_SLOPE)


def _start(measured: np.ndarray, rings: _Rings, cutoff: float, exponent: float) -> np.ndarray:
    """Begin with all power noise, and a little anatomy in the lowest ring used."""
    unit = rings.model(NoiseTexture(cutoff, exponent), 0.0)
    ring = int(FIRST_RING) + 1
    amplitude = float(measured[ring:] @ rings.n_bins[ring:] / (unit[ring:] @ rings.n_bins[ring:]))
    anatomy = 0.3 * float(measured[ring]) * float(rings.frequency[ring]) ** ANATOMY_SLOPE
    log_anatomy = math.log(anatomy) if anatomy > 0.0 else -math.inf
    values = [math.log(amplitude), math.log(cutoff), exponent, log_anatomy]
    return np.clip(values, _LOWEST, _HIGHEST)


def _quadratics(size_px: int) -> np.ndarray:
    """Orthonormal columns that span the second-order polynomials over a square."""
    row, col = (axis.ravel() / size_px - 0.5 for axis in np.mgrid[:size_px, :size_px])
    return np.asarray(np.linalg.qr(np.stack([np.ones_like(row), row, col, row**2, row * col, col**2], axis=1))[0])
