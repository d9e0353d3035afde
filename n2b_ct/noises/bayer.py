"""A sensor's colour mosaic (Bayer, RGGB), and its interpolation to three colours at every pixel.

The first pixel is red; beyond the border the mosaic is mirrored about its outermost pixels, which keeps its colours in
turn. Interpolation spreads a pixel's noise over its neighbours: after it, noise is no longer independent.

References:
    Malvar, He, Cutler 2004, High-quality linear interpolation for demosaicing of Bayer-patterned color images, ICASSP.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import ndimage

Demosaicing = Literal["malvar", "bilinear"]

_RED, _GREEN, _BLUE = range(3)
_EVEN, _ODD = slice(0, None, 2), slice(1, None, 2)

_GREEN_AT_OTHERS = (
    np.array([[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]]) / 8
)
_FROM_ROW_AT_GREEN = (
    np.array([[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]]) / 8
)
"""Red or blue at a green pixel whose neighbours of that colour lie in its row."""
_RED_AT_BLUE = (
    np.array([[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]]) / 8
)
"""And blue at red."""
_BILINEAR_GREEN = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
_BILINEAR_OTHERS = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4


def bayer_mosaic(image: np.ndarray) -> np.ndarray:
    """Keep the one colour of every pixel that a sensor sees there.

    Args:
        image: ``[rows, cols, 3]``.

    Returns:
        ``[rows, cols]``.
    """
    mosaic = image[..., _GREEN].copy()
    mosaic[_EVEN, _EVEN] = image[_EVEN, _EVEN, _RED]
    mosaic[_ODD, _ODD] = image[_ODD, _ODD, _BLUE]
    return mosaic


def demosaiced(mosaic: np.ndarray, how: Demosaicing = "malvar") -> np.ndarray:
    """Interpolate the two colours that every pixel lacks; linear in the mosaic.

    Args:
        mosaic: ``[rows, cols]``, white-balanced where ``malvar`` is to follow edges that are gray.
        how: ``malvar`` corrects each colour by the others' curvature (5×5 pixels); ``bilinear`` does not (3×3).

    Returns:
        ``[rows, cols, 3]``.
    """
    return _malvar(mosaic) if how == "malvar" else _bilinear(mosaic)


def _malvar(mosaic: np.ndarray) -> np.ndarray:
    green_at_others = _filtered(mosaic, _GREEN_AT_OTHERS)
    from_row, from_col = (_filtered(mosaic, kernel) for kernel in (_FROM_ROW_AT_GREEN, _FROM_ROW_AT_GREEN.T))
    other_at_other = _filtered(mosaic, _RED_AT_BLUE)
    image = np.stack([mosaic] * 3, axis=-1)
    for rows, cols, own, other in ((_EVEN, _EVEN, _RED, _BLUE), (_ODD, _ODD, _BLUE, _RED)):
        image[rows, cols, _GREEN] = green_at_others[rows, cols]
        image[rows, cols, other] = other_at_other[rows, cols]
        beside, below = _ODD if cols is _EVEN else _EVEN, _ODD if rows is _EVEN else _EVEN
        image[rows, beside, own] = from_row[rows, beside]
        image[below, cols, own] = from_col[below, cols]
    return image


def _bilinear(mosaic: np.ndarray) -> np.ndarray:
    places = bayer_mosaic(np.broadcast_to(np.arange(3), (*mosaic.shape, 3)))
    kernels = {_RED: _BILINEAR_OTHERS, _GREEN: _BILINEAR_GREEN, _BLUE: _BILINEAR_OTHERS}
    planes = [_filtered(np.where(places == colour, mosaic, 0), kernel) for colour, kernel in kernels.items()]
    return np.stack(planes, axis=-1)


def _filtered(mosaic: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    filtered: np.ndarray = ndimage.correlate(mosaic, kernel.astype(mosaic.dtype), mode="mirror")
    return filtered
