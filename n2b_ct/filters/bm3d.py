"""BM3D, by its authors' own package: an optional extra, because that package is for non-commercial use only.

The package ``bm3d`` (4.0.3) of Tampere University is binary and calls itself free for non-commercial use: it may be
used and changed "for informational and having non-commercial scope only", with its copyright notices, and results
that are made public must refer to its authors. n2b-ct is Apache-2.0 and does not contain it; users install
``n2b-ct[bm3d]`` and accept that licence. Nothing is imported before it is used.

References:
    Mäkinen, Azzari, Foi 2020, IEEE Trans. Image Process. 29, 8339-8354: what the package computes.
    Dabov, Foi, Katkovnik, Egiazarian 2007, IEEE Trans. Image Process. 16, 2080-2095: BM3D.
    Dabov, Foi, Katkovnik, Egiazarian 2007, ICIP: colour images, matched in luminance.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from n2b_ct.errors import ConfigError, explain
from n2b_ct.filters.blur import LabelFilter
from n2b_ct.filters.image_input import LEAST_SIGMA, estimated_sigma, require_image
from n2b_ct.registry import LABEL_FILTERS

NAME = "bm3d"
LICENCE_NOTICE = (
    "bm3d: the package bm3d of Tampere University is for non-commercial use only, and results made public must cite "
    "its authors (Mäkinen et al. 2020, Dabov et al. 2007)"
)
"""Licence notice that a command prints once when it has used BM3D."""

_LEAST_PX = 32
"""The package refuses images below its block of 8 pixels, and images of just 8 x 8 can crash it."""
_OPPONENT = np.array([[1 / 3, 1 / 3, 1 / 3], [1 / 2, 0, -1 / 2], [1 / 4, -1 / 2, 1 / 4]])
"""RGB to luminance and two opponent colours, as the authors do; here no channel is stretched, so that a colour
image whose channels are equal, whose opponent colours are constant, can be denoised too."""


def require_bm3d() -> ModuleType:
    """Return the package.

    Raises:
        ConfigError: It is not installed; says why it is optional, and how to get it.
    """
    try:
        return importlib.import_module(NAME)
    except ImportError as error:
        raise ConfigError(
            explain(
                NAME,
                "needs the package bm3d, which is optional, for its licence allows non-commercial use only",
                "no such package",
                "pip install 'n2b-ct[bm3d]' if your use is non-commercial, or choose nlm or wnnm",
            )
        ) from error


def bm3d(image: np.ndarray, sigma: float) -> np.ndarray:
    """Denoise an image with white Gaussian noise of known strength, on one thread, so that results are reproducible.

    Args:
        image: ``[rows, cols]`` or ``[rows, cols, 3]``, finite; white is about 1, as similar blocks are found by
            thresholds that were set for that scale. Smaller ones than 32 pixels are mirrored outwards.
        sigma: Standard deviation of its noise, in the same units; 0 returns the image.

    Returns:
        Float32, same shape, not clipped.

    Raises:
        ConfigError: The package is not installed.
        DataError: It is no image, or no noise level.
    """
    package = require_bm3d()
    require_image(image, sigma)
    if sigma < LEAST_SIGMA:
        return image.astype(np.float32)
    profile = package.BM3DProfile()
    profile.num_threads = 1
    rows, cols = image.shape[:2]
    padded = _padded(image.astype(np.float64))
    if image.ndim == 2:
        denoised = package.bm3d(padded, sigma, profile)
    else:
        sigmas = sigma * np.linalg.norm(_OPPONENT, axis=1)
        denoised = package.bm3d(padded @ _OPPONENT.T, sigmas, profile) @ np.linalg.inv(_OPPONENT).T
    return np.asarray(denoised[:rows, :cols], np.float32)


def bm3d_blur(image: np.ndarray, sigma: float | None = None) -> np.ndarray:
    """Make a label by BM3D: free of noise, and sharper than any other filter's (Lin et al. 2019, Table 3).

    Args:
        image: ``[..., rows, cols]``; each slice, and each channel, by itself.
        sigma: Standard deviation of the noise, in the units of ``image``; None: estimated from each slice, for noise
            whose level differs from image to image.

    Returns:
        Same shape; floating point keeps its type, integers become float32.

    Raises:
        ConfigError: The package is not installed, or ``sigma`` is not above 0.
        DataError: A slice is not finite, or too small for its noise to be estimated.
    """
    if sigma is not None and not sigma > 0:
        raise ConfigError(explain("sigma", "must be above 0", sigma, "raise it"))
    slices = image.reshape(-1, *image.shape[-2:])
    blurred = np.stack([bm3d(one, estimated_sigma(one) if sigma is None else sigma) for one in slices])
    return blurred.reshape(image.shape).astype(image.dtype if np.issubdtype(image.dtype, np.floating) else np.float32)


@LABEL_FILTERS.register(NAME)
class Bm3dBlur(LabelFilter):
    """BM3D, the sharpest label of the paper's Table 3; needs ``n2b-ct[bm3d]``, for non-commercial use only."""

    licence_notice: ClassVar[str] = LICENCE_NOTICE

    filter: Literal["bm3d"] = "bm3d"
    sigma: float | None = Field(None, gt=0)
    """Standard deviation of the noise in network units (25 grey levels are 25/255 = 0.098); null: estimated from each
    image, for noise whose level differs and which neighbours do not share."""

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Return BM3D's denoised image; as :meth:`LabelFilter.apply`."""
        return bm3d_blur(image, self.sigma)

    def require_installed(self) -> None:
        """Check that the package is installed; see :func:`require_bm3d`."""
        require_bm3d()


def _padded(image: np.ndarray) -> np.ndarray:
    missing = [(0, max(_LEAST_PX - length, 0)) for length in image.shape[:2]]
    return np.pad(image, [*missing, *[(0, 0)] * (image.ndim - 2)], mode="symmetric")
