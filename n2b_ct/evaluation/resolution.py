"""Resolution: the task transfer function (TTF) of a disk insert or a straight edge.

::

    pixels around the edge -> edge spread function in bins of 1/10 px -> difference = line spread function (LSF)
    TTF(f) = |Σ LSF(r) · taper(r) · exp(−2πi f r)| / |Σ LSF(r) · taper(r)| / sinc²(f · bin)

A non-linear denoiser has no single transfer function: it depends on contrast and noise, so it is measured at several
contrasts, on noisy images, and averaged over realisations.

References:
    Richard et al. 2012, Med. Phys. 39(7): the task-based transfer function of a disk, its radial edge spread function.
    Yu et al. 2015, Med. Phys. 42(5): the TTF at low contrast from the average of repeated images.
    AAPM Report 233 (2019): 50 % and 10 % frequencies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.signal import windows

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.checks import ROUNDING_SHARE, require_hu, require_pixel_mm
from n2b_ct.evaluation.detectability import interval_around, jackknife_error
from n2b_ct.evaluation.disks import Disk, distance_mm
from n2b_ct.evaluation.edge_fits import REACH_OF_RADIUS, fit_disk, fit_line

BINS_PER_PX = 10
MAX_HALF_WIDTH_MM = 8.0
MIN_HALF_WIDTH_PX = 3.0
MAX_STRAY_OF_RADIUS = 0.5
"""How far a fitted disk may lie from, or its radius be off, what is known: beyond it the fit followed the noise."""
TAPER = 0.5
N_SECTORS = 12
FREQUENCY_STEP_PER_MM = 0.005
MIN_TOTAL_CNR = 15.0
"""Below this the 50 % frequency of a 25 mm disk in white noise scatters by more than about 4 %."""

DEFINITIONS: dict[str, str] = {
    "ttf": (
        f"Task transfer function: pixels within ±{REACH_OF_RADIUS:g} radius (at most {MAX_HALF_WIDTH_MM:g} mm) of the "
        f"edge are averaged over realisations, then in bins of 1/{BINS_PER_PX} pixel by their distance from the fitted "
        "centre (least squares, sub-pixel); the difference of neighbouring bins is the line spread function; a Tukey "
        f"taper (flat inner {100 * (1 - TAPER):g} %) limits it; the modulus of its Fourier transform is 1 at zero "
        "frequency and divided by sinc² for the bins. Up to one cycle per pixel."
    ),
    "ttf_f50_per_mm": "First frequency at which the TTF falls to 0.5, 1/mm (times 10: 1/cm).",
    "ttf_f10_per_mm": "First frequency at which the TTF falls to 0.1, 1/mm.",
    "ttf_interval": (f"95 % interval of f50 and f10 from the jackknife over the same {N_SECTORS} pieces, Student's t."),
    "ttf_standard_error": (
        f"Jackknife over {N_SECTORS} sectors around the disk (or pieces along the straight edge), so that correlated "
        "noise counts as what it is."
    ),
    "ttf_noise_criterion": (
        f"f50 and f10 are given only where |contrast| is at least {MIN_TOTAL_CNR:g} times the noise of the averaged "
        "image and where the TTF's standard error at that frequency is at most half its value there."
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class Ttf:
    """A task transfer function.

    Attributes:
        frequency_per_mm, ttf, standard_error: Samples from zero frequency on, ``[frequencies]``.
        f50_per_mm, f10_per_mm: None where the noise does not allow them or the TTF does not fall that far.
        contrast_hu: Fitted, inside minus outside (for an edge: behind minus before).
        total_cnr: |Contrast| over the noise of the averaged image; None where no noise could be seen.
        radius_mm: Fitted radius; None for a straight edge.
        n_images: Realisations averaged.
        f50_interval_per_mm, f10_interval_per_mm: 95 % intervals; None where the frequency is, or where it vanishes with
            some piece of the edge.
    """

    frequency_per_mm: np.ndarray
    ttf: np.ndarray
    standard_error: np.ndarray
    f50_per_mm: float | None
    f10_per_mm: float | None
    contrast_hu: float
    total_cnr: float | None
    radius_mm: float | None
    n_images: int
    f50_interval_per_mm: tuple[float, float] | None = None
    f10_interval_per_mm: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _EdgePixels:
    """Pixels near an edge: signed distance (mm, outside positive), HU and which piece of the edge they lie at."""

    distance_mm: np.ndarray
    hu: np.ndarray
    piece: np.ndarray


def disk_ttf(images_hu: np.ndarray, disk: Disk, pixel_mm: tuple[float, float]) -> Ttf:
    """Measure the TTF of a disk insert; see :data:`DEFINITIONS`.

    Args:
        images_hu: One image ``[rows, cols]`` or realisations ``[images, rows, cols]``, HU, with a flat background for
            0.8 radius (at most 8 mm) around the disk.
        disk: Where it is, within a pixel or two, its radius and contrast; the exact values are fitted.
        pixel_mm: (row spacing, column spacing).

    Raises:
        DataError: The images hold NaN, the disk with its surroundings does not lie inside them, it is smaller than
            4 px in radius, shows no contrast at all, or drowns in noise so that the fit finds another.
    """
    mean_hu, n_images = _mean_image(images_hu)
    half_mm = min(REACH_OF_RADIUS * disk.radius_mm, MAX_HALF_WIDTH_MM)
    _require_pixels(half_mm, pixel_mm)
    _require_inside(mean_hu.shape, disk, pixel_mm, half_mm)
    fitted = fit_disk(mean_hu, disk, pixel_mm)
    _require_found(fitted, disk, pixel_mm)
    from_edge = distance_mm(mean_hu.shape, fitted.centre_px, pixel_mm) - fitted.radius_mm
    row, col = np.mgrid[: mean_hu.shape[0], : mean_hu.shape[1]]
    angle = np.arctan2((row - fitted.centre_px[0]) * pixel_mm[0], (col - fitted.centre_px[1]) * pixel_mm[1])
    near = np.abs(from_edge) <= half_mm + max(pixel_mm)
    piece = np.floor((angle[near] / (2.0 * np.pi) + 0.5) * N_SECTORS).astype(int) % N_SECTORS
    pixels = _EdgePixels(from_edge[near], mean_hu[near], piece)
    return _ttf(pixels, half_mm, pixel_mm, fitted.contrast_hu, fitted.radius_mm, n_images)


def edge_ttf(
    images_hu: np.ndarray, point_px: tuple[float, float], normal_degrees: float, pixel_mm: tuple[float, float]
) -> Ttf:
    """Measure the TTF of a straight edge that crosses a region.

    Args:
        images_hu: The region, ``[rows, cols]`` or ``[images, rows, cols]``, HU, flat on both sides of the edge. The
            edge should run some degrees off the pixel grid, so that the bins of 1/10 px are filled.
        point_px: (row, col) near the edge.
        normal_degrees: Direction across the edge, 0 along the columns' index, 90 along the rows' index; fitted.
        pixel_mm: (row spacing, column spacing).

    Raises:
        DataError: The images hold NaN, fewer than 3 px lie on either side of the edge, or there is none.
    """
    mean_hu, n_images = _mean_image(images_hu)
    row, col = np.mgrid[: mean_hu.shape[0], : mean_hu.shape[1]]
    y_mm, x_mm = (row - point_px[0]) * pixel_mm[0], (col - point_px[1]) * pixel_mm[1]
    across, along, contrast_hu = fit_line(mean_hu, y_mm, x_mm, np.deg2rad(normal_degrees), pixel_mm[1])
    half_mm = min(float(across.max()), float(-across.min()), MAX_HALF_WIDTH_MM)
    near = np.abs(across) <= half_mm
    order = np.argsort(np.argsort(along[near], kind="stable"), kind="stable")
    pixels = _EdgePixels(across[near], mean_hu[near], order * N_SECTORS // order.size)
    return _ttf(pixels, half_mm, pixel_mm, contrast_hu, None, n_images)


def frequency_at(frequency_per_mm: np.ndarray, ttf: np.ndarray, level: float) -> float | None:
    """First frequency at which a TTF falls to a level, by linear interpolation; None where it does not."""
    below = np.nonzero(ttf <= level)[0]
    if below.size == 0 or below[0] == 0:
        return None
    k = int(below[0])
    share = (ttf[k - 1] - level) / (ttf[k - 1] - ttf[k])
    return float(frequency_per_mm[k - 1] + share * (frequency_per_mm[k] - frequency_per_mm[k - 1]))


def change_percent(reference: float | None, candidate: float | None) -> float | None:
    """100 · (candidate / reference − 1); None where either is missing or the reference is 0."""
    return None if candidate is None or not reference else 100.0 * (candidate / reference - 1.0)


def _ttf(
    pixels: _EdgePixels,
    half_mm: float,
    pixel_mm: tuple[float, float],
    contrast_hu: float,
    radius_mm: float | None,
    n_images: int,
) -> Ttf:
    _require_pixels(half_mm, pixel_mm)
    frequency = np.arange(0.0, 1.0 / max(pixel_mm) + 1e-9, FREQUENCY_STEP_PER_MM)
    bin_mm = min(pixel_mm) / BINS_PER_PX
    curves = _curves(pixels, half_mm, bin_mm, frequency)
    whole, without = curves[0], curves[1:]
    spread = np.sum((without - without.mean(axis=0)) ** 2, axis=0)
    error = np.sqrt((N_SECTORS - 1) / N_SECTORS * spread)
    total_cnr = _total_cnr(pixels, half_mm, contrast_hu)
    allowed = total_cnr is None or total_cnr >= MIN_TOTAL_CNR
    f50, f10 = (_trusted(frequency, whole, error, level) if allowed else None for level in (0.5, 0.1))
    intervals = [_interval(frequency, without, f, level) for f, level in ((f50, 0.5), (f10, 0.1))]
    return Ttf(frequency, whole, error, f50, f10, contrast_hu, total_cnr, radius_mm, n_images, *intervals)


def _interval(
    frequency: np.ndarray, without: np.ndarray, crossing: float | None, level: float
) -> tuple[float, float] | None:
    """The jackknife's interval of a crossing; a sharp kernel's tail is flat near 0.1, so that noise moves it far."""
    found = [frequency_at(frequency, ttf, level) for ttf in without]
    known = np.array([one for one in found if one is not None])
    if crossing is None or known.size < len(found):
        return None
    return interval_around(crossing, jackknife_error([known]), known.size - 1)


def _trusted(frequency: np.ndarray, ttf: np.ndarray, error: np.ndarray, level: float) -> float | None:
    """The crossing, unless the noise could have made it."""
    crossing = frequency_at(frequency, ttf, level)
    if crossing is None or float(np.interp(crossing, frequency, error)) > 0.5 * level:
        return None
    return crossing


def _curves(pixels: _EdgePixels, half_mm: float, bin_mm: float, frequency: np.ndarray) -> np.ndarray:
    """TTF of all pixels, then without each piece of the edge, ``[1 + pieces, frequencies]``."""
    n_bins = 2 * int(half_mm / bin_mm)
    k = np.floor(pixels.distance_mm / bin_mm).astype(int) + n_bins // 2
    inside = (k >= 0) & (k < n_bins)
    cell = pixels.piece[inside] * n_bins + k[inside]
    n = np.bincount(cell, minlength=N_SECTORS * n_bins).reshape(N_SECTORS, n_bins)
    sums = np.bincount(cell, pixels.hu[inside], minlength=N_SECTORS * n_bins).reshape(N_SECTORS, n_bins)
    kept_n = np.concatenate([n.sum(axis=0)[None], n.sum(axis=0) - n])
    kept_sums = np.concatenate([sums.sum(axis=0)[None], sums.sum(axis=0) - sums])
    profiles = np.stack([_filled(s, c) for s, c in zip(kept_sums, kept_n, strict=True)])
    lsf = np.diff(profiles, axis=1) * windows.tukey(n_bins - 1, TAPER)
    wave = np.exp(-2j * np.pi * np.outer(np.arange(n_bins - 1) * bin_mm, frequency))
    spectrum = np.abs(lsf @ wave)
    if (spectrum[:, 0] <= ROUNDING_SHARE * np.abs(profiles).max(axis=1)).any():
        remedy = "leave this insert out: the method may have wiped it away"
        raise DataError(explain("edge", "needs a contrast to be measured", "none", remedy))
    return np.asarray(spectrum / spectrum[:, :1] / np.sinc(frequency * bin_mm) ** 2)


def _filled(sums: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Mean of every bin; empty bins are interpolated."""
    full = np.nonzero(n)[0]
    return np.interp(np.arange(n.size), full, sums[full] / n[full])


