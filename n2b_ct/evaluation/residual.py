"""What a denoiser removed: is there anatomy in the residual, or only noise?

Pure noise does not know where the edges are. So the residual's size is correlated with the edges of the anatomy, and
the same is done with residuals whose blocks were turned, mirrored and shifted round in place: those have the same
noise, the same texture and the same slow changes across the patient, but no longer fit the edges. What goes beyond
them is anatomy. All 8 · 32² such moves of a block are known from circular cross-correlations, so the null's mean and
deviation are exact and only its tail is drawn.

References:
    Buades et al. 2005, Multiscale Model. Simul. 4(2): method noise, the residual that should look like noise.
    Phipson & Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9(1): p of a permutation test is (b + 1) / (m + 1), never 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.checks import ROUNDING_HU, require_slice
from n2b_ct.evaluation.flat_regions import SOFT_TISSUE_HU

EDGE_SIGMA_PX = 1.5
DETAIL_SIGMA_PX = 2.0
BLOCK_PX = 32
MIN_BLOCKS = 4
N_NULL = 999
BODY_ABOVE_HU = -300.0
BODY_MARGIN_PX = 8
LIMIT_SDS = 6.0
"""Where a warning starts, in standard deviations of the null.

The real noise of quarter-dose slices, whose strength changes inside a block near shoulders and bone, reaches 4; a
Gaussian blur of σ 0.5 px gives 8 and more.
"""
MAX_LAG_PX = 4
FAINT_SIGMAS_PX = (0.75, 3.0)
"""A difference of these Gaussians passes disks of 1.5 to 6 px in diameter best."""
FAINT_HU = 30.0
FAINT_LIMIT_PERCENT = 25.0
TISSUE_SIGMA_PX = 3.0
MIN_FAINT_SHARE = 0.02

_ROUNDING = 1e-9
"""Smaller correlations and shares are rounding."""

DEFINITIONS: dict[str, str] = {
    "residual": "Input minus denoised, HU.",
    "edge_correlation": (
        f"Correlation, over the blocks of {BLOCK_PX} px inside the patient, of the residual's magnitude with the "
        f"gradient magnitude (Gaussian derivative, σ {EDGE_SIGMA_PX:g} px) of the reference, or of the input without "
        "one. Below its null, noise was left standing at the edges, as edge-preserving filters do."
    ),
    "edge_null": (
        f"The same with the residual of every {BLOCK_PX} px block turned, mirrored and shifted round at random: what "
        f"noise of the same strength and texture gives. Mean and deviation are exact, p is from {N_NULL} draws."
    ),
    "anatomy_removed": (
        f"A warning, given where the edge correlation lies above all {N_NULL} draws of the null and more than "
        f"{LIMIT_SDS:g} of its standard deviations above its mean."
    ),
    "edge_excess_percent": (
        "How much larger the residual's RMS is on the steepest tenth of the pixels than the null's there, %."
    ),
    "detail_removed_percent": (
        f"Share of the truth's fine structure (truth minus its Gaussian of σ {DETAIL_SIGMA_PX:g} px) that the residual "
        "holds: 100 · Σ residual · detail / Σ detail², inside the patient. 0 is right, 100 means all of it was taken. "
        "It needs a truth without noise: with a noisy reference, noise that both share would count as detail."
    ),
    "faint_removed_percent": (
        f"Share of the faint structure of soft tissue that the residual holds, in the band of disks of "
        f"{2 * FAINT_SIGMAS_PX[0]:g} to {2 * FAINT_SIGMAS_PX[1]:g} px (difference of Gaussians of σ "
        f"{FAINT_SIGMAS_PX[0]:g} and {FAINT_SIGMAS_PX[1]:g} px): 100 · Σ residual · judge / Σ input · judge, the judge "
        f"held within ±{FAINT_HU:g} HU. The judge is the noise-free truth, or the reference freed from the noise that "
        "it shares with the input; without a reference there is none. 0 is right; noise alone adds nothing to the "
        f"mean, and its deviation comes from the residual's blocks turned, mirrored and shifted. A slice warns above "
        f"{FAINT_LIMIT_PERCENT:g} % where that is more than {LIMIT_SDS:g} deviations. A single lesion does not show in "
        "it."
    ),
    "residual_autocorrelation": (
        f"Autocorrelation of the residual at lags 1 to {MAX_LAG_PX} px, mean of rows and columns, in the same flat "
        "regions beside that of the input's noise. A residual that is more correlated than the noise takes coarse "
        "structure away; one that is less leaves coarse noise behind."
    ),
}


@dataclass(frozen=True, slots=True)
class EdgeStructure:
    """How far the residual follows the anatomy's edges.

    Attributes:
        correlation: Of |residual| with edge strength.
        null_mean, null_sd: The same for noise alone.
        deviation_sds: (correlation − null_mean) / null_sd.
        p_value: Share of the null that is at least as large, (b + 1) / (m + 1).
        edge_excess_percent: RMS on the steepest tenth against the null's there.
        warns: True where anatomy was removed; see ``DEFINITIONS["anatomy_removed"]``.
        n_blocks: Blocks inside the patient.
    """

    correlation: float
    null_mean: float
    null_sd: float
    deviation_sds: float
    p_value: float
    edge_excess_percent: float
    warns: bool
    n_blocks: int


@dataclass(frozen=True, slots=True)
class DetailRemoved:
    """How much of a known truth's fine structure went with the noise.

    Attributes:
        percent: 0 where none did; see ``DEFINITIONS["detail_removed_percent"]``.
        null_sd_percent: Standard deviation that noise alone gives it.
        warns: True where it exceeds six of them.
        n_blocks: Blocks inside the patient.
    """

    percent: float
    null_sd_percent: float
    warns: bool
    n_blocks: int


def residual_hu(input_hu: np.ndarray, denoised_hu: np.ndarray) -> np.ndarray:
    """Input minus denoised, float64 ``[rows, cols]``, HU.

    Raises:
        DataError: The slices differ in size or hold NaN.
    """
    image = require_slice(input_hu, "input")
    return np.asarray(image - require_slice(denoised_hu, "denoised", image.shape))


@dataclass(frozen=True, slots=True)
class FaintRemoved:
    """How much of the faint structure of soft tissue went with the noise.

    Attributes:
        percent: 0 where none did; see ``DEFINITIONS["faint_removed_percent"]``.
        null_sd_percent: Standard deviation that noise alone gives it.
        warns: True where it exceeds the limit and six of them.
        n_blocks: Blocks inside the patient.
    """

    percent: float
    null_sd_percent: float
    warns: bool
    n_blocks: int


def edge_structure(
    input_hu: np.ndarray, denoised_hu: np.ndarray, reference_hu: np.ndarray | None = None, seed: int = 0
) -> EdgeStructure | None:
    """Test whether a denoiser took anatomy away with the noise.

    Args:
        input_hu: The noisy slice, HU ``[rows, cols]``.
        denoised_hu: What the method made of it.
        reference_hu: Where the edges are looked for; the input where None.
        seed: Of the draws from the null.

    Returns:
        None where the patient fills fewer than 4 blocks of 32 px, nothing was removed there, or what was removed is
        constant in every block, so that moving it changes nothing.

    Raises:
        DataError: The slices differ in size or hold NaN.
    """
    residual = residual_hu(input_hu, denoised_hu)
    anatomy = require_slice(input_hu if reference_hu is None else reference_hu, "reference", residual.shape)
    corners = _body_blocks(input_hu)
    removed = _cut(np.abs(residual), corners)
    edge = _cut(ndimage.gaussian_gradient_magnitude(anatomy, EDGE_SIGMA_PX), corners)
    if len(corners) < MIN_BLOCKS or removed.std() <= ROUNDING_HU or edge.std() <= ROUNDING_HU:
        return None
    sums = _moved_sums((removed - removed.mean()) / removed.std(), (edge - edge.mean()) / edge.std()) / removed.size
    correlation, null_mean, null_sd = float(sums[:, 0].sum()), float(sums.mean(axis=1).sum()), _sum_sd(sums)
    if null_sd <= _ROUNDING:
        return None
    drawn = _draws(sums, seed)
    p_value = (1 + int(np.count_nonzero(drawn >= correlation))) / (N_NULL + 1)
    deviation = (correlation - null_mean) / null_sd
    return EdgeStructure(
        correlation=correlation,
        null_mean=null_mean,
        null_sd=null_sd,
        deviation_sds=deviation,
        p_value=p_value,
        edge_excess_percent=_edge_excess_percent(removed, edge),
        warns=p_value <= 1.0 / (N_NULL + 1) and deviation > LIMIT_SDS,
        n_blocks=len(corners),
    )


def detail_removed(input_hu: np.ndarray, denoised_hu: np.ndarray, truth_hu: np.ndarray) -> DetailRemoved | None:
    """Measure how much of a noise-free truth's fine structure the residual holds.

    More sensitive than :func:`edge_structure`, and it sees what an edge-preserving filter takes from weak structures.

    Args:
        input_hu: The noisy slice, HU ``[rows, cols]``.
        denoised_hu: What the method made of it.
        truth_hu: The same slice without noise.

    Returns:
        None where the patient fills fewer than 4 blocks of 32 px or the truth has no structure there.

    Raises:
        DataError: The slices differ in size or hold NaN.
    """
    residual = residual_hu(input_hu, denoised_hu)
    truth = require_slice(truth_hu, "truth", residual.shape)
    corners = _body_blocks(truth)
    detail = _cut(truth - ndimage.gaussian_filter(truth, DETAIL_SIGMA_PX), corners)
    energy = float(np.sum(detail**2))
    if len(corners) < MIN_BLOCKS or energy <= detail.size * ROUNDING_HU**2:
        return None
    sums = 100.0 * _moved_sums(_cut(residual, corners), detail) / energy
    percent, null_sd = float(sums[:, 0].sum()), _sum_sd(sums)
    return DetailRemoved(percent, null_sd, percent > max(LIMIT_SDS * null_sd, 100.0 * _ROUNDING), len(corners))


def faint_removed(input_hu: np.ndarray, denoised_hu: np.ndarray, judge_hu: np.ndarray) -> FaintRemoved | None:
    """Measure how much of the faint structure of soft tissue the residual holds.

    It sees what :func:`edge_structure` does not: structure of a few HU and pixels, removed with real noise.

    Args:
        input_hu: The noisy slice, HU ``[rows, cols]``.
        denoised_hu: What the method made of it.
        judge_hu: The same slice with no noise, or with noise that is independent of the input's.

    Returns:
        None where the patient fills fewer than 4 blocks of 32 px or the judge shows no faint structure there.

    Raises:
        DataError: The slices differ in size or hold NaN.
    """
    residual = residual_hu(input_hu, denoised_hu)
    judge = require_slice(judge_hu, "judge", residual.shape)
    corners = _body_blocks(input_hu)
    if len(corners) < MIN_BLOCKS:
        return None
    tissue = _soft_tissue(input_hu)
    removed = _cut(_faint(residual), corners)
    shown = _cut(np.clip(_faint(judge), -FAINT_HU, FAINT_HU) * tissue, corners)
    there = _cut(_faint(input_hu.astype(np.float64)), corners)
    energy = float(np.sum(there * shown))
    if energy <= MIN_FAINT_SHARE * float(np.sum(np.abs(there * shown))):
        return None
    sums = 100.0 * _moved_sums(removed, shown) / energy
    percent, null_sd = float(sums[:, 0].sum()), _sum_sd(sums)
    warns = percent > max(FAINT_LIMIT_PERCENT, LIMIT_SDS * null_sd)
    return FaintRemoved(percent, null_sd, warns, len(corners))


def _faint(hu: np.ndarray) -> np.ndarray:
    fine, coarse = (ndimage.gaussian_filter(hu, sigma) for sigma in FAINT_SIGMAS_PX)
    return np.asarray(fine - coarse)


def _soft_tissue(hu: np.ndarray) -> np.ndarray:
    smooth = ndimage.gaussian_filter(hu.astype(np.float64), TISSUE_SIGMA_PX)
    tissue = (smooth > SOFT_TISSUE_HU[0]) & (smooth < SOFT_TISSUE_HU[1])
    return np.asarray(ndimage.binary_erosion(tissue, iterations=round(TISSUE_SIGMA_PX)))


def autocorrelation(regions: np.ndarray, max_lag_px: int = MAX_LAG_PX) -> tuple[float, ...] | None:
    """Autocorrelation at lags 1, 2, … px, mean of rows and columns.

    Args:
        regions: ``[regions, size, size]`` of zero mean, such as ``texture.detrend`` returns.
        max_lag_px: The largest lag.

    Returns:
        None where the regions are constant.

    Raises:
        DataError: There is no region, or they are not larger than the largest lag.
    """
    if regions.ndim != 3 or len(regions) == 0 or min(regions.shape[1:]) <= max_lag_px:
        got = "x".join(map(str, regions.shape))
        raise DataError(explain("regions", f"must be larger than the lag of {max_lag_px} px", got, "use larger ones"))
    variance = float(np.mean(regions**2))
    if variance <= ROUNDING_HU**2:
        return None
    return tuple(
        float(np.mean(regions[:, k:] * regions[:, :-k]) + np.mean(regions[:, :, k:] * regions[:, :, :-k]))
        / (2.0 * variance)
        for k in range(1, max_lag_px + 1)
    )


def _body_blocks(hu: np.ndarray) -> list[tuple[int, int]]:
    """Blocks wholly inside the patient, a margin away from the skin."""
    body = ndimage.binary_fill_holes(ndimage.gaussian_filter(hu.astype(np.float64), 2.0) > BODY_ABOVE_HU)
    body = ndimage.binary_erosion(body, iterations=BODY_MARGIN_PX)
    rows, cols = hu.shape
    return [
        (row, col)
        for row in range(0, rows - BLOCK_PX + 1, BLOCK_PX)
        for col in range(0, cols - BLOCK_PX + 1, BLOCK_PX)
        if body[row : row + BLOCK_PX, col : col + BLOCK_PX].all()
    ]


def _cut(image: np.ndarray, corners: list[tuple[int, int]]) -> np.ndarray:
    cut = [image[r : r + BLOCK_PX, c : c + BLOCK_PX] for r, c in corners]
    return np.stack(cut) if cut else np.zeros((1, BLOCK_PX, BLOCK_PX))


def _moved_sums(moving: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """Sum of moving · fixed for every move of every block, ``[blocks, 8 · 32²]``; column 0 is the block as it lies.

    The moves are the eight turns and mirrors, each with all circular shifts, by way of the Fourier transform.
    """
    wave = np.fft.rfft2(fixed)
    both = (moving, moving.swapaxes(1, 2))
    turned = np.stack([np.rot90(blocks, turn, axes=(1, 2)) for blocks in both for turn in range(4)], axis=1)
    sums = np.fft.irfft2(np.conj(np.fft.rfft2(turned)) * wave[:, None], s=fixed.shape[1:])
    return np.asarray(sums.reshape(len(fixed), -1))


def _sum_sd(sums: np.ndarray) -> float:
    """Standard deviation of the sum over blocks that move independently."""
    return math.sqrt(float(sums.var(axis=1).sum()))


def _draws(sums: np.ndarray, seed: int) -> np.ndarray:
    """The sum over blocks for random moves, ``[N_NULL]``."""
    moves = np.random.default_rng(seed).integers(0, sums.shape[1], (N_NULL, len(sums)))
    return np.asarray(sums[np.arange(len(sums)), moves].sum(axis=1))


def _edge_excess_percent(removed: np.ndarray, edge: np.ndarray) -> float:
    """RMS on the steepest tenth against its expectation over all moves: each block's own RMS, weighted alike."""
    steep = edge >= np.quantile(edge, 0.9)
    n_steep = steep.sum(axis=(1, 2))
    expected = float(n_steep @ np.mean(removed**2, axis=(1, 2))) / float(n_steep.sum())
    return 100.0 * (math.sqrt(float(np.mean(removed[steep] ** 2)) / expected) - 1.0) if expected > 0.0 else 0.0
