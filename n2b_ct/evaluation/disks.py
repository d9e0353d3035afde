"""Disks of known size, contrast and blur: the inserts of resolution and low-contrast measurements.

A disk of radius R blurred by a round Gaussian of σ has a closed form: the value at distance r is the probability that
a point displaced by that Gaussian from r lies inside R, a noncentral χ² distribution with two degrees of freedom.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from n2b_ct.errors import DataError, explain

SUBPIXELS = 16
REACH_SIGMAS = 7.0


@dataclass(frozen=True, slots=True)
class Disk:
    """A round insert.

    Attributes:
        centre_px: (row, col) of the centre; pixel centres lie at whole numbers.
        radius_mm: Radius.
        contrast_hu: Inside minus outside.
        blur_sigma_mm: σ of the system's blur, taken as a round Gaussian; 0 for a sharp edge.
    """

    centre_px: tuple[float, float]
    radius_mm: float
    contrast_hu: float
    blur_sigma_mm: float = 0.0


@dataclass(frozen=True, slots=True)
class Task:
    """An inserted disk: what is to be seen or resolved.

    Attributes:
        contrast_hu: Inside minus outside, before any blur.
        radius_mm: Radius.
        blur_sigma_mm: σ of the Gaussian that it was inserted with; 0 for a sharp disk.
    """

    name: str
    contrast_hu: float
    radius_mm: float
    blur_sigma_mm: float


def disk_hu(shape: tuple[int, int], disk: Disk, pixel_mm: tuple[float, float]) -> np.ndarray:
    """Draw a disk on a background of 0 HU, float64 ``[rows, cols]``.

    With blur each pixel holds the exact value at its centre; without, the share of its area that the disk covers.

    Args:
        shape: (rows, cols).
        disk: The insert.
        pixel_mm: (row spacing, column spacing).

    Raises:
        DataError: The radius is not above 0 or the blur is below 0.
    """
    if not (0.0 < disk.radius_mm < math.inf and 0.0 <= disk.blur_sigma_mm < math.inf):
        got = f"radius {disk.radius_mm:g} mm, blur {disk.blur_sigma_mm:g} mm"
        raise DataError(explain("disk", "radius must be above 0 and blur not below 0", got, "correct the insert"))
    if disk.blur_sigma_mm == 0.0:
        return disk.contrast_hu * _coverage(shape, disk, pixel_mm)
    return disk.contrast_hu * _blurred(distance_mm(shape, disk.centre_px, pixel_mm), disk)


def insert_disk(hu: np.ndarray, disk: Disk, pixel_mm: tuple[float, float]) -> np.ndarray:
    """Add a disk to a slice, or to each slice of a stack ``[..., rows, cols]``; float64, same shape."""
    return hu.astype(np.float64) + disk_hu((hu.shape[-2], hu.shape[-1]), disk, pixel_mm)


def distance_mm(shape: tuple[int, int], centre_px: tuple[float, float], pixel_mm: tuple[float, float]) -> np.ndarray:
    """Distance of every pixel's centre from a point, mm, ``[rows, cols]``."""
    row = (np.arange(shape[0]) - centre_px[0]) * pixel_mm[0]
    col = (np.arange(shape[1]) - centre_px[1]) * pixel_mm[1]
    return np.asarray(np.hypot(row[:, None], col[None]))


def roi_centre_px(size_px: int) -> tuple[float, float]:
    """Centre of a square region, (row, col)."""
    return (0.5 * (size_px - 1), 0.5 * (size_px - 1))


def _blurred(radius_mm: np.ndarray, disk: Disk) -> np.ndarray:
    sigma = disk.blur_sigma_mm
    from_edge = (radius_mm - disk.radius_mm) / sigma
    value = (from_edge < 0.0).astype(np.float64)
    near = np.abs(from_edge) < REACH_SIGMAS
    value[near] = special.chndtr((disk.radius_mm / sigma) ** 2, 2.0, (radius_mm[near] / sigma) ** 2)
    return value


def _coverage(shape: tuple[int, int], disk: Disk, pixel_mm: tuple[float, float]) -> np.ndarray:
    """Share of each pixel inside the disk; pixels on the rim are sampled on a fine grid."""
    radius_mm = distance_mm(shape, disk.centre_px, pixel_mm)
    share = (radius_mm < disk.radius_mm).astype(np.float64)
    rim = np.nonzero(np.abs(radius_mm - disk.radius_mm) <= 0.5 * np.hypot(*pixel_mm))
    offset = (np.arange(SUBPIXELS) + 0.5) / SUBPIXELS - 0.5
    row = (rim[0][:, None, None] - disk.centre_px[0] + offset[:, None]) * pixel_mm[0]
    col = (rim[1][:, None, None] - disk.centre_px[1] + offset) * pixel_mm[1]
    share[rim] = np.mean(np.hypot(row, col) < disk.radius_mm, axis=(1, 2))
    return share