def _total_cnr(pixels: _EdgePixels, half_mm: float, contrast_hu: float) -> float | None:
    """|Contrast| over the deviation from a straight line of the pixels well outside the edge."""
    outside = pixels.distance_mm > 0.5 * half_mm
    r, hu = pixels.distance_mm[outside], pixels.hu[outside]
    if hu.size < 3 * BINS_PER_PX:
        return None
    noise_hu = float(np.std(hu - np.polyval(np.polyfit(r, hu, 1), r), ddof=2))
    return abs(contrast_hu) / noise_hu if noise_hu > 1e-9 * abs(contrast_hu) else None


def _mean_image(images_hu: np.ndarray) -> tuple[np.ndarray, int]:
    stack = images_hu[None] if images_hu.ndim == 2 else images_hu
    if stack.ndim != 3 or len(stack) == 0:
        got = f"{images_hu.ndim} axes"
        raise DataError(explain("images", "are [rows, cols] or [images, rows, cols]", got, "stack realisations"))
    require_hu(stack, "images")
    return stack.mean(axis=0, dtype=np.float64), len(stack)


def _require_pixels(half_mm: float, pixel_mm: tuple[float, float]) -> None:
    require_pixel_mm(pixel_mm)
    if half_mm < MIN_HALF_WIDTH_PX * max(pixel_mm):
        need = f"needs {MIN_HALF_WIDTH_PX:g} px of image on both sides"
        raise DataError(explain("edge", need, f"{half_mm:.1f} mm", "measure a larger disk, or centre the region"))


