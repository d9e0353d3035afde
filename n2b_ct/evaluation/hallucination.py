"""Does a denoiser invent structure where there is none? Checks on signal-absent images of known truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import signal, special

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.checks import require_hu
from n2b_ct.evaluation.texture import detrend

N_NULL = 999
MIN_IMAGES = 8
ALPHA = 0.01

_ROUNDING = 1e-9

DEFINITIONS: dict[str, str] = {
    "invented_structure_hu": (
        "Mean over realisations of denoised − truth, without its plane: its RMS beyond what noise leaves in a mean of "
        "that many images, HU. 0 is right for images that differ only in noise. Blur of the truth's own edges counts "
        "too, so the truth should be uniform."
    ),
    "invented_structure_p": (
        f"Share of {N_NULL} random flips of the sign of whole realisations whose mean has at least this RMS, "
        "(b + 1) / (m + 1): flips keep the noise's texture but not what repeats."
    ),
    "false_positive_rate": (
        "Share of signal-absent positions where the NPW template, scaled to read contrast in HU, reads at least half "
        "the signal's contrast; beside it the share that normal scores of the same robust standard deviation would "
        "give. More than that means blobs that look like the signal."
    ),
}


@dataclass(frozen=True, slots=True)
class InventedStructure:
    """Structure that repeats over realisations although the truth has none.

    Attributes:
        structure_hu: RMS beyond noise; see ``DEFINITIONS["invented_structure_hu"]``.
        expected_rms_hu: RMS that noise alone leaves in the mean.
        mean_bias_hu: Mean of denoised − truth.
        p_value: Of the sign-flip test.
        warns: True where the p-value is below 0.01.
        n_images: Realisations.
    """

    structure_hu: float
    expected_rms_hu: float
    mean_bias_hu: float
    p_value: float
    warns: bool
    n_images: int


@dataclass(frozen=True, slots=True)
class FalsePositives:
    """How often nothing looks like the signal.

    Attributes:
        rate: Share of positions that read at least half the contrast.
        expected_rate: The share that normal scores of the same robust spread would give.
        score_std_hu: Standard deviation of the readings, HU, from their median absolute deviation, which a few blobs
            do not change.
        n_positions: Positions read, spaced by the template's size, over all realisations.
    """

    rate: float
    expected_rate: float
    score_std_hu: float
    n_positions: int


def invented_structure(denoised_hu: np.ndarray, truth_hu: np.ndarray, seed: int = 0) -> InventedStructure:
    """Look for structure in the mean error over realisations.

    Args:
        denoised_hu: Denoised realisations without signal, ``[images, size, size]``, HU.
        truth_hu: What they show without noise, ``[size, size]``.
        seed: Of the sign flips.

    Raises:
        DataError: There are fewer than 8 realisations, they are not square, differ from the truth in size, or hold
            NaN.
    """
    error = _require_errors(denoised_hu, truth_hu)
    n_images, n_px = len(error), error[0].size
    noise = detrend(error, "plane").reshape(n_images, n_px)
    mean_square = float(np.mean(noise.mean(axis=0) ** 2))
    expected = float(np.mean(noise.var(axis=0, ddof=1))) / n_images
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(N_NULL, n_images))
    null = np.einsum("si,ij,sj->s", signs, noise @ noise.T, signs) / (n_images**2 * n_px)
    p_value = (1 + int(np.count_nonzero(null >= mean_square))) / (N_NULL + 1)
    return InventedStructure(
        structure_hu=math.sqrt(max(mean_square - expected, 0.0)),
        expected_rms_hu=math.sqrt(expected),
        mean_bias_hu=float(error.mean()),
        p_value=p_value,
        warns=p_value < ALPHA,
        n_images=n_images,
    )


def false_positives(
    denoised_hu: np.ndarray, truth_hu: np.ndarray, template: np.ndarray, contrast_hu: float
) -> FalsePositives:
    """Count signal-absent positions that look like the signal to the NPW observer.

    Args:
        denoised_hu: Denoised realisations without signal, ``[images, size, size]``, HU.
        truth_hu: What they show without noise, ``[size, size]``.
        template: The signal's shape in the image for a contrast of 1, ``[rows, cols]``, no larger than the images.
        contrast_hu: The signal's contrast.

    Raises:
        DataError: As for :func:`invented_structure`, or the template is constant or larger than the images.
    """
    error = _require_errors(denoised_hu, truth_hu)
    if any(t > s for t, s in zip(template.shape, truth_hu.shape, strict=True)):
        got = "x".join(map(str, template.shape))
        raise DataError(explain("template", "must fit into the images", got, "cut it to the signal's size"))
    centred = template - template.mean()
    if np.abs(centred).max() <= _ROUNDING * np.abs(template).max():
        raise DataError(explain("template", "must have a shape", "one constant", "leave some background around it"))
    reader = centred[::-1, ::-1] / float(np.sum(centred * template))
    read_hu = np.stack([signal.fftconvolve(image, reader, mode="valid") for image in error])
    readings = read_hu[:, :: template.shape[0], :: template.shape[1]].ravel()
    towards = readings * math.copysign(1.0, contrast_hu)
    spread = float(1.4826 * np.median(np.abs(readings - np.median(readings))))
    half = 0.5 * abs(contrast_hu)
    expected = float(special.ndtr(-half / spread)) if spread > 0.0 else 0.0
    return FalsePositives(float(np.mean(towards >= half)), expected, spread, readings.size)


def _require_errors(denoised_hu: np.ndarray, truth_hu: np.ndarray) -> np.ndarray:
    if denoised_hu.ndim != 3 or denoised_hu.shape[1:] != truth_hu.shape or truth_hu.shape[0] != truth_hu.shape[1]:
        need = "are [images, size, size] with a truth of their size"
        got = f"{denoised_hu.shape} and {truth_hu.shape}"
        raise DataError(explain("signal-absent images", need, got, "cut square regions"))
    if len(denoised_hu) < MIN_IMAGES:
        need = f"need at least {MIN_IMAGES} realisations"
        raise DataError(explain("signal-absent images", need, len(denoised_hu), "denoise more of them"))
    for images in (denoised_hu, truth_hu):
        require_hu(images, "signal-absent images")
    return np.asarray(denoised_hu.astype(np.float64) - truth_hu)
