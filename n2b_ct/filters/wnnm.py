"""Weighted nuclear norm minimisation, WNNM (Gu, Zhang, Zuo, Feng 2014).

::

    y      the noisy image, σ its noise                x_k    the estimate of iteration k
    y_k    = x_{k−1} + δ · (y − x_{k−1})                 iterative regularisation
    Y      n patches of y_k that look like a key patch, less their mean: Y = U diag(s) Vᵀ
    σ_k²   = λ² · |σ² − mean((y − y_k)²)|                noise left in the key patch (first iteration: σ)
    w_i    = c · √n · σ_k² / (ŝ_i + ε)                   strong components are shrunk least
    ŝ_i    = s_i − w_i, at least 0                       weighted shrinkage
    X      = U diag(ŝ) Vᵀ + mean; x_k is the mean of all patches that cover a pixel

The weight depends on what it yields; its fixed point has a closed form, see :func:`weighted_shrinkage`.

References:
    Gu, Zhang, Zuo, Feng 2014, "Weighted Nuclear Norm Minimization with Application to Image Denoising",
    CVPR, 2862-2869. Gu et al. 2017, Int. J. Comput. Vis. 121, 183-208, for the closed form.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import sparse

from n2b_ct.errors import DataError, explain
from n2b_ct.filters.image_input import LARGEST_SIGMA, LARGEST_VALUE, LEAST_SIGMA

WEIGHT_CONSTANT = 2.0 * math.sqrt(2.0)
"""c."""
REGULARISATION = 0.1
"""δ."""
SEARCH_REACH_PX = 30
"""Similar patches are sought this far from a key patch, rows and columns."""

_WHITE_8_BIT = 255.0
_LEAST_WHITE = 1e-9
_EPSILON = 1e-6
_N_ITERATIONS_PER_MATCH = 2
_N_FEWER_PATCHES_PER_MATCH = 10
_LEAST_PATCHES = 10
_N_KEY_COLS_AT_ONCE = 16
_N_GROUPS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class WNNMSettings:
    """What the authors choose by noise level.

    Attributes:
        patch_px: Side of a patch.
        n_patches: n in the first group; later groups are smaller, as noise confuses them less.
        n_iterations: Number of iterations.
        noise_scale: λ.
    """

    patch_px: int
    n_patches: int
    n_iterations: int
    noise_scale: float

    @property
    def key_step_px(self) -> int:
        """Distance of key patches."""
        return max(1, self.patch_px // 2 - 1)


_SETTINGS = (
    (20.0, WNNMSettings(6, 70, 8, 0.54)),
    (40.0, WNNMSettings(7, 90, 12, 0.56)),
    (60.0, WNNMSettings(8, 120, 14, 0.58)),
    (math.inf, WNNMSettings(9, 140, 14, 0.58)),
)
"""Up to which σ, 8-bit grey levels, which settings."""


def wnnm(image: np.ndarray, sigma: float, white: float = _WHITE_8_BIT) -> np.ndarray:
    """Denoise a grey image with white Gaussian noise of known strength.

    Args:
        image: ``[rows, cols]``, finite, on a scale where ``white`` is white.
        sigma: Standard deviation σ of its noise, on the same scale; 0 returns the image.
        white: White of the scale: the settings go by σ in 8-bit grey levels.

    Returns:
        Float32 ``[rows, cols]``, not clipped.

    Raises:
        DataError: The image is not grey, too small or not finite, or a number is out of range.
    """
    _require_in_range(sigma, white)
    scale = _WHITE_8_BIT / white
    settings = settings_for(sigma * scale)
    _require_grey(image, settings.patch_px, white)
    if sigma < LEAST_SIGMA * white:
        return image.astype(np.float32)
    denoised = _iterate((image * scale).astype(np.float32), sigma * scale, settings)
    return np.asarray(denoised / scale, np.float32)


def settings_for(sigma: float) -> WNNMSettings:
    """Return the published settings for noise of ``sigma`` 8-bit grey levels."""
    return next(settings for highest, settings in _SETTINGS if sigma <= highest)


def weighted_shrinkage(
    singular_values: np.ndarray, noise_variance: np.ndarray, n_patches: int, constant: float = WEIGHT_CONSTANT
) -> np.ndarray:
    """Solve ŝ = s − C / (ŝ + ε) with C = c·√n·σ²: ŝ = (s − ε + √((s + ε)² − 4C)) / 2, or 0 without a root.

    Args:
        singular_values: s, ``[..., components]``.
        noise_variance: σ² of each group, broadcast against it.
        n_patches: n.
        constant: c.

    Returns:
        ŝ, same shape as ``singular_values``.
    """
    strength = constant * math.sqrt(n_patches) * noise_variance
    discriminant = (singular_values + _EPSILON) ** 2 - 4.0 * strength
    shrunk = (singular_values - _EPSILON + np.sqrt(np.maximum(discriminant, 0.0))) / 2.0
    return np.where(discriminant > 0, np.maximum(shrunk, 0.0), 0.0)


def _iterate(noisy: np.ndarray, sigma: float, settings: WNNMSettings) -> np.ndarray:
    """Regularise, match every other time, shrink and average."""
    estimate, keys = noisy, _key_positions(noisy.shape, settings)
    groups = np.empty((0, 0), np.intp)
    for iteration in range(settings.n_iterations):
        estimate = estimate + np.float32(REGULARISATION) * (noisy - estimate)
        patches = _patches(estimate, settings.patch_px)
        if iteration % _N_ITERATIONS_PER_MATCH == 0:
            n_rounds = iteration // _N_ITERATIONS_PER_MATCH
            n_patches = max(_LEAST_PATCHES, settings.n_patches - _N_FEWER_PATCHES_PER_MATCH * n_rounds)
            groups = _match(patches, keys, n_patches)
        removed = np.square(patches - _patches(noisy, settings.patch_px)).mean(axis=-1)
        left = settings.noise_scale**2 * np.abs(sigma**2 - removed) if iteration else np.full_like(removed, sigma**2)
        estimate = _shrink_groups(patches, groups, left[np.ix_(*keys)].ravel(), noisy.shape)
    return estimate


def _key_positions(shape: tuple[int, ...], settings: WNNMSettings) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and columns of key patches; the last ones touch the border."""
    ends = [length - settings.patch_px for length in shape]
    rows, cols = (np.unique([*range(0, end, settings.key_step_px), end]) for end in ends)
    return rows, cols


