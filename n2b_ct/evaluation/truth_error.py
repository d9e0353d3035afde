"""How far a slice is from the truth, although the reference is noisy and shares its noise with the input.

A lower dose that was made by noise insertion holds its full dose's noise. Then PSNR against the full dose rewards what
leaves that share in. A reference whose noise is independent of the input's::

    FD      full dose, truth + n              QD    input, FD + e with the inserted noise e
    phi     var n / var e, about a / (1 − a) for the dose fraction a
    gamma   cov(n, e) / var e, 0 for ideal noise insertion
    k       cov(FD, QD) / cov(e, QD) = (phi + gamma) / (1 + gamma)
    R       FD − k · e, uncorrelated with QD
    v_R     (1 + k) · (k − gamma) · var e

    mean (f(QD) − truth)²  ≈  mean (f(QD) − R)² − v_R

It holds for whatever is computed from QD alone. For ideal insertion R = FD − (QD − FD) · a / (1 − a). phi and gamma are
measured where the anatomy has little power: in soft tissue, at the upper frequencies of the inserted noise, phi in
the flattest tiles alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from n2b_ct.evaluation.checks import ROUNDING_HU
from n2b_ct.evaluation.rois import tile_rois
from n2b_ct.hu import AIR_BELOW_HU, Window
from n2b_ct.simulation.calibration_regions import soft_tissue

TILE_PX = 20
MIN_TILES = 8
FLATTEST_SHARE = 0.25
UPPER_POWER_SHARE = 0.5
CORRELATIONS = (-0.25, 0.1)
"""Of the reference's noise with the inserted noise: real pairs have −0.12 to −0.06, independent scans below −0.4."""
RATIOS = (0.4, 1.6)
"""Of phi to a / (1 − a): real pairs of quarter dose have 0.6 to 0.8."""
SHARED = (0.0, 2.0)
REGION_SIGMA_PX = 3.0
REGION_MARGIN_PX = 2
MIN_REGION_PX = 1000

DEFINITIONS: dict[str, str] = {
    "truth_error_hu": (
        "Root of the mean squared difference to the noise-free truth, HU, where the reference smoothed with σ "
        f"{REGION_SIGMA_PX:g} px lies inside the window, {REGION_MARGIN_PX} px from its border, nothing clipped. Where "
        "no truth is known and the input was made from the reference by noise insertion (known dose fractions, and the "
        "difference behaves so), it is estimated: mean (method − R)² − v_R, R = reference − k · (input − reference) "
        "with k such that R and the input are uncorrelated, v_R the variance of R's noise. Where little error is "
        "left, a slice's estimate may fall below 0; it is then given as a negative root. Means are roots of "
        "mean squares; none is given where that is below 0."
    ),
}
UNKNOWN_DOSE = "the doses of input and reference are not known, or the input's is not the lower one"
FEW_REGIONS = "there is too little soft tissue to measure the noise in"
NOT_INSERTED = "input − reference does not behave like noise that was inserted at this dose"


@dataclass(frozen=True, slots=True)
class InsertedNoise:
    """How the noise that was inserted into a series relates to its reference's own.

    Attributes:
        factor: k; None where it is not measurable.
        covariance: gamma.
        remark: Why there is no factor.
        shared: k of any pair, inserted noise or not, that frees its reference from noise that the input has too; near
            0 for independent scans and for references without noise, 0 where it is not measurable.
    """

    factor: float | None
    covariance: float = 0.0
    remark: str = ""
    shared: float = 0.0

    def squared_error_hu2(self, hu: np.ndarray, reference_hu: np.ndarray, inserted_hu: np.ndarray) -> float | None:
        """Estimate the mean squared error of pixels that were computed from the input; it may come out below 0."""
        if self.factor is None:
            return None
        independent = reference_hu - self.factor * inserted_hu
        variance = (1.0 + self.factor) * (self.factor - self.covariance) * float(np.mean(inserted_hu**2))
        return float(np.mean((hu - independent) ** 2)) - variance


