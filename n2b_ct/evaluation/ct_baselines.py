"""Baselines on HU slices: references for every trained model.

Their parameters are in :mod:`n2b_ct.filters.baselines`. The noise level that all but the Gaussian need is estimated
from the slice itself, never from a reference.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from n2b_ct.errors import ConfigError, explain
from n2b_ct.evaluation.checks import require_slice
from n2b_ct.evaluation.flat_regions import estimate_noise_std_hu
from n2b_ct.filters.baselines import Baseline, installed_baseline
from n2b_ct.registry import BASELINES


def denoise_slice(baseline: Baseline, hu: np.ndarray, sigma_hu: float | None = None) -> np.ndarray:
    """Denoise a slice by a baseline; nothing is clipped, so that no HU is lost.

    Args:
        baseline: With its parameters for CT.
        hu: HU, ``[rows, cols]``.
        sigma_hu: Noise standard deviation; estimated from the slice where None.

    Returns:
        HU, float32 of the same shape.

    Raises:
        ConfigError: Its package is not installed.
        DataError: The slice is not 2-D, holds NaN, or is too small for the baseline.
    """
    image_hu, white_hu = require_slice(hu, "input"), baseline.ct_white_hu
    sigma = baseline.ct_sigma
    if sigma is None:
        sigma = (estimate_noise_std_hu(image_hu) if sigma_hu is None else sigma_hu) / white_hu
    if sigma <= 0.0:
        return image_hu.astype(np.float32)
    return white_hu * baseline.applied(image_hu / white_hu, sigma, **baseline.ct_parameters)


def chosen_baselines(names: Sequence[str], others: Collection[str]) -> dict[str, Baseline]:
    """Look baselines up by name.

    Args:
        names: Of the baselines.
        others: Names that are taken.

    Raises:
        ConfigError: A name is unknown, or taken, or its package is not installed.
    """
    known = BASELINES.names()
    if unknown := [name for name in names if name not in known]:
        raise ConfigError([explain("baselines", *BASELINES.unknown(name)) for name in unknown])
    if doubled := set(names) & set(others):
        raise ConfigError(
            explain("a method", "must not bear a baseline's name", ", ".join(sorted(doubled)), "name it otherwise")
        )
    return {name: installed_baseline(name) for name in names}
