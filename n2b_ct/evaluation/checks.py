"""What every measure asks of a slice before it says a number."""

from __future__ import annotations

import numpy as np

from n2b_ct.errors import DataError, explain


def require_slice(hu: np.ndarray, subject: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return the slice as float64 once it is 2-D, finite and as large as its partner.

    Args:
        hu: HU, ``[rows, cols]``.
        subject: What the slice is, for the message: ``"reference"``, ``"n2b, slice 12"``.
        shape: The shape it must share, if it has a partner.

    Returns:
        The same HU, float64.

    Raises:
        DataError: The slice is not 2-D, differs in size from its partner, or holds NaN or infinity.
    """
    if hu.ndim != 2:
        raise DataError(explain(subject, "a slice is [rows, cols]", f"{hu.ndim} axes", "pass one slice at a time"))
    if shape is not None and hu.shape != shape:
        got = f"{_size(hu.shape)} and {_size(shape)}"
        raise DataError(explain(subject, "compared slices must share one size", got, "pair slices by position"))
    n_bad = hu.size - int(np.count_nonzero(np.isfinite(hu)))
    if n_bad:
        remedy = "look for a diverged model or a broken file"
        raise DataError(explain(subject, "HU must be finite", f"{n_bad} NaN or infinite pixels", remedy))
    return hu.astype(np.float64)


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in shape)
