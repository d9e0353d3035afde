"""Faint structure in images that are finished: what a method left of it, read at many places.

Two questions are asked of every slice, both answered by a judge whose noise is independent of the input's: the
noise-free truth, or the reference freed from the noise that it shares with the input (:mod:`truth_error`).

1. How much of the structure that the judge shows is left? At all places of soft tissue where the judge reads a
   contrast of the class, the method's readings are summed and divided by the input's. Noise of the judge chooses
   places, but it adds to neither sum.
2. Where two candidates disagree about something faint, far beyond what their noise differs by, who is right?
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import fft, ndimage

from n2b_ct.evaluation.cases import INPUT, SliceCase
from n2b_ct.evaluation.flat_regions import SOFT_TISSUE_HU
from n2b_ct.evaluation.low_contrast.tasks import (
    CONTRASTS_HU,
    MIN_DIAMETER_PX,
    SIZES_MM,
    reading_size_px,
    reading_weights,
)

JUDGE = "judge"
TILE_PX = 64
TISSUE_SIGMA_PX = 3.0
TISSUE_MARGIN_PX = 6
CLASS_FACTOR = float(np.sqrt(2.0))
LIMIT_SDS = 6.0
LEAST_DIFFERENCE_HU = 2.5
LARGEST_HU = CONTRASTS_HU[-1] * CLASS_FACTOR
MAX_PLACES = 200

DEFINITIONS: dict[str, str] = {
    "low_contrast_structure": (
        "In finished images: the method's readings over the input's, summed with the judge's sign over all places of "
        "soft tissue where the judge reads a contrast within a factor of √2 of the one given. The judge is the "
        "noise-free truth, or the reference freed from the noise that it shares with the input, so its noise adds to "
        "neither sum. It sees all structure of that size together, and no single lesion."
    ),
    "low_contrast_disagreement": (
        f"Places where the readings of two candidates differ by more than {LIMIT_SDS:g} robust standard deviations of "
        f"their difference in soft tissue and by {LEAST_DIFFERENCE_HU:g} to {LARGEST_HU:.3g} HU. The judge, or the "
        "noisy input without a reference, says which of them is right. What no other candidate shows is not seen."
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class StructureSums:
    """Readings of one size and contrast in one slice, summed with the judge's sign over tiles.

    Attributes:
        sums: Method to its sums, HU ``[tiles]``; the input's among them.
    """

    dose: float | None
    series: str
    slice_index: int
    size_mm: float
    contrast_hu: float
    sums: Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A place where two candidates differ.

    Attributes:
        more, less: The candidates: ``more`` reads higher there.
        readings: Every method's contrast, HU; the input's and the judge's among them.
        by_input: The noisy input is the judge, as there is no other.
    """

    dose: float | None
    series: str
    slice_index: int
    size_mm: float
    place_px: tuple[int, int]
    more: str
    less: str
    readings: Mapping[str, float]
    by_input: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class FinishedSlice:
    """What one slice says of faint structure."""

    structure: list[StructureSums]
    places: list[Disagreement]


def judge_hu(case: SliceCase) -> np.ndarray | None:
    """What a slice shows with noise that is independent of the input's, HU; None where nothing tells."""
    if case.truth_hu is not None:
        return case.truth_hu
    if case.reference_hu is None:
        return None
    factor = 0.0 if case.inserted_noise is None else case.inserted_noise.shared
    reference = case.reference_hu.astype(np.float64)
    return np.asarray(reference - factor * (case.input_hu - reference))


