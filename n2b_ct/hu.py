"""Hounsfield units: the only conversions between stored words, HU and network units.

``hu = stored · RescaleSlope + RescaleIntercept`` (PS3.3 C.7.6.16.2.9, C.11.1.1.2); a window
``[lower, upper]`` maps HU to network units ``[0, 1]``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

AIR_HU = -1000.0
AIR_BELOW_HU = -950.0  # between air and the thinnest lung
SCANNER_FLOOR_HU = -1024.0
LARGEST_HU = 1e9  # beyond any scan; fill values of volume formats are larger, and their squares overflow


@dataclass(frozen=True, slots=True)
class Window:
    """An HU interval that the network sees as ``[0, 1]``.

    Args:
        lower_hu: HU that becomes 0.
        upper_hu: HU that becomes 1.
    """

    lower_hu: float
    upper_hu: float

    def __post_init__(self) -> None:
        if not self.lower_hu < self.upper_hu:
            msg = f"window: lower must be below upper, got [{self.lower_hu:g}, {self.upper_hu:g}]"
            raise ValueError(msg)

    @property
    def width_hu(self) -> float:
        """Upper minus lower, HU: the data range of PSNR and SSIM in this window."""
        return self.upper_hu - self.lower_hu

    def clip(self, hu: np.ndarray) -> np.ndarray:
        """Clip HU to the window; same shape, still HU."""
        return np.clip(hu, self.lower_hu, self.upper_hu)

    def contains(self, hu: np.ndarray) -> np.ndarray:
        """Mark the pixels strictly inside the window, where denoising may act."""
        return (hu > self.lower_hu) & (hu < self.upper_hu)

    def normalise(self, hu: np.ndarray) -> np.ndarray:
        """Clip to the window and scale to network units ``[0, 1]``, float32."""
        return self.scale(self.clip(hu))

    def scale(self, hu: np.ndarray) -> np.ndarray:
        """Scale to network units without clipping, float32: HU outside the window lie outside ``[0, 1]``."""
        return ((hu - self.lower_hu) / self.width_hu).astype(np.float32)

    def to_hu(self, network_units: np.ndarray) -> np.ndarray:
        """Undo :meth:`normalise` for values inside the window."""
        return network_units * self.width_hu + self.lower_hu

    def __str__(self) -> str:
        return f"[{self.lower_hu:g}, {self.upper_hu:g}] HU"


WINDOWS: dict[str, Window] = {
    "abdomen": Window(-160.0, 240.0),
    "lung": Window(-1350.0, 150.0),
    "bone": Window(-700.0, 1300.0),
    "brain": Window(0.0, 80.0),
    "full": Window(-1024.0, 3071.0),
}


def stored_to_hu(stored: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    """Turn stored words into HU, float32 (float64 inside, so 16-bit words survive any slope)."""
    return (stored.astype(np.float64) * slope + intercept).astype(np.float32)


def hu_to_stored(hu: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    """Turn HU into stored values, rounded to nearest, float64; the caller clips to BitsStored."""
    return np.rint((hu.astype(np.float64) - intercept) / slope)
