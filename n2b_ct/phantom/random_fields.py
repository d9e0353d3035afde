"""Random fields that are smooth in three dimensions and depend on nothing but a seed.

A field is a cubic B-spline through independent normal numbers on a lattice, so that any slice at any
resolution can be drawn alone and still fits its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

PERIOD_MM = 384.0
"""The in-plane lattice repeats after this length, more than a piglet is wide."""

_SPLINE_STD = (151.0 / 315.0) ** 1.5
"""Root mean square of the tensor-product cubic B-spline of unit normal numbers: (∫B₃²)^(3/2)."""


def smooth_field(
    key: tuple[int, ...], z_mm: float, row_mm: np.ndarray, column_mm: np.ndarray, lattice_mm: float
) -> np.ndarray:
    """Draw one slice of a smooth random field of mean 0 and variance 1.

    Args:
        key: Non-negative numbers that name the field, its seed first.
        z_mm: Position of the slice.
        row_mm: Positions of the rows, ``[rows]``.
        column_mm: Positions of the columns, ``[cols]``.
        lattice_mm: Distance of the random numbers: structures are about twice this size.

    Returns:
        Float32 ``[rows, cols]``.
    """
    n_nodes = max(4, round(PERIOD_MM / lattice_mm))
    depth = z_mm / lattice_mm
    first = int(np.floor(depth)) - 1
    weights = _cubic_weights(np.array([depth - np.floor(depth)]))[0]
    planes = (weights[k] * _plane(key, first + k, n_nodes) for k in range(4))
    nodes = sum(planes, np.zeros((n_nodes, n_nodes), np.float32))
    columns = _interpolate(nodes.T, column_mm / lattice_mm)
    field = _interpolate(columns.T, row_mm / lattice_mm)
    return np.asarray(field / np.float32(_SPLINE_STD), np.float32)


def fractal_field(
    key: tuple[int, ...], z_mm: float, row_mm: np.ndarray, column_mm: np.ndarray, lattices_mm: Sequence[float]
) -> np.ndarray:
    """Add octaves of :func:`smooth_field` with amplitudes that fall as the square root of their size.

    This resembles the 1/f-like texture of parenchyma.

    Returns:
        Float32 ``[rows, cols]``, mean 0, variance 1.
    """
    amplitudes = np.sqrt(np.asarray(lattices_mm) / max(lattices_mm))
    amplitudes /= np.linalg.norm(amplitudes)
    total = np.zeros((len(row_mm), len(column_mm)), np.float32)
    for octave, (lattice_mm, amplitude) in enumerate(zip(lattices_mm, amplitudes, strict=True)):
        field = smooth_field((*key, octave), z_mm, row_mm, column_mm, lattice_mm)
        total += np.float32(amplitude) * field
    return total


@lru_cache(maxsize=512)
def _plane(key: tuple[int, ...], depth: int, n_nodes: int) -> np.ndarray:
    """Draw one lattice plane; planes below zero fold onto odd numbers, as seeds are not negative.

    Cached, because neighbouring slices and the parts of one slice share planes.
    """
    folded = 2 * depth if depth >= 0 else -2 * depth - 1
    rng = np.random.default_rng(np.random.SeedSequence([*key, folded]))
    nodes = rng.standard_normal((n_nodes, n_nodes), dtype=np.float32)
    nodes.flags.writeable = False
    return nodes


def _interpolate(nodes: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Evaluate the periodic spline along the first axis; ``position`` in lattice units, ``[positions, …]``.

    Plain sums rather than a matrix product: a threaded one is slower on busy processors.
    """
    floor = np.floor(position).astype(int)
    weights = _cubic_weights(position - floor)
    terms = (weights[:, k, None] * nodes[(floor - 1 + k) % len(nodes)] for k in range(4))
    return sum(terms, np.zeros((len(position), nodes.shape[1]), np.float32))


def _cubic_weights(fraction: np.ndarray) -> np.ndarray:
    """Evaluate the four cubic B-spline pieces at ``fraction`` in [0, 1), ``[n, 4]``."""
    t = fraction
    pieces = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    return np.stack(pieces, axis=-1).astype(np.float32) / np.float32(6)
