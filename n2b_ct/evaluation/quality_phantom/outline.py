"""The outline of a phantom in an image: its round body against air, whatever lies under it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize

from n2b_ct.errors import DataError, explain

AIR_HU = -1000.0
N_RAYS = 360
LEAST_SHARE_OF_RAYS = 0.6
STRAY_MM = 2.0
_SMOOTHING_PX = 1.0
_RAY_STEP_PX = 0.25


@dataclass(frozen=True, slots=True)
class Outline:
    """A circle: (row, col) of its centre, and its radius in pixels of the row spacing."""

    centre_px: tuple[float, float]
    radius_mm: float


def find_outline(image_hu: np.ndarray, pixel_mm: tuple[float, float], background_hu: float = 0.0) -> Outline:
    """Find the phantom's round body by the half-way points between air and its background on rays from its middle.

    A table or a holder that touches it bends a part of the rays only: a circle is fitted to the others.

    Args:
        image_hu: ``[rows, cols]``; a mean of repeats is best.
        pixel_mm: (row spacing, column spacing).
        background_hu: The phantom's own HU.

    Raises:
        DataError: There is no round body, or it does not lie in the image whole.
    """
    edge_hu = 0.5 * (AIR_HU + background_hu)
    smooth = ndimage.gaussian_filter(image_hu.astype(np.float64), _SMOOTHING_PX)
    body = ndimage.binary_fill_holes(smooth > edge_hu)
    inside = ndimage.distance_transform_edt(np.pad(body, 1), sampling=pixel_mm)[1:-1, 1:-1]
    reach_mm = float(inside.max())
    if reach_mm <= 0.0:
        raise _not_whole("no body")
    middle = np.argwhere(inside >= reach_mm * (1.0 - 1e-9)).mean(axis=0)
    points_mm = _edge_points_mm(smooth, middle, edge_hu, pixel_mm, reach_mm)
    if len(points_mm) < LEAST_SHARE_OF_RAYS * N_RAYS:
        raise _not_whole(f"an edge on {100 * len(points_mm) // N_RAYS} % of the rays")
    row_mm, col_mm, radius_mm = _circle(points_mm, reach_mm)
    return Outline((row_mm / pixel_mm[0], col_mm / pixel_mm[1]), radius_mm)


def _edge_points_mm(
    smooth: np.ndarray, middle: np.ndarray, edge_hu: float, pixel_mm: tuple[float, float], reach_mm: float
) -> np.ndarray:
    """The last crossing of each ray that starts inside and leaves the body before the image's border, ``[n, 2]``."""
    angles = np.arange(N_RAYS) * (2.0 * np.pi / N_RAYS)
    radii_mm = np.arange(0.5 * reach_mm, 2.0 * reach_mm, _RAY_STEP_PX * min(pixel_mm))
    row = middle[0] + np.outer(np.sin(angles), radii_mm) / pixel_mm[0]
    col = middle[1] + np.outer(np.cos(angles), radii_mm) / pixel_mm[1]
    hu = ndimage.map_coordinates(smooth, [row, col], order=1, mode="constant", cval=np.nan)
    falls = (hu[:, :-1] > edge_hu) & (hu[:, 1:] <= edge_hu)
    found = []
    for ray in np.nonzero(falls.any(axis=1))[0]:
        k = int(np.argmax(falls[ray]))
        share = (hu[ray, k] - edge_hu) / (hu[ray, k] - hu[ray, k + 1])
        radius_mm = radii_mm[k] + share * (radii_mm[k + 1] - radii_mm[k])
        found.append(
            (
                middle[0] * pixel_mm[0] + radius_mm * np.sin(angles[ray]),
                middle[1] * pixel_mm[1] + radius_mm * np.cos(angles[ray]),
            )
        )
    return np.array(found).reshape(-1, 2)


def _circle(points_mm: np.ndarray, reach_mm: float) -> tuple[float, float, float]:
    """A circle through points, some of which are not on it: row, col and radius, mm."""

    def misfit(p: np.ndarray) -> np.ndarray:
        return np.asarray(np.hypot(points_mm[:, 0] - p[0], points_mm[:, 1] - p[1]) - p[2])

    start = [*np.median(points_mm, axis=0), reach_mm]
    fitted = optimize.least_squares(misfit, start, loss="soft_l1", f_scale=0.25)
    near = np.abs(misfit(fitted.x)) <= STRAY_MM
    if np.count_nonzero(near) < LEAST_SHARE_OF_RAYS * N_RAYS:
        raise _not_whole(f"a circle through {100 * np.count_nonzero(near) // N_RAYS} % of the edge")
    row_mm, col_mm, radius_mm = fitted.x
    return float(row_mm), float(col_mm), float(radius_mm)


def _not_whole(got: str) -> DataError:
    remedy = "show the whole phantom with air around it, or give placement in the phantom's file"
    return DataError(explain("phantom", "must be a round body inside the image", got, remedy))
