"""Small, faint lesions of known position, size and contrast, which a denoiser must not erase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import convolve

from n2b_ct.phantom.body import MUSCLE, warped_plane
from n2b_ct.phantom.shapes import Canvas


@dataclass(frozen=True, slots=True)
class Lesion:
    """A sphere that adds a constant to whatever lies there.

    Attributes:
        organ: Where it sits.
        centre_mm: (x, y, z), z from the nose.
        radius_mm: Radius of the sphere.
        contrast_hu: HU added inside.
    """

    organ: str
    centre_mm: tuple[float, float, float]
    radius_mm: float
    contrast_hu: float


_SITES = (
    Lesion("neck muscle", (-30.0, 44.0, 222.0), 4.0, 25.0),
    Lesion("liver", (-36.0, -8.0, 376.0), 6.0, -30.0),
    Lesion("liver", (-44.0, 20.0, 392.0), 5.0, -20.0),
    Lesion("liver", (-8.0, -42.0, 378.0), 6.0, -15.0),
    Lesion("liver", (-46.0, -14.0, 404.0), 4.0, 25.0),
    Lesion("liver", (-40.0, 16.0, 414.0), 4.0, -40.0),
    Lesion("spleen", (62.0, 8.0, 420.0), 4.0, -20.0),
    Lesion("kidney", (-43.0, 28.0, 446.0), 4.0, -25.0),
    Lesion("back muscle", (42.0, 60.0, 436.0), 5.0, -20.0),
    Lesion("back muscle", (-38.0, 57.0, 466.0), 4.0, 25.0),
    Lesion("thigh muscle", (49.0, 38.0, 514.0), 6.0, -20.0),
    Lesion("thigh muscle", (-51.0, 36.0, 509.0), 5.0, 20.0),
)

_HOST_HU = {"liver": 62.0, "spleen": 50.0, "kidney": 38.0}
_REACH_MM = 4.0
"""A lesion may move this far to lie in its organ and beside vessels, fat and walls."""

HealthyHU = Callable[[float, np.ndarray, np.ndarray], np.ndarray]
"""HU without lesions at (z, rows, columns), mm; float32 ``[rows, cols]``."""


def place_lesions(rng: np.random.Generator, seed: int, healthy_hu: HealthyHU) -> tuple[Lesion, ...]:
    """Move every lesion a little, for animals differ, then as the warp moves its organ, then fully into it."""
    shifts = rng.uniform(-1.5, 1.5, (len(_SITES), 3))
    placed = []
    for site, shift in zip(_SITES, shifts, strict=True):
        x, y, z = (float(c + s) for c, s in zip(site.centre_mm, shift, strict=True))
        x, y = _settled(site, (*_unwarped(seed, x, y, z), z), healthy_hu)
        centre = (round(x, 3), round(y, 3), round(z, 3))
        placed.append(Lesion(site.organ, centre, site.radius_mm, site.contrast_hu))
    return tuple(placed)


def _settled(site: Lesion, centre_mm: tuple[float, float, float], healthy_hu: HealthyHU) -> tuple[float, float]:
    """Find the place near (x, y) where the sphere meets the least of anything but its organ."""
    x, y, z = centre_mm
    n_reach, n_radius = round(_REACH_MM), round(site.radius_mm)
    offsets = np.arange(-n_reach - n_radius, n_reach + n_radius + 1.0)
    depths = (z - 0.6 * site.radius_mm, z, z + 0.6 * site.radius_mm)
    host_hu = _HOST_HU.get(site.organ, MUSCLE.hu)
    strange = sum(np.abs(healthy_hu(depth, y + offsets, x + offsets) - host_hu) for depth in depths)
    ball = np.hypot(*np.mgrid[-n_radius : n_radius + 1, -n_radius : n_radius + 1]) <= site.radius_mm
    met = convolve(np.asarray(strange), ball / ball.sum())[n_radius:-n_radius, n_radius:-n_radius]
    row, column = np.unravel_index(int(np.argmin(met)), met.shape)
    return x + float(column) - n_reach, y + float(row) - n_reach


def _unwarped(seed: int, x_mm: float, y_mm: float, z_mm: float) -> tuple[float, float]:
    """Find the grid point that the warp takes to (x, y), by fixed-point iteration: the warp is gentle."""
    x, y = x_mm, y_mm
    for _ in range(12):
        point = warped_plane(seed, z_mm, np.array([y]), np.array([x]))
        x, y = x + x_mm - float(point.x_mm[0, 0]), y + y_mm - float(point.y_mm[0, 0])
    return x, y


def add_lesions(canvas: Canvas, lesions: tuple[Lesion, ...]) -> None:
    """Add each lesion's contrast; they stand on the unwarped grid, so their centres are exact."""
    plane = canvas.plane
    for lesion in lesions:
        x, y, z = lesion.centre_mm
        if abs(plane.z_mm - z) >= lesion.radius_mm + plane.pixel_mm:
            continue
        across = np.hypot(plane.column_mm[None] - x, plane.row_mm[:, None] - y)
        distance = np.hypot(across, plane.z_mm - z) - lesion.radius_mm
        canvas.hu += np.float32(lesion.contrast_hu) * plane.cover(distance.astype(np.float32))
