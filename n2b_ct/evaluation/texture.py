"""Noise texture: the two-dimensional noise power spectrum and what is read off it.

::

    NPS(fx, fy) = Δx · Δy / (Nx · Ny) · ⟨ |DFT(ROI − trend)|² ⟩        HU² · mm²
    Σ NPS · Δfx · Δfy = ⟨ (ROI − trend)² ⟩                             HU², exactly (Parseval)

The noise comes from two realisations (:func:`pair_noise`), from an image and its reference
(:func:`reference_noise`), or from flat regions of the slice itself (``rois.find_flat_rois``).

References:
    ICRU Report 87 (2012): NPS of CT, its normalisation and its integral.
    AAPM Report 233 (2019): detrending by a second-order polynomial, radial average, average frequency.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.checks import ROUNDING_SHARE, require_hu, require_pixel_mm

Trend = Literal["mean", "plane", "quadratic"]

DEFINITIONS: dict[str, str] = {
    "nps_hu2_mm2": (
        "Two-dimensional noise power spectrum Δx·Δy/(Nx·Ny)·mean|DFT|² over square regions, each without its fitted "
        "second-order polynomial; no window. Its integral over frequency equals the variance that is left. A fitted "
        "polynomial also takes noise of the lowest frequencies away: of white noise a region of N px keeps 57 % in the "
        "first ring (1/N per px) and 95 % in the second, so power below about 2/(N · pixel) is understated. Anatomy "
        "that a flat region still holds adds power there."
    ),
    "nps_radial_hu2_mm2": (
        "Mean of the spectrum over rings of the width of one frequency bin, up to the Nyquist frequency of the larger "
        "pixel side; zero frequency is left out."
    ),
    "nps_mean_frequency": "Σ f·NPS(f) / Σ NPS(f) of the radial spectrum, 1/mm (times 10: 1/cm).",
    "nps_peak_frequency": (
        "Frequency of the largest value of the radial spectrum after a (1, 2, 1)/4 mean of neighbouring rings, refined "
        "by a parabola, 1/mm. A flat spectrum has no meaningful peak."
    ),
    "texture_noise_std_hu": (
        "Root of the spectrum's integral, corrected for the degrees of freedom that the trend took."
    ),
    "lag1_autocorrelation": (
        "Correlation of neighbouring pixels inside the regions after the trend is taken off, mean of rows and columns. "
        "Small regions understate it, as the trend takes low frequencies."
    ),
    "noise_reduction_percent": (
        "100 · (1 − noise after / noise before), both as texture_noise_std_hu in the same regions."
    ),
    "mean_frequency_shift": (
        "Mean frequency after minus before, 1/mm, and in % of before. Below 0 the noise became coarser."
    ),
    "pair_noise": "Difference of two scans of the same object, divided by √2: one scan's noise, without anatomy.",
    "reference_noise": (
        "Image minus reference. It holds the reference's own noise too: where the two are independent, their spectra "
        "add."
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class NoisePower:
    """A two-dimensional noise power spectrum.

    Attributes:
        power_hu2_mm2: ``[rows, cols]`` in the order of ``numpy.fft.fftfreq``, zero frequency first.
        pixel_mm: (row spacing, column spacing), as in PixelSpacing.
        lag1_autocorrelation: Of the detrended regions; None where they are constant.
        n_rois: Regions averaged; one bin's relative standard error is 1/√n_rois.
        trend: What was taken off each region.
    """

    power_hu2_mm2: np.ndarray
    pixel_mm: tuple[float, float]
    lag1_autocorrelation: float | None
    n_rois: int
    trend: Trend

    @property
    def size_px(self) -> int:
        """Rows and columns of the regions."""
        return self.power_hu2_mm2.shape[0]

    @property
    def frequency_per_mm(self) -> np.ndarray:
        """Distance from zero frequency, 1/mm, ``[rows, cols]``."""
        return frequency_grid_per_mm(self.size_px, self.pixel_mm)

    @property
    def variance_hu2(self) -> float:
        """The spectrum's integral: the mean square that the regions have left, HU²."""
        return float(self.power_hu2_mm2.sum() / (self.size_px**2 * self.pixel_mm[0] * self.pixel_mm[1]))

    @property
    def noise_std_hu(self) -> float:
        """Standard deviation, HU, corrected for the degrees of freedom of the trend."""
        n_px = self.size_px**2
        return math.sqrt(self.variance_hu2 * n_px / (n_px - _trend_basis(self.size_px, self.trend).shape[1]))

    def radial(self) -> RadialPower:
        """Average over rings; see ``DEFINITIONS["nps_radial_hu2_mm2"]``."""
        frequency = self.frequency_per_mm.ravel()
        ring_mm = 1.0 / (self.size_px * min(self.pixel_mm))
        ring = np.rint(frequency / ring_mm).astype(int)
        inside = (ring > 0) & (frequency <= 0.5 / max(self.pixel_mm) * (1 + 1e-9))
        n = np.bincount(ring[inside])
        means = [
            np.bincount(ring[inside], weights=values[inside])[n > 0] / n[n > 0]
            for values in (frequency, self.power_hu2_mm2.ravel())
        ]
        return RadialPower(means[0], means[1], n[n > 0])


