"""A patient that is drawn in no time: a disc of water with a bone in it."""

from __future__ import annotations

import numpy as np


class Disc:
    """A disc in air whose radius is its seed's."""

    z_range_mm = (0.0, 100.0)

    def __init__(self, seed: int) -> None:
        self._radius_mm = 100.0 + seed % 60

    def slice_hu(
        self,
        z_mm: float,
        *,
        size_px: int,
        pixel_mm: float,
        thickness_mm: float = 0.0,
        table: bool = True,
    ) -> np.ndarray:
        """Air, water that depends on the height, bone."""
        axis = (np.arange(size_px) - (size_px - 1) / 2) * pixel_mm
        distance = np.hypot(axis[:, None], axis[None])
        hu = np.where(distance < self._radius_mm, z_mm, -1000.0)
        return np.where(distance < 8.0, 900.0, hu).astype(np.float32)


def draw_disc(seed: int, region: str, age_group: str) -> Disc:
    """Draw one, as :func:`n2b_ct.phantom.subjects.draw_subject` does."""
    return Disc(seed)
