"""Which slices of a series show a phantom's inserts: its other modules show none of them, or others."""

from __future__ import annotations

import numpy as np

from n2b_ct.config.quality_phantom import QualityPhantom
from n2b_ct.errors import DataError
from n2b_ct.evaluation.folders import FolderSeries
from n2b_ct.evaluation.quality_phantom.outline import find_outline
from n2b_ct.evaluation.quality_phantom.placement import DIAMETER_TOLERANCE, STRONG_HU, place_phantom

N_FIRST_LOOKS = 24
MOST_SLICES = 16
LOOK_PX = 256
SHARE_OF_BEST = 0.8
"""A slice shows the inserts where their pattern stands out by this share of the best one's: less at a module's end."""


def chosen_slices(phantom: QualityPhantom, series: FolderSeries) -> tuple[list[int], tuple[str, ...]]:
    """Choose the slices of a series, by index, and say which where others were left out.

    Where the inserts are faint, no single slice shows them: all are taken that show the phantom's whole outline. Where
    the place is given, nothing is looked for.
    """
    n = len(series.positions_mm)
    if n == 1 or phantom.placement is not None:
        return list(range(n)), ()
    if phantom.largest_contrast_hu < STRONG_HU:
        return _with_outline(phantom, series)
    fits: dict[int, float] = {}
    for k in np.unique(np.linspace(0, n - 1, min(n, N_FIRST_LOOKS)).round().astype(int)):
        fits[int(k)] = _fit(phantom, series, int(k))
    best = max(fits, key=lambda k: fits[k])
    if fits[best] <= 0.0:  # the phantom's own error says why
        return [best], ()
    chosen = _run(phantom, series, best, fits)
    if len(chosen) > 3:
        chosen = chosen[1:-1]
    first = (len(chosen) - min(len(chosen), MOST_SLICES)) // 2
    chosen = chosen[first : first + MOST_SLICES]
    return chosen, (f"measured on slices {chosen[0] + 1} to {chosen[-1] + 1} of {n}",) if len(chosen) < n else ()


def _with_outline(phantom: QualityPhantom, series: FolderSeries) -> tuple[list[int], tuple[str, ...]]:
    """The slices whose outline is about as wide as most slices'; all of them where noise hides most outlines."""
    n = len(series.positions_mm)
    radii = np.array([_radius_mm(phantom, series, k) for k in range(n)])
    if np.count_nonzero(radii) <= n // 2:
        return list(range(n)), ()
    usual_mm = float(np.median(radii[radii > 0.0]))
    kept = [int(k) for k in np.nonzero(np.abs(radii - usual_mm) <= DIAMETER_TOLERANCE * usual_mm)[0]]
    return kept, (f"measured on the {len(kept)} of {n} slices that show the whole phantom",) if len(kept) < n else ()


def _radius_mm(phantom: QualityPhantom, series: FolderSeries, index: int) -> float:
    """Radius of the outline in one slice; 0 where there is none."""
    try:
        return find_outline(series.read(index), series.pixel_mm, phantom.background_hu).radius_mm
    except DataError:
        return 0.0


def _run(phantom: QualityPhantom, series: FolderSeries, best: int, fits: dict[int, float]) -> list[int]:
    """Neighbours of the best slice that show the inserts as well."""
    chosen = [best]
    for step in (-1, 1):
        k = best + step
        while 0 <= k < len(series.positions_mm):
            if k not in fits:
                fits[k] = _fit(phantom, series, k)
            if fits[k] < SHARE_OF_BEST * fits[best]:
                break
            chosen.append(k)
            k += step
    return sorted(chosen)


def _fit(phantom: QualityPhantom, series: FolderSeries, index: int) -> float:
    """How well one slice shows the pattern; 0 where it does not."""
    hu = series.read(index)
    step = max(1, min(hu.shape) // LOOK_PX)
    rows, cols = (size // step * step for size in hu.shape)
    coarse = hu[:rows, :cols].reshape(rows // step, step, cols // step, step).mean(axis=(1, 3))
    pixel_mm = (series.pixel_mm[0] * step, series.pixel_mm[1] * step)
    try:
        placed = place_phantom(phantom, coarse, coarse, pixel_mm, bool(series.study_uid))
    except DataError:
        return 0.0
    return placed.z or 0.0
