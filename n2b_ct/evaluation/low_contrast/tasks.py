"""Which faint lesions are asked about, and how the contrast of one is read off an image.

The contrast at a place is the mean inside a disk minus the mean of a ring around it, scaled so that a sharp disk of
1 HU reads 1 HU. A slow change across the ring reads 0.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from n2b_ct.evaluation.disks import Disk, Task, disk_hu, distance_mm, roi_centre_px

CONTRASTS_HU = (5.0, 10.0, 20.0)
SIZES_MM = (3.0, 5.0, 10.0)
RING_FROM_PX = 1.0
RING_TO_PX = 3.0
MIN_DIAMETER_PX = 2.0

DEFINITIONS: dict[str, str] = {
    "low_contrast_reading": (
        f"Contrast at a place: mean inside a disk minus mean of the ring from {RING_FROM_PX:g} to {RING_TO_PX:g} px "
        "around it, scaled so that a sharp disk of 1 HU reads 1 HU."
    ),
}


def lesion_tasks(blur_sigma_mm: float = 0.0) -> tuple[Task, ...]:
    """Every contrast at every diameter, the smallest and faintest first.

    Args:
        blur_sigma_mm: σ of the system's blur, taken as a round Gaussian, where it is known.
    """
    return tuple(
        Task(f"{contrast_hu:g} HU, {size_mm:g} mm", contrast_hu, 0.5 * size_mm, blur_sigma_mm)
        for size_mm in SIZES_MM
        for contrast_hu in CONTRASTS_HU
    )


def reading_size_px(size_mm: float, pixel_mm: tuple[float, float]) -> int:
    """Rows and columns of the square that a reading needs, an odd number."""
    return 2 * math.ceil(0.5 * size_mm / min(pixel_mm) + RING_TO_PX) + 1


@lru_cache(maxsize=32)
def reading_weights(size_mm: float, pixel_mm: tuple[float, float], size_px: int) -> np.ndarray:
    """Weights of a reading in the middle of a square, ``[size_px, size_px]``: their sum with the pixels is in HU.

    Args:
        size_mm: Diameter of the disk.
        pixel_mm: (row spacing, column spacing).
        size_px: Rows and columns of the square.
    """
    shape, centre = (size_px, size_px), roi_centre_px(size_px)
    disk = disk_hu(shape, Disk(centre, 0.5 * size_mm, 1.0), pixel_mm)
    away_px = (distance_mm(shape, centre, pixel_mm) - 0.5 * size_mm) / max(pixel_mm)
    ring = ((away_px >= RING_FROM_PX) & (away_px <= RING_TO_PX)).astype(np.float64)
    weights = disk / disk.sum() - ring / ring.sum()
    return np.asarray(weights / float(np.sum(weights * disk)))