def _patches(image: np.ndarray, patch_px: int) -> np.ndarray:
    """Return every patch, ``[grid rows, grid cols, pixels]``, a copy."""
    windows = sliding_window_view(image, (patch_px, patch_px))
    return windows.reshape(*windows.shape[:2], patch_px**2)


def _match(patches: np.ndarray, keys: tuple[np.ndarray, np.ndarray], n_patches: int) -> np.ndarray:
    """Find the patches nearest to each key patch, itself among them: flat positions ``[keys, n]``."""
    centred = patches - patches.mean()
    energy = np.square(centred).sum(axis=-1)
    key_rows, key_cols = keys
    # A window in a corner is the smallest one; every group must have as many patches.
    n_least = math.prod(min(length, SEARCH_REACH_PX + 1) for length in patches.shape[:2])
    n_kept = min(n_patches, n_least)
    rows_of_groups = [
        np.concatenate([_nearest(centred, energy, row, cols, n_kept) for cols in _batches(key_cols)])
        for row in key_rows
    ]
    return np.concatenate(rows_of_groups)


def _nearest(centred: np.ndarray, energy: np.ndarray, row: int, cols: np.ndarray, n_kept: int) -> np.ndarray:
    """Compare neighbouring key patches of one row with all that any of them can reach."""
    n_rows, n_cols, n_pixels = centred.shape
    window_rows = np.arange(max(row - SEARCH_REACH_PX, 0), min(row + SEARCH_REACH_PX + 1, n_rows))
    window_cols = np.arange(max(cols[0] - SEARCH_REACH_PX, 0), min(cols[-1] + SEARCH_REACH_PX + 1, n_cols))
    window = np.ix_(window_rows, window_cols)
    products = centred[row, cols] @ centred[window].reshape(-1, n_pixels).T
    # The key's own energy is the same for all of its candidates.
    distance = (energy[window].ravel() - 2.0 * products).reshape(len(cols), len(window_rows), len(window_cols))
    is_far = np.abs(window_cols - cols[:, None]) > SEARCH_REACH_PX
    distance[np.broadcast_to(is_far[:, None, :], distance.shape)] = np.inf
    # Where patches are equal, as in constant regions, the key itself must be among the kept all the same.
    distance[np.arange(len(cols)), row - window_rows[0], cols - window_cols[0]] = -np.inf
    flat = (window_rows[:, None] * n_cols + window_cols).ravel()
    return flat[np.argpartition(distance.reshape(len(cols), -1), n_kept - 1, axis=-1)[:, :n_kept]]


def _batches(positions: np.ndarray) -> Iterator[np.ndarray]:
    for first in range(0, len(positions), _N_KEY_COLS_AT_ONCE):
        yield positions[first : first + _N_KEY_COLS_AT_ONCE]