def inserted_noise(pairs: Iterable[tuple[np.ndarray, np.ndarray]], dose: float | None) -> InsertedNoise:
    """Measure the inserted noise of a series, and whether it is inserted noise at all.

    Args:
        pairs: Slices at the lower dose with their references, HU ``[rows, cols]`` each.
        dose: The inputs' dose over the references'; None where nobody knows it.
    """
    spectra = [found for pair in pairs if (found := _spectra(*pair)) is not None]
    own, new = (np.concatenate(parts) for parts in zip(*spectra, strict=True)) if spectra else 2 * (np.empty((0, 0)),)
    known = dose is not None and 0.0 < dose < 1.0
    if len(own) < MIN_TILES:
        return InsertedNoise(None, remark=FEW_REGIONS if known else UNKNOWN_DOSE)
    if np.abs(new).max() <= ROUNDING_HU:
        return InsertedNoise(None, remark=NOT_INSERTED if known else UNKNOWN_DOSE)
    upper = _upper_band(np.mean(np.abs(new) ** 2, axis=0))
    flat = _flattest(own, new, upper)
    own, new = own[:, upper], new[:, upper]
    covariance = float(np.sum((own * new.conj()).real) / np.sum(np.abs(new) ** 2))
    ratio = float(np.sum(np.abs(own[flat]) ** 2) / np.sum(np.abs(new[flat]) ** 2))
    shared = float(np.clip((ratio + covariance) / max(1.0 + covariance, 0.1), *SHARED))
    if dose is None or not known:
        return InsertedNoise(None, covariance, UNKNOWN_DOSE, shared)
    if not _is_plausible(ratio, covariance, dose):
        return InsertedNoise(None, covariance, NOT_INSERTED, shared)
    return InsertedNoise((ratio + covariance) / (1.0 + covariance), covariance, shared=shared)


def truth_region(reference_hu: np.ndarray, window: Window) -> np.ndarray:
    """Mark where the error against the truth is measured in a window, bool ``[rows, cols]``; never in air."""
    smooth = ndimage.gaussian_filter(np.asarray(reference_hu, np.float64), REGION_SIGMA_PX)
    inside = (smooth > max(window.lower_hu, AIR_BELOW_HU)) & (smooth < window.upper_hu)
    return np.asarray(ndimage.binary_erosion(inside, iterations=REGION_MARGIN_PX))


def signed_root(square: float) -> float:
    """Root of an estimate of a square; of a negative one the negative root of its size."""
    return math.copysign(math.sqrt(abs(square)), square)


def _is_plausible(ratio: float, covariance: float, dose: float) -> bool:
    """Judge by the correlation of both noises and by their ratio that the dose predicts."""
    low, high = RATIOS
    correlation = covariance / math.sqrt(ratio) if ratio > 0.0 else -1.0
    expected = dose / (1.0 - dose)
    return CORRELATIONS[0] < correlation < CORRELATIONS[1] and low * expected < ratio < high * expected


def _spectra(input_hu: np.ndarray, reference_hu: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Spectra of the reference and of the inserted noise in tiles of soft tissue, ``[tiles, frequencies]`` each."""
    reference = np.asarray(reference_hu, np.float64)
    tiles = tile_rois(soft_tissue(reference_hu), TILE_PX, TILE_PX // 2)
    if not tiles.corners:
        return None
    window = np.outer(*2 * [np.hanning(TILE_PX + 2)[1:-1]])
    found = []
    for image in (reference, np.asarray(input_hu, np.float64) - reference):
        cut = tiles.cut(image)
        means = np.average(cut, axis=(1, 2), weights=np.broadcast_to(window, cut.shape))
        found.append(np.fft.fft2((cut - means[:, None, None]) * window).reshape(len(cut), -1))
    return found[0], found[1]


def _upper_band(power: np.ndarray) -> np.ndarray:
    """Mark the frequencies above those that hold the lower share of a power ``[frequencies]``, up to Nyquist."""
    frequency = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(TILE_PX)])).ravel()
    order = np.argsort(frequency, kind="stable")
    below = np.cumsum(power[order])
    split = frequency[order][np.searchsorted(below, UPPER_POWER_SHARE * below[-1])]
    return np.asarray((frequency >= min(split, 0.4)) & (frequency <= 0.5))


def _flattest(own: np.ndarray, new: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Numbers of the tiles whose reference has the least power at the lower frequencies, for its inserted noise."""
    anatomy, noise = (np.sum(np.abs(part[:, ~upper]) ** 2, axis=1) for part in (own, new))
    return np.argsort(anatomy / np.maximum(noise, np.finfo(np.float64).tiny), kind="stable")[
        : max(MIN_TILES, round(FLATTEST_SHARE * len(own)))
    ]
