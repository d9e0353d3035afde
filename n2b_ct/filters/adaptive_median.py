"""The adaptive median filter: removes salt and pepper, and leaves most other pixels exactly as they are.

Of a window around a pixel z, with its least, median and greatest value:

- Level A: where the median is an extreme of the window, the window grows by 2 px and the test is repeated. Of the
  largest window the median is taken as it is.
- Level B: a pixel that is no extreme of its window stays; any other becomes the median.

References:
    Hwang and Haddad 1995, IEEE Trans. Image Process. 4(4), 499-502: the ranked-order based adaptive median filter.
    Gonzalez and Woods 2008, Digital Image Processing, 3rd edition, section 5.3.3: the two levels as they are here.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from n2b_ct.errors import DataError, explain

LARGEST_WINDOW_PX = 7
"""Gonzalez and Woods' own, for a quarter of the pixels salt and a quarter pepper. At p = 0.3, a median of 5 × 5 is an
impulse one time in 100,000; wider windows are left to places that are flat or denser."""

_SMALLEST_WINDOW_PX = 3
_RANKED = (ndimage.minimum_filter, ndimage.median_filter, ndimage.maximum_filter)


def adaptive_median(image: np.ndarray, largest_window_px: int = LARGEST_WINDOW_PX) -> np.ndarray:
    """Remove impulses from a gray image by the adaptive median filter.

    Args:
        image: ``[rows, cols]``, finite, on any scale. Values are compared exactly; beyond the border it is mirrored.
        largest_window_px: Where windows stop to grow; odd, 3 or more.

    Returns:
        The same shape and type.

    Raises:
        DataError: ``largest_window_px`` is even or below 3.
    """
    if largest_window_px < _SMALLEST_WINDOW_PX or largest_window_px % 2 == 0:
        requirement = f"must be odd and at least {_SMALLEST_WINDOW_PX}"
        raise DataError(explain("largest_window_px", requirement, largest_window_px, "choose 7"))
    filtered = image.copy()
    is_open = np.ones(image.shape, dtype=bool)
    for size_px in range(_SMALLEST_WINDOW_PX, largest_window_px + 1, 2):
        least, median, greatest = (ranked(image, size_px, mode="reflect") for ranked in _RANKED)
        is_decided = is_open & (least < median) & (median < greatest)
        is_impulse = is_decided & ~((least < image) & (image < greatest))
        filtered[is_impulse] = median[is_impulse]
        is_open &= ~is_decided
        if not is_open.any():
            return filtered
    filtered[is_open] = median[is_open]
    return filtered
