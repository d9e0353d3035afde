"""Noise and HU bias without a ground truth, from flat tissue that is found in the noisy slice itself.

CT noise has zero mean and hardly any power at low frequencies (the ramp filter removes it). So in flat tissue
what is left after a plane is subtracted is noise, and a denoiser that keeps HU true must keep the mean of a
region: any shift of that mean is a bias of the denoiser.

Where to look is decided once, on the noisy input; every method is measured at the same pixels.

Noise that is coarser than a block counts as trend, not as noise: structures of more than about 16 px in a
denoised slice do not show in its noise figure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from n2b_ct.evaluation.checks import require_slice

BLOCK_PX = 16
N_FREE = BLOCK_PX**2 - 3
"""Values of a block that are free once a plane is subtracted."""
N_BLOCKS = 8
STRIDE_PX = 4
MARGIN_PX = 3
FLATNESS_SIGMA_PX = 3.0
CLASS_SIGMA_PX = 2.0
MAX_CLASS_SIGMA_PX = 5.0
MAX_CLASS_NOISE_HU = 4.0
THIN_MARGIN_PX = 3
MIN_CLASS_PX = 200
SOFT_TISSUE_HU = (-50.0, 150.0)
TISSUE_CLASSES_HU: dict[str, tuple[float, float]] = {
    "lung": (-950.0, -500.0),
    "fat": (-150.0, -50.0),
    "soft": (-50.0, 100.0),
    "dense": (100.0, 300.0),
    "bone": (300.0, 2000.0),
}

DEFINITIONS: dict[str, str] = {
    "noise_std_hu": (
        f"Median, over up to {N_BLOCKS} blocks of {BLOCK_PX} × {BLOCK_PX} px, of the standard deviation left after a "
        f"plane is subtracted. The blocks are the flattest ones of soft tissue ({SOFT_TISSUE_HU[0]:g} to "
        f"{SOFT_TISSUE_HU[1]:g} HU) in the input slice, by the gradient of a Gaussian of σ {FLATNESS_SIGMA_PX:g} px. "
        "Noise coarser than a block does not count."
    ),
    "hu_bias_hu": (
        "Mean of (method − input) over the same flat blocks, HU. Noise has zero mean, so 0 is right; it needs no "
        "reference."
    ),
    "class_bias_hu": (
        "Mean of (method − input), HU, inside each tissue class: "
        + ", ".join(f"{name} {low:g} to {high:g} HU" for name, (low, high) in TISSUE_CLASSES_HU.items())
        + f" in the noise-free truth or the reference, smoothed with σ {CLASS_SIGMA_PX:g} px; where neither exists in "
        f"the input, smoothed with up to σ {MAX_CLASS_SIGMA_PX:g} px, until its own noise is at most "
        f"{MAX_CLASS_NOISE_HU:g} HU, as a class that is chosen by its noise seems to shift; at "
        f"least {MARGIN_PX} px away from every other class, "
        f"and only where {MIN_CLASS_PX} such pixels exist. Beside edges of high contrast a blur shows as bias: that "
        "is meant."
    ),
    "ideal_class_bias_hu": (
        "What a denoiser without fault would show as class_bias_hu: the truth minus the input, in its place the "
        "reference minus the input (whose own noise takes part), or the smoothed input minus the input, an estimate. "
        "It differs from 0 where a class is chosen by noise: only what goes beyond it is a method's fault."
    ),
}


@dataclass(frozen=True, slots=True)
class FlatBlocks:
    """Square blocks of flat tissue.

    Attributes:
        corners: Upper left (row, col) of each block, flattest first.
        shape: The slice's ``(rows, cols)``.
    """

    corners: tuple[tuple[int, int], ...]
    shape: tuple[int, int]

    @property
    def mask(self) -> np.ndarray:
        """True inside the blocks, bool ``[rows, cols]``."""
        mask = np.zeros(self.shape, dtype=bool)
        for row, col in self.corners:
            mask[row : row + BLOCK_PX, col : col + BLOCK_PX] = True
        return mask

    def values(self, hu: np.ndarray) -> np.ndarray:
        """Cut the blocks out of a slice, ``[blocks, BLOCK_PX²]``."""
        cut = [hu[r : r + BLOCK_PX, c : c + BLOCK_PX].ravel() for r, c in self.corners]
        return np.stack(cut) if cut else np.empty((0, BLOCK_PX**2))


def find_flat_blocks(noisy_hu: np.ndarray) -> FlatBlocks:
    """Find the flattest blocks of soft tissue, which do not overlap; there may be none.

    Args:
        noisy_hu: HU, ``[rows, cols]``, as it was measured.

    Raises:
        DataError: The slice is not 2-D or holds NaN.
    """
    hu = require_slice(noisy_hu, "input")
    rows, cols = hu.shape
    if min(rows, cols) < BLOCK_PX:
        return FlatBlocks((), (rows, cols))
    smooth_hu = ndimage.gaussian_filter(hu, FLATNESS_SIGMA_PX)
    tissue = (smooth_hu > SOFT_TISSUE_HU[0]) & (smooth_hu < SOFT_TISSUE_HU[1])
    return flattest_blocks(hu, ndimage.binary_erosion(tissue, iterations=MARGIN_PX))


def flattest_blocks(noisy_hu: np.ndarray, region: np.ndarray) -> FlatBlocks:
    """Find the flattest blocks that lie inside a region and do not overlap; there may be none.

    Args:
        noisy_hu: HU, ``[rows, cols]``, as it was measured.
        region: Bool, same shape.
    """
    rows, cols = noisy_hu.shape
    if min(rows, cols) < BLOCK_PX or not region.any():
        return FlatBlocks((), (rows, cols))
    slope = ndimage.gaussian_gradient_magnitude(noisy_hu, FLATNESS_SIGMA_PX) ** 2
    inside = _block_means(region.astype(np.float64)) > 1.0 - 0.5 / BLOCK_PX**2
    corners = _flattest_first(inside, _block_means(slope))
    return FlatBlocks(_without_overlap(corners), (rows, cols))


def flat_region_mask(noisy_hu: np.ndarray) -> np.ndarray:
    """Mark flat soft tissue, bool ``[rows, cols]``: the blocks of :func:`find_flat_blocks`."""
    return find_flat_blocks(noisy_hu).mask


def noise_std_hu(hu: np.ndarray, blocks: FlatBlocks) -> float | None:
    """Noise in the blocks, HU: median over the blocks of the deviation from a plane; None without blocks."""
    if not blocks.corners:
        return None
    variances = np.sum(detrended(hu, blocks) ** 2, axis=1) / N_FREE
    return float(np.median(np.sqrt(variances)))


def detrended(hu: np.ndarray, blocks: FlatBlocks) -> np.ndarray:
    """Cut the blocks out of a slice and subtract a plane from each, float64 ``[blocks, BLOCK_PX²]``."""
    values, plane = blocks.values(hu.astype(np.float64)), _plane_basis()
    return np.asarray(values - (values @ plane) @ plane.T)


def estimate_noise_std_hu(noisy_hu: np.ndarray) -> float:
    """Noise of a slice from nothing but itself, HU, for a denoiser that needs one number.

    Flat soft tissue where there is some. A slice with soft tissue but no flat block of it gives the robust deviation
    from its own smooth version there. Elsewhere the median response to a mask that is blind to planes, which
    understates correlated noise.

    References:
        Immerkær 1996, Comput. Vis. Image Underst. 64(2): the mask, of norm 6 for white noise.
    """
    in_tissue_hu = noise_std_hu(noisy_hu, find_flat_blocks(noisy_hu))
    if in_tissue_hu is not None:
        return in_tissue_hu
    smooth_hu = ndimage.gaussian_filter(require_slice(noisy_hu, "input"), FLATNESS_SIGMA_PX)
    tissue = (smooth_hu > SOFT_TISSUE_HU[0]) & (smooth_hu < SOFT_TISSUE_HU[1])
    tissue = ndimage.binary_erosion(tissue, iterations=THIN_MARGIN_PX)
    if np.count_nonzero(tissue) >= MIN_CLASS_PX:
        return float(1.4826 * np.median(np.abs((noisy_hu - smooth_hu)[tissue])))
    mask = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])
    response = ndimage.convolve(noisy_hu.astype(np.float64), mask, mode="reflect")
    return float(1.4826 * np.median(np.abs(response)) / 6.0)


def class_image(hu: np.ndarray, blocks: FlatBlocks | None = None) -> np.ndarray:
    """Smooth a slice before tissue is told apart in it, float64 ``[rows, cols]``.

    Args:
        hu: HU, ``[rows, cols]``: the truth, the reference, or the input.
        blocks: Flat tissue of an input: it is smoothed more until its noise there is low.

    Raises:
        DataError: The slice is not 2-D or holds NaN.
    """
    whole, sigma_px = require_slice(hu, "input"), CLASS_SIGMA_PX
    smooth_hu = ndimage.gaussian_filter(whole, sigma_px)
    while blocks is not None and sigma_px < MAX_CLASS_SIGMA_PX:
        if (noise_std_hu(smooth_hu, blocks) or 0.0) <= MAX_CLASS_NOISE_HU:
            break
        sigma_px += 1.0
        smooth_hu = ndimage.gaussian_filter(whole, sigma_px)
    return np.asarray(smooth_hu)


def tissue_class_masks(smooth_hu: np.ndarray) -> dict[str, np.ndarray]:
    """Mark the inside of each tissue class, bool ``[rows, cols]``, away from the other classes' edges.

    Args:
        smooth_hu: Of :func:`class_image`.
    """
    return {
        name: ndimage.binary_erosion((smooth_hu >= low) & (smooth_hu < high), iterations=MARGIN_PX)
        for name, (low, high) in TISSUE_CLASSES_HU.items()
    }


def mean_shift_hu(input_hu: np.ndarray, candidate_hu: np.ndarray, mask: np.ndarray, min_px: int = 1) -> float | None:
    """Mean of candidate − input over a mask, HU; None where the mask has fewer than ``min_px`` pixels."""
    if np.count_nonzero(mask) < min_px:
        return None
    return float(np.mean(candidate_hu[mask].astype(np.float64) - input_hu[mask]))


def _block_means(image: np.ndarray) -> np.ndarray:
    """Mean over every BLOCK_PX × BLOCK_PX square, by its upper left corner on the stride's grid."""
    sums = np.pad(image.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    b = BLOCK_PX
    square = sums[b:, b:] - sums[:-b, b:] - sums[b:, :-b] + sums[:-b, :-b]
    return square[::STRIDE_PX, ::STRIDE_PX] / b**2


def _flattest_first(inside: np.ndarray, slope: np.ndarray) -> list[tuple[int, int]]:
    rows, cols = np.nonzero(inside)
    order = np.argsort(slope[rows, cols], kind="stable")
    return [(int(rows[k]) * STRIDE_PX, int(cols[k]) * STRIDE_PX) for k in order]


def _without_overlap(corners: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    taken: list[tuple[int, int]] = []
    for row, col in corners:
        if all(abs(row - r) >= BLOCK_PX or abs(col - c) >= BLOCK_PX for r, c in taken):
            taken.append((row, col))
            if len(taken) == N_BLOCKS:
                break
    return tuple(taken)


def _plane_basis() -> np.ndarray:
    """Orthonormal columns that span every plane over a block, ``[BLOCK_PX², 3]``."""
    row, col = np.mgrid[:BLOCK_PX, :BLOCK_PX]
    columns = np.stack([np.ones(BLOCK_PX**2), row.ravel(), col.ravel()], axis=1)
    return np.asarray(np.linalg.qr(columns)[0])
