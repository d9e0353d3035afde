"""Places for lesions: small spheres in uniform tissue, whose size and contrast are known exactly."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter

from n2b_ct.phantom.lesions import HealthyHU, Lesion

N_SLICES = 7
N_LESIONS_OF_SLICE = 8
FINEST_GRID_MM, COARSEST_GRID_MM = 1.2, 4.0
_AXIS = np.arange(116) - 57.5
_HOSTS = {
    "lung": (-930.0, -600.0),
    "fat": (-130.0, -70.0),
    "soft tissue": (0.0, 260.0),
}


def place_lesions(
    rng: np.random.Generator, z_range_mm: tuple[float, float], healthy_hu: HealthyHU
) -> tuple[Lesion, ...]:
    """Draw lesions of 1 to 10 mm radius and 3 to 60 HU, in lung more, at places of uniform tissue."""
    first, last = z_range_mm
    heights = first + (last - first) * (np.arange(N_SLICES) + rng.uniform(0.2, 0.8, N_SLICES)) / N_SLICES
    longest_mm = float(np.clip((last - first) / 70.0, FINEST_GRID_MM, COARSEST_GRID_MM))
    axis = _AXIS * min(longest_mm, _body_grid_mm(0.5 * (first + last), healthy_hu))
    lesions: list[Lesion] = []
    for height in heights:
        image = healthy_hu(float(height), axis, axis)
        for _ in range(N_LESIONS_OF_SLICE):
            lesion = _lesion(rng, float(height), image, axis)
            if lesion is not None and not _meets(lesion, lesions):
                lesions.append(lesion)
    return tuple(lesions)


def _lesion(rng: np.random.Generator, z_mm: float, image: np.ndarray, axis: np.ndarray) -> Lesion | None:
    """Draw one lesion and put it where a slice is uniform enough to hold it."""
    host = str(rng.choice(list(_HOSTS), p=(0.2, 0.1, 0.7)))
    low, high = _HOSTS[host]
    radius = float(np.exp(rng.uniform(0.0, np.log(10.0))))
    contrast = float(rng.choice([-1.0, 1.0]) * np.exp(rng.uniform(np.log(3.0), np.log(60.0))))
    if host == "lung":
        contrast = float(rng.uniform(60.0, 850.0))
    limit = 60.0 if host == "lung" else 14.0
    for shrunk_mm in (radius, max(1.0, 0.4 * radius), 1.0):
        places = _uniform_places(image, shrunk_mm / float(axis[1] - axis[0]), (low, high), limit)
        if len(places):
            radius = shrunk_mm
            break
    else:
        return None
    row, column = places[rng.integers(len(places))]
    x, y = (float(axis[k] + rng.uniform(-1.0, 1.0)) for k in (column, row))
    return Lesion(host, (round(x, 3), round(y, 3), round(z_mm, 3)), round(radius, 3), round(contrast, 3))


def _uniform_places(image: np.ndarray, radius_px: float, hu_range: tuple[float, float], limit_hu: float) -> np.ndarray:
    """Find rows and columns about which a slice is a tissue's and varies little, ``[n, 2]``."""
    size = 2 * max(1, round(radius_px)) + 1
    mean = uniform_filter(image, size)
    deviation = np.sqrt(np.maximum(uniform_filter(image * image, size) - mean * mean, 0.0))
    return np.argwhere((mean > hu_range[0]) & (mean < hu_range[1]) & (deviation < limit_hu))


def _body_grid_mm(z_mm: float, healthy_hu: HealthyHU) -> float:
    """Choose the distance of the tried places such that they just span a narrow body, as a hand."""
    axis = _AXIS * COARSEST_GRID_MM
    is_body = healthy_hu(z_mm, axis, axis) > -300.0
    reach = [np.abs(axis[is_body.any(axis=k)]).max(initial=0.0) for k in (0, 1)]
    return max(FINEST_GRID_MM, 2.0 * float(max(reach)) / 100.0)


def _meets(lesion: Lesion, others: list[Lesion]) -> bool:
    """Tell whether a lesion would touch another one."""
    return any(
        np.linalg.norm(np.subtract(lesion.centre_mm, other.centre_mm)) < lesion.radius_mm + other.radius_mm + 2.0
        for other in others
    )
