"""Algebra of 1×1 and 3×3 covariances at every pixel, against values by hand and against torch.linalg."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from n2b_ct.networks.gaussians import (
    Triangle,
    cholesky,
    covariance,
    fused,
    log_determinant,
    negative_log_likelihood,
    squared_distance,
    sum_of,
    trace_of_ratio,
    whitened,
)


def drawn_triangle(n_channels: int, seed: int) -> Triangle:
    """A triangle with diagonals in [0.5, 1.5), for 2 images of 3×4 pixels."""
    generator = torch.Generator().manual_seed(seed)

    def entry(on_diagonal: bool) -> Tensor:
        return torch.rand(2, 3, 4, generator=generator, dtype=torch.float64) + (0.5 if on_diagonal else -0.5)

    return [[entry(i == j) for j in range(i + 1)] for i in range(n_channels)]


def drawn_vector(n_channels: int, seed: int) -> Tensor:
    return torch.randn(2, n_channels, 3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def matrices(triangle: Triangle) -> Tensor:
    """Σ as torch.linalg wants it, ``[B, rows, cols, C, C]``."""
    return covariance(triangle).permute(0, 3, 4, 1, 2)


def scalar(value: float) -> Tensor:
    return torch.full((1, 1, 1), value, dtype=torch.float64)


def test_a_covariance_is_the_product_computed_by_hand():
    # L = [[2, 0], [3, 4]]: L Lᵀ = [[4, 6], [6, 25]]
    two = covariance([[scalar(2)], [scalar(3), scalar(4)]])
    assert two[0, :, :, 0, 0].tolist() == [[4, 6], [6, 25]]


@pytest.mark.parametrize("n_channels", [1, 3])
def test_a_triangle_comes_back_from_its_covariance(n_channels):
    triangle = drawn_triangle(n_channels, 0)
    for row, expected in zip(cholesky(covariance(triangle)), triangle, strict=True):
        for entry, value in zip(row, expected, strict=True):
            torch.testing.assert_close(entry, value)


@pytest.mark.parametrize("n_channels", [1, 3])
def test_distance_determinant_and_trace_agree_with_linear_algebra(n_channels):
    below, above, vector = drawn_triangle(n_channels, 1), drawn_triangle(n_channels, 2), drawn_vector(n_channels, 3)
    sigma, other = matrices(below), matrices(above)
    v = vector.permute(0, 2, 3, 1)[..., None]
    distance = (v.mT @ torch.linalg.solve(sigma, v))[..., 0, 0]
    torch.testing.assert_close(squared_distance(below, vector), distance)
    torch.testing.assert_close(log_determinant(below), torch.logdet(sigma))
    trace = torch.linalg.solve(sigma, other).diagonal(dim1=-2, dim2=-1).sum(-1)
    torch.testing.assert_close(trace_of_ratio(below, above), trace)
    torch.testing.assert_close(matrices(sum_of(below, above)), sigma + other)


@pytest.mark.parametrize("n_channels", [1, 3])
def test_the_likelihood_is_that_of_torch(n_channels):
    triangle, error = drawn_triangle(n_channels, 4), drawn_vector(n_channels, 5)
    normal = torch.distributions.MultivariateNormal(torch.zeros(n_channels, dtype=torch.float64), matrices(triangle))
    constant = 0.5 * n_channels * torch.log(torch.tensor(2 * torch.pi, dtype=torch.float64))
    expected = -normal.log_prob(error.permute(0, 2, 3, 1)) - constant
    torch.testing.assert_close(negative_log_likelihood(triangle=triangle, error=error), expected)


def test_whitening_undoes_the_triangle():
    triangle, vector = drawn_triangle(3, 6), drawn_vector(3, 7)
    back = torch.stack(
        [sum(entry * whitened(triangle, vector)[:, j] for j, entry in enumerate(row)) for row in triangle], dim=1
    )
    torch.testing.assert_close(back, vector)


def test_bayes_rule_gives_the_mean_computed_by_hand():
    # σ_μ = 1, σ_n = 2: weight of y is 1 / (1 + 4); μ = 10, y = 20: 12
    image = torch.full((1, 1, 1, 1), 10.0, dtype=torch.float64)
    assert fused(image, [[scalar(1)]], 2 * image, [[scalar(2)]]).item() == pytest.approx(12.0)


def test_bayes_rule_in_three_channels_is_the_formula_of_the_paper():
    mean, seen = drawn_vector(3, 8), drawn_vector(3, 9)
    mean_triangle, noise_triangle = drawn_triangle(3, 10), drawn_triangle(3, 11)
    trust, noise_trust = torch.linalg.inv(matrices(mean_triangle)), torch.linalg.inv(matrices(noise_triangle))
    mu, y = (image.permute(0, 2, 3, 1)[..., None] for image in (mean, seen))
    expected = torch.linalg.inv(trust + noise_trust) @ (trust @ mu + noise_trust @ y)
    torch.testing.assert_close(fused(mean, mean_triangle, seen, noise_triangle), expected[..., 0].permute(0, 3, 1, 2))
