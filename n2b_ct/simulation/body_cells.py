"""Where a slice shows the body, in squares: where patches and noise are worth taking."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_fill_holes, binary_opening, uniform_filter

CELL_PX = 16
"""Side of the squares."""

_BODY_ABOVE_HU = -300.0
_SMOOTHING_PX = 3
_TABLE_PX = 4
_LEAST_SHARE = 0.2


def body_cells(hu: np.ndarray) -> np.ndarray:
    """Mark the squares that the body has a share in; lungs belong to it, the table does not.

    Args:
        hu: ``[rows, cols]``, noisy or not.

    Returns:
        bool ``[rows // CELL_PX, cols // CELL_PX]``.
    """
    solid = uniform_filter(hu.astype(np.float32), _SMOOTHING_PX) > _BODY_ABOVE_HU
    body = binary_fill_holes(binary_opening(solid, iterations=_TABLE_PX))
    rows, cols = (side // CELL_PX for side in hu.shape)
    squares = body[: rows * CELL_PX, : cols * CELL_PX].reshape(rows, CELL_PX, cols, CELL_PX)
    return np.asarray(squares.mean(axis=(1, 3)) > _LEAST_SHARE)
