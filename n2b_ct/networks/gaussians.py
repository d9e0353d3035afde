"""Algebra of small covariances, one at every pixel, by Cholesky factors (Golub and Van Loan, section 4.2).

A lower triangle L is a list of rows, each a list of tensors ``[B, rows, cols]``: entry ``L[i][j]``, j ≤ i, at every
pixel. A covariance is Σ = L Lᵀ. One channel gives one entry, the standard deviation, and the formulas shrink to plain
divisions; three channels unroll to a few dozen elementwise operations, far faster than a solver called a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Triangle = list[list[Tensor]]

_LEAST_VARIANCE = 1e-10


def covariance(triangle: Triangle) -> Tensor:
    """Multiply out Σ = L Lᵀ; ``[B, C, C, rows, cols]``."""
    n_channels = len(triangle)
    entries = [[_dot(triangle[i], triangle[j]) for j in range(n_channels)] for i in range(n_channels)]
    return torch.stack([torch.stack(row, dim=1) for row in entries], dim=1)


def cholesky(matrix: Tensor) -> Triangle:
    """Find L of positive definite Σ ``[B, C, C, rows, cols]``; what rounding makes of a variance stays above 1e-10."""
    triangle: Triangle = []
    for i in range(matrix.shape[1]):
        row: list[Tensor] = []
        for j in range(i):
            row.append(_less(matrix[:, i, j], row, triangle[j]) / triangle[j][j])
        row.append(_less(matrix[:, i, i], row, row).clamp_min(_LEAST_VARIANCE).sqrt())
        triangle.append(row)
    return triangle


def whitened(triangle: Triangle, vector: Tensor) -> Tensor:
    """Solve L v = vector by forward substitution; ``[B, C, rows, cols]`` in and out.

    ``|v|²`` is vectorᵀ Σ⁻¹ vector, and v has covariance 1 where the vector has covariance Σ.
    """
    solved: list[Tensor] = []
    for row, value in zip(triangle, vector.unbind(1), strict=True):
        solved.append(_less(value, row, solved) / row[-1])
    return torch.stack(solved, dim=1)


def squared_distance(triangle: Triangle, vector: Tensor) -> Tensor:
    """Return vectorᵀ Σ⁻¹ vector, ``[B, rows, cols]``, of ``[B, C, rows, cols]``."""
    return whitened(triangle, vector).square().sum(dim=1)


def log_determinant(triangle: Triangle) -> Tensor:
    """Return log |Σ| = 2 Σ_i log L_ii, ``[B, rows, cols]``."""
    return 2.0 * torch.stack([row[-1].log() for row in triangle]).sum(dim=0)


def trace_of_ratio(below: Triangle, above: Triangle) -> Tensor:
    """Return tr(Σ_below⁻¹ Σ_above) = ‖L_below⁻¹ L_above‖², ``[B, rows, cols]``."""
    columns = [_column(above, j) for j in range(len(above))]
    return torch.stack([squared_distance(below, column) for column in columns]).sum(dim=0)


def sum_of(first: Triangle, second: Triangle) -> Triangle:
    """Find the triangle of Σ_first + Σ_second."""
    return cholesky(covariance(first) + covariance(second))


def negative_log_likelihood(error: Tensor, triangle: Triangle) -> Tensor:
    """Return −log N(error; 0, Σ) without the constant: ½ {errorᵀ Σ⁻¹ error + log |Σ|}, ``[B, rows, cols]``."""
    return 0.5 * (squared_distance(triangle, error) + log_determinant(triangle))


def fused(mean: Tensor, mean_triangle: Triangle, observed: Tensor, noise_triangle: Triangle) -> Tensor:
    """Weigh a prediction and an observation by Bayes' rule for Gaussians.

    (Σ^μ⁻¹ + Σ^n⁻¹)⁻¹ (Σ^μ⁻¹ μ + Σ^n⁻¹ y) = μ + Σ^μ (Σ^μ + Σ^n)⁻¹ (y − μ), which inverts no small covariance.

    Args:
        mean: μ ``[B, C, rows, cols]``.
        mean_triangle: Of Σ^μ.
        observed: y, same shape as μ.
        noise_triangle: Of Σ^n.

    Returns:
        The posterior mean, same shape.
    """
    total = sum_of(mean_triangle, noise_triangle)
    weighted = _back_substituted(total, whitened(total, observed - mean))
    return mean + (covariance(mean_triangle) * weighted[:, None]).sum(dim=2)


def _back_substituted(triangle: Triangle, vector: Tensor) -> Tensor:
    """Solve Lᵀ v = vector."""
    solved: list[Tensor] = []
    for i in reversed(range(len(triangle))):
        value = vector[:, i]
        for later, known in zip(range(len(triangle) - 1, i, -1), solved, strict=True):
            value = value - triangle[later][i] * known
        solved.append(value / triangle[i][i])
    return torch.stack(solved[::-1], dim=1)


def _column(triangle: Triangle, j: int) -> Tensor:
    zero = torch.zeros_like(triangle[0][0])
    return torch.stack([row[j] if j < len(row) else zero for row in triangle], dim=1)


def _dot(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """Sum of products over the entries that both have."""
    return torch.stack([a * b for a, b in zip(first, second, strict=False)]).sum(dim=0)


def _less(value: Tensor, first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """Take the sum of products over the entries that both have, which may be none, from a value."""
    for a, b in zip(first, second, strict=False):
        value = value - a * b
    return value
