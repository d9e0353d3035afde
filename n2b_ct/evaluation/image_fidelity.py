"""How close a denoised image is to its truth: the PSNR and SSIM of slices, in the window from black to white.

An image on [0, 1] is measured as a slice in the window [0, 1], so that its PSNR and SSIM are those of
:mod:`n2b_ct.evaluation.fidelity`; colour images add up their channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.fidelity import rmse_hu, ssim
from n2b_ct.hu import Window

BLACK_TO_WHITE = Window(0.0, 1.0)

DEFINITIONS: dict[str, str] = {
    "psnr_db": (
        "20 · log10(1 / RMSE), dB, per image, then the mean over images. Black is 0 and white is 1 (255 or 65535 "
        "of the file); the denoised image is clipped to [0, 1] first and not rounded. RGB: the mean squared error "
        "is taken over all three channels. An image identical to its truth has no PSNR: it is left out and counted."
    ),
    "ssim": (
        "Structural similarity (Wang et al. 2004) of images on [0, 1], data range 1: Gaussian weights 11 × 11, "
        "σ 1.5 px, K1 0.01, K2 0.03, population covariance, without the 5 px border. RGB: the mean of the three "
        "channels."
    ),
}


@dataclass(frozen=True, slots=True)
class ImageFidelity:
    """One image against its truth; ``psnr_db`` is None where the two are identical."""

    psnr_db: float | None
    ssim: float


def measure_image(truth: np.ndarray, denoised: np.ndarray) -> ImageFidelity:
    """Measure PSNR and SSIM of one image; see :data:`DEFINITIONS`.

    Args:
        truth: ``[rows, cols]`` or ``[rows, cols, channels]`` on [0, 1].
        denoised: The same shape; it may reach beyond [0, 1].

    Raises:
        DataError: The images differ in shape, hold NaN or are smaller than the 11 px Gaussian.
    """
    if truth.shape != denoised.shape:
        shapes = " and ".join("x".join(map(str, one.shape)) for one in (truth, denoised))
        raise DataError(explain("image", "must be as large as its truth", shapes, "pair images by name"))
    pairs = list(zip(_channels(truth), _channels(denoised), strict=True))
    squared_error = float(np.mean([rmse_hu(one, other, BLACK_TO_WHITE) ** 2 for one, other in pairs]))
    similarity = float(np.mean([ssim(one, other, BLACK_TO_WHITE) for one, other in pairs]))
    return ImageFidelity(-10.0 * math.log10(squared_error) if squared_error > 0.0 else None, similarity)


def _channels(image: np.ndarray) -> list[np.ndarray]:
    return [image] if image.ndim == 2 else list(np.moveaxis(image, -1, 0))