def measure_finished(case: SliceCase, compared: list[str]) -> FinishedSlice:
    """Read faint structure in every image of a slice.

    Args:
        case: The slice, with its input.
        compared: Candidates that are compared with each other.
    """
    if case.anchor != INPUT or case.pixel_mm is None or min(case.input_hu.shape) < TILE_PX:
        return FinishedSlice([], [])
    truth = judge_hu(case)
    images = case.methods | {JUDGE: case.input_hu if truth is None else truth}
    sizes = [size for size in SIZES_MM if size >= MIN_DIAMETER_PX * max(case.pixel_mm)]
    tissue = _soft_tissue(case.input_hu, reading_size_px(SIZES_MM[-1], case.pixel_mm) // 2 + 1)
    maps = readings(images, sizes, case.pixel_mm)
    structure = [] if truth is None else [one for size in sizes for one in _sums(case, maps[size], size, tissue)]
    pairs = itertools.permutations([name for name in compared if name in case.candidates], 2)
    places = [one for more, less in pairs for one in _places(case, maps, more, less, tissue)]
    return FinishedSlice(structure, [replace(one, by_input=truth is None) for one in places])


def readings(
    images: Mapping[str, np.ndarray], sizes_mm: list[float], pixel_mm: tuple[float, float]
) -> dict[float, dict[str, np.ndarray]]:
    """Read the contrast at every pixel: size to image to HU ``[rows, cols]``, float32."""
    rows, cols = next(iter(images.values())).shape
    reach = reading_size_px(sizes_mm[-1], pixel_mm) if sizes_mm else 1
    shape = tuple(fft.next_fast_len(n + reach, real=True) for n in (rows, cols))
    waves = {name: fft.rfft2(hu.astype(np.float32), s=shape) for name, hu in images.items()}
    found: dict[float, dict[str, np.ndarray]] = {}
    for size in sizes_mm:
        n = reading_size_px(size, pixel_mm)
        kernel = fft.rfft2(reading_weights(size, pixel_mm, n).astype(np.float32), s=shape)
        part = np.s_[n // 2 : n // 2 + rows, n // 2 : n // 2 + cols]
        found[size] = {name: fft.irfft2(wave * kernel, s=shape)[part] for name, wave in waves.items()}
    return found


def _soft_tissue(hu: np.ndarray, border_px: int) -> np.ndarray:
    """Soft tissue away from other tissue and from the slice's border, where a reading would reach over it."""
    smooth = ndimage.gaussian_filter(hu.astype(np.float32), TISSUE_SIGMA_PX)
    tissue = (smooth > SOFT_TISSUE_HU[0]) & (smooth < SOFT_TISSUE_HU[1])
    inside = np.zeros_like(tissue)
    inside[border_px:-border_px, border_px:-border_px] = True
    return np.asarray(ndimage.binary_erosion(tissue, iterations=TISSUE_MARGIN_PX) & inside)


def _sums(case: SliceCase, maps: Mapping[str, np.ndarray], size_mm: float, tissue: np.ndarray) -> list[StructureSums]:
    rows, cols = np.nonzero(tissue)
    n_across = -(-tissue.shape[1] // TILE_PX)
    tile = (rows // TILE_PX) * n_across + cols // TILE_PX
    n_tiles = n_across * -(-tissue.shape[0] // TILE_PX)
    values = {name: own[rows, cols] for name, own in maps.items()}
    judged = values.pop(JUDGE)
    found = []
    for contrast in CONTRASTS_HU:
        size = np.abs(judged)
        chosen = (size >= contrast / CLASS_FACTOR) & (size < contrast * CLASS_FACTOR)
        sign = np.sign(judged[chosen])
        sums = {name: np.bincount(tile[chosen], sign * own[chosen], n_tiles) for name, own in values.items()}
        found.append(StructureSums(case.dose, case.series, case.slice_index, size_mm, contrast, sums))
    return found


def _places(
    case: SliceCase, maps: Mapping[float, Mapping[str, np.ndarray]], more: str, less: str, tissue: np.ndarray
) -> list[Disagreement]:
    """Where ``more`` reads higher than ``less``, each place at the size that stands out most from white noise."""
    pixel_mm = case.pixel_mm or (1.0, 1.0)
    differences = {size: own[more] - own[less] for size, own in maps.items()}
    norms = {
        size: float(np.linalg.norm(reading_weights(size, pixel_mm, reading_size_px(size, pixel_mm)))) for size in maps
    }
    height = np.stack([difference / norms[size] for size, difference in differences.items()])
    best, top = height.argmax(axis=0), height.max(axis=0)
    found = []
    for k, (size, difference) in enumerate(differences.items()):
        if not tissue.any():
            break
        spread = 1.4826 * float(np.median(np.abs(difference[tissue])))
        least = max(LIMIT_SDS * spread, LEAST_DIFFERENCE_HU)
        peak = (best == k) & (difference >= least) & (difference <= LARGEST_HU) & tissue
        peak &= np.minimum(np.abs(maps[size][more]), np.abs(maps[size][less])) <= LARGEST_HU
        peak &= top == ndimage.maximum_filter(top, 2 * round(0.5 * size / min(pixel_mm)) + 1)
        places = sorted(zip(*np.nonzero(peak), strict=True), key=lambda at: -top[at])
        for row, col in places[:MAX_PLACES]:
            own = {name: float(read[row, col]) for name, read in maps[size].items()}
            place = int(row), int(col)
            found.append(Disagreement(case.dose, case.series, case.slice_index, size, place, more, less, own))
    return found
