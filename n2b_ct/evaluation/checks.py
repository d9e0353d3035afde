"""Validation of slices before they are measured."""

from __future__ import annotations

import math

import numpy as np

from n2b_ct.errors import DataError, explain
from n2b_ct.hu import LARGEST_HU

ROUNDING_HU = 1e-6
"""Smaller variation counts as constant: it is rounding, neither noise nor structure."""
ROUNDING_SHARE = 1e-12
"""The same as a part of the values: what sums over them differ by."""


def require_slice(hu: np.ndarray, subject: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return the slice as float64 once it is 2-D, finite and as large as its partner.

    Args:
        hu: HU, ``[rows, cols]``.
        subject: What the slice is, for the message: ``"reference"``, ``"n2b, slice 12"``.
        shape: The shape it must share, if it has a partner.

    Returns:
        The same HU, float64.

    Raises:
        DataError: The slice is not 2-D, differs in size from its partner, or holds what is no HU.
    """
    if hu.ndim != 2:
        raise DataError(explain(subject, "a slice is [rows, cols]", f"{hu.ndim} axes", "pass one slice at a time"))
    if shape is not None and hu.shape != shape:
        got = f"{_size(hu.shape)} and {_size(shape)}"
        raise DataError(explain(subject, "compared slices must share one size", got, "pair slices by position"))
    require_hu(hu, subject)
    return hu.astype(np.float64)


def require_hu(hu: np.ndarray, subject: str) -> None:
    """Refuse NaN, infinity and what no scan can hold.

    Args:
        hu: HU, or differences of HU, any shape.
        subject: What they are, for the message.

    Raises:
        DataError: They hold such values.
    """
    n_bad = hu.size - int(np.count_nonzero(np.isfinite(hu)))
    if n_bad:
        remedy = "look for a diverged model or a broken file"
        raise DataError(explain(subject, "HU must be finite", f"{n_bad} NaN or infinite pixels", remedy))
    largest = max(abs(float(hu.min())), abs(float(hu.max()))) if hu.size else 0.0
    if largest > LARGEST_HU:
        remedy = "give pixels outside the scan the HU of air"
        raise DataError(explain(subject, f"HU must lie within ±{LARGEST_HU:g}", f"{largest:g}", remedy))


def require_pixel_mm(pixel_mm: tuple[float, float]) -> None:
    """Refuse pixels without a size.

    Raises:
        DataError: A side is not above 0 mm.
    """
    if not 0.0 < min(pixel_mm) <= max(pixel_mm) < math.inf:
        got = " and ".join(f"{side:g}" for side in pixel_mm)
        raise DataError(explain("pixel spacing", "must be above 0 mm", got, "read it from the series"))


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in shape)