def _shrink_groups(
    patches: np.ndarray, groups: np.ndarray, noise_variance: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Denoise every group and average, in each pixel, all patches that cover it."""
    flat = patches.reshape(-1, patches.shape[-1])
    total, n_uses = np.zeros_like(flat), np.bincount(groups.ravel(), minlength=len(flat)).astype(np.float32)
    for first in range(0, len(groups), _N_GROUPS_AT_ONCE):
        part = slice(first, first + _N_GROUPS_AT_ONCE)
        low_rank = _low_rank(flat[groups[part]], noise_variance[part])
        total += _scatter(groups[part].ravel(), len(flat)) @ low_rank.reshape(-1, flat.shape[-1])
    values = _fold(total.reshape(patches.shape), shape)
    weights = _fold(np.broadcast_to(n_uses.reshape(*patches.shape[:2], 1), patches.shape), shape)
    return np.asarray(values / weights)


def _low_rank(groups: np.ndarray, noise_variance: np.ndarray) -> np.ndarray:
    """Shrink the singular values of each group ``[groups, n, pixels]``.

    With YᵀY = V diag(s²) Vᵀ, U diag(ŝ) Vᵀ is Y V diag(ŝ/s) Vᵀ: the small matrix does.
    """
    mean = groups.mean(axis=1, keepdims=True)
    centred = groups - mean
    squares, vectors = _eigh(centred.transpose(0, 2, 1) @ centred)
    singular = np.sqrt(np.maximum(squares, 0.0))
    shrunk = weighted_shrinkage(singular, noise_variance[:, None], groups.shape[1])
    kept = np.divide(shrunk, singular, out=np.zeros_like(singular), where=singular > 0)
    filters = (vectors * kept[:, None, :]) @ vectors.transpose(0, 2, 1)
    return np.asarray(centred @ filters + mean)


def _eigh(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and vectors of ``[groups, pixels, pixels]``: torch's loop takes two thirds of NumPy's time.

    On some processors its library answers NaN, in float32, for a finite matrix of low rank. What is not finite is
    solved again, in float64, and then by NumPy.
    """
    values, vectors = _eigh_by_torch(matrices)
    for solve in (_eigh_by_torch, _eigh_by_numpy):
        is_open = ~(np.isfinite(values).all(axis=-1) & np.isfinite(vectors).all(axis=(-2, -1)))
        if is_open.any():
            values[is_open], vectors[is_open] = solve(matrices[is_open].astype(np.float64))
    return values, vectors


def _eigh_by_torch(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All NaN where the solver gives up, as it does for a whole batch."""
    import torch  # takes a second: not before it is needed

    try:
        values, vectors = torch.linalg.eigh(torch.from_numpy(matrices))
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        return np.full(matrices.shape[:-1], np.nan, matrices.dtype), np.full_like(matrices, np.nan)
    return values.numpy(), vectors.numpy()


def _eigh_by_numpy(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    try:
        return np.linalg.eigh(matrices)
    except np.linalg.LinAlgError as error:
        got, remedy = "a solver that does not converge", "denoise this image by nlm"
        raise DataError(explain("image", "must have patches that can be decomposed", got, remedy)) from error


def _scatter(positions: np.ndarray, n_rows: int) -> sparse.csr_array:
    """Return the matrix that adds row j of its operand to row ``positions[j]``."""
    ones = np.ones(len(positions), np.float32)
    return sparse.csr_array((ones, (positions, np.arange(len(positions)))), shape=(n_rows, len(positions)))


def _fold(patches: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Add patches ``[grid rows, grid cols, pixels]`` where they lie in the image."""
    grid_rows, grid_cols, n_pixels = patches.shape
    image, side_px = np.zeros(shape, np.float32), math.isqrt(n_pixels)
    for index, (row, col) in enumerate(itertools.product(range(side_px), repeat=2)):
        image[row : row + grid_rows, col : col + grid_cols] += patches[..., index]
    return image


def _require_in_range(sigma: float, white: float) -> None:
    if not _LEAST_WHITE <= white <= 1.0 / _LEAST_WHITE:
        raise DataError(explain("wnnm.white", "must be above 0 and below 1e9", white, "use 1, 255 or 65535"))
    if not 0.0 <= sigma <= LARGEST_SIGMA * white:
        raise DataError(
            explain(
                "wnnm.sigma",
                f"must be 0 or more, and at most {LARGEST_SIGMA:g} times white",
                sigma,
                "set it in the image's grey levels",
            )
        )


def _require_grey(image: np.ndarray, patch_px: int, white: float) -> None:
    size = "x".join(map(str, image.shape))
    if image.ndim != 2:
        raise DataError(explain("image", "must be grey, rows x cols", size, "denoise each channel by itself"))
    if min(image.shape) < patch_px:
        requirement = f"must be at least {patch_px} x {patch_px} pixels for this noise"
        raise DataError(explain("image", requirement, size, "use a larger one"))
    if not np.isfinite(image).all():
        raise DataError(explain("image", "must hold finite values", "some that are not", "repair it"))
    largest = max(abs(float(image.min())), abs(float(image.max()))) / white
    if largest > LARGEST_VALUE:
        requirement = f"must lie within {LARGEST_VALUE:g} times white"
        raise DataError(explain("image", requirement, f"{largest:g}", "scale it, or set white"))
