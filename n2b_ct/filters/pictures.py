"""What every denoiser of pictures asks of its input, and what the input itself says about its noise.

Pictures are ``[rows, cols]`` or ``[rows, cols, 3]``; black is 0 and white is 1, and noise may reach beyond.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from skimage.restoration import estimate_sigma

from n2b_ct.errors import DataError, explain

_N_COLOURS = 3
_LEAST_PX = 8
"""The estimate's wavelet is four pixels long and needs a few places to stand on."""


def require_picture(picture: np.ndarray, sigma: float) -> None:
    """Refuse what is no picture, or no noise level.

    Args:
        picture: To be ``[rows, cols]`` or ``[rows, cols, 3]``, finite.
        sigma: To be 0 or more, in the picture's units.

    Raises:
        DataError: It is not.
    """
    size = "x".join(map(str, picture.shape))
    if picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] != _N_COLOURS) or picture.size == 0:
        raise DataError(explain("picture", "must be rows x cols or rows x cols x 3", size, "convert it to gray or RGB"))
    if not np.isfinite(picture).all():
        raise DataError(explain("picture", "must hold finite values", "some that are not", "repair it"))
    if not 0.0 <= sigma < math.inf:
        raise DataError(explain("sigma", "must be 0 or more", sigma, "set it in the picture's units: 25 is 25/255"))


def by_channel(denoise: Callable[[np.ndarray], np.ndarray], picture: np.ndarray) -> np.ndarray:
    """Denoise a gray picture as it is, and a colour picture channel by channel."""
    if picture.ndim == 2:
        return denoise(picture)
    return np.stack([denoise(picture[..., channel]) for channel in range(picture.shape[2])], axis=-1)


def estimated_sigma(picture: np.ndarray) -> float:
    """Estimate σ of white Gaussian noise from the picture alone: 1.4826 times the median of its finest details.

    Fine texture counts as noise, so the estimate of a picture with little noise is too high; correlated noise has
    little in the finest details, so its estimate is too low. Colour: the mean over the channels.

    Args:
        picture: ``[rows, cols]`` or ``[rows, cols, 3]``, at least 8 pixels high and wide.

    Returns:
        σ in the picture's units.

    Raises:
        DataError: It is no picture, or too small.

    References:
        Donoho and Johnstone 1994, Biometrika 81(3); the wavelet is Daubechies' with two vanishing moments.
    """
    require_picture(picture, 0.0)
    if min(picture.shape[:2]) < _LEAST_PX:
        size = "x".join(map(str, picture.shape[:2]))
        requirement = f"must be at least {_LEAST_PX} x {_LEAST_PX} pixels to show its noise"
        raise DataError(explain("picture", requirement, size, "set sigma"))
    channel_axis = -1 if picture.ndim == 3 else None
    return float(estimate_sigma(picture.astype(np.float64), average_sigmas=True, channel_axis=channel_axis))
