"""Noise of a phantom's flat background: standard deviation by place, and the noise power spectrum."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.quality_phantom.estimates import Estimate, jackknifed
from n2b_ct.evaluation.quality_phantom.regions import Regions
from n2b_ct.evaluation.quality_phantom.scans import Scan
from n2b_ct.evaluation.rois import ROI_SIZES_PX, Rois, tile_rois
from n2b_ct.evaluation.texture import NoisePower, Trend, noise_power, pool_noise_power

MIN_SQUARES = 4
MOST_IMAGES = 64

DEFINITIONS: dict[str, str] = {
    "phantom_noise": (
        "Standard deviation between repeats: each image minus the mean of its repeats, times √(n/(n − 1)), over the "
        "background without inserts and the outer 8 mm. What repeats share (cupping, rings, structure) is not in it. "
        "Of a single image: the standard deviation of squares of background without their fitted second-order "
        "polynomial. Centre: the inner third of the radius; rim: its outer quarter."
    ),
    "phantom_nps": (
        "Noise power spectrum Δx·Δy/(Nx·Ny)·mean|DFT|² of squares of those differences, without their mean; of a "
        "single image, of its squares without their fitted second-order polynomial. Radial: mean over rings of one "
        "frequency bin."
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class NoiseResult:
    """Noise of one scan.

    Attributes:
        nps: None where the background has no room for squares.
        is_by_subtraction: From repeats; else from flat squares of single images.
        n_images: Whose noise it is.
    """

    noise_hu: Estimate
    centre_hu: Estimate
    rim_hu: Estimate
    mean_frequency_per_mm: Estimate
    nps: NoisePower | None
    is_by_subtraction: bool
    n_images: int


def measure_noise(scan: Scan, regions: Regions) -> NoiseResult:
    """Measure noise and its spectrum, from repeats where there are any.

    Raises:
        DataError: There is neither a repeat nor room for a square.
    """
    stacks = [scan.present] if scan.absent is None else [scan.present, scan.absent]
    noise = [stack.noise_hu for stack in stacks if stack.noise_hu is not None]
    images = np.concatenate(noise) if noise else scan.present.hu
    trend: Trend = "mean" if noise else "quadratic"
    spectra = _spectra(images[:MOST_IMAGES], _squares(regions), regions.pixel_mm, trend)
    if not (noise or spectra):
        raise DataError(explain("noise", "needs repeats or a flat square of 24 px", "neither", "scan twice"))
    whole, centre, rim = (
        _deviation(images, mask) if noise else Estimate(None)
        for mask in (regions.background, regions.zone("centre"), regions.zone("rim"))
    )
    if not noise:
        whole = jackknifed(_root_mean, np.array([one.noise_std_hu**2 for one in spectra]))
    return NoiseResult(
        noise_hu=whole,
        centre_hu=centre,
        rim_hu=rim,
        mean_frequency_per_mm=_mean_frequency(spectra),
        nps=pool_noise_power(spectra) if spectra else None,
        is_by_subtraction=bool(noise),
        n_images=len(images),
    )


def _deviation(noise_hu: np.ndarray, mask: np.ndarray) -> Estimate:
    if not mask.any():
        return Estimate(None)
    return jackknifed(_root_mean, np.mean(noise_hu[:, mask].astype(np.float64) ** 2, axis=1))


def _root_mean(variances: np.ndarray) -> float:
    return math.sqrt(float(variances.mean()))


def _squares(regions: Regions) -> Rois | None:
    """Squares of background, of the largest size of which there are four."""
    for size in ROI_SIZES_PX:
        found = tile_rois(regions.background, size, size // 4)
        kept = _without_overlap(found.corners, size)
        if len(kept) >= MIN_SQUARES:
            return Rois(kept, size, regions.shape)
    return None


def _without_overlap(corners: tuple[tuple[int, int], ...], size_px: int) -> tuple[tuple[int, int], ...]:
    kept: list[tuple[int, int]] = []
    for row, col in corners:
        if all(abs(row - r) >= size_px or abs(col - c) >= size_px for r, c in kept):
            kept.append((row, col))
    return tuple(kept)


def _spectra(
    images_hu: np.ndarray, squares: Rois | None, pixel_mm: tuple[float, float], trend: Trend
) -> list[NoisePower]:
    """One spectrum an image."""
    if squares is None:
        return []
    return [noise_power(squares.cut(image), pixel_mm, trend) for image in images_hu]


def _mean_frequency(spectra: list[NoisePower]) -> Estimate:
    if not any(one.power_hu2_mm2.any() for one in spectra):
        return Estimate(None)
    radial = [one.radial() for one in spectra]
    frequency = radial[0].frequency_per_mm

    def mean(powers: np.ndarray) -> float:
        power = powers.mean(axis=0)
        return float(frequency @ power / power.sum())

    return jackknifed(mean, np.stack([one.power_hu2_mm2 for one in radial]))
