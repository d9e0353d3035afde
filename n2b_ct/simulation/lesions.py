"""Small, faint lesions whose place, size and contrast are known: what a denoiser must not erase."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.simulation.body import warped_plane
from n2b_ct.simulation.shapes import Canvas


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
    Lesion("back muscle", (26.0, 68.0, 436.0), 5.0, -20.0),
    Lesion("back muscle", (-40.0, 64.0, 466.0), 4.0, 25.0),
    Lesion("thigh muscle", (62.0, 26.0, 512.0), 6.0, -20.0),
    Lesion("thigh muscle", (-62.0, 24.0, 509.0), 5.0, 20.0),
)


def place_lesions(rng: np.random.Generator, seed: int) -> tuple[Lesion, ...]:
    """Move every lesion a little, so that two animals differ, and then as the animal's warp moves its organ."""
    shifts = rng.uniform(-1.5, 1.5, (len(_SITES), 3))
    placed = []
    for site, shift in zip(_SITES, shifts, strict=True):
        x, y, z = (float(c + s) for c, s in zip(site.centre_mm, shift, strict=True))
        x, y = _unwarped(seed, x, y, z)
        centre = (round(x, 3), round(y, 3), round(z, 3))
        placed.append(Lesion(site.organ, centre, site.radius_mm, site.contrast_hu))
    return tuple(placed)


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