@dataclass(frozen=True, slots=True, eq=False)
class RadialPower:
    """A radially averaged spectrum: ring by ring its mean frequency, mean power and number of bins, ``[rings]``."""

    frequency_per_mm: np.ndarray
    power_hu2_mm2: np.ndarray
    n_bins: np.ndarray

    @property
    def mean_frequency_per_mm(self) -> float | None:
        """First moment of the spectrum; None where there is no power."""
        total = float(self.power_hu2_mm2.sum())
        return float(self.frequency_per_mm @ self.power_hu2_mm2) / total if total > 0.0 else None

    @property
    def peak_frequency_per_mm(self) -> float | None:
        """Where the smoothed spectrum is largest; None where there is no power or fewer than three rings."""
        if self.power_hu2_mm2.size < 3 or not self.power_hu2_mm2.any():
            return None
        padded = np.pad(self.power_hu2_mm2, 1, mode="edge")
        smooth = np.convolve(padded, [0.25, 0.5, 0.25], mode="valid")
        k = int(np.argmax(smooth))
        if k in (0, smooth.size - 1):
            return float(self.frequency_per_mm[k])
        before, here, after = smooth[k - 1 : k + 2]
        offset = 0.5 * (before - after) / (before - 2.0 * here + after)
        return float(np.interp(k + offset, np.arange(smooth.size), self.frequency_per_mm))


@dataclass(frozen=True, slots=True)
class TextureChange:
    """What a method did to the noise of the same regions; None where the noise before is 0 or none is left."""

    noise_reduction_percent: float | None
    mean_frequency_shift_per_mm: float | None
    mean_frequency_shift_percent: float | None
    peak_frequency_shift_per_mm: float | None
    lag1_shift: float | None


def noise_power(rois_hu: np.ndarray, pixel_mm: tuple[float, float], trend: Trend = "quadratic") -> NoisePower:
    """Measure the noise power spectrum of an ensemble of regions.

    Args:
        rois_hu: ``[rois, size, size]``, HU.
        pixel_mm: (row spacing, column spacing).
        trend: The polynomial that is taken off each region by least squares.

    Raises:
        DataError: There is no region, they are not square or below 8 px, or hold what is no HU.
    """
    rois = _require_rois(rois_hu, pixel_mm)
    size = rois.shape[1]
    noise = detrend(rois, trend)
    power = np.mean(np.abs(np.fft.fft2(noise)) ** 2, axis=0) * (pixel_mm[0] * pixel_mm[1] / size**2)
    return NoisePower(power, pixel_mm, _lag1(noise), len(rois), trend)


def pool_noise_power(spectra: Sequence[NoisePower]) -> NoisePower:
    """Average spectra of several slices, each weighted by its number of regions.

    Raises:
        DataError: There is none, or they differ in region size, pixel spacing or trend.
    """
    kinds = {(spectrum.size_px, spectrum.pixel_mm, spectrum.trend) for spectrum in spectra}
    if len(kinds) != 1:
        remedy = "pool slices of one series and one region size"
        raise DataError(explain("noise spectra", "pooled spectra must be of one kind", f"{len(kinds)} kinds", remedy))
    weights = np.array([spectrum.n_rois for spectrum in spectra], dtype=np.float64)
    power = np.average([spectrum.power_hu2_mm2 for spectrum in spectra], axis=0, weights=weights)
    power_of = np.array([spectrum.variance_hu2 for spectrum in spectra]) * weights
    lags = np.array([spectrum.lag1_autocorrelation or 0.0 for spectrum in spectra])
    lag1 = float(lags @ power_of / power_of.sum()) if power_of.sum() > 0.0 else None
    return NoisePower(power, spectra[0].pixel_mm, lag1, int(weights.sum()), spectra[0].trend)


