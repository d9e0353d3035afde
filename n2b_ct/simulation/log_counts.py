"""What becomes of a count by its logarithm, where photons are few.

::

    x     Poisson(λ) + N(0, Ne)             a detector sample: photons and read-out noise
    y     −log(max(x, floor))               what the reconstruction gets
    mean  E[y] + log λ                      about ½·(1/λ + Ne/λ²) where there are many photons: dark rays look darker
    var   V[y]                              about 1/λ + Ne/λ² there

The two approximations are the first terms of a series in the relative variance ``1/λ + Ne/λ²``; at 20 photons and a
read-out variance of ten (a relative variance of 0.075) the true variance is already a fifth larger, and below ten the
floor takes part. Where photons run out altogether the floor decides: the ray looks no darker than it, and its variance
falls.

References:
    Fu, Lee, Kim, Alessio, Kinahan, Chang, Sauer, Kalra, De Man 2017, IEEE Trans. Med. Imaging 36(3), 707-720: the
    logarithm of few counts, its bias and the corrections of counts that are not positive. Yu et al. 2012, J. Comput.
    Assist. Tomogr. 36(4), 477-487: the variance where there are many.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.stats import poisson

FLOOR_PHOTONS = 1.0
"""A sample counts as at least one photon: logarithms end there."""
STARVED_PHOTONS = 20.0
"""Rays whose samples expect fewer are starved: normal noise of mean zero no longer describes them."""

_LEAST, _MOST = 1e-3, 1e3
"""Photons between which moments are tabulated; above, the series' first terms hold within 0.3 %."""
_N_ENTRIES = 241
_N_NODES = 48
_TAIL = 8.0


def log_count_variance(photons: np.ndarray, electronic_variance: float) -> np.ndarray:
    """Variance of the logarithm of a sample's count.

    Args:
        photons: Expected photons of a sample, above 0, any shape.
        electronic_variance: Of its read-out, photons².
    """
    return _moment(photons, electronic_variance, 1, 1.0)


def log_count_bias(photons: np.ndarray, electronic_variance: float) -> np.ndarray:
    """How much larger than it is a line integral looks on average; negative where the floor decides.

    Arguments as :func:`log_count_variance`.
    """
    return _moment(photons, electronic_variance, 0, 0.5)


def _moment(photons: np.ndarray, electronic_variance: float, which: int, factor: float) -> np.ndarray:
    inverse = 1.0 / photons
    many = factor * (inverse + electronic_variance * inverse**2)
    table = _table(float(electronic_variance))[which]
    few = np.interp(np.log(np.maximum(photons, _LEAST)), _log_photons(), table)
    if which == 0:
        few = few + np.minimum(np.log(photons / _LEAST), 0.0)
    return np.where(photons >= _MOST, many, few * _joined(table, electronic_variance, factor))


def _joined(table: np.ndarray, electronic_variance: float, factor: float) -> float:
    """Factor that makes the table end where the series begins."""
    return float(factor * (1.0 / _MOST + electronic_variance / _MOST**2) / table[-1])


def _log_photons() -> np.ndarray:
    return np.linspace(np.log(_LEAST), np.log(_MOST), _N_ENTRIES)


@lru_cache(maxsize=8)
def _table(electronic_variance: float) -> np.ndarray:
    """Bias and variance over :func:`_log_photons`, ``[2, entries]``."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_N_NODES)
    moments = [_moments(photons, electronic_variance, nodes, weights) for photons in np.exp(_log_photons())]
    return np.array(moments).T


def _moments(photons: float, electronic_variance: float, nodes: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Sum over photons and read-out noise."""
    reach = _TAIL * np.sqrt(photons) + 2 * _TAIL
    counts = np.arange(max(0, int(photons - reach)), int(photons + reach) + 1)
    chances = poisson.pmf(counts, photons)[:, None] * weights
    chances /= chances.sum()
    logs = -np.log(np.maximum(counts[:, None] + np.sqrt(electronic_variance) * nodes, FLOOR_PHOTONS) / photons)
    mean = float((chances * logs).sum())
    return mean, float((chances * (logs - mean) ** 2).sum())
