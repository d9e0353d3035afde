"""How a region's noise power depends on direction: every view leaves its noise along its own line of frequencies.

::

    S(x; f, θ) ∝ |f|·K(f)² · σ²(x, θ)         σ²: variance of the line integral through x at the view angle θ

So the periodogram of one region, cut into sectors, tells the variances of the rays through it view by view: long paths
and short ones at the same place. What a Hann window and the pixel grid's aliases mix is mixed in what is expected, too.

References:
    Wunderlich and Noo 2008, Phys. Med. Biol. 53(10), 2471-2493; Baek and Pelc 2010, Med. Phys. 37(5), 2158-2169: local
    noise power after filtered back-projection.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from n2b_ct.simulation.noise_texture import ANATOMY_SLOPE, NoiseTexture

REGION_PX = 16
"""Side of the regions whose periodograms are cut."""
N_DIRECTIONS = 32
"""View angles are sorted into so many bins."""

_N_SECTORS = 8
_BAND_PER_PX = (0.15, 0.25, 0.47)
"""Two rings: anatomy shows in the inner one, noise in both."""
_FAINT = 0.1
_OVERSAMPLING = 4
_HANN_OVERLAP = 2.0 * (35.0 / 18.0) ** 2
"""Bins of a real image's periodogram for each that is independent under a Hann window."""


@dataclass(frozen=True, slots=True, eq=False)
class Sectors:
    """Cells of the plane of frequencies, and what each of them expects.

    Attributes:
        mixing: Share that noise from each direction has in each cell's mean, ``[cells, directions]``; rows add up to 1.
        anatomy: Relative power of anatomy in each cell, ``[cells]``.
        n_independent: Independent values that each cell's mean is made of, ``[cells]``.
        members: Factors of a periodogram's bins in each mean, ``[cells, size²]``.
    """

    mixing: np.ndarray
    anatomy: np.ndarray
    n_independent: np.ndarray
    members: np.ndarray

    def means(self, periodograms: np.ndarray) -> np.ndarray:
        """Average periodograms ``[n, size, size]`` to ``[n, cells]``: the variance where all directions are alike."""
        return np.asarray(periodograms.reshape(len(periodograms), -1) @ self.members.T)


def direction_of(angles_rad: np.ndarray) -> np.ndarray:
    """Number of the direction that a view angle within 0 to π belongs to."""
    return np.minimum((angles_rad / math.pi * N_DIRECTIONS).astype(int), N_DIRECTIONS - 1)


@lru_cache(maxsize=8)
def sectors(texture: NoiseTexture) -> Sectors:
    """Cut the plane for noise of a texture."""
    by_direction = _through_window(_power_by_direction(texture)) / texture.sampled_power(_FINE_PX).mean()
    alike = by_direction.sum(axis=0)
    cells = _cells(alike)
    members = cells / alike.ravel() / cells.sum(axis=1, keepdims=True)
    anatomy = _through_window(_anatomy()[None])[0]
    return Sectors(
        mixing=members @ by_direction.reshape(N_DIRECTIONS, -1).T,
        anatomy=members @ anatomy.ravel() / (members @ anatomy.ravel()).mean(),
        n_independent=cells.sum(axis=1) / _HANN_OVERLAP,
        members=members,
    )


_FINE_PX = REGION_PX * _OVERSAMPLING


def _power_by_direction(texture: NoiseTexture) -> np.ndarray:
    """Spectrum that noise from each direction has, aliases included, ``[directions, fine, fine]``."""
    axis = np.fft.fftfreq(_FINE_PX)
    power = np.zeros((N_DIRECTIONS, _FINE_PX, _FINE_PX))
    rows, cols = np.indices((_FINE_PX, _FINE_PX))
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            f_row, f_col = (axis + down)[:, None], (axis + right)[None]
            direction = direction_of(np.arctan2(-f_row, f_col) % math.pi)
            power[direction, rows, cols] += texture.power(np.hypot(f_row, f_col))
    return power


def _anatomy() -> np.ndarray:
    axis = np.fft.fftfreq(_FINE_PX)
    return np.asarray(np.maximum(np.hypot(axis[:, None], axis[None]), 1.0 / REGION_PX) ** -ANATOMY_SLOPE)


def _through_window(power: np.ndarray) -> np.ndarray:
    """What a Hann window of a region's size makes of spectra ``[n, fine, fine]``, ``[n, size, size]``."""
    taper = np.sin(math.pi * (np.arange(REGION_PX) + 0.5) / REGION_PX) ** 2
    spread = np.abs(np.fft.fft2(np.outer(taper, taper), (_FINE_PX, _FINE_PX))) ** 2
    spread /= spread.sum()
    mixed = np.fft.ifft2(np.fft.fft2(power) * np.fft.fft2(spread)).real
    return np.asarray(mixed[:, ::_OVERSAMPLING, ::_OVERSAMPLING])


def _cells(alike: np.ndarray) -> np.ndarray:
    """Mark the bins of every cell, float64 ``[cells, size²]``; faint ones tell nothing."""
    axis = np.fft.fftfreq(REGION_PX)
    frequency = np.hypot(axis[:, None], axis[None])
    angle = np.arctan2(-axis[:, None], axis[None]) % math.pi
    sector = ((angle + math.pi / _N_SECTORS / 2) % math.pi / math.pi * _N_SECTORS).astype(int)
    used = (frequency >= _BAND_PER_PX[0]) & (frequency <= _BAND_PER_PX[2]) & (alike > _FAINT * alike.max())
    outer = frequency >= _BAND_PER_PX[1]
    cells = [used & (outer == ring) & (sector == k) for ring in (False, True) for k in range(_N_SECTORS)]
    return np.stack([cell.ravel().astype(np.float64) for cell in cells if cell.any()])
