"""Validation of the input of image denoisers, and estimation of its noise.

Images are ``[rows, cols]`` or ``[rows, cols, 3]``; black is 0 and white is 1, and noise may reach beyond.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pywt
from skimage.restoration import estimate_sigma

from n2b_ct.errors import DataError, explain

LARGEST_VALUE = 1e9
"""Whites; squares and sums of more would leave single precision."""
LARGEST_SIGMA = 1e3
"""Whites; filters that widen with σ would never end."""
LEAST_SIGMA = 1e-12
"""Whites; less is rounding, and is treated as no noise."""

_N_COLOURS = 3
_WAVELET = "db2"
_LEAST_PX = 8
"""The estimate's wavelet is four pixels long and needs several positions."""


def require_image(image: np.ndarray, sigma: float) -> None:
    """Refuse what is no image, or no noise level.

    Args:
        image: To be ``[rows, cols]`` or ``[rows, cols, 3]``, finite and on a scale where white is about 1.
        sigma: To be 0 or more and not absurd, in the image's units.

    Raises:
        DataError: It is not.
    """
    size = "x".join(map(str, image.shape))
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != _N_COLOURS) or image.size == 0:
        raise DataError(explain("image", "must be rows x cols or rows x cols x 3", size, "convert it to gray or RGB"))
    if not np.isfinite(image).all():
        raise DataError(explain("image", "must hold finite values", "some that are not", "repair it"))
    largest = max(abs(float(image.min())), abs(float(image.max())))
    if largest > LARGEST_VALUE:
        raise DataError(explain("image", f"must lie within ±{LARGEST_VALUE:g}", f"{largest:g}", "scale it to [0, 1]"))
    if not 0.0 <= sigma <= LARGEST_SIGMA:
        requirement, remedy = f"must be 0 to {LARGEST_SIGMA:g}", "set it in the image's units: 25 is 25/255"
        raise DataError(explain("sigma", requirement, f"{sigma:g}", remedy))


def by_channel(denoise: Callable[[np.ndarray], np.ndarray], image: np.ndarray) -> np.ndarray:
    """Denoise a gray image as it is, and a colour image channel by channel."""
    if image.ndim == 2:
        return denoise(image)
    return np.stack([denoise(image[..., channel]) for channel in range(image.shape[2])], axis=-1)


def estimated_sigma(image: np.ndarray) -> float:
    """Estimate σ of white Gaussian noise from the image alone: 1.4826 times the median of its finest details.

    Fine texture counts as noise, so the estimate of an image with little noise is too high; correlated noise has
    little in the finest details, so its estimate is too low. Colour: the mean over the channels.

    Args:
        image: ``[rows, cols]`` or ``[rows, cols, 3]``, at least 8 pixels high and wide.

    Returns:
        σ in the image's units; 0 for a channel without any detail.

    Raises:
        DataError: It is no image, or too small.

    References:
        Donoho and Johnstone 1994, Biometrika 81(3); the wavelet is Daubechies' with two vanishing moments.
    """
    require_image(image, 0.0)
    if min(image.shape[:2]) < _LEAST_PX:
        size = "x".join(map(str, image.shape[:2]))
        requirement = f"must be at least {_LEAST_PX} x {_LEAST_PX} pixels to show its noise"
        raise DataError(explain("image", requirement, size, "set sigma"))
    channels = [image] if image.ndim == 2 else list(np.moveaxis(image, -1, 0))
    return float(np.mean([_sigma_of(channel.astype(np.float64)) for channel in channels]))


def _sigma_of(channel: np.ndarray) -> float:
    """The estimate; of details that are exactly 0 it would be the median of nothing."""
    has_detail = bool(np.any(pywt.dwtn(channel, _WAVELET)["dd"]))
    return float(estimate_sigma(channel)) if has_detail else 0.0
