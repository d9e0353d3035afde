"""Noisy slices of discs of water with bones in them, as a scan of known physics shows them, and their truth."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from n2b_ct.simulation.calibration import Calibration
from n2b_ct.simulation.low_dose import lower_doses
from n2b_ct.simulation.noise_texture import NoiseTexture

SIZE_PX, PIXEL_MM = 128, 2.4
PHYSICS = Calibration(1e5, 20.0 / 3.0, NoiseTexture(0.3, 2.5), PIXEL_MM)
_ROW, _COL = np.mgrid[:SIZE_PX, :SIZE_PX] - (SIZE_PX - 1) / 2


@lru_cache
def truth_hu(seed: int) -> np.ndarray:
    """A disc with some discs of bone and fat in it, float32 ``[rows, cols]``."""
    rng = np.random.default_rng(seed)
    hu = np.where(np.hypot(_ROW, _COL) < 54, 40.0, -1000.0).astype(np.float32)
    for value in (900.0, -90.0, 80.0, 10.0):
        row, col = rng.uniform(-28, 28, 2)
        hu[np.hypot(_ROW - row, _COL - col) < rng.uniform(3, 7)] = value
    return hu


@lru_cache
def noisy_hu(seed: int) -> np.ndarray:
    """The same as scanned: the noise of the scan alone, whole HU, float32 ``[rows, cols]``."""
    found = lower_doses(truth_hu(seed), [0.5], PHYSICS, seed=seed, identity="", measures_slice=False)
    return np.asarray(np.rint(found.hu[0]), np.float32)