def _require_inside(shape: tuple[int, ...], disk: Disk, pixel_mm: tuple[float, float], half_mm: float) -> None:
    for axis in (0, 1):
        reach_px = (disk.radius_mm + half_mm) / pixel_mm[axis]
        if disk.centre_px[axis] - reach_px < -0.5 or disk.centre_px[axis] + reach_px > shape[axis] - 0.5:
            need = f"needs {half_mm:.1f} mm of image around it"
            got = f"centre {disk.centre_px[axis]:.1f} px of {shape[axis]} px"
            raise DataError(explain("disk", need, got, "measure a smaller disk, or one further inside"))


def _require_found(fitted: Disk, disk: Disk, pixel_mm: tuple[float, float]) -> None:
    by_axis = ((f - d) * mm for f, d, mm in zip(fitted.centre_px, disk.centre_px, pixel_mm, strict=True))
    shift_mm = math.hypot(*by_axis)
    limit_mm = MAX_STRAY_OF_RADIUS * disk.radius_mm
    if not (shift_mm <= limit_mm and abs(fitted.radius_mm - disk.radius_mm) <= limit_mm):
        got = f"a fit {shift_mm:.1f} mm beside it with radius {fitted.radius_mm:.1f} mm"
        remedy = "leave this insert out: noise hides it, or the method has wiped it away"
        raise DataError(explain(f"disk of {disk.radius_mm:g} mm", "must be found where it is", got, remedy))
