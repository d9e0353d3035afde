"""Where an edge lies: a disk's and a straight one's place, contrast and blur, by least squares.

The edge is modelled by the error function. A fit of what is hardly there may run anywhere; it never answers NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import optimize, special

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.disks import Disk, distance_mm

REACH_OF_RADIUS = 0.8
"""Pixels this far from the edge take part."""

_N_DISK_PARAMETERS = 6
_WIDEST_LOG_BLUR = 300.0


def fit_disk(image_hu: np.ndarray, disk: Disk, pixel_mm: tuple[float, float]) -> Disk:
    """Fit centre, radius, contrast and blur of a disk by least squares, starting from what is known.

    Only pixels within 0.8 radius of the edge take part.

    Raises:
        DataError: The fit has no answer.
    """
    reach_mm = REACH_OF_RADIUS * disk.radius_mm
    near = np.nonzero(np.abs(distance_mm(image_hu.shape, disk.centre_px, pixel_mm) - disk.radius_mm) <= reach_mm)
    values = image_hu[near]
    if values.size < _N_DISK_PARAMETERS:
        raise _no_fit()
    scale_hu = max(abs(disk.contrast_hu), 1e-6)

    def misfit(p: np.ndarray) -> np.ndarray:
        r_mm = np.hypot((near[0] - p[0]) * pixel_mm[0], (near[1] - p[1]) * pixel_mm[1])
        edge = 0.5 * special.erfc((r_mm - p[2]) / (np.sqrt(2.0) * _blur(p[3])))
        return np.asarray((p[4] + p[5] * edge - values) / scale_hu)

    start_sigma_mm = disk.blur_sigma_mm or max(pixel_mm)
    start = [*disk.centre_px, disk.radius_mm, np.log(start_sigma_mm), np.median(values), disk.contrast_hu]
    row, col, radius_mm, log_sigma, _, contrast_hu = _fitted(misfit, start)
    return Disk((float(row), float(col)), float(radius_mm), float(contrast_hu), float(_blur(log_sigma)))


def fit_line(
    image_hu: np.ndarray, y_mm: np.ndarray, x_mm: np.ndarray, angle: float, pixel_mm: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Fit a straight edge to a region by least squares.

    Args:
        image_hu: The region, ``[rows, cols]``.
        y_mm: Place of every pixel along the rows' index, seen from a point near the edge.
        x_mm: The same along the columns' index.
        angle: Direction across the edge, radians, to start from.
        pixel_mm: A pixel's width, the blur to start from.

    Returns:
        Distance across (the first side negative) and along, mm, ``[rows, cols]``, and the contrast, HU.

    Raises:
        DataError: The edge does not cross the region, or the fit has no answer.
    """
    first = x_mm * np.cos(angle) + y_mm * np.sin(angle) <= 0.0
    if first.all() or not first.any():
        raise DataError(explain("edge", "must cross the region", "one side only", "give a point on the edge"))
    start_hu = float(image_hu[first].mean()), float(image_hu[~first].mean())
    scale_hu = max(abs(start_hu[0] - start_hu[1]), 1e-6)

    def misfit(p: np.ndarray) -> np.ndarray:
        across = x_mm * np.cos(p[0]) + y_mm * np.sin(p[0]) - p[1]
        edge = 0.5 * special.erfc(across / (np.sqrt(2.0) * _blur(p[2])))
        return np.asarray((p[3] + p[4] * edge - image_hu) / scale_hu).ravel()

    start = [angle, 0.0, np.log(pixel_mm), start_hu[1], start_hu[0] - start_hu[1]]
    angle, offset_mm, _, _, contrast_hu = _fitted(misfit, start)
    across = x_mm * np.cos(angle) + y_mm * np.sin(angle) - offset_mm
    return across, y_mm * np.cos(angle) - x_mm * np.sin(angle), float(contrast_hu)


def _fitted(misfit: Callable[[np.ndarray], np.ndarray], start: Sequence[float]) -> np.ndarray:
    """Least squares; what is found must be numbers."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            found = np.asarray(optimize.least_squares(misfit, start, x_scale="jac").x)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise _no_fit() from error
    if not np.isfinite(found).all():
        raise _no_fit()
    return found


def _no_fit() -> DataError:
    remedy = "leave this insert out: noise hides it, or the method has wiped it away"
    return DataError(explain("edge", "must be found by least squares", "no answer", remedy))


def _blur(log_sigma: float) -> float:
    """σ, mm; where nothing is blurred or all is, the fit may run away."""
    return float(np.exp(np.clip(log_sigma, -_WIDEST_LOG_BLUR, _WIDEST_LOG_BLUR)))
