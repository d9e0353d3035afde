"""Square regions for noise texture: tiles of a mask, and flat tissue that is found in the noisy slice itself.

A noise power spectrum resolves 1 / (region width), so regions should be large; flat tissue seldom is. The largest
size of which a slice holds enough regions is taken, and never one that is not flat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.checks import require_slice
from n2b_ct.evaluation.flat_regions import (
    BLOCK_PX,
    FLATNESS_SIGMA_PX,
    MARGIN_PX,
    SOFT_TISSUE_HU,
    find_flat_blocks,
)

ROI_SIZES_PX = (64, 48, 32, 24)
MIN_ROIS = 4
MAX_ROIS = 16
FLATNESS_QUANTILE = 0.1
FLATNESS_FACTOR = 1.6
"""How much steeper a region may be than the flattest tenth of the small blocks.

Stationary CT noise alone makes the average region 1.8 times as steep as they are: about a third of the truly flat
regions is taken, while a vessel or an organ's rim is not.
"""

DEFINITIONS: dict[str, str] = {
    "flat_rois": (
        f"Up to {MAX_ROIS} squares of soft tissue ({SOFT_TISSUE_HU[0]:g} to {SOFT_TISSUE_HU[1]:g} HU) that do not "
        f"overlap, found in the input slice and used for every method: squares of {', '.join(map(str, ROI_SIZES_PX))} "
        f"px are tried in this order, and the first size with at least {MIN_ROIS} squares is taken. A square is flat "
        f"when the squared gradient of a Gaussian of σ {FLATNESS_SIGMA_PX:g} px, averaged over it, is at most "
        f"{FLATNESS_FACTOR:g} times what the flattest {100 * FLATNESS_QUANTILE:g} % of the soft tissue's blocks of "
        f"{BLOCK_PX} px stay below. Without {MIN_ROIS} such squares the flattest blocks of {BLOCK_PX} px are used; "
        "without any block there is no texture. Anatomy too faint to be seen in the noise stays: on real quarter-dose "
        "slices the mean frequency of the noise comes out 0 to 10 % low, on full-dose ones more."
    ),
}


@dataclass(frozen=True, slots=True)
class Rois:
    """Squares of one size.

    Attributes:
        corners: Upper left (row, col) of each square.
        size_px: Rows and columns of a square.
        shape: The slice's ``(rows, cols)``.
    """

    corners: tuple[tuple[int, int], ...]
    size_px: int
    shape: tuple[int, int]

    def cut(self, hu: np.ndarray) -> np.ndarray:
        """Cut the squares out of a slice, float64 ``[rois, size_px, size_px]``.

        Raises:
            DataError: The slice holds NaN or is not as large as the one the squares were found in.
        """
        image = require_slice(hu, "slice", self.shape)
        size = self.size_px
        cut = [image[r : r + size, c : c + size] for r, c in self.corners]
        return np.stack(cut) if cut else np.empty((0, size, size))


def tile_rois(mask: np.ndarray, size_px: int, stride_px: int | None = None) -> Rois:
    """Cover a mask with squares that lie wholly inside it.

    For difference images, from which the anatomy is gone: there any place inside the patient will do.

    Args:
        mask: Bool ``[rows, cols]``.
        size_px: Rows and columns of a square.
        stride_px: Distance of neighbours; ``size_px`` where None, so that squares do not overlap.

    Raises:
        DataError: The size or the stride is below 1.
    """
    stride = size_px if stride_px is None else stride_px
    if min(size_px, stride) < 1:
        raise DataError(explain("regions", "size and stride must be at least 1 px", min(size_px, stride), "raise it"))
    rows, cols = mask.shape
    corners = [
        (row, col)
        for row in range(0, rows - size_px + 1, stride)
        for col in range(0, cols - size_px + 1, stride)
        if mask[row : row + size_px, col : col + size_px].all()
    ]
    return Rois(tuple(corners), size_px, (rows, cols))


def find_flat_rois(noisy_hu: np.ndarray, sizes_px: Sequence[int] = ROI_SIZES_PX) -> Rois:
    """Find large flat squares of soft tissue; see ``DEFINITIONS["flat_rois"]``.

    Args:
        noisy_hu: HU, ``[rows, cols]``, as it was measured.
        sizes_px: Sizes to try, the best first.

    Returns:
        Squares of one size, flattest first; blocks of 16 px where no larger size has enough, and none at all in a
        slice without flat soft tissue.

    Raises:
        DataError: The slice is not 2-D or holds NaN.
    """
    hu = require_slice(noisy_hu, "input")
    rows, cols = hu.shape
    blocks = find_flat_blocks(hu)
    fallback = Rois(blocks.corners, BLOCK_PX, (rows, cols))
    if not blocks.corners:
        return fallback
    slope = ndimage.gaussian_gradient_magnitude(hu, FLATNESS_SIGMA_PX) ** 2
    tissue = _soft_tissue(hu)
    limit = FLATNESS_FACTOR * _noise_slope(slope, tissue)
    for size in sizes_px:
        corners = _flat_corners(slope, tissue, size, limit)
        if len(corners) >= MIN_ROIS:
            return Rois(corners, size, (rows, cols))
    return fallback


def flat_squares(noisy_hu: np.ndarray, size_px: int, flatness: float = FLATNESS_FACTOR) -> tuple[tuple[int, int], ...]:
    """Upper left corners of the squares of one size that are flat soft tissue, by row, without overlap.

    Not the flattest first: among squares of nothing but noise that would choose those with the least noise, and
    whatever is then measured in them would look too good.

    Args:
        noisy_hu: HU, ``[rows, cols]``, as it was measured.
        size_px: Rows and columns of a square.
        flatness: How much steeper than the flattest tenth of the small blocks a square may be.

    Raises:
        DataError: The slice is not 2-D or holds NaN.
    """
    hu = require_slice(noisy_hu, "input")
    slope = ndimage.gaussian_gradient_magnitude(hu, FLATNESS_SIGMA_PX) ** 2
    tissue = _soft_tissue(hu)
    stride = size_px // 4
    if min(slope.shape) < size_px or stride == 0:
        return ()
    allowed = _square_means(slope, size_px, stride) <= flatness * _noise_slope(slope, tissue)
    rows, cols = np.nonzero(_inside(tissue, size_px, stride) & allowed)
    return _without_overlap(rows * stride, cols * stride, size_px)


def _soft_tissue(hu: np.ndarray) -> np.ndarray:
    smooth_hu = ndimage.gaussian_filter(hu, FLATNESS_SIGMA_PX)
    tissue = (smooth_hu > SOFT_TISSUE_HU[0]) & (smooth_hu < SOFT_TISSUE_HU[1])
    return np.asarray(ndimage.binary_erosion(tissue, iterations=MARGIN_PX))


def _noise_slope(slope: np.ndarray, tissue: np.ndarray) -> float:
    """Squared slope that noise alone has: a low quantile over the small blocks of soft tissue."""
    stride = BLOCK_PX // 4
    blocks = _square_means(slope, BLOCK_PX, stride)[_inside(tissue, BLOCK_PX, stride)]
    return float(np.quantile(blocks, FLATNESS_QUANTILE)) if blocks.size else 0.0


def _flat_corners(slope: np.ndarray, tissue: np.ndarray, size_px: int, limit: float) -> tuple[tuple[int, int], ...]:
    """Squares inside the tissue whose mean slope is low, flattest first and without overlap."""
    if min(slope.shape) < size_px:
        return ()
    stride = size_px // 4
    inside, steepness = _inside(tissue, size_px, stride), _square_means(slope, size_px, stride)
    rows, cols = np.nonzero(inside & (steepness <= limit))
    order = np.argsort(steepness[rows, cols], kind="stable")
    return _without_overlap(rows[order] * stride, cols[order] * stride, size_px)[:MAX_ROIS]


def _without_overlap(rows: np.ndarray, cols: np.ndarray, size_px: int) -> tuple[tuple[int, int], ...]:
    """Take squares in the given order, but none that overlaps one taken before."""
    taken: list[tuple[int, int]] = []
    for row, col in zip(rows, cols, strict=True):
        if all(abs(row - r) >= size_px or abs(col - c) >= size_px for r, c in taken):
            taken.append((int(row), int(col)))
    return tuple(taken)


def _inside(tissue: np.ndarray, size_px: int, stride_px: int) -> np.ndarray:
    return _square_means(tissue.astype(np.float64), size_px, stride_px) > 1.0 - 0.5 / size_px**2


def _square_means(image: np.ndarray, size_px: int, stride_px: int) -> np.ndarray:
    """Mean over every square, by its upper left corner on the stride's grid."""
    half, rows, cols = size_px // 2, *image.shape
    means = ndimage.uniform_filter(image, size_px)
    return np.asarray(means[half : rows - size_px + half + 1 : stride_px, half : cols - size_px + half + 1 : stride_px])