def compare_texture(before: NoisePower, after: NoisePower) -> TextureChange:
    """Compare the noise of the same regions before and after a method."""
    rings_before, rings_after = before.radial(), after.radial()
    mean_before = rings_before.mean_frequency_per_mm
    shift = _difference(mean_before, rings_after.mean_frequency_per_mm)
    reduction = 100.0 * (1.0 - after.noise_std_hu / before.noise_std_hu) if before.noise_std_hu > 0.0 else None
    return TextureChange(
        noise_reduction_percent=reduction,
        mean_frequency_shift_per_mm=shift,
        mean_frequency_shift_percent=None if shift is None or not mean_before else 100.0 * shift / mean_before,
        peak_frequency_shift_per_mm=_difference(rings_before.peak_frequency_per_mm, rings_after.peak_frequency_per_mm),
        lag1_shift=_difference(before.lag1_autocorrelation, after.lag1_autocorrelation),
    )


def pair_noise(first_hu: np.ndarray, second_hu: np.ndarray) -> np.ndarray:
    """One scan's noise from two scans of the same object: their difference / √2, HU, same shape."""
    return (first_hu.astype(np.float64) - second_hu) / math.sqrt(2.0)


def reference_noise(hu: np.ndarray, reference_hu: np.ndarray) -> np.ndarray:
    """Image minus reference, HU, same shape; holds the reference's noise too."""
    return hu.astype(np.float64) - reference_hu


def detrend(rois_hu: np.ndarray, trend: Trend) -> np.ndarray:
    """Take the best polynomial off each region, ``[rois, size, size]``, HU; a region that is one leaves exactly 0."""
    basis = _trend_basis(rois_hu.shape[1], trend)
    flat = rois_hu.reshape(len(rois_hu), -1)
    left = flat - (flat @ basis) @ basis.T
    left[np.abs(left).max(axis=1, initial=0.0) <= ROUNDING_SHARE * np.abs(flat).max(axis=1, initial=0.0)] = 0.0
    return np.asarray(left.reshape(rois_hu.shape))


def white_noise_kept(size_px: int, trend: Trend = "quadratic") -> np.ndarray:
    """Fraction of white noise's power that detrending leaves in each bin, ``[size_px, size_px]``.

    Exact: with orthonormal trend columns q, the power at bin k falls by Σ |DFT(q)(k)|² / N. This is the bias of small
    regions at low frequency; it is stated, not corrected, as coloured noise leaks differently.
    """
    basis = _trend_basis(size_px, trend).T.reshape(-1, size_px, size_px)
    return np.asarray(1.0 - np.sum(np.abs(np.fft.fft2(basis)) ** 2, axis=0) / size_px**2)


def frequency_grid_per_mm(size_px: int, pixel_mm: tuple[float, float]) -> np.ndarray:
    """Distance from zero frequency in ``numpy.fft.fftfreq`` order, 1/mm, ``[size_px, size_px]``."""
    row, col = (np.fft.fftfreq(size_px, spacing) for spacing in pixel_mm)
    return np.asarray(np.hypot(row[:, None], col[None]))


def _require_rois(rois_hu: np.ndarray, pixel_mm: tuple[float, float]) -> np.ndarray:
    if rois_hu.ndim != 3 or len(rois_hu) == 0 or rois_hu.shape[1] != rois_hu.shape[2] or rois_hu.shape[1] < 8:
        need = "an ensemble is [rois, size, size] with at least one square of 8 px"
        raise DataError(explain("regions", need, "x".join(map(str, rois_hu.shape)), "find flat regions first"))
    require_hu(rois_hu, "regions")
    require_pixel_mm(pixel_mm)
    return rois_hu.astype(np.float64)


def _trend_basis(size_px: int, trend: Trend) -> np.ndarray:
    """Orthonormal columns that span the polynomials over a square, ``[size_px², terms]``."""
    row, col = (axis.ravel() / size_px - 0.5 for axis in np.mgrid[:size_px, :size_px])
    terms = [np.ones_like(row)]
    if trend != "mean":
        terms += [row, col]
    if trend == "quadratic":
        terms += [row**2, row * col, col**2]
    return np.asarray(np.linalg.qr(np.stack(terms, axis=1))[0])


def _lag1(noise: np.ndarray) -> float | None:
    variance = float(np.mean(noise**2))
    if variance == 0.0:
        return None
    by_row = np.mean(noise[:, 1:] * noise[:, :-1])
    by_col = np.mean(noise[:, :, 1:] * noise[:, :, :-1])
    return float(by_row + by_col) / (2.0 * variance)


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
