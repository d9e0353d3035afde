"""How close a slice is to its reference: RMSE, PSNR and SSIM inside an HU window.

Both slices are clipped to the window first, and the data range is the window's width, so a number means
nothing without its window: the same noise scores 26 dB at a range of 400 HU and 46 dB at 4095 HU.
Reports print :data:`DEFINITIONS`.

References:
    Wang et al. 2004, IEEE Trans. Image Process. 13(4): SSIM with an 11 × 11 Gaussian of σ 1.5, K1 = 0.01, K2 = 0.03.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from skimage.metrics import structural_similarity

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.checks import require_slice
from n2b_ct.hu import Window

SSIM_SIZE_PX = 11
SSIM_SIGMA_PX = 1.5

DEFINITIONS: dict[str, str] = {
    "rmse_hu": "Root of the mean squared difference, HU, after both slices are clipped to the window.",
    "psnr_db": (
        "20 · log10(window width / RMSE), dB, per slice. A slice identical to its reference has no PSNR: "
        "it is left out of the mean and counted."
    ),
    "ssim": (
        "Structural similarity per slice after scaling the window to [0, 1] (data range 1): Gaussian weights "
        "11 × 11, σ 1.5 px, K1 0.01, K2 0.03, population covariance; the mean leaves out the 5 px border where the "
        "Gaussian would reach outside. Equal to scikit-image structural_similarity(gaussian_weights=True, "
        "sigma=1.5, use_sample_covariance=False) and to MONAI SSIMMetric(data_range=1, win_size=11, "
        "kernel_sigma=1.5)."
    ),
}


@dataclass(frozen=True, slots=True)
class Fidelity:
    """One slice against its reference in one window; ``psnr_db`` is None where the two are identical."""

    psnr_db: float | None
    ssim: float
    rmse_hu: float


def measure_fidelity(reference_hu: np.ndarray, candidate_hu: np.ndarray, window: Window) -> Fidelity:
    """Measure PSNR, SSIM and RMSE of one slice; see :data:`DEFINITIONS`."""
    error_hu = rmse_hu(reference_hu, candidate_hu, window)
    return Fidelity(_psnr_db(error_hu, window), ssim(reference_hu, candidate_hu, window), error_hu)


def rmse_hu(reference_hu: np.ndarray, candidate_hu: np.ndarray, window: Window) -> float:
    """Root mean squared difference inside the window, HU.

    Args:
        reference_hu: The truth, ``[rows, cols]``.
        candidate_hu: What is judged, same shape.
        window: Both are clipped to it.

    Raises:
        DataError: The slices differ in size or hold NaN.
    """
    reference, candidate = _clipped_pair(reference_hu, candidate_hu, window)
    return float(np.sqrt(np.mean((candidate - reference) ** 2)))


def psnr(reference_hu: np.ndarray, candidate_hu: np.ndarray, window: Window) -> float | None:
    """Peak signal-to-noise ratio, dB, with the window's width as the peak; None for identical slices.

    None rather than infinity: one infinite slice would make the mean of a whole series infinite.

    Raises:
        DataError: The slices differ in size or hold NaN.
    """
    return _psnr_db(rmse_hu(reference_hu, candidate_hu, window), window)


def ssim(reference_hu: np.ndarray, candidate_hu: np.ndarray, window: Window) -> float:
    """Mean structural similarity inside the window, 1 for identical slices.

    The window is scaled to [0, 1] first: SSIM's luminance term depends on where zero lies, and HU's zero,
    water, sits in the middle of a window.

    Raises:
        DataError: The slices differ in size, hold NaN, or are smaller than the 11 px Gaussian.
    """
    reference, candidate = _clipped_pair(reference_hu, candidate_hu, window)
    if min(reference.shape) < SSIM_SIZE_PX:
        got = f"{reference.shape[0]}x{reference.shape[1]}"
        need = f"SSIM needs at least {SSIM_SIZE_PX}x{SSIM_SIZE_PX} pixels"
        raise DataError(explain("slice", need, got, "use larger slices"))
    value = structural_similarity(
        (reference - window.lower_hu) / window.width_hu,
        (candidate - window.lower_hu) / window.width_hu,
        data_range=1.0,
        gaussian_weights=True,
        sigma=SSIM_SIGMA_PX,
        use_sample_covariance=False,
    )
    return float(value)


def _clipped_pair(reference_hu: np.ndarray, candidate_hu: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    reference = require_slice(reference_hu, "reference")
    candidate = require_slice(candidate_hu, "candidate", reference.shape)
    return window.clip(reference), window.clip(candidate)


def _psnr_db(error_hu: float, window: Window) -> float | None:
    return 20.0 * math.log10(window.width_hu / error_hu) if error_hu > 0.0 else None
