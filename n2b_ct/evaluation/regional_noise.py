"""Noise by place: at the centre, at the rim, in lung, and in soft tissue near bone.

Noise of a scan is strongest where rays are most attenuated, so one number from the flattest blocks, which lie where it
is quiet, says little about the rest.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from n2b_ct.evaluation.checks import require_slice
from n2b_ct.evaluation.flat_regions import (
    FLATNESS_SIGMA_PX,
    MARGIN_PX,
    SOFT_TISSUE_HU,
    TISSUE_CLASSES_HU,
    FlatBlocks,
    flattest_blocks,
)

BODY_ABOVE_HU = -300.0
CENTRE_FROM, RIM_TO = 0.6, 0.35
NEAR_BONE_PX = 24
PLACES = {"centre": "centre", "rim": "rim", "lung": "lung", "near_bone": "near bone"}
"""Name of a place to how people write it."""

DEFINITIONS: dict[str, str] = {
    "noise_by_place": (
        "As noise_std_hu, in the flattest blocks of a place: soft tissue at least "
        f"{CENTRE_FROM:g} (centre) or at most {RIM_TO:g} (rim) of the greatest depth below the skin, soft tissue whose "
        f"block lies within {NEAR_BONE_PX} px of bone, and lung, where vessels count as noise, for every method alike."
    ),
}


def place_blocks(noisy_hu: np.ndarray) -> dict[str, FlatBlocks]:
    """Find the flattest blocks of every place; there may be none.

    Args:
        noisy_hu: HU, ``[rows, cols]``, as it was measured.

    Raises:
        DataError: The slice is not 2-D or holds NaN.
    """
    hu = require_slice(noisy_hu, "input")
    smooth_hu = ndimage.gaussian_filter(hu, FLATNESS_SIGMA_PX)
    depth = _depth(smooth_hu)
    from_bone = ndimage.distance_transform_edt(smooth_hu < TISSUE_CLASSES_HU["bone"][0])
    soft = _inside(smooth_hu, SOFT_TISSUE_HU)
    regions = {
        "centre": soft & (depth >= CENTRE_FROM),
        "rim": soft & (depth <= RIM_TO),
        "lung": _inside(smooth_hu, TISSUE_CLASSES_HU["lung"]) & (depth > 0.0),
        "near_bone": soft & (from_bone <= NEAR_BONE_PX) if (from_bone == 0.0).any() else np.zeros_like(soft),
    }
    return {name: flattest_blocks(hu, region) for name, region in regions.items()}


def _inside(smooth_hu: np.ndarray, limits_hu: tuple[float, float]) -> np.ndarray:
    inside = (smooth_hu > limits_hu[0]) & (smooth_hu < limits_hu[1])
    return np.asarray(ndimage.binary_erosion(inside, iterations=MARGIN_PX))


def _depth(smooth_hu: np.ndarray) -> np.ndarray:
    """Distance from the skin as a share of the greatest, ``[rows, cols]``; 0 outside the body."""
    body = ndimage.binary_fill_holes(smooth_hu > BODY_ABOVE_HU)
    parts, n_parts = ndimage.label(body)
    if n_parts == 0:
        return np.zeros(smooth_hu.shape)
    largest = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    away = ndimage.distance_transform_edt(np.pad(largest, 1))[1:-1, 1:-1]
    return np.asarray(away / away.max())
